/* Sessions that were let in: cancel, places, ends, reloads and shutdown. */
#include "pgwire/teesql-pgwire-message.h"
#include "proxy-world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define SSL_REQUEST    "\0\0\0\10\4\322\26\57"
#define GSSENC_REQUEST "\0\0\0\10\4\322\26\60"

static void
send_cancel (TestClient *client, guint32 pid, const guint8 *key)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();

  teesql_message_cancel (message, pid, key, 4);
  test_client_send (client, message->data, message->len);
}

static void
run_cancel (ProxyWorld *world)
{
  g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);
  g_autoptr (TestClient) canceller = proxy_world_connect_tls (world, TRUE);
  g_autoptr (TestClient) stranger = proxy_world_connect_tls (world, TRUE);
  g_autoptr (TestClient) unattested = proxy_world_connect_tls (world, FALSE);
  g_autoptr (TestClient) plain = test_client_new (world->port);
  guint8 wrong[4];

  memcpy (wrong, client->cancel_key, 4);
  wrong[0] ^= 1;
  g_assert_cmpuint (client->cancel_pid, !=, 4242);
  test_client_query (client, "sleep");
  send_cancel (stranger, client->cancel_pid, wrong);
  test_client_assert_ended (stranger);
  send_cancel (unattested, client->cancel_pid, client->cancel_key);
  test_client_assert_ended (unattested);
  send_cancel (plain, client->cancel_pid, client->cancel_key);
  test_client_assert_ended (plain);
  g_assert_cmpuint (fake_server_get (world->server, &world->server->n_cancels), ==, 0);
  send_cancel (canceller, client->cancel_pid, client->cancel_key);
  test_client_assert_ended (canceller);
  test_client_assert_error (client, "57014", "canceling statement");
  g_assert_cmpuint (fake_server_get (world->server, &world->server->n_wrong_cancels), ==, 0);
}

static void
test_cancel (void)
{
  proxy_world_with ("", "", run_cancel);
}

static void
run_plain_cancel (ProxyWorld *world)
{
  g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);
  g_autoptr (TestClient) plain = test_client_new (world->port);

  test_client_query (client, "sleep");
  send_cancel (plain, client->cancel_pid, client->cancel_key);
  test_client_assert_ended (plain);
  test_client_assert_error (client, "57014", "canceling statement");
}

static void
test_plain_cancel (void)
{
  proxy_world_with ("", "plaintext-cancel = allow\n", run_plain_cancel);
}

static void
run_server_dies (ProxyWorld *world)
{
  g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);
  guint8 bytes[64];
  gsize got = 0;
  gsize n;

  test_client_query (client, "die");
  while ((n = test_client_receive (client, bytes, sizeof bytes)) > 0)
    got += n;
  g_assert_cmpuint (got, ==, 9); /* what was sent, and an end */
}

static void
test_server_dies (void)
{
  proxy_world_with ("", "", run_server_dies);
}

static void
run_client_dies (ProxyWorld *world)
{
  TestClient *client = proxy_world_log_in (world, "teesql_read", SECRET_READ);

  g_assert_cmpint (proxy_world_wait_gauge (world, TEESQL_GAUGE_SESSIONS, 1), ==, 1);
  test_client_free (client);
  proxy_world_wait_gauge (world, TEESQL_GAUGE_SESSIONS, 0);
  proxy_world_wait (world, &world->server->n_open, 0);
}

static void
test_client_dies (void)
{
  proxy_world_with ("", "", run_client_dies);
}

static void
run_half_close (ProxyWorld *world)
{
  g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);

  test_client_query (client, "rows 5000");
  test_client_close_write (client);
  g_assert_cmpuint (test_client_count_rows (client, NULL), ==, 5000);
  test_client_assert_ended (client);
}

static void
test_half_close (void)
{
  proxy_world_with ("", "", run_half_close);
}

static gpointer
log_in_third (gpointer data)
{
  return proxy_world_log_in (data, "teesql_readwrite", SECRET_READWRITE);
}

