#pragma once
#include "config/teesql-config.h"

#include <sys/types.h>

G_BEGIN_DECLS

/**
 * TeesqlManagedPlace:
 * @switches: PostgreSQL runs as another user than this process; then @uid and @gid are that user's
 * @staging: beside the data directory; a cluster is made there and renamed when it is complete
 *
 * where a managed server lives and whom it runs as. Fixed for the life of the process: every key it comes from needs a restart.
 */
typedef struct
{
  char *bin_directory;
  char *data_directory;
  char *staging;
  char *socket_directory;
  char *state_directory;
  char *runtime_directory;
  char *admin_user;
  char *user;
  guint port;
  guint stop_timeout_ms;
  uid_t uid;
  gid_t gid;
  gboolean switches;
} TeesqlManagedPlace;

/**
 * teesql_managed_place_new:
 *
 * Returns: (transfer full) (nullable): %NULL with CONFIG in #TEESQL_POSTGRES_ERROR: `postgres-user` (no such user, or root),
 *   `postgres-programs` (not there, or others may write them)
 */
TeesqlManagedPlace *teesql_managed_place_new (const TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_managed_place_free (TeesqlManagedPlace *self);
/**
 * teesql_managed_place_may_switch:
 *
 * whether this process may become another user: root, or a user with the capabilities for it
 */
gboolean teesql_managed_place_may_switch (void);
/**
 * teesql_managed_place_drop_rights:
 *
 * what only the launcher needed goes from this process. Root keeps being root.
 */
void teesql_managed_place_drop_rights (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlManagedPlace, teesql_managed_place_free)
G_END_DECLS
