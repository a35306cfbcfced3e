#pragma once
#include "config/teesql-config.h"
#include "postgres/teesql-role-keys.h"
#include <sys/socket.h>

G_BEGIN_DECLS

/**
 * TeesqlBackend:
 *
 * how a session reaches PostgreSQL: its address and the keys of our roles. Boxed, refcounted, immutable but for the
 * key cache, safe to share across threads.
 */
typedef struct _TeesqlBackend TeesqlBackend;
#define TEESQL_TYPE_BACKEND (teesql_backend_get_type ())
GType teesql_backend_get_type (void);

/**
 * teesql_backend_new:
 *
 * address from `[postgresql] host` and `port`
 *
 * Returns: (transfer full) (nullable): %NULL with CONFIG in #TEESQL_POSTGRES_ERROR, `postgres-host`: neither an absolute folder short
 *   enough for a socket nor a loopback address
 */
TeesqlBackend *teesql_backend_new (const TeesqlConfig *config, TeesqlRoleKeys *role_keys, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlBackend *teesql_backend_ref (TeesqlBackend *self);
void teesql_backend_unref (TeesqlBackend *self);
/**
 * teesql_backend_get_sockaddr:
 *
 * Returns: (transfer none): AF_UNIX, AF_INET or AF_INET6, for connect ()
 */
const struct sockaddr *teesql_backend_get_sockaddr (const TeesqlBackend *self, socklen_t *out_size);
gboolean teesql_backend_is_local (const TeesqlBackend *self); /* unix socket: TCP_NODELAY does not apply */
const char *teesql_backend_describe (const TeesqlBackend *self); /* `/run/postgresql/.s.PGSQL.5432`, `127.0.0.1:5432` */
TeesqlRoleKeys *teesql_backend_get_role_keys (const TeesqlBackend *self); /* (transfer none) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlBackend, teesql_backend_unref)
G_END_DECLS
