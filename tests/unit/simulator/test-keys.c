/* Derivation, signatures and the hash that nettle does not have, against values computed elsewhere. */
#include "base/teesql-hex.h"
#include "sim-test.h"
#include "simulator/teesql-sim-kms.h"
#include <secp256k1_recovery.h>
#include <string.h>

/* the key that dstack publishes for its own simulator */
#define PUBLIC_APP_KEY "d6e88992cdeeee35fe70b5db61ab66cdb191fb9b6ec9313757ef162dd7214d5d"

static TeesqlSecret *
secret_from_hex (const char *hex)
{
  g_autoptr (GError) error = NULL;
  TeesqlSecret *secret = teesql_secret_new_from_hex (hex, -1, &error);

  g_assert_no_error (error);
  return secret;
}

static char *
hex_of (GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  return teesql_hex_encode (data, size);
}

static char *
public_key_hex (TeesqlSimAlgorithm algorithm, const TeesqlSecret *key)
{
  g_autoptr (GBytes) public_key = NULL;
  g_autoptr (GError) error = NULL;
  gboolean good = teesql_sim_public_key (algorithm, key, &public_key, &error);

  g_assert_no_error (error);
  g_assert_true (good);
  return hex_of (public_key);
}

static void
test_worked_values (void)
{
  static const struct
  {
    const char *path;
    const char *key;
    const char *public_key;
  } values[] = {
    { "", "aa221ae548b5a8f52fcb8687cfd873712f6a1232b2717e5ee3d58ab74f21905b",
      "027458ba47c31272b5076edebdc1ecdaedef806b10d76dd0a209cbd1fa14a3f9cf" },
    { "test", "133e8ca6e532ead3e38f00347408771da296e9c70e8e3e362f485154e64ef4e8",
      "02c53a10a891f3c5d599539056edcfa080555ac975cae78e59b5d519dcdaf03389" },
    { "backup/encryption", "8f11c70952daf88c6ff308ced8ddd32a0f1c0bdffc9447481e28670f41497c71",
      "0385e4ee3209dbc91cf61a57929fc50f805ff5fd333a827f243f85bcd35d575b2f" },
    { "pg/superuser", "99902d57b1c340132501d7a6d06b82480a437995c42a6ff2f58018a0b3244252",
      "03dd2dd77c5700cacc13c3c9cb4c6411f5d93e8a8ee63f285295f37e70e3b8d886" },
    { "vms", "1091a4d6721f6a719ca57320e4975f7e237649131111ee1c5032f661dc1cfef2",
      "036105f01d1fd781568f7c208b087b1c4f522601410ed7e9c7870d573de7c46d54" },
  };
  g_autoptr (TeesqlSecret) app_key = secret_from_hex (PUBLIC_APP_KEY);
  g_autofree char *app_public = public_key_hex (TEESQL_SIM_ALGORITHM_SECP256K1, app_key);

  g_assert_cmpstr (app_public, ==, "02818494263695e8839122dbd88e281d7380622999df4e60a14befa0f2d096fc7c");
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlSecret) key = teesql_sim_kms_derive (app_key, values[i].path, &error);
      g_autofree char *hex = NULL;
      g_autofree char *public_key = NULL;

      g_assert_no_error (error);
      hex = teesql_hex_encode (teesql_secret_peek (key, NULL), teesql_secret_get_size (key));
      public_key = public_key_hex (TEESQL_SIM_ALGORITHM_SECP256K1, key);
      g_assert_cmpstr (hex, ==, values[i].key);
      g_assert_cmpstr (public_key, ==, values[i].public_key);
    }
}

static void
test_ed25519_public_key (void)
{
  g_autoptr (TeesqlSecret) key = secret_from_hex ("133e8ca6e532ead3e38f00347408771da296e9c70e8e3e362f485154e64ef4e8");
  g_autofree char *public_key = public_key_hex (TEESQL_SIM_ALGORITHM_ED25519, key);

  g_assert_cmpstr (public_key, ==, "1cbb894af8792a8f6e1e9d58ae2a37364fd8e8378ce9d2300fab933b58aaa6cb");
}

static void
check_keccak (const char *message, gsize size, const char *expected)
{
  g_autofree char *hex = NULL;
  guint8 digest[32];

  teesql_sim_keccak256 ((const guint8 *) message, size, digest);
  hex = teesql_hex_encode (digest, sizeof digest);
  g_assert_cmpstr (hex, ==, expected);
}

