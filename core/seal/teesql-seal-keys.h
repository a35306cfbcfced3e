#pragma once
/* What the epoch's key becomes for one object. Private to this area. */
#include "seal/teesql-seal-cipher.h"
#include "seal/teesql-seal-header.h"

G_BEGIN_DECLS

#define TEESQL_SEAL_SEGMENTS_MAX ((guint32) (TEESQL_SEAL_PLAIN_MAX / TEESQL_SEAL_SEGMENT_SIZE))

typedef struct
{
  TeesqlSealCipher *cipher;
  guint8 commitment[TEESQL_SEAL_COMMITMENT_SIZE];
  guint8 nonce_prefix[7];
} TeesqlSealKeys;

/* the commitment within @header is not read */
gboolean teesql_seal_keys_init (TeesqlSealKeys *self, TeesqlSecret *epoch_key, const guint8 *header, gsize header_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_seal_keys_clear (TeesqlSealKeys *self);
void teesql_seal_keys_nonce (const TeesqlSealKeys *self, guint32 index, gboolean last, guint8 out[TEESQL_SEAL_NONCE_SIZE]);
/* whether a segment of @size bytes of plaintext may stand at @index */
gboolean teesql_seal_segment_fits (guint32 index, gboolean last, gsize size);

G_END_DECLS
