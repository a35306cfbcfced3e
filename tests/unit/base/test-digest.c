#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include <string.h>

static void
assert_hex (const guint8 *data, gsize size, const char *expected)
{
  g_autofree char *text = teesql_hex_encode (data, size);

  g_assert_cmpstr (text, ==, expected);
}

/* FIPS 180-4 examples for "abc" */
static void
digests_match_the_standard (void)
{
  guint8 out[64];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, out, "abc", 3);
  assert_hex (out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, out, "abc", 3);
  assert_hex (out, 48, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  teesql_digest_bytes (TEESQL_DIGEST_SHA512, out, "abc", 3);
  assert_hex (
      out, 64,
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void
parts_are_a_concatenation (void)
{
  const TeesqlDigestPart parts[] = { { "a", 1 }, { NULL, 0 }, { "bc", 2 } };
  guint8 whole[32];
  guint8 pieces[32];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, whole, "abc", 3);
  teesql_digest (TEESQL_DIGEST_SHA256, pieces, parts, G_N_ELEMENTS (parts));
  g_assert_cmpmem (whole, 32, pieces, 32);
}

/* RFC 4231, test case 2 */
static void
hmac_matches_its_rfc (void)
{
  const TeesqlDigestPart parts[] = { { "what do ya want ", 16 }, { "for nothing?", 12 } };
  guint8 out[32];

  teesql_hmac_sha256 (out, (const guint8 *) "Jefe", 4, parts, G_N_ELEMENTS (parts));
  assert_hex (out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* RFC 5869, test cases 1 and 3 */
static void
hkdf_matches_its_rfc (void)
{
  guint8 ikm[22];
  guint8 salt[13];
  guint8 info[10];
  guint8 out[42];

  memset (ikm, 0x0b, sizeof ikm);
  for (guint i = 0; i < sizeof salt; i++)
    salt[i] = (guint8) i;
  for (guint i = 0; i < sizeof info; i++)
    info[i] = (guint8) (0xf0 + i);
  teesql_hkdf_sha256 (ikm, sizeof ikm, salt, sizeof salt, info, sizeof info, out, sizeof out);
  assert_hex (out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  teesql_hkdf_sha256 (ikm, sizeof ikm, NULL, 0, NULL, 0, out, sizeof out);
  assert_hex (out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/digest/digests match the standard", digests_match_the_standard);
  g_test_add_func ("/digest/parts are a concatenation", parts_are_a_concatenation);
  g_test_add_func ("/digest/HMAC matches its RFC", hmac_matches_its_rfc);
  g_test_add_func ("/digest/HKDF matches its RFC", hkdf_matches_its_rfc);
  return g_test_run ();
}
