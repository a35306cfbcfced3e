#include "fixture.h"
#include <gnutls/x509.h>

typedef struct
{
  TeesqlSecret *key;
  GBytes *certificate;
} Pair;

static gnutls_x509_crt_t
self_signed (gnutls_x509_privkey_t key)
{
  gnutls_x509_crt_t certificate = NULL;

  g_assert_cmpint (gnutls_x509_crt_init (&certificate), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_version (certificate, 3), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_serial (certificate, "\x01", 1), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_activation_time (certificate, 1000000000), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_expiration_time (certificate, 2000000000), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_key (certificate, key), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_sign2 (certificate, certificate, key, GNUTLS_DIG_SHA256, 0), ==, 0);
  return certificate;
}

static Pair
make_pair (gnutls_ecc_curve_t curve)
{
  gnutls_x509_privkey_t key = NULL;
  gnutls_x509_crt_t certificate = NULL;
  gnutls_datum_t der = { NULL, 0 };
  Pair pair = { NULL, NULL };

  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (curve), 0), ==, 0);
  certificate = self_signed (key);
  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, &der), ==, 0);
  pair.key = teesql_secret_new (der.data, der.size, NULL);
  gnutls_free (der.data);
  g_assert_cmpint (gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_DER, &der), ==, 0);
  pair.certificate = g_bytes_new (der.data, der.size);
  gnutls_free (der.data);
  gnutls_x509_crt_deinit (certificate);
  gnutls_x509_privkey_deinit (key);
  return pair;
}

static void
pair_clear (Pair *self)
{
  teesql_secret_unref (self->key);
  g_bytes_unref (self->certificate);
}

static void
assert_refused (TeesqlSecret *key, GBytes *const *chain, guint n_chain, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_tls_identity_new (key, chain, n_chain, &error));
  assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, reason);
}

static void
a_key_and_its_leaf_are_an_identity (void)
{
  Pair pair = make_pair (GNUTLS_ECC_CURVE_SECP256R1);
  Pair other = make_pair (GNUTLS_ECC_CURVE_SECP256R1);
  GBytes *chain[] = { pair.certificate, other.certificate };
  g_autoptr (TeesqlTlsIdentity) identity = teesql_tls_identity_new (pair.key, chain, 2, NULL);
  guint n = 0;

  g_assert_nonnull (identity);
  g_assert_true (teesql_tls_identity_get_key (identity) == pair.key);
  g_assert_true (teesql_tls_identity_get_chain (identity, &n)[1] == other.certificate);
  g_assert_cmpuint (n, ==, 2);
  pair_clear (&pair);
  pair_clear (&other);
}

static void
a_key_of_another_leaf_is_refused (void)
{
  Pair pair = make_pair (GNUTLS_ECC_CURVE_SECP256R1);
  Pair other = make_pair (GNUTLS_ECC_CURVE_SECP256R1);
  GBytes *chain[] = { other.certificate, pair.certificate };

  assert_refused (pair.key, chain, 2, "identity-key-mismatch");
  pair_clear (&pair);
  pair_clear (&other);
}

static void
other_curves_and_other_bytes_are_refused (void)
{
  Pair pair = make_pair (GNUTLS_ECC_CURVE_SECP256R1);
  Pair large = make_pair (GNUTLS_ECC_CURVE_SECP384R1);
  g_autoptr (TeesqlSecret) noise = teesql_secret_new ((const guint8 *) "noise", 5, NULL);
  g_autoptr (GBytes) no_certificate = g_bytes_new_static ("noise", 5);
  GBytes *bad_chain[] = { pair.certificate, no_certificate };
  GBytes *long_chain[11];

  for (guint i = 0; i < G_N_ELEMENTS (long_chain); i++)
    long_chain[i] = pair.certificate;
  assert_refused (large.key, &large.certificate, 1, "identity-key");
  assert_refused (noise, &pair.certificate, 1, "identity-key");
  assert_refused (pair.key, bad_chain, 2, "identity-certificate");
  assert_refused (pair.key, NULL, 0, "identity-chain");
  assert_refused (pair.key, long_chain, 11, "identity-chain");
  pair_clear (&pair);
  pair_clear (&large);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tls-identity/a key and its leaf are an identity", a_key_and_its_leaf_are_an_identity);
  g_test_add_func ("/tls-identity/a key of another leaf is refused", a_key_of_another_leaf_is_refused);
  g_test_add_func ("/tls-identity/other curves and other bytes are refused", other_curves_and_other_bytes_are_refused);
  return g_test_run ();
}
