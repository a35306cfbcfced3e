#pragma once
#include "storage/teesql-store.h"

G_BEGIN_DECLS

/* The contract of <teesql/teesql-storage.h>, held against a storage: ours or a stranger's. */

typedef enum
{
  TEESQL_STORAGE_CHECK_PASSED,
  TEESQL_STORAGE_CHECK_FAILED,
  TEESQL_STORAGE_CHECK_SKIPPED, /* it does not claim the feature */
} TeesqlStorageCheckStatus;

/**
 * TeesqlStorageCheckResult:
 * @name: stable id, `if-absent-race`
 * @title: what is promised
 * @expected: (nullable): of a check that failed; of one that was skipped, the feature
 */
typedef struct
{
  const char *name;
  const char *title;
  TeesqlStorageCheckStatus status;
  const char *expected;
  const char *found;
  guint duration_ms;
} TeesqlStorageCheckResult;

/**
 * TeesqlStorageCheckOptions:
 * @n_names: how many names the listing checks make; 0: 10,000, or 500 when @quick
 * @only: (nullable) (array zero-terminated=1): names of checks; others are left out
 * @progress: (nullable): before each check and, within long ones, from time to time; on any thread, one at a time
 */
typedef struct
{
  guint n_names;
  gboolean quick;
  const char *const *only;
  void (*result) (const TeesqlStorageCheckResult *result, gpointer user_data);
  void (*progress) (const char *name, guint64 done, guint64 total, gpointer user_data);
  gpointer user_data;
} TeesqlStorageCheckOptions;

/**
 * teesql_storage_check_run:
 *
 * works below a random prefix of its own and takes away what it made. Blocks.
 *
 * Returns: %FALSE with @error when nothing could be checked: the storage cannot be made or reached, or @cancellable
 */
gboolean teesql_storage_check_run (TeesqlStore *store, const TeesqlStorageCheckOptions *options, GCancellable *cancellable,
                                   gboolean *out_passed, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* NULL-terminated */
const char *const *teesql_storage_check_list (void);

G_END_DECLS
