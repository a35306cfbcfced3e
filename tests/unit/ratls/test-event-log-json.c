#include "fixtures.h"

#include "base/teesql-domains.h"
#include "ratls/teesql-ratls-attestation.h"

#define DIGEST_48     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
#define RUNTIME(rest) "{\"imr\":3,\"event_type\":134217729,\"event\":\"app\",\"event_payload\":\"6162\"" rest "}"
#define BOOT(rest)    "{\"imr\":0,\"event_type\":4,\"event\":\"\",\"event_payload\":\"00000000\"" rest "}"

static TeesqlEvidence *
parse (const char *text, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = g_bytes_new_static ("q", 1);
  gsize size = strlen (text);
  g_autofree char *exact = g_memdup2 (text, size);

  teesql_evidence_builder_set_quote (builder, quote);
  if (!teesql_ratls_event_log_parse_json (exact != NULL ? exact : "", size, builder, error))
    return NULL;
  return teesql_evidence_builder_end (builder, error);
}

static void
good_logs_are_read (void)
{
  static const struct
  {
    const char *text;
    guint n_events;
  } rows[] = {
    { "[]", 0 },
    { " [ ] \n", 0 },
    { "[" RUNTIME ("") "]", 1 },
    { "[" RUNTIME (",\"digest\":\"\"") "," BOOT (",\"digest\":\"" DIGEST_48 "\"") "]", 2 },
    { "[" RUNTIME (",\"unknown\":{\"a\":[1,-2.5e3,true,null,\"x\\n\"]}") "]", 1 },
    { "[" RUNTIME (",\"version\":2,\"preimage\":"
                   "\"7b226e616d65223a22617070222c227061796c6f6164223a2236313632222c2274797065223a3133343231373732397d\"") "]",
      1 },
    { "[{\"imr\":3,\"event_type\":134217729,\"event\":\"\\u0061pp\",\"event_payload\":\"\"}]", 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlEvidence) evidence = parse (rows[i].text, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, rows[i].n_events);
    }
}

static void
bad_logs_are_refused (void)
{
  static const char *const rows[] = {
    "",
    "{}",
    "[",
    "[}",
    "[,]",
    "[1]",
    "[" RUNTIME (""),
    "[" RUNTIME ("") "]x",
    "[" RUNTIME ("") ",]",
    "[" RUNTIME ("") " " RUNTIME ("") "]",
    /* a member twice, missing, of another type, out of range, with a sign or a fraction */
    "[" RUNTIME (",\"imr\":3") "]",
    "[" RUNTIME (",\"x\":1,\"x\":2") "]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\"}]",
    "[{\"imr\":\"3\",\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":4,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":-1,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":3.0,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":03,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":99999999999999999999999,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":2,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":4,\"event\":\"a\",\"event_payload\":\"\",\"digest\":\"" DIGEST_48 "\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a:b\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\\u0000b\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\\ud800\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\\q\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\tb\",\"event_payload\":\"\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"0\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"a\",\"event_payload\":\"zz\"}]",
    "[{\"imr\":3,\"event_type\":134217729,\"event\":\"\xff\",\"event_payload\":\"\"}]",
    /* versions, preimages */
    "[" RUNTIME (",\"version\":0") "]",
    "[" RUNTIME (",\"version\":3") "]",
    "[" RUNTIME (",\"version\":2,\"preimage\":\"7b7d\"") "]",
    /* a boot event needs its digest, of its size */
    "[" BOOT ("") "]",
    "[" BOOT (",\"digest\":\"00\"") "]",
    /* values that nobody reads are still values, and not deeper than eight */
    "[" RUNTIME (",\"x\":nul") "]",
    "[" RUNTIME (",\"x\":") "]",
    "[" RUNTIME (",\"x\":[[[[[[[[[1]]]]]]]]]") "]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("row %u", i);
      g_assert_null (parse (rows[i], &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
foreign_digest_is_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (parse ("[" RUNTIME (",\"digest\":\"" DIGEST_48 "\"") "]", &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-digest");
}

static void
too_many_events_are_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new ("[");

  for (guint i = 0; i <= TEESQL_EVENT_LOG_MAX; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "", RUNTIME (""));
  g_string_append_c (text, ']');
  g_assert_null (parse (text->str, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/event-log-json/good-logs-are-read", good_logs_are_read);
  g_test_add_func ("/event-log-json/bad-logs-are-refused", bad_logs_are_refused);
  g_test_add_func ("/event-log-json/foreign-digest-is-refused", foreign_digest_is_refused);
  g_test_add_func ("/event-log-json/too-many-events-are-refused", too_many_events_are_refused);
  return g_test_run ();
}
