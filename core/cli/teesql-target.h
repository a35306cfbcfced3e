#pragma once
#include "config/teesql-config.h"
#include <libpq-fe.h>

G_BEGIN_DECLS

/**
 * TeesqlTarget:
 * @host, @port: the `teesqld` to dial
 * @user, @database: (nullable): what the text said beside
 *
 * where to connect: `HOST:PORT`, a PostgreSQL URI, or key/value text, as an argument, in DATABASE_URL, or in `[connect] server`.
 */
typedef struct {
  char *host;
  guint16 port;
  char *user;
  char *database;
} TeesqlTarget;

/**
 * teesql_target_new:
 * @argument: (nullable): wins over DATABASE_URL, which wins over the configuration
 *
 * Returns: (transfer full) (nullable): %NULL with #TEESQL_CONFIG_ERROR, `target`
 */
TeesqlTarget *teesql_target_new (const char *argument, const char *database_url, TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_target_free (TeesqlTarget *self);
/**
 * teesql_target_parse_conninfo:
 * @text: a URI, also with a driver in its scheme (`postgresql+psycopg://`), or key/value text
 *
 * Returns: (nullable): for PQconninfoFree(); the error repeats nothing of @text, which may hold a password
 */
PQconninfoOption *teesql_target_parse_conninfo (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_target_rewrite_url:
 * @url: a URI or key/value text
 *
 * Returns: (transfer full) (nullable): the same in the same form, but to @host (a socket's folder or an address) and @port, without TLS
 *   and without what speaks of it; %NULL for a text that is neither
 */
char *teesql_target_rewrite_url (const char *url, const char *host, guint16 port) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlTarget, teesql_target_free)
G_END_DECLS
