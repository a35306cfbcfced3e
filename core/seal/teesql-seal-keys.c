#include "seal/teesql-seal-keys.h"
#include "keys/teesql-keys.h"
#include <string.h>

typedef struct
{
  guint8 data[TEESQL_SEAL_SALT_SIZE + TEESQL_SEAL_HEADER_MAX];
  gsize size;
} Context;

static void
append (Context *context, const guint8 *data, gsize size)
{
  g_assert (size <= sizeof context->data - context->size);
  memcpy (context->data + context->size, data, size);
  context->size += size;
}

static TeesqlSecret *
derive (TeesqlSecret *epoch_key, const char *label, const Context *context, GError **error)
{
  return teesql_keys_derive (epoch_key, label, context->data, context->size, error);
}

gboolean
teesql_seal_keys_init (TeesqlSealKeys *self, TeesqlSecret *epoch_key, const guint8 *header, gsize header_size, GError **error)
{
  Context context = { .size = 0 };
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlSecret) commitment = NULL;
  g_autoptr (TeesqlSecret) nonce = NULL;

  append (&context, header + TEESQL_SEAL_SALT_OFFSET, TEESQL_SEAL_SALT_SIZE);
  append (&context, header, TEESQL_SEAL_SALT_OFFSET);
  append (&context, header + TEESQL_SEAL_IDENTITY_OFFSET, header_size - TEESQL_SEAL_IDENTITY_OFFSET);
  key = derive (epoch_key, "object-key", &context, error);
  commitment = key != NULL ? derive (epoch_key, "object-commit", &context, error) : NULL;
  nonce = commitment != NULL ? derive (epoch_key, "object-nonce", &context, error) : NULL;
  if (nonce == NULL)
    return FALSE;
  memcpy (self->commitment, teesql_secret_peek (commitment, NULL), sizeof self->commitment);
  memcpy (self->nonce_prefix, teesql_secret_peek (nonce, NULL), sizeof self->nonce_prefix);
  self->cipher = teesql_seal_cipher_new (key, error);
  return self->cipher != NULL;
}

void
teesql_seal_keys_clear (TeesqlSealKeys *self)
{
  g_clear_pointer (&self->cipher, teesql_seal_cipher_free);
}

void
teesql_seal_keys_nonce (const TeesqlSealKeys *self, guint32 index, gboolean last, guint8 out[TEESQL_SEAL_NONCE_SIZE])
{
  memcpy (out, self->nonce_prefix, sizeof self->nonce_prefix);
  for (guint i = 0; i < 4; i++)
    out[sizeof self->nonce_prefix + i] = (guint8) (index >> (24 - 8 * i));
  out[TEESQL_SEAL_NONCE_SIZE - 1] = last ? 1 : 0;
}

gboolean
teesql_seal_segment_fits (guint32 index, gboolean last, gsize size)
{
  if (index >= TEESQL_SEAL_SEGMENTS_MAX)
    return FALSE;
  if (!last)
    return size == TEESQL_SEAL_SEGMENT_SIZE;
  return size <= TEESQL_SEAL_SEGMENT_SIZE && (size > 0 || index == 0);
}
