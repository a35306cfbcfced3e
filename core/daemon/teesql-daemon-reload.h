#pragma once
#include "config/teesql-config.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * TeesqlDaemonReload:
 *
 * reads the files again and says what came of it: findings, keys that wait for a restart, all as notices of the last reload.
 */
typedef struct _TeesqlDaemonReload TeesqlDaemonReload;

/* @path: (nullable): `--config` */
TeesqlDaemonReload *teesql_daemon_reload_new (const char *path, TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
void teesql_daemon_reload_free (TeesqlDaemonReload *self);
/**
 * teesql_daemon_reload_read:
 *
 * merges the files with what is in force. A file that does not pass every check changes nothing.
 *
 * Returns: (transfer full) (nullable): the configuration to put in force
 */
TeesqlConfig *teesql_daemon_reload_read (TeesqlDaemonReload *self, TeesqlConfig *running) G_GNUC_WARN_UNUSED_RESULT;
/* says why a configuration that was read could not be put in force */
void teesql_daemon_reload_refuse (TeesqlDaemonReload *self, const GError *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlDaemonReload, teesql_daemon_reload_free)
G_END_DECLS
