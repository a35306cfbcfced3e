#include "storage/teesql-storage-sandbox.h"
#include "base/teesql-domains.h"
#include <string.h>

#define GROUP          "Sandbox"
#define OPTION         "option:"
#define N_ELEMENTS_MAX 32 /* of one key */
#define PATH_SIZE_MAX  ((gsize) 1024)

typedef struct
{
  TeesqlStorageSandbox *sandbox;
  const TeesqlConfig *config;
  const char *group;
  const char *name;
} Reading;

/* @text: what the element stands for; @place: for messages */
typedef gboolean (*ElementFunc) (Reading *reading, const char *text, const char *place, GQuark domain, GError **error);

static void
path_free (gpointer data)
{
  TeesqlStoragePath *self = data;

  g_free (self->path);
  g_free (self);
}

TeesqlStorageSandbox *
teesql_storage_sandbox_new (void)
{
  TeesqlStorageSandbox *self = g_new0 (TeesqlStorageSandbox, 1);

  self->paths = g_ptr_array_new_with_free_func (path_free);
  self->ports = g_array_new (FALSE, FALSE, sizeof (guint16));
  return self;
}

void
teesql_storage_sandbox_free (TeesqlStorageSandbox *self)
{
  g_ptr_array_unref (self->paths);
  g_array_unref (self->ports);
  g_free (self);
}

void
teesql_storage_sandbox_add_path (TeesqlStorageSandbox *self, const char *path, guint flags)
{
  TeesqlStoragePath *added = g_new0 (TeesqlStoragePath, 1);

  added->path = g_strdup (path);
  added->flags = flags;
  g_ptr_array_add (self->paths, added);
}

void
teesql_storage_sandbox_add_port (TeesqlStorageSandbox *self, guint16 port)
{
  for (guint i = 0; i < self->ports->len; i++)
    {
      if (g_array_index (self->ports, guint16, i) == port)
        return;
    }
  g_array_append_val (self->ports, port);
}

static gboolean
parse_number (const char *text, guint16 *out_port)
{
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &number, NULL))
    return FALSE;
  *out_port = (guint16) number;
  return TRUE;
}

static gboolean
parse_url (const char *text, guint16 *out_port)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  int port = uri != NULL ? g_uri_get_port (uri) : -1;

  if (uri == NULL || (strcmp (g_uri_get_scheme (uri), "https") != 0 && strcmp (g_uri_get_scheme (uri), "http") != 0))
    return FALSE;
  if (port < 0)
    port = strcmp (g_uri_get_scheme (uri), "https") == 0 ? 443 : 80;
  *out_port = (guint16) port;
  return port > 0 && port <= G_MAXUINT16;
}

gboolean
teesql_storage_sandbox_parse_port (const char *text, guint16 *out_port)
{
  const char *bracket = strchr (text, ']');
  const char *colon = strrchr (bracket != NULL ? bracket : text, ':');

  if (strspn (text, "0123456789") == strlen (text))
    return parse_number (text, out_port);
  if (strstr (text, "://") != NULL)
    return parse_url (text, out_port);
  if (colon != NULL && colon > text)
    return parse_number (colon + 1, out_port);
  *out_port = 443;
  return text[0] != '\0' && strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_[]") == strlen (text);
}

static gboolean
add_path (Reading *reading, const char *text, guint flags, const char *place, GQuark domain, GError **error)
{
  if (!g_path_is_absolute (text) || strlen (text) > PATH_SIZE_MAX)
    return teesql_fail (error, domain, TEESQL_ERROR_CONFIG, "storage-path",
                        "%s: \"%s\" is no absolute path of at most %" G_GSIZE_FORMAT " bytes", place, text, PATH_SIZE_MAX);
  teesql_storage_sandbox_add_path (reading->sandbox, text, flags);
  return TRUE;
}

static gboolean
add_write_path (Reading *reading, const char *text, const char *place, GQuark domain, GError **error)
{
  return add_path (reading, text, TEESQL_STORAGE_PATH_WRITE, place, domain, error);
}

