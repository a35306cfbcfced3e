#pragma once
#include "backup/teesql-backup-service.h"

G_BEGIN_DECLS

#define TEESQL_CONTROL_SOCKET "teesqld.sock" /* in `[teesql] runtime-directory` */

/**
 * TeesqlControlServer:
 *
 * the operator's door: a unix socket of mode 0600 that answers only root and the daemon's own user. One connection is one request: a line of JSON, answered by
 * lines of JSON, `{"progress":{…}}` as often as something moves, then one `{"result":{…}}` or `{"error":{"reason":…,"message":…,"code":…}}` (docs/control.md).
 * Who hangs up takes the request back. Main context.
 */
#define TEESQL_TYPE_CONTROL_SERVER (teesql_control_server_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlControlServer, teesql_control_server, TEESQL, CONTROL_SERVER, GObject)

/**
 * teesql_control_server_new:
 * @runtime_directory: held by this daemon: a socket that lies there is stale
 * @backups: (nullable): without storages every backup command is refused (`backup-off`)
 */
TeesqlControlServer *teesql_control_server_new (const char *runtime_directory, TeesqlStatus *status, TeesqlBackupService *backups, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_control_server_set_backups (TeesqlControlServer *self, TeesqlBackupService *backups);
void teesql_control_server_stop (TeesqlControlServer *self); /* removes the socket, ends what is under way */

G_END_DECLS
