#include "proxy/teesql-startup-options.h"

#include "base/teesql-domains.h"

#include <string.h>
#include <teesql/teesql-error.h>

/* What drivers send at startup and what an application may decide about its own session. Not here, among others: role,
 * session_authorization (rights), local_preload_libraries (code), log_* and track_* (the operator's), synchronous_commit (durability). */
static const char *const allowed[] = {
  "application_name",
  "bytea_output",
  "client_encoding",
  "client_min_messages",
  "datestyle",
  "default_transaction_deferrable",
  "default_transaction_isolation",
  "default_transaction_read_only",
  "extra_float_digits",
  "geqo",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "intervalstyle",
  "jit",
  "lc_messages",
  "lc_monetary",
  "lc_numeric",
  "lc_time",
  "lock_timeout",
  "search_path",
  "standard_conforming_strings",
  "statement_timeout",
  "tcp_user_timeout",
  "timezone",
  "transaction_timeout",
  "work_mem",
  "xmloption",
};

/* PostgreSQL takes names of settings in either case. */
static gboolean
is_allowed (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (allowed); i++)
    {
      if (g_ascii_strcasecmp (name, allowed[i]) == 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
refuse (const char *name, GError **error)
{
  g_autofree char *shown = g_utf8_make_valid (name, (gssize) strnlen (name, 64));

  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "startup-option", 0,
                                              "startup option \"%s\" is not allowed", shown));
  return FALSE;
}

/* One word of `options`, as PostgreSQL splits it: blanks separate, a backslash takes the next byte as it is. */
static char *
next_word (const char **text)
{
  g_autoptr (GString) word = g_string_new (NULL);
  const char *p = *text;

  while (g_ascii_isspace (*p))
    p++;
  if (*p == '\0')
    return NULL;
  while (*p != '\0' && !g_ascii_isspace (*p))
    {
      if (*p == '\\' && p[1] != '\0')
        p++;
      g_string_append_c (word, *p++);
    }
  *text = p;
  return g_string_free (g_steal_pointer (&word), FALSE);
}

static gboolean
pick_assignment (GPtrArray *pairs, const char *assignment, GError **error)
{
  const char *equals = strchr (assignment, '=');
  g_autofree char *name = NULL;

  if (equals == NULL)
    return refuse (assignment, error);
  name = g_strdelimit (g_strndup (assignment, (gsize) (equals - assignment)), "-", '_');
  if (!is_allowed (name))
    return refuse (name, error);
  g_ptr_array_add (pairs, g_steal_pointer (&name));
  g_ptr_array_add (pairs, g_strdup (equals + 1));
  return TRUE;
}

/* `-c name=value`, `-cname=value` and `--name=value`; other switches of the server are nobody's business. */
static gboolean
pick_options (GPtrArray *pairs, const char *text, GError **error)
{
  g_autofree char *word = NULL;

  while ((word = next_word (&text)) != NULL)
    {
      g_autofree char *value = NULL;

      if (g_str_equal (word, "-c"))
        value = next_word (&text);
      else if (g_str_has_prefix (word, "--") || g_str_has_prefix (word, "-c"))
        value = g_strdup (word + 2);
      if (value == NULL)
        return refuse (word, error);
      if (!pick_assignment (pairs, value, error))
        return FALSE;
      g_clear_pointer (&word, g_free);
    }
  return TRUE;
}

static gboolean
pick_parameter (GPtrArray *pairs, const TeesqlStartupParameter *parameter, GError **error)
{
  if (g_str_equal (parameter->name, "user") || g_str_equal (parameter->name, "database") || g_str_has_prefix (parameter->name, "_pq_."))
    return TRUE;
  if (g_str_equal (parameter->name, "options"))
    return pick_options (pairs, parameter->value, error);
  if (!g_str_equal (parameter->name, "replication") && !is_allowed (parameter->name))
    return refuse (parameter->name, error);
  g_ptr_array_add (pairs, g_strdup (parameter->name));
  g_ptr_array_add (pairs, g_strdup (parameter->value));
  return TRUE;
}

GPtrArray *
teesql_startup_options_pick (const TeesqlStartup *startup, GError **error)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (pairs, g_strdup ("user"));
  g_ptr_array_add (pairs, g_strdup (startup->user));
  g_ptr_array_add (pairs, g_strdup ("database"));
  g_ptr_array_add (pairs, g_strdup (startup->database));
  for (guint i = 0; i < startup->n_parameters; i++)
    {
      if (!pick_parameter (pairs, &startup->parameters[i], error))
        return NULL;
    }
  g_ptr_array_add (pairs, NULL);
  return g_steal_pointer (&pairs);
}
