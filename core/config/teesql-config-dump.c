#include "config/teesql-config-private.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* What `auto` comes to here: a person who asks for the effective configuration wants the number. */
static char *
dup_chosen (const TeesqlOption *option)
{
  if (g_str_equal (option->key, "workers"))
    return g_strdup_printf ("%u", g_get_num_processors ());
  if (g_str_equal (option->key, "log-format"))
    return g_strdup (g_getenv ("JOURNAL_STREAM") != NULL ? "journal" : "text");
  return NULL;
}

typedef void (*Visit) (const TeesqlConfig *self, const char *group, const char *key, const TeesqlConfigValue *value, gpointer user_data);

static void
visit_group (const TeesqlConfig *self, const char *name, gboolean effective, Visit visit, gpointer user_data)
{
  const TeesqlConfigGroup *group = teesql_config_find_group (self, name);
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; group != NULL && i < group->values->len; i++)
    {
      const TeesqlConfigValue *value = group->values->pdata[i];
      visit (self, name, value->key, value, user_data);
    }
  for (guint i = 0; effective && i < n; i++)
    if ((options[i].kinds & (1u << self->kind)) != 0 && teesql_option_group_matches (options[i].group, name) &&
        !teesql_config_is_set (self, name, options[i].key))
      visit (self, name, options[i].key, teesql_config_effective (self, name, options[i].key), user_data);
}

/* The groups that were written, then, for the whole picture, those that consist of defaults. */
static GPtrArray *
list_groups (const TeesqlConfig *self, gboolean effective)
{
  GPtrArray *names = g_ptr_array_new ();
  guint n = 0;
  const TeesqlOptionGroup *groups = teesql_option_groups (&n);

  for (guint i = 0; i < self->groups->len; i++)
    g_ptr_array_add (names, ((TeesqlConfigGroup *) self->groups->pdata[i])->name);
  for (guint i = 0; effective && i < n; i++)
    if ((groups[i].kinds & (1u << self->kind)) != 0 && !g_str_has_suffix (groups[i].name, ":") &&
        !teesql_config_has_group (self, groups[i].name))
      g_ptr_array_add (names, (gpointer) groups[i].name);
  return names;
}

/* Leading and trailing blanks and the escapes of the syntax; the rest stands as it is. */
static char *
escape (const char *text)
{
  GString *out = g_string_new (NULL);
  gsize length = strlen (text);

  for (gsize i = 0; i < length; i++)
    if (text[i] == ' ' && (i == 0 || i == length - 1))
      g_string_append (out, "\\s");
    else if (text[i] == '\\')
      g_string_append (out, "\\\\");
    else if (text[i] == '\n')
      g_string_append (out, "\\n");
    else if (text[i] == '\r')
      g_string_append (out, "\\r");
    else if (text[i] == '\t')
      g_string_append (out, "\\t");
    else
      g_string_append_c (out, text[i]);
  return g_string_free (out, FALSE);
}

static void
print_value (const TeesqlConfig *self, const char *group, const char *key, const TeesqlConfigValue *value, gpointer user_data)
{
  GString *out = user_data;
  g_autofree char *chosen = value != NULL && value->word == TEESQL_WORD_AUTO ? dup_chosen (value->option) : NULL;
  g_autofree char *text = NULL;

  if (value == NULL && g_str_equal (key, "plugin"))
    text = g_strdup (teesql_config_get_string (self, group, key));
  else if (value != NULL)
    text = escape (value->text);
  if (text == NULL)
    g_string_append_printf (out, "# %s is not set\n", key);
  else
    g_string_append_printf (out, "%s = %s\n", key, text);
  if (chosen != NULL)
    g_string_append_printf (out, "# auto: %s\n", chosen);
}

char *
teesql_config_dump (const TeesqlConfig *self, gboolean effective)
{
  g_autoptr (GPtrArray) groups = list_groups (self, effective);
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < groups->len; i++)
    {
      g_string_append_printf (out, "%s[%s]\n", i > 0 ? "\n" : "", (const char *) groups->pdata[i]);
      visit_group (self, groups->pdata[i], effective, print_value, out);
    }
  return g_string_free (out, FALSE);
}

static void
build_value (JsonBuilder *json, const TeesqlConfig *self, const char *group, const char *key, const TeesqlConfigValue *value)
{
  if (value != NULL && value->items != NULL)
    {
      json_builder_begin_array (json);
      for (guint i = 0; value->items[i] != NULL; i++)
        json_builder_add_string_value (json, value->items[i]);
      json_builder_end_array (json);
    }
  else if (value != NULL)
    json_builder_add_string_value (json, value->text);
  else if (g_str_equal (key, "plugin"))
    json_builder_add_string_value (json, teesql_config_get_string (self, group, key));
  else
    json_builder_add_null_value (json);
}

static void
build_option (const TeesqlConfig *self, const char *group, const char *key, const TeesqlConfigValue *value, gpointer user_data)
{
  JsonBuilder *json = user_data;
  gboolean is_set = teesql_config_is_set (self, group, key);
  g_autofree char *chosen = value != NULL && value->word == TEESQL_WORD_AUTO ? dup_chosen (value->option) : NULL;

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "group");
  json_builder_add_string_value (json, group);
  json_builder_set_member_name (json, "key");
  json_builder_add_string_value (json, key);
  json_builder_set_member_name (json, "value");
  build_value (json, self, group, key, value);
  json_builder_set_member_name (json, "chosen");
  if (chosen != NULL)
    json_builder_add_string_value (json, chosen);
  else
    json_builder_add_null_value (json);
  json_builder_set_member_name (json, "set");
  json_builder_add_boolean_value (json, is_set);
  json_builder_set_member_name (json, "file");
  if (is_set)
    json_builder_add_string_value (json, value->file);
  else
    json_builder_add_null_value (json);
  json_builder_set_member_name (json, "line");
  if (is_set)
    json_builder_add_int_value (json, value->line);
  else
    json_builder_add_null_value (json);
  json_builder_end_object (json);
}

char *
teesql_config_dump_json (const TeesqlConfig *self, gboolean effective)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GPtrArray) groups = list_groups (self, effective);

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "schema");
  json_builder_add_int_value (json, 1);
  json_builder_set_member_name (json, "effective");
  json_builder_add_boolean_value (json, effective);
  json_builder_set_member_name (json, "options");
  json_builder_begin_array (json);
  for (guint i = 0; i < groups->len; i++)
    visit_group (self, groups->pdata[i], effective, build_option, json);
  json_builder_end_array (json);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, TRUE);
}
