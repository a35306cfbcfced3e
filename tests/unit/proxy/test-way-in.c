/* From the first byte to the login: what is let in, and what every other thing is told. */
#include "pgwire/teesql-pgwire-message.h"
#include "proxy-world.h"
#include "proxy/teesql-auth.h"

#include <string.h>
#include <sys/socket.h>

#define SSL_REQUEST    "\0\0\0\10\4\322\26\57"
#define GSSENC_REQUEST "\0\0\0\10\4\322\26\60"

static void
run_query (ProxyWorld *world)
{
  g_autoptr (TestClient) client = proxy_world_log_in (world, "teesql_readwrite", SECRET_READWRITE);

  proxy_world_assert_works (client);
  g_assert_false (client->saw_negotiate);
  g_assert_cmpstr (world->server->last_startup, ==, "user=teesql_readwrite,database=postgres,");
  test_client_query (client, "rows 20000");
  g_assert_cmpuint (test_client_count_rows (client, NULL), ==, 20000);
}

static void
test_query (void)
{
  proxy_world_with ("", "", run_query);
}

static void
run_direct (ProxyWorld *world)
{
  static const char *const alpns[] = { NULL, "postgresql" };
  static const char *const pairs[] = { "user", "teesql_read", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (alpns); i++)
    {
      g_autoptr (TestClient) client = test_client_new (world->port);
      g_auto (TestMessage) last = { 0 };

      g_assert_true (test_client_start_tls (client, world->client, alpns[i]));
      test_client_send_startup (client, pairs);
      last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ, .plus = TRUE });
      g_assert_cmpint (last.type, ==, 'Z');
      proxy_world_assert_works (client);
    }
}

static void
test_direct (void)
{
  proxy_world_with ("", "", run_direct);
}

static void
run_plain_startup (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = test_client_new (world->port);

  test_client_send_startup (client, pairs);
  test_client_assert_error (client, "28000", "TLS");
  test_client_assert_ended (client);
}

static void
test_plain_startup (void)
{
  proxy_world_with ("", "", run_plain_startup);
}

static void
run_bytes_behind (ProxyWorld *world)
{
  static const char *const requests[] = { SSL_REQUEST, GSSENC_REQUEST };

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (TestClient) client = test_client_new (world->port);
      g_autoptr (GByteArray) both = g_byte_array_new ();

      g_byte_array_append (both, (const guint8 *) requests[i], 8);
      g_byte_array_append (both, (const guint8 *) "Q\0\0\0\5\0", 6);
      test_client_send (client, both->data, both->len);
      test_client_assert_ended (client);
    }
}

static void
test_bytes_behind (void)
{
  proxy_world_with ("", "", run_bytes_behind);
}

static void
run_gssenc (ProxyWorld *world)
{
  g_autoptr (TestClient) client = test_client_new (world->port);
  char answer = 0;

  test_client_send (client, GSSENC_REQUEST, 8);
  g_assert_cmpuint (test_client_receive (client, &answer, 1), ==, 1);
  g_assert_cmpint (answer, ==, 'N');
  g_assert_cmpint (test_client_request_tls (client), ==, 'S');
  g_assert_true (test_client_start_tls (client, world->client, NULL));
  {
    g_autoptr (TestClient) second = test_client_new (world->port);

    test_client_send (second, GSSENC_REQUEST, 8);
    g_assert_cmpuint (test_client_receive (second, &answer, 1), ==, 1);
    test_client_send (second, GSSENC_REQUEST, 8);
    test_client_assert_ended (second);
  }
}

static void
test_gssenc (void)
{
  proxy_world_with ("", "", run_gssenc);
}

static void
run_no_certificate (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, FALSE);

  test_client_send_startup (client, pairs);
  test_client_assert_error (client, "28000", "client attestation refused: ");
  test_client_assert_ended (client);
  g_assert_cmpuint (fake_server_get (world->server, &world->server->n_logins), ==, 0);
  g_assert_cmpuint (teesql_status_get_counter (world->status, TEESQL_COUNTER_ATTESTATION_REFUSED), ==, 1);
}

