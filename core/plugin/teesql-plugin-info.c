#include "plugin/teesql-plugin-info.h"
#include "base/teesql-domains.h"
#include "plugin/teesql-plugin-file.h"
#include "plugin/teesql-plugin-module.h"
#include "plugin/teesql-plugin-options.h"
#include "plugin/teesql-plugin-value.h"
#include "teesql-build.h"
#include <string.h>

#define GROUP         "Plugin"
#define SUFFIX        ".plugin"
#define KEYFILE_MAX   ((goffset) 65536)
#define N_PLUGINS_MAX 1024

static void
info_free (gpointer data)
{
  TeesqlPluginInfo *self = data;

  g_free (self->name);
  g_free (self->summary);
  g_strfreev (self->interfaces);
  g_free (self->module);
  g_free (self->problem);
  g_free (self);
}

/* The text is shown on a terminal: one line, nothing that moves the cursor. */
static char *
dup_printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    g_string_append_unichar (out, g_unichar_isprint (g_utf8_get_char (p)) ? g_utf8_get_char (p) : '?');
  return g_string_free (out, FALSE);
}

static gboolean
load_keyfile (GKeyFile *keyfile, const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInfo) info = g_file_query_info (file, "standard::size,standard::type", G_FILE_QUERY_INFO_NONE, NULL, error);

  if (info == NULL)
    return FALSE;
  if (g_file_info_get_file_type (info) != G_FILE_TYPE_REGULAR || g_file_info_get_size (info) > KEYFILE_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no regular file of at most %d bytes", (int) KEYFILE_MAX);
      return FALSE;
    }
  return g_key_file_load_from_file (keyfile, path, G_KEY_FILE_NONE, error);
}

static char *
find_unknown_interface (char **interfaces)
{
  for (gsize i = 0; interfaces != NULL && interfaces[i] != NULL; i++)
    {
      if (!g_strv_contains (teesql_plugin_list_kinds (), interfaces[i]))
        return dup_printable (interfaces[i]);
    }
  return NULL;
}

static char *
find_problem (const TeesqlPluginInfo *info, GKeyFile *keyfile)
{
  g_autofree char *declared = g_key_file_get_string (keyfile, GROUP, "Name", NULL);
  g_autofree char *unknown = find_unknown_interface (info->interfaces);

  if (g_strcmp0 (declared, info->name) != 0)
    return g_strdup ("its Name is not the name of the file");
  if (info->interfaces == NULL || info->interfaces[0] == NULL)
    return g_strdup ("it names no Interfaces");
  if (unknown != NULL)
    return g_strdup_printf ("there is no interface %s", unknown);
  if (info->module == NULL)
    return g_strdup_printf ("lib%s.so is missing beside it", info->name);
  return NULL;
}

static char *
dup_module_path (const char *folder, const char *name)
{
  g_autofree char *file = g_strdup_printf ("lib%s.so", name);
  g_autofree char *path = g_build_filename (folder, file, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer (&path) : NULL;
}

static TeesqlPluginInfo *
info_new (const char *folder, const char *name)
{
  TeesqlPluginInfo *self = g_new0 (TeesqlPluginInfo, 1);
  g_autofree char *file = g_strconcat (name, SUFFIX, NULL);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autoptr (GKeyFile) keyfile = g_key_file_new ();
  g_autofree char *summary = NULL;
  g_autoptr (GError) error = NULL;

  self->name = g_strdup (name);
  self->module = dup_module_path (folder, name);
  if (!load_keyfile (keyfile, path, &error))
    {
      self->problem = dup_printable (error->message);
      return self;
    }
  summary = g_key_file_get_string (keyfile, GROUP, "Summary", NULL);
  self->summary = summary != NULL ? dup_printable (summary) : NULL;
  self->interfaces = g_key_file_get_string_list (keyfile, GROUP, "Interfaces", NULL, NULL);
  self->problem = find_problem (self, keyfile);
  return self;
}

static void
list_folder (const char *folder, GHashTable *by_name)
{
  g_autoptr (GDir) dir = g_path_is_absolute (folder) ? g_dir_open (folder, 0, NULL) : NULL;
  const char *file = NULL;

  while (dir != NULL && g_hash_table_size (by_name) < N_PLUGINS_MAX && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *name = g_str_has_suffix (file, SUFFIX) ? g_strndup (file, strlen (file) - strlen (SUFFIX)) : NULL;
      TeesqlPluginInfo *info = NULL;

      if (name == NULL || !teesql_plugin_name_is_valid (name) || g_hash_table_contains (by_name, name))
        continue;
      info = info_new (folder, name);
      g_hash_table_insert (by_name, info->name, info);
    }
}

static int
compare_infos (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(TeesqlPluginInfo *const *) a)->name, (*(TeesqlPluginInfo *const *) b)->name);
}

GPtrArray *
teesql_plugin_info_list (const char *const *plugin_path)
{
  g_autoptr (GHashTable) by_name = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *list = g_ptr_array_new_with_free_func (info_free);
  GHashTableIter iter;
  gpointer info = NULL;

  for (gsize i = 0; plugin_path != NULL && plugin_path[i] != NULL; i++)
    list_folder (plugin_path[i], by_name);
  list_folder (TEESQL_PLUGIN_DIR, by_name);
  g_hash_table_iter_init (&iter, by_name);
  while (g_hash_table_iter_next (&iter, NULL, &info))
    g_ptr_array_add (list, info);
  g_ptr_array_sort (list, compare_infos);
  return list;
}

static void
option_free (gpointer data)
{
  TeesqlPluginOption *self = data;

  g_free (self->interface_name);
  g_free (self->name);
  g_free (self->type);
  g_free (self->fallback);
  g_free (self->blurb);
  g_free (self);
}

static void
describe_option (GPtrArray *list, const char *kind, GParamSpec *pspec)
{
  TeesqlPluginOption *option = g_new0 (TeesqlPluginOption, 1);
  const char *blurb = g_param_spec_get_blurb (pspec);

  option->interface_name = g_strdup (kind);
  option->name = g_strdup (g_param_spec_get_name (pspec));
  option->type = teesql_plugin_value_describe (pspec);
  option->fallback = teesql_plugin_value_describe_default (pspec);
  option->blurb = dup_printable (blurb != NULL ? blurb : "");
  g_ptr_array_add (list, option);
}

static gboolean
describe_kind (GPtrArray *list, const TeesqlPluginModule *module, const char *kind, GError **error)
{
  GType type = teesql_plugin_module_get_type (module, kind, error);
  g_autoptr (GTypeClass) klass = type != G_TYPE_INVALID ? g_type_class_ref (type) : NULL;
  g_autoptr (GPtrArray) options = NULL;

  if (klass == NULL || !teesql_plugin_options_check_names (G_OBJECT_CLASS (klass), error))
    return FALSE;
  options = teesql_plugin_options_list (G_OBJECT_CLASS (klass));
  for (guint i = 0; i < options->len; i++)
    describe_option (list, kind, options->pdata[i]);
  return TRUE;
}

GPtrArray *
teesql_plugin_describe (const char *const *plugin_path, const char *module, GError **error)
{
  const TeesqlPluginModule *loaded = teesql_plugin_module_load (plugin_path, module, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (option_free);

  if (loaded == NULL)
    return NULL;
  for (const TeesqlPluginType *type = loaded->descriptor->types; type->interface_name != NULL; type++)
    {
      if (!describe_kind (list, loaded, type->interface_name, error))
        return NULL;
    }
  return g_steal_pointer (&list);
}