static gboolean
add_read_path (Reading *reading, const char *text, const char *place, GQuark domain, GError **error)
{
  return add_path (reading, text, TEESQL_STORAGE_PATH_READ, place, domain, error);
}

static gboolean
add_read_folder (Reading *reading, const char *text, const char *place, GQuark domain, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (text);

  return add_path (reading, folder, TEESQL_STORAGE_PATH_READ, place, domain, error);
}

static gboolean
add_port (Reading *reading, const char *text, const char *place, GQuark domain, GError **error)
{
  guint16 port = 0;

  if (!teesql_storage_sandbox_parse_port (text, &port))
    return teesql_fail (error, domain, TEESQL_ERROR_CONFIG, "storage-port", "%s: \"%s\" is no port, HOST:PORT or URL", place, text);
  teesql_storage_sandbox_add_port (reading->sandbox, port);
  return TRUE;
}

/* What stands for `option:NAME` is the operator's word, and a fault in it the operator's. */
static gboolean
read_option (Reading *reading, const char *option, ElementFunc func, GError **error)
{
  const char *text =
      teesql_config_has_group (reading->config, reading->group) ? teesql_config_get_raw (reading->config, reading->group, option) : NULL;
  g_autofree char *place = NULL;

  if (text == NULL)
    return TRUE;
  place = teesql_config_describe (reading->config, reading->group, option);
  return func (reading, text, place, TEESQL_CONFIG_ERROR, error);
}

static gboolean
read_key (Reading *reading, GKeyFile *keyfile, const char *key, ElementFunc func, GError **error)
{
  gsize n = 0;
  g_auto (GStrv) elements = g_key_file_get_string_list (keyfile, GROUP, key, &n, NULL);
  g_autofree char *place = g_strdup_printf ("%s: [" GROUP "] %s", reading->name, key);

  if (n > N_ELEMENTS_MAX)
    return teesql_fail (error, TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-sandbox", "%s has more than %d elements", place,
                        N_ELEMENTS_MAX);
  for (gsize i = 0; i < n; i++)
    {
      const char *element = g_strstrip (elements[i]);
      gboolean good = g_str_has_prefix (element, OPTION) ? read_option (reading, element + strlen (OPTION), func, error)
                                                         : func (reading, element, place, TEESQL_PLUGIN_ERROR, error);

      if (!good)
        return FALSE;
    }
  return TRUE;
}

static const struct
{
  const char *key;
  ElementFunc func;
} keys[] = {
  { "paths", add_write_path },
  { "read-paths", add_read_path },
  { "read-folders", add_read_folder },
  { "ports", add_port },
};

/* A key that we do not know may have been meant to permit or to forbid: neither is guessed. */
static gboolean
check_keys (Reading *reading, GKeyFile *keyfile, GError **error)
{
  g_auto (GStrv) written = g_key_file_get_keys (keyfile, GROUP, NULL, NULL);

  for (gsize i = 0; written != NULL && written[i] != NULL; i++)
    {
      gboolean known = FALSE;

      for (gsize j = 0; j < G_N_ELEMENTS (keys); j++)
        known = known || strcmp (written[i], keys[j].key) == 0;
      if (!known)
        return teesql_fail (error, TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-sandbox", "%s: [" GROUP "] has no key %s",
                            reading->name, written[i]);
    }
  return TRUE;
}

TeesqlStorageSandbox *
teesql_storage_sandbox_read (const char *text, const char *name, const TeesqlConfig *config, const char *group, GError **error)
{
  g_autoptr (TeesqlStorageSandbox) self = teesql_storage_sandbox_new ();
  g_autoptr (GKeyFile) keyfile = g_key_file_new ();
  g_autoptr (GError) local = NULL;
  Reading reading = { .sandbox = self, .config = config, .group = group, .name = name };

  if (text != NULL && !g_key_file_load_from_data (keyfile, text, strlen (text), G_KEY_FILE_NONE, &local))
    {
      teesql_fail (error, TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-sandbox", "%s: %s", name, local->message);
      return NULL;
    }
  if (!check_keys (&reading, keyfile, error))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      if (!read_key (&reading, keyfile, keys[i].key, keys[i].func, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}
