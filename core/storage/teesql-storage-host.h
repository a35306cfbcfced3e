#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * teesql_storage_host_run:
 * @socket: (transfer full): the daemon's end is whoever started us
 *
 * waits for the greeting, confines this process, maps the module and serves calls until the socket closes. Called before any thread
 * exists. Returns: exit status
 */
int teesql_storage_host_run (int socket);

G_END_DECLS
