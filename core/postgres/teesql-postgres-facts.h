#pragma once
/* What the server tells about itself, judged: pure functions over its texts. */
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * teesql_postgres_check_version:
 * @number: `server_version_num`, `170011`
 */
gboolean teesql_postgres_check_version (const char *number, const char *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_postgres_check_addresses:
 * @listen_addresses: the setting; it cannot change while the server runs
 * @out_named: whether a name stands there, which only the sockets can tell the meaning of
 *
 * Returns: %FALSE with REFUSED `postgres-listens-beyond-loopback` for `*` and every address beyond loopback
 */
gboolean teesql_postgres_check_addresses (const char *listen_addresses, gboolean *out_named, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_postgres_check_sockets:
 * @rows: (nullable): lines of `/proc/net/tcp` and `tcp6` as the server sees them; %NULL when it could not read them
 * @uid: the server's user
 * @named: from teesql_postgres_check_addresses(): then @rows must be there
 *
 * judges listening sockets of @port that belong to @uid
 */
gboolean teesql_postgres_check_sockets (const char *rows, guint port, guint uid, gboolean named, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
