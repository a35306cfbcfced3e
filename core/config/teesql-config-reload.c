/* What a reload may change while sessions run, and what has to wait for the next start. */
#include "config/teesql-config-private.h"

typedef struct
{
  const TeesqlConfig *running;
  const TeesqlConfig *next;
  TeesqlConfig *merged;
  GPtrArray *pending;
} Merge;

static const TeesqlConfigValue *
written (const TeesqlConfig *config, const char *group, const char *key)
{
  const TeesqlConfigGroup *found = teesql_config_find_group (config, group);

  return found != NULL ? teesql_config_group_find (found, key) : NULL;
}

static gboolean
same (const TeesqlConfigValue *a, const TeesqlConfigValue *b)
{
  g_auto (GStrv) x = a != NULL ? teesql_config_value_dup_canonical (a) : NULL;
  g_auto (GStrv) y = b != NULL ? teesql_config_value_dup_canonical (b) : NULL;

  if (a == NULL || b == NULL)
    return a == b;
  return a->word == b->word && g_strv_equal ((const char *const *) x, (const char *const *) y);
}

static void
note_pending (Merge *merge, const char *group, const char *key)
{
  g_ptr_array_add (merge->pending, g_strdup_printf ("[%s] %s", group, key));
}

static void
copy_group (TeesqlConfig *to, const TeesqlConfigGroup *group)
{
  TeesqlConfigGroup *copy = teesql_config_ensure_group (to, group->name, group->plugin);

  copy->file = g_strdup (group->file);
  copy->rank = group->rank;
  copy->line = group->line;
  for (guint i = 0; i < group->values->len; i++)
    teesql_config_group_set (copy, teesql_config_value_ref (group->values->pdata[i]));
}

/* Plugin objects are made once, so their groups stay whole; all others come from the new file. */
static void
copy_groups (Merge *merge)
{
  for (guint i = 0; i < merge->next->groups->len; i++)
    if (!((TeesqlConfigGroup *) merge->next->groups->pdata[i])->plugin)
      copy_group (merge->merged, merge->next->groups->pdata[i]);
  for (guint i = 0; i < merge->running->groups->len; i++)
    if (((TeesqlConfigGroup *) merge->running->groups->pdata[i])->plugin)
      copy_group (merge->merged, merge->running->groups->pdata[i]);
}

static void
keep_running_value (Merge *merge, const char *group, const char *key)
{
  const TeesqlConfigValue *value = written (merge->running, group, key);
  TeesqlConfigGroup *target = NULL;

  if (value == NULL)
    {
      target = teesql_config_find_group (merge->merged, group);
      if (target != NULL)
        teesql_config_group_remove (target, key);
      return;
    }
  target = teesql_config_ensure_group (merge->merged, group, FALSE);
  if (target->file == NULL)
    target->file = g_strdup (value->file);
  teesql_config_group_set (target, teesql_config_value_ref ((TeesqlConfigValue *) value));
}

static void
merge_core_options (Merge *merge)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    {
      const TeesqlOption *option = &options[i];

      if ((option->kinds & (1u << merge->next->kind)) == 0 || (option->flags & TEESQL_OPTION_RESTART) == 0 ||
          g_str_has_suffix (option->group, ":"))
        continue;
      if (!same (teesql_config_effective (merge->running, option->group, option->key),
                 teesql_config_effective (merge->next, option->group, option->key)))
        note_pending (merge, option->group, option->key);
      keep_running_value (merge, option->group, option->key);
    }
}

/* Core's own keys have a default where they are left out: `plugin` means the NAME of the group. */
static gboolean
same_in (const TeesqlConfig *running, const TeesqlConfig *next, const char *group, const char *key)
{
  if (teesql_option_find (next->kind, group, key) != NULL)
    return g_strcmp0 (teesql_config_get_string (running, group, key), teesql_config_get_string (next, group, key)) == 0;
  return same (written (running, group, key), written (next, group, key));
}

/* Keys of @group that differ; with @only_absent those that the next file lacks, since it has named the others. */
static void
note_different_keys (Merge *merge, const TeesqlConfigGroup *group, gboolean only_absent)
{
  for (guint i = 0; i < group->values->len; i++)
    {
      const char *key = ((const TeesqlConfigValue *) group->values->pdata[i])->key;

      if (only_absent && written (merge->next, group->name, key) != NULL)
        continue;
      if (!same_in (merge->running, merge->next, group->name, key))
        note_pending (merge, group->name, key);
    }
}

static void
note_plugin_groups (Merge *merge)
{
  for (guint i = 0; i < merge->next->groups->len; i++)
    if (((TeesqlConfigGroup *) merge->next->groups->pdata[i])->plugin)
      note_different_keys (merge, merge->next->groups->pdata[i], FALSE);
  for (guint i = 0; i < merge->running->groups->len; i++)
    if (((TeesqlConfigGroup *) merge->running->groups->pdata[i])->plugin)
      note_different_keys (merge, merge->running->groups->pdata[i], TRUE);
}

TeesqlConfig *
teesql_config_merge_reload (const TeesqlConfig *running, const TeesqlConfig *next, char ***out_pending)
{
  Merge merge = { running, next, teesql_config_new (next->kind, next->name), g_ptr_array_new () };

  copy_groups (&merge);
  merge_core_options (&merge);
  note_plugin_groups (&merge);
  teesql_config_add_defaults (merge.merged);
  g_ptr_array_add (merge.pending, NULL);
  *out_pending = (char **) g_ptr_array_free (merge.pending, FALSE);
  return merge.merged;
}
