/* The guest agent over its sockets, as clients see it. */
#include "base/teesql-hex.h"
#include "ratls/teesql-ratls-attestation.h"
#include "sim-test.h"
#include "simulator/teesql-sim-http.h"
#include "simulator/teesql-sim-json.h"
#include <glib/gstdio.h>
#include <string.h>

static SimWorld *
start (void)
{
  return sim_world_new (&(SimWorldOptions){ .start = TRUE });
}

static JsonObject *
call (SimWorld *world, const char *method, const char *json)
{
  g_autofree char *target = g_strconcat ("/", method, NULL);
  g_autoptr (SimAnswer) answer = sim_post (world->socket, target, json);

  return sim_answer_object (answer);
}

static void
assert_refused (SimWorld *world, const char *method, const char *json, const char *text)
{
  g_autofree char *target = g_strconcat ("/", method, NULL);
  g_autoptr (SimAnswer) answer = sim_post (world->socket, target, json);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) object = NULL;

  g_assert_cmpuint (answer->status, ==, 400);
  object = teesql_sim_json_parse_object (answer->body, answer->size, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (sim_json_string (object, "error"), ==, text);
}

static void
test_get_quote (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object = call (world, "GetQuote", "{\"report_data\":\"0x0xABcd\"}");
  g_autoptr (GBytes) quote = sim_json_bytes (object, "quote");
  g_autoptr (GBytes) report_data = sim_json_bytes (object, "report_data");
  guint8 expected[64] = { 0xab, 0xcd };

  sim_assert_bytes (report_data, expected, sizeof expected);
  g_assert_cmpmem ((const guint8 *) g_bytes_get_data (quote, NULL) + 568, 64, expected, 64);
  g_assert_false (json_object_has_member (object, "attestation")); /* as on a real TDX machine */
}

static void
test_event_log (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object = call (world, "GetQuote", "{\"report_data\":\"\"}");
  const char *text = sim_json_string (object, "event_log");
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = sim_json_bytes (object, "quote");
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GError) error = NULL;
  gboolean parsed = teesql_ratls_event_log_parse_json (text, strlen (text), builder, &error);

  g_assert_no_error (error);
  g_assert_true (parsed);
  teesql_evidence_builder_set_quote (builder, quote);
  evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, sim_world_guest (world)->machine->events->len);
}

static void
test_attest (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object = call (world, "Attest", "{\"report_data\":\"01\"}");
  g_autoptr (GBytes) attestation = sim_json_bytes (object, "attestation");
  g_autoptr (GBytes) report_data = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GError) error = NULL;
  guint8 expected[64] = { 0x01 };
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (attestation, &size);

  evidence = teesql_ratls_attestation_parse (data, size, &report_data, &error);
  g_assert_no_error (error);
  sim_assert_bytes (report_data, expected, sizeof expected);
}

static void
test_get_key (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) first = call (world, "GetKey", "{\"path\":\"pg/superuser\",\"purpose\":\"superuser-password\"}");
  g_autoptr (JsonObject) again = call (world, "GetKey", "{\"path\":\"pg/superuser\",\"algorithm\":\"ed25519\"}");
  g_autoptr (JsonObject) other = call (world, "GetKey", "{\"path\":\"pg/roles\"}");
  g_autoptr (GBytes) key = sim_json_bytes (first, "key");
  JsonArray *chain = json_object_get_array_member (first, "signature_chain");

  g_assert_cmpuint (g_bytes_get_size (key), ==, 32);
  g_assert_cmpstr (sim_json_string (first, "key"), ==, sim_json_string (again, "key")); /* the path alone separates keys */
  g_assert_cmpstr (sim_json_string (first, "key"), !=, sim_json_string (other, "key"));
  g_assert_cmpuint (json_array_get_length (chain), ==, 2);
  g_assert_cmpuint (strlen (json_array_get_string_element (chain, 0)), ==, 2 * TEESQL_SIM_RECOVERABLE_SIZE);
}

static gnutls_x509_crt_t
import_pem (const char *text)
{
  gnutls_x509_crt_t certificate = NULL;
  const gnutls_datum_t pem = { (guint8 *) text, (unsigned) strlen (text) };

  g_assert_cmpint (gnutls_x509_crt_init (&certificate), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_import (certificate, &pem, GNUTLS_X509_FMT_PEM), ==, 0);
  return certificate;
}

