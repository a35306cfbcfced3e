#include "config/teesql-config-unit.h"

#include <string.h>

typedef struct
{
  const char *name;
  gint64 factor;
} Unit;

/* ascending, ends with a NULL name */
static const Unit durations[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const Unit sizes[] = { { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { NULL, 0 } };
/* PostgreSQL's: kB is 1024 bytes there */
static const Unit setting_memory[] = { { "B", 1 },        { "kB", 1 << 10 },          { "MB", 1 << 20 },
                                       { "GB", 1 << 30 }, { "TB", (gint64) 1 << 40 }, { NULL, 0 } };
static const Unit percents[] = { { "%", 1 }, { NULL, 0 } };
static const Unit integers[] = { { "", 1 }, { NULL, 0 } };

static gboolean
parse_with_units (const char *text, const Unit *units, gint64 *out)
{
  gint64 number = 0;
  const char *p = text;

  for (; g_ascii_isdigit (*p); p++)
    {
      gint64 digit = *p - '0';
      if (number > (G_MAXINT64 - digit) / 10)
        return FALSE;
      number = number * 10 + digit;
    }
  /* `007s` is as likely octal as a mistake */
  if (p == text || (text[0] == '0' && p > text + 1))
    return FALSE;
  for (const Unit *unit = units; unit->name != NULL; unit++)
    if (g_str_equal (p, unit->name) && number <= G_MAXINT64 / unit->factor)
      {
        *out = number * unit->factor;
        return TRUE;
      }
  return FALSE;
}

static char *
format_with_units (gint64 number, const Unit *units)
{
  const Unit *best = units;

  for (const Unit *unit = units; unit->name != NULL; unit++)
    if (number != 0 && number % unit->factor == 0)
      best = unit;
  return g_strdup_printf ("%" G_GINT64_FORMAT "%s", number / best->factor, best->name);
}

gboolean
teesql_unit_parse_integer (const char *text, gint64 *out)
{
  return parse_with_units (text, integers, out);
}

gboolean
teesql_unit_parse_duration (const char *text, gint64 *out_ms)
{
  return parse_with_units (text, durations, out_ms);
}

gboolean
teesql_unit_parse_size (const char *text, gint64 *out_bytes)
{
  return parse_with_units (text, sizes, out_bytes);
}

gboolean
teesql_unit_parse_setting_memory (const char *text, gint64 *out_bytes)
{
  return parse_with_units (text, setting_memory, out_bytes);
}

gboolean
teesql_unit_parse_setting_time (const char *text, gint64 *out_ms)
{
  return parse_with_units (text, durations, out_ms); /* PostgreSQL has the same names */
}

gboolean
teesql_unit_parse_setting_real (const char *text, double *out)
{
  const char *p = text + (text[0] == '-' ? 1 : 0);
  char *end = NULL;

  if (!g_ascii_isdigit (*p) || strspn (p, "0123456789.") != strlen (p) || strlen (p) > 20)
    return FALSE;
  *out = g_ascii_strtod (text, &end);
  return *end == '\0';
}

gboolean
teesql_unit_parse_percent (const char *text, gint64 *out)
{
  return parse_with_units (text, percents, out);
}

char *
teesql_unit_format_duration (gint64 ms)
{
  return format_with_units (ms, durations);
}

char *
teesql_unit_format_size (gint64 bytes)
{
  return format_with_units (bytes, sizes);
}
