#include "fixtures.h"

#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-attestation.h"
#include "sdk/teesql-quote.h"

#include <json-glib/json-glib.h>

/* Evidence of real machines, which the tree does not carry. */

static const TeesqlField rtmr_fields[] = { TEESQL_FIELD_RTMR0, TEESQL_FIELD_RTMR1, TEESQL_FIELD_RTMR2, TEESQL_FIELD_RTMR3 };

static void
assert_replays_to_quote (TeesqlEvidence *evidence)
{
  g_autoptr (GError) error = NULL;
  TeesqlQuote quote = { 0 };
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (teesql_evidence_get_quote (evidence), &size);

  g_assert_true (teesql_quote_parse (data, size, &quote, &error));
  for (guint i = 0; i < 4; i++)
    {
      guint8 value[48];

      g_assert_true (teesql_event_log_rtmr (evidence, i, value, &error));
      g_assert_no_error (error);
      assert_same_bytes (value, 48, teesql_quote_get_field (&quote, rtmr_fields[i], &size), 48);
    }
}

static void
assert_hex (GBytes *bytes, const char *expected)
{
  g_autofree char *hex = teesql_hex_encode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

  g_assert_cmpstr (hex, ==, expected);
}

static TeesqlLogClaims *
claims_of (TeesqlEvidence *evidence)
{
  g_autoptr (GError) error = NULL;
  TeesqlLogClaims *claims = NULL;
  TeesqlQuote quote = { 0 };
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (teesql_evidence_get_quote (evidence), &size);

  g_assert_true (teesql_quote_parse (data, size, &quote, &error));
  claims = teesql_event_log_replay (evidence, teesql_quote_get_field (&quote, TEESQL_FIELD_RTMR3, &size), &error);
  g_assert_no_error (error);
  g_assert_true (teesql_log_claims_check_mrconfigid (claims, teesql_quote_get_field (&quote, TEESQL_FIELD_MRCONFIGID, &size), &error));
  g_assert_no_error (error);
  return claims;
}

static void
attestation_v0 (void)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  g_autofree char *data = fixture_vector ("dstack/attestation-v0.bin", &size);
  g_autoptr (GBytes) report_data = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlLogClaims) claims = NULL;
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GBytes) stripped = NULL;
  g_autoptr (TeesqlEvidence) in_certificate = NULL;

  if (data == NULL)
    return;
  evidence = teesql_ratls_attestation_parse ((const guint8 *) data, size, &report_data, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 33);
  assert_replays_to_quote (evidence);
  claims = claims_of (evidence);
  assert_hex (claims->app_id, "5bb4ff9a3837357f19dc176407a5709c62eb6c56");
  assert_hex (claims->compose_hash, "c143116fef3940e7f776bfc0919c256232ae5338a6e948c96b711e0b2383483a");
  assert_hex (claims->instance_id, "1691ed1b47506cad7d08834668691d88246f5b1f");
  assert_hex (claims->os_image_hash, "e61be43dd1cc6a6f5edefd7c51b608983780839b0000ce60dd99737dcffe09b9");
  g_assert_cmpstr (claims->key_provider_name, ==, "kms");
  g_assert_true (g_str_has_prefix (claims->key_provider, "kms:"));
  again = teesql_ratls_attestation_write_v0 (evidence, g_bytes_get_data (report_data, NULL), FALSE, &error);
  g_assert_no_error (error);
  assert_same_bytes (g_bytes_get_data (again, NULL), g_bytes_get_size (again), data, size);
  stripped = teesql_ratls_attestation_write_v0 (evidence, g_bytes_get_data (report_data, NULL), TRUE, &error);
  g_assert_cmpuint (g_bytes_get_size (stripped), ==, 6788);
  in_certificate = teesql_ratls_attestation_parse (g_bytes_get_data (stripped, NULL), g_bytes_get_size (stripped), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (in_certificate), ==, 12);
  teesql_log_claims_free (claims_of (in_certificate));
}

static void
quote_report (void)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  g_autofree char *data = fixture_vector ("dstack/quote-report.json", &size);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlLogClaims) claims = NULL;
  g_autoptr (GBytes) quote = NULL;
  JsonObject *object = NULL;
  const char *log = NULL;

  if (data == NULL)
    return;
  g_assert_true (json_parser_load_from_data (parser, data, (gssize) size, &error));
  object = json_node_get_object (json_parser_get_root (parser));
  quote = fixture_hex (json_object_get_string_member (object, "quote"));
  log = json_object_get_string_member (object, "event_log");
  teesql_evidence_builder_set_quote (builder, quote);
  g_assert_true (teesql_ratls_event_log_parse_json (log, strlen (log), builder, &error));
  g_assert_no_error (error);
  evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 28);
  assert_replays_to_quote (evidence);
  claims = claims_of (evidence);
  g_assert_cmpstr (claims->key_provider_name, ==, "local-sgx");
  assert_hex (claims->app_id, "3763bc34552cf3a27ff71ad5f7a90471562a1a2d");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vectors/attestation-of-a-guest-agent", attestation_v0);
  g_test_add_func ("/vectors/quote-with-event-log-as-json", quote_report);
  return g_test_run ();
}
