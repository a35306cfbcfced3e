#pragma once
#include "config/teesql-config.h"
#include <libpq-fe.h>

G_BEGIN_DECLS

/**
 * TeesqlPgConnection:
 *
 * one administrative connection through libpq, driven by the context it was opened on: nothing here blocks. One call at a time.
 * Reads no `PG*` variable, service file or password file; its `search_path` is empty.
 */
#define TEESQL_TYPE_PG_CONNECTION (teesql_pg_connection_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlPgConnection, teesql_pg_connection, TEESQL, PG_CONNECTION, GObject)

/**
 * TeesqlPgResult:
 *
 * a PGresult that knows how to go away
 */
typedef PGresult TeesqlPgResult;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPgResult, PQclear)

/**
 * teesql_pg_connection_open_async:
 * @config: says where (`[postgresql] host`, `port`)
 * @password: (nullable): its copy for libpq lies in locked memory and is wiped at once; libpq keeps one of its own while the
 *   connection lives
 */
void teesql_pg_connection_open_async (const TeesqlConfig *config, const char *user, const char *database, TeesqlSecret *password,
                                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TeesqlPgConnection *teesql_pg_connection_open_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_pg_connection_query_async:
 * @parameters: (nullable) (array zero-terminated=1): values of $1, $2, … as text
 *
 * one statement. After cancellation, time or a broken connection nothing more can be asked of it.
 */
void teesql_pg_connection_query_async (TeesqlPgConnection *self, const char *sql, const char *const *parameters, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
TeesqlPgResult *teesql_pg_connection_query_finish (TeesqlPgConnection *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_connection_is_usable (TeesqlPgConnection *self) G_GNUC_WARN_UNUSED_RESULT;
void teesql_pg_connection_close (TeesqlPgConnection *self); /* an open transaction is rolled back by the server */

G_END_DECLS
