#include "backup/teesql-timeline-history.h"
#include "base/teesql-domains.h"
#include <string.h>

static GArray *
parse (guint32 timeline, const char *text, GError **error)
{
  return teesql_timeline_history_parse (timeline, (const guint8 *) text, strlen (text), error);
}

static void
test_branches (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) history =
      parse (5, "1\t0/2000000\tno recovery target specified\n\n# a comment\n2\t0/3000060\tbefore 2026\n4\t1/0\n", &error);
  guint64 end = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (history->len, ==, 3);
  g_assert_true (teesql_timeline_history_find (history, 2, &end));
  g_assert_cmphex (end, ==, 0x3000060);
  g_assert_cmpuint (teesql_timeline_history_next (history, 1, 5), ==, 2);
  g_assert_cmpuint (teesql_timeline_history_next (history, 2, 5), ==, 4);
  g_assert_cmpuint (teesql_timeline_history_next (history, 4, 5), ==, 5);
  g_assert_cmpuint (teesql_timeline_history_next (history, 3, 5), ==, 0);
  g_assert_false (teesql_timeline_history_find (history, 3, &end));
}

static void
test_last_line_without_end (void)
{
  g_autoptr (GArray) history = parse (2, "1\t0/2000000\treason", NULL);

  g_assert_nonnull (history);
  g_assert_cmpuint (history->len, ==, 1);
}

static void
test_refused (void)
{
  static const char *const texts[] = {
    "x\t0/1\n",          "1\n", "1\tnowhere\n", "0\t0/1\n", "9\t0/1\n", "2\t0/5\n1\t0/6\n", "1\t0/6\n2\t0/5\n", "1\t0/5\n1\t0/6\n",
    "4294967296\t0/1\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (9, texts[i], &error));
      g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "timeline-history");
    }
}

static void
test_nul_and_size (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *large = g_malloc0 (TEESQL_TIMELINE_HISTORY_MAX + 1);

  g_assert_null (teesql_timeline_history_parse (2, (const guint8 *) "1\t0/1\0\n", 7, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
  g_clear_error (&error);
  g_assert_null (teesql_timeline_history_parse (2, large, TEESQL_TIMELINE_HISTORY_MAX + 1, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/timeline-history/ancestors are found, with what left them and where", test_branches);
  g_test_add_func ("/timeline-history/the last line may lack its end", test_last_line_without_end);
  g_test_add_func ("/timeline-history/anything but ascending timelines with positions is refused", test_refused);
  g_test_add_func ("/timeline-history/a NUL and a file of more than 1 MiB are refused", test_nul_and_size);
  return g_test_run ();
}
