#pragma once
#include "config/teesql-config.h"
#include "postgres/teesql-backend.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

#define TEESQL_POSTGRES_MAJOR 17

/**
 * TeesqlPostgres:
 *
 * the PostgreSQL server that we front, whoever started it: checked, provisioned, asked for its state. Lives on the
 * context it is made in, waits only there, never blocks. Publishes %TEESQL_COMPONENT_POSTGRES.
 */
#define TEESQL_TYPE_POSTGRES (teesql_postgres_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlPostgres, teesql_postgres, TEESQL, POSTGRES, GObject)

TeesqlPostgres *teesql_postgres_new (TeesqlConfig *config, TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_postgres_set_config: for the provisioning that follows a reload
 */
void teesql_postgres_set_config (TeesqlPostgres *self, TeesqlConfig *config);
/**
 * teesql_postgres_disconnect: the connection that is kept for the state is closed; the next question makes another
 */
void teesql_postgres_disconnect (TeesqlPostgres *self);
/**
 * teesql_postgres_provision_async:
 * @admin_password: (nullable): %NULL where the server asks none of `admin-user` (peer authentication)
 * @roles_key: the KMS key at `pg/roles`
 *
 * connects as the administrator, refuses a server that listens beyond loopback or is not 17, then, with `provision = true`, makes
 * roles, verifiers and grants what the configuration says, database by database, each in one transaction. What is right already is
 * left alone, so a second run changes nothing. Two nodes that do it at once wait for each other. With `provision = false` the roles
 * must be there with their passwords.
 */
void teesql_postgres_provision_async (TeesqlPostgres *self, TeesqlSecret *admin_password, TeesqlSecret *roles_key, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_postgres_provision_finish:
 * @out_changes: (out) (optional) (transfer full) (array zero-terminated=1): what was changed, one text each, also logged
 *
 * Returns: (transfer full) (nullable): what sessions need, keys warm; %NULL with #TEESQL_POSTGRES_ERROR: REFUSED
 *   `postgres-listens-beyond-loopback`, UNSUPPORTED `postgres-version`, PERMISSION `postgres-login` or `postgres-rights`, NOT_FOUND
 *   `postgres-database`, UNAVAILABLE `postgres-unreachable`, FAILED `postgres-query`, or #G_IO_ERROR for time and cancellation
 */
TeesqlBackend *teesql_postgres_provision_finish (TeesqlPostgres *self, GAsyncResult *result, char ***out_changes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlPostgresState:
 *
 * facts of the running server for `/attestation` and status; texts as PostgreSQL prints them
 */
typedef struct {
  char *wal_lsn; /* current write position, in recovery the last replayed; `0/16B3748` */
  char *version; /* `17.11` */
  guint64 system_identifier;
  gboolean in_recovery;
} TeesqlPostgresState;
void teesql_postgres_state_free (TeesqlPostgresState *self);
/**
 * teesql_postgres_read_state_async:
 *
 * asks over one connection that is kept for this purpose and made again when it broke. The password of the last provisioning serves.
 */
void teesql_postgres_read_state_async (TeesqlPostgres *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TeesqlPostgresState *teesql_postgres_read_state_finish (TeesqlPostgres *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPostgresState, teesql_postgres_state_free)
G_END_DECLS
