#include "config/teesql-config-private.h"

G_DEFINE_BOXED_TYPE (TeesqlConfig, teesql_config, teesql_config_ref, teesql_config_unref)

static void
group_free (TeesqlConfigGroup *group)
{
  g_free (group->name);
  g_free (group->file);
  g_ptr_array_unref (group->values);
  g_free (group);
}

TeesqlConfig *
teesql_config_new (TeesqlConfigKind kind, const char *name)
{
  TeesqlConfig *self = g_new0 (TeesqlConfig, 1);

  g_atomic_ref_count_init (&self->refs);
  self->kind = kind;
  self->name = g_strdup (name);
  self->groups = g_ptr_array_new_with_free_func ((GDestroyNotify) group_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->defaults = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) teesql_config_value_unref);
  self->refused = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

TeesqlConfig *
teesql_config_ref (TeesqlConfig *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_config_unref (TeesqlConfig *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->defaults);
  g_hash_table_unref (self->refused);
  g_ptr_array_unref (self->groups);
  g_free (self->name);
  g_free (self);
}

TeesqlConfigGroup *
teesql_config_find_group (const TeesqlConfig *self, const char *name)
{
  return g_hash_table_lookup (self->by_name, name);
}

TeesqlConfigGroup *
teesql_config_ensure_group (TeesqlConfig *self, const char *name, gboolean plugin)
{
  TeesqlConfigGroup *group = teesql_config_find_group (self, name);

  if (group != NULL)
    return group;
  group = g_new0 (TeesqlConfigGroup, 1);
  group->name = g_strdup (name);
  group->plugin = plugin;
  group->values = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_config_value_unref);
  g_ptr_array_add (self->groups, group);
  g_hash_table_insert (self->by_name, group->name, group);
  return group;
}

static gboolean
find_index (const TeesqlConfigGroup *group, const char *key, guint *out_index)
{
  for (guint i = 0; i < group->values->len; i++)
    if (g_str_equal (((const TeesqlConfigValue *) group->values->pdata[i])->key, key))
      {
        *out_index = i;
        return TRUE;
      }
  return FALSE;
}

TeesqlConfigValue *
teesql_config_group_find (const TeesqlConfigGroup *group, const char *key)
{
  guint i = 0;

  return find_index (group, key, &i) ? group->values->pdata[i] : NULL;
}

void
teesql_config_group_set (TeesqlConfigGroup *group, TeesqlConfigValue *value)
{
  guint i = 0;

  if (!find_index (group, value->key, &i))
    {
      g_ptr_array_add (group->values, value);
      return;
    }
  teesql_config_value_unref (group->values->pdata[i]);
  group->values->pdata[i] = value;
}

void
teesql_config_group_remove (TeesqlConfigGroup *group, const char *key)
{
  guint i = 0;

  if (find_index (group, key, &i))
    g_ptr_array_remove_index (group->values, i);
}

const TeesqlConfigValue *
teesql_config_effective (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (self, group);
  const TeesqlConfigValue *value = written != NULL ? teesql_config_group_find (written, key) : NULL;
  const TeesqlOption *option = teesql_option_find (self->kind, group, key);

  if (value != NULL)
    return value;
  return option != NULL ? g_hash_table_lookup (self->defaults, option) : NULL;
}

gboolean
teesql_config_has_group (const TeesqlConfig *self, const char *group)
{
  return teesql_config_find_group (self, group) != NULL;
}

gboolean
teesql_config_is_set (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (self, group);

  return written != NULL && teesql_config_group_find (written, key) != NULL;
}

static gboolean
is_known (const TeesqlConfig *self, const char *group, const char *key)
{
  return teesql_option_find (self->kind, group, key) != NULL;
}

/* `[storage:s3]` is made by the module s3 unless `plugin` says otherwise. */
static const char *
module_name (const char *group)
{
  const char *colon = strchr (group, ':');

  return colon != NULL ? colon + 1 : NULL;
}

