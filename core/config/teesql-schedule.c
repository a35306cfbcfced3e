#include "config/teesql-schedule.h"

#include "base/teesql-domains.h"

#include <string.h>

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400
#define MAX_DAYS 62 /* from any day to the same day of some month after it */

static const char *const weekdays[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* exactly two digits, below @limit */
static gboolean
read_two (const char *text, guint limit, guint *out)
{
  if (!g_ascii_isdigit (text[0]) || !g_ascii_isdigit (text[1]))
    return FALSE;
  *out = (guint) ((text[0] - '0') * 10 + (text[1] - '0'));
  return *out < limit;
}

/* HH:MM and nothing behind it */
static gboolean
read_time (const char *text, guint *out_s)
{
  guint hour = 0;
  guint minute = 0;

  if (strlen (text) != 5 || text[2] != ':' || !read_two (text, 24, &hour) || !read_two (text + 3, 60, &minute))
    return FALSE;
  *out_s = hour * HOUR_S + minute * MINUTE_S;
  return TRUE;
}

static gboolean
read_weekday (const char *word, int *out)
{
  for (guint i = 0; i < G_N_ELEMENTS (weekdays); i++)
    if (g_str_equal (word, weekdays[i]))
      {
        *out = (int) i + 1;
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_hourly (const char *text, TeesqlSchedule *out)
{
  guint minute = 0;

  if (text[0] != ':' || strlen (text) != 3 || !read_two (text + 1, 60, &minute))
    return FALSE;
  *out = (TeesqlSchedule){ .period_s = HOUR_S, .offset_s = minute * MINUTE_S };
  return TRUE;
}

static gboolean
read_every (const char *text, TeesqlSchedule *out)
{
  char *end = NULL;
  guint64 number = g_ascii_isdigit (text[0]) ? g_ascii_strtoull (text, &end, 10) : 0;
  guint64 unit = 0;

  if (end != NULL && g_str_equal (end, "h"))
    unit = HOUR_S;
  else if (end != NULL && g_str_equal (end, "min"))
    unit = MINUTE_S;
  if (number == 0 || number > DAY_S || unit == 0 || number * unit > DAY_S || DAY_S % (number * unit) != 0)
    return FALSE;
  *out = (TeesqlSchedule){ .period_s = (guint) (number * unit) };
  return TRUE;
}

static gboolean
read_monthly (const char *day, const char *time, TeesqlSchedule *out)
{
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (day, 10, 1, 28, &number, NULL) || !read_time (time, &out->offset_s))
    return FALSE;
  out->day = (int) number;
  return TRUE;
}

static gboolean
read_words (char **words, guint n, TeesqlSchedule *out)
{
  if (n == 3 && g_str_equal (words[0], "monthly"))
    return read_monthly (words[1], words[2], out);
  if (n != 2)
    return FALSE;
  if (g_str_equal (words[0], "every"))
    return read_every (words[1], out);
  if (g_str_equal (words[0], "hourly"))
    return read_hourly (words[1], out);
  if (!g_str_equal (words[0], "daily") && !read_weekday (words[0], &out->weekday))
    return FALSE;
  return read_time (words[1], &out->offset_s);
}

gboolean
teesql_schedule_parse (const char *text, TeesqlSchedule *out, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 4);
  TeesqlSchedule schedule = { 0 };

  if (!read_words (words, g_strv_length (words), &schedule))
    return teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "invalid-configuration",
                        "“%s” is no schedule: expected `daily HH:MM`, `Sun HH:MM`, `monthly DAY HH:MM`, `hourly :MM` or `every 6h`, in UTC",
                        text);
  *out = schedule;
  return TRUE;
}

static gboolean
day_fits (const TeesqlSchedule *self, gint64 day_start)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (day_start);

  if (date == NULL)
    return FALSE;
  return (self->weekday == 0 || g_date_time_get_day_of_week (date) == self->weekday) &&
         (self->day == 0 || g_date_time_get_day_of_month (date) == self->day);
}

gint64
teesql_schedule_next (const TeesqlSchedule *self, gint64 unix_s)
{
  gint64 day = unix_s - unix_s % DAY_S;

  if (self->period_s != 0)
    {
      gint64 since = unix_s - day - (gint64) self->offset_s;
      gint64 periods = since < 0 ? 0 : since / self->period_s + 1;
      return day + (gint64) self->offset_s + periods * self->period_s;
    }
  for (guint i = 0; i < MAX_DAYS; i++, day += DAY_S)
    if (day + (gint64) self->offset_s > unix_s && day_fits (self, day))
      return day + (gint64) self->offset_s;
  return G_MAXINT64;
}
