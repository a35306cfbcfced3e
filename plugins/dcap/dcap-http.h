#pragma once
#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

/**
 * DcapHttpRequest:
 * @what: for messages: `tcb-info`
 * @uri: borrowed for the call
 * @chain_headers: (nullable): names of the header that carries the issuer chain, first found counts; %NULL when the item has none
 * @max_size: of the body
 * @timeout_ms: from the call to the last byte
 */
typedef struct
{
  const char *what;
  const char *uri;
  const char *const *chain_headers;
  gsize max_size;
  guint timeout_ms;
} DcapHttpRequest;

/**
 * dcap_http_session_new:
 * @ca: (nullable): what https servers are checked against, instead of the system's authorities
 *
 * a client without proxies, cookies, redirects, credentials and decompression
 */
SoupSession *dcap_http_session_new (GTlsDatabase *ca);

/* One GET. Errors are about transport, so %TEESQL_ERROR_UNAVAILABLE and its kin: `collateral-timeout`, `collateral-unreachable`,
 * `collateral-status`, `collateral-throttled`, `collateral-unknown-platform`, `collateral-bad-request`, `collateral-permission`,
 * `collateral-redirect`, `collateral-oversize`, `collateral-truncated`, `collateral-issuer-chain`. */
void dcap_http_get_async (SoupSession *session, const DcapHttpRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
/* @out_chain: (transfer full) (nullable): PEM, decoded */
GBytes *dcap_http_get_finish (GAsyncResult *result, GBytes **out_chain, GError **error);
/* `%XX` becomes its byte and everything else stays, `+` too: base64 is full of them. Returns: %NULL when a `%` stands alone */
GBytes *dcap_http_percent_decode (const char *text);

G_END_DECLS
