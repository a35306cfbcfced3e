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

/* RFC 2104, section 2, over a key of one to 64 bytes */
static void
hmac_by_definition (guint8 out[TEESQL_SHA256_SIZE], const char *key, const guint8 *message, gsize size)
{
  guint8 inner_pad[64];
  guint8 outer_pad[64];
  guint8 inner[TEESQL_SHA256_SIZE];
  const TeesqlDigestPart inner_parts[] = { { inner_pad, sizeof inner_pad }, { message, size } };
  const TeesqlDigestPart outer_parts[] = { { outer_pad, sizeof outer_pad }, { inner, sizeof inner } };
  gsize key_size = strlen (key);

  for (gsize i = 0; i < sizeof inner_pad; i++)
    {
      guint8 byte = i < key_size ? (guint8) key[i] : 0;

      inner_pad[i] = byte ^ 0x36;
      outer_pad[i] = byte ^ 0x5c;
    }
  teesql_digest (TEESQL_DIGEST_SHA256, inner, inner_parts, G_N_ELEMENTS (inner_parts));
  teesql_digest (TEESQL_DIGEST_SHA256, out, outer_parts, G_N_ELEMENTS (outer_parts));
}

/* Short messages go another way than long ones: around the border, in one part and in many. */
static void
hmac_has_one_value_for_every_length (void)
{
  guint8 message[1100];
  guint8 expected[TEESQL_SHA256_SIZE];
  guint8 whole[TEESQL_SHA256_SIZE];
  guint8 parted[TEESQL_SHA256_SIZE];

  for (gsize i = 0; i < sizeof message; i++)
    message[i] = (guint8) (i * 7);
  for (gsize size = 0; size <= sizeof message; size += size < 1000 || size > 1040 ? 50 : 1)
    {
      const TeesqlDigestPart one = { message, size };
      const TeesqlDigestPart three[] = { { message, size / 3 }, { NULL, 0 }, { message + size / 3, size - size / 3 } };

      hmac_by_definition (expected, "key", message, size);
      teesql_hmac_sha256 (whole, (const guint8 *) "key", 3, &one, 1);
      teesql_hmac_sha256 (parted, (const guint8 *) "key", 3, three, G_N_ELEMENTS (three));
      g_assert_cmpmem (whole, sizeof whole, expected, sizeof expected);
      g_assert_cmpmem (parted, sizeof parted, expected, sizeof expected);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/digest/digests match the standard", digests_match_the_standard);
  g_test_add_func ("/digest/parts are a concatenation", parts_are_a_concatenation);
  g_test_add_func ("/digest/HMAC matches its RFC", hmac_matches_its_rfc);
  g_test_add_func ("/digest/HMAC has one value for every length", hmac_has_one_value_for_every_length);
  g_test_add_func ("/digest/HKDF matches its RFC", hkdf_matches_its_rfc);
  return g_test_run ();
}