static void
run_max_sessions (ProxyWorld *world)
{
  TestClient *first = proxy_world_log_in (world, "teesql_readwrite", SECRET_READWRITE);
  g_autoptr (TestClient) second = proxy_world_log_in (world, "teesql_readwrite", SECRET_READWRITE);
  g_autoptr (TestClient) other = proxy_world_log_in (world, "teesql_read", SECRET_READ); /* another role is not held up */
  g_autoptr (TestClient) third = NULL;
  GThread *waiting;

  {
    g_auto (TestMessage) refused = proxy_world_try (world, "teesql_readwrite", SECRET_READWRITE);

    test_message_assert_error (&refused, "53300", "too many sessions");
  }
  waiting = g_thread_new ("third", log_in_third, world);
  proxy_world_wait_gauge (world, TEESQL_GAUGE_PENDING, 1);
  test_client_free (first);
  third = g_thread_join (waiting);
  proxy_world_assert_works (third);
}

static void
test_max_sessions (void)
{
  proxy_world_with ("max-sessions = 3\nbackend-timeout = 1s\n", "", run_max_sessions);
}

static void
run_backend_refuses (ProxyWorld *world)
{
  g_auto (TestMessage) last = { 0 };

  world->server->refuse_sqlstate = "3D000";
  last = proxy_world_try (world, "teesql_read", SECRET_READ);
  test_message_assert_error (&last, "3D000", "database \"nowhere\" does not exist");
  test_message_clear (&last);
  world->server->refuse_sqlstate = NULL;

  world->server->wrong_password = TRUE;
  last = proxy_world_try (world, "teesql_read", SECRET_READ);
  test_message_assert_error (&last, "28000", "PostgreSQL does not accept role \"teesql_read\"");
  g_assert_null (memmem (last.body, last.size, "internal detail", 15));
  test_message_clear (&last);
  world->server->wrong_password = FALSE;

  /* one that asks for nothing has not proved that it is ours */
  world->server->trust = TRUE;
  last = proxy_world_try (world, "teesql_read", SECRET_READ);
  test_message_assert_error (&last, "57P03", "cannot be reached");
  world->server->trust = FALSE;
}

static void
test_backend_refuses (void)
{
  proxy_world_with ("", "", run_backend_refuses);
}

static void
run_no_backend (ProxyWorld *world)
{
  g_auto (TestMessage) last = proxy_world_try (world, "teesql_read", SECRET_READ);

  test_message_assert_error (&last, "57P03", "not ready");
}

static void
test_no_backend (void)
{
  ProxyWorld world;

  proxy_world_init_without_backend (&world);
  proxy_world_run (&world, run_no_backend);
  proxy_world_clear (&world);
}

/* Of a test in several parts. */
static TestClient *kept;

static void
run_keep_session (ProxyWorld *world)
{
  kept = proxy_world_log_in (world, "teesql_read", SECRET_READ);
  proxy_world_assert_works (kept);
}

static void
run_keep_busy_session (ProxyWorld *world)
{
  run_keep_session (world);
  test_client_query (kept, "sleep");
}

static void
run_still_works (ProxyWorld *world)
{
  proxy_world_assert_works (kept);
  test_client_free (kept);
}

static void
run_was_closed (ProxyWorld *world)
{
  test_client_assert_ended (kept);
  test_client_free (kept);
}

static void
reload_policy (ProxyWorld *world, const char *policy_lines)
{
  static const guint8 digest[48] = { 7 };
  g_autoptr (TeesqlConfig) config = proxy_world_make_config (world, policy_lines, "", "");
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_attest_service_reload (world->service, config, digest, &error));
  g_assert_no_error (error);
  g_assert_true (teesql_proxy_set_config (world->proxy, config, &error));
  g_assert_no_error (error);
}

static void
test_judged_again (void)
{
  ProxyWorld world;

  proxy_world_init (&world, "", "");
  proxy_world_run (&world, run_keep_session);
  reload_policy (&world, "allowed-mrtd = any\nmin-tcb-evaluation = 1\n");
  proxy_world_run (&world, run_still_works);
  proxy_world_run (&world, run_keep_session);
  reload_policy (&world, "allowed-mrtd = any\nmin-tcb-evaluation = 999\n");
  proxy_world_run (&world, run_was_closed);
  proxy_world_clear (&world);
}

