#pragma once
#include "../dcap/dcap-json.h"

G_BEGIN_DECLS

/* The strict reader of collateral serves tokens and key sets too; these give its answers the reasons of a token. */

/**
 * ita_json_parse_object:
 * @prefix: `token` or `keys`: the first part of the reasons `…-json` and `…-duplicate-name`
 */
DcapJson *ita_json_parse_object (const char *prefix, GBytes *bytes, GError **error) TEESQL_MUST_USE;
/* Members that must be there and be of that type. Reasons `token-claim-absent`, `token-claim-type`. */
gboolean ita_json_get (DcapJsonNode object, const char *name, DcapJsonType type, DcapJsonNode *out_value, GError **error) TEESQL_MUST_USE;
char *ita_json_get_text (DcapJsonNode object, const char *name, gsize max, GError **error) TEESQL_MUST_USE;
gboolean ita_json_get_integer (DcapJsonNode object, const char *name, gint64 *out_value, GError **error) TEESQL_MUST_USE;
gboolean ita_json_get_boolean (DcapJsonNode object, const char *name, gboolean *out_value, GError **error) TEESQL_MUST_USE;
/* @out: exactly @size bytes, from hex in either case */
gboolean ita_json_get_bytes (DcapJsonNode object, const char *name, guint8 *out, gsize size, GError **error) TEESQL_MUST_USE;
/* there, and not null */
gboolean ita_json_has (DcapJsonNode object, const char *name);
/* Names that end up in messages: ASCII without blanks, so that none can move a cursor, break a line or be cut within a character. */
gboolean ita_json_is_plain (const char *text);
/* the exact bytes of two values are the same */
gboolean ita_json_same (DcapJsonNode a, DcapJsonNode b);

G_END_DECLS
