#include "fixtures.h"

#include "base/teesql-domains.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-msgpack.h"
#include "ratls/teesql-ratls-attestation.h"

static guint8 report_data[64] = { 0x01, 0xfe };

/* A writer for the test alone: what upstream's serializer produces, and what it never would. */
typedef struct
{
  gboolean quote_as_bin;
  const char *platform_kind;
  const char *stack_kind;
  guint version;
  guint event_version;
  guint report_data_size;
  gboolean platform_log;
  gboolean data_first;
  const char *extra; /* hex of further key and value of the outer map */
} Options;

static const Options usual = { FALSE, "tdx", "dstack", 1, 1, 64, FALSE, FALSE, NULL };

static void
put (GByteArray *out, guint8 byte)
{
  g_byte_array_append (out, &byte, 1);
}

static void
put_text (GByteArray *out, const char *text)
{
  gsize size = strlen (text);

  if (size < 32)
    put (out, (guint8) (0xa0 | size));
  else
    {
      put (out, 0xd9);
      put (out, (guint8) size);
    }
  g_byte_array_append (out, (const guint8 *) text, (guint) size);
}

static void
put_u16 (GByteArray *out, guint8 marker, gsize value)
{
  put (out, marker);
  put (out, (guint8) (value >> 8));
  put (out, (guint8) value);
}

static void
put_u32 (GByteArray *out, guint32 value)
{
  put (out, 0xce);
  for (int i = 3; i >= 0; i--)
    put (out, (guint8) (value >> (8 * i)));
}

static void
put_bin (GByteArray *out, const guint8 *data, gsize size)
{
  put_u16 (out, 0xc5, size);
  g_byte_array_append (out, data, (guint) size);
}

static void
put_array_of_bytes (GByteArray *out, const guint8 *data, gsize size)
{
  put_u16 (out, 0xdc, size);
  for (gsize i = 0; i < size; i++)
    {
      if (data[i] >= 0x80)
        put (out, 0xcc);
      put (out, data[i]);
    }
}

static void
put_payload (GByteArray *out, const FixtureEvent *event)
{
  put_bin (out, (const guint8 *) event->payload, strlen (event->payload));
}

static void
put_platform_event (GByteArray *out, const FixtureEvent *event, guint version)
{
  put (out, 0x86);
  put_text (out, "imr");
  put (out, 3);
  put_text (out, "event_type");
  put_u32 (out, RUNTIME_EVENT);
  put_text (out, "digest");
  put_bin (out, NULL, 0);
  put_text (out, "event");
  put_text (out, event->name);
  put_text (out, "event_payload");
  put_payload (out, event);
  put_text (out, "version");
  put (out, (guint8) version);
}

static void
put_runtime_event (GByteArray *out, const FixtureEvent *event, guint version)
{
  put (out, version == 1 ? 0x82 : 0x83);
  put_text (out, "event");
  put_text (out, event->name);
  put_text (out, "payload");
  put_payload (out, event);
  if (version == 1)
    return;
  put_text (out, "version");
  put (out, (guint8) version);
}

static void
put_kind_and_data (GByteArray *out, const char *kind, gboolean data_first, GByteArray *data)
{
  put (out, 0x82);
  if (!data_first)
    {
      put_text (out, "kind");
      put_text (out, kind);
    }
  put_text (out, "data");
  g_byte_array_append (out, data->data, data->len);
  if (data_first)
    {
      put_text (out, "kind");
      put_text (out, kind);
    }
}

static void
put_platform (GByteArray *out, const Options *options, GBytes *quote)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();

  put (data, 0x82);
  put_text (data, "quote");
  (options->quote_as_bin ? put_bin : put_array_of_bytes) (data, g_bytes_get_data (quote, NULL), g_bytes_get_size (quote));
  put_text (data, "event_log");
  put (data, (guint8) (0x90 | (options->platform_log ? FIXTURE_N_EVENTS : 0)));
  for (guint i = 0; options->platform_log && i < FIXTURE_N_EVENTS; i++)
    put_platform_event (data, &fixture_events[i], options->event_version);
  put_kind_and_data (out, options->platform_kind, options->data_first, data);
}

static void
put_stack (GByteArray *out, const Options *options)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();

  put (data, 0x83);
  put_text (data, "report_data");
  put_array_of_bytes (data, report_data, options->report_data_size);
  put_text (data, "runtime_events");
  put (data, 0x90 | FIXTURE_N_EVENTS);
  for (guint i = 0; i < FIXTURE_N_EVENTS; i++)
    put_runtime_event (data, &fixture_events[i], options->event_version);
  put_text (data, "config");
  put_text (data, "{}");
  put_kind_and_data (out, options->stack_kind, options->data_first, data);
}

static GByteArray *
encode (const Options *options)
{
  GByteArray *out = g_byte_array_new ();
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, options->event_version);

  put (out, options->extra != NULL ? 0x84 : 0x83);
  put_text (out, "version");
  put (out, (guint8) options->version);
  put_text (out, "platform");
  put_platform (out, options, teesql_evidence_get_quote (evidence));
  put_text (out, "stack");
  put_stack (out, options);
  if (options->extra != NULL)
    {
      g_autoptr (GBytes) extra = fixture_hex (options->extra);

      g_byte_array_append (out, g_bytes_get_data (extra, NULL), (guint) g_bytes_get_size (extra));
    }
  return out;
}

static TeesqlEvidence *
parse (const GByteArray *bytes, gsize size, GBytes **out_report_data, GError **error)
{
  g_autofree guint8 *exact = g_memdup2 (bytes->data, size);

  return teesql_ratls_attestation_parse (exact, size, out_report_data, error);
}

