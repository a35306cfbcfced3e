#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "seal/teesql-seal-keys.h"
#include <gnutls/gnutls.h>
#include <string.h>

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlSealReader
{
  TeesqlSealHeaderBytes header;
  TeesqlSealKeys keys;
  guint32 epoch;
  char *name;
};

static gboolean
check_commitment (TeesqlSealReader *self, const TeesqlSealHeader *header, GError **error)
{
  if (gnutls_memcmp (self->keys.commitment, header->commitment, sizeof header->commitment) == 0)
    return TRUE;
  return fail (error, TEESQL_ERROR_REFUSED, "seal-commitment",
               "sealed object %s: the key of epoch %u is not the one it was sealed under, or its header was changed\nhint: when every "
               "object says so, the kms gives another key than before; compare check values",
               self->name, self->epoch);
}

TeesqlSealReader *
teesql_seal_reader_new (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, const guint8 *data, gsize size, gsize *out_header_size,
                        GError **error)
{
  g_autoptr (TeesqlSealReader) self = NULL;
  g_autoptr (TeesqlSecret) epoch_key = NULL;
  TeesqlSealHeader header;
  gsize header_size = 0;

  if (!teesql_seal_header_parse (&header, data, size, &header_size, error) || !teesql_seal_header_match (&header, expected, keys, error))
    return NULL;
  epoch_key = teesql_epoch_keys_lookup (keys, header.epoch, error);
  if (epoch_key == NULL)
    return NULL;
  self = g_new0 (TeesqlSealReader, 1);
  self->name = g_strdup (expected->name);
  self->epoch = header.epoch;
  teesql_seal_header_encode (&header, &self->header);
  if (!teesql_seal_keys_init (&self->keys, epoch_key, self->header.data, self->header.size, error) ||
      !check_commitment (self, &header, error))
    return NULL;
  *out_header_size = header_size;
  return g_steal_pointer (&self);
}

void
teesql_seal_reader_free (TeesqlSealReader *self)
{
  if (self == NULL)
    return;
  teesql_seal_keys_clear (&self->keys);
  g_free (self->name);
  g_free (self);
}

const guint8 *
teesql_seal_reader_get_commitment (const TeesqlSealReader *self)
{
  return self->keys.commitment;
}

guint32
teesql_seal_reader_get_epoch (const TeesqlSealReader *self)
{
  return self->epoch;
}

gsize
teesql_seal_reader_get_header_size (const TeesqlSealReader *self)
{
  return self->header.size;
}

gboolean
teesql_seal_reader_open (TeesqlSealReader *self, guint32 index, gboolean last, const guint8 *sealed, gsize size, guint8 *out,
                         GError **error)
{
  guint8 nonce[TEESQL_SEAL_NONCE_SIZE];
  const TeesqlSealMessage message = { nonce, index == 0 ? self->header.data : NULL, index == 0 ? self->header.size : 0 };
  gsize plain_size = size >= TEESQL_SEAL_TAG_SIZE ? size - TEESQL_SEAL_TAG_SIZE : 0;
  GError *fault = NULL;

  if (size < TEESQL_SEAL_TAG_SIZE || !teesql_seal_segment_fits (index, last, plain_size))
    {
      teesql_wipe (out, plain_size);
      return fail (error, TEESQL_ERROR_MALFORMED, "seal-size", "sealed object %s: %s %u cannot have %" G_GSIZE_FORMAT " bytes", self->name,
                   last ? "last segment" : "segment", index, size);
    }
  teesql_seal_keys_nonce (&self->keys, index, last, nonce);
  if (teesql_seal_cipher_decrypt (self->keys.cipher, &message, sealed, size, out, &fault))
    return TRUE;
  if (fault == NULL)
    return fail (error, TEESQL_ERROR_INTEGRITY, "seal-tag", "sealed object %s: %s %u is not what was sealed", self->name,
                 last ? "last segment" : "segment", index);
  g_propagate_error (error, fault);
  return FALSE;
}
