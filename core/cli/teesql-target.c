#include "cli/teesql-target.h"
#include "base/teesql-domains.h"
#include <gio/gio.h>
#include <libpq-fe.h>

#define DEFAULT_PORT 5433

/* What would make a driver speak TLS to a plain socket, or look for another server. */
static const char *const not_for_the_socket[] = {
  "host",
  "hostaddr",
  "port",
  "sslmode",
  "sslnegotiation",
  "sslcompression",
  "sslcert",
  "sslkey",
  "sslpassword",
  "sslrootcert",
  "sslcrl",
  "sslcrldir",
  "sslsni",
  "sslcertmode",
  "requirepeer",
  "requiressl",
  "gssencmode",
  "krbsrvname",
  "gsslib",
  "gssdelegation",
  "channel_binding",
  "service",
  "servicefile",
  "ssl_min_protocol_version",
  "ssl_max_protocol_version",
  "load_balance_hosts",
  "target_session_attrs",
  NULL,
};

typedef PQconninfoOption Options;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Options, PQconninfoFree)

#define target_fail(error, ...) teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "target", __VA_ARGS__)

/* `postgresql://`, `postgres://`, and with a driver behind the scheme as SQLAlchemy writes it (`postgresql+psycopg://`).
 *
 * Returns: (nullable): what stands behind `://` */
static const char *
uri_rest (const char *text)
{
  gsize end = strcspn (text, "+:");
  gboolean ours = (end == 10 && g_str_has_prefix (text, "postgresql")) || (end == 8 && g_str_has_prefix (text, "postgres"));

  if (text[end] == '+')
    end += 1 + strspn (text + end + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
  return ours && g_str_has_prefix (text + end, "://") ? text + end + strlen ("://") : NULL;
}

static const char *
option_value (const Options *options, const char *keyword)
{
  for (const Options *option = options; option->keyword != NULL; option++)
    if (g_str_equal (option->keyword, keyword))
      return option->val;
  return NULL;
}

Options *
teesql_target_parse_conninfo (const char *text, GError **error)
{
  const char *rest = uri_rest (text);
  g_autofree char *uri = rest != NULL ? g_strconcat ("postgresql://", rest, NULL) : NULL;
  char *problem = NULL;
  Options *options = PQconninfoParse (uri != NULL ? uri : text, &problem);

  if (options == NULL)
    {
      /* libpq's message may quote the text, password and all: not repeated */
      target_fail (error, "the connection string is neither a postgresql:// URI nor key/value text");
      PQfreemem (problem);
    }
  return options;
}

static gboolean
target_take_port (TeesqlTarget *self, const char *text, GError **error)
{
  guint64 port = 0;

  if (text == NULL)
    self->port = DEFAULT_PORT;
  else if (g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &port, NULL))
    self->port = (guint16) port;
  else
    return target_fail (error, "what stands in the place of the port is none"); /* not repeated: of a bad URI it may be the password */
  return TRUE;
}

static gboolean
target_from_conninfo (TeesqlTarget *self, const char *text, GError **error)
{
  g_autoptr (Options) options = teesql_target_parse_conninfo (text, error);
  const char *host = NULL;

  if (options == NULL)
    return FALSE;
  host = option_value (options, "hostaddr") != NULL ? option_value (options, "hostaddr") : option_value (options, "host");
  if (host == NULL || *host == '/' || *host == '@' || strchr (host, ',') != NULL)
    return target_fail (error, "the connection string names no single host\nhint: postgresql://ROLE@HOST:5433/DATABASE");
  self->host = g_strdup (host);
  self->user = g_strdup (option_value (options, "user"));
  self->database = g_strdup (option_value (options, "dbname"));
  return target_take_port (self, option_value (options, "port"), error);
}

static gboolean
target_from_text (TeesqlTarget *self, const char *text, GError **error)
{
  g_autoptr (GSocketConnectable) address = NULL;

  if (uri_rest (text) != NULL || strchr (text, '=') != NULL)
    return target_from_conninfo (self, text, error);
  /* Not repeated, and looked at no further where it is a URI of some other kind: it may hold a password. */
  address = strpbrk (text, "/@") == NULL ? g_network_address_parse (text, DEFAULT_PORT, NULL) : NULL;
  if (address == NULL)
    return target_fail (error, "the target is neither HOST:PORT nor a postgresql:// URI nor key/value text");
  self->host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (address)));
  self->port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  return TRUE;
}

