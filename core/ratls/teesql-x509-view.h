#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

#define TEESQL_X509_MAX_EXTENSIONS 32u

typedef struct
{
  const guint8 *oid; /* content of the OBJECT IDENTIFIER */
  gsize oid_size;
  TeesqlCursor value; /* content of the OCTET STRING */
} TeesqlX509Extension;

/**
 * TeesqlX509View:
 * @spki: (array length=spki_size): SubjectPublicKeyInfo, the bytes as they stand in the certificate
 *
 * a version 3 certificate cut into the parts we need. Borrowed, nothing proved: whether its holder has the key is TLS's
 * business and whether its issuer is known is the service's. The walk is our own because the binding hashes the very bytes
 * of the key, which a library gives back re-encoded.
 */
typedef struct
{
  const guint8 *spki;
  gsize spki_size;
  gint64 not_before_unix;
  gint64 not_after_unix;
  TeesqlX509Extension extensions[TEESQL_X509_MAX_EXTENSIONS];
  guint n_extensions;
} TeesqlX509View;

/**
 * teesql_x509_view_parse:
 *
 * strict DER from the first to the last byte. Reasons of #TEESQL_PARSE_ERROR; an object identifier that stands twice is
 * `evidence-duplicate`
 */
gboolean teesql_x509_view_parse (const guint8 *data, gsize size, TeesqlX509View *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (nullable): the extension of this identifier's content bytes */
const TeesqlX509Extension *teesql_x509_view_find (const TeesqlX509View *self, const guint8 *oid, gsize oid_size);

G_END_DECLS