static void
test_keccak (void)
{
  g_autofree char *block = g_strnfill (136, 'a');

  check_keccak ("", 0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  check_keccak ("abc", 3, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
  /* one block exactly, and one byte short of it: where padding goes wrong */
  check_keccak (block, 136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e");
  check_keccak (block, 135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446");
}

/* recovers the signer as a contract would */
static char *
recover (const char *message, gsize size, const guint8 signature[TEESQL_SIM_RECOVERABLE_SIZE])
{
  secp256k1_context *context = secp256k1_context_create (SECP256K1_CONTEXT_VERIFY);
  secp256k1_ecdsa_recoverable_signature parsed;
  secp256k1_pubkey point;
  guint8 digest[32];
  guint8 compressed[33];
  size_t length = sizeof compressed;

  teesql_sim_keccak256 ((const guint8 *) message, size, digest);
  g_assert_cmpint (secp256k1_ecdsa_recoverable_signature_parse_compact (context, &parsed, signature, signature[64]), ==, 1);
  g_assert_cmpint (secp256k1_ecdsa_recover (context, &point, &parsed, digest), ==, 1);
  secp256k1_ec_pubkey_serialize (context, compressed, &length, &point, SECP256K1_EC_COMPRESSED);
  secp256k1_context_destroy (context);
  return teesql_hex_encode (compressed, length);
}

static void
test_signature_chain (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimKms *kms = sim_world_guest (world)->kms;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) key = teesql_sim_kms_derive (kms->app_key, "test", &error);
  g_autofree char *app_public = public_key_hex (TEESQL_SIM_ALGORITHM_SECP256K1, kms->app_key);
  g_autoptr (GBytes) public_key = NULL;
  g_autoptr (GByteArray) issued = g_byte_array_new ();
  g_autoptr (TeesqlSecret) root = teesql_sim_platform_derive_secret (sim_world_guest (world)->platform, "kms-root-k256", NULL, &error);
  g_autofree char *root_public = public_key_hex (TEESQL_SIM_ALGORITHM_SECP256K1, root);
  g_autofree char *public_hex = NULL;
  g_autofree char *message = NULL;
  g_autofree char *signer = NULL;
  g_autofree char *issuer = NULL;
  guint8 app_point[33];
  guint8 link[TEESQL_SIM_RECOVERABLE_SIZE];

  g_assert_true (teesql_sim_public_key (TEESQL_SIM_ALGORITHM_SECP256K1, key, &public_key, &error));
  g_assert_true (teesql_sim_kms_link_key (kms, "signing", public_key, link, &error));
  public_hex = hex_of (public_key);
  message = g_strconcat ("signing:", public_hex, NULL);
  signer = recover (message, strlen (message), link);
  g_assert_cmpstr (signer, ==, app_public);

  g_assert_true (teesql_hex_decode_into (app_public, -1, app_point, sizeof app_point, &error));
  g_byte_array_append (issued, (const guint8 *) "dstack-kms-issued:", 18);
  g_byte_array_append (issued, kms->app_id, sizeof kms->app_id);
  g_byte_array_append (issued, app_point, sizeof app_point);
  issuer = recover ((const char *) issued->data, issued->len, kms->app_key_signature);
  g_assert_cmpstr (issuer, ==, root_public);
}

static void
test_signatures_verify (void)
{
  static const TeesqlSimAlgorithm algorithms[] = { TEESQL_SIM_ALGORITHM_SECP256K1, TEESQL_SIM_ALGORITHM_SECP256K1_PREHASHED,
                                                   TEESQL_SIM_ALGORITHM_ED25519 };
  g_autoptr (TeesqlSecret) key = secret_from_hex (PUBLIC_APP_KEY);
  g_autoptr (GBytes) data = g_bytes_new ("01234567890123456789012345678901", 32);
  g_autoptr (GBytes) other = g_bytes_new ("11234567890123456789012345678901", 32);

  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) public_key = NULL;
      g_autoptr (GBytes) signature = NULL;
      guint8 bytes[64];
      gboolean valid = FALSE;

      g_assert_true (teesql_sim_public_key (algorithms[i], key, &public_key, &error));
      g_assert_true (teesql_sim_sign (algorithms[i], key, data, bytes, &error));
      signature = g_bytes_new (bytes, sizeof bytes);
      g_assert_true (teesql_sim_verify (algorithms[i], data, signature, public_key, &valid, &error));
      g_assert_true (valid);
      g_assert_true (teesql_sim_verify (algorithms[i], other, signature, public_key, &valid, &error));
      g_assert_false (valid);
    }
}

static void
test_malformed_signatures (void)
{
  g_autoptr (GBytes) data = g_bytes_new ("x", 1);
  g_autoptr (GBytes) short_bytes = g_bytes_new ("x", 1);
  g_autoptr (GBytes) zeros = g_bytes_new (memset (g_newa (guint8, 64), 0, 64), 64);
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  gboolean valid;
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_sim_verify (TEESQL_SIM_ALGORITHM_SECP256K1, data, short_bytes, short_bytes, &valid, &error));
  g_assert_cmpstr (error->message, ==, "invalid signature");
  g_clear_error (&error);
  g_assert_false (teesql_sim_verify (TEESQL_SIM_ALGORITHM_SECP256K1, data, zeros, nothing, &valid, &error));
  g_assert_cmpstr (error->message, ==, "invalid public key");
  g_clear_error (&error);
  g_assert_false (teesql_sim_verify (TEESQL_SIM_ALGORITHM_ED25519, data, zeros, short_bytes, &valid, &error));
  g_assert_cmpstr (error->message, ==, "invalid public key");
  g_clear_error (&error);
  g_assert_false (teesql_sim_verify (TEESQL_SIM_ALGORITHM_SECP256K1_PREHASHED, data, zeros, short_bytes, &valid, &error));
  g_assert_cmpstr (error->message, ==, "Pre-hashed signing requires a 32-byte digest, but received 1 bytes");
}