static void
test_no_certificate (void)
{
  proxy_world_with ("", "", run_no_certificate);
}

static void
run_refused (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);
  g_autoptr (GByteArray) early = g_byte_array_new ();

  /* with everything a login needs behind it, none of which is looked at */
  test_client_send_startup (client, pairs);
  g_byte_array_set_size (early, 100000);
  memset (early->data, 'Q', early->len);
  test_client_send (client, early->data, early->len);
  test_client_assert_error (client, "28000", "client attestation refused: ");
  test_client_assert_ended (client);
  g_assert_cmpuint (fake_server_get (world->server, &world->server->n_logins), ==, 0);
}

static void
test_refused (void)
{
  ProxyWorld world;

  proxy_world_init (&world, "", "");
  world.verifier->mode = FAKE_ERROR;
  world.verifier->code = TEESQL_ERROR_REFUSED;
  world.verifier->reason = "quote-signature";
  proxy_world_run (&world, run_refused);
  world.verifier->mode = FAKE_OK;
  proxy_world_run (&world, run_query); /* refusals are not kept */
  proxy_world_clear (&world);
}

static void
keep_verdict (GObject *source, GAsyncResult *result, gpointer data)
{
  *(TeesqlVerdict **) data = teesql_attest_service_judge_finish (TEESQL_ATTEST_SERVICE (source), result, NULL);
}

/* SR-1: the type system's half of "no path reaches authentication without a verdict". */
static void
test_needs_verdict (void)
{
  ProxyWorld world;
  g_autoptr (TeesqlVerdict) refused = NULL;
  g_autoptr (TeesqlProxySettings) settings = NULL;
  g_autoptr (GError) error = NULL;

  proxy_world_init (&world, "", "");
  settings = teesql_proxy_settings_new (world.config, &error);
  g_assert_no_error (error);
  teesql_attest_service_judge_async (world.service, NULL, NULL, NULL, keep_verdict, &refused);
  while (refused == NULL)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < 2; i++)
    {
      TeesqlAuthOptions options = {
        .verdict = i == 0 ? NULL : refused, .settings = settings, .decoys = world.roles_key, .user = "teesql_read"
      };
      g_autoptr (GError) reason = NULL;

      g_assert_null (teesql_auth_new (&options, &reason));
      g_assert_cmpstr (teesql_error_get_reason (reason), ==, "not-attested");
    }
  proxy_world_clear (&world);
}

static void
run_verify_timeout (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);

  test_client_send_startup (client, pairs);
  test_client_assert_error (client, "28000", "client attestation refused: ");
}

static void
test_verify_timeout (void)
{
  ProxyWorld world;

  proxy_world_init (&world, "verify-timeout = 200ms\n", "");
  world.verifier->mode = FAKE_HOLD;
  proxy_world_run (&world, run_verify_timeout);
  proxy_world_clear (&world);
}

static void
run_left_while_judged (ProxyWorld *world)
{
  for (guint i = 0; i < 5; i++)
    test_client_free (proxy_world_connect_tls (world, TRUE));
}

static void
test_left_while_judged (void)
{
  ProxyWorld world;

  proxy_world_init (&world, "", "");
  world.verifier->mode = FAKE_HOLD;
  proxy_world_run (&world, run_left_while_judged);
  proxy_world_clear (&world); /* stops with judgements under way */
}

static void
run_wrong_secret (ProxyWorld *world)
{
  gint64 began = g_get_monotonic_time ();
  g_auto (TestMessage) wrong = proxy_world_try (world, "teesql_readwrite", SECRET_READ);
  g_auto (TestMessage) unknown = proxy_world_try (world, "teesql_readwritf", SECRET_READ);
  char *place;

  g_assert_cmpint (g_get_monotonic_time () - began, >=, 80000);
  test_message_assert_error (&wrong, "28P01", "password authentication failed for user \"teesql_readwrite\"");
  test_message_assert_error (&unknown, "28P01", "password authentication failed for user \"teesql_readwritf\"");
  g_assert_cmpuint (wrong.size, ==, unknown.size);
  place = memmem (unknown.body, unknown.size, "writf", 5);
  g_assert_nonnull (place);
  place[4] = 'e';
  g_assert_cmpmem (wrong.body, (int) wrong.size, unknown.body, (int) unknown.size);
  g_assert_cmpuint (fake_server_get (world->server, &world->server->n_logins), ==, 0);
}

