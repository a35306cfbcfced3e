#include "base/teesql-domains.h"
#include "seal/teesql-seal-keys.h"
#include "seal/teesql-seal-private.h"
#include <gnutls/crypto.h>
#include <string.h>

#define WORD_BITS 32

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlSealWriter
{
  TeesqlSealHeaderBytes header;
  TeesqlSealKeys keys;
  guint sealed[TEESQL_SEAL_SEGMENTS_MAX / WORD_BITS]; /* one bit an index: no nonce serves twice */
};

TeesqlSealWriter *
teesql_seal_writer_new_with_salt (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, const guint8 salt[32],
                                  GError **error)
{
  g_autoptr (TeesqlSealWriter) self = NULL;
  g_autoptr (TeesqlSecret) epoch_key = NULL;
  TeesqlSealHeader header;

  if (!teesql_seal_header_init (&header, context, keys, epoch, salt, error))
    return NULL;
  epoch_key = teesql_epoch_keys_lookup (keys, epoch, error);
  if (epoch_key == NULL)
    return NULL;
  self = g_new0 (TeesqlSealWriter, 1);
  teesql_seal_header_encode (&header, &self->header);
  if (!teesql_seal_keys_init (&self->keys, epoch_key, self->header.data, self->header.size, error))
    return NULL;
  memcpy (header.commitment, self->keys.commitment, sizeof header.commitment);
  teesql_seal_header_encode (&header, &self->header);
  return g_steal_pointer (&self);
}

TeesqlSealWriter *
teesql_seal_writer_new (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, GError **error)
{
  guint8 salt[TEESQL_SEAL_SALT_SIZE];
  int code = gnutls_rnd (GNUTLS_RND_RANDOM, salt, sizeof salt);

  if (code == 0)
    return teesql_seal_writer_new_with_salt (context, keys, epoch, salt, error);
  fail (error, TEESQL_ERROR_FAILED, "seal-random", "drawing a salt: %s", gnutls_strerror (code));
  return NULL;
}

void
teesql_seal_writer_free (TeesqlSealWriter *self)
{
  if (self == NULL)
    return;
  teesql_seal_keys_clear (&self->keys);
  g_free (self);
}

const guint8 *
teesql_seal_writer_get_header (const TeesqlSealWriter *self, gsize *out_size)
{
  *out_size = self->header.size;
  return self->header.data;
}

const guint8 *
teesql_seal_writer_get_commitment (const TeesqlSealWriter *self)
{
  return self->keys.commitment;
}

static gboolean
claim_index (TeesqlSealWriter *self, guint32 index)
{
  guint bit = 1u << (index % WORD_BITS);

  return (g_atomic_int_or (&self->sealed[index / WORD_BITS], bit) & bit) == 0;
}

gboolean
teesql_seal_writer_seal (TeesqlSealWriter *self, guint32 index, gboolean last, const guint8 *plain, gsize size, guint8 *out, GError **error)
{
  guint8 nonce[TEESQL_SEAL_NONCE_SIZE];
  const TeesqlSealMessage message = { nonce, index == 0 ? self->header.data : NULL, index == 0 ? self->header.size : 0 };

  if (!teesql_seal_segment_fits (index, last, size))
    return fail (error, TEESQL_ERROR_FAILED, "seal-size", "sealing: %s %u cannot have %" G_GSIZE_FORMAT " bytes, of at most %u segments",
                 last ? "last segment" : "segment", index, size, TEESQL_SEAL_SEGMENTS_MAX);
  if (!claim_index (self, index))
    return fail (error, TEESQL_ERROR_FAILED, "seal-index", "sealing: segment %u was sealed before", index);
  teesql_seal_keys_nonce (&self->keys, index, last, nonce);
  return teesql_seal_cipher_encrypt (self->keys.cipher, &message, plain, size, out, error);
}
