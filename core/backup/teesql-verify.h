#pragma once
#include "backup/teesql-catalog.h"

G_BEGIN_DECLS

/**
 * TeesqlVerifySeverity:
 * @TEESQL_VERIFY_NOTE: worth knowing; nothing that the catalog promises is missing
 * @TEESQL_VERIFY_DAMAGE: something that the catalog promises is not there
 */
typedef enum
{
  TEESQL_VERIFY_NOTE,
  TEESQL_VERIFY_DAMAGE,
} TeesqlVerifySeverity;

/**
 * TeesqlVerifyFinding:
 * @reason: `object-missing`, `object-truncated`, `object-substituted`, `object-foreign`, `object-stray`, `wal-gap`, `catalog-broken`, or
 *   the seal's own (`seal-tag`, `seal-commitment`, …)
 * @object: its name, or what the finding is about
 */
typedef struct
{
  TeesqlVerifySeverity severity;
  char *reason;
  char *object;
  char *message;
} TeesqlVerifyFinding;

/**
 * TeesqlVerifyReport:
 * @findings: (element-type TeesqlVerifyFinding): at most %TEESQL_VERIFY_FINDINGS_MAX of them; @n_damages and @n_notes count all
 */
typedef struct
{
  GPtrArray *findings;
  guint64 n_damages;
  guint64 n_notes;
  guint64 n_objects; /* looked at */
  guint64 n_bytes;   /* read and found right */
  guint n_backups;
  guint64 n_segments;
} TeesqlVerifyReport;

#define TEESQL_VERIFY_FINDINGS_MAX 10000u

void teesql_verify_report_free (TeesqlVerifyReport *self);

/* @total: 0 when not known */
typedef void (*TeesqlVerifyProgress) (guint64 done, guint64 total, const char *phase, gpointer user_data);

/**
 * teesql_repository_verify_run:
 * @deep: every byte of every object; otherwise the header and the last segment of each piece, and the names of WAL
 *
 * everything that the catalog's record promises, against what is there. Goes on behind a finding; only a store that cannot be asked, and
 * the cancellable, end it.
 *
 * Returns: (transfer full) (nullable)
 */
TeesqlVerifyReport *teesql_repository_verify_run (TeesqlCatalog *catalog, gboolean deep, TeesqlVerifyProgress progress,
                                                  gpointer progress_data, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlVerifyReport, teesql_verify_report_free)
G_END_DECLS
