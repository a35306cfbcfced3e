#include "config/teesql-config-value.h"

#include "base/teesql-domains.h"

#include <string.h>

static TeesqlConfigValue *
value_alloc (const TeesqlOption *option, const char *key, const char *text)
{
  TeesqlConfigValue *self = g_new0 (TeesqlConfigValue, 1);

  g_atomic_ref_count_init (&self->refs);
  self->option = option;
  self->key = g_strdup (key);
  self->text = g_strdup (text);
  return self;
}

TeesqlConfigValue *
teesql_config_value_ref (TeesqlConfigValue *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_config_value_unref (TeesqlConfigValue *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->key);
  g_free (self->text);
  g_free (self->value);
  g_strfreev (self->items);
  g_free (self->file);
  g_free (self);
}

#define refuse(error, ...) teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "invalid-configuration", __VA_ARGS__)

/* `any`, `auto` and `none` are words of their own where the option takes them. */
static TeesqlConfigWord
word_of (const TeesqlOption *option, const char *text)
{
  if ((option->flags & TEESQL_OPTION_MAY_BE_ANY) != 0 && g_str_equal (text, "any"))
    return TEESQL_WORD_ANY;
  if ((option->flags & TEESQL_OPTION_MAY_BE_AUTO) != 0 && g_str_equal (text, "auto"))
    return TEESQL_WORD_AUTO;
  if ((option->flags & TEESQL_OPTION_MAY_BE_NONE) != 0 && g_str_equal (text, "none"))
    return TEESQL_WORD_NONE;
  return TEESQL_WORD_OTHER;
}

/* A special word as one element of a list would settle a pin that the reader thinks is a list. */
static gboolean
check_item_is_no_word (const TeesqlOption *option, const char *item, GError **error)
{
  if (word_of (option, item) == TEESQL_WORD_OTHER)
    return TRUE;
  if (g_str_equal (item, "any"))
    return refuse (error, "any is a word of its own, never an element of a list");
  return refuse (error, "auto and none are words of their own, never elements of a list");
}

static gboolean
check_special_items (const TeesqlOption *option, const char *item, GError **error)
{
  if (item[0] == '\0')
    return refuse (error, "an element of the list is empty");
  if (g_str_equal (option->key, "accepted-tcb-status") && g_str_equal (item, "Revoked"))
    return refuse (error, "Revoked cannot be accepted");
  return check_item_is_no_word (option, item, error);
}

static gboolean
parse_list (TeesqlConfigValue *self, const char *text, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) parts = g_strsplit (text, ";", -1);
  guint n = g_strv_length (parts);

  if (n > 1 && *g_strstrip (parts[n - 1]) == '\0') /* the last `;` is optional */
    n--;
  if (n > 1024)
    return refuse (error, "more than 1024 elements");
  for (guint i = 0; i < n; i++)
    {
      char *canonical = NULL;
      gint64 number = 0;

      g_strstrip (parts[i]);
      if (!check_special_items (self->option, parts[i], error) ||
          !teesql_config_form_check (self->option, parts[i], &canonical, &number, error))
        return FALSE;
      g_ptr_array_add (items, canonical);
    }
  g_ptr_array_add (items, NULL);
  self->items = (char **) g_ptr_array_free (g_steal_pointer (&items), FALSE);
  return TRUE;
}

/* The text a key stands for, when it stands for another place. */
static char *
resolve_text (const TeesqlOption *option, const char *text, GError **error)
{
  g_autoptr (TeesqlSecret) secret = NULL;
  g_autofree char *out = NULL;
  const guint8 *bytes = NULL;
  gsize size = 0;

  if ((option->flags & TEESQL_OPTION_INDIRECT) == 0 || !teesql_config_is_reference (text))
    return g_strdup (text);
  if (!teesql_config_check_reference (text, FALSE, error))
    return NULL;
  secret = teesql_config_resolve_secret (text, error);
  if (secret == NULL)
    return NULL;
  bytes = teesql_secret_peek (secret, &size);
  out = g_strndup ((const char *) bytes, size);
  if (strlen (out) != size || !g_utf8_validate (out, -1, NULL))
    {
      refuse (error, "what the reference names is not text");
      return NULL;
    }
  return g_steal_pointer (&out);
}

static gboolean
parse_empty (TeesqlConfigValue *self, GError **error)
{
  if ((self->option->flags & TEESQL_OPTION_MAY_BE_EMPTY) == 0)
    return refuse (error, "empty value");
  self->items = g_new0 (char *, 1);
  return TRUE;
}

static gboolean
parse_text (TeesqlConfigValue *self, const char *text, GError **error)
{
  if ((self->option->flags & TEESQL_OPTION_LIST) != 0)
    return parse_list (self, text, error);
  return teesql_config_form_check (self->option, text, &self->value, &self->number, error);
}

static gboolean
parse (TeesqlConfigValue *self, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *form = NULL;

  if (self->text[0] == '\0')
    return parse_empty (self, error);
  self->word = word_of (self->option, self->text);
  if (self->word != TEESQL_WORD_OTHER)
    return TRUE;
  if ((self->option->flags & TEESQL_OPTION_ONLY_ANY) != 0)
    return refuse (error, "only any is taken: nothing in this version can prove another value");
  text = resolve_text (self->option, self->text, error);
  if (text == NULL)
    return FALSE;
  if (g_str_equal (text, self->text))
    return parse_text (self, text, error);
  if (parse_text (self, text, NULL))
    return TRUE;
  /* what a reference names may be somebody's secret, named by mistake: it is not repeated */
  form = teesql_option_dup_form (self->option);
  return refuse (error, "what %s names is not what stands here, expected %s", self->text, form);
}

TeesqlConfigValue *
teesql_config_value_new (const TeesqlOption *option, const char *text, GError **error)
{
  g_autoptr (TeesqlConfigValue) self = value_alloc (option, option->key, text);

  return parse (self, error) ? g_steal_pointer (&self) : NULL;
}

TeesqlConfigValue *
teesql_config_value_new_raw (const char *key, const char *text)
{
  TeesqlConfigValue *self = value_alloc (NULL, key, text);

  self->value = g_strdup (text);
  return self;
}
