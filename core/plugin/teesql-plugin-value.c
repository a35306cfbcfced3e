#include "plugin/teesql-plugin-value.h"
#include "base/teesql-domains.h"
#include "config/teesql-config-unit.h"
#include "config/teesql-config.h"
#include <string.h>

typedef enum
{
  UNIT_NONE,
  UNIT_MS,
  UNIT_BYTES
} Unit;

/* Bounds of an integer property in the widest types; everything a keyfile can write fits a gint64. */
typedef struct
{
  gint64 min;
  gint64 max;
  gint64 fallback;
} Range;

#define fail(error, ...) teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "plugin-option", __VA_ARGS__)

static Unit
unit_of (GParamSpec *pspec)
{
  const char *unit = g_param_spec_get_qdata (pspec, g_quark_from_static_string ("teesql-unit"));

  if (g_strcmp0 (unit, "ms") == 0)
    return UNIT_MS;
  return g_strcmp0 (unit, "bytes") == 0 ? UNIT_BYTES : UNIT_NONE;
}

static gboolean
range_of (GParamSpec *pspec, Range *out_range)
{
  if (G_IS_PARAM_SPEC_INT (pspec))
    *out_range = (Range){ G_PARAM_SPEC_INT (pspec)->minimum, G_PARAM_SPEC_INT (pspec)->maximum, G_PARAM_SPEC_INT (pspec)->default_value };
  else if (G_IS_PARAM_SPEC_UINT (pspec))
    *out_range =
        (Range){ G_PARAM_SPEC_UINT (pspec)->minimum, G_PARAM_SPEC_UINT (pspec)->maximum, G_PARAM_SPEC_UINT (pspec)->default_value };
  else if (G_IS_PARAM_SPEC_INT64 (pspec))
    *out_range =
        (Range){ G_PARAM_SPEC_INT64 (pspec)->minimum, G_PARAM_SPEC_INT64 (pspec)->maximum, G_PARAM_SPEC_INT64 (pspec)->default_value };
  else if (G_IS_PARAM_SPEC_UINT64 (pspec))
    *out_range = (Range){ (gint64) MIN (G_PARAM_SPEC_UINT64 (pspec)->minimum, (guint64) G_MAXINT64),
                          (gint64) MIN (G_PARAM_SPEC_UINT64 (pspec)->maximum, (guint64) G_MAXINT64),
                          (gint64) MIN (G_PARAM_SPEC_UINT64 (pspec)->default_value, (guint64) G_MAXINT64) };
  else
    return FALSE;
  return TRUE;
}

static char *
format_number (Unit unit, gint64 number)
{
  if (unit == UNIT_MS && number >= 0)
    return teesql_unit_format_duration (number);
  if (unit == UNIT_BYTES && number >= 0)
    return teesql_unit_format_size (number);
  return g_strdup_printf ("%" G_GINT64_FORMAT, number);
}

static char *
describe_number (Unit unit, const Range *range)
{
  g_autofree char *min = format_number (unit, range->min);
  g_autofree char *max = format_number (unit, range->max);

  return g_strdup_printf ("%s, %s..%s", unit == UNIT_MS ? "duration" : unit == UNIT_BYTES ? "size" : "integer", min, max);
}

static gboolean
parse_number (Unit unit, const char *text, gint64 *out_number)
{
  if (unit == UNIT_MS)
    return teesql_unit_parse_duration (text, out_number);
  if (unit == UNIT_BYTES)
    return teesql_unit_parse_size (text, out_number);
  if (text[0] != '-')
    return teesql_unit_parse_integer (text, out_number);
  if (!teesql_unit_parse_integer (text + 1, out_number))
    return FALSE;
  *out_number = -*out_number;
  return TRUE;
}

static void
set_number (GParamSpec *pspec, gint64 number, GValue *value)
{
  if (G_IS_PARAM_SPEC_INT (pspec))
    g_value_set_int (value, (int) number);
  else if (G_IS_PARAM_SPEC_UINT (pspec))
    g_value_set_uint (value, (guint) number);
  else if (G_IS_PARAM_SPEC_INT64 (pspec))
    g_value_set_int64 (value, number);
  else
    g_value_set_uint64 (value, (guint64) number);
}

static gboolean
parse_integer_value (GParamSpec *pspec, const Range *range, const char *text, GValue *value, GError **error)
{
  g_autofree char *expected = describe_number (unit_of (pspec), range);
  gint64 number = 0;

  if (!parse_number (unit_of (pspec), text, &number) || number < range->min || number > range->max)
    return fail (error, "\"%s\" is no %s", text, expected);
  set_number (pspec, number, value);
  return TRUE;
}

static gboolean
parse_boolean (const char *text, GValue *value, GError **error)
{
  if (strcmp (text, "true") != 0 && strcmp (text, "false") != 0)
    return fail (error, "\"%s\" is neither true nor false", text);
  g_value_set_boolean (value, text[0] == 't');
  return TRUE;
}

