/* One spelling per meaning, and the digest over it: docs/configuration-digest.md. */
#include "base/teesql-digest.h"
#include "config/teesql-config-private.h"

#include <string.h>

#define DIGEST_DOMAIN "teesql-config-v1"

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char **
dup_set (char *const *items, gboolean ordered)
{
  GPtrArray *set = g_ptr_array_new ();

  for (guint i = 0; items[i] != NULL; i++)
    g_ptr_array_add (set, g_strdup (items[i]));
  if (!ordered)
    g_ptr_array_sort (set, compare_strings);
  for (guint i = 1; !ordered && i < set->len;)
    if (g_str_equal (set->pdata[i - 1], set->pdata[i]))
      g_free (g_ptr_array_remove_index (set, i));
    else
      i++;
  g_ptr_array_add (set, NULL);
  return (char **) g_ptr_array_free (set, FALSE);
}

static gboolean
is_number (const TeesqlOption *option)
{
  return option->type == TEESQL_OPTION_INTEGER || option->type == TEESQL_OPTION_PERCENT || option->type == TEESQL_OPTION_DURATION ||
         option->type == TEESQL_OPTION_SIZE;
}

char **
teesql_config_value_dup_canonical (const TeesqlConfigValue *value)
{
  g_autofree char *number = NULL;
  const char *one[] = { NULL, NULL };

  if (value->items != NULL)
    return dup_set (value->items, (value->option->flags & TEESQL_OPTION_ORDERED) != 0);
  if (value->word != TEESQL_WORD_OTHER || value->value == NULL)
    one[0] = value->text;
  else if (value->option != NULL && is_number (value->option))
    one[0] = number = g_strdup_printf ("%" G_GINT64_FORMAT, value->number);
  else
    one[0] = value->value;
  return g_strdupv ((char **) one);
}

/* The message is public text and lengths only; it is built whole, since it is short. */
static void
put_u32 (GByteArray *out, gsize number)
{
  guint32 big_endian = GUINT32_TO_BE ((guint32) number);

  g_byte_array_append (out, (const guint8 *) &big_endian, sizeof big_endian);
}

