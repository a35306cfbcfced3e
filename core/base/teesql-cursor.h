#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlCursor:
 * @data: (array length=size): borrowed
 * @name: what is being read, for messages: `quote header`, `startup packet`
 *
 * the one bounded reader of foreign bytes. A plain value: copy it to try, assign it back to commit. Every getter either
 * succeeds and advances, or leaves cursor and out-parameter alone and sets %TEESQL_ERROR_MALFORMED in
 * #TEESQL_PARSE_ERROR with reason `truncated` (or the one its comment names), and a message with structure, field, offset.
 */
typedef struct {
  const guint8 *data;
  gsize size;
  gsize pos;
  const char *name;
} TeesqlCursor;

TEESQL_API void teesql_cursor_init (TeesqlCursor *self, const char *name, const guint8 *data, gsize size);
TEESQL_API gsize teesql_cursor_remaining (const TeesqlCursor *self);
TEESQL_API const guint8 *teesql_cursor_peek (const TeesqlCursor *self); /* at the position; may point at the end */
TEESQL_API gboolean teesql_cursor_take (TeesqlCursor *self, const char *field, gsize n, const guint8 **out_bytes, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_skip (TeesqlCursor *self, const char *field, gsize n, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_copy (TeesqlCursor *self, const char *field, guint8 *out, gsize n, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u8 (TeesqlCursor *self, const char *field, guint8 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u16_le (TeesqlCursor *self, const char *field, guint16 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u32_le (TeesqlCursor *self, const char *field, guint32 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u64_le (TeesqlCursor *self, const char *field, guint64 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u16_be (TeesqlCursor *self, const char *field, guint16 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u32_be (TeesqlCursor *self, const char *field, guint32 *out, GError **error) TEESQL_MUST_USE;
TEESQL_API gboolean teesql_cursor_u64_be (TeesqlCursor *self, const char *field, guint64 *out, GError **error) TEESQL_MUST_USE;
/**
 * teesql_cursor_c_string:
 *
 * bytes up to and including a NUL within @max bytes (NUL counted); *out_text points at the string. Reason `unterminated`.
 */
TEESQL_API gboolean teesql_cursor_c_string (TeesqlCursor *self, const char *field, gsize max, const char **out_text, GError **error) TEESQL_MUST_USE;
/**
 * teesql_cursor_sub:
 * @out_sub: a cursor over exactly @n bytes, named @field, which cannot see beyond them
 */
TEESQL_API gboolean teesql_cursor_sub (TeesqlCursor *self, const char *field, gsize n, TeesqlCursor *out_sub, GError **error) TEESQL_MUST_USE;
/**
 * teesql_cursor_expect_end:
 *
 * nothing may be left. Reason `trailing-bytes`.
 */
TEESQL_API gboolean teesql_cursor_expect_end (const TeesqlCursor *self, GError **error) TEESQL_MUST_USE;
/**
 * teesql_cursor_fail:
 *
 * sets %TEESQL_ERROR_MALFORMED for the structure and offset of the cursor, for checks of value. Returns: %FALSE
 */
TEESQL_API gboolean teesql_cursor_fail (const TeesqlCursor *self, GError **error, const char *reason, const char *format, ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
