/* SR-17. The answers are rows of tests/unit/seal/vectors.json, which another implementation made. */
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "seal/teesql-recovery-private.h"
#include "seal/teesql-seal-private.h"
#include <string.h>

#define NAME   "segment/three"
#define SIZE   (2 * TEESQL_SEAL_SEGMENT_SIZE + 77)
#define SALT   "9037e908cbc7e98b451fc053a90806cdad614b6ff1aec8d25771fe0820d01dd8"
#define DIGEST "3a0b87b1dbe382e9c983a79478e5638e4e22c3e07cf2959f108f7be531a4467e"

/* a key that protects nothing */
#define RECOVERY_KEY                                                                                                                       \
  "-----BEGIN EC PRIVATE KEY-----\n"                                                                                                       \
  "MHcCAQEEIDMug0xt5H3K1+EuHSbOeUBsPSwtvMySHlMAR+gZLEuvoAoGCCqGSM49\n"                                                                     \
  "AwEHoUQDQgAEMVgAA+B5M3SgUCagqqFzTvNGvVeFe6MkbX9Dhjfn4oiBjlVDd5Mq\n"                                                                     \
  "Zh1ipeEU8iPs7qhS84MaaXqMlz7qsjpXaw==\n"                                                                                                 \
  "-----END EC PRIVATE KEY-----\n"
#define RECOVERY_OBJECT                                                                                                                    \
  "544545534b4559010000000001404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f66154ceb4d6e290282b6ca95d9a6ee3ffac70bf61cf9" \
  "0cc41539ebe25380888704b1e5f9b7c3839f5c5c3d6f658ef9a3d843a2438c295284136c6b268439b42ba78a5f9eddae34c4e5b3c3cef9b4b4cbe4f816c4dd94ec656c" \
  "3e6271fc52d5dc7d74e8531977c53a801eff5009868308224ad6c61f242de46565cebbd91b054f830fcb4d4965fa7a2720586f6dd4f08c6c"

#define fail(error, step) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "seal-self-test", "self-test of sealing: %s", step)

static const TeesqlSealContext context = { .simulated = TRUE, .name = NAME };

/* The key and the cluster id of the vectors: bytes that count up. */
static TeesqlEpochKeys *
make_keys (guint32 epoch, GError **error)
{
  guint8 kms[32];
  guint8 cluster[TEESQL_CLUSTER_ID_SIZE];
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlEpochKeys) keys = NULL;

  for (guint8 i = 0; i < 32; i++)
    {
      kms[i] = i;
      cluster[i] = (guint8) (0x40 + i);
    }
  keys = teesql_epoch_keys_new (cluster);
  key = teesql_secret_new (kms, sizeof kms, error);
  return key != NULL && teesql_epoch_keys_add_kms (keys, epoch, key, error) ? g_steal_pointer (&keys) : NULL;
}

static GBytes *
make_plain (void)
{
  guint8 *plain = g_malloc (SIZE);

  for (gsize i = 0; i < SIZE; i++)
    plain[i] = (guint8) (i + i / 251);
  return g_bytes_new_take (plain, SIZE);
}

static gboolean
seals (TeesqlEpochKeys *keys, GBytes *plain, GBytes **out_sealed, GError **error)
{
  guint8 salt[32];
  guint8 digest[TEESQL_SHA256_SIZE];
  g_autofree char *hex = NULL;
  g_autoptr (TeesqlSealWriter) writer = NULL;
  g_autoptr (GBytes) sealed = NULL;

  if (!teesql_hex_decode_into (SALT, -1, salt, sizeof salt, error))
    return FALSE;
  writer = teesql_seal_writer_new_with_salt (&context, keys, 0, salt, error);
  sealed = writer != NULL ? teesql_seal_writer_seal_bytes (writer, plain, error) : NULL;
  if (sealed == NULL)
    return FALSE;
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed));
  hex = teesql_hex_encode (digest, sizeof digest);
  if (strcmp (hex, DIGEST) != 0)
    return fail (error, "a known object was sealed to other bytes");
  *out_sealed = g_steal_pointer (&sealed);
  return TRUE;
}

static gboolean
opens (TeesqlEpochKeys *keys, GBytes *plain, GBytes *sealed, GError **error)
{
  g_autoptr (GBytes) opened = teesql_unseal_bytes (&context, keys, sealed, error);

  return opened != NULL && (g_bytes_equal (opened, plain) || fail (error, "a known object was opened to other bytes"));
}

static gboolean
refuses (TeesqlEpochKeys *keys, GBytes *sealed, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);
  guint8 *changed = g_memdup2 (data, size);
  g_autoptr (GBytes) bad = g_bytes_new_take (changed, size);
  g_autoptr (GBytes) opened = NULL;
  g_autoptr (GError) refusal = NULL;

  changed[size - 1] ^= 1;
  opened = teesql_unseal_bytes (&context, keys, bad, &refusal);
  return (opened == NULL && strcmp (teesql_error_get_reason (refusal), "seal-tag") == 0) || fail (error, "a changed object was opened");
}

static gboolean
recovers (GError **error)
{
  g_autoptr (TeesqlEpochKeys) keys = make_keys (1, error);
  g_autoptr (GBytes) object = keys != NULL ? teesql_hex_decode (RECOVERY_OBJECT, -1, error) : NULL;
  g_autoptr (TeesqlSecret) pem = object != NULL ? teesql_secret_new ((const guint8 *) RECOVERY_KEY, strlen (RECOVERY_KEY), error) : NULL;

  /* another key than the one of the epoch would be refused */
  return pem != NULL && teesql_recovery_open (pem, object, FALSE, keys, error);
}

gboolean
teesql_seal_self_test (GError **error)
{
  g_autoptr (TeesqlEpochKeys) keys = make_keys (0, error);
  g_autoptr (GBytes) plain = make_plain ();
  g_autoptr (GBytes) sealed = NULL;

  return keys != NULL && seals (keys, plain, &sealed, error) && opens (keys, plain, sealed, error) && refuses (keys, sealed, error) &&
         recovers (error);
}