static void
put_string (GByteArray *out, const char *text)
{
  put_u32 (out, strlen (text));
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

/* What kind of value follows: a word like `any` differs from a list whose one element is spelled so. */
enum
{
  TAG_ABSENT = 0,
  TAG_WORD = 1,
  TAG_VALUE = 2,
  TAG_LIST = 3
};

static void
put_value (GByteArray *out, const TeesqlConfigValue *value)
{
  g_auto (GStrv) canonical = value != NULL ? teesql_config_value_dup_canonical (value) : NULL;
  guint8 tag = TAG_VALUE;

  if (value == NULL)
    tag = TAG_ABSENT;
  else if (value->word != TEESQL_WORD_OTHER)
    tag = TAG_WORD;
  else if (value->items != NULL)
    tag = TAG_LIST;
  g_byte_array_append (out, &tag, 1);
  put_u32 (out, canonical != NULL ? g_strv_length (canonical) : 0);
  for (guint i = 0; canonical != NULL && canonical[i] != NULL; i++)
    put_string (out, canonical[i]);
}

static void
put_key (GByteArray *out, const TeesqlConfig *self, const char *group, const char *key)
{
  const TeesqlConfigValue *value = teesql_config_effective (self, group, key);

  put_string (out, key);
  if (value == NULL && g_str_equal (key, "plugin"))
    {
      g_autoptr (TeesqlConfigValue) module = teesql_config_value_new_raw (key, teesql_config_get_string (self, group, key));
      put_value (out, module);
      return;
    }
  put_value (out, value);
}

/* Keys that the digest covers: of core's groups those the table marks, of a plugin's group all. */
static GPtrArray *
list_covered_keys (const TeesqlConfig *self, const char *group_name)
{
  const TeesqlConfigGroup *group = teesql_config_find_group (self, group_name);
  const TeesqlOptionGroup *template = teesql_option_find_group (self->kind, group_name);
  GPtrArray *keys = g_ptr_array_new ();
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if ((options[i].kinds & (1u << self->kind)) != 0 && (options[i].flags & TEESQL_OPTION_DIGEST) != 0 &&
        teesql_option_group_matches (options[i].group, group_name))
      g_ptr_array_add (keys, (gpointer) options[i].key);
  for (guint i = 0; template->plugin && group != NULL && i < group->values->len; i++)
    {
      const TeesqlConfigValue *value = group->values->pdata[i];
      if (value->option == NULL)
        g_ptr_array_add (keys, value->key);
    }
  g_ptr_array_sort (keys, compare_strings);
  return keys;
}

static void
add_instance (GHashTable *names, const char *kind, const char *name)
{
  if (name != NULL)
    g_hash_table_add (names, g_strdup_printf ("%s:%s", kind, name));
}

/* Groups that count although no file writes them: defaults decide too. */
static void
add_implied_groups (const TeesqlConfig *self, GHashTable *names)
{
  guint n = 0;
  const TeesqlOptionGroup *groups = teesql_option_groups (&n);
  const char *const *verifiers = NULL;

  for (guint i = 0; i < n; i++)
    if ((groups[i].kinds & (1u << self->kind)) != 0 && !g_str_has_suffix (groups[i].name, ":"))
      g_hash_table_add (names, g_strdup (groups[i].name));
  if (self->kind != TEESQL_CONFIG_DAEMON && self->kind != TEESQL_CONFIG_CLIENT)
    return;
  add_instance (names, "policy", self->kind == TEESQL_CONFIG_DAEMON ? "clients" : "server");
  add_instance (names, "attester", teesql_config_get_string (self, "teesql", "attester"));
  if (self->kind == TEESQL_CONFIG_DAEMON)
    add_instance (names, "kms", teesql_config_get_string (self, "teesql", "kms"));
  verifiers = teesql_config_get_list (self, "teesql", "verifiers");
  for (guint i = 0; verifiers[i] != NULL; i++)
    add_instance (names, "verifier", verifiers[i]);
}

static GPtrArray *
list_groups (const TeesqlConfig *self)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *sorted = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer name = NULL;

  add_implied_groups (self, names);
  for (guint i = 0; i < self->groups->len; i++)
    g_hash_table_add (names, g_strdup (((TeesqlConfigGroup *) self->groups->pdata[i])->name));
  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (sorted, g_strdup (name));
  g_ptr_array_sort (sorted, compare_strings);
  return sorted;
}

static void
put_groups (GByteArray *out, const TeesqlConfig *self)
{
  g_autoptr (GPtrArray) groups = list_groups (self);

  put_u32 (out, groups->len);
  for (guint i = 0; i < groups->len; i++)
    {
      g_autoptr (GPtrArray) keys = list_covered_keys (self, groups->pdata[i]);

      put_string (out, groups->pdata[i]);
      put_u32 (out, keys->len);
      for (guint j = 0; j < keys->len; j++)
        put_key (out, self, groups->pdata[i], keys->pdata[j]);
    }
}

static int
compare_facts (gconstpointer a, gconstpointer b)
{
  const TeesqlConfigFact *x = a;
  const TeesqlConfigFact *y = b;
  int by_name = strcmp (x->name, y->name);

  return by_name != 0 ? by_name : strcmp (x->value, y->value);
}

static void
put_facts (GByteArray *out, const TeesqlConfigFact *facts, guint n_facts)
{
  g_autoptr (GArray) sorted = g_array_new (FALSE, FALSE, sizeof (TeesqlConfigFact));

  if (n_facts > 0)
    g_array_append_vals (sorted, facts, n_facts);
  g_array_sort (sorted, compare_facts);
  put_u32 (out, sorted->len);
  for (guint i = 0; i < sorted->len; i++)
    {
      put_string (out, g_array_index (sorted, TeesqlConfigFact, i).name);
      put_string (out, g_array_index (sorted, TeesqlConfigFact, i).value);
    }
}

void
teesql_config_digest (const TeesqlConfig *self, const TeesqlConfigFact *facts, guint n_facts, guint8 out[48])
{
  g_autoptr (GByteArray) message = g_byte_array_new ();

  put_string (message, DIGEST_DOMAIN);
  put_groups (message, self);
  put_facts (message, facts, n_facts);
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, out, message->data, message->len);
}
