#pragma once
#include "postgres/teesql-backend.h"
#include "proxy/teesql-auth.h"
#include "proxy/teesql-cancel-table.h"
#include "proxy/teesql-key-pool.h"
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

/**
 * TeesqlServerLogin:
 *
 * the way into PostgreSQL for a client that has proved itself: dial, SCRAM with the role's derived password, startup up to
 * ReadyForQuery. Of one worker, on its thread.
 */
typedef struct _TeesqlServerLogin TeesqlServerLogin;

/**
 * TeesqlServerLoginOptions:
 * @auth: one that succeeded
 * @startup: flat pairs, as teesql_startup_options_pick() gives them
 *
 * Borrowed for the call, referenced where kept.
 */
typedef struct
{
  TeesqlWorker *worker;
  TeesqlAuth *auth;
  TeesqlBackend *backend;
  TeesqlCancelTable *cancels;
  TeesqlKeyPool *pool;
  GPtrArray *startup;
} TeesqlServerLoginOptions;

/**
 * TeesqlServerLoginResult:
 * @stream: (nullable): the callee takes it
 * @cancel_pid: of our cancel table, to be removed with the session; 0 on failure
 * @answer: AuthenticationOk and what PostgreSQL said up to ReadyForQuery, with our cancel key in place of its own; on failure the
 *   ErrorResponse for the client
 * @error: (nullable): exactly when @stream is %NULL; for the log
 */
typedef struct
{
  TeesqlStream *stream;
  guint32 cancel_pid;
  GByteArray *answer;
  const GError *error;
} TeesqlServerLoginResult;

typedef void (*TeesqlServerLoginFunc) (TeesqlServerLoginResult *result, gpointer user_data);

/**
 * teesql_server_login_start:
 * @func: runs once, never from inside this call; the login is gone afterwards
 *
 * Returns: (nullable): %NULL, and @func does not run, where the client has proved nothing
 */
TeesqlServerLogin *teesql_server_login_start (const TeesqlServerLoginOptions *options, TeesqlServerLoginFunc func, gpointer user_data)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_server_login_cancel (TeesqlServerLogin *self); /* @func does not run any more */

G_END_DECLS