static gboolean
parse_double (GParamSpec *pspec, const char *text, GValue *value, GError **error)
{
  const GParamSpecDouble *spec = G_PARAM_SPEC_DOUBLE (pspec);
  char *end = NULL;
  double number = g_ascii_strtod (text, &end);

  if (end == text || *end != '\0' || !(number >= spec->minimum && number <= spec->maximum)) /* written so that NaN fails */
    return fail (error, "\"%s\" is no number from %g to %g", text, spec->minimum, spec->maximum);
  g_value_set_double (value, number);
  return TRUE;
}

gboolean
teesql_plugin_value_is_reference (const char *text)
{
  return g_str_has_prefix (text, "file:") || g_str_has_prefix (text, "env:") || g_str_has_prefix (text, "credential:");
}

static gboolean
parse_secret (const char *text, GValue *value, GError **error)
{
  TeesqlSecret *secret = NULL;

  if (!teesql_plugin_value_is_reference (text)) /* the text itself is not repeated: it may be the secret */
    return fail (error, "a secret is not written into the file, expected credential:NAME, file:/PATH or env:NAME");
  secret = teesql_config_resolve_secret (text, error);
  if (secret == NULL)
    return FALSE;
  g_value_take_boxed (value, secret);
  return TRUE;
}

/* What stands behind a reference may be as delicate as a secret, so it takes the same road; the copy ends with the GValue. */
static gboolean
set_string_from_secret (const TeesqlSecret *secret, const char *what, GValue *value, GError **error)
{
  gsize size = 0;
  const char *bytes = (const char *) teesql_secret_peek (secret, &size);

  if (!g_utf8_validate (bytes, (gssize) size, NULL) || memchr (bytes, '\0', size) != NULL)
    return fail (error, "what stands behind %s is no text", what);
  g_value_take_string (value, g_strndup (bytes, size));
  return TRUE;
}

static gboolean
parse_string (const char *text, GValue *value, GError **error)
{
  g_autoptr (TeesqlSecret) secret = NULL;

  if (!teesql_plugin_value_is_reference (text))
    {
      g_value_set_string (value, text);
      return TRUE;
    }
  secret = teesql_config_resolve_secret (text, error);
  return secret != NULL && set_string_from_secret (secret, text, value, error);
}

/* `a;b;c`, the last `;` optional, no empty element */
static char **
split_list (const char *text, GError **error)
{
  g_autofree char *trimmed = g_str_has_suffix (text, ";") ? g_strndup (text, strlen (text) - 1) : g_strdup (text);
  g_auto (GStrv) items = g_strsplit (trimmed, ";", -1);

  for (gsize i = 0; items[i] != NULL; i++)
    {
      g_strstrip (items[i]);
      if (items[i][0] == '\0')
        {
          fail (error, "\"%s\" has an empty element", text);
          return NULL;
        }
    }
  return g_steal_pointer (&items);
}

static gboolean
parse_strv (const char *text, GValue *value, GError **error)
{
  char **items = split_list (text, error);

  if (items == NULL)
    return FALSE;
  g_value_take_boxed (value, items);
  return TRUE;
}

static char *
join_enum (GEnumClass *klass)
{
  g_autoptr (GPtrArray) nicks = g_ptr_array_new ();

  for (guint i = 0; i < klass->n_values; i++)
    g_ptr_array_add (nicks, (gpointer) klass->values[i].value_nick);
  g_ptr_array_add (nicks, NULL);
  return g_strjoinv (", ", (char **) nicks->pdata);
}

static char *
join_flags (GFlagsClass *klass)
{
  g_autoptr (GPtrArray) nicks = g_ptr_array_new ();

  for (guint i = 0; i < klass->n_values; i++)
    g_ptr_array_add (nicks, (gpointer) klass->values[i].value_nick);
  g_ptr_array_add (nicks, NULL);
  return g_strjoinv (", ", (char **) nicks->pdata);
}

static gboolean
parse_enum (GParamSpec *pspec, const char *text, GValue *value, GError **error)
{
  GEnumClass *klass = G_PARAM_SPEC_ENUM (pspec)->enum_class;
  GEnumValue *found = g_enum_get_value_by_nick (klass, text);
  g_autofree char *words = join_enum (klass);

  if (found == NULL)
    return fail (error, "\"%s\" is none of %s", text, words);
  g_value_set_enum (value, found->value);
  return TRUE;
}

static gboolean
parse_flags (GParamSpec *pspec, const char *text, GValue *value, GError **error)
{
  GFlagsClass *klass = G_PARAM_SPEC_FLAGS (pspec)->flags_class;
  g_auto (GStrv) items = strcmp (text, "none") == 0 ? g_new0 (char *, 1) : split_list (text, error);
  g_autofree char *words = join_flags (klass);
  guint flags = 0;

  for (gsize i = 0; items != NULL && items[i] != NULL; i++)
    {
      GFlagsValue *found = g_flags_get_value_by_nick (klass, items[i]);

      if (found == NULL)
        return fail (error, "\"%s\" is none of %s", items[i], words);
      flags |= found->value;
    }
  g_value_set_flags (value, flags);
  return items != NULL;
}

