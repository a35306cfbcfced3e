#include "proxy-world.h"

#include "keys/teesql-keys.h"
#include "pgwire/teesql-scram.h"

#include <string.h>

#define SALT    "c2FsdHNhbHRzYWx0c2FsdA=="
#define ROUNDS  4096
#define DAY     86400
#define WAIT_US (20 * G_USEC_PER_SEC)

static char *
make_verifier (const char *secret)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) password = teesql_secret_new ((const guint8 *) secret, strlen (secret), &error);
  gsize salt_size;
  g_autofree guint8 *salt = g_base64_decode (SALT, &salt_size);
  g_autoptr (TeesqlSecret) keys = teesql_scram_keys_new (password, salt, salt_size, ROUNDS, &error);
  TeesqlScramVerifier verifier;

  g_assert_no_error (error);
  teesql_scram_keys_to_verifier (keys, salt, salt_size, ROUNDS, &verifier);
  return teesql_scram_verifier_format (&verifier);
}

TeesqlConfig *
proxy_world_make_config (ProxyWorld *self, const char *policy_lines, const char *proxy_lines, const char *auth_lines)
{
  g_autofree char *read = make_verifier (SECRET_READ);
  g_autofree char *readwrite = make_verifier (SECRET_READWRITE);
  g_autofree char *next = make_verifier (SECRET_NEXT);
  g_autofree char *replicator = make_verifier (SECRET_REPLICATOR);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (
      "[teesql]\ncluster = test\nnode = n1\n[identity]\nsource = self\n[verifier:dcap]\ntrusted-root = intel\n"
      "[policy:clients]\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-compose-hash = any\nallowed-key-provider = any\n%s"
      "[proxy]\nlisten = 127.0.0.1:0\nworkers = 2\n%s"
      "[auth]\nscram-salt = " SALT "\nfailure-delay = 40ms\n%s"
      "[role:teesql_read]\nprivileges = read\nalso-secret-of = teesql_readwrite\nsecret-verifier = %s\n"
      "[role:teesql_readwrite]\nprivileges = read-write\nsecret-verifier = %s\nnext-secret-verifier = %s\nmax-sessions = 2\n"
      "[role:replicator]\nprivileges = replication\nsecret-verifier = %s\n"
      "[postgresql]\nhost = %s\n",
      policy_lines, proxy_lines, auth_lines, read, readwrite, next, replicator, self->server->folder);
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  return config;
}

static void
keep_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static GAsyncResult *
wait_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static void
world_make_service (ProxyWorld *self)
{
  TeesqlVerifier *const verifiers[] = { TEESQL_VERIFIER (self->verifier) };
  const char *const names[] = { "dcap" };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  const TeesqlAttestOptions options = {
    .config = self->config,
    .attester = TEESQL_ATTESTER (self->attester),
    .verifiers = verifiers,
    .verifier_names = names,
    .n_verifiers = 1,
    .clock = self->clock,
    .status = self->status,
    .direction = TEESQL_DIRECTION_CLIENTS,
    .usage = TEESQL_TLS_USAGE_SERVER,
  };

  self->service = teesql_attest_service_new (&options, &error);
  g_assert_no_error (error);
  teesql_attest_service_start_async (self->service, NULL, keep_result, &result);
  g_assert_true (teesql_attest_service_start_finish (self->service, wait_result (&result), &error));
  g_assert_no_error (error);
}

static void
world_make_client (ProxyWorld *self)
{
  g_autoptr (FakeAttester) attester = fake_attester_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const TeesqlTlsRequest request = {
    .subject = "app", .usage = TEESQL_TLS_USAGE_CLIENT, .not_before_unix = now - 60, .not_after_unix = now + DAY
  };

  attester->gives_identity = TRUE;
  teesql_attester_get_tls_identity_async (TEESQL_ATTESTER (attester), &request, NULL, keep_result, &result);
  self->client = teesql_attester_get_tls_identity_finish (TEESQL_ATTESTER (attester), wait_result (&result), &error);
  g_assert_no_error (error);
}

static TeesqlBackend *
world_make_backend (ProxyWorld *self)
{
  static const char *const roles[] = { "teesql_read", "teesql_readwrite", "replicator" };
  g_autoptr (TeesqlRoleKeys) keys = teesql_role_keys_new ();
  g_autoptr (GError) error = NULL;
  TeesqlBackend *backend;

  for (guint i = 0; i < G_N_ELEMENTS (roles); i++)
    {
      g_autoptr (TeesqlSecret) password = teesql_keys_role_password (self->roles_key, roles[i], &error);

      g_assert_true (teesql_role_keys_add (keys, roles[i], password, &error));
    }
  backend = teesql_backend_new (self->config, keys, &error);
  g_assert_no_error (error);
  return backend;
}

