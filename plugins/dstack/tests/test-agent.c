/* Both interfaces against a scripted agent on a socket. */
#include "dstack/dstack-attester.h"
#include "dstack/dstack-kms.h"
#include "fake-agent.h"
#include "fake-certificate.h"
#include "base/teesql-hex.h"
#include <dirent.h>
#include <glib/gstdio.h>
#include <string.h>

#define KEY_HEX "8f11c70952daf88c6ff308ced8ddd32a0f1c0bdffc9447481e28670f41497c71"
#define NOW     G_GINT64_CONSTANT (1790000000)
#define DAY     86400

typedef struct
{
  FakeAgent *agent;
  TeesqlAttester *attester;
  TeesqlKms *kms;
  GAsyncResult *result;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->agent = fake_agent_new ();
  self->attester =
      g_object_new (DSTACK_TYPE_ATTESTER, "endpoint", fake_agent_get_path (self->agent), "timeout", 400u, "identity-timeout", 20000u, NULL);
  self->kms = g_object_new (DSTACK_TYPE_KMS, "endpoint", fake_agent_get_path (self->agent), "timeout", 20000u, NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_assert_finalize_object (self->attester);
  g_assert_finalize_object (self->kms);
  fake_agent_free (self->agent);
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *self = data;

  g_assert_null (self->result);
  self->result = g_object_ref (result);
}

static TeesqlSecret *
get_key (Fixture *self, GCancellable *cancellable, GError **error)
{
  TeesqlSecret *key = NULL;

  teesql_kms_get_key_async (self->kms, "backup/encryption", "backup-epoch", cancellable, done_cb, self);
  g_assert_null (self->result);
  fake_wait_for (self->result != NULL);
  key = teesql_kms_get_key_finish (self->kms, self->result, error);
  g_clear_object (&self->result);
  return key;
}

static TeesqlEvidence *
get_evidence (Fixture *self, const guint8 *report_data, GError **error)
{
  TeesqlEvidence *evidence = NULL;

  teesql_attester_get_evidence_async (self->attester, report_data, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  evidence = teesql_attester_get_evidence_finish (self->attester, self->result, error);
  g_clear_object (&self->result);
  return evidence;
}

static TeesqlTlsIdentity *
get_identity (Fixture *self, GError **error)
{
  const char *const names[] = { "orders.example.org", "10.0.0.1", NULL };
  const TeesqlTlsRequest request = { .subject = "orders \"1\"",
                                     .alt_names = names,
                                     .usage = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT,
                                     .not_before_unix = NOW,
                                     .not_after_unix = NOW + DAY };
  TeesqlTlsIdentity *identity = NULL;

  teesql_attester_get_tls_identity_async (self->attester, &request, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  identity = teesql_attester_get_tls_identity_finish (self->attester, self->result, error);
  g_clear_object (&self->result);
  return identity;
}

static void
assert_key_refused (Fixture *self, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (get_key (self, NULL, &error));
  g_assert_error (error, TEESQL_KMS_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_null (strstr (error->message, "8f11"));
}

static void
test_key (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlSecret) expected = teesql_secret_new_from_hex (KEY_HEX, -1, NULL);
  g_autofree char *request = NULL;

  fake_agent_script_json (self->agent, "GetKey", 200, "{\"key\":\"" KEY_HEX "\",\"signature_chain\":[\"00\",\"11\"]}");
  key = get_key (self, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_secret_equal (key, expected));
  request = fake_agent_dup_request (self->agent, "GetKey");
  g_assert_cmpstr (request, ==, "{\"path\":\"backup/encryption\",\"purpose\":\"backup-epoch\"}");
  g_assert_cmpuint (fake_agent_count (self->agent, "Version"), ==, 1);
  g_assert_null (teesql_kms_get_taint (self->kms));
}

static void
test_version_is_asked_once (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlSecret) first = NULL;
  g_autoptr (TeesqlSecret) second = NULL;

  fake_agent_script_json (self->agent, "GetKey", 200, "{\"key\":\"" KEY_HEX "\"}");
  first = get_key (self, NULL, NULL);
  second = get_key (self, NULL, NULL);
  g_assert_true (teesql_secret_equal (first, second));
  g_assert_cmpuint (fake_agent_count (self->agent, "Version"), ==, 1);
}

static void
test_wrong_keys (Fixture *self, gconstpointer data)
{
  static const struct
  {
    const char *body;
    TeesqlError code;
    const char *reason;
  } cases[] = {
    { "{\"key\":\"8f11\"}", TEESQL_ERROR_REFUSED, "kms-key-size" },
    { "{\"key\":\"" KEY_HEX "00\"}", TEESQL_ERROR_REFUSED, "kms-key-size" },
    { "{\"key\":\"\"}", TEESQL_ERROR_REFUSED, "kms-key-size" },
    { "{\"key\":\"8f11c70952daf88c6ff308ced8ddd32a0f1c0bdffc9447481e28670f41497c7x\"}", TEESQL_ERROR_REFUSED, "kms-key-size" },
    { "{\"key\":\"" KEY_HEX "\",\"key\":\"" KEY_HEX "\"}", TEESQL_ERROR_MALFORMED, "agent-json" },
    { "{\"key\":[\"" KEY_HEX "\"]}", TEESQL_ERROR_MALFORMED, "agent-json" },
    { "{\"other\":{\"key\":\"" KEY_HEX "\"}}", TEESQL_ERROR_MALFORMED, "agent-json" },
    { "{\"key\":\"" KEY_HEX "\"} x", TEESQL_ERROR_MALFORMED, "trailing-bytes" },
    { "[]", TEESQL_ERROR_MALFORMED, "agent-json" },
    { "not json", TEESQL_ERROR_MALFORMED, "agent-json" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      fake_agent_script_json (self->agent, "GetKey", 200, cases[i].body);
      assert_key_refused (self, cases[i].code, cases[i].reason);
    }
}

static void
script_raw (Fixture *self, const char *method, FakeKind kind, const char *text)
{
  fake_agent_script (self->agent, method, kind, text, strlen (text));
}

static void
test_slow_and_chunked (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) key = NULL;

  script_raw (self, "GetKey", FAKE_BYTES,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"key\":\"\r\n40;a=b\r\n" KEY_HEX "\r\n2\r\n\"}\r\n0\r\n\r\n");
  key = get_key (self, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_secret_get_size (key), ==, 32);
}

static void
test_refusals_of_the_agent (Fixture *self, gconstpointer data)
{
  script_raw (self, "GetKey", FAKE_ANSWER, "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n\n\x07too big");
  assert_key_refused (self, TEESQL_ERROR_FAILED, "agent-error");
  fake_agent_script_json (self->agent, "GetKey", 400, "{\n \"error\": \"Unsupported algorithm\"\n}");
  assert_key_refused (self, TEESQL_ERROR_FAILED, "agent-error");
  fake_agent_script_json (self->agent, "GetKey", 400, "{\"error\":\"NotFound\"}");
  assert_key_refused (self, TEESQL_ERROR_UNSUPPORTED, "agent-method");
  fake_agent_script_json (self->agent, "GetKey", 404, "<html>");
  assert_key_refused (self, TEESQL_ERROR_UNSUPPORTED, "agent-method");
  fake_agent_script_json (self->agent, "GetKey", 500, "");
  assert_key_refused (self, TEESQL_ERROR_UNAVAILABLE, "agent-status");
  fake_agent_script_json (self->agent, "GetKey", 302, "{\"key\":\"" KEY_HEX "\"}");
  assert_key_refused (self, TEESQL_ERROR_FAILED, "agent-status");
}

static void
test_broken_transport (Fixture *self, gconstpointer data)
{
  g_autofree char *body = g_strnfill (1100000, ' ');
  g_autofree char *large = g_strconcat ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n110000\r\n", body, NULL);

  script_raw (self, "GetKey", FAKE_ANSWER, "");
  assert_key_refused (self, TEESQL_ERROR_UNAVAILABLE, "agent-closed");
  script_raw (self, "GetKey", FAKE_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 75\r\n\r\n{\"key\":\"8f11");
  assert_key_refused (self, TEESQL_ERROR_UNAVAILABLE, "agent-closed");
  script_raw (self, "GetKey", FAKE_ANSWER, "SSH-2.0-OpenSSH\r\n");
  assert_key_refused (self, TEESQL_ERROR_MALFORMED, "agent-http");
  script_raw (self, "GetKey", FAKE_HANG, "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n");
  assert_key_refused (self, TEESQL_ERROR_MALFORMED, "agent-answer-size");
  script_raw (self, "GetKey", FAKE_ANSWER, large);
  assert_key_refused (self, TEESQL_ERROR_MALFORMED, "agent-answer-size");
}

static void
test_nobody_listens (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlKms) kms = g_object_new (DSTACK_TYPE_KMS, "endpoint", "/nonexistent/dstack.sock", NULL);
  g_autoptr (GError) error = NULL;

  teesql_kms_get_key_async (kms, "a", "b", NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  g_assert_null (teesql_kms_get_key_finish (kms, self->result, &error));
  g_assert_error (error, TEESQL_KMS_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_clear_object (&self->result);
}

static void
assert_timed_out (Fixture *self)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 1 };
  g_autoptr (GError) error = NULL;
  const gint64 began = g_get_monotonic_time ();

  g_assert_null (get_evidence (self, report_data, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - began, >=, 300 * 1000);
  fake_wait_for (fake_agent_count_open (self->agent) == 0);
}

static void
test_deadline (Fixture *self, gconstpointer data)
{
  script_raw (self, "GetQuote", FAKE_HANG, "");
  assert_timed_out (self);
  script_raw (self, "GetQuote", FAKE_HANG, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{");
  assert_timed_out (self);
}

/* Cancels once the agent has the request, so in the middle of the call. */
static void
test_cancellation (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gint64 began = 0;

  script_raw (self, "GetKey", FAKE_HANG, "HTTP/1.1 200 OK\r\n");
  teesql_kms_get_key_async (self->kms, "a", "b", cancellable, done_cb, self);
  fake_wait_for (fake_agent_count (self->agent, "GetKey") == 1);
  began = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (self->result);
  fake_wait_for (self->result != NULL);
  g_assert_cmpint (g_get_monotonic_time () - began, <, G_USEC_PER_SEC);
  g_assert_null (teesql_kms_get_key_finish (self->kms, self->result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  fake_wait_for (fake_agent_count_open (self->agent) == 0);
  g_clear_object (&self->result);
}

static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (get_key (self, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (fake_agent_count (self->agent, "GetKey"), ==, 0);
}

static guint
count_descriptors (void)
{
  DIR *dir = opendir ("/proc/self/fd");
  guint n = 0;

  g_assert_nonnull (dir);
  while (readdir (dir) != NULL)
    n++;
  closedir (dir);
  return n;
}

static void
test_descriptors (Fixture *self, gconstpointer data)
{
  guint before = 0;

  test_key (self, data);
  test_broken_transport (self, data);
  fake_wait_for (fake_agent_count_open (self->agent) == 0);
  before = count_descriptors ();
  for (guint i = 0; i < 20; i++)
    {
      test_broken_transport (self, data);
      test_refusals_of_the_agent (self, data);
    }
  fake_wait_for (fake_agent_count_open (self->agent) == 0);
  fake_wait_for (count_descriptors () == before);
}

static void
test_simulator_is_a_taint (Fixture *self, gconstpointer data)
{
  static const char *const versions[] = { "{\"version\":\"0.6.0\",\"rev\":\"teesql-Simulator-1\"}",
                                          "{\"version\":\"simulator\",\"rev\":\"\"}",
                                          "{\"version\":\"0.6.0\",\"rev\":\"x\",\"simulator\":true}" };

  for (guint i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_autoptr (TeesqlKms) kms = g_object_new (DSTACK_TYPE_KMS, "endpoint", fake_agent_get_path (self->agent), NULL);
      g_autofree char *taint = g_strdup_printf ("simulator at %s", fake_agent_get_path (self->agent));
      TeesqlKms *saved = self->kms;
      g_autoptr (TeesqlSecret) key = NULL;

      fake_agent_script_json (self->agent, "Version", 200, versions[i]);
      fake_agent_script_json (self->agent, "GetKey", 200, "{\"key\":\"" KEY_HEX "\"}");
      g_assert_null (teesql_kms_get_taint (kms));
      self->kms = kms;
      key = get_key (self, NULL, NULL);
      self->kms = saved;
      g_assert_nonnull (key);
      g_assert_cmpstr (teesql_kms_get_taint (kms), ==, taint);
    }
}

static void
test_http_is_a_taint (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlAttester) attester = g_object_new (DSTACK_TYPE_ATTESTER, "endpoint", "http://127.0.0.1:1", NULL);

  g_assert_cmpstr (teesql_attester_get_taint (attester), ==, "agent over http://127.0.0.1:1");
}

static void
test_unknown_version_takes_no_key (Fixture *self, gconstpointer data)
{
  fake_agent_script_json (self->agent, "GetKey", 200, "{\"key\":\"" KEY_HEX "\"}");
  fake_agent_script_json (self->agent, "Version", 200, "garbage");
  assert_key_refused (self, TEESQL_ERROR_MALFORMED, "agent-json");
  fake_agent_script_json (self->agent, "Version", 503, "");
  assert_key_refused (self, TEESQL_ERROR_UNAVAILABLE, "agent-status");
  g_assert_cmpuint (fake_agent_count (self->agent, "GetKey"), ==, 0);
  /* agents before 0.5.7 do not know the call */
  fake_agent_script_json (self->agent, "Version", 400, "{\"error\":\"NotFound\"}");
  g_autoptr (TeesqlSecret) key = get_key (self, NULL, NULL);
  g_assert_nonnull (key);
}

static char *
quote_json (const guint8 *report_data, const char *echo, const char *event_log)
{
  static const guint8 vendor[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
  guint8 quote[1100] = { 4, 0, 2, 0, 0x81 };
  g_autofree char *hex = NULL;
  g_autofree char *report_hex = teesql_hex_encode (report_data, TEESQL_REPORT_DATA_SIZE);

  memcpy (quote + 12, vendor, sizeof vendor);
  memcpy (quote + 568, report_data, TEESQL_REPORT_DATA_SIZE);
  quote[632] = 200;
  hex = teesql_hex_encode (quote, sizeof quote);
  return g_strdup_printf (
      "{\"quote\":\"%s\",\"event_log\":%s,\"report_data\":\"%s\",\"vm_config\":\"{\\\"a\\\":1}\",\"attestation\":\"00\"}", hex, event_log,
      echo != NULL ? echo : report_hex);
}

#define EVENT_LOG                                                                                                                          \
  "\"[{\\\"imr\\\":3,\\\"event_type\\\":134217729,\\\"digest\\\":\\\"\\\",\\\"event\\\":\\\"app-id\\\",\\\"event_payload\\\":\\\"01\\\"}]" \
  "\""

static void
test_quote (Fixture *self, gconstpointer data)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 7, 8, 9 };
  g_autofree char *json = quote_json (report_data, NULL, EVENT_LOG);
  g_autofree char *request = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;

  fake_agent_script_json (self->agent, "GetQuote", 200, json);
  evidence = get_evidence (self, report_data, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (teesql_evidence_get_quote (evidence)), ==, 1100);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 1);
  g_assert_cmpstr (teesql_evidence_get_event (evidence, 0)->name, ==, "app-id");
  g_assert_cmpstr (teesql_evidence_get_platform_config (evidence), ==, "{\"a\":1}");
  request = fake_agent_dup_request (self->agent, "GetQuote");
  g_assert_true (g_str_has_prefix (request, "{\"report_data\":\"0708090000"));
  g_assert_cmpuint (strlen (request), ==, strlen ("{\"report_data\":\"\"}") + 128);
}

static void
assert_quote_refused (Fixture *self, const char *json, TeesqlError code, const char *reason)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 7, 8, 9 };
  g_autoptr (GError) error = NULL;

  fake_agent_script_json (self->agent, "GetQuote", 200, json);
  g_assert_null (get_evidence (self, report_data, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, (int) code);
  if (reason != NULL)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_wrong_quotes (Fixture *self, gconstpointer data)
{
  guint8 right[TEESQL_REPORT_DATA_SIZE] = { 7, 8, 9 };
  guint8 wrong[TEESQL_REPORT_DATA_SIZE] = { 7, 8, 8 };
  g_autofree char *right_hex = teesql_hex_encode (right, sizeof right);
  g_autofree char *other_quote = quote_json (wrong, right_hex, "\"\"");
  g_autofree char *other_echo = quote_json (right, "00", "\"\"");
  g_autofree char *bad_log = quote_json (right, NULL, "\"[{}]\"");
  g_autofree char *empty = g_strdup_printf ("{\"quote\":\"\",\"event_log\":\"\",\"report_data\":\"%s\",\"vm_config\":\"\"}", right_hex);

  assert_quote_refused (self, other_quote, TEESQL_ERROR_REFUSED, NULL);
  assert_quote_refused (self, other_echo, TEESQL_ERROR_REFUSED, "agent-report-data");
  assert_quote_refused (self, bad_log, TEESQL_ERROR_MALFORMED, "agent-json");
  assert_quote_refused (self, empty, TEESQL_ERROR_UNSUPPORTED, "no-tdx-quote");
  assert_quote_refused (self, "{}", TEESQL_ERROR_MALFORMED, "agent-json");
}

static void
test_identity (Fixture *self, gconstpointer data)
{
  g_autofree char *json = fake_tls_key_json (FAKE_LEAF_GOOD, 3, NOW - 300, NOW + DAY);
  g_autofree char *request = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = NULL;
  guint n_chain = 0;

  fake_agent_script_json (self->agent, "GetTlsKey", 200, json);
  identity = get_identity (self, &error);
  g_assert_no_error (error);
  teesql_tls_identity_get_chain (identity, &n_chain);
  g_assert_cmpuint (n_chain, ==, 3);
  request = fake_agent_dup_request (self->agent, "GetTlsKey");
  g_assert_cmpstr (request, ==,
                   "{\"subject\":\"orders \\\"1\\\"\",\"alt_names\":[\"orders.example.org\",\"10.0.0.1\"],\"usage_ra_tls\":true,"
                   "\"usage_server_auth\":true,\"usage_client_auth\":true,\"not_before\":1790000000,\"not_after\":1790086400,"
                   "\"with_app_info\":false}");
}

static void
assert_identity_refused (Fixture *self, char *json_taken, const char *reason)
{
  g_autofree char *json = json_taken;
  g_autoptr (GError) error = NULL;

  fake_agent_script_json (self->agent, "GetTlsKey", 200, json);
  g_assert_null (get_identity (self, &error));
  g_assert_nonnull (error);
  g_assert_cmpint (error->domain, !=, G_IO_ERROR);
  if (reason != NULL)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_wrong_identities (Fixture *self, gconstpointer data)
{
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_GOOD, 0, NOW, NOW + DAY), "tls-chain");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_GOOD, 11, NOW, NOW + DAY), "tls-chain");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_P384, 1, NOW, NOW + DAY), "tls-leaf-key");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_NO_EVIDENCE, 1, NOW, NOW + DAY), "tls-leaf-evidence");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_NO_CLIENT_USAGE, 1, NOW, NOW + DAY), "tls-leaf-usage");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_OLD, 1, NOW - 100, NOW + DAY), "tls-leaf-dates");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_GOOD, 1, NOW + DAY, NOW + 2 * DAY), "tls-leaf-dates");
  assert_identity_refused (self, fake_tls_key_json (FAKE_LEAF_OTHER_KEY, 1, NOW, NOW + DAY), NULL);
  assert_identity_refused (self, g_strdup ("{\"key\":\"x\",\"certificate_chain\":[\"x\"]}"), "agent-pem");
  assert_identity_refused (self, g_strdup ("{\"key\":\"x\",\"certificate_chain\":[7]}"), "tls-chain");
}

