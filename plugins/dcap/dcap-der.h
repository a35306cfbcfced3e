#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

#define DCAP_DER_BOOLEAN      0x01
#define DCAP_DER_INTEGER      0x02
#define DCAP_DER_BIT_STRING   0x03
#define DCAP_DER_OCTET_STRING 0x04
#define DCAP_DER_OID          0x06
#define DCAP_DER_ENUMERATED   0x0a
#define DCAP_DER_SEQUENCE     0x30

/* The few shapes of DER met here, on the bounded cursor. Definite, minimal lengths of at most 2^24 only. */
gboolean dcap_der_read (TeesqlCursor *self, const char *field, guint8 tag, TeesqlCursor *out_content, GError **error) TEESQL_MUST_USE;
gboolean dcap_der_read_uint (TeesqlCursor *self, const char *field, guint8 tag, guint max, guint *out, GError **error) TEESQL_MUST_USE;
gboolean dcap_der_read_octets (TeesqlCursor *self, const char *field, guint8 *out, gsize size, GError **error) TEESQL_MUST_USE;

/**
 * DcapDerSigned:
 *
 * what certificates and CRLs have in common: SEQUENCE { to be signed, algorithm, signature }
 */
typedef struct
{
  const guint8 *signed_bytes;
  gsize signed_size;
  const guint8 *signature;
  gsize signature_size;
} DcapDerSigned;

gboolean dcap_der_read_signed (const char *name, const guint8 *data, gsize size, DcapDerSigned *out, GError **error) TEESQL_MUST_USE;

G_END_DECLS
