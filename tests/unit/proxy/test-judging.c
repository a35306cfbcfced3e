/* Running sessions that are judged again while the service has its hands full. */
#include "proxy-world.h"

#include <string.h>

#define IN_FLIGHT_MAX 64
#define DAY           86400

static TestClient *kept;

static void
keep_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* Verifications of strangers that do not end until the verifier is released. */
static void
fill_the_service (ProxyWorld *world, GAsyncResult *results[IN_FLIGHT_MAX])
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  world->verifier->mode = FAKE_HOLD;
  for (guint i = 0; i < IN_FLIGHT_MAX; i++)
    {
      g_autoptr (GBytes) leaf = fake_leaf_new (&(FakeLeaf){ .not_before = now - 60, .not_after = now + DAY });

      teesql_attest_service_judge_async (world->service, leaf, NULL, NULL, keep_result, &results[i]);
    }
  while (world->verifier->held->len < IN_FLIGHT_MAX)
    g_main_context_iteration (NULL, TRUE);
}

static void
wait_for_all (GAsyncResult *results[IN_FLIGHT_MAX])
{
  for (guint i = 0; i < IN_FLIGHT_MAX; i++)
    {
      while (results[i] == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_object_unref (results[i]);
    }
}

static void
reload (ProxyWorld *world)
{
  static const guint8 digest[48] = { 7 };
  g_autoptr (TeesqlConfig) config = proxy_world_make_config (world, "allowed-mrtd = any\nmin-tcb-evaluation = 1\n", "", "");
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_attest_service_reload (world->service, config, digest, &error));
  g_assert_no_error (error);
}

static void
run_keep_session (ProxyWorld *world)
{
  kept = proxy_world_log_in (world, "teesql_read", SECRET_READ);
}

/* Whoever comes behind the session's own question finds the service full: so did the session. */
static void
run_stranger_is_sent_away (ProxyWorld *world)
{
  g_auto (TestMessage) last = proxy_world_try (world, "teesql_read", SECRET_READ);

  test_message_assert_error (&last, "28000", "too many peers are being verified");
}

static void
run_still_works (ProxyWorld *world)
{
  g_autoptr (GString) last = g_string_new (NULL);

  test_client_query (kept, "echo hello");
  g_assert_cmpuint (test_client_count_rows (kept, last), ==, 1);
  g_assert_cmpstr (last->str, ==, "hello");
  test_client_free (kept);
}

static void
test_busy_closes_no_session (void)
{
  GAsyncResult *results[IN_FLIGHT_MAX] = { NULL };
  ProxyWorld world;
  guint64 misses;

  proxy_world_init (&world, "", "");
  proxy_world_run (&world, run_keep_session);
  fill_the_service (&world, results);
  misses = teesql_status_get_counter (world.status, TEESQL_COUNTER_VERDICT_MISSES);
  reload (&world);
  while (teesql_status_get_counter (world.status, TEESQL_COUNTER_VERDICT_MISSES) == misses)
    g_thread_yield ();
  proxy_world_run (&world, run_stranger_is_sent_away);
  world.verifier->mode = FAKE_OK;
  fake_verifier_release (world.verifier);
  wait_for_all (results);
  proxy_world_run (&world, run_still_works);
  proxy_world_clear (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/judging/a-full-service-closes-no-running-session", test_busy_closes_no_session);
  return g_test_run ();
}
