#include "daemon/teesql-retry.h"

#include <teesql/teesql-error.h>

typedef struct
{
  TeesqlRetry retry;
  GMainLoop *loop;
  guint n;
} Attempts;

static void
attempt (gpointer data)
{
  Attempts *attempts = data;

  if (++attempts->n < 4)
    teesql_retry_failed (&attempts->retry, NULL);
  else
    g_main_loop_quit (attempts->loop);
}

static gboolean
too_late_cb (gpointer data)
{
  g_error ("the next attempt never came");
  return G_SOURCE_REMOVE;
}

static void
test_tries_again (void)
{
  Attempts attempts = { .loop = g_main_loop_new (NULL, FALSE) };
  guint deadline = g_timeout_add_seconds (30, too_late_cb, NULL);

  teesql_retry_init (&attempts.retry, 1, 4, attempt, &attempts);
  attempt (&attempts);
  g_main_loop_run (attempts.loop);
  g_assert_cmpuint (attempts.n, ==, 4);
  g_assert_cmpuint (attempts.retry.n_failures, ==, 3);
  teesql_retry_succeeded (&attempts.retry);
  g_assert_cmpuint (attempts.retry.n_failures, ==, 0);
  g_source_remove (deadline);
  g_main_loop_unref (attempts.loop);
}

static void
test_delays (void)
{
  TeesqlRetry retry;

  teesql_retry_init (&retry, 500, 10000, attempt, NULL);
  g_assert_cmpuint (teesql_retry_delay_ms (&retry, 1), ==, 500);
  g_assert_cmpuint (teesql_retry_delay_ms (&retry, 2), ==, 1000);
  g_assert_cmpuint (teesql_retry_delay_ms (&retry, 5), ==, 8000);
  g_assert_cmpuint (teesql_retry_delay_ms (&retry, 6), ==, 10000);
  g_assert_cmpuint (teesql_retry_delay_ms (&retry, G_MAXUINT), ==, 10000);
}

static void
test_spread (void)
{
  TeesqlRetry retry;

  for (guint i = 0; i < 200; i++)
    {
      guint delay = 0;

      teesql_retry_init (&retry, 1000, 1000, attempt, NULL);
      delay = teesql_retry_failed (&retry, NULL);
      g_assert_cmpuint (delay, >=, 750);
      g_assert_cmpuint (delay, <=, 1250);
      teesql_retry_clear (&retry);
    }
}

static void
test_asked_to_wait (void)
{
  g_autoptr (GError) error = teesql_error_new (TEESQL_KMS_ERROR, TEESQL_ERROR_THROTTLED, "busy", 7000, "come back in 7 s");
  TeesqlRetry retry;

  teesql_retry_init (&retry, 10, 1000, attempt, NULL);
  g_assert_cmpuint (teesql_retry_failed (&retry, error), ==, 7000);
  teesql_retry_clear (&retry);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon/retry/tries-again-until-it-works", test_tries_again);
  g_test_add_func ("/daemon/retry/delays-double-up-to-a-bound", test_delays);
  g_test_add_func ("/daemon/retry/delays-are-spread", test_spread);
  g_test_add_func ("/daemon/retry/waits-as-long-as-it-is-asked-to", test_asked_to_wait);
  return g_test_run ();
}