TeesqlTarget *
teesql_target_new (const char *argument, const char *database_url, TeesqlConfig *config, GError **error)
{
  g_autoptr (TeesqlTarget) self = g_new0 (TeesqlTarget, 1);
  const char *text = argument;

  if (text == NULL && database_url != NULL && *database_url != '\0')
    text = database_url;
  if (text == NULL && !teesql_config_is_none (config, "connect", "server"))
    text = teesql_config_get_string (config, "connect", "server");
  if (text == NULL)
    {
      target_fail (error, "no server is named\nhint: give HOST:PORT, set DATABASE_URL, or [connect] server");
      return NULL;
    }
  return target_from_text (self, text, error) ? g_steal_pointer (&self) : NULL;
}

void
teesql_target_free (TeesqlTarget *self)
{
  g_free (self->host);
  g_free (self->user);
  g_free (self->database);
  g_free (self);
}

/* --- rewriting */

static char *
quote_value (const char *value)
{
  g_autoptr (GString) quoted = g_string_new ("'");

  for (const char *c = value; *c != '\0'; c++)
    {
      if (*c == '\'' || *c == '\\')
        g_string_append_c (quoted, '\\');
      g_string_append_c (quoted, *c);
    }
  g_string_append_c (quoted, '\'');
  return g_string_free (g_steal_pointer (&quoted), FALSE);
}

static gboolean
option_stays (const Options *option)
{
  return option->val != NULL && !g_strv_contains (not_for_the_socket, option->keyword);
}

static char *
rewrite_key_value (const Options *options, const char *host, guint16 port)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *quoted_host = quote_value (host);

  g_string_append_printf (text, "host=%s port=%u sslmode=disable", quoted_host, port);
  for (const Options *option = options; option->keyword != NULL; option++)
    if (option_stays (option))
      {
        g_autofree char *value = quote_value (option->val);

        g_string_append_printf (text, " %s=%s", option->keyword, value);
      }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
append_escaped (GString *text, const char *before, const char *value)
{
  g_autofree char *escaped = NULL;

  if (value == NULL)
    return;
  escaped = g_uri_escape_string (value, NULL, FALSE);
  g_string_append_printf (text, "%s%s", before, escaped);
}

static char *
rewrite_uri (const Options *options, const char *scheme, const char *host, guint16 port)
{
  g_autoptr (GString) text = g_string_new (scheme);
  const char *user = option_value (options, "user");
  gboolean is_folder = *host == '/';

  append_escaped (text, "", user);
  append_escaped (text, ":", option_value (options, "password"));
  if (user != NULL || option_value (options, "password") != NULL)
    g_string_append_c (text, '@');
  if (is_folder)
    g_string_append_printf (text, "localhost:%u", port); /* drivers that know no folder as host need a name here */
  else
    g_string_append_printf (text, strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
  g_string_append_c (text, '/');
  append_escaped (text, "", option_value (options, "dbname"));
  g_string_append (text, "?sslmode=disable");
  if (is_folder)
    append_escaped (text, "&host=", host);
  for (const Options *option = options; option->keyword != NULL; option++)
    {
      g_autofree char *before = g_strdup_printf ("&%s=", option->keyword);

      if (option_stays (option) && !g_str_equal (option->keyword, "user") && !g_str_equal (option->keyword, "password") &&
          !g_str_equal (option->keyword, "dbname"))
        append_escaped (text, before, option->val);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
teesql_target_rewrite_url (const char *url, const char *host, guint16 port)
{
  g_autoptr (Options) options = teesql_target_parse_conninfo (url, NULL);
  const char *rest = uri_rest (url);
  g_autofree char *scheme = rest != NULL ? g_strndup (url, (gsize) (rest - url)) : NULL;

  if (options == NULL)
    return NULL;
  return scheme != NULL ? rewrite_uri (options, scheme, host, port) : rewrite_key_value (options, host, port);
}