static void
test_kms_behind_the_agent_may_come_back (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fake_agent_script_json (self->agent, "GetTlsKey", 400, "{\"error\":\"Failed to sign the CSR\"}");
  g_assert_null (get_identity (self, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, "Failed to sign the CSR"));
}

static void
test_info (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info = NULL;
  const char *text = NULL;

  fake_agent_script_json (
      self->agent, "Info", 200,
      "{\"app_id\":\"5bb4\",\"instance_id\":\"\",\"compose_hash\":\"c143\",\"app_name\":\"orders\",\"os_image_hash\":\"e61b\","
      "\"tcb_info\":\"{}\",\"key_provider_info\":\"{\\\"name\\\":\\\"kms\\\",\\\"id\\\":\\\"616263\\\"}\"}");
  teesql_attester_get_info_async (self->attester, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  info = teesql_attester_get_info_finish (self->attester, self->result, &error);
  g_clear_object (&self->result);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (info, "app_id", "&s", &text));
  g_assert_cmpstr (text, ==, "5bb4");
  g_assert_true (g_variant_lookup (info, "key_provider", "&s", &text));
  g_assert_cmpstr (text, ==, "kms:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  g_assert_true (g_variant_lookup (info, "agent_version", "&s", &text));
  g_assert_cmpstr (text, ==, "0.6.0");
  g_assert_false (g_variant_lookup (info, "instance_id", "&s", &text));
}

static void
test_features (Fixture *self, gconstpointer data)
{
  g_assert_cmpint (teesql_attester_get_features (self->attester), ==, TEESQL_ATTESTER_FEATURE_TLS_IDENTITY | TEESQL_ATTESTER_FEATURE_INFO);
}

#define ADD(path, function) g_test_add ("/dstack/agent/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("gives-a-key", test_key);
  ADD ("is-asked-for-its-version-once", test_version_is_asked_once);
  ADD ("keys-of-another-form-are-refused", test_wrong_keys);
  ADD ("may-be-slow-and-send-chunks", test_slow_and_chunked);
  ADD ("refusals-carry-its-words", test_refusals_of_the_agent);
  ADD ("broken-connections-are-no-answers", test_broken_transport);
  ADD ("absence-is-unavailable", test_nobody_listens);
  ADD ("has-a-deadline", test_deadline);
  ADD ("calls-are-cancelled-within-a-second", test_cancellation);
  ADD ("calls-cancelled-before-are-not-made", test_cancelled_before);
  ADD ("no-descriptor-is-leaked", test_descriptors);
  ADD ("simulator-is-a-taint", test_simulator_is_a_taint);
  ADD ("http-is-a-taint", test_http_is_a_taint);
  ADD ("gives-no-key-while-its-version-is-unknown", test_unknown_version_takes_no_key);
  ADD ("gives-a-quote", test_quote);
  ADD ("quotes-over-other-data-are-refused", test_wrong_quotes);
  ADD ("gives-an-identity", test_identity);
  ADD ("wrong-identities-are-refused", test_wrong_identities);
  ADD ("kms-behind-it-may-come-back", test_kms_behind_the_agent_may_come_back);
  ADD ("gives-facts-for-display", test_info);
  ADD ("cannot-extend", test_features);
  return g_test_run ();
}
