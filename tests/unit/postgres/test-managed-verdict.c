#include "postgres/teesql-managed-verdict.h"

#include <string.h>

#define KILLED   9        /* wait status of a signal */
#define STATUS_1 (1 << 8) /* of an exit */

static void
assert_reason (TeesqlStatus *status, const char *reason)
{
  g_autofree char *json = teesql_status_render_json (status);
  g_autofree char *wanted = g_strdup_printf ("\"reason\":\"%s\"", reason);
  g_autoptr (GString) dense = g_string_new (json);

  g_string_replace (dense, " ", "", 0);
  if (strstr (dense->str, wanted) == NULL)
    g_error ("%s is not in %s", wanted, dense->str);
}

static void
test_delays (void)
{
  g_assert_cmpuint (teesql_managed_verdict_delay_ms (1, 30000), ==, 0);
  g_assert_cmpuint (teesql_managed_verdict_delay_ms (2, 30000), ==, 500);
  g_assert_cmpuint (teesql_managed_verdict_delay_ms (3, 30000), ==, 1000);
  g_assert_cmpuint (teesql_managed_verdict_delay_ms (8, 30000), ==, 30000);
  g_assert_cmpuint (teesql_managed_verdict_delay_ms (4000000000u, 30000), ==, 30000);
}

static void
test_loop (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  TeesqlManagedVerdict verdict = { .status = status };

  g_assert_cmpuint (teesql_managed_verdict_ended (&verdict, KILLED, NULL, FALSE, TRUE, 2000), ==, 0);
  assert_reason (status, "postgres-crashed");
  g_assert_cmpuint (teesql_managed_verdict_ended (&verdict, STATUS_1, "no memory", FALSE, TRUE, 2000), ==, 500);
  assert_reason (status, "postgres-crashed");
  g_assert_cmpuint (teesql_managed_verdict_ended (&verdict, STATUS_1, "no memory", FALSE, TRUE, 2000), ==, 1000);
  assert_reason (status, "postgres-crash-loop");
  g_assert_nonnull (strstr (verdict.message, "status 1, 3 times in a row: no memory"));
  g_assert_nonnull (strstr (verdict.message, "\nhint: "));
  teesql_managed_verdict_runs (&verdict, 60 * G_USEC_PER_SEC);
  g_assert_cmpuint (teesql_managed_verdict_ended (&verdict, KILLED, NULL, FALSE, TRUE, 2000), ==, 0);
  assert_reason (status, "postgres-crashed");
  assert_reason (status, "postgres-restarted"); /* the notice stays */
  teesql_managed_verdict_clear (&verdict);
}

static void
test_full_disk (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  TeesqlManagedVerdict verdict = { .status = status };

  (void) teesql_managed_verdict_ended (&verdict, STATUS_1, "No space left on device", TRUE, FALSE, 2000);
  assert_reason (status, "disk-full");
  g_assert_cmpint (verdict.health, ==, TEESQL_HEALTH_FAILED);
  teesql_managed_verdict_clear (&verdict);
}

/* What has never served is still starting, until it is clear that it will not. */
static void
test_first_start (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  TeesqlManagedVerdict verdict = { .status = status };

  (void) teesql_managed_verdict_ended (&verdict, STATUS_1, NULL, FALSE, FALSE, 2000);
  g_assert_cmpint (verdict.health, ==, TEESQL_HEALTH_STARTING);
  (void) teesql_managed_verdict_ended (&verdict, STATUS_1, NULL, FALSE, FALSE, 2000);
  (void) teesql_managed_verdict_ended (&verdict, STATUS_1, NULL, FALSE, FALSE, 2000);
  g_assert_cmpint (verdict.health, ==, TEESQL_HEALTH_FAILED);
  teesql_managed_verdict_clear (&verdict);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/managed-verdict/waits-longer-each-time-up-to-the-bound", test_delays);
  g_test_add_func ("/postgres/managed-verdict/a-loop-is-named-and-forgotten", test_loop);
  g_test_add_func ("/postgres/managed-verdict/a-full-disk-is-its-own-reason", test_full_disk);
  g_test_add_func ("/postgres/managed-verdict/a-first-start-is-still-starting", test_first_start);
  return g_test_run ();
}
