#include "base/teesql-hex.h"
#include "simulator/teesql-sim-kms.h"
#include <nettle/eddsa.h>
#include <nettle/sha3.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (secp256k1_context, secp256k1_context_destroy)

#define KECCAK_RATE 136 /* of the 256-bit hash */

/* Keccak-256 as Ethereum took it before it became SHA-3: the padding starts with 01, not 06. nettle has the permutation only. */
void
teesql_sim_keccak256 (const guint8 *data, gsize size, guint8 out[32])
{
  struct sha3_state state = { { 0 } };
  gsize position = 0;

  for (gsize i = 0; i < size; i++)
    {
      state.a[position / 8] ^= (guint64) data[i] << (8 * (position % 8));
      if (++position == KECCAK_RATE)
        {
          sha3_permute (&state);
          position = 0;
        }
    }
  state.a[position / 8] ^= (guint64) 0x01 << (8 * (position % 8));
  state.a[(KECCAK_RATE - 1) / 8] ^= (guint64) 0x80 << (8 * ((KECCAK_RATE - 1) % 8));
  sha3_permute (&state);
  for (guint i = 0; i < 32; i++)
    out[i] = (guint8) (state.a[i / 8] >> (8 * (i % 8)));
}

static gboolean
fail (GError **error, const char *what)
{
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, "simulator-signature", 0, "%s", what));
  return FALSE;
}

static gboolean
public_key_k256 (const TeesqlSecret *key, GBytes **out_public_key, GError **error)
{
  g_autoptr (secp256k1_context) context = secp256k1_context_create (SECP256K1_CONTEXT_SIGN);
  secp256k1_pubkey point;
  guint8 compressed[33];
  gsize size = sizeof compressed;
  gsize key_size = 0;
  const guint8 *scalar = teesql_secret_peek (key, &key_size);

  if (key_size != 32 || !secp256k1_ec_pubkey_create (context, &point, scalar))
    return fail (error, "the derived number is no secp256k1 key");
  secp256k1_ec_pubkey_serialize (context, compressed, &size, &point, SECP256K1_EC_COMPRESSED);
  *out_public_key = g_bytes_new (compressed, size);
  return TRUE;
}

gboolean
teesql_sim_public_key (TeesqlSimAlgorithm algorithm, const TeesqlSecret *key, GBytes **out_public_key, GError **error)
{
  guint8 public_key[ED25519_KEY_SIZE];

  if (algorithm != TEESQL_SIM_ALGORITHM_ED25519)
    return public_key_k256 (key, out_public_key, error);
  ed25519_sha512_public_key (public_key, teesql_secret_peek (key, NULL));
  *out_public_key = g_bytes_new (public_key, sizeof public_key);
  return TRUE;
}

gboolean
teesql_sim_sign_recoverable (const TeesqlSecret *key, const guint8 *message, gsize size, guint8 out[TEESQL_SIM_RECOVERABLE_SIZE],
                             GError **error)
{
  g_autoptr (secp256k1_context) context = secp256k1_context_create (SECP256K1_CONTEXT_SIGN);
  secp256k1_ecdsa_recoverable_signature signature;
  guint8 digest[32];
  int recovery_id = 0;

  teesql_sim_keccak256 (message, size, digest);
  if (!secp256k1_ecdsa_sign_recoverable (context, &signature, digest, teesql_secret_peek (key, NULL), NULL, NULL))
    return fail (error, "the derived number is no secp256k1 key");
  secp256k1_ecdsa_recoverable_signature_serialize_compact (context, out, &recovery_id, &signature);
  out[64] = (guint8) recovery_id;
  return TRUE;
}

/* the 32 bytes that ECDSA signs */
static gboolean
digest_for (TeesqlSimAlgorithm algorithm, GBytes *data, guint8 out[32], GError **error)
{
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (data, &size);

  if (algorithm == TEESQL_SIM_ALGORITHM_SECP256K1)
    {
      teesql_digest_bytes (TEESQL_DIGEST_SHA256, out, bytes, size);
      return TRUE;
    }
  if (size != 32)
    {
      g_autofree char *text =
          g_strdup_printf ("Pre-hashed signing requires a 32-byte digest, but received %" G_GSIZE_FORMAT " bytes", size);

      return fail (error, text);
    }
  for (guint i = 0; i < 32; i++)
    out[i] = bytes[i];
  return TRUE;
}

static void
sign_ed25519 (const TeesqlSecret *key, GBytes *data, guint8 out[64])
{
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (data, &size);
  const guint8 *seed = teesql_secret_peek (key, NULL);
  guint8 public_key[ED25519_KEY_SIZE];

  ed25519_sha512_public_key (public_key, seed);
  ed25519_sha512_sign (public_key, seed, size, bytes, out);
}

gboolean
teesql_sim_sign (TeesqlSimAlgorithm algorithm, const TeesqlSecret *key, GBytes *data, guint8 out[64], GError **error)
{
  g_autoptr (secp256k1_context) context = NULL;
  secp256k1_ecdsa_signature signature;
  guint8 digest[32];

  if (algorithm == TEESQL_SIM_ALGORITHM_ED25519)
    {
      sign_ed25519 (key, data, out);
      return TRUE;
    }
  if (!digest_for (algorithm, data, digest, error))
    return FALSE;
  context = secp256k1_context_create (SECP256K1_CONTEXT_SIGN);
  if (!secp256k1_ecdsa_sign (context, &signature, digest, teesql_secret_peek (key, NULL), NULL, NULL))
    return fail (error, "the derived number is no secp256k1 key");
  secp256k1_ecdsa_signature_serialize_compact (context, out, &signature);
  return TRUE;
}

static gboolean
verify_k256 (const guint8 digest[32], const guint8 signature_bytes[64], GBytes *public_key, gboolean *out_valid, GError **error)
{
  g_autoptr (secp256k1_context) context = secp256k1_context_create (SECP256K1_CONTEXT_VERIFY);
  secp256k1_ecdsa_signature signature;
  secp256k1_pubkey point;
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (public_key, &size);

  if (size == 0 || !secp256k1_ec_pubkey_parse (context, &point, bytes, size))
    return fail (error, "invalid public key");
  if (!secp256k1_ecdsa_signature_parse_compact (context, &signature, signature_bytes))
    return fail (error, "invalid signature");
  *out_valid = secp256k1_ecdsa_verify (context, &signature, digest, &point) == 1;
  return TRUE;
}

gboolean
teesql_sim_verify (TeesqlSimAlgorithm algorithm, GBytes *data, GBytes *signature, GBytes *public_key, gboolean *out_valid, GError **error)
{
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (signature, &size);
  guint8 digest[32];

  if (size != 64)
    return fail (error, "invalid signature");
  if (algorithm != TEESQL_SIM_ALGORITHM_ED25519)
    return digest_for (algorithm, data, digest, error) && verify_k256 (digest, bytes, public_key, out_valid, error);
  if (g_bytes_get_size (public_key) != ED25519_KEY_SIZE)
    return fail (error, "invalid public key");
  *out_valid =
      ed25519_sha512_verify (g_bytes_get_data (public_key, NULL), g_bytes_get_size (data), g_bytes_get_data (data, NULL), bytes) == 1;
  return TRUE;
}
