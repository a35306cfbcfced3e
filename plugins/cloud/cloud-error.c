#include "cloud-error.h"

#include <string.h>

#define QUOTE_MAX 200

static GError *
unavailable (const char *reason, const char *what, const GError *error, const char *hint, const char *option)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, reason, 0, "%s: %s%s%s", what, error->message, hint, option);
}

static GError *
from_tls (const GError *error, const char *what, const char *endpoint_option)
{
  if (error->code == G_TLS_ERROR_BAD_CERTIFICATE)
    return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "store-certificate", 0,
                             "%s: %s\nhint: ca-file names the authority of a store whose certificate the system does not know; %s its host",
                             what, error->message, endpoint_option);
  return unavailable ("store-tls", what, error,
                      "\nhint: what answers there may speak no TLS, or be no store: scheme, host and port are those of ", endpoint_option);
}

static GError *
from_io (const GError *error, const char *what, const char *endpoint_option, gboolean plain)
{
  if (error->code == G_IO_ERROR_CONNECTION_REFUSED || error->code == G_IO_ERROR_HOST_UNREACHABLE ||
      error->code == G_IO_ERROR_NETWORK_UNREACHABLE || error->code == G_IO_ERROR_HOST_NOT_FOUND)
    return unavailable ("store-unreachable", what, error, "\nhint: nobody answers at the address of ", endpoint_option);
  if (error->code == G_IO_ERROR_PERMISSION_DENIED)
    return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "store-forbidden-port", 0,
                             "%s: %s\nhint: the storage host may connect to 443, 80 and the port of %s only", what, error->message,
                             endpoint_option);
  return unavailable (error->code == G_IO_ERROR_PARTIAL_INPUT ? "store-truncated" : "store-connection", what, error,
                      plain ? "\nhint: if it always hangs up, it may want https:// in " : "", plain ? endpoint_option : "");
}

GError *
cloud_error_from_transport (const GError *error, const char *what, const char *endpoint_option, gboolean plain)
{
  if (error->domain == G_RESOLVER_ERROR)
    return unavailable ("store-unknown-host", what, error, "\nhint: the name comes from ", endpoint_option);
  if (error->domain == G_TLS_ERROR)
    return from_tls (error, what, endpoint_option);
  if (error->domain == G_IO_ERROR)
    return from_io (error, what, endpoint_option, plain);
  if (error->domain == SOUP_SESSION_ERROR)
    return unavailable ("store-http", what, error, "\nhint: that is no answer of HTTP; see ", endpoint_option);
  return unavailable ("store-connection", what, error, "", "");
}

static gint64
date_of (const char *text)
{
  g_autoptr (GDateTime) date = text != NULL ? soup_date_time_new_from_http_string (text) : NULL;

  return date != NULL ? g_date_time_to_unix (date) : -1;
}

guint
cloud_retry_after_ms (SoupMessageHeaders *headers, gint64 now_unix)
{
  const char *text = soup_message_headers_get_one (headers, "Retry-After");
  gint64 sent = date_of (soup_message_headers_get_one (headers, "Date"));
  gint64 until = 0;
  guint64 seconds = 0;

  if (text == NULL)
    return 0;
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &seconds, NULL))
    {
      until = date_of (text);
      now_unix = sent >= 0 ? sent : now_unix;
      seconds = until > now_unix ? (guint64) (until - now_unix) : 0;
    }
  return (guint) MIN (seconds, CLOUD_RETRY_AFTER_MAX_MS / 1000) * 1000;
}

char *
cloud_quote (const char *text, gssize size)
{
  gsize length = size < 0 ? strlen (text) : (gsize) size;
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < length && out->len < QUOTE_MAX; i++)
    {
      gboolean blank = g_ascii_isspace (text[i]);

      if (blank && (out->len == 0 || out->str[out->len - 1] == ' '))
        continue;
      g_string_append_c (out, blank ? ' ' : g_ascii_isprint (text[i]) ? text[i] : '?');
    }
  return g_string_free (out, FALSE);
}
