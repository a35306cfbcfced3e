#include "plugin/teesql-plugin-options.h"
#include "base/teesql-domains.h"
#include "plugin/teesql-plugin-value.h"
#include <string.h>

/* Keys of `[KIND:NAME]` that are core's. */
static const char *const reserved[] = { "plugin", "when-unavailable", NULL };

#define HINT_DISTANCE 2 /* more edits than that are no slip of the finger */

struct _TeesqlPluginOptions
{
  GPtrArray *names; /* borrowed from the GParamSpecs */
  GArray *values;
};

static gboolean
is_option (const GParamSpec *pspec)
{
  return (pspec->flags & G_PARAM_WRITABLE) != 0 && (pspec->flags & G_PARAM_CONSTRUCT_ONLY) != 0;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (g_param_spec_get_name (*(GParamSpec *const *) a), g_param_spec_get_name (*(GParamSpec *const *) b));
}

GPtrArray *
teesql_plugin_options_list (GObjectClass *klass)
{
  GPtrArray *options = g_ptr_array_new ();
  guint n = 0;
  g_autofree GParamSpec **all = g_object_class_list_properties (klass, &n);

  for (guint i = 0; i < n; i++)
    {
      if (is_option (all[i]))
        g_ptr_array_add (options, all[i]);
    }
  g_ptr_array_sort (options, compare_names);
  return options;
}

gboolean
teesql_plugin_options_check_names (GObjectClass *klass, GError **error)
{
  for (gsize i = 0; reserved[i] != NULL; i++)
    {
      if (g_object_class_find_property (klass, reserved[i]) == NULL)
        continue;
      g_propagate_error (error, teesql_error_new (TEESQL_PLUGIN_ERROR, TEESQL_ERROR_FAILED, "plugin-reserved-name", 0,
                                                  "%s has an option named %s, which is not a plugin's to have", G_OBJECT_CLASS_NAME (klass),
                                                  reserved[i]));
      return FALSE;
    }
  return TRUE;
}

/* Edits (insert, delete, replace) from @a to @b; names here are short, and the table is one row. */
static guint
edit_distance (const char *a, const char *b)
{
  gsize n = strlen (b);
  g_autofree guint *row = g_new (guint, n + 1);

  for (gsize j = 0; j <= n; j++)
    row[j] = (guint) j;
  for (gsize i = 1; a[i - 1] != '\0'; i++)
    {
      guint diagonal = row[0];

      row[0] = (guint) i;
      for (gsize j = 1; j <= n; j++)
        {
          guint above = row[j];

          row[j] = MIN (MIN (row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] != b[j - 1]));
          diagonal = above;
        }
    }
  return row[n];
}

static const char *
find_nearest (GPtrArray *options, const char *wrong)
{
  const char *nearest = NULL;
  guint best = HINT_DISTANCE + 1;

  for (guint i = 0; i < options->len && strlen (wrong) < 64; i++)
    {
      const char *name = g_param_spec_get_name (options->pdata[i]);
      guint distance = edit_distance (wrong, name);

      if (distance < best)
        {
          best = distance;
          nearest = name;
        }
    }
  return nearest;
}

static GParamSpec *
find_option (GPtrArray *options, const char *key)
{
  for (guint i = 0; i < options->len; i++)
    {
      if (strcmp (g_param_spec_get_name (options->pdata[i]), key) == 0)
        return options->pdata[i];
    }
  return NULL;
}

static void
add_finding (GString *findings, const char *place, const char *text, const char *hint)
{
  g_string_append_printf (findings, "%s%s: %s", findings->len > 0 ? "\n" : "", place, text);
  if (hint != NULL)
    g_string_append_printf (findings, "\nhint: did you mean %s?", hint);
}

static void
clear_value (gpointer value)
{
  g_value_unset (value);
}

