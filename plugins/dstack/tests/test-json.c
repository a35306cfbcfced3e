/* The scanner of JSON, the PEM decoder and the event log reader, without a socket. */
#include "dstack/dstack-event-log.h"
#include "dstack/dstack-http.h"
#include "dstack/dstack-json.h"
#include "dstack/dstack-pem.h"
#include "base/teesql-domains.h"
#include <string.h>

static gboolean
parse (const char *text, DstackJsonValue *out_value, GError **error)
{
  return dstack_json_parse ((const guint8 *) text, strlen (text), out_value, error);
}

static void
test_grammar (void)
{
  static const char *const good[] = {
    "{}", " [ ] ", "null", "true", "\"\"", "-0", "0.5e+3", "12E7", "[1,\"a\\u00e9\\n\",{\"b\":[]}]", "[[[[[[[[]]]]]]]]"
  };
  static const char *const bad[] = { "",           " ",
                                     "{",          "[1,]",
                                     "[,1]",       "{\"a\"}",
                                     "{\"a\":}",   "{a:1}",
                                     "{\"a\":1,}", "01",
                                     "1.",         ".5",
                                     "+1",         "1e",
                                     "nul",        "nulls",
                                     "'a'",        "\"a",
                                     "\"\\x\"",    "\"\\u12g4\"",
                                     "\"\n\"",     "{} {}",
                                     "[1 2]",      "\"\\",
                                     "{\"a\" 1}",  "[[[[[[[[[]]]]]]]]]" };
  DstackJsonValue value;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (parse (good[i], &value, &error));
      g_assert_no_error (error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (parse (bad[i], &value, &error));
      g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
    }
}

