#pragma once
#include "backup/teesql-backup-runner.h"

G_BEGIN_DECLS

/**
 * TeesqlBackupService:
 *
 * all repositories of `[backup] storages`: starts a runner for each once the server and its password are known, publishes %TEESQL_COMPONENT_BACKUP, hands
 * out tasks. A storage that fails degrades; sessions never notice. Main context.
 */
#define TEESQL_TYPE_BACKUP_SERVICE (teesql_backup_service_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlBackupService, teesql_backup_service, TEESQL, BACKUP_SERVICE, GObject)

/**
 * teesql_backup_service_new:
 *
 * makes or reads the cluster id. The caller has tested our own sealing (teesql_seal_self_test()).
 *
 * Returns: (transfer full) (nullable): %NULL when the state directory cannot be used
 */
TeesqlBackupService *teesql_backup_service_new (TeesqlConfig *config, TeesqlStatus *status, TeesqlAttestService *attest, TeesqlKms *kms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_backup_service_start:
 *
 * the server can be reached as `admin-user`. Called again with another password: runners go on with the new one.
 */
void teesql_backup_service_start (TeesqlBackupService *self, TeesqlSecret *admin_password);
void teesql_backup_service_set_config (TeesqlBackupService *self, TeesqlConfig *config);
void teesql_backup_service_stop (TeesqlBackupService *self); /* a few seconds at most; WAL that is on its way may still arrive */
/**
 * teesql_backup_service_do_async:
 * @storage: (nullable): %NULL: the only one, else CONFIG `storage-ambiguous`
 */
void teesql_backup_service_do_async (TeesqlBackupService *self, const char *storage, const TeesqlBackupTask *task, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
char *teesql_backup_service_do_finish (TeesqlBackupService *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* progress of what runs at @storage; FALSE when nothing does */
gboolean teesql_backup_service_get_progress (TeesqlBackupService *self, const char *storage, guint64 *out_done, guint64 *out_total, char **out_phase);

G_END_DECLS