static gboolean
has_extension (gnutls_x509_crt_t certificate, const char *oid)
{
  size_t size = 0;
  int code = gnutls_x509_crt_get_extension_by_oid (certificate, oid, 0, NULL, &size, NULL);

  return code == GNUTLS_E_SHORT_MEMORY_BUFFER || (code == 0 && size > 0);
}

static void
verify_chain (JsonArray *chain)
{
  gnutls_x509_crt_t certificates[3];
  unsigned status = 1;

  g_assert_cmpuint (json_array_get_length (chain), ==, 3);
  for (guint i = 0; i < 3; i++)
    certificates[i] = import_pem (json_array_get_string_element (chain, i));
  g_assert_cmpint (gnutls_x509_crt_list_verify (certificates, 2, &certificates[2], 1, NULL, 0, 0, &status), ==, 0);
  g_assert_cmpuint (status, ==, 0);
  g_assert_true (has_extension (certificates[1], "1.3.6.1.4.1.62397.1.3"));
  for (guint i = 0; i < 3; i++)
    gnutls_x509_crt_deinit (certificates[i]);
}

static void
test_get_tls_key (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object =
      call (world, "GetTlsKey",
            "{\"subject\":\"orders-1\",\"alt_names\":[\"localhost\",\"127.0.0.1\"],\"usage_ra_tls\":true,"
            "\"usage_server_auth\":true,\"not_before\":1700000000,\"not_after\":1900000000,\"with_app_info\":true}");
  JsonArray *chain = json_object_get_array_member (object, "certificate_chain");
  g_auto (gnutls_x509_crt_t) leaf = NULL;
  g_auto (gnutls_x509_privkey_t) key = NULL;
  const char *pem = sim_json_string (object, "key");
  const gnutls_datum_t datum = { (guint8 *) pem, (unsigned) strlen (pem) };
  g_autofree char *name = g_malloc0 (64);
  size_t size = 64;
  guint8 key_id[20], leaf_id[20];
  size_t id_size = 20;

  verify_chain (chain);
  leaf = import_pem (json_array_get_string_element (chain, 0));
  g_assert_cmpint (gnutls_x509_crt_get_dn_by_oid (leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size), ==, 0);
  g_assert_cmpstr (name, ==, "orders-1");
  g_assert_cmpint (gnutls_x509_crt_get_activation_time (leaf), ==, 1700000000);
  g_assert_cmpint (gnutls_x509_crt_get_expiration_time (leaf), ==, 1900000000);
  g_assert_true (gnutls_x509_crt_check_hostname (leaf, "localhost"));
  g_assert_true (gnutls_x509_crt_check_hostname (leaf, "127.0.0.1"));
  g_assert_false (gnutls_x509_crt_check_hostname (leaf, "orders-1"));
  g_assert_true (has_extension (leaf, "1.3.6.1.4.1.62397.1.8"));
  g_assert_true (has_extension (leaf, "1.3.6.1.4.1.62397.1.9"));
  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_import (key, &datum, GNUTLS_X509_FMT_PEM), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_get_key_id (key, 0, key_id, &id_size), ==, 0);
  id_size = 20;
  g_assert_cmpint (gnutls_x509_crt_get_key_id (leaf, 0, leaf_id, &id_size), ==, 0);
  g_assert_cmpmem (key_id, 20, leaf_id, 20);
}

static void
test_get_tls_key_plain (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object = call (world, "GetTlsKey", "{}");
  g_autoptr (JsonObject) again = call (world, "GetTlsKey", "{}");
  g_auto (gnutls_x509_crt_t) leaf =
      import_pem (json_array_get_string_element (json_object_get_array_member (object, "certificate_chain"), 0));

  g_assert_cmpint (gnutls_x509_crt_get_activation_time (leaf), ==, 157766400); /* 1975 */
  g_assert_false (has_extension (leaf, "1.3.6.1.4.1.62397.1.8"));
  g_assert_false (has_extension (leaf, "1.3.6.1.4.1.62397.1.9"));
  g_assert_true (has_extension (leaf, "1.3.6.1.4.1.62397.1.4"));
  g_assert_cmpstr (sim_json_string (object, "key"), !=, sim_json_string (again, "key"));
}

