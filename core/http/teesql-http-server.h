#pragma once
#include "config/teesql-config.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * TeesqlHttpServer:
 *
 * the small listener of :8080 (design 11): GET and HEAD, no bodies, on the main context. Anyone may talk to it, so everything has a
 * bound: 8 KiB of head, one deadline per request, connections in total and per address; without descriptors it pauses and never ends.
 * It serves `/health`, `/health/ready`, `/health/startup` and `/` by itself; others are added.
 */
#define TEESQL_TYPE_HTTP_SERVER (teesql_http_server_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlHttpServer, teesql_http_server, TEESQL, HTTP_SERVER, GObject)

/**
 * TeesqlHttpRequest:
 *
 * one request that waits for its answer. Refcounted; whoever drops the last reference without having answered answers 500.
 */
typedef struct _TeesqlHttpRequest TeesqlHttpRequest;

/**
 * TeesqlHttpHandler:
 * @request: to be answered once with teesql_http_request_respond(), now or (with a reference of its own) later, on the main context
 */
typedef void (*TeesqlHttpHandler) (TeesqlHttpRequest *request, gpointer user_data);

TeesqlHttpServer *teesql_http_server_new (TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_http_server_new_from_config:
 *
 * with the limits of `[http]`, listening on everything in `[http] listen`
 */
TeesqlHttpServer *teesql_http_server_new_from_config (const TeesqlConfig *config, TeesqlStatus *status, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_http_server_set_config (TeesqlHttpServer *self, const TeesqlConfig *config); /* the limits, for new connections */
void teesql_http_server_set_limits (TeesqlHttpServer *self, guint max_connections, guint request_timeout_ms);
/**
 * teesql_http_server_listen:
 * @address_port: `127.0.0.1:8080`, `[::]:8080`; port 0: any free one. May be called several times.
 */
gboolean teesql_http_server_listen (TeesqlHttpServer *self, const char *address_port, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_http_server_adopt:
 * @fd: a listening stream socket (socket activation); the server owns it on success
 */
gboolean teesql_http_server_adopt (TeesqlHttpServer *self, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint16 teesql_http_server_get_port (TeesqlHttpServer *self); /* of the first listener, 0 when there is none */
/**
 * teesql_http_server_add_resource:
 * @path: `/attestation`; compared byte by byte
 */
void teesql_http_server_add_resource (TeesqlHttpServer *self, const char *path, TeesqlHttpHandler handler, gpointer user_data);
/* closes listeners and connections; requests that wait are cancelled */
void teesql_http_server_stop (TeesqlHttpServer *self);

TeesqlHttpRequest *teesql_http_request_ref (TeesqlHttpRequest *self);
void teesql_http_request_unref (TeesqlHttpRequest *self);
const char *teesql_http_request_get_path (const TeesqlHttpRequest *self);
const char *teesql_http_request_get_query (const TeesqlHttpRequest *self);   /* (nullable): as sent, behind the `?`; printable ASCII */
const char *teesql_http_request_get_peer (const TeesqlHttpRequest *self);    /* for limits per address: without port, of IPv6 the /64 */
GCancellable *teesql_http_request_get_cancellable (TeesqlHttpRequest *self); /* cancelled when the peer has gone or waited too long */
/**
 * teesql_http_request_respond:
 * @content_type: `application/json`
 * @retry_after: seconds for a Retry-After header, 0 for none
 */
void teesql_http_request_respond (TeesqlHttpRequest *self, guint status, const char *content_type, const char *body, guint retry_after);
/**
 * teesql_http_request_respond_error:
 *
 * answers `{"schema":1,"reason":…,"message":…}`
 */
void teesql_http_request_respond_error (TeesqlHttpRequest *self, guint status, const char *reason, const char *message, guint retry_after);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlHttpRequest, teesql_http_request_unref)
G_END_DECLS