static void
drained (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_proxy_drain_finish (TEESQL_PROXY (source), result, &error));
  *(gboolean *) data = TRUE;
}

static void
run_told_of_shutdown (ProxyWorld *world)
{
  g_auto (TestMessage) message = test_client_read (kept);

  if (message.type == 'E')
    {
      g_autofree char *state = test_message_get_field (&message, 'C');

      if (g_strcmp0 (state, "57014") == 0) /* the query that ran */
        {
          test_message_clear (&message);
          message = test_client_read (kept);
          g_assert_cmpint (message.type, ==, 'Z');
          test_message_clear (&message);
          message = test_client_read (kept);
        }
    }
  test_message_assert_error (&message, "57P01", "terminating connection");
  test_client_assert_ended (kept);
  test_client_free (kept);
}

static void
check_drain (ProxyWorldFunc begin)
{
  ProxyWorld world;
  gboolean done = FALSE;

  proxy_world_init (&world, "drain-timeout = 100ms\n", "");
  proxy_world_run (&world, begin);
  teesql_proxy_drain_async (world.proxy, NULL, drained, &done);
  proxy_world_run (&world, run_told_of_shutdown);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  proxy_world_clear (&world);
}

static void
test_drain (void)
{
  check_drain (run_keep_session);
  check_drain (run_keep_busy_session);
}

static void
run_end_by_itself (ProxyWorld *world)
{
  proxy_world_assert_works (kept);
  test_client_send_message (kept, 'X', "", 0);
  test_client_assert_ended (kept);
  test_client_free (kept);
}

static void
test_drain_waits (void)
{
  ProxyWorld world;
  gboolean done = FALSE;

  proxy_world_init (&world, "", "");
  proxy_world_run (&world, run_keep_session);
  teesql_proxy_drain_async (world.proxy, NULL, drained, &done);
  proxy_world_run (&world, run_end_by_itself);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  proxy_world_clear (&world);
}

static void
test_stop (void)
{
  ProxyWorld world;

  proxy_world_init (&world, "", "");
  proxy_world_run (&world, run_keep_busy_session);
  teesql_proxy_stop (world.proxy);
  proxy_world_run (&world, run_was_closed);
  proxy_world_clear (&world);
}

/* As systemd hands it over: one socket for all workers. */
static void
test_activated (void)
{
  ProxyWorld world;
  TeesqlProxyOptions options;
  g_autoptr (GError) error = NULL;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };

  proxy_world_init (&world, "", "");
  teesql_proxy_stop (world.proxy);
  g_clear_object (&world.proxy);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fd, 16), ==, 0);
  options = (TeesqlProxyOptions){ .config = world.config, .attest = world.service, .status = world.status, .roles_key = world.roles_key };
  world.proxy = teesql_proxy_new (&options, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_proxy_listen (world.proxy, &fd, 1, &error));
  g_assert_no_error (error);
  world.port = teesql_proxy_get_port (world.proxy);
  for (guint i = 0; i < 8; i++)
    proxy_world_run (&world, run_no_backend);
  proxy_world_clear (&world);
}

static gpointer
crowd_thread (gpointer data)
{
  ProxyWorld *world = data;

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);

      test_client_query (client, "rows 300");
      g_assert_cmpuint (test_client_count_rows (client, NULL), ==, 300);
    }
  return NULL;
}

static void
run_crowd (ProxyWorld *world)
{
  GThread *threads[16];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("crowd", crowd_thread, world);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (teesql_status_get_counter (world->status, TEESQL_COUNTER_SESSIONS), ==, 160);
}

static void
test_crowd (void)
{
  proxy_world_with ("", "", run_crowd);
}

