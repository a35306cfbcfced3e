#pragma once
#include <libpq-fe.h>
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * teesql_pg_start:
 * @names, @values: (array zero-terminated=1): of parameters, without the ones that hold for every connection of ours: no password file, no
 *   TLS and no GSS on the local hop, no look at other hosts
 * @host: socket folder or loopback address; never resolved
 * @password: (nullable): its copy for libpq lies in locked memory and is wiped at once; libpq keeps one of its own while the connection
 *   lives
 *
 * begins a connection that reads no `PG*` variable, service file or password file.
 *
 * Returns: (transfer full) (nullable): for PQconnectPoll()
 */
PGconn *teesql_pg_start (const char *host, guint port, const char *const *names, const char *const *values, TeesqlSecret *password,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_pg_find_sqlstate:
 *
 * libpq has no accessor for the code of a refused start, but a verbose message carries it.
 *
 * Returns: (transfer full) (nullable): the code; *out_text is what follows it, or all of @message
 */
char *teesql_pg_find_sqlstate (const char *message, const char **out_text) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