static void
test_members (void)
{
  g_autoptr (GError) error = NULL;
  DstackJsonValue object;
  DstackJsonValue value;
  gboolean found = TRUE;
  guint64 number = 0;

  g_assert_true (parse ("{\"a\":{\"b\":\"wrong\"},\"b\":\"right\",\"n\":42,\"\\u0062\":3}", &object, &error));
  g_assert_true (dstack_json_member (&object, "b", DSTACK_JSON_STRING, NULL, &value, &error));
  g_assert_true (dstack_json_is (&value, "right"));
  g_assert_true (dstack_json_member (&object, "n", DSTACK_JSON_NUMBER, NULL, &value, &error));
  g_assert_true (dstack_json_uint (&value, 42, &number, &error));
  g_assert_cmpuint (number, ==, 42);
  g_assert_false (dstack_json_uint (&value, 41, &number, NULL));
  g_assert_true (dstack_json_member (&object, "c", DSTACK_JSON_STRING, &found, &value, &error));
  g_assert_false (found);
  g_assert_false (dstack_json_member (&object, "c", DSTACK_JSON_STRING, NULL, &value, NULL));
  g_assert_false (dstack_json_member (&object, "n", DSTACK_JSON_STRING, NULL, &value, NULL));
  g_assert_true (parse ("{\"a\":1,\"a\":1}", &object, &error));
  g_assert_false (dstack_json_member (&object, "a", DSTACK_JSON_NUMBER, NULL, &value, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
}

static void
test_numbers (void)
{
  static const char *const bad[] = { "-1", "1.0", "1e3", "18446744073709551616", "99999999999999999999999" };
  DstackJsonValue value;
  guint64 number = 7;

  g_assert_true (parse ("18446744073709551615", &value, NULL));
  g_assert_true (dstack_json_uint (&value, G_MAXUINT64, &number, NULL));
  g_assert_cmpuint (number, ==, G_MAXUINT64);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_true (parse (bad[i], &value, NULL));
      g_assert_false (dstack_json_uint (&value, G_MAXUINT64, &number, NULL));
    }
}

static void
test_strings (void)
{
  static const char *const bad[] = { "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\xff\"" };
  g_autoptr (GError) error = NULL;
  DstackJsonValue value;
  char *text = NULL;

  g_assert_true (parse ("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", &value, &error));
  text = dstack_json_dup_text (&value, 64, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "a\"\\/\b\f\n\r\té😀");
  g_free (text);
  g_assert_null (dstack_json_dup_text (&value, 10, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_true (parse (bad[i], &value, NULL));
      g_assert_null (dstack_json_dup_text (&value, 64, NULL));
    }
}

static void
test_written_strings_read_back (void)
{
  const char *text = "a\"b\\c\nd\x01 é";
  g_autoptr (GString) json = g_string_new (NULL);
  g_autofree char *back = NULL;
  DstackJsonValue value;

  dstack_json_write_string (json, text);
  g_assert_true (parse (json->str, &value, NULL));
  back = dstack_json_dup_text (&value, 64, NULL);
  g_assert_cmpstr (back, ==, text);
}

static gboolean
decode (const char *text, const char *expected)
{
  g_auto (DstackBuffer) out = { 0 };

  dstack_buffer_init (&out, 64, TRUE);
  if (!dstack_pem_decode ((const guint8 *) text, strlen (text), "PRIVATE KEY", &out, NULL))
    return FALSE;
  g_assert_cmpuint (out.size, ==, strlen (expected));
  g_assert_cmpint (memcmp (out.data, expected, out.size), ==, 0);
  return TRUE;
}

#define PEM(body) "-----BEGIN PRIVATE KEY-----\n" body "\n-----END PRIVATE KEY-----\n"

static void
test_pem (void)
{
  g_assert_true (decode (PEM ("YQ=="), "a"));
  g_assert_true (decode (PEM ("YWI="), "ab"));
  g_assert_true (decode (PEM ("YWJj\nZGVm"), "abcdef"));
  g_assert_true (decode ("\r\n" PEM ("Pz8/fn5+") "\r\n", "???~~~"));
  g_assert_false (decode (PEM (""), ""));
  g_assert_false (decode (PEM ("YQ="), ""));
  g_assert_false (decode (PEM ("YQ==YQ=="), ""));
  g_assert_false (decode (PEM ("Y==="), ""));
  g_assert_false (decode (PEM ("=YQ="), ""));
  g_assert_false (decode (PEM ("YWJ*"), ""));
  g_assert_false (decode (PEM ("YWJj") "x", ""));
  g_assert_false (decode (PEM ("YWJj") PEM ("YWJj"), ""));
  g_assert_false (decode ("-----BEGIN EC PRIVATE KEY-----\nYWJj\n-----END EC PRIVATE KEY-----\n", ""));
  g_assert_false (decode ("-----BEGIN PRIVATE KEY-----\nYWJj\n-----END CERTIFICATE-----\n", ""));
}

static TeesqlEvidence *
event_log (const char *text, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autofree guint8 *bytes = g_malloc0 (1100);
  g_autoptr (GBytes) quote = g_bytes_new (bytes, 1100);

  if (!dstack_event_log_parse ((const guint8 *) text, strlen (text), builder, error))
    return NULL;
  teesql_evidence_builder_set_quote (builder, quote);
  return teesql_evidence_builder_end (builder, error);
}

static void
test_event_log (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence =
      event_log ("[{\"imr\":0,\"event_type\":2147483659,\"digest\":\"cd2312a0d87ef3c4cd2312a0d87ef3c4cd2312a0d87ef3c4cd2312a0d87ef3c4"
                 "cd2312a0d87ef3c4cd2312a0d87ef3c4\",\"event\":\"\",\"event_payload\":\"\"},"
                 "{\"imr\":3,\"event_type\":134217729,\"digest\":\"\",\"event\":\"app-id\",\"event_payload\":\"0a0B\",\"extra\":[1]},"
                 "{\"version\":2,\"imr\":3,\"event_type\":134217729,\"event\":\"x:y\",\"event_payload\":\"\",\"preimage\":\"00\"}]",
                 &error);
  const TeesqlEvent *event = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 3);
  event = teesql_evidence_get_event (evidence, 0);
  g_assert_cmpuint (event->type, ==, 2147483659u);
  g_assert_cmpuint (g_bytes_get_size (event->digest), ==, 48);
  event = teesql_evidence_get_event (evidence, 1);
  g_assert_cmpuint (event->rtmr, ==, 3);
  g_assert_cmpuint (event->version, ==, 1);
  g_assert_cmpstr (event->name, ==, "app-id");
  g_assert_null (event->digest);
  g_assert_true (g_bytes_get_size (event->payload) == 2 && memcmp (g_bytes_get_data (event->payload, NULL), "\x0a\x0b", 2) == 0);
  g_assert_cmpuint (teesql_evidence_get_event (evidence, 2)->version, ==, 2);
}

static void
test_bad_event_logs (void)
{
#define EVENT(imr, type, name, payload)                                                                                                    \
  "[{\"imr\":" imr ",\"event_type\":" type ",\"digest\":\"\",\"event\":" name ",\"event_payload\":" payload "}]"
  static const char *const bad[] = {
    "{}",
    "[1]",
    "[{}]",
    EVENT ("4", "1", "\"a\"", "\"\""),
    EVENT ("-1", "1", "\"a\"", "\"\""),
    EVENT ("3", "4294967296", "\"a\"", "\"\""),
    EVENT ("3", "1", "1", "\"\""),
    EVENT ("3", "1", "\"a\"", "\"0\""),
    EVENT ("3", "1", "\"a\"", "\"xx\""),
    EVENT ("3", "1", "\"a:b\"", "\"\""),
    EVENT ("3", "1", "\"a\"", "3"),
    EVENT ("\"3\"", "1", "\"a\"", "\"\""),
  };
  g_autofree char *payload = g_strnfill (2 * 65537, '0');
  g_autofree char *large = g_strdup_printf ("[{\"imr\":3,\"event_type\":1,\"event\":\"a\",\"event_payload\":\"%s\"}]", payload);
  g_autoptr (GString) many = g_string_new ("[");

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (event_log (bad[i], NULL));
  g_assert_null (event_log (large, NULL));
  for (guint i = 0; i < TEESQL_EVENT_LOG_MAX + 1; i++)
    g_string_append_printf (many, "%s{\"imr\":3,\"event_type\":1,\"event\":\"a\",\"event_payload\":\"\"}", i > 0 ? "," : "");
  g_string_append_c (many, ']');
  g_assert_null (event_log (many->str, NULL));
}

static void
assert_error_text (const char *body, gsize size, const char *expected)
{
  g_autofree guint8 *exact = g_memdup2 (body, size);
  g_autofree char *text = dstack_answer_error_text (exact, size);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_error_texts (void)
{
  g_autofree char *long_text = g_strnfill (130, 'x');
  g_autofree char *protobuf = g_strdup_printf ("\n\x82\x01%s", long_text);

  assert_error_text ("{\n  \"error\": \"Report data is too long\"\n}", 40, "Report data is too long");
  assert_error_text ("\n\x05hello", 7, "hello");
  assert_error_text (protobuf, strlen (protobuf), long_text);
  assert_error_text ("{\"error\":\"a\x7f"
                     "b\"}",
                     15, "a b");
  assert_error_text ("\n\x06hello", 7, "no reason given");
  assert_error_text ("\n\x85", 2, "no reason given");
  assert_error_text ("<html>", 6, "no reason given");
  assert_error_text ("", 0, "no reason given");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dstack/json/knows-the-grammar", test_grammar);
  g_test_add_func ("/dstack/json/finds-members-of-the-top-only", test_members);
  g_test_add_func ("/dstack/json/takes-integers-in-range", test_numbers);
  g_test_add_func ("/dstack/json/unescapes-strings", test_strings);
  g_test_add_func ("/dstack/json/reads-back-what-it-writes", test_written_strings_read_back);
  g_test_add_func ("/dstack/pem/decodes-one-block-strictly", test_pem);
  g_test_add_func ("/dstack/event-log/keeps-digests-of-boot-events", test_event_log);
  g_test_add_func ("/dstack/event-log/refuses-bad-events", test_bad_event_logs);
  g_test_add_func ("/dstack/errors/are-read-as-json-and-protobuf", test_error_texts);
  return g_test_run ();
}
