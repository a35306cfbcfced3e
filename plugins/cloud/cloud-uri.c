#include "cloud-uri.h"

#include "cloud-error.h"

#include <string.h>

static gboolean
stays (char c, const char *keep)
{
  return g_ascii_isalnum (c) || strchr ("-._~", c) != NULL || (keep != NULL && strchr (keep, c) != NULL);
}

char *
cloud_percent_encode (const char *text, const char *keep)
{
  GString *out = g_string_sized_new (strlen (text) + 16);

  for (const char *c = text; *c != '\0'; c++)
    if (stays (*c, keep))
      g_string_append_c (out, *c);
    else
      g_string_append_printf (out, "%%%02X", (guint8) *c);
  return g_string_free (out, FALSE);
}

char *
cloud_percent_decode (const char *text)
{
  g_autoptr (GString) out = g_string_sized_new (strlen (text));

  for (const char *c = text; *c != '\0'; c++)
    {
      char byte = *c;

      if (*c == '%')
        {
          if (!g_ascii_isxdigit (c[1]) || !g_ascii_isxdigit (c[2]))
            return NULL;
          byte = (char) (g_ascii_xdigit_value (c[1]) << 4 | g_ascii_xdigit_value (c[2]));
          c += 2;
        }
      if (byte == '\0')
        return NULL;
      g_string_append_c (out, byte);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

gboolean
cloud_endpoint_parse (const char *text, const char *option, CloudEndpoint *out_endpoint, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  gboolean https = g_str_equal (scheme, "https");
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  const char *path = uri != NULL ? g_uri_get_path (uri) : "";
  int given = uri != NULL ? g_uri_get_port (uri) : -1;
  guint usual = https ? 443 : 80;

  if ((!https && !g_str_equal (scheme, "http")) || host == NULL || host[0] == '\0' || strpbrk (host, " %/") != NULL || given == 0 ||
      !g_str_is_ascii (host) || g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL ||
      (path[0] != '\0' && !g_str_equal (path, "/")))
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "endpoint", 0,
                                           "%s: \"%s\" is no address\nhint: http://HOST[:PORT] or https://HOST[:PORT]", option, text));
      return FALSE;
    }
  out_endpoint->https = https;
  out_endpoint->port = given > 0 ? (guint) given : usual;
  out_endpoint->host = g_ascii_strdown (host, -1);
  g_autofree char *bracketed = strchr (host, ':') != NULL ? g_strdup_printf ("[%s]", out_endpoint->host) : g_strdup (out_endpoint->host);
  out_endpoint->authority = out_endpoint->port == usual ? g_strdup (bracketed) : g_strdup_printf ("%s:%u", bracketed, out_endpoint->port);
  return TRUE;
}

void
cloud_endpoint_clear (CloudEndpoint *self)
{
  g_clear_pointer (&self->host, g_free);
  g_clear_pointer (&self->authority, g_free);
}
