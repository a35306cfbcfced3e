#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* Text forms of public bytes. Strict: foreign characters, odd lengths and non-canonical padding are
 * %TEESQL_ERROR_MALFORMED in #TEESQL_PARSE_ERROR. Secrets go through #TeesqlSecret instead. */
TEESQL_API char *teesql_hex_encode (const guint8 *data, gsize size) TEESQL_MUST_USE; /* lower case */
TEESQL_API GBytes *teesql_hex_decode (const char *text, gssize length, GError **error) TEESQL_MUST_USE; /* either case; -1: NUL-terminated */
TEESQL_API gboolean teesql_hex_decode_into (const char *text, gssize length, guint8 *out, gsize size, GError **error) TEESQL_MUST_USE; /* exactly @size bytes */
TEESQL_API GBytes *teesql_base64_decode (const char *text, gssize length, GError **error) TEESQL_MUST_USE; /* RFC 4648 with padding, no blanks */
TEESQL_API char *teesql_base64_encode (const guint8 *data, gsize size) TEESQL_MUST_USE;

G_END_DECLS