static gboolean
parse_into (GParamSpec *pspec, const char *text, GValue *value, GError **error)
{
  GType type = G_PARAM_SPEC_VALUE_TYPE (pspec);
  Range range = { 0 };

  if (range_of (pspec, &range))
    return parse_integer_value (pspec, &range, text, value, error);
  if (type == G_TYPE_BOOLEAN)
    return parse_boolean (text, value, error);
  if (type == G_TYPE_DOUBLE)
    return parse_double (pspec, text, value, error);
  if (type == G_TYPE_STRING)
    return parse_string (text, value, error);
  if (type == TEESQL_TYPE_SECRET)
    return parse_secret (text, value, error);
  if (type == G_TYPE_STRV)
    return parse_strv (text, value, error);
  if (G_TYPE_IS_ENUM (type))
    return parse_enum (pspec, text, value, error);
  if (G_TYPE_IS_FLAGS (type))
    return parse_flags (pspec, text, value, error);
  return fail (error, "the plugin's option is of type %s, which no file can set", g_type_name (type));
}

gboolean
teesql_plugin_value_parse (GParamSpec *pspec, const char *text, GValue *out_value, GError **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (pspec));
  if (!parse_into (pspec, text, &value, error))
    return FALSE;
  *out_value = value;
  value = (GValue) G_VALUE_INIT;
  return TRUE;
}

gboolean
teesql_plugin_value_parse_resolved (GParamSpec *pspec, TeesqlSecret *secret, GValue *out_value, GError **error)
{
  g_auto (GValue) value = G_VALUE_INIT;
  GType type = G_PARAM_SPEC_VALUE_TYPE (pspec);

  g_value_init (&value, type);
  if (type == TEESQL_TYPE_SECRET)
    g_value_set_boxed (&value, secret);
  else if (type != G_TYPE_STRING)
    {
      g_autofree char *expected = teesql_plugin_value_describe (pspec);

      return fail (error, "a reference, expected %s", expected);
    }
  else if (!set_string_from_secret (secret, "the reference", &value, error))
    return FALSE;
  *out_value = value;
  value = (GValue) G_VALUE_INIT;
  return TRUE;
}

char *
teesql_plugin_value_describe (GParamSpec *pspec)
{
  GType type = G_PARAM_SPEC_VALUE_TYPE (pspec);
  Range range = { 0 };

  if (range_of (pspec, &range))
    return describe_number (unit_of (pspec), &range);
  if (type == G_TYPE_BOOLEAN)
    return g_strdup ("true or false");
  if (type == G_TYPE_DOUBLE)
    return g_strdup_printf ("number, %g..%g", G_PARAM_SPEC_DOUBLE (pspec)->minimum, G_PARAM_SPEC_DOUBLE (pspec)->maximum);
  if (type == TEESQL_TYPE_SECRET)
    return g_strdup ("secret (credential:, file:, env:)");
  if (type == G_TYPE_STRV)
    return g_strdup ("list");
  if (G_TYPE_IS_ENUM (type))
    return join_enum (G_PARAM_SPEC_ENUM (pspec)->enum_class);
  if (G_TYPE_IS_FLAGS (type))
    {
      g_autofree char *words = join_flags (G_PARAM_SPEC_FLAGS (pspec)->flags_class);

      return g_strdup_printf ("list of %s", words);
    }
  return g_strdup (type == G_TYPE_STRING ? "text" : g_type_name (type));
}

static char *
describe_flags_default (const GParamSpecFlags *spec)
{
  g_autoptr (GPtrArray) nicks = g_ptr_array_new ();

  for (guint i = 0; i < spec->flags_class->n_values; i++)
    {
      if ((spec->default_value & spec->flags_class->values[i].value) != 0)
        g_ptr_array_add (nicks, (gpointer) spec->flags_class->values[i].value_nick);
    }
  if (nicks->len == 0)
    return g_strdup ("none");
  g_ptr_array_add (nicks, NULL);
  return g_strjoinv (";", (char **) nicks->pdata);
}

char *
teesql_plugin_value_describe_default (GParamSpec *pspec)
{
  GType type = G_PARAM_SPEC_VALUE_TYPE (pspec);
  Range range = { 0 };

  if (range_of (pspec, &range))
    return format_number (unit_of (pspec), range.fallback);
  if (type == G_TYPE_BOOLEAN)
    return g_strdup (G_PARAM_SPEC_BOOLEAN (pspec)->default_value ? "true" : "false");
  if (type == G_TYPE_DOUBLE)
    return g_strdup_printf ("%g", G_PARAM_SPEC_DOUBLE (pspec)->default_value);
  if (type == G_TYPE_STRING)
    return g_strdup (G_PARAM_SPEC_STRING (pspec)->default_value);
  if (G_TYPE_IS_FLAGS (type))
    return describe_flags_default (G_PARAM_SPEC_FLAGS (pspec));
  if (G_TYPE_IS_ENUM (type))
    {
      GEnumValue *value = g_enum_get_value (G_PARAM_SPEC_ENUM (pspec)->enum_class, G_PARAM_SPEC_ENUM (pspec)->default_value);

      return g_strdup (value != NULL ? value->value_nick : NULL);
    }
  return NULL;
}
