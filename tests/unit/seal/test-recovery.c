#include "fixture.h"
#include "seal/teesql-recovery-private.h"
#include <gnutls/abstract.h>

typedef struct
{
  char *private_pem;
  char *public_pem;
} KeyPair;

static KeyPair
make_pair (gnutls_pk_algorithm_t algorithm, guint bits)
{
  gnutls_x509_privkey_t key = NULL;
  gnutls_privkey_t abstract = NULL;
  gnutls_pubkey_t public = NULL;
  gnutls_datum_t private_pem = { 0 };
  gnutls_datum_t public_pem = { 0 };
  KeyPair pair;

  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (key, algorithm, bits, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_export2 (key, GNUTLS_X509_FMT_PEM, &private_pem), ==, 0);
  g_assert_cmpint (gnutls_privkey_init (&abstract), ==, 0);
  g_assert_cmpint (gnutls_privkey_import_x509 (abstract, key, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_init (&public), ==, 0);
  g_assert_cmpint (gnutls_pubkey_import_privkey (public, abstract, 0, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_export2 (public, GNUTLS_X509_FMT_PEM, &public_pem), ==, 0);
  pair = (KeyPair){ g_strndup ((char *) private_pem.data, private_pem.size), g_strndup ((char *) public_pem.data, public_pem.size) };
  gnutls_free (private_pem.data);
  gnutls_free (public_pem.data);
  gnutls_pubkey_deinit (public);
  gnutls_privkey_deinit (abstract);
  gnutls_x509_privkey_deinit (key);
  return pair;
}

static KeyPair
p256 (void)
{
  return make_pair (GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1));
}

static void
pair_clear (KeyPair *pair)
{
  g_free (pair->private_pem);
  g_free (pair->public_pem);
}

static TeesqlSecret *
secret (const char *text)
{
  return teesql_secret_new ((const guint8 *) text, strlen (text), NULL);
}

static GBytes *
seal_to (const KeyPair *pair, TeesqlEpochKeys *keys, guint32 epoch, gboolean simulated)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlRecipient) recipient = teesql_recipient_new_from_pem (pair->public_pem, strlen (pair->public_pem), &error);
  GBytes *sealed = recipient != NULL ? teesql_recipient_seal (recipient, keys, epoch, simulated, &error) : NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (sealed), ==, 190);
  return sealed;
}

static void
assert_refused (const char *private_pem, GBytes *sealed, gboolean simulated, TeesqlEpochKeys *keys, TeesqlError code, const char *reason)
{
  GError *error = NULL;
  g_autoptr (TeesqlSecret) pem = secret (private_pem);

  g_assert_false (teesql_recovery_open (pem, sealed, simulated, keys, &error));
  fixture_assert_error (&error, code, reason);
}

static void
fresh_keys_come_back (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 3);

  for (guint32 epoch = 0; epoch < 3; epoch++)
    {
      g_autoptr (GError) error = NULL;
      KeyPair pair = p256 ();
      g_autoptr (GBytes) sealed = seal_to (&pair, keys, epoch, epoch == 1);
      g_autoptr (GBytes) again = seal_to (&pair, keys, epoch, epoch == 1);
      g_autoptr (TeesqlEpochKeys) found = teesql_epoch_keys_new (teesql_epoch_keys_get_cluster_id (keys));
      g_autoptr (TeesqlSecret) pem = secret (pair.private_pem);
      guint8 a[8];
      guint8 b[8];

      g_assert_false (g_bytes_equal (sealed, again)); /* an ephemeral key of its own */
      g_assert_true (teesql_recovery_open (pem, sealed, epoch == 1, found, &error));
      g_assert_no_error (error);
      g_assert_true (teesql_epoch_keys_check_value (keys, epoch, a, NULL));
      g_assert_true (teesql_epoch_keys_check_value (found, epoch, b, NULL));
      g_assert_cmpmem (a, sizeof a, b, sizeof b);
      pair_clear (&pair);
    }
}

static void
every_byte_is_refused_when_changed (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  KeyPair pair = p256 ();
  g_autoptr (GBytes) sealed = seal_to (&pair, keys, 0, FALSE);
  g_autoptr (TeesqlSecret) pem = secret (pair.private_pem);

  for (gsize i = 0; i < g_bytes_get_size (sealed); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) changed = fixture_flip (sealed, i, 1);
      g_autoptr (TeesqlEpochKeys) found = teesql_epoch_keys_new (teesql_epoch_keys_get_cluster_id (keys));
      const char *expected = i < 7     ? "recovery-magic"
                             : i == 7  ? "recovery-version"
                             : i == 8  ? "recovery-context" /* simulated */
                             : i < 13  ? "recovery-tag"     /* epoch: bound by the key schedule */
                             : i < 45  ? "recovery-context"
                             : i < 77  ? "recovery-recipient"
                             : i < 142 ? "recovery-point" /* (x, y) with one bit changed is not on the curve */
                                       : "recovery-tag";

      g_assert_false (teesql_recovery_open (pem, changed, FALSE, found, &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, expected);
      g_assert_null (teesql_epoch_keys_lookup (found, 0, NULL));
    }
  pair_clear (&pair);
}