/* Clients that stop, lie or talk nonsense at any point of the way in. */
static void
misbehave (ProxyWorld *world, GRand *random)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = test_client_new (world->port);
  g_autoptr (GByteArray) startup = g_byte_array_new ();
  guint8 noise[2000];
  gsize part;

  for (gsize i = 0; i < sizeof noise; i++)
    noise[i] = (guint8) g_rand_int (random);
  part = (gsize) g_rand_int_range (random, 0, sizeof noise);
  if (g_rand_int_range (random, 0, 6) == 0)
    {
      (void) send (client->fd, noise, part, MSG_NOSIGNAL);
      return;
    }
  if (test_client_request_tls (client) != 'S' || g_rand_int_range (random, 0, 6) == 0)
    return;
  if (!test_client_start_tls (client, g_rand_boolean (random) ? world->client : NULL, NULL) || g_rand_int_range (random, 0, 6) == 0)
    return;
  if (g_rand_int_range (random, 0, 4) == 0)
    {
      (void) gnutls_record_send (client->tls, noise, part + 1);
      (void) test_client_receive (client, noise, sizeof noise);
      return;
    }
  teesql_message_startup (startup, pairs);
  for (guint flips = (guint) g_rand_int_range (random, 0, 3); flips > 0; flips--)
    startup->data[g_rand_int_range (random, 4, (gint32) startup->len)] ^= (guint8) (1 << g_rand_int_range (random, 0, 8));
  (void) gnutls_record_send (client->tls, startup->data, startup->len);
  if (g_rand_boolean (random))
    {
      g_auto (TestMessage) last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ });

      if (last.type == 'Z')
        (void) gnutls_record_send (client->tls, noise, part + 1);
    }
  else
    (void) gnutls_record_send (client->tls, noise, part + 1);
}

static gpointer
chaos_thread (gpointer data)
{
  ProxyWorld *world = data;
  static gint seed;
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32) g_atomic_int_add (&seed, 1));

  for (guint i = 0; i < 40; i++)
    misbehave (world, random);
  return NULL;
}

static void
run_chaos (ProxyWorld *world)
{
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("chaos", chaos_thread, world);
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_read", SECRET_READ);

      proxy_world_assert_works (client);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  proxy_world_wait_gauge (world, TEESQL_GAUGE_SESSIONS, 0);
  proxy_world_wait_gauge (world, TEESQL_GAUGE_PENDING, 0);
  proxy_world_wait (world, &world->server->n_open, 0);
}

static void
test_chaos (void)
{
  proxy_world_with ("", "", run_chaos);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/session/cancels-with-the-key-that-it-gave-out", test_cancel);
  g_test_add_func ("/proxy/session/takes-a-plain-cancel-where-allowed", test_plain_cancel);
  g_test_add_func ("/proxy/session/passes-on-the-last-words-of-a-server-that-dies", test_server_dies);
  g_test_add_func ("/proxy/session/a-client-that-dies-frees-its-backend", test_client_dies);
  g_test_add_func ("/proxy/session/half-close-still-delivers-the-answer", test_half_close);
  g_test_add_func ("/proxy/session/waits-for-a-place-and-not-for-ever", test_max_sessions);
  g_test_add_func ("/proxy/session/passes-on-why-postgresql-refuses-but-no-internals", test_backend_refuses);
  g_test_add_func ("/proxy/session/says-that-the-database-is-not-ready", test_no_backend);
  g_test_add_func ("/proxy/session/is-judged-again-and-closed-when-it-no-longer-passes", test_judged_again);
  g_test_add_func ("/proxy/session/drain-tells-clients-and-cancels-queries", test_drain);
  g_test_add_func ("/proxy/session/drain-waits-for-sessions-to-end", test_drain_waits);
  g_test_add_func ("/proxy/session/stop-closes-at-once", test_stop);
  g_test_add_func ("/proxy/session/takes-an-activated-socket", test_activated);
  g_test_add_func ("/proxy/session/many-logins-at-once", test_crowd);
  g_test_add_func ("/proxy/session/clients-that-misbehave-anywhere-leave-nothing-behind", test_chaos);
  return g_test_run ();
}
