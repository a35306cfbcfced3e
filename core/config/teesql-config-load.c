#include "config/teesql-config-file.h"
#include "config/teesql-config-private.h"

#include "base/teesql-domains.h"

typedef struct
{
  TeesqlConfig *config;
  TeesqlConfigFindings *findings;
  const char *file;
  guint rank;
} Load;

static void G_GNUC_PRINTF (3, 4) complain (Load *load, guint line, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  teesql_config_findings_add (load->findings, load->file, load->rank, line, g_strdup_vprintf (format, args));
  va_end (args);
}

static void
complain_unknown (Load *load, const TeesqlConfigEntry *entry)
{
  const char *later = teesql_option_find_later (entry->group, entry->key);
  g_autofree char *nearest = teesql_option_dup_nearest (load->config->kind, entry->key != NULL ? entry->group : NULL,
                                                        entry->key != NULL ? entry->key : entry->group);
  g_autofree char *what = entry->key != NULL ? g_strdup_printf ("[%s] %s: unknown key", entry->group, entry->key)
                                             : g_strdup_printf ("[%s]: unknown group", entry->group);

  if (later != NULL)
    complain (load, entry->line, "%s\nhint: %s", what, later);
  else if (nearest != NULL && entry->key == NULL)
    complain (load, entry->line, "%s\nhint: did you mean [%s%s]?", what, nearest, g_str_has_suffix (nearest, ":") ? "NAME" : "");
  else if (nearest != NULL)
    complain (load, entry->line, "%s\nhint: did you mean %s?", what, nearest);
  else
    complain (load, entry->line, "%s", what);
}

/* A group of this name may be declared: NAME of a plugin object or policy, or a role's. */
static gboolean
check_instance_name (Load *load, const TeesqlConfigEntry *entry, const TeesqlOptionGroup *template)
{
  TeesqlOption form = { .group = template->name, .key = "", .type = TEESQL_OPTION_INSTANCE };
  const char *name = strchr (entry->group, ':');
  g_autofree char *canonical = NULL;
  gint64 number = 0;

  if (!g_str_has_suffix (template->name, ":"))
    return TRUE;
  if (g_str_equal (template->name, "role:"))
    form.type = TEESQL_OPTION_ROLE;
  if (teesql_config_form_check (&form, name + 1, &canonical, &number, NULL))
    return TRUE;
  complain (load, entry->line, "[%s]: not a name\nhint: %s", entry->group,
            form.type == TEESQL_OPTION_ROLE ? "a role has lower case letters, digits and underscores, at most 63"
                                            : "a name begins with a letter and has lower case letters, digits and hyphens, at most 32");
  return FALSE;
}

static void
load_group (Load *load, const TeesqlConfigEntry *entry)
{
  const TeesqlOptionGroup *template = teesql_option_find_group (load->config->kind, entry->group);
  TeesqlConfigGroup *group = NULL;

  if (template == NULL)
    {
      complain_unknown (load, entry);
      return;
    }
  if (!check_instance_name (load, entry, template))
    return;
  group = teesql_config_ensure_group (load->config, entry->group, template->plugin);
  g_free (group->file);
  group->file = g_strdup (load->file);
  group->rank = load->rank;
  group->line = entry->line;
}

static TeesqlConfigValue *
read_value (Load *load, const TeesqlConfigEntry *entry, const TeesqlConfigGroup *group)
{
  const TeesqlOption *option = teesql_option_find (load->config->kind, entry->group, entry->key);
  g_autoptr (GError) error = NULL;
  TeesqlConfigValue *value = NULL;

  if (option == NULL && (!group->plugin || teesql_option_find_later (entry->group, entry->key) != NULL))
    {
      complain_unknown (load, entry);
      return NULL;
    }
  if (option == NULL && entry->text[0] == '\0')
    {
      complain (load, entry->line, "[%s] %s: empty value", entry->group, entry->key);
      return NULL;
    }
  value = option != NULL ? teesql_config_value_new (option, entry->text, &error) : teesql_config_value_new_raw (entry->key, entry->text);
  if (value == NULL)
    complain (load, entry->line, "[%s] %s: %s", entry->group, entry->key, error->message);
  return value;
}

static void
load_value (Load *load, const TeesqlConfigEntry *entry)
{
  TeesqlConfigGroup *group = teesql_config_find_group (load->config, entry->group);
  TeesqlConfigValue *value = group != NULL ? read_value (load, entry, group) : NULL;

  if (value == NULL) /* reported, here or with its group */
    {
      g_hash_table_add (load->config->refused, g_strdup_printf ("%s\n%s", entry->group, entry->key));
      return;
    }
  value->file = g_strdup (load->file);
  value->rank = load->rank;
  value->line = entry->line;
  teesql_config_group_set (group, value);
}

static void
load_bytes (TeesqlConfig *config, TeesqlConfigFindings *findings, const char *file, guint rank, const guint8 *data, gsize size)
{
  Load load = { config, findings, file, rank };
  g_autoptr (GPtrArray) entries = teesql_config_scan (file, rank, data, size, findings);

  for (guint i = 0; i < entries->len; i++)
    {
      const TeesqlConfigEntry *entry = entries->pdata[i];
      if (entry->key == NULL)
        load_group (&load, entry);
      else
        load_value (&load, entry);
    }
}

static TeesqlConfig *
finish (TeesqlConfig *config, TeesqlConfigFindings *findings, GError **error)
{
  g_autoptr (TeesqlConfig) self = config;
  g_autofree char *report = NULL;

  teesql_config_add_defaults (self);
  teesql_config_check_whole (self, findings);
  if (teesql_config_findings_is_empty (findings))
    return g_steal_pointer (&self);
  report = teesql_config_findings_dup_report (findings);
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "invalid-configuration", 0, "%s", report));
  return NULL;
}

TeesqlConfig *
teesql_config_load_text (TeesqlConfigKind kind, const char *name, const char *text, gsize size, GError **error)
{
  g_autoptr (TeesqlConfigFindings) findings = teesql_config_findings_new ();
  TeesqlConfig *config = teesql_config_new (kind, name);

  load_bytes (config, findings, name, 0, (const guint8 *) text, size);
  return finish (config, findings, error);
}

TeesqlConfig *
teesql_config_load (TeesqlConfigKind kind, const char *path, GError **error)
{
  g_autoptr (TeesqlConfigFindings) findings = teesql_config_findings_new ();
  g_autoptr (GPtrArray) files = teesql_config_find_files (kind, path, error);
  TeesqlConfig *config = NULL;

  if (files == NULL)
    return NULL;
  config = teesql_config_new (kind, files->len > 0 ? ((TeesqlConfigFile *) files->pdata[0])->name : "configuration");
  for (guint i = 0; i < files->len; i++)
    {
      const TeesqlConfigFile *file = files->pdata[i];
      gsize size = 0;
      const guint8 *data = g_bytes_get_data (file->bytes, &size);

      load_bytes (config, findings, file->name, i, data, size);
    }
  return finish (config, findings, error);
}
