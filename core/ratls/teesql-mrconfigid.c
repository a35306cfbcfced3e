#include "ratls/teesql-event-log.h"

#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

#include <nettle/sha3.h>

#define MRCONFIGID_SIZE ((gsize) 48)
#define DOCUMENT_SIZE   ((gsize) 32)
#define KECCAK_256_RATE ((gsize) 136)
#define KECCAK_PADDING  0x01 /* SHA-3 has 0x06 here; the two functions differ in nothing else */

static void
absorb (struct sha3_state *state, const guint8 *block)
{
  for (guint i = 0; i < KECCAK_256_RATE; i++)
    state->a[i / 8] ^= (guint64) block[i] << (8 * (i % 8));
  sha3_permute (state);
}

static void
keccak_256 (GByteArray *message, guint8 out[32])
{
  static const guint8 zeros[KECCAK_256_RATE] = { 0 };
  struct sha3_state state = { 0 };
  gsize padding = KECCAK_256_RATE - message->len % KECCAK_256_RATE;
  gsize start = message->len;

  g_byte_array_append (message, zeros, (guint) padding);
  message->data[start] = KECCAK_PADDING;
  message->data[message->len - 1] |= 0x80;
  for (gsize at = 0; at < message->len; at += KECCAK_256_RATE)
    absorb (&state, message->data + at);
  for (guint i = 0; i < 32; i++)
    out[i] = (guint8) (state.a[i / 8] >> (8 * (i % 8)));
}

static guint8
provider_kind (const char *name)
{
  static const char *const kinds[] = { "none", "local-sgx", "kms", "tpm" };

  for (guint8 i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (name, kinds[i]) == 0)
      return i;
  return G_MAXUINT8; /* the log's own check lets no other name through */
}

static void
append_bytes (GByteArray *out, GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
}

/* The announcement may leave the provider's id open: a host that starts a guest for any KMS announces an empty one. */
static gboolean
matches_v2 (const TeesqlLogClaims *claims, const guint8 *announced, gboolean with_id)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  guint8 kind = provider_kind (claims->key_provider_name);
  guint8 digest[DOCUMENT_SIZE];

  append_bytes (message, claims->compose_hash);
  append_bytes (message, claims->app_id);
  g_byte_array_append (message, &kind, 1);
  if (with_id)
    append_bytes (message, claims->key_provider_id);
  keccak_256 (message, digest);
  return memcmp (digest, announced, DOCUMENT_SIZE) == 0;
}

static gboolean
is_zero (const guint8 *data, gsize size)
{
  guint8 sum = 0;

  for (gsize i = 0; i < size; i++)
    sum |= data[i];
  return sum == 0;
}

gboolean
teesql_log_claims_check_mrconfigid (const TeesqlLogClaims *self, const guint8 *mrconfigid, GError **error)
{
  const guint8 *announced = mrconfigid + 1;
  gboolean agrees = FALSE;

  if (mrconfigid[0] != 1 && mrconfigid[0] != 2)
    return TRUE; /* unset, or a form this platform does not use: the replayed log alone speaks */
  if (is_zero (announced + DOCUMENT_SIZE, MRCONFIGID_SIZE - 1 - DOCUMENT_SIZE))
    agrees = mrconfigid[0] == 1 ? memcmp (g_bytes_get_data (self->compose_hash, NULL), announced, DOCUMENT_SIZE) == 0
                                : matches_v2 (self, announced, TRUE) || matches_v2 (self, announced, FALSE);
  if (!agrees)
    g_propagate_error (error,
                       teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "mrconfigid-mismatch", 0,
                                         "MRCONFIGID of version %u does not belong to the application of the event log", mrconfigid[0]));
  return agrees;
}