const char *
teesql_config_get_string (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigValue *value = teesql_config_effective (self, group, key);

  g_return_val_if_fail (is_known (self, group, key), NULL);
  if (value == NULL && g_str_equal (key, "plugin"))
    return module_name (group);
  return value != NULL ? value->value : NULL;
}

static gint64
get_number (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigValue *value = teesql_config_effective (self, group, key);

  g_return_val_if_fail (is_known (self, group, key), 0);
  return value != NULL ? value->number : 0;
}

gint64
teesql_config_get_integer (const TeesqlConfig *self, const char *group, const char *key)
{
  return get_number (self, group, key);
}

gboolean
teesql_config_get_boolean (const TeesqlConfig *self, const char *group, const char *key)
{
  return get_number (self, group, key) != 0;
}

guint
teesql_config_get_duration_ms (const TeesqlConfig *self, const char *group, const char *key)
{
  return (guint) get_number (self, group, key); /* the table's ranges end below 49 days */
}

guint64
teesql_config_get_size (const TeesqlConfig *self, const char *group, const char *key)
{
  return (guint64) get_number (self, group, key);
}

const char *const *
teesql_config_get_list (const TeesqlConfig *self, const char *group, const char *key)
{
  static const char *const empty[] = { NULL };
  const TeesqlConfigValue *value = teesql_config_effective (self, group, key);

  g_return_val_if_fail (is_known (self, group, key), empty);
  return value != NULL && value->items != NULL ? (const char *const *) value->items : empty;
}

static gboolean
is_word (const TeesqlConfig *self, const char *group, const char *key, TeesqlConfigWord word)
{
  const TeesqlConfigValue *value = teesql_config_effective (self, group, key);

  g_return_val_if_fail (is_known (self, group, key), FALSE);
  return value != NULL && value->word == word;
}

gboolean
teesql_config_is_any (const TeesqlConfig *self, const char *group, const char *key)
{
  return is_word (self, group, key, TEESQL_WORD_ANY);
}

gboolean
teesql_config_is_auto (const TeesqlConfig *self, const char *group, const char *key)
{
  return is_word (self, group, key, TEESQL_WORD_AUTO);
}

gboolean
teesql_config_is_none (const TeesqlConfig *self, const char *group, const char *key)
{
  return is_word (self, group, key, TEESQL_WORD_NONE);
}

const char **
teesql_config_list_instances (const TeesqlConfig *self, const char *kind)
{
  g_autofree char *prefix = g_strconcat (kind, ":", NULL);
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < self->groups->len; i++)
    {
      const TeesqlConfigGroup *group = self->groups->pdata[i];
      if (g_str_has_prefix (group->name, prefix))
        g_ptr_array_add (names, group->name + strlen (prefix));
    }
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

const char **
teesql_config_list_keys (const TeesqlConfig *self, const char *group)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (self, group);
  GPtrArray *keys = g_ptr_array_new ();

  for (guint i = 0; written != NULL && i < written->values->len; i++)
    g_ptr_array_add (keys, ((TeesqlConfigValue *) written->values->pdata[i])->key);
  g_ptr_array_add (keys, NULL);
  return (const char **) g_ptr_array_free (keys, FALSE);
}

const char *
teesql_config_get_raw (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (self, group);
  const TeesqlConfigValue *value = written != NULL ? teesql_config_group_find (written, key) : NULL;

  return value != NULL ? value->text : NULL;
}

char *
teesql_config_describe (const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (self, group);
  const TeesqlConfigValue *value = written != NULL ? teesql_config_group_find (written, key) : NULL;

  if (value != NULL)
    return g_strdup_printf ("%s:%u: [%s] %s", value->file, value->line, group, key);
  return g_strdup_printf ("%s: [%s] %s", written != NULL ? written->file : self->name, group, key);
}

char *
teesql_config_dup_slot (const TeesqlConfig *self, const char *storage)
{
  char *slot = g_strconcat (teesql_config_get_string (self, "backup", "slot"), "_", storage, NULL);

  return g_strdelimit (slot, "-", '_');
}
