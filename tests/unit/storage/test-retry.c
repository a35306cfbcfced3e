#include "storage/teesql-storage-retry.h"
#include "base/teesql-domains.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static gboolean
next (TeesqlStorageRetry *retry, GQuark domain, int code, guint retry_after_ms, gboolean reads, gint64 now_us, double chance, gint64 *delay)
{
  g_autoptr (GError) error = domain == G_IO_ERROR ? g_error_new_literal (domain, code, "x")
                                                  : teesql_error_new (domain, (TeesqlError) code, "x", retry_after_ms, "x");

  return teesql_storage_retry_next (retry, error, reads, now_us, chance, delay);
}

static void
test_codes (void)
{
  const struct
  {
    GQuark domain;
    int code;
    gboolean again;
  } cases[] = {
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, TRUE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED, TRUE },
    { G_IO_ERROR, G_IO_ERROR_TIMED_OUT, TRUE },
    { G_IO_ERROR, G_IO_ERROR_CANCELLED, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNSUPPORTED, FALSE },
    { TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, FALSE },
    { TEESQL_KMS_ERROR, TEESQL_ERROR_UNAVAILABLE, FALSE },
    { TEESQL_PLUGIN_ERROR, TEESQL_ERROR_UNAVAILABLE, TRUE },
    { TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TeesqlStorageRetry retry;
      gint64 delay = -1;

      teesql_storage_retry_init (&retry, 0, 60000);
      g_assert_cmpint (next (&retry, cases[i].domain, cases[i].code, 0, TRUE, 0, 0.5, &delay), ==, cases[i].again);
    }
}

static void
test_corrupt (void)
{
  TeesqlStorageRetry retry;
  gint64 delay = 0;

  teesql_storage_retry_init (&retry, 0, 60000);
  g_assert_false (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, 0, FALSE, 0, 0, &delay));
  g_assert_true (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, 0, TRUE, 0, 0, &delay));
  g_assert_false (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, 0, TRUE, 0, 0, &delay));
  teesql_storage_retry_progress (&retry, 0, 60000);
  g_assert_true (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, 0, TRUE, 0, 0, &delay));
}

static void
test_back_off (void)
{
  TeesqlStorageRetry retry;
  gint64 expected = 100 * 1000;

  teesql_storage_retry_init (&retry, 0, G_MAXUINT);
  for (guint i = 0; i < 40; i++)
    {
      TeesqlStorageRetry least = retry;
      gint64 delay = -1;

      g_assert_true (next (&least, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, 0, FALSE, 0, 0, &delay));
      g_assert_cmpint (delay, ==, 0);
      g_assert_true (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, 0, FALSE, 0, 0.9999999999, &delay));
      g_assert_cmpint (delay, <=, expected);
      g_assert_cmpint (delay, >=, expected - 10);
      expected = MIN (2 * expected, 30 * SECOND);
    }
}

static void
test_retry_after (void)
{
  TeesqlStorageRetry retry;
  gint64 delay = 0;

  teesql_storage_retry_init (&retry, 0, 60000);
  g_assert_true (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED, 5000, FALSE, 0, 0, &delay));
  g_assert_cmpint (delay, ==, 5 * SECOND);
  /* what the store asks for does not fit any more */
  g_assert_false (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED, 5000, FALSE, 56 * SECOND, 0, &delay));
}

static void
test_deadline (void)
{
  TeesqlStorageRetry retry;
  gint64 delay = 0;

  teesql_storage_retry_init (&retry, 10 * SECOND, 1000);
  g_assert_true (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, 0, FALSE, 10 * SECOND, 0.5, &delay));
  g_assert_false (next (&retry, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, 0, FALSE, 11 * SECOND, 0, &delay));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/retry/asks-again-for-what-was-not-served-and-for-nothing-else", test_codes);
  g_test_add_func ("/storage/retry/looks-once-more-at-corrupt-bytes-when-reading", test_corrupt);
  g_test_add_func ("/storage/retry/doubles-up-to-thirty-seconds-with-full-jitter", test_back_off);
  g_test_add_func ("/storage/retry/waits-as-long-as-the-store-asks", test_retry_after);
  g_test_add_func ("/storage/retry/begins-no-attempt-after-the-deadline", test_deadline);
  return g_test_run ();
}
