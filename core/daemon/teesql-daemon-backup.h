#pragma once
#include "control/teesql-control-server.h"
#include "daemon/teesql-daemon-keys.h"
#include "daemon/teesql-daemon-plugins.h"
#include "postgres/teesql-managed-postgres.h"

G_BEGIN_DECLS

/**
 * TeesqlDaemonBackup:
 *
 * ties the backup service to the rest of the daemon: the operator's socket, which is there from the start; for a managed server the filling of an
 * empty volume, WAL while it recovers, and the settings that backups need; and, once the server takes writes, the service itself. Main context.
 */
typedef struct _TeesqlDaemonBackup TeesqlDaemonBackup;

/**
 * teesql_daemon_backup_new:
 * @managed: (nullable)
 *
 * Returns: (transfer full) (nullable): %NULL when the operator's socket cannot be opened
 */
TeesqlDaemonBackup *teesql_daemon_backup_new (TeesqlConfig *config, TeesqlStatus *status, TeesqlManagedPostgres *managed, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_daemon_backup_free (TeesqlDaemonBackup *self);
/**
 * teesql_daemon_backup_prepare:
 *
 * there is an identity and a KMS. Without storages nothing happens.
 *
 * Returns: %FALSE when backups can never work: our own sealing fails its test (SR-17)
 */
gboolean teesql_daemon_backup_prepare (TeesqlDaemonBackup *self, TeesqlAttestService *attest, TeesqlKms *kms, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* the server can be reached with this password; called as often as that is learnt */
void teesql_daemon_backup_start (TeesqlDaemonBackup *self, TeesqlSecret *admin_password);
void teesql_daemon_backup_set_config (TeesqlDaemonBackup *self, TeesqlConfig *config);
void teesql_daemon_backup_stop (TeesqlDaemonBackup *self); /* before the server goes */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlDaemonBackup, teesql_daemon_backup_free)
G_END_DECLS
