#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * teesql_exec_environment:
 * @host: folder of the socket, or address
 *
 * Returns: (transfer full) (array zero-terminated=1) (nullable): %NULL where DATABASE_URL leads elsewhere and is not understood; else the caller's own environment, pointed at the forwarder: PGHOST, PGPORT,
 *   PGSSLMODE=disable, DATABASE_URL rewritten; what would lead elsewhere or ask for TLS is gone. Role, database and password of DATABASE_URL
 *   fill PGUSER, PGDATABASE and PGPASSWORD where those are not set.
 */
char **teesql_exec_environment (const char *host, guint16 port, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_exec_run:
 *
 * runs a command with it while the default main context turns; SIGTERM and SIGHUP are passed on, SIGINT and SIGQUIT of the terminal are
 * the command's alone.
 *
 * Returns: its exit code, 128 + n for signal n, 126 or 127 where it could not be started
 */
int teesql_exec_run (char **command, char **environment);

G_END_DECLS
