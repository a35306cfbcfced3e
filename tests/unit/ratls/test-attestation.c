#include "fixtures.h"

#include "base/teesql-domains.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-scale.h"

static guint8 report_data[64] = { 0xab, 0xcd, 0xef };

static GBytes *
written (gboolean strip)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  GBytes *bytes = teesql_ratls_attestation_write_v0 (evidence, report_data, strip, &error);

  g_assert_no_error (error);
  return bytes;
}

static TeesqlEvidence *
parse (GBytes *bytes, GBytes **out_report_data, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  /* an exact allocation, so that a sanitizer sees a read behind the end */
  g_autofree guint8 *exact = g_memdup2 (data, size);

  return teesql_ratls_attestation_parse (exact, size, out_report_data, error);
}

static void
assert_refused (GByteArray *array, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (array);

  g_assert_null (parse (bytes, NULL, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, code, reason);
}

static GByteArray *
copy_of (GBytes *bytes)
{
  GByteArray *array = g_byte_array_new ();

  g_byte_array_append (array, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  return array;
}

static void
round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = written (FALSE);
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (TeesqlEvidence) evidence = parse (bytes, &envelope, &error);
  g_autoptr (GBytes) again = NULL;

  g_assert_no_error (error);
  assert_same_bytes (g_bytes_get_data (envelope, NULL), g_bytes_get_size (envelope), report_data, 64);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 3 + FIXTURE_N_EVENTS);
  g_assert_cmpstr (teesql_evidence_get_platform_config (evidence), ==, "{\"vcpu\":2}");
  again = teesql_ratls_attestation_write_v0 (evidence, report_data, FALSE, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, again));
}

static void
stripped_form_replays_rtmr3 (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) full = written (FALSE);
  g_autoptr (GBytes) bytes = written (TRUE);
  g_autoptr (TeesqlEvidence) whole = parse (full, NULL, &error);
  g_autoptr (TeesqlEvidence) evidence = parse (bytes, NULL, &error);
  guint8 expected[48];
  guint8 found[48];

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), <, g_bytes_get_size (full));
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 1 + FIXTURE_N_EVENTS);
  g_assert_true (teesql_event_log_rtmr (whole, 3, expected, &error));
  g_assert_true (teesql_event_log_rtmr (evidence, 3, found, &error));
  assert_same_bytes (found, 48, expected, 48);
}

static void
version_2_events_cannot_be_written (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, 2);

  g_assert_null (teesql_ratls_attestation_write_v0 (evidence, report_data, TRUE, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "event-log-version");
}