static gboolean
parse_setting (GParamSpec *pspec, const TeesqlPluginSetting *setting, GValue *out_value, GError **error)
{
  if (setting->secret != NULL)
    return teesql_plugin_value_parse_resolved (pspec, setting->secret, out_value, error);
  return teesql_plugin_value_parse (pspec, setting->text != NULL ? setting->text : "", out_value, error);
}

static void
read_setting (TeesqlPluginOptions *self, GPtrArray *options, const TeesqlPluginSetting *setting, const char *place, GString *findings)
{
  GParamSpec *pspec = find_option (options, setting->key);
  g_autoptr (GError) error = NULL;
  GValue value = G_VALUE_INIT;

  if (pspec == NULL)
    {
      add_finding (findings, place, "unknown option", find_nearest (options, setting->key));
      return;
    }
  if (!parse_setting (pspec, setting, &value, &error))
    {
      add_finding (findings, place, error->message, NULL);
      return;
    }
  g_ptr_array_add (self->names, (gpointer) g_param_spec_get_name (pspec));
  g_array_append_val (self->values, value);
}

gboolean
teesql_plugin_options_is_reserved (const char *key)
{
  return g_strv_contains (reserved, key);
}

static TeesqlPluginOptions *
options_new (void)
{
  TeesqlPluginOptions *self = g_new0 (TeesqlPluginOptions, 1);

  self->names = g_ptr_array_new ();
  self->values = g_array_new (FALSE, TRUE, sizeof (GValue));
  g_array_set_clear_func (self->values, clear_value);
  return self;
}

static TeesqlPluginOptions *
finish (TeesqlPluginOptions *self, const GString *findings, GError **error)
{
  if (findings->len == 0)
    return self;
  teesql_plugin_options_free (self);
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "plugin-option", 0, "%s", findings->str));
  return NULL;
}

TeesqlPluginOptions *
teesql_plugin_options_read (const TeesqlConfig *config, const char *group, GType type, GError **error)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  g_autoptr (GPtrArray) options = teesql_plugin_options_list (G_OBJECT_CLASS (klass));
  g_autoptr (TeesqlPluginOptions) self = options_new ();
  g_autoptr (GString) findings = g_string_new (NULL);
  g_autofree const char **keys = NULL;

  if (!teesql_plugin_options_check_names (G_OBJECT_CLASS (klass), error))
    return NULL;
  if (teesql_config_has_group (config, group))
    keys = teesql_config_list_keys (config, group);
  for (gsize i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      TeesqlPluginSetting setting = { .key = keys[i], .text = teesql_config_get_raw (config, group, keys[i]) };
      g_autofree char *place = teesql_config_describe (config, group, keys[i]);

      if (!teesql_plugin_options_is_reserved (keys[i]))
        read_setting (self, options, &setting, place, findings);
    }
  return finish (g_steal_pointer (&self), findings, error);
}

TeesqlPluginOptions *
teesql_plugin_options_parse (const char *group, const TeesqlPluginSetting *settings, guint n_settings, GType type, GError **error)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  g_autoptr (GPtrArray) options = teesql_plugin_options_list (G_OBJECT_CLASS (klass));
  g_autoptr (TeesqlPluginOptions) self = options_new ();
  g_autoptr (GString) findings = g_string_new (NULL);

  if (!teesql_plugin_options_check_names (G_OBJECT_CLASS (klass), error))
    return NULL;
  for (guint i = 0; i < n_settings; i++)
    {
      g_autofree char *place = g_strdup_printf ("[%s] %s", group, settings[i].key);

      read_setting (self, options, &settings[i], place, findings);
    }
  return finish (g_steal_pointer (&self), findings, error);
}

GObject *
teesql_plugin_options_construct (const TeesqlPluginOptions *self, GType type)
{
  return g_object_new_with_properties (type, self->names->len, (const char **) self->names->pdata, (gconstpointer) self->values->data);
}

void
teesql_plugin_options_free (TeesqlPluginOptions *self)
{
  g_ptr_array_unref (self->names);
  g_array_unref (self->values);
  g_free (self);
}
