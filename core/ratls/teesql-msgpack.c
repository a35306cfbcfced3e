#include "ratls/teesql-msgpack.h"

typedef enum
{
  KIND_NIL,
  KIND_BOOLEAN,
  KIND_UINT,
  KIND_OTHER,
  KIND_TEXT,
  KIND_BIN,
  KIND_ARRAY,
  KIND_MAP
} Kind;

/* What the first byte of a value says: its kind, how many bytes of big-endian number follow, the number where it is in the
 * byte itself, and how many further bytes a fixed-size value has (floats, signed integers, extensions: skipped only). */
typedef struct
{
  Kind kind;
  guint width;
  guint32 inside;
  guint32 fixed;
} Form;

static const Form marked_forms[] = {
  [0x00] = { KIND_NIL, 0, 0, 0 },     [0x01] = { KIND_OTHER, 0, 0, 0 }, [0x02] = { KIND_BOOLEAN, 0, 0, 0 },
  [0x03] = { KIND_BOOLEAN, 0, 1, 0 }, [0x04] = { KIND_BIN, 1, 0, 0 },   [0x05] = { KIND_BIN, 2, 0, 0 },
  [0x06] = { KIND_BIN, 4, 0, 0 },     [0x07] = { KIND_OTHER, 1, 0, 1 }, [0x08] = { KIND_OTHER, 2, 0, 1 },
  [0x09] = { KIND_OTHER, 4, 0, 1 },   [0x0a] = { KIND_OTHER, 0, 0, 4 }, [0x0b] = { KIND_OTHER, 0, 0, 8 },
  [0x0c] = { KIND_UINT, 1, 0, 0 },    [0x0d] = { KIND_UINT, 2, 0, 0 },  [0x0e] = { KIND_UINT, 4, 0, 0 },
  [0x0f] = { KIND_UINT, 8, 0, 0 },    [0x10] = { KIND_OTHER, 0, 0, 1 }, [0x11] = { KIND_OTHER, 0, 0, 2 },
  [0x12] = { KIND_OTHER, 0, 0, 4 },   [0x13] = { KIND_OTHER, 0, 0, 8 }, [0x14] = { KIND_OTHER, 0, 0, 2 },
  [0x15] = { KIND_OTHER, 0, 0, 3 },   [0x16] = { KIND_OTHER, 0, 0, 5 }, [0x17] = { KIND_OTHER, 0, 0, 9 },
  [0x18] = { KIND_OTHER, 0, 0, 17 },  [0x19] = { KIND_TEXT, 1, 0, 0 },  [0x1a] = { KIND_TEXT, 2, 0, 0 },
  [0x1b] = { KIND_TEXT, 4, 0, 0 },    [0x1c] = { KIND_ARRAY, 2, 0, 0 }, [0x1d] = { KIND_ARRAY, 4, 0, 0 },
  [0x1e] = { KIND_MAP, 2, 0, 0 },     [0x1f] = { KIND_MAP, 4, 0, 0 },
};

static Form
form_of (guint8 byte)
{
  if (byte < 0x80)
    return (Form){ KIND_UINT, 0, byte, 0 };
  if (byte < 0x90)
    return (Form){ KIND_MAP, 0, byte & 0x0fu, 0 };
  if (byte < 0xa0)
    return (Form){ KIND_ARRAY, 0, byte & 0x0fu, 0 };
  if (byte < 0xc0)
    return (Form){ KIND_TEXT, 0, byte & 0x1fu, 0 };
  if (byte < 0xe0)
    return marked_forms[byte - 0xc0];
  return (Form){ KIND_OTHER, 0, 0, 0 }; /* negative fixint */
}

/* 0xc1 is the one byte that msgpack never uses */
#define NEVER_USED 0xc1

static gboolean
read_head (TeesqlCursor *cursor, const char *what, Form *out_form, guint64 *out_number, GError **error)
{
  guint8 byte = 0;
  guint64 number = 0;
  Form form = { 0 };

  if (!teesql_cursor_u8 (cursor, what, &byte, error))
    return FALSE;
  if (byte == NEVER_USED)
    return teesql_cursor_fail (cursor, error, "msgpack", "%s: byte 0xc1 is no msgpack", what);
  form = form_of (byte);
  number = form.inside;
  for (guint i = 0; i < form.width; i++)
    {
      if (!teesql_cursor_u8 (cursor, what, &byte, error))
        return FALSE;
      number = number << 8 | byte;
    }
  *out_form = form;
  *out_number = number;
  return TRUE;
}

