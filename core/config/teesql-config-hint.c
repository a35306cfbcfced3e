/* What the table can tell a person: the form of a value, and the name that was probably meant. */
#include "config/teesql-config-table.h"
#include "config/teesql-config-unit.h"

static char *
dup_words (const char *words)
{
  g_auto (GStrv) split = g_strsplit (words, "|", -1);
  g_autofree char *joined = g_strjoinv (", ", split);

  return g_strdup (joined);
}

static char *
dup_range (const TeesqlOption *option)
{
  g_autofree char *min = NULL;
  g_autofree char *max = NULL;

  if (option->type == TEESQL_OPTION_DURATION)
    {
      min = teesql_unit_format_duration (option->min);
      max = teesql_unit_format_duration (option->max);
      return g_strdup_printf ("duration, %s..%s", min, max);
    }
  if (option->type == TEESQL_OPTION_SIZE)
    {
      min = teesql_unit_format_size (option->min);
      max = teesql_unit_format_size (option->max);
      return g_strdup_printf ("size, %s..%s", min, max);
    }
  if (option->type == TEESQL_OPTION_PERCENT)
    return g_strdup_printf ("percent, %" G_GINT64_FORMAT "%%..%" G_GINT64_FORMAT "%%", option->min, option->max);
  if (option->type == TEESQL_OPTION_SETTING_REAL)
    return g_strdup_printf ("number, %" G_GINT64_FORMAT "..%" G_GINT64_FORMAT, option->min, option->max);
  if (option->max >= G_MAXUINT32)
    return g_strdup_printf ("integer, at least %" G_GINT64_FORMAT, option->min);
  return g_strdup_printf ("integer, %" G_GINT64_FORMAT "..%" G_GINT64_FORMAT, option->min, option->max);
}

static char *
dup_bare_form (const TeesqlOption *option)
{
  switch (option->type)
    {
    case TEESQL_OPTION_LABEL:
      return g_strdup ("letters a-z, digits and hyphens");
    case TEESQL_OPTION_INSTANCE:
      return g_strdup ("name");
    case TEESQL_OPTION_ROLE:
      return g_strdup ("role");
    case TEESQL_OPTION_USER:
      return g_strdup ("name of a system user");
    case TEESQL_OPTION_PATH:
      return g_strdup ("absolute path");
    case TEESQL_OPTION_SOCKET_FOLDER:
      return g_strdup ("absolute path, 127.0.0.1 or ::1");
    case TEESQL_OPTION_BOOLEAN:
      return g_strdup ("true or false");
    case TEESQL_OPTION_WORD:
      return dup_words (option->words);
    case TEESQL_OPTION_ADDRESS:
      return g_strdup ("ADDRESS:PORT");
    case TEESQL_OPTION_ENDPOINT:
      return g_strdup ("HOST:PORT");
    case TEESQL_OPTION_HEX:
      return g_strdup_printf ("%" G_GINT64_FORMAT " hex digits", option->max);
    case TEESQL_OPTION_KEY_PROVIDER:
      return g_strdup ("NAME:SHA-256");
    case TEESQL_OPTION_ADVISORY:
      return g_strdup ("INTEL-SA-NUMBER");
    case TEESQL_OPTION_BASE64:
      return g_strdup_printf ("base64 of %" G_GINT64_FORMAT " bytes", option->max);
    case TEESQL_OPTION_SCRAM_VERIFIER:
      return g_strdup ("SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY");
    case TEESQL_OPTION_REFERENCE:
      return g_strdup ((option->flags & TEESQL_OPTION_KMS) != 0 ? "credential:NAME, file:/PATH, env:NAME or kms:PATH"
                                                                : "credential:NAME, file:/PATH or env:NAME");
    case TEESQL_OPTION_SCHEDULE:
      return g_strdup ("daily HH:MM, Sun HH:MM, monthly DAY HH:MM, hourly :MM or every 6h, in UTC");
    case TEESQL_OPTION_INTEGER:
    case TEESQL_OPTION_PERCENT:
    case TEESQL_OPTION_DURATION:
    case TEESQL_OPTION_SIZE:
    case TEESQL_OPTION_SETTING_REAL:
      return dup_range (option);
    case TEESQL_OPTION_SETTING_MEMORY:
      return g_strdup ("memory with its unit, as in 64kB, 128MB, 2GB");
    case TEESQL_OPTION_SETTING_TIME:
      return g_strdup ("time with its unit, as in 200ms, 30s, 5min, 1h, 1d");
    case TEESQL_OPTION_TEXT:
    default:
      return g_strdup ("text");
    }
}

