#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

/* msgpack, as far as evidence of version 1 uses it. Errors: #TEESQL_PARSE_ERROR, reason `msgpack` or the cursor's. */

#define TEESQL_MSGPACK_MAX_DEPTH 8u
#define TEESQL_MSGPACK_MAX_KEYS  32u
#define TEESQL_MSGPACK_MAX_KEY   ((gsize) 64)

/**
 * TeesqlMsgpackField:
 * @name: key in the map
 * @required: its absence is an error
 * @present: set by the reader
 * @value: cursor over exactly the encoded value
 */
typedef struct
{
  const char *name;
  gboolean required;
  gboolean present;
  TeesqlCursor value;
} TeesqlMsgpackField;

typedef gboolean (*TeesqlMsgpackItemFunc) (TeesqlCursor *cursor, gpointer user_data, GError **error);

/* a map with text keys: finds @fields, skips others (bounded depth), refuses a key that stands twice */
gboolean teesql_msgpack_map (TeesqlCursor *cursor, const char *what, TeesqlMsgpackField *fields, guint n_fields, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* @func reads one item at the cursor */
gboolean teesql_msgpack_array (TeesqlCursor *cursor, const char *what, guint max, TeesqlMsgpackItemFunc func, gpointer user_data,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_msgpack_uint (TeesqlCursor *cursor, const char *what, guint64 max, guint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* UTF-8 without NUL */
gboolean teesql_msgpack_text (TeesqlCursor *cursor, const char *what, gsize max, char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* bin, or an array of integers up to 255: the serializer in the field writes some byte vectors so */
gboolean teesql_msgpack_bytes (TeesqlCursor *cursor, const char *what, gsize max, GBytes **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_msgpack_skip (TeesqlCursor *cursor, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
