#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

#define TEESQL_DER_BOOLEAN          0x01
#define TEESQL_DER_INTEGER          0x02
#define TEESQL_DER_BIT_STRING       0x03
#define TEESQL_DER_OCTET_STRING     0x04
#define TEESQL_DER_OID              0x06
#define TEESQL_DER_UTC_TIME         0x17
#define TEESQL_DER_GENERALIZED_TIME 0x18
#define TEESQL_DER_SEQUENCE         0x30

/**
 * TeesqlDer:
 * @content: cursor over the value
 * @whole: (array length=whole_size): tag and length included
 *
 * one element: single-byte tag, definite minimal length. Borrowed.
 */
typedef struct
{
  guint8 tag;
  TeesqlCursor content;
  const guint8 *whole;
  gsize whole_size;
} TeesqlDer;

gboolean teesql_der_next (TeesqlCursor *cursor, const char *field, TeesqlDer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the next element has @tag; reason `der-tag` */
gboolean teesql_der_expect (TeesqlCursor *cursor, const char *field, guint8 tag, TeesqlDer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* as expect, where the element may be absent; *@out_present tells */
gboolean teesql_der_optional (TeesqlCursor *cursor, const char *field, guint8 tag, gboolean *out_present, TeesqlDer *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* UTCTime or GeneralizedTime as RFC 5280 writes them, with seconds and `Z` */
gboolean teesql_der_time (TeesqlCursor *cursor, const char *field, gint64 *out_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
