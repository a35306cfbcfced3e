#pragma once
#include "pgwire/teesql-pgwire-startup.h"

G_BEGIN_DECLS

/**
 * teesql_startup_options_pick:
 *
 * what of a client's startup packet PostgreSQL gets to see: user, database, `replication` where it was asked for, and settings of the
 * allow-list, also out of `options` (`-c name=value`). Settings that would touch rights, the server's own behaviour or another session
 * are not on it. Pure.
 *
 * Returns: (transfer full) (array zero-terminated=1) (nullable): flat pairs for teesql_message_startup(); %NULL with REFUSED
 *   `startup-option` in #TEESQL_PROTOCOL_ERROR
 */
GPtrArray *teesql_startup_options_pick (const TeesqlStartup *startup, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
