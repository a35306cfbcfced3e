#pragma once
/* RFC 9180, base mode, one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Private to this area. */
#include "seal/teesql-p256.h"
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

typedef struct
{
  const guint8 *data; /* `info` of the key schedule; `aad` of the message is empty */
  gsize size;
} TeesqlHpkeContext;

/* @ephemeral: scalar of the encapsulation, fresh for each message. @out: size of @secret + 16 bytes. %FALSE when a point or scalar is none */
gboolean teesql_hpke_seal (TeesqlSecret *ephemeral, const guint8 recipient[TEESQL_P256_POINT_SIZE], const TeesqlHpkeContext *context,
                           TeesqlSecret *secret, guint8 out_enc[TEESQL_P256_POINT_SIZE], guint8 *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* INTEGRITY `recovery-tag`, MALFORMED `recovery-point` */
TeesqlSecret *teesql_hpke_open (TeesqlSecret *recipient, const guint8 enc[TEESQL_P256_POINT_SIZE], const TeesqlHpkeContext *context,
                                const guint8 *sealed, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
