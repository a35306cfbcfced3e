#pragma once
#include "config/teesql-config.h"
#include "postgres/teesql-launcher.h"

G_BEGIN_DECLS

/* What `teesqld` returns (conventions): a wrong configuration is the operator's to mend, so a service manager need not try again. */
#define TEESQL_EXIT_DONE   0
#define TEESQL_EXIT_FAILED 1
#define TEESQL_EXIT_CONFIG 78 /* EX_CONFIG */

/**
 * TeesqlDaemon:
 *
 * the life of `teesqld`: faces up first, then plugins, identity, keys, PostgreSQL, and only then the listener for clients. What cannot
 * be reached is waited for. SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends at once.
 */
#define TEESQL_TYPE_DAEMON (teesql_daemon_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlDaemon, teesql_daemon, TEESQL, DAEMON, GObject)

/**
 * teesql_daemon_new:
 * @config_path: (nullable): to read again at SIGHUP
 */
TeesqlDaemon *teesql_daemon_new (TeesqlConfig *config, const char *config_path) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_daemon_take_launcher:
 * @place: (transfer full)
 * @ends: taken; from teesql_launcher_fork()
 *
 * for `[postgresql] mode = managed`, before teesql_daemon_run()
 */
void teesql_daemon_take_launcher (TeesqlDaemon *self, TeesqlManagedPlace *place, const TeesqlLauncherEnds *ends);
/**
 * teesql_daemon_run:
 *
 * Returns: the exit status
 */
int teesql_daemon_run (TeesqlDaemon *self);

G_END_DECLS
