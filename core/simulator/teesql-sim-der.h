#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* A DER writer, as much as the PCK extension, CRLs and SubjectPublicKeyInfo need: GnuTLS writes none of the first, and signs the second
 * with a random nonce, so that two processes of one platform would serve different bytes. */
#define TEESQL_SIM_DER_BOOLEAN      0x01
#define TEESQL_SIM_DER_INTEGER      0x02
#define TEESQL_SIM_DER_BIT_STRING   0x03
#define TEESQL_SIM_DER_OCTET_STRING 0x04
#define TEESQL_SIM_DER_OID          0x06
#define TEESQL_SIM_DER_ENUMERATED   0x0a
#define TEESQL_SIM_DER_SEQUENCE     0x30
#define TEESQL_SIM_DER_EXPLICIT_0   0xa0

void teesql_sim_der_add (GByteArray *out, guint8 tag, const guint8 *data, gsize size);
/**
 * teesql_sim_der_close:
 * @content: (transfer full): becomes the content of one element at the end of @out
 */
void teesql_sim_der_close (GByteArray *out, guint8 tag, GByteArray *content);
void teesql_sim_der_add_raw (GByteArray *out, const guint8 *der, gsize size);
void teesql_sim_der_add_unsigned (GByteArray *out, guint8 tag, guint64 value);
void teesql_sim_der_add_serial (GByteArray *out, const guint8 *bytes, gsize size); /* positive INTEGER from big-endian bytes */
void teesql_sim_der_add_boolean (GByteArray *out, gboolean value);
void teesql_sim_der_add_oid (GByteArray *out, const char *dotted);
void teesql_sim_der_add_time (GByteArray *out, gint64 unix_seconds); /* UTCTime up to 2049, then GeneralizedTime (RFC 5280) */
void teesql_sim_der_add_bits (GByteArray *out, const guint8 *data, gsize size);

G_END_DECLS