static void
test_sign_and_verify (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) object = call (world, "Sign", "{\"algorithm\":\"secp256k1\",\"data\":\"c0ffee\"}");
  g_autofree char *question =
      g_strdup_printf ("{\"algorithm\":\"secp256k1\",\"data\":\"c0ffee\",\"signature\":\"%s\",\"public_key\":\"%s\"}",
                       sim_json_string (object, "signature"), sim_json_string (object, "public_key"));
  g_autoptr (JsonObject) verdict = call (world, "Verify", question);

  g_assert_true (json_object_get_boolean_member (verdict, "valid"));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (object, "signature_chain")), ==, 3);
}

static void
test_says_simulator (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (JsonObject) version = call (world, "Version", "{}");
  g_autoptr (JsonObject) info = call (world, "Info", "{}");

  g_assert_true (json_object_get_boolean_member (version, "simulator"));
  g_assert_true (g_str_has_prefix (sim_json_string (version, "rev"), "teesql-simulator"));
  g_assert_true (json_object_get_boolean_member (info, "simulator"));
}

static void
test_info (void)
{
  g_autoptr (SimWorld) world = start ();
  const TeesqlSimGuest *guest = sim_world_guest (world);
  g_autoptr (JsonObject) info = call (world, "Info", "{}");
  const char *text = sim_json_string (info, "tcb_info");
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) tcb_info = teesql_sim_json_parse_object (text, strlen (text), &error);
  g_autoptr (GBytes) rtmr3 = NULL;
  g_autoptr (GBytes) app_id = sim_json_bytes (info, "app_id");

  g_assert_no_error (error);
  rtmr3 = sim_json_bytes (tcb_info, "rtmr3");
  sim_assert_bytes (rtmr3, guest->machine->rtmr[3], 48);
  sim_assert_bytes (app_id, guest->app->app_id, 20);
  g_assert_cmpstr (sim_json_string (tcb_info, "app_compose"), ==, guest->app->app_compose);
  g_assert_cmpstr (sim_json_string (info, "key_provider_info"), ==, guest->machine->key_provider);
}

static void
test_get_and_query (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (SimAnswer) answer = sim_get (world->socket, "/GetQuote?report_data=ab");
  g_autoptr (SimAnswer) tls = sim_get (world->socket, "/GetTlsKey?subject=x&usage_ra_tls=true&not_after=4000000000");
  g_autoptr (SimAnswer) flagged = sim_request (world->socket, "POST /Version?json HTTP/1.1", "{}", 2);
  g_autoptr (SimAnswer) binary = sim_request (world->socket, "POST /Version HTTP/1.1", "", 0);

  g_assert_cmpuint (answer->status, ==, 200);
  g_assert_cmpuint (tls->status, ==, 200);
  g_assert_cmpuint (flagged->status, ==, 200);
  g_assert_cmpuint (binary->status, ==, 400);
}

static void
test_http (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (SimAnswer) answer = sim_get (teesql_simulator_get_http (world->simulator), "/Version");

  g_assert_cmpuint (answer->status, ==, 200);
}

static void
test_refusals (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autofree char *long_data = g_strnfill (130, 'a');
  g_autofree char *long_request = g_strdup_printf ("{\"report_data\":\"%s\"}", long_data);

  assert_refused (world, "GetQuote", long_request, "Report data is too long");
  assert_refused (world, "GetQuote", "{\"report_data\":\"abc\"}", "report_data is not hex");
  assert_refused (world, "GetQuote", "{\"report_data\":\"zz\"}", "report_data is not hex");
  assert_refused (world, "GetQuote", "{\"report_data\":5}", "report_data is not text");
  assert_refused (world, "GetKey", "{\"path\":\"a\",\"algorithm\":\"rsa\"}", "Unsupported algorithm");
  assert_refused (world, "GetKey", "{\"path\":[]}", "path is not text");
  assert_refused (world, "Sign", "{\"algorithm\":\"\",\"data\":\"\"}", "Unsupported algorithm");
  assert_refused (world, "GetTlsKey", "{\"not_before\":20,\"not_after\":20}", "not_before must be earlier than not_after");
  assert_refused (world, "GetTlsKey", "{\"not_before\":-1}", "not_before is not an unsigned number");
  assert_refused (world, "GetTlsKey", "{\"alt_names\":[1]}", "alt_names is not a list of texts");
  assert_refused (world, "GetTlsKey", "{\"alt_names\":[\"\"]}", "alt_names holds what is no DNS name");
  assert_refused (world, "GetTlsKey", "{\"usage_ra_tls\":\"yes\"}", "usage_ra_tls is not a boolean");
  assert_refused (world, "EmitEvent", "{}", "NotFound");
  assert_refused (world, "prpc/Tappd.Info", "{}", "NotFound");
  assert_refused (world, "Version", "[]", "expected a JSON object");
}

