#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include <string.h>

void
teesql_cursor_init (TeesqlCursor *self, const char *name, const guint8 *data, gsize size)
{
  *self = (TeesqlCursor){ .data = data, .size = data != NULL ? size : 0, .pos = 0, .name = name };
}

gsize
teesql_cursor_remaining (const TeesqlCursor *self)
{
  return self->size - self->pos;
}

const guint8 *
teesql_cursor_peek (const TeesqlCursor *self)
{
  /* NULL + 0 is undefined in C, and an empty structure may well have no bytes at all */
  return self->data != NULL ? self->data + self->pos : (const guint8 *) "";
}

gboolean
teesql_cursor_fail (const TeesqlCursor *self, GError **error, const char *reason, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s, offset %" G_GSIZE_FORMAT ": %s",
                                              self->name, self->pos, text));
  return FALSE;
}

gboolean
teesql_cursor_take (TeesqlCursor *self, const char *field, gsize n, const guint8 **out_bytes, GError **error)
{
  if (n > self->size - self->pos) /* pos <= size always, so this cannot wrap */
    return teesql_cursor_fail (self, error, "truncated", "%s needs %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " are left", field, n,
                               self->size - self->pos);
  *out_bytes = teesql_cursor_peek (self);
  self->pos += n;
  return TRUE;
}

gboolean
teesql_cursor_skip (TeesqlCursor *self, const char *field, gsize n, GError **error)
{
  const guint8 *ignored = NULL;

  return teesql_cursor_take (self, field, n, &ignored, error);
}

gboolean
teesql_cursor_copy (TeesqlCursor *self, const char *field, guint8 *out, gsize n, GError **error)
{
  const guint8 *bytes = NULL;

  if (!teesql_cursor_take (self, field, n, &bytes, error))
    return FALSE;
  if (n > 0)
    memcpy (out, bytes, n);
  return TRUE;
}

/* Every integer goes through here: one place that shifts, nothing that casts a buffer. */
static gboolean
take_integer (TeesqlCursor *self, const char *field, gsize width, gboolean big_endian, guint64 *out_value, GError **error)
{
  const guint8 *bytes = NULL;
  guint64 value = 0;

  if (!teesql_cursor_take (self, field, width, &bytes, error))
    return FALSE;
  for (gsize i = 0; i < width; i++)
    value = value << 8 | bytes[big_endian ? i : width - 1 - i];
  *out_value = value;
  return TRUE;
}

#define DEFINE_GETTER(suffix, type, big_endian)                                                                                            \
  gboolean teesql_cursor_##suffix (TeesqlCursor *self, const char *field, type *out, GError **error)                                       \
  {                                                                                                                                        \
    guint64 value = 0;                                                                                                                     \
                                                                                                                                           \
    if (!take_integer (self, field, sizeof (type), big_endian, &value, error))                                                             \
      return FALSE;                                                                                                                        \
    *out = (type) value;                                                                                                                   \
    return TRUE;                                                                                                                           \
  }

/* clang-format off */
DEFINE_GETTER (u8, guint8, FALSE)
DEFINE_GETTER (u16_le, guint16, FALSE)
DEFINE_GETTER (u32_le, guint32, FALSE)
DEFINE_GETTER (u64_le, guint64, FALSE)
DEFINE_GETTER (u16_be, guint16, TRUE)
DEFINE_GETTER (u32_be, guint32, TRUE)
DEFINE_GETTER (u64_be, guint64, TRUE)
/* clang-format on */

gboolean
teesql_cursor_c_string (TeesqlCursor *self, const char *field, gsize max, const char **out_text, GError **error)
{
  const guint8 *start = teesql_cursor_peek (self);
  gsize limit = MIN (max, teesql_cursor_remaining (self));
  const guint8 *end = limit > 0 ? memchr (start, '\0', limit) : NULL;

  if (end == NULL)
    return teesql_cursor_fail (self, error, "unterminated", "%s has no end within %" G_GSIZE_FORMAT " bytes", field, limit);
  *out_text = (const char *) start;
  self->pos += (gsize) (end - start) + 1;
  return TRUE;
}

gboolean
teesql_cursor_sub (TeesqlCursor *self, const char *field, gsize n, TeesqlCursor *out_sub, GError **error)
{
  const guint8 *bytes = NULL;

  if (!teesql_cursor_take (self, field, n, &bytes, error))
    return FALSE;
  teesql_cursor_init (out_sub, field, bytes, n);
  return TRUE;
}

gboolean
teesql_cursor_expect_end (const TeesqlCursor *self, GError **error)
{
  if (self->pos == self->size)
    return TRUE;
  return teesql_cursor_fail (self, error, "trailing-bytes", "%" G_GSIZE_FORMAT " bytes are left over", self->size - self->pos);
}
