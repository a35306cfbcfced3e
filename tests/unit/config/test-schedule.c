#include "base/teesql-domains.h"
#include "config/teesql-schedule.h"

static gint64
at (const char *iso)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) date = g_date_time_new_from_iso8601 (iso, utc);

  g_assert_nonnull (date);
  return g_date_time_to_unix (date);
}

static TeesqlSchedule
schedule (const char *text)
{
  g_autoptr (GError) error = NULL;
  TeesqlSchedule out = { 0 };

  g_assert_true (teesql_schedule_parse (text, &out, &error));
  g_assert_no_error (error);
  return out;
}

static void
assert_next (const char *text, const char *after, const char *expected)
{
  TeesqlSchedule self = schedule (text);
  g_autoptr (GDateTime) next = g_date_time_new_from_unix_utc (teesql_schedule_next (&self, at (after)));
  g_autofree char *iso = g_date_time_format (next, "%Y-%m-%dT%H:%M:%SZ");

  g_assert_cmpstr (iso, ==, expected);
}

static void
each_form_names_its_next_moment (void)
{
  assert_next ("daily 02:00", "2026-11-22T01:59:59Z", "2026-11-22T02:00:00Z");
  assert_next ("daily 02:00", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z");
  assert_next ("daily 00:00", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
  assert_next ("Sun 02:00", "2026-11-22T03:00:00Z", "2026-11-29T02:00:00Z");
  assert_next ("Sun 02:00", "2026-11-22T01:00:00Z", "2026-11-22T02:00:00Z");
  assert_next ("Mon 23:59", "2026-11-22T01:00:00Z", "2026-11-23T23:59:00Z");
  assert_next ("hourly :15", "2026-11-22T10:14:59Z", "2026-11-22T10:15:00Z");
  assert_next ("hourly :15", "2026-11-22T10:15:00Z", "2026-11-22T11:15:00Z");
  assert_next ("hourly :15", "2026-11-22T23:30:00Z", "2026-11-23T00:15:00Z");
  assert_next ("every 6h", "2026-11-22T00:00:00Z", "2026-11-22T06:00:00Z");
  assert_next ("every 6h", "2026-11-22T23:00:00Z", "2026-11-23T00:00:00Z");
  assert_next ("every 10min", "2026-11-22T23:55:01Z", "2026-11-23T00:00:00Z");
  assert_next ("every 24h", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00Z");
}

static void
months_and_leap_years (void)
{
  assert_next ("monthly 1 02:00", "2026-11-22T00:00:00Z", "2026-12-01T02:00:00Z");
  assert_next ("monthly 28 02:00", "2027-02-28T02:00:00Z", "2027-03-28T02:00:00Z");
  assert_next ("monthly 28 23:59", "2028-02-28T23:59:00Z", "2028-03-28T23:59:00Z");
  assert_next ("daily 02:00", "2028-02-28T02:00:00Z", "2028-02-29T02:00:00Z");
  assert_next ("monthly 1 00:00", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
}

/* whatever the form, the next moment is later, is the first, and is one of the schedule's own */
static void
next_is_the_first_moment_of_its_schedule (void)
{
  static const char *const texts[] = {
    "daily 13:37", "Wed 00:00", "hourly :00", "hourly :59", "monthly 28 12:00", "every 1min", "every 8h"
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      TeesqlSchedule self = schedule (texts[i]);

      for (guint j = 0; j < 200; j++)
        {
          gint64 from = at ("2026-01-01T00:00:00Z") + g_test_rand_int_range (0, 4 * 365 * 86400);
          gint64 next = teesql_schedule_next (&self, from);

          g_assert_cmpint (next, >, from);
          g_assert_cmpint (teesql_schedule_next (&self, next - 1), ==, next);
          g_assert_cmpint (teesql_schedule_next (&self, from + (next - from) / 2), ==, next);
          g_assert_cmpint (teesql_schedule_next (&self, next), >, next);
        }
    }
}

static void
before_the_epoch_and_at_the_end_of_time (void)
{
  TeesqlSchedule daily = schedule ("daily 02:00");
  TeesqlSchedule monthly = schedule ("monthly 1 02:00");

  g_assert_cmpint (teesql_schedule_next (&daily, 0), ==, 2 * 3600);
  g_assert_cmpint (teesql_schedule_next (&daily, -1), ==, 2 * 3600);
  g_assert_cmpint (teesql_schedule_next (&daily, -86400), ==, -86400 + 2 * 3600);
  g_assert_cmpint (teesql_schedule_next (&daily, -86401), ==, -86400 + 2 * 3600);
  g_assert_cmpint (teesql_schedule_next (&monthly, at ("9999-12-31T23:00:00Z")), ==, G_MAXINT64);
}

static void
anything_else_is_refused (void)
{
  static const char *const wrong[] = { "",
                                       " ",
                                       "daily",
                                       "daily 2:00",
                                       "daily 24:00",
                                       "daily 02:60",
                                       "daily 02:00 ",
                                       " daily 02:00",
                                       "daily  02:00",
                                       "Daily 02:00",
                                       "sun 02:00",
                                       "Sunday 02:00",
                                       "hourly 15",
                                       "hourly :60",
                                       "hourly :5",
                                       "monthly 0 02:00",
                                       "monthly 29 02:00",
                                       "monthly -1 02:00",
                                       "monthly 1 2:00",
                                       "every 0h",
                                       "every 7h",
                                       "every 25h",
                                       "every 48h",
                                       "every 7min",
                                       "every 6",
                                       "every -6h",
                                       "every +6h",
                                       "every 6H",
                                       "every 99999999999999999999h",
                                       "every 6h 6h",
                                       "02:00",
                                       "daily 02:00 x",
                                       "daily ０2:00" };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      TeesqlSchedule out = { 17, 18, 19, 20 };

      g_test_message ("“%s”", wrong[i]);
      g_assert_false (teesql_schedule_parse (wrong[i], &out, &error));
      g_assert_error (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
      g_assert_cmpuint (out.period_s, ==, 17); /* untouched */
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/schedule/each-form-names-its-next-moment", each_form_names_its_next_moment);
  g_test_add_func ("/config/schedule/months-and-leap-years", months_and_leap_years);
  g_test_add_func ("/config/schedule/next-is-the-first-moment-of-its-schedule", next_is_the_first_moment_of_its_schedule);
  g_test_add_func ("/config/schedule/before-the-epoch-and-at-the-end-of-time", before_the_epoch_and_at_the_end_of_time);
  g_test_add_func ("/config/schedule/anything-else-is-refused", anything_else_is_refused);
  return g_test_run ();
}