static void
test_key_range (void)
{
  static const char *const refused[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", /* the order */
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  };
  g_autoptr (TeesqlSecret) one = secret_from_hex ("0000000000000000000000000000000000000000000000000000000000000001");
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimKey) generator = teesql_sim_key_new (one, &error);
  g_autofree char *x = NULL;

  g_assert_no_error (error);
  x = teesql_hex_encode (generator->point, 32);
  g_assert_cmpstr (x, ==, "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (TeesqlSecret) scalar = secret_from_hex (refused[i]);
      g_autoptr (TeesqlSimKey) key = teesql_sim_key_new (scalar, &error);

      g_assert_null (key);
      g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_FAILED);
      g_clear_error (&error);
    }
}

static void
test_reproducible (void)
{
  g_autoptr (TeesqlSecret) seed = sim_seed_new (7);
  g_autoptr (TeesqlSecret) other_seed = sim_seed_new (8);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimPlatform) first = teesql_sim_platform_new (seed, &error);
  g_autoptr (TeesqlSimPlatform) second = teesql_sim_platform_new (seed, &error);
  g_autoptr (TeesqlSimPlatform) other = teesql_sim_platform_new (other_seed, &error);
  g_autoptr (TeesqlSimAuthority) pck_first = teesql_sim_platform_make_pck (first, "m", TEESQL_SIM_TCB_UP_TO_DATE, FALSE, &error);
  g_autoptr (TeesqlSimAuthority) pck_second = teesql_sim_platform_make_pck (second, "m", TEESQL_SIM_TCB_UP_TO_DATE, FALSE, &error);
  g_autofree char *root_first = teesql_sim_authority_get_pem (first->root);
  g_autofree char *root_second = teesql_sim_authority_get_pem (second->root);
  g_autofree char *root_other = teesql_sim_authority_get_pem (other->root);
  g_autofree char *pem_first = teesql_sim_authority_get_pem (pck_first);
  g_autofree char *pem_second = teesql_sim_authority_get_pem (pck_second);

  g_assert_no_error (error);
  g_assert_cmpstr (root_first, ==, root_second);
  g_assert_cmpstr (root_first, !=, root_other);
  g_assert_cmpstr (pem_first, ==, pem_second);
  g_assert_cmpmem (first->fmspc, sizeof first->fmspc, second->fmspc, sizeof second->fmspc);
  g_assert_cmpint (memcmp (first->fmspc, other->fmspc, sizeof first->fmspc), !=, 0);
  g_assert_cmpint (memcmp (first->fmspc, first->mr_seam, sizeof first->fmspc), !=, 0);
}

static void
test_fresh_keys (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimKey) first = teesql_sim_key_generate (&error);
  g_autoptr (TeesqlSimKey) second = teesql_sim_key_generate (&error);

  g_assert_no_error (error);
  g_assert_false (teesql_secret_equal (first->scalar, second->scalar));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/keys/derives-the-published-values", test_worked_values);
  g_test_add_func ("/simulator/keys/derives-the-published-ed25519-key", test_ed25519_public_key);
  g_test_add_func ("/simulator/keys/keccak-is-ethereums", test_keccak);
  g_test_add_func ("/simulator/keys/both-links-of-a-chain-name-their-signer", test_signature_chain);
  g_test_add_func ("/simulator/keys/signatures-verify-and-only-over-their-data", test_signatures_verify);
  g_test_add_func ("/simulator/keys/malformed-signatures-and-keys-are-errors", test_malformed_signatures);
  g_test_add_func ("/simulator/keys/numbers-out-of-range-are-no-keys", test_key_range);
  g_test_add_func ("/simulator/keys/a-seed-alone-decides", test_reproducible);
  g_test_add_func ("/simulator/keys/get-tls-key-never-repeats", test_fresh_keys);
  return g_test_run ();
}