char *
teesql_option_dup_form (const TeesqlOption *option)
{
  g_autofree char *bare = dup_bare_form (option);
  GString *form = g_string_new ((option->flags & TEESQL_OPTION_ONLY_ANY) != 0 ? "" : bare);

  if ((option->flags & TEESQL_OPTION_LIST) != 0 && form->len > 0)
    g_string_prepend (form, "list of ");
  if (option->words != NULL && option->type != TEESQL_OPTION_WORD)
    {
      g_autofree char *words = dup_words (option->words);
      g_string_append_printf (form, ", or %s", words);
    }
  if ((option->flags & TEESQL_OPTION_MAY_BE_ANY) != 0)
    g_string_append (form, form->len > 0 ? ", or any" : "any");
  if ((option->flags & TEESQL_OPTION_MAY_BE_AUTO) != 0)
    g_string_append (form, ", or auto");
  if ((option->flags & TEESQL_OPTION_MAY_BE_NONE) != 0 && g_strcmp0 (option->words, "none") != 0)
    g_string_append (form, ", or none");
  return g_string_free (form, FALSE);
}

/* Restricted Damerau-Levenshtein distance over three rows; names longer than a row are nobody's misspelling. */
#define MAX_NAME 64

static guint
distance (const char *a, const char *b)
{
  gsize la = strlen (a);
  gsize lb = strlen (b);
  guint rows[3][MAX_NAME + 1];

  if (la > MAX_NAME || lb > MAX_NAME)
    return G_MAXUINT;
  for (gsize j = 0; j <= lb; j++)
    rows[0][j] = (guint) j;
  for (gsize i = 1; i <= la; i++)
    {
      guint *row = rows[i % 3];
      const guint *above = rows[(i + 2) % 3];
      const guint *two_above = rows[(i + 1) % 3];

      row[0] = (guint) i;
      for (gsize j = 1; j <= lb; j++)
        {
          row[j] = MIN (MIN (above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u));
          if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            row[j] = MIN (row[j], two_above[j - 2] + 1);
        }
    }
  return rows[la % 3][lb];
}

typedef struct
{
  const char *wrong;
  const char *best;
  guint best_distance;
} Nearest;

static void
nearest_try (Nearest *self, const char *candidate)
{
  guint d = distance (self->wrong, candidate);

  if (d < self->best_distance)
    {
      self->best = candidate;
      self->best_distance = d;
    }
}

char *
teesql_option_dup_nearest (TeesqlConfigKind kind, const char *group, const char *wrong)
{
  /* a third of the letters may be wrong, at most three of them */
  Nearest nearest = { wrong, NULL, (guint) MIN (strlen (wrong) / 3, 3) + 1 };
  guint n = 0;

  if (group == NULL)
    {
      const TeesqlOptionGroup *groups = teesql_option_groups (&n);
      for (guint i = 0; i < n; i++)
        if ((groups[i].kinds & (1u << kind)) != 0)
          nearest_try (&nearest, groups[i].name);
    }
  else
    {
      const TeesqlOption *options = teesql_option_table (&n);
      for (guint i = 0; i < n; i++)
        if ((options[i].kinds & (1u << kind)) != 0 && teesql_option_group_matches (options[i].group, group))
          nearest_try (&nearest, options[i].key);
    }
  return g_strdup (nearest.best);
}