static void
other_sizes (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  KeyPair pair = p256 ();
  g_autoptr (GBytes) sealed = seal_to (&pair, keys, 0, FALSE);
  g_autoptr (GBytes) longer = fixture_join (sealed, 190, sealed, 189);

  for (gsize size = 0; size < 190; size++)
    {
      g_autoptr (GBytes) cut = fixture_join (sealed, size, NULL, 0);

      assert_refused (pair.private_pem, cut, FALSE, keys, TEESQL_ERROR_MALFORMED, "recovery-size");
    }
  assert_refused (pair.private_pem, longer, FALSE, keys, TEESQL_ERROR_MALFORMED, "recovery-size");
  pair_clear (&pair);
}

static void
another_key_cluster_or_simulation (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (TeesqlEpochKeys) cluster = fixture_keys (0, 0x41, 1);
  g_autoptr (TeesqlEpochKeys) kms = fixture_keys (9, 0x40, 1);
  KeyPair pair = p256 ();
  KeyPair other = p256 ();
  g_autoptr (GBytes) sealed = seal_to (&pair, keys, 0, FALSE);

  assert_refused (other.private_pem, sealed, FALSE, keys, TEESQL_ERROR_REFUSED, "recovery-recipient");
  assert_refused (pair.private_pem, sealed, TRUE, keys, TEESQL_ERROR_REFUSED, "recovery-context");
  assert_refused (pair.private_pem, sealed, FALSE, cluster, TEESQL_ERROR_REFUSED, "recovery-context");
  assert_refused (pair.private_pem, sealed, FALSE, kms, TEESQL_ERROR_REFUSED, "kms-key-changed");
  pair_clear (&pair);
  pair_clear (&other);
}

static void
assert_no_recipient (const char *pem)
{
  GError *error = NULL;

  g_assert_null (teesql_recipient_new_from_pem (pem, strlen (pem), &error));
  fixture_assert_error (&error, TEESQL_ERROR_CONFIG, "recovery-key");
}

static void
keys_that_are_none (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  KeyPair good = p256 ();
  KeyPair p384 = make_pair (GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP384R1));
  KeyPair rsa = make_pair (GNUTLS_PK_RSA, 2048);
  g_autoptr (GBytes) sealed = seal_to (&good, keys, 0, FALSE);

  assert_no_recipient (p384.public_pem);
  assert_no_recipient (rsa.public_pem);
  assert_no_recipient (good.private_pem);
  assert_no_recipient ("");
  assert_refused (p384.private_pem, sealed, FALSE, keys, TEESQL_ERROR_CONFIG, "recovery-key");
  assert_refused (rsa.private_pem, sealed, FALSE, keys, TEESQL_ERROR_CONFIG, "recovery-key");
  assert_refused (good.public_pem, sealed, FALSE, keys, TEESQL_ERROR_CONFIG, "recovery-key");
  pair_clear (&good);
  pair_clear (&p384);
  pair_clear (&rsa);
}

static void
scalars_out_of_range (void)
{
  /* the order of the group, SEC 2 */
  static const guint8 order[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
  guint8 scalar[32] = { 0 };
  guint8 point[65];
  guint8 shared[32];
  guint8 zeros[65] = { 0x04 };

  g_assert_false (teesql_p256_public (scalar, point));
  g_assert_false (teesql_p256_public (order, point));
  memcpy (scalar, order, sizeof scalar);
  scalar[31]--;
  g_assert_true (teesql_p256_public (scalar, point)); /* -G */
  g_assert_true (teesql_p256_is_point (point));
  g_assert_true (teesql_p256_agree (scalar, point, shared)); /* G again: its x */
  g_assert_cmpmem (shared, 32, point + 1, 32);
  g_assert_false (teesql_p256_is_point (zeros));
  g_assert_false (teesql_p256_agree (scalar, zeros, shared));
  point[0] = 0x02;
  g_assert_false (teesql_p256_is_point (point));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seal/recovery/fresh-keys-come-back", fresh_keys_come_back);
  g_test_add_func ("/seal/recovery/every-byte-is-refused-when-changed", every_byte_is_refused_when_changed);
  g_test_add_func ("/seal/recovery/other-sizes-are-refused", other_sizes);
  g_test_add_func ("/seal/recovery/another-key-cluster-or-simulation", another_key_cluster_or_simulation);
  g_test_add_func ("/seal/recovery/keys-that-are-none", keys_that_are_none);
  g_test_add_func ("/seal/recovery/scalars-out-of-range", scalars_out_of_range);
  return g_test_run ();
}