static void
test_bounds (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autofree char *deep = g_strnfill (100000, '[');
  g_autofree char *big = g_strnfill (TEESQL_SIM_MAX_BODY + 1, ' ');
  g_autoptr (SimAnswer) nested = sim_post (world->socket, "/Version", deep);
  g_autoptr (SimAnswer) large = sim_post (world->socket, "/Version", big);
  g_autoptr (SimAnswer) after = sim_post (world->socket, "/Version", "{}");

  g_assert_cmpuint (nested->status, ==, 400);
  g_assert_cmpuint (large->status, ==, 400);
  g_assert_nonnull (strstr (large->body, "payload too large"));
  g_assert_cmpuint (after->status, ==, 200);
}

/* without a length only counting helps */
static void
test_chunked_bound (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autofree char *spaces = g_strnfill (TEESQL_SIM_MAX_BODY + 1, ' ');
  g_autofree char *head = g_strdup_printf ("POST /Version HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
                                           "Host: dstack\r\n\r\n%" G_GINT64_MODIFIER "x\r\n%s\r\n0\r\n",
                                           (guint64) TEESQL_SIM_MAX_BODY + 1, spaces);
  g_autoptr (SimAnswer) answer = sim_request (world->socket, head, NULL, 0);
  g_autoptr (SimAnswer) after = sim_post (world->socket, "/Version", "{}");

  g_assert_cmpuint (answer->status, !=, 200);
  g_assert_cmpuint (after->status, ==, 200);
}

static void
test_socket_mode (void)
{
  g_autoptr (SimWorld) world = start ();
  GStatBuf status;

  g_assert_cmpint (g_stat (world->socket, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0600);
  g_assert_cmpint (g_stat (world->control, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0600);
}

static void
test_socket_taken (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autofree char *file = g_build_filename (world->directory, "file", NULL);
  g_autofree char *name = g_strnfill (200, 'a');
  g_autofree char *long_path = g_strconcat ("/tmp/", name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_sim_unix_socket_new (world->socket, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  g_assert_null (teesql_sim_unix_socket_new (file, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_true (g_file_test (file, G_FILE_TEST_IS_REGULAR)); /* it was left alone */
  g_unlink (file);
  g_assert_null (teesql_sim_unix_socket_new (long_path, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (teesql_sim_unix_socket_new ("relative", &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
}

static void
test_http_loopback_only (void)
{
  g_autoptr (SoupServer) server = teesql_sim_http_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_sim_http_listen_tcp (server, "0.0.0.0:0", TRUE, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (teesql_sim_http_listen_tcp (server, "localhost:0", TRUE, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/agent/get-quote-pads-report-data", test_get_quote);
  g_test_add_func ("/simulator/agent/the-event-log-is-readable", test_event_log);
  g_test_add_func ("/simulator/agent/attest-gives-version-0", test_attest);
  g_test_add_func ("/simulator/agent/get-key-depends-on-the-path-alone", test_get_key);
  g_test_add_func ("/simulator/agent/get-tls-key-does-what-was-asked", test_get_tls_key);
  g_test_add_func ("/simulator/agent/get-tls-key-has-the-agents-defaults", test_get_tls_key_plain);
  g_test_add_func ("/simulator/agent/sign-and-verify-agree", test_sign_and_verify);
  g_test_add_func ("/simulator/agent/says-that-it-is-a-simulator", test_says_simulator);
  g_test_add_func ("/simulator/agent/info-holds-the-measurements", test_info);
  g_test_add_func ("/simulator/agent/reads-queries-and-json-only", test_get_and_query);
  g_test_add_func ("/simulator/agent/answers-over-http", test_http);
  g_test_add_func ("/simulator/agent/refuses-as-the-real-one", test_refusals);
  g_test_add_func ("/simulator/agent/bounds-bodies-and-nesting", test_bounds);
  g_test_add_func ("/simulator/agent/bounds-bodies-without-length", test_chunked_bound);
  g_test_add_func ("/simulator/agent/its-sockets-are-private", test_socket_mode);
  g_test_add_func ("/simulator/agent/takes-no-socket-in-use-and-no-file", test_socket_taken);
  g_test_add_func ("/simulator/agent/http-stays-on-loopback", test_http_loopback_only);
  return g_test_run ();
}