static void
test_wrong_secret (void)
{
  proxy_world_with ("", "", run_wrong_secret);
  proxy_world_with ("auth-method = password\n", "", run_wrong_secret);
}

static void
run_secrets (ProxyWorld *world)
{
  test_client_free (proxy_world_log_in (world, "teesql_read", SECRET_READ));
  test_client_free (proxy_world_log_in (world, "teesql_read", SECRET_READWRITE));
  test_client_free (proxy_world_log_in (world, "teesql_read", SECRET_NEXT));
  test_client_free (proxy_world_log_in (world, "teesql_readwrite", SECRET_READWRITE));
  test_client_free (proxy_world_log_in (world, "teesql_readwrite", SECRET_NEXT));
}

static void
test_secrets (void)
{
  proxy_world_with ("", "", run_secrets);
  proxy_world_with ("auth-method = password\n", "", run_secrets);
}

static void
run_downgrade (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);
  g_auto (TestMessage) last = { 0 };

  test_client_send_startup (client, pairs);
  last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ, .gs2 = "y,," });
  g_assert_true (client->saw_plus);
  test_message_assert_error (&last, "28P01", "password authentication failed");
}

static void
test_downgrade (void)
{
  proxy_world_with ("", "", run_downgrade);
}

static void
run_pipelined (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);
  g_autoptr (GByteArray) both = g_byte_array_new ();

  teesql_message_startup (both, pairs);
  g_byte_array_append (both, (const guint8 *) "Q\0\0\0\5\0", 6);
  test_client_send (client, both->data, both->len);
  test_client_assert_error (client, "08P01", "before the end of authentication");
  test_client_assert_ended (client);
}

static void
test_pipelined (void)
{
  proxy_world_with ("", "", run_pipelined);
}

static void
run_malformed (ProxyWorld *world)
{
  static const struct
  {
    const char *bytes;
    gsize size;
  } packets[] = {
    { "\0\x98\x96\x80\0\3\0\0", 8 },        /* 10 MB */
    { "\0\0\0\7\0\3\0\0", 8 },              /* shorter than its head */
    { "\0\0\0\10\0\3\0\0", 8 },             /* no user */
    { "\0\0\0\20\0\4\0\0user\0x\0\0", 16 }, /* version 4 */
    { "\0\0\0\17\0\3\0\0user\0x\0", 15 },   /* no end */
    { SSL_REQUEST, 8 },                     /* inside TLS */
    { "\x16\3\1\0\5hello", 10 },            /* a ClientHello inside TLS */
  };

  for (guint i = 0; i < G_N_ELEMENTS (packets); i++)
    {
      g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);

      test_client_send (client, packets[i].bytes, packets[i].size);
      {
        g_auto (TestMessage) message = test_client_read (client);

        g_assert_cmpint (message.type, ==, 'E');
      }
      test_client_assert_ended (client);
    }
}

static void
test_malformed (void)
{
  proxy_world_with ("", "", run_malformed);
}

static void
run_garbage (ProxyWorld *world)
{
  static const char *const texts[] = { "GET / HTTP/1.0\r\n\r\n", "\x16\3\1\0\5hello, this is not TLS", "\0\1\2\3\4\5\6\7\10\11" };
  static const gsize sizes[] = { 18, 27, 10 };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (TestClient) client = test_client_new (world->port);
      char bytes[256];

      test_client_send (client, texts[i], sizes[i]);
      while (test_client_receive (client, bytes, sizeof bytes) > 0)
        ;
    }
}

static void
test_garbage (void)
{
  proxy_world_with ("", "", run_garbage);
}