static void
world_init (ProxyWorld *self, gboolean with_backend, const char *proxy_lines, const char *auth_lines)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlBackend) backend = NULL;
  TeesqlProxyOptions options;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  *self = (ProxyWorld){ .clock = teesql_clock_new (NULL, NULL, &error) };
  g_assert_no_error (error);
  self->status = teesql_status_new ();
  self->attester = fake_attester_new ();
  self->verifier = fake_verifier_new ();
  self->verifier->issued_at = now - DAY;
  self->verifier->valid_until = now + 30 * DAY;
  self->roles_key = teesql_secret_new ((const guint8 *) "a key of thirty-two bytes, no mo", 32, &error);
  g_assert_no_error (error);
  self->server = fake_server_new (self->roles_key);
  self->config = proxy_world_make_config (self, "allowed-mrtd = any\n", proxy_lines, auth_lines);
  world_make_service (self);
  world_make_client (self);
  backend = with_backend ? world_make_backend (self) : NULL;
  options = (TeesqlProxyOptions){
    .config = self->config, .attest = self->service, .status = self->status, .backend = backend, .roles_key = self->roles_key
  };
  self->proxy = teesql_proxy_new (&options, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_proxy_listen (self->proxy, NULL, 0, &error));
  g_assert_no_error (error);
  self->port = teesql_proxy_get_port (self->proxy);
}

void
proxy_world_init (ProxyWorld *self, const char *proxy_lines, const char *auth_lines)
{
  world_init (self, TRUE, proxy_lines, auth_lines);
}

void
proxy_world_init_without_backend (ProxyWorld *self)
{
  world_init (self, FALSE, "", "");
}

void
proxy_world_clear (ProxyWorld *self)
{
  if (self->proxy != NULL)
    {
      teesql_proxy_stop (self->proxy);
      g_assert_cmpint (teesql_status_get_gauge (self->status, TEESQL_GAUGE_PENDING), ==, 0);
      g_assert_cmpint (teesql_status_get_gauge (self->status, TEESQL_GAUGE_SESSIONS), ==, 0);
      g_assert_finalize_object (self->proxy);
    }
  fake_server_free (self->server);
  teesql_attest_service_stop (self->service);
  fake_verifier_release (self->verifier);
  while (g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
  g_assert_finalize_object (self->service);
  g_assert_finalize_object (self->attester);
  g_assert_finalize_object (self->verifier);
  g_assert_finalize_object (self->status);
  teesql_tls_identity_unref (self->client);
  teesql_secret_unref (self->roles_key);
  teesql_config_unref (self->config);
  teesql_clock_unref (self->clock);
}

typedef struct
{
  ProxyWorld *world;
  ProxyWorldFunc func;
  gint done;
} Run;

static gpointer
run_thread (gpointer data)
{
  Run *run = data;

  run->func (run->world);
  g_atomic_int_set (&run->done, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

void
proxy_world_run (ProxyWorld *self, ProxyWorldFunc func)
{
  Run run = { .world = self, .func = func };
  GThread *thread = g_thread_new ("client", run_thread, &run);

  while (!g_atomic_int_get (&run.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
}

TestClient *
proxy_world_connect_tls (ProxyWorld *self, gboolean with_certificate)
{
  TestClient *client = test_client_new (self->port);

  g_assert_cmpint (test_client_request_tls (client), ==, 'S');
  g_assert_true (test_client_start_tls (client, with_certificate ? self->client : NULL, NULL));
  return client;
}

static TestMessage
try_on (TestClient *client, const char *user, const char *secret)
{
  const char *const pairs[] = { "user", user, "database", "postgres", NULL };

  test_client_send_startup (client, pairs);
  return test_client_log_in (client, &(TestLogin){ .user = user, .secret = secret });
}

TestClient *
proxy_world_log_in (ProxyWorld *self, const char *user, const char *secret)
{
  TestClient *client = proxy_world_connect_tls (self, TRUE);
  g_auto (TestMessage) last = try_on (client, user, secret);

  if (last.type == 'E')
    test_message_assert_error (&last, "no error was expected", "");
  g_assert_cmpint (last.type, ==, 'Z');
  return client;
}

TestMessage
proxy_world_try (ProxyWorld *self, const char *user, const char *secret)
{
  g_autoptr (TestClient) client = proxy_world_connect_tls (self, TRUE);

  return try_on (client, user, secret);
}

void
proxy_world_wait (ProxyWorld *self, guint *field, guint value)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_US;

  while (fake_server_get (self->server, field) != value)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_thread_yield ();
    }
}

gint64
proxy_world_wait_gauge (ProxyWorld *self, TeesqlGauge gauge, gint64 value)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_US;

  while (teesql_status_get_gauge (self->status, gauge) != value)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_thread_yield ();
    }
  return value;
}

void
proxy_world_wait_counter (ProxyWorld *self, TeesqlCounter counter, guint64 value)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_US;

  while (teesql_status_get_counter (self->status, counter) < value)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_thread_yield ();
    }
}

void
proxy_world_with (const char *proxy_lines, const char *auth_lines, ProxyWorldFunc func)
{
  ProxyWorld world;

  proxy_world_init (&world, proxy_lines, auth_lines);
  proxy_world_run (&world, func);
  proxy_world_clear (&world);
}

void
proxy_world_assert_works (TestClient *client)
{
  g_autoptr (GString) last = g_string_new (NULL);

  test_client_query (client, "echo hello");
  g_assert_cmpuint (test_client_count_rows (client, last), ==, 1);
  g_assert_cmpstr (last->str, ==, "hello");
}
