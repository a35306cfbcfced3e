#pragma once
#include "attest/teesql-attest-service.h"
#include "config/teesql-config.h"
#include "postgres/teesql-backend.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * TeesqlProxy:
 *
 * the front of the database: listeners, workers and sessions (docs/sessions.md). Made, told and ended on the main context.
 */
#define TEESQL_TYPE_PROXY (teesql_proxy_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlProxy, teesql_proxy, TEESQL, PROXY, GObject)

/**
 * TeesqlProxyOptions:
 * @backend: (nullable): %NULL until PostgreSQL is ready: clients that get so far are told to come again
 * @roles_key: KMS key at %TEESQL_KEYS_PATH_ROLES, for the decoys of unknown roles
 *
 * Borrowed for the call, referenced where kept.
 */
typedef struct
{
  TeesqlConfig *config;
  TeesqlAttestService *attest;
  TeesqlStatus *status;
  TeesqlBackend *backend;
  TeesqlSecret *roles_key;
} TeesqlProxyOptions;

TeesqlProxy *teesql_proxy_new (const TeesqlProxyOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_proxy_listen:
 * @activated: (array length=n_activated) (nullable): listening sockets handed over at the start (LISTEN_FDS); owned from here. With them
 *   `[proxy] listen` is not looked at
 *
 * binds and starts the workers. Errors: CONFIG or UNAVAILABLE `proxy-listen` in #TEESQL_PROTOCOL_ERROR
 */
gboolean teesql_proxy_listen (TeesqlProxy *self, const int *activated, guint n_activated, GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint16 teesql_proxy_get_port (TeesqlProxy *self); /* of the first listener, for `port 0` */
/**
 * teesql_proxy_set_config:
 *
 * for connections from now on; on failure the old one stays
 */
gboolean teesql_proxy_set_config (TeesqlProxy *self, TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_proxy_set_backend (TeesqlProxy *self, TeesqlBackend *backend);
/**
 * teesql_proxy_drain_async:
 *
 * closes the listeners and everything that has not begun a session. Running sessions may end within `drain-timeout`; then their queries
 * are cancelled and clients read `57P01`. Calls back when none is left.
 */
void teesql_proxy_drain_async (TeesqlProxy *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean teesql_proxy_drain_finish (TeesqlProxy *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_proxy_stop:
 *
 * closes whatever is left, at once, and joins the workers. Also happens on dispose.
 */
void teesql_proxy_stop (TeesqlProxy *self);

G_END_DECLS