static void
assert_refused (const Options *options, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) bytes = encode (options);

  g_assert_null (parse (bytes, bytes->len, NULL, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, code, reason);
}

static void
assert_accepted (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) bytes = encode (options);
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (TeesqlEvidence) evidence = parse (bytes, bytes->len, &envelope, &error);
  g_autoptr (TeesqlEvidence) expected = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, options->event_version);
  guint8 found_rtmr3[48];
  guint8 expected_rtmr3[48];

  g_assert_no_error (error);
  assert_same_bytes (g_bytes_get_data (envelope, NULL), g_bytes_get_size (envelope), report_data, 64);
  g_assert_true (g_bytes_equal (teesql_evidence_get_quote (evidence), teesql_evidence_get_quote (expected)));
  g_assert_true (teesql_event_log_rtmr (evidence, 3, found_rtmr3, &error));
  g_assert_true (teesql_event_log_rtmr (expected, 3, expected_rtmr3, &error));
  assert_same_bytes (found_rtmr3, 48, expected_rtmr3, 48);
}

static void
both_forms_of_bytes_are_read (void)
{
  for (guint i = 0; i < 16; i++)
    {
      Options options = usual;

      options.quote_as_bin = (i & 1) != 0;
      options.platform_log = (i & 2) != 0;
      options.event_version = (i & 4) != 0 ? 2 : 1;
      options.data_first = (i & 8) != 0;
      assert_accepted (&options);
    }
}

static void
unknown_keys_are_skipped (void)
{
  static const char *const extras[] = {
    "a178c0",
    "a17881a179920182a0c2a16bcb0000000000000000",
    "a178d9016b",
    "a178c40100",
    "a178d40102",
    "a178c7020501ff",
    "a178c90000000105aa",
    "a178e0",
    "a178d3ffffffffffffffff",
    "a178ca00000000",
  };

  for (guint i = 0; i < G_N_ELEMENTS (extras); i++)
    {
      Options options = usual;

      options.extra = extras[i];
      assert_accepted (&options);
    }
}

static void
wrong_maps_are_refused (void)
{
  static const char *const extras[] = {
    "a776657273696f6e01", /* `version` twice */
    "01c0",               /* a key that is a number */
    "a178c1",             /* the byte msgpack never uses */
    "a178919191919191919191"
    "01",             /* nested deeper than eight */
    "a178dfffffffff", /* a count beyond the bytes */
    "a178ddffffffff",
    "a178c6ffffffff",
    "a178a5"
    "61",
    "a178",
    "a1ffc0", /* a key that is not UTF-8 */
  };

  for (guint i = 0; i < G_N_ELEMENTS (extras); i++)
    {
      Options options = usual;

      options.extra = extras[i];
      assert_refused (&options, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
trailing_bytes_are_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) bytes = encode (&usual);

  put (bytes, 0xc0);
  g_assert_null (parse (bytes, bytes->len, NULL, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
}

static void
every_cut_is_refused (void)
{
  g_autoptr (GByteArray) bytes = encode (&usual);

  for (gsize n = 0; n < bytes->len; n++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (bytes, n, NULL, &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
other_values_are_refused (void)
{
  Options options = usual;

  options.version = 2;
  assert_refused (&options, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  options = usual;
  options.report_data_size = 63;
  assert_refused (&options, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  options = usual;
  options.platform_kind = "sev-snp";
  assert_refused (&options, TEESQL_ERROR_UNSUPPORTED, "evidence-platform");
  options = usual;
  options.platform_kind = "gcp-tdx";
  assert_refused (&options, TEESQL_ERROR_UNSUPPORTED, "evidence-platform");
  options = usual;
  options.stack_kind = "dstack-pod"; /* its report data belongs to a payload, not to a key */
  assert_refused (&options, TEESQL_ERROR_UNSUPPORTED, "evidence-platform");
}

static void
elements_of_a_byte_array_are_bytes (void)
{
  static const struct
  {
    const char *hex;
    gboolean accepted;
  } rows[] = {
    { "93007fccff", TRUE }, { "c403000102", TRUE }, { "92cd010001", FALSE }, { "91ff", FALSE },
    { "91a161", FALSE },    { "a161", FALSE },      { "9500", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GBytes) bytes = fixture_hex (rows[i].hex);
      g_autoptr (GBytes) out = NULL;
      TeesqlCursor cursor = { 0 };

      teesql_cursor_init (&cursor, "test", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
      g_assert_cmpint (teesql_msgpack_bytes (&cursor, "quote", 16, &out, NULL), ==, rows[i].accepted);
      if (rows[i].accepted)
        g_assert_cmpuint (g_bytes_get_size (out), ==, 3);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attestation/v1/both-forms-of-bytes-are-read", both_forms_of_bytes_are_read);
  g_test_add_func ("/attestation/v1/unknown-keys-are-skipped", unknown_keys_are_skipped);
  g_test_add_func ("/attestation/v1/wrong-maps-are-refused", wrong_maps_are_refused);
  g_test_add_func ("/attestation/v1/trailing-bytes-are-refused", trailing_bytes_are_refused);
  g_test_add_func ("/attestation/v1/every-cut-is-refused", every_cut_is_refused);
  g_test_add_func ("/attestation/v1/other-values-are-refused", other_values_are_refused);
  g_test_add_func ("/attestation/v1/elements-of-a-byte-array-are-bytes", elements_of_a_byte_array_are_bytes);
  return g_test_run ();
}
