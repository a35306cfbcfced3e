#pragma once
#include "cli/teesql-cli.h"

G_BEGIN_DECLS

/* (nullable): what a running command is at; drawn on a terminal only */
typedef void (*TeesqlCliProgress) (const char *phase, guint64 done, guint64 total);
void teesql_cli_draw_progress (const char *phase, guint64 done, guint64 total); /* one line of stderr, over and over */
void teesql_cli_end_progress (void);

char *teesql_cli_dup_size (guint64 bytes);  /* "1.3 GiB" */
char *teesql_cli_dup_time (gint64 at_unix); /* "2026-03-01 12:00:00Z" */

/**
 * teesql_cli_ask_daemon:
 * @request: an object that was begun and holds the command; ended here
 *
 * asks the teesqld of this machine over its operator socket, as `--config` or the system's file says where. Blocks.
 *
 * Returns: (transfer full) (nullable): the object `result`. Errors: UNAVAILABLE `daemon-away`, PERMISSION `daemon-permission`, or the
 * daemon's own
 */
JsonObject *teesql_cli_ask_daemon (const TeesqlCliGlobals *globals, JsonBuilder *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
