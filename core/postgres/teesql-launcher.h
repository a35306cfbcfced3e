#pragma once
#include "postgres/teesql-managed-place.h"

G_BEGIN_DECLS

/**
 * TeesqlLauncherEnds:
 * @socket: messages of teesql-launch-message.h; closing it stops PostgreSQL in order
 * @log: what PostgreSQL and its programs write, not blocking
 */
typedef struct
{
  int socket;
  int log;
} TeesqlLauncherEnds;

/**
 * teesql_launcher_fork:
 *
 * splits off the process that lives as two users: it starts PostgreSQL as its own user, and stops it when this process is gone, however that
 * happened. For main (), before there is a thread, a secret or a connection: the child is a copy. It reads nothing but fixed messages of
 * ours and what lies in PostgreSQL's own folder, the latter as PostgreSQL's user.
 *
 * Returns: %FALSE with FAILED `postgres-launcher` in #TEESQL_POSTGRES_ERROR
 */
gboolean teesql_launcher_fork (const TeesqlManagedPlace *place, TeesqlLauncherEnds *out_ends, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
