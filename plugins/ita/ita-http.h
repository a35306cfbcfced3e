#pragma once
#include <libsoup/soup.h>
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * ItaRequest:
 * @what: for messages: `attest`, `key set`
 * @url: where to
 * @body: (nullable): JSON to POST; %NULL: a GET
 * @api_key: (nullable)
 * @max_answer: bytes; more is @oversize, %TEESQL_ERROR_MALFORMED
 *
 * one request, one attempt. Borrowed for the call.
 */
typedef struct
{
  const char *what;
  const char *url;
  GBytes *body;
  const TeesqlSecret *api_key;
  guint timeout_ms;
  gsize max_answer;
  const char *oversize;
} ItaRequest;

SoupSession *ita_http_session_new (GTlsDatabase *ca, const char *proxy) G_GNUC_WARN_UNUSED_RESULT;
/**
 * ita_http_send_async:
 *
 * Redirects are never followed. Reasons: `ita-timeout`, `ita-redirect`, `ita-throttled`, `ita-permission`, `ita-evidence-refused`,
 * `ita-status`, those of the transport (`ita-unknown-host`, `ita-certificate`, `ita-tls`, `ita-unreachable`, `ita-truncated`, `ita-http`,
 * `ita-connection`), and G_IO_ERROR_CANCELLED.
 */
void ita_http_send_async (SoupSession *session, const ItaRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
/* Returns: (transfer full): the body of a 200 */
GBytes *ita_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