static gboolean
expect_head (TeesqlCursor *cursor, const char *what, Kind kind, const char *kind_name, guint64 *out_number, GError **error)
{
  Form form = { 0 };

  if (!read_head (cursor, what, &form, out_number, error))
    return FALSE;
  if (form.kind != kind)
    return teesql_cursor_fail (cursor, error, "msgpack", "%s: expected %s", what, kind_name);
  return TRUE;
}

/* Every item has at least one byte, so a count beyond what is left is a lie; loops end where the bytes do. */
static gboolean
check_count (TeesqlCursor *cursor, const char *what, guint64 count, guint64 max, GError **error)
{
  if (count > max || count > teesql_cursor_remaining (cursor))
    return teesql_cursor_fail (cursor, error, "too-many", "%s: %" G_GUINT64_FORMAT " items", what, count);
  return TRUE;
}

gboolean
teesql_msgpack_uint (TeesqlCursor *cursor, const char *what, guint64 max, guint64 *out, GError **error)
{
  guint64 value = 0;

  if (!expect_head (cursor, what, KIND_UINT, "an unsigned integer", &value, error))
    return FALSE;
  if (value > max)
    return teesql_cursor_fail (cursor, error, "msgpack", "%s: %" G_GUINT64_FORMAT ", at most %" G_GUINT64_FORMAT, what, value, max);
  *out = value;
  return TRUE;
}

static gboolean
text_slice (TeesqlCursor *cursor, const char *what, gsize max, const char **out, gsize *out_size, GError **error)
{
  const guint8 *data = NULL;
  guint64 size = 0;

  if (!expect_head (cursor, what, KIND_TEXT, "text", &size, error))
    return FALSE;
  if (size > max)
    return teesql_cursor_fail (cursor, error, "too-large", "%s: %" G_GUINT64_FORMAT " bytes, at most %" G_GSIZE_FORMAT, what, size, max);
  if (!teesql_cursor_take (cursor, what, size, &data, error))
    return FALSE;
  if (size > 0 && !g_utf8_validate_len ((const char *) data, size, NULL))
    return teesql_cursor_fail (cursor, error, "not-text", "%s: not UTF-8 text", what);
  *out = (const char *) data;
  *out_size = size;
  return TRUE;
}

gboolean
teesql_msgpack_text (TeesqlCursor *cursor, const char *what, gsize max, char **out, GError **error)
{
  const char *text = NULL;
  gsize size = 0;

  if (!text_slice (cursor, what, max, &text, &size, error))
    return FALSE;
  *out = g_strndup (text, size);
  return TRUE;
}

static gboolean
bytes_of_array (TeesqlCursor *cursor, const char *what, guint64 count, GBytes **out, GError **error)
{
  g_autofree guint8 *data = g_malloc (count + 1);

  for (guint64 i = 0; i < count; i++)
    {
      guint64 value = 0;

      if (!teesql_msgpack_uint (cursor, what, G_MAXUINT8, &value, error))
        return FALSE;
      data[i] = (guint8) value;
    }
  *out = g_bytes_new_take (g_steal_pointer (&data), count);
  return TRUE;
}

gboolean
teesql_msgpack_bytes (TeesqlCursor *cursor, const char *what, gsize max, GBytes **out, GError **error)
{
  const guint8 *data = NULL;
  guint64 count = 0;
  Form form = { 0 };

  if (!read_head (cursor, what, &form, &count, error) || !check_count (cursor, what, count, max, error))
    return FALSE;
  if (form.kind == KIND_ARRAY)
    return bytes_of_array (cursor, what, count, out, error);
  if (form.kind != KIND_BIN)
    return teesql_cursor_fail (cursor, error, "msgpack", "%s: expected bytes", what);
  if (!teesql_cursor_take (cursor, what, count, &data, error))
    return FALSE;
  *out = g_bytes_new (data, count);
  return TRUE;
}

