#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* A strict, bounded reader of JSON that keeps the exact bytes of every value, since signatures of collateral cover bytes and
 * not meaning. Refused: duplicate keys, escapes in keys, anything that is not UTF-8 or stands outside the one value.
 * At most 16 levels, 65536 values, 64 members in an object. */

typedef enum
{
  DCAP_JSON_OBJECT,
  DCAP_JSON_ARRAY,
  DCAP_JSON_STRING,
  DCAP_JSON_INTEGER,
  DCAP_JSON_NUMBER, /* with a fraction or an exponent, or of more than ten digits: nothing we read */
  DCAP_JSON_WORD,   /* true, false, null */
} DcapJsonType;

typedef struct _DcapJson DcapJson;

/**
 * DcapJsonNode:
 *
 * one value: an index into the document. A plain value.
 */
typedef struct
{
  const DcapJson *document;
  guint index;
} DcapJsonNode;

/**
 * dcap_json_parse:
 * @name: what is being read, for messages; static
 * @data: borrowed for the life of the document
 *
 * Errors: %TEESQL_ERROR_MALFORMED in #TEESQL_PARSE_ERROR with reason `json` or `json-duplicate-key`.
 */
DcapJson *dcap_json_parse (const char *name, const guint8 *data, gsize size, GError **error) TEESQL_MUST_USE;
void dcap_json_free (DcapJson *self);
DcapJsonNode dcap_json_root (const DcapJson *self);
DcapJsonType dcap_json_type (DcapJsonNode node);
gboolean dcap_json_is_null (DcapJsonNode node);
/* the exact bytes of the value, from its first to its last character */
const guint8 *dcap_json_slice (DcapJsonNode node, gsize *out_size);

gboolean dcap_json_find (DcapJsonNode object, const char *key, DcapJsonNode *out_value) TEESQL_MUST_USE;
guint dcap_json_length (DcapJsonNode array);
/* members of objects and arrays in turn: the first child, then the next one; FALSE when there is none */
gboolean dcap_json_first (DcapJsonNode container, DcapJsonNode *out_child) TEESQL_MUST_USE;
gboolean dcap_json_next (DcapJsonNode child, DcapJsonNode *out_next) TEESQL_MUST_USE;

/* Typed members: they must be there and be of that type. Reason `json-field`. */
gboolean dcap_json_get (DcapJsonNode object, const char *key, DcapJsonType type, DcapJsonNode *out_value, GError **error) TEESQL_MUST_USE;
gboolean dcap_json_get_uint (DcapJsonNode object, const char *key, guint max, guint *out, GError **error) TEESQL_MUST_USE;
gboolean dcap_json_get_hex (DcapJsonNode object, const char *key, guint8 *out, gsize size, GError **error) TEESQL_MUST_USE;
gboolean dcap_json_get_time (DcapJsonNode object, const char *key, gint64 *out_unix, GError **error) TEESQL_MUST_USE;
/* @max: bytes of the decoded text. Escapes are resolved; NUL is refused. */
char *dcap_json_get_text (DcapJsonNode object, const char *key, gsize max, GError **error) TEESQL_MUST_USE;
char *dcap_json_text (DcapJsonNode string, gsize max, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapJson, dcap_json_free)
G_END_DECLS