static void
every_cut_is_refused (void)
{
  g_autoptr (GBytes) bytes = written (TRUE);

  for (gsize n = 0; n < g_bytes_get_size (bytes); n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) cut = g_bytes_new_from_bytes (bytes, 0, n);

      g_assert_null (parse (cut, NULL, &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

/* A changed byte may leave well-formed evidence, never a crash, and never an error of another domain. */
static void
every_changed_byte_is_survived (void)
{
  g_autoptr (GBytes) bytes = written (TRUE);

  for (gsize i = 0; i < g_bytes_get_size (bytes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GByteArray) array = copy_of (bytes);
      g_autoptr (TeesqlEvidence) evidence = NULL;

      array->data[i] ^= 0x81;
      evidence = teesql_ratls_attestation_parse (array->data, array->len, NULL, &error);
      g_assert_true (evidence != NULL || error->domain == TEESQL_ATTEST_ERROR);
    }
}

static void
trailing_bytes_are_refused (void)
{
  g_autoptr (GBytes) bytes = written (TRUE);
  GByteArray *array = copy_of (bytes);

  g_byte_array_append (array, (const guint8 *) "", 1);
  assert_refused (array, TEESQL_ERROR_MALFORMED, "evidence-malformed");
}

static void
other_platforms_are_named (void)
{
  for (guint8 variant = 1; variant < 6; variant++)
    {
      g_autoptr (GBytes) bytes = written (TRUE);
      GByteArray *array = copy_of (bytes);

      array->data[1] = variant;
      assert_refused (array, TEESQL_ERROR_UNSUPPORTED, "evidence-platform");
    }
}

static void
unknown_formats_are_refused (void)
{
  static const guint8 firsts[] = { 0x01, 0x7f, 0x90, 0xc0, 0xdd, 0xff, '{' };

  for (guint i = 0; i < G_N_ELEMENTS (firsts); i++)
    {
      g_autoptr (GBytes) bytes = written (TRUE);
      GByteArray *array = copy_of (bytes);

      array->data[0] = firsts[i];
      assert_refused (array, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
oversize_is_refused_unread (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *big = g_malloc0 (1048577);

  g_assert_null (teesql_ratls_attestation_parse (big, 1048577, NULL, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
}

static void
compact_has_one_spelling (void)
{
  static const struct
  {
    const char *hex;
    gint64 value; /* -1: refused */
  } rows[] = {
    { "00", 0 },
    { "fc", 63 },
    { "0101", 64 },
    { "fdff", 16383 },
    { "02000100", 16384 },
    { "feffffff", (1 << 30) - 1 },
    { "fd00", -1 },
    { "feff0000", -1 },
    { "0300000040", -1 },
    { "01", -1 },
    { "", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GBytes) bytes = fixture_hex (rows[i].hex);
      g_autoptr (GByteArray) written_again = g_byte_array_new ();
      TeesqlCursor cursor = { 0 };
      gsize size = 0;
      const guint8 *data = g_bytes_get_data (bytes, &size);
      guint32 value = 0;

      teesql_cursor_init (&cursor, "compact", data, size);
      if (!teesql_scale_compact (&cursor, "n", &value, NULL))
        {
          g_assert_cmpint (rows[i].value, ==, -1);
          continue;
        }
      g_assert_cmpint (rows[i].value, ==, value);
      teesql_scale_write_compact (written_again, value);
      assert_same_bytes (written_again->data, written_again->len, data, size);
    }
}

/* By hand: head, quote, then the two event lists as given. */
static GByteArray *
with_lists (const char *platform_hex, const char *runtime_hex)
{
  GByteArray *array = g_byte_array_new ();
  g_autoptr (GBytes) platform = fixture_hex (platform_hex);
  g_autoptr (GBytes) runtime = fixture_hex (runtime_hex);
  static const guint8 head[] = { 0, 0, 0x04, 0x51 };

  g_byte_array_append (array, head, sizeof head);
  g_byte_array_append (array, g_bytes_get_data (platform, NULL), (guint) g_bytes_get_size (platform));
  g_byte_array_append (array, g_bytes_get_data (runtime, NULL), (guint) g_bytes_get_size (runtime));
  g_byte_array_append (array, report_data, sizeof report_data);
  teesql_scale_write_bytes (array, "", 0);
  return array;
}

#define PLATFORM_A "03000000010000080004610462" /* imr 3, runtime, no digest, name `a`, payload `b` */
#define PLATFORM_C "03000000010000080004630462"
#define RUNTIME_A  "04610462"

static void
both_lists_tell_one_story (void)
{
  static const struct
  {
    const char *platform;
    const char *runtime;
    gboolean accepted;
  } rows[] = {
    { "00", "00", TRUE },
    { "00", "04" RUNTIME_A, TRUE },
    { "04" PLATFORM_A, "04" RUNTIME_A, TRUE },
    { "04" PLATFORM_A, "00", FALSE },
    { "04" PLATFORM_A, "08" RUNTIME_A RUNTIME_A, FALSE },
    { "08" PLATFORM_A PLATFORM_A, "04" RUNTIME_A, FALSE },
    { "04" PLATFORM_C, "04" RUNTIME_A, FALSE },
    /* RTMR3 with another type; a runtime event in RTMR2; register 4; a boot event without digest; a name with a colon */
    { "04"
      "030000000100000000"
      "0461"
      "0462",
      "00", FALSE },
    { "04"
      "020000000100000800"
      "0461"
      "0462",
      "00", FALSE },
    { "04"
      "040000000100000800"
      "0461"
      "0462",
      "00", FALSE },
    { "04"
      "000000000100000000"
      "0461"
      "0462",
      "00", FALSE },
    { "00",
      "04"
      "043a"
      "0462",
      FALSE },
    { "00",
      "04"
      "0407"
      "0462",
      FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GByteArray) array = with_lists (rows[i].platform, rows[i].runtime);
      g_autoptr (TeesqlEvidence) evidence = teesql_ratls_attestation_parse (array->data, array->len, NULL, &error);

      g_test_message ("row %u: %s", i, error != NULL ? error->message : "accepted");
      g_assert_cmpint (evidence != NULL, ==, rows[i].accepted);
      if (!rows[i].accepted)
        assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
too_many_events_are_refused (void)
{
  GByteArray *array = g_byte_array_new ();
  static const guint8 head[] = { 0, 0, 0x04, 0x51, 0x00 };

  g_byte_array_append (array, head, sizeof head);
  teesql_scale_write_compact (array, TEESQL_EVENT_LOG_MAX + 1);
  for (guint i = 0; i <= TEESQL_EVENT_LOG_MAX; i++)
    g_byte_array_append (array, (const guint8 *) "\x04\x61\x00", 3);
  g_byte_array_append (array, report_data, sizeof report_data);
  teesql_scale_write_bytes (array, "", 0);
  assert_refused (array, TEESQL_ERROR_MALFORMED, "evidence-malformed");
}

static void
extension_is_wrapped_once (void)
{
  static const struct
  {
    gsize size;
    const char *head;
  } rows[] = { { 0, "0400" }, { 127, "047f" }, { 128, "048180" }, { 255, "0481ff" }, { 256, "04820100" }, { 65536, "0483010000" } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GBytes) payload = g_bytes_new_take (g_malloc0 (rows[i].size + 1), rows[i].size);
      g_autoptr (GBytes) head = fixture_hex (rows[i].head);
      g_autoptr (GBytes) wrapped = teesql_ratls_wrap_extension (payload);

      g_assert_cmpuint (g_bytes_get_size (wrapped), ==, g_bytes_get_size (head) + rows[i].size);
      assert_same_bytes (g_bytes_get_data (wrapped, NULL), g_bytes_get_size (head), g_bytes_get_data (head, NULL), g_bytes_get_size (head));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attestation/v0/reads-back-what-it-writes", round_trip);
  g_test_add_func ("/attestation/v0/stripped-form-replays-rtmr3", stripped_form_replays_rtmr3);
  g_test_add_func ("/attestation/v0/version-2-events-cannot-be-written", version_2_events_cannot_be_written);
  g_test_add_func ("/attestation/v0/every-cut-is-refused", every_cut_is_refused);
  g_test_add_func ("/attestation/v0/every-changed-byte-is-survived", every_changed_byte_is_survived);
  g_test_add_func ("/attestation/v0/trailing-bytes-are-refused", trailing_bytes_are_refused);
  g_test_add_func ("/attestation/v0/other-platforms-are-named", other_platforms_are_named);
  g_test_add_func ("/attestation/v0/both-lists-tell-one-story", both_lists_tell_one_story);
  g_test_add_func ("/attestation/v0/too-many-events-are-refused", too_many_events_are_refused);
  g_test_add_func ("/attestation/unknown-formats-are-refused", unknown_formats_are_refused);
  g_test_add_func ("/attestation/oversize-is-refused-unread", oversize_is_refused_unread);
  g_test_add_func ("/attestation/scale-compact-has-one-spelling", compact_has_one_spelling);
  g_test_add_func ("/attestation/extension-is-wrapped-once", extension_is_wrapped_once);
  return g_test_run ();
}