gboolean
teesql_msgpack_array (TeesqlCursor *cursor, const char *what, guint max, TeesqlMsgpackItemFunc func, gpointer user_data, GError **error)
{
  guint64 count = 0;

  if (!expect_head (cursor, what, KIND_ARRAY, "an array", &count, error) || !check_count (cursor, what, count, max, error))
    return FALSE;
  for (guint64 i = 0; i < count; i++)
    if (!func (cursor, user_data, error))
      return FALSE;
  return TRUE;
}

static gboolean
skip_value (TeesqlCursor *cursor, guint depth, GError **error)
{
  Form form = { 0 };
  guint64 number = 0;
  guint64 n_values = 0;

  if (depth == TEESQL_MSGPACK_MAX_DEPTH)
    return teesql_cursor_fail (cursor, error, "msgpack", "nested deeper than %u", TEESQL_MSGPACK_MAX_DEPTH);
  if (!read_head (cursor, "value", &form, &number, error))
    return FALSE;
  if (form.kind == KIND_TEXT || form.kind == KIND_BIN || (form.kind == KIND_OTHER && form.width > 0))
    return teesql_cursor_skip (cursor, "value", number + form.fixed, error);
  if (form.kind != KIND_ARRAY && form.kind != KIND_MAP)
    return teesql_cursor_skip (cursor, "value", form.fixed, error);
  n_values = form.kind == KIND_MAP ? number * 2 : number;
  if (!check_count (cursor, "value", n_values, G_MAXUINT32, error))
    return FALSE;
  for (guint64 i = 0; i < n_values; i++)
    if (!skip_value (cursor, depth + 1, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_msgpack_skip (TeesqlCursor *cursor, GError **error)
{
  return skip_value (cursor, 0, error);
}

typedef struct
{
  const char *text;
  gsize size;
} Key;

static gboolean
key_equals (const Key *key, const char *text, gsize size)
{
  return key->size == size && memcmp (key->text, text, size) == 0;
}

static gboolean
read_key (TeesqlCursor *cursor, const char *what, Key *keys, guint n_keys, GError **error)
{
  Key *key = &keys[n_keys];

  if (!text_slice (cursor, what, TEESQL_MSGPACK_MAX_KEY, &key->text, &key->size, error))
    return FALSE;
  for (guint i = 0; i < n_keys; i++)
    if (key_equals (&keys[i], key->text, key->size))
      return teesql_cursor_fail (cursor, error, "msgpack", "%s: a key stands twice", what);
  return TRUE;
}

static gboolean
check_required (const TeesqlCursor *cursor, const char *what, const TeesqlMsgpackField *fields, guint n_fields, GError **error)
{
  for (guint i = 0; i < n_fields; i++)
    if (fields[i].required && !fields[i].present)
      return teesql_cursor_fail (cursor, error, "msgpack", "%s: %s is missing", what, fields[i].name);
  return TRUE;
}

gboolean
teesql_msgpack_map (TeesqlCursor *cursor, const char *what, TeesqlMsgpackField *fields, guint n_fields, GError **error)
{
  Key keys[TEESQL_MSGPACK_MAX_KEYS] = { { NULL, 0 } };
  guint64 count = 0;

  if (!expect_head (cursor, what, KIND_MAP, "a map", &count, error) || !check_count (cursor, what, count, TEESQL_MSGPACK_MAX_KEYS, error))
    return FALSE;
  for (guint k = 0; k < count; k++)
    {
      TeesqlCursor start = { 0 };

      if (!read_key (cursor, what, keys, k, error))
        return FALSE;
      start = *cursor;
      if (!teesql_msgpack_skip (cursor, error))
        return FALSE;
      for (guint i = 0; i < n_fields; i++)
        if (key_equals (&keys[k], fields[i].name, strlen (fields[i].name)))
          {
            fields[i].present = TRUE;
            if (!teesql_cursor_sub (&start, fields[i].name, cursor->pos - start.pos, &fields[i].value, error))
              return FALSE;
          }
    }
  return check_required (cursor, what, fields, n_fields, error);
}
