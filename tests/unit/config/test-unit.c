#include "config/teesql-config-unit.h"

static void
test_durations (void)
{
  static const struct
  {
    const char *text;
    gint64 ms;
  } good[] = { { "0s", 0 }, { "250ms", 250 }, { "30s", 30000 }, { "5min", 300000 }, { "24h", 86400000 }, { "7d", 604800000 } };
  static const char *const bad[] = {
    "", "5", "s", "-5s", "+5s", "5 s", "5m", "5S", "05s", "5s ", "1.5s", "9223372036854775807d", "99999999999999999999s"
  };
  gint64 ms = 0;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_assert_true (teesql_unit_parse_duration (good[i].text, &ms));
      g_assert_cmpint (ms, ==, good[i].ms);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (teesql_unit_parse_duration (bad[i], &ms));
}

static void
test_sizes (void)
{
  gint64 bytes = 0;

  g_assert_true (teesql_unit_parse_size ("512B", &bytes));
  g_assert_cmpint (bytes, ==, 512);
  g_assert_true (teesql_unit_parse_size ("64KiB", &bytes));
  g_assert_cmpint (bytes, ==, 65536);
  g_assert_true (teesql_unit_parse_size ("1GiB", &bytes));
  g_assert_cmpint (bytes, ==, 1073741824);
  g_assert_false (teesql_unit_parse_size ("64KB", &bytes));
  g_assert_false (teesql_unit_parse_size ("64", &bytes));
  g_assert_false (teesql_unit_parse_size ("9223372036854775807KiB", &bytes));
}

static void
test_plain_numbers (void)
{
  gint64 number = 0;

  g_assert_true (teesql_unit_parse_integer ("9223372036854775807", &number));
  g_assert_cmpint (number, ==, G_MAXINT64);
  g_assert_false (teesql_unit_parse_integer ("9223372036854775808", &number));
  g_assert_false (teesql_unit_parse_integer ("0x10", &number));
  g_assert_true (teesql_unit_parse_percent ("66%", &number));
  g_assert_cmpint (number, ==, 66);
  g_assert_false (teesql_unit_parse_percent ("66", &number));
}

static void
test_what_is_printed_is_read (void)
{
  static const gint64 numbers[] = { 0, 1, 250, 1000, 90000, 3600000, 86400000, 86400001 };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *duration = teesql_unit_format_duration (numbers[i]);
      g_autofree char *size = teesql_unit_format_size (numbers[i]);
      gint64 back = -1;

      g_assert_true (teesql_unit_parse_duration (duration, &back));
      g_assert_cmpint (back, ==, numbers[i]);
      g_assert_true (teesql_unit_parse_size (size, &back));
      g_assert_cmpint (back, ==, numbers[i]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/unit/durations-need-their-unit", test_durations);
  g_test_add_func ("/config/unit/sizes-are-binary-and-need-their-unit", test_sizes);
  g_test_add_func ("/config/unit/plain-numbers-stop-at-64-bits", test_plain_numbers);
  g_test_add_func ("/config/unit/what-is-printed-is-read-back", test_what_is_printed_is_read);
  return g_test_run ();
}
