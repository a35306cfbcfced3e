#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <string.h>

static void
assert_hex_refused (const char *text, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_hex_decode (text, -1, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, (int) TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
hex_goes_there_and_back (void)
{
  guint8 all[256];
  g_autofree char *text = NULL;
  g_autofree char *upper = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) from_upper = NULL;

  for (guint i = 0; i < sizeof all; i++)
    all[i] = (guint8) i;
  text = teesql_hex_encode (all, sizeof all);
  upper = g_ascii_strup (text, -1);
  bytes = teesql_hex_decode (text, -1, NULL);
  from_upper = teesql_hex_decode (upper, -1, NULL);
  g_assert_cmpmem (all, sizeof all, g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes));
  g_assert_true (g_bytes_equal (bytes, from_upper));
  g_assert_true (g_str_has_prefix (text, "000102"));
  g_assert_true (g_str_has_suffix (text, "fdfeff"));
}

static void
bad_hex_is_refused (void)
{
  assert_hex_refused ("abc", "hex-length");
  assert_hex_refused ("0x", "hex-character");
  assert_hex_refused ("0 ", "hex-character");
  assert_hex_refused ("g0", "hex-character");
  assert_hex_refused ("\xc3\xa9", "hex-character");
}

static void
a_fixed_size_must_fit_and_failure_writes_nothing (void)
{
  guint8 out[3] = { 7, 7, 7 };
  const guint8 untouched[3] = { 7, 7, 7 };

  g_assert_false (teesql_hex_decode_into ("0102", -1, out, 3, NULL));
  g_assert_false (teesql_hex_decode_into ("01020304", -1, out, 3, NULL));
  g_assert_false (teesql_hex_decode_into ("01020z", -1, out, 3, NULL));
  g_assert_cmpmem (out, 3, untouched, 3);
  g_assert_true (teesql_hex_decode_into ("010203ff", 6, out, 3, NULL));
  g_assert_cmpuint (out[2], ==, 3);
}

/* RFC 4648, section 10 */
static void
base64_passes_the_vectors_of_its_rfc (void)
{
  const char *const vectors[][2] = { { "", "" },
                                     { "f", "Zg==" },
                                     { "fo", "Zm8=" },
                                     { "foo", "Zm9v" },
                                     { "foob", "Zm9vYg==" },
                                     { "fooba", "Zm9vYmE=" },
                                     { "foobar", "Zm9vYmFy" } };

  for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++)
    {
      g_autofree char *text = teesql_base64_encode ((const guint8 *) vectors[i][0], strlen (vectors[i][0]));
      g_autoptr (GBytes) bytes = teesql_base64_decode (vectors[i][1], -1, NULL);

      g_assert_cmpstr (text, ==, vectors[i][1]);
      g_assert_nonnull (bytes);
      g_assert_cmpmem (vectors[i][0], (int) strlen (vectors[i][0]), g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes));
    }
}

static void
base64_has_one_spelling (void)
{
  const char *const bad[] = {
    "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 8", "Zm8=\n", "Z=8=", "=m8=", "Zm8-", "====", "Zg==Zg==", "Zm9\xff"
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      GBytes *bytes = teesql_base64_decode (bad[i], -1, &error);

      if (bytes != NULL)
        g_error ("\"%s\" was taken", bad[i]);
      g_assert_error (error, TEESQL_PARSE_ERROR, (int) TEESQL_ERROR_MALFORMED);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hex/goes there and back", hex_goes_there_and_back);
  g_test_add_func ("/hex/bad text is refused", bad_hex_is_refused);
  g_test_add_func ("/hex/a fixed size must fit and failure writes nothing", a_fixed_size_must_fit_and_failure_writes_nothing);
  g_test_add_func ("/base64/passes the vectors of its RFC", base64_passes_the_vectors_of_its_rfc);
  g_test_add_func ("/base64/has one spelling", base64_has_one_spelling);
  return g_test_run ();
}
