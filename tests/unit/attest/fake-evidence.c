#include "fake-platform.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-certificate.h"
#include "ratls/teesql-ratls-identity.h"
#include <string.h>

#define RUNTIME_EVENT 0x08000001u
#define QUOTE_SIZE    1100

static const struct
{
  const char *name;
  const char *payload_hex;
} boot_events[] = {
  { "system-preparing", "" },
  { "app-id", "5bb4ff9a3837357f19dc176407a5709c62eb6c56" },
  { "compose-hash", FAKE_EVENT_COMPOSE },
  { "instance-id", "1691ed1b47506cad7d08834668691d88246f5b1f" },
  { "boot-mr-done", "" },
  { "os-image-hash", "e61be43dd1cc6a6f5edefd7c51b608983780839b0000ce60dd99737dcffe09b9" },
  { "key-provider", "7b226e616d65223a226b6d73222c226964223a22363136323633227d" }, /* {"name":"kms","id":"616263"} */
  { "storage-fs", "657874346673" },
  { "system-ready", "" },
};

static TeesqlEvidence *
build (const guint8 *quote, gboolean drop_event, guint n_more_events)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) bytes = g_bytes_new (quote, QUOTE_SIZE);
  g_autoptr (GError) error = NULL;
  TeesqlEvidence *evidence = NULL;

  teesql_evidence_builder_set_quote (builder, bytes);
  for (guint i = 0; i < G_N_ELEMENTS (boot_events); i++)
    {
      g_autoptr (GBytes) payload =
          boot_events[i].payload_hex[0] != '\0' ? teesql_hex_decode (boot_events[i].payload_hex, -1, &error) : g_bytes_new (NULL, 0);
      const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 1, .name = boot_events[i].name, .payload = payload };

      g_assert_no_error (error);
      if (!drop_event || !g_str_equal (event.name, "storage-fs"))
        teesql_evidence_builder_add_event (builder, &event);
    }
  for (guint i = 0; i < n_more_events; i++)
    {
      g_autoptr (GBytes) payload = g_bytes_new_static ("0123456789012345678901234567890123456789", 40);
      const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 1, .name = "application-event", .payload = payload };

      teesql_evidence_builder_add_event (builder, &event);
    }
  evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  return evidence;
}

/* A quote that parses: nobody signed it. */
static void
fill_quote (guint8 quote[QUOTE_SIZE], const guint8 *report_data, const guint8 *rtmr3)
{
  static const guint8 vendor[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

  memset (quote, 0, QUOTE_SIZE);
  quote[0] = 4;
  quote[2] = 2;
  quote[4] = 0x81;
  memcpy (quote + 12, vendor, sizeof vendor);
  quote[48 + 123] = 0x10; /* SEPT_VE_DISABLE */
  memset (quote + 48 + 136, 0x91, 48);
  memcpy (quote + 48 + 472, rtmr3, 48);
  memcpy (quote + 48 + 520, report_data, TEESQL_REPORT_DATA_SIZE);
  quote[632] = 200;
}

TeesqlEvidence *
fake_evidence_new (const guint8 *report_data, gboolean drop_event, guint n_more_events)
{
  guint8 rtmr3[48] = { 0 };
  guint8 quote[QUOTE_SIZE];
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) draft = NULL;

  fill_quote (quote, report_data, rtmr3);
  draft = build (quote, FALSE, n_more_events);
  g_assert_true (teesql_event_log_rtmr (draft, 3, rtmr3, &error));
  g_assert_no_error (error);
  fill_quote (quote, report_data, rtmr3);
  return build (quote, drop_event, n_more_events);
}

GBytes *
fake_leaf_new (const FakeLeaf *options)
{
  const TeesqlTlsRequest request = { .subject = "peer",
                                     .usage = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT,
                                     .not_before_unix = options->not_before,
                                     .not_after_unix = options->not_after };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) spki = NULL;
  g_autoptr (GBytes) other_spki = NULL;
  g_autoptr (TeesqlSecret) key = teesql_ratls_make_key (&spki, &error);
  g_autoptr (TeesqlSecret) other = teesql_ratls_make_key (&other_spki, &error);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = NULL;
  GBytes *bound = options->other_key ? other_spki : spki;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 0 };

  g_assert_no_error (error);
  if (!options->zero_report)
    teesql_ratls_report_data (g_bytes_get_data (bound, NULL), g_bytes_get_size (bound), report_data);
  evidence = fake_evidence_new (report_data, options->drop_event, options->n_more_events);
  identity = teesql_ratls_make_identity (key, &request, evidence, report_data, &error);
  g_assert_no_error (error);
  return g_bytes_ref (teesql_tls_identity_get_chain (identity, &(guint){ 0 })[0]);
}