static void
run_startup_options (ProxyWorld *world)
{
  static const char *const good[] = {
    "user",         "teesql_read", "database", "d", "application_name", "a b", "options", "-c statement_timeout=5 --search-path=x\\ y",
    "_pq_.feature", "1",           NULL
  };
  static const char *const bad[][7] = {
    { "user", "teesql_read", "options", "-c role=postgres", NULL },
    { "user", "teesql_read", "session_authorization", "postgres", NULL },
    { "user", "teesql_read", "options", "-d 5", NULL },
  };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);
  g_auto (TestMessage) last = { 0 };

  test_client_send_startup (client, good);
  last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ });
  g_assert_cmpint (last.type, ==, 'Z');
  g_assert_true (client->saw_negotiate);
  g_assert_cmpstr (world->server->last_startup, ==,
                   "user=teesql_read,database=d,application_name=a b,statement_timeout=5,search_path=x y,");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (TestClient) other = proxy_world_connect_tls (world, TRUE);

      test_client_send_startup (other, bad[i]);
      test_client_assert_error (other, "42501", "not allowed");
    }
}

static void
test_startup_options (void)
{
  proxy_world_with ("", "", run_startup_options);
}

/* libpq 18 asks for protocol 3.2. */
static void
run_newer_protocol (ProxyWorld *world)
{
  static const guint8 startup[] = "\0\0\0\32\0\3\0\2user\0teesql_read\0";
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);
  g_auto (TestMessage) last = { 0 };

  test_client_send (client, startup, sizeof startup);
  last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ });
  g_assert_cmpint (last.type, ==, 'Z');
  g_assert_true (client->saw_negotiate);
  proxy_world_assert_works (client);
}

static void
test_newer_protocol (void)
{
  proxy_world_with ("", "", run_newer_protocol);
}

static TestMessage
try_replication (ProxyWorld *world, const char *user, const char *secret)
{
  const char *const pairs[] = { "user", user, "replication", "true", NULL };
  g_autoptr (TestClient) client = proxy_world_connect_tls (world, TRUE);

  test_client_send_startup (client, pairs);
  return test_client_log_in (client, &(TestLogin){ .user = user, .secret = secret });
}

static void
run_replication (ProxyWorld *world)
{
  g_auto (TestMessage) refused = try_replication (world, "teesql_readwrite", SECRET_READWRITE);
  g_auto (TestMessage) taken = try_replication (world, "replicator", SECRET_REPLICATOR);

  test_message_assert_error (&refused, "42501", "may not replicate");
  g_assert_cmpint (taken.type, ==, 'Z');
  g_assert_nonnull (strstr (world->server->last_startup, "replication=true"));
}

static void
test_replication (void)
{
  proxy_world_with ("", "", run_replication);
}

static void
run_shed (ProxyWorld *world)
{
  TestClient *silent[12];
  g_autoptr (TestClient) client = NULL;
  gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  guint ended = 0;
  char byte;

  for (guint i = 0; i < G_N_ELEMENTS (silent); i++)
    silent[i] = test_client_new (world->port);
  proxy_world_wait_counter (world, TEESQL_COUNTER_CONNECTIONS, G_N_ELEMENTS (silent));
  client = proxy_world_log_in (world, "teesql_read", SECRET_READ);
  proxy_world_assert_works (client);
  /* five places, one of them the client's on its way in */
  proxy_world_wait_counter (world, TEESQL_COUNTER_SHED, G_N_ELEMENTS (silent) - 4);
  while (ended < G_N_ELEMENTS (silent) - 4)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      ended = 0;
      for (guint i = 0; i < G_N_ELEMENTS (silent); i++)
        ended += recv (silent[i]->fd, &byte, 1, MSG_DONTWAIT) == 0;
    }
  g_assert_cmpuint (ended, ==, G_N_ELEMENTS (silent) - 4);
  for (guint i = 0; i < G_N_ELEMENTS (silent); i++)
    test_client_free (silent[i]);
}

static void
test_shed (void)
{
  proxy_world_with ("max-pending = 5\n", "", run_shed);
  proxy_world_with ("max-pending-per-address = 5\n", "", run_shed);
}

