#include "ratls/teesql-scale.h"

#define MODE_ONE  0u
#define MODE_TWO  1u
#define MODE_FOUR 2u

#define MAX_ONE  (G_GUINT64_CONSTANT (1) << 6)
#define MAX_TWO  (G_GUINT64_CONSTANT (1) << 14)
#define MAX_FOUR (G_GUINT64_CONSTANT (1) << 30)

static gboolean
read_mode (TeesqlCursor *cursor, const char *field, guint mode, guint32 *out, GError **error)
{
  guint8 one = 0;
  guint16 two = 0;
  guint32 four = 0;

  if (mode == MODE_ONE   ? !teesql_cursor_u8 (cursor, field, &one, error)
      : mode == MODE_TWO ? !teesql_cursor_u16_le (cursor, field, &two, error)
                         : !teesql_cursor_u32_le (cursor, field, &four, error))
    return FALSE;
  *out = (mode == MODE_ONE ? one : mode == MODE_TWO ? two : four) >> 2;
  return TRUE;
}

gboolean
teesql_scale_compact (TeesqlCursor *cursor, const char *field, guint32 *out, GError **error)
{
  static const guint64 smallest[] = { 0, MAX_ONE, MAX_TWO };
  guint mode = teesql_cursor_remaining (cursor) > 0 ? *teesql_cursor_peek (cursor) & 3u : MODE_ONE;
  guint32 value = 0;

  if (mode > MODE_FOUR)
    return teesql_cursor_fail (cursor, error, "scale-compact", "%s: a big integer where a length is meant", field);
  if (!read_mode (cursor, field, mode, &value, error))
    return FALSE;
  if (value < smallest[mode])
    return teesql_cursor_fail (cursor, error, "scale-compact", "%s: %u is not written in its shortest form", field, value);
  *out = value;
  return TRUE;
}

static gboolean
scale_slice (TeesqlCursor *cursor, const char *field, gsize max, const guint8 **out, guint32 *out_size, GError **error)
{
  guint32 size = 0;

  if (!teesql_scale_compact (cursor, field, &size, error))
    return FALSE;
  if (size > max)
    return teesql_cursor_fail (cursor, error, "too-large", "%s: %u bytes, at most %" G_GSIZE_FORMAT, field, size, max);
  if (!teesql_cursor_take (cursor, field, size, out, error))
    return FALSE;
  *out_size = size;
  return TRUE;
}

gboolean
teesql_scale_bytes (TeesqlCursor *cursor, const char *field, gsize max, GBytes **out, GError **error)
{
  const guint8 *data = NULL;
  guint32 size = 0;

  if (!scale_slice (cursor, field, max, &data, &size, error))
    return FALSE;
  *out = g_bytes_new (data, size);
  return TRUE;
}

gboolean
teesql_scale_text (TeesqlCursor *cursor, const char *field, gsize max, char **out, GError **error)
{
  const guint8 *data = NULL;
  guint32 size = 0;

  if (!scale_slice (cursor, field, max, &data, &size, error))
    return FALSE;
  if (size > 0 && !g_utf8_validate_len ((const char *) data, size, NULL))
    return teesql_cursor_fail (cursor, error, "not-text", "%s: not UTF-8 text", field);
  *out = g_strndup ((const char *) data, size);
  return TRUE;
}

void
teesql_scale_write_u32 (GByteArray *out, guint32 value)
{
  guint8 bytes[4];

  for (guint i = 0; i < 4; i++)
    bytes[i] = (guint8) (value >> (8 * i));
  g_byte_array_append (out, bytes, sizeof bytes);
}

void
teesql_scale_write_compact (GByteArray *out, guint32 value)
{
  guint mode = value < MAX_ONE ? MODE_ONE : value < MAX_TWO ? MODE_TWO : MODE_FOUR;
  guint32 word = value << 2 | mode;
  guint8 bytes[4];

  g_return_if_fail (value < MAX_FOUR);
  for (guint i = 0; i < 4; i++)
    bytes[i] = (guint8) (word >> (8 * i));
  g_byte_array_append (out, bytes, mode == MODE_ONE ? 1 : mode == MODE_TWO ? 2 : 4);
}

void
teesql_scale_write_bytes (GByteArray *out, const void *data, gsize size)
{
  g_return_if_fail (size < MAX_FOUR);
  teesql_scale_write_compact (out, (guint32) size);
  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
}
