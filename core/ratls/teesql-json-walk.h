#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

/* A bounded walk over JSON text (RFC 8259) that builds no tree: evidence arrives before authentication. Objects must not
 * repeat a key, since readers differ in which one they take. Errors: #TEESQL_PARSE_ERROR, reason `json`. */

#define TEESQL_JSON_MAX_DEPTH   8u
#define TEESQL_JSON_MAX_MEMBERS 32u
#define TEESQL_JSON_MAX_KEY     ((gsize) 64)

/* reads exactly one value at the cursor */
typedef gboolean (*TeesqlJsonMemberFunc) (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error);
typedef gboolean (*TeesqlJsonItemFunc) (TeesqlCursor *cursor, gpointer user_data, GError **error);

/* checks UTF-8 of the whole text first, so that no later step meets half a character */
gboolean teesql_json_begin (TeesqlCursor *cursor, const char *name, const char *text, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_end (TeesqlCursor *cursor, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_object (TeesqlCursor *cursor, const char *field, TeesqlJsonMemberFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_array (TeesqlCursor *cursor, const char *field, guint max, TeesqlJsonItemFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* decoded, without NUL, at most @max bytes */
gboolean teesql_json_string (TeesqlCursor *cursor, const char *field, gsize max, char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_hex (TeesqlCursor *cursor, const char *field, gsize max, GBytes **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_uint (TeesqlCursor *cursor, const char *field, guint64 max, guint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_json_skip (TeesqlCursor *cursor, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