static void
run_silent (ProxyWorld *world)
{
  g_autoptr (TestClient) plain = test_client_new (world->port);
  g_autoptr (TestClient) half = test_client_new (world->port);
  g_autoptr (TestClient) tls = proxy_world_connect_tls (world, TRUE);

  test_client_send (half, SSL_REQUEST, 3);
  test_client_assert_ended (plain);
  test_client_assert_ended (half);
  test_client_assert_error (tls, "57014", "in time");
  g_assert_cmpuint (teesql_status_get_counter (world->status, TEESQL_COUNTER_TIMEOUT), ==, 3);
}

static void
test_silent (void)
{
  proxy_world_with ("handshake-timeout = 300ms\nstartup-timeout = 300ms\n", "", run_silent);
}

static void
run_slow (ProxyWorld *world)
{
  static const char *const pairs[] = { "user", "teesql_read", NULL };
  g_autoptr (TestClient) client = test_client_new (world->port);
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_auto (TestMessage) last = { 0 };
  char answer;

  for (guint i = 0; i < 8; i++)
    test_client_send (client, &SSL_REQUEST[i], 1);
  g_assert_cmpuint (test_client_receive (client, &answer, 1), ==, 1);
  g_assert_true (test_client_start_tls (client, world->client, NULL));
  teesql_message_startup (message, pairs);
  for (guint i = 0; i < message->len; i++)
    test_client_send (client, message->data + i, 1);
  last = test_client_log_in (client, &(TestLogin){ .user = "teesql_read", .secret = SECRET_READ });
  g_assert_cmpint (last.type, ==, 'Z');
  proxy_world_assert_works (client);
}

static void
test_slow (void)
{
  proxy_world_with ("", "", run_slow);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/session/relays-a-query", test_query);
  g_test_add_func ("/proxy/session/takes-direct-tls-with-and-without-alpn", test_direct);
  g_test_add_func ("/proxy/session/tells-a-plain-startup-why-not", test_plain_startup);
  g_test_add_func ("/proxy/session/closes-on-bytes-behind-an-encryption-request", test_bytes_behind);
  g_test_add_func ("/proxy/session/answers-gssencrequest-once-with-n", test_gssenc);
  g_test_add_func ("/proxy/session/refuses-a-client-without-certificate-in-words", test_no_certificate);
  g_test_add_func ("/proxy/session/refuses-what-the-verifier-refuses-before-authentication", test_refused);
  g_test_add_func ("/proxy/session/has-no-authentication-without-an-accepted-verdict", test_needs_verdict);
  g_test_add_func ("/proxy/session/refuses-when-verification-does-not-end", test_verify_timeout);
  g_test_add_func ("/proxy/session/survives-clients-that-leave-while-judged", test_left_while_judged);
  g_test_add_func ("/proxy/session/unknown-role-reads-the-bytes-of-a-wrong-secret", test_wrong_secret);
  g_test_add_func ("/proxy/session/secrets-open-the-roles-they-should", test_secrets);
  g_test_add_func ("/proxy/session/gs2-y-where-plus-was-offered-is-refused", test_downgrade);
  g_test_add_func ("/proxy/session/refuses-bytes-before-the-end-of-authentication", test_pipelined);
  g_test_add_func ("/proxy/session/answers-malformed-startup-packets", test_malformed);
  g_test_add_func ("/proxy/session/closes-on-garbage", test_garbage);
  g_test_add_func ("/proxy/session/passes-only-allowed-startup-options", test_startup_options);
  g_test_add_func ("/proxy/session/speaks-3.0-with-newer-clients", test_newer_protocol);
  g_test_add_func ("/proxy/session/only-the-replicator-replicates", test_replication);
  g_test_add_func ("/proxy/session/sheds-the-oldest-stranger", test_shed);
  g_test_add_func ("/proxy/session/silence-ends-at-its-deadline", test_silent);
  g_test_add_func ("/proxy/session/login-may-come-byte-by-byte", test_slow);
  return g_test_run ();
}
