#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * cloud_percent_encode:
 * @keep: (nullable): characters beside `[A-Za-z0-9._~-]` that stay as they are, such as `/`
 *
 * RFC 3986, upper-case hex: the one form that signers accept
 */
char *cloud_percent_encode (const char *text, const char *keep) G_GNUC_WARN_UNUSED_RESULT;
/* `%XX` becomes its byte, everything else stays, `+` too. Returns: (nullable): %NULL for a lone `%` or a NUL */
char *cloud_percent_decode (const char *text) G_GNUC_WARN_UNUSED_RESULT;

typedef struct
{
  gboolean https;
  char *host;      /* without brackets */
  char *authority; /* as a Host header has it: with brackets, and the port unless it is the scheme's own */
  guint port;
} CloudEndpoint;

/**
 * cloud_endpoint_parse:
 * @option: whose value @text is, for messages
 *
 * `http://HOST[:PORT]` or https, nothing behind but perhaps one `/`. Reason: `endpoint`, %TEESQL_ERROR_CONFIG
 */
gboolean cloud_endpoint_parse (const char *text, const char *option, CloudEndpoint *out_endpoint, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void cloud_endpoint_clear (CloudEndpoint *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CloudEndpoint, cloud_endpoint_clear)
G_END_DECLS
