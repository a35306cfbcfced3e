#include "fixture.h"

static void
refuse_changed (guint offset, guint8 value, TeesqlError code, const char *reason)
{
  g_autoptr (GByteArray) quote = fixture_quote (4, 2, NULL);
  g_autoptr (GError) error = NULL;
  TeesqlQuote parsed = { 0 };

  quote->data[offset] = value;
  g_assert_false (teesql_quote_parse (quote->data, quote->len, &parsed, &error));
  assert_reason (error, TEESQL_VERIFIER_ERROR, code, reason);
  g_assert_null (parsed.body);
}

static void
assert_field_at (const TeesqlQuote *quote, TeesqlField field, gsize offset, gsize size)
{
  gsize found = 0;
  const guint8 *data = teesql_quote_get_field (quote, field, &found);

  g_assert_true (data == quote->body + offset);
  g_assert_cmpuint (found, ==, size);
}

static void
version_4_is_cut_at_the_right_places (void)
{
  g_autoptr (GByteArray) quote = fixture_quote (4, 2, NULL);
  TeesqlQuote parsed;

  g_assert_true (teesql_quote_parse (quote->data, quote->len, &parsed, NULL));
  g_assert_cmpuint (parsed.version, ==, 4);
  g_assert_cmpuint (parsed.body_type, ==, 2);
  g_assert_true (parsed.body == quote->data + 48);
  g_assert_cmpuint (parsed.body_size, ==, 584);
  g_assert_true (parsed.signed_bytes == quote->data);
  g_assert_cmpuint (parsed.signed_size, ==, 632);
  g_assert_cmpuint (teesql_cursor_remaining (&parsed.auth), ==, FIXTURE_AUTH_SIZE);
  g_assert_true (teesql_cursor_peek (&parsed.auth) == quote->data + 636);
  assert_field_at (&parsed, TEESQL_FIELD_TEE_TCB_SVN, 0, 16);
  assert_field_at (&parsed, TEESQL_FIELD_MRSEAM, 16, 48);
  assert_field_at (&parsed, TEESQL_FIELD_MRTD, 136, 48);
  assert_field_at (&parsed, TEESQL_FIELD_RTMR3, 472, 48);
  assert_field_at (&parsed, TEESQL_FIELD_REPORT_DATA, 520, 64);
  g_assert_null (teesql_quote_get_field (&parsed, TEESQL_FIELD_MRSERVICETD, NULL));
  g_assert_null (teesql_quote_get_field (&parsed, TEESQL_FIELD_TEE_TCB_SVN2, NULL));
  g_assert_null (teesql_quote_get_field (&parsed, TEESQL_FIELD_FMSPC, NULL));
}

static void
version_5_says_what_its_body_is (void)
{
  g_autoptr (GByteArray) old_body = fixture_quote (5, 2, NULL);
  g_autoptr (GByteArray) new_body = fixture_quote (5, 3, NULL);
  TeesqlQuote parsed;

  g_assert_true (teesql_quote_parse (old_body->data, old_body->len, &parsed, NULL));
  g_assert_true (parsed.body == old_body->data + 54);
  g_assert_cmpuint (parsed.signed_size, ==, 638);
  g_assert_null (teesql_quote_get_field (&parsed, TEESQL_FIELD_MRSERVICETD, NULL));
  g_assert_true (teesql_quote_parse (new_body->data, new_body->len, &parsed, NULL));
  g_assert_cmpuint (parsed.body_type, ==, 3);
  g_assert_cmpuint (parsed.signed_size, ==, 702);
  assert_field_at (&parsed, TEESQL_FIELD_TEE_TCB_SVN2, 584, 16);
  assert_field_at (&parsed, TEESQL_FIELD_MRSERVICETD, 600, 48);
}

static void
a_body_must_have_the_size_of_its_type (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlQuote parsed;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GByteArray) quote = fixture_quote (5, i == 0 ? 2 : 3, NULL);

      quote->data[48] = i == 0 ? 3 : 2;
      g_assert_false (teesql_quote_parse (quote->data, quote->len, &parsed, &error));
      assert_reason (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, "quote-size");
      g_clear_error (&error);
      quote->data[48] = 1; /* an SGX report */
      g_assert_false (teesql_quote_parse (quote->data, quote->len, &parsed, &error));
      assert_reason (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, "quote-body-type");
      g_clear_error (&error);
    }
}

