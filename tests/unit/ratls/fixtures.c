#include "fixtures.h"

#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"

#define HEADER_SIZE 48
#define BODY_SIZE   584
#define AUTH_SIZE   512

static const guint8 qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

#define APP_ID       "AAAAAAAAAAAAAAAAAAAA"
#define COMPOSE_HASH "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
#define INSTANCE_ID  "IIIIIIIIIIIIIIIIIIII"

const FixtureEvent fixture_events[FIXTURE_N_EVENTS] = {
  { "system-preparing", "", G_MAXSIZE },       { "app-id", APP_ID, G_MAXSIZE },
  { "compose-hash", COMPOSE_HASH, G_MAXSIZE }, { "instance-id", INSTANCE_ID, G_MAXSIZE },
  { "boot-mr-done", "", G_MAXSIZE },           { "key-provider", "{\"name\":\"kms\",\"id\":\"" FIXTURE_KMS_ID "\"}", G_MAXSIZE },
  { "storage-fs", "zfs", G_MAXSIZE },          { "system-ready", "", G_MAXSIZE },
};

static void
append_zeros (GByteArray *out, gsize n)
{
  g_autofree guint8 *zeros = g_malloc0 (n + 1);

  g_byte_array_append (out, zeros, (guint) n);
}

GBytes *
fixture_quote (const guint8 report_data[64], const guint8 rtmr3[48], gsize padding)
{
  static const guint8 head[12] = { 4, 0, 2, 0, 0x81 };
  static const guint8 auth_size[4] = { AUTH_SIZE & 0xff, AUTH_SIZE >> 8 };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  guint8 one = 1;

  g_byte_array_append (out, head, sizeof head);
  g_byte_array_append (out, qe_vendor, sizeof qe_vendor);
  append_zeros (out, 20);
  append_zeros (out, 472);
  g_byte_array_append (out, rtmr3, 48);
  g_byte_array_append (out, report_data, 64);
  g_assert_cmpuint (out->len, ==, HEADER_SIZE + BODY_SIZE);
  g_byte_array_append (out, auth_size, sizeof auth_size);
  append_zeros (out, AUTH_SIZE - 1);
  g_byte_array_append (out, &one, 1);
  append_zeros (out, padding);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

void
fixture_add_boot_events (TeesqlEvidenceBuilder *builder)
{
  g_autofree guint8 *digest = g_malloc0 (48);
  g_autoptr (GBytes) digest_bytes = g_bytes_new_take (g_steal_pointer (&digest), 48);
  g_autoptr (GBytes) acpi = g_bytes_new_static ("ACPI DATA", 9);
  g_autoptr (GBytes) other = g_bytes_new_static ("\x01\x02", 2);
  const TeesqlEvent events[] = {
    { .rtmr = 0, .type = 0x8000000b, .version = 1, .name = "", .digest = digest_bytes, .payload = other },
    { .rtmr = 0, .type = 10, .version = 1, .name = "", .digest = digest_bytes, .payload = acpi },
    { .rtmr = 1, .type = 0x80000003, .version = 1, .name = "", .digest = digest_bytes, .payload = other },
  };

  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    teesql_evidence_builder_add_event (builder, &events[i]);
}

void
fixture_add_events (TeesqlEvidenceBuilder *builder, const FixtureEvent *events, guint n_events, guint version)
{
  for (guint i = 0; i < n_events; i++)
    {
      gsize size = events[i].size == G_MAXSIZE ? strlen (events[i].payload) : events[i].size;
      g_autoptr (GBytes) payload = g_bytes_new_static (events[i].payload, size);
      const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = version, .name = events[i].name, .payload = payload };

      teesql_evidence_builder_add_event (builder, &event);
    }
}

static TeesqlEvidence *
build (GBytes *quote, const FixtureEvent *events, guint n_events, guint version)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  TeesqlEvidence *evidence = NULL;

  teesql_evidence_builder_set_quote (builder, quote);
  teesql_evidence_builder_set_platform_config (builder, "{\"vcpu\":2}");
  fixture_add_boot_events (builder);
  fixture_add_events (builder, events, n_events, version);
  evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  return evidence;
}

TeesqlEvidence *
fixture_evidence (const guint8 report_data[64], const FixtureEvent *events, guint n_events, guint version)
{
  g_autoptr (GError) error = NULL;
  guint8 rtmr3[48] = { 0 };
  g_autoptr (GBytes) draft_quote = fixture_quote (report_data, rtmr3, 0);
  g_autoptr (TeesqlEvidence) draft = build (draft_quote, events, n_events, version);
  g_autoptr (GBytes) quote = NULL;

  g_assert_true (teesql_event_log_rtmr (draft, 3, rtmr3, &error));
  g_assert_no_error (error);
  quote = fixture_quote (report_data, rtmr3, 0);
  return build (quote, events, n_events, version);
}

GBytes *
fixture_hex (const char *hex)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = teesql_hex_decode (hex, -1, &error);

  g_assert_no_error (error);
  return bytes;
}

char *
fixture_vector (const char *name, gsize *out_size)
{
  const char *folder = g_getenv ("TEESQL_VECTORS");
  const char *source = g_getenv ("TEESQL_TEST_SOURCE");
  g_autofree char *beside = g_build_filename (source != NULL ? source : ".", "..", "shared", "vectors", NULL);
  g_autofree char *path = NULL;
  char *data = NULL;

  if (folder == NULL)
    folder = beside;
  path = g_build_filename (folder, name, NULL);
  if (g_file_get_contents (path, &data, out_size, NULL))
    return data;
  g_print ("# SKIP ratls-vectors: no %s (set TEESQL_VECTORS)\n", path);
  g_test_skip ("vectors are absent");
  return NULL;
}