static void
what_is_not_a_tdx_quote_is_refused_by_its_header (void)
{
  refuse_changed (0, 3, TEESQL_ERROR_UNSUPPORTED, "quote-version");
  refuse_changed (1, 1, TEESQL_ERROR_UNSUPPORTED, "quote-version");
  refuse_changed (2, 3, TEESQL_ERROR_UNSUPPORTED, "quote-key-type");
  refuse_changed (4, 0, TEESQL_ERROR_UNSUPPORTED, "quote-tee-type");
  refuse_changed (7, 1, TEESQL_ERROR_UNSUPPORTED, "quote-tee-type");
  refuse_changed (12, 0, TEESQL_ERROR_MALFORMED, "quote-qe-vendor");
  refuse_changed (27, 0, TEESQL_ERROR_MALFORMED, "quote-qe-vendor");
}

/* Signed by nobody, so it must change nothing: not whether the quote parses, not what it says. */
static void
what_follows_is_never_read (void)
{
  for (guint n = 1; n < 100; n += 33)
    {
      g_autoptr (GByteArray) quote = fixture_quote (4, 2, NULL);
      guint end = quote->len;
      TeesqlQuote parsed;

      for (guint fill = 0; fill < 256; fill += 85)
        {
          g_byte_array_set_size (quote, end + n);
          memset (quote->data + end, (int) fill, n);
          g_assert_true (teesql_quote_parse (quote->data, quote->len, &parsed, NULL));
          g_assert_true (teesql_cursor_peek (&parsed.auth) + teesql_cursor_remaining (&parsed.auth) == quote->data + end);
        }
    }
}

static void
every_cut_is_noticed (void)
{
  const guint shapes[][2] = { { 4, 2 }, { 5, 2 }, { 5, 3 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      g_autoptr (GByteArray) quote = fixture_quote (shapes[i][0], shapes[i][1], NULL);

      for (gsize size = 0; size < quote->len; size++)
        {
          g_autofree guint8 *exact = size > 0 ? g_memdup2 (quote->data, size) : g_malloc (1);
          g_autoptr (GError) error = NULL;
          TeesqlQuote parsed;

          g_assert_false (teesql_quote_parse (exact, size, &parsed, &error));
          assert_reason (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED,
                         size < TEESQL_QUOTE_MIN_SIZE ? "quote-size" : "quote-truncated");
        }
    }
}

static void
an_oversized_quote_is_not_even_looked_at (void)
{
  g_autofree guint8 *data = g_malloc0 (TEESQL_EVIDENCE_MAX_QUOTE + 1);
  g_autoptr (GError) error = NULL;
  TeesqlQuote parsed;

  g_assert_false (teesql_quote_parse (data, TEESQL_EVIDENCE_MAX_QUOTE + 1, &parsed, &error));
  assert_reason (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, "quote-size");
}

/* A real quote, where the collection of vectors lies beside the checkout. */
static void
a_real_quote_parses (void)
{
  const char *folder = g_getenv ("TEESQL_VECTORS");
  g_autofree char *beside = g_build_filename (g_getenv ("TEESQL_TEST_SOURCE"), "..", "shared", "vectors", NULL);
  g_autofree char *path = g_build_filename (folder != NULL ? folder : beside, "tdx4-uptodate-a", "quote.bin", NULL);
  static const guint8 mrtd_begin[] = { 0x91, 0xeb, 0x2b, 0x44 };
  g_autofree char *data = NULL;
  TeesqlQuote parsed;
  gsize size = 0;

  if (!g_file_get_contents (path, &data, &size, NULL))
    {
      g_test_skip ("SKIP sdk-quote: no vectors; set TEESQL_VECTORS");
      return;
    }
  g_assert_true (teesql_quote_parse ((const guint8 *) data, size, &parsed, NULL));
  g_assert_cmpmem (teesql_quote_get_field (&parsed, TEESQL_FIELD_MRTD, NULL), 4, mrtd_begin, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quote/version 4 is cut at the right places", version_4_is_cut_at_the_right_places);
  g_test_add_func ("/quote/version 5 says what its body is", version_5_says_what_its_body_is);
  g_test_add_func ("/quote/a body must have the size of its type", a_body_must_have_the_size_of_its_type);
  g_test_add_func ("/quote/what is not a TDX quote is refused by its header", what_is_not_a_tdx_quote_is_refused_by_its_header);
  g_test_add_func ("/quote/what follows it is never read", what_follows_is_never_read);
  g_test_add_func ("/quote/every cut is noticed", every_cut_is_noticed);
  g_test_add_func ("/quote/an oversized quote is not even looked at", an_oversized_quote_is_not_even_looked_at);
  g_test_add_func ("/quote/a real quote parses", a_real_quote_parses);
  return g_test_run ();
}
