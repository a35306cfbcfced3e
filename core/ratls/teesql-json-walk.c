#include "ratls/teesql-json-walk.h"

#include "base/teesql-hex.h"

static void
skip_space (TeesqlCursor *cursor)
{
  while (teesql_cursor_remaining (cursor) > 0)
    {
      guint8 byte = *teesql_cursor_peek (cursor);

      if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n')
        return;
      cursor->pos++;
    }
}

static gboolean
next_is (TeesqlCursor *cursor, char wanted)
{
  skip_space (cursor);
  return teesql_cursor_remaining (cursor) > 0 && *teesql_cursor_peek (cursor) == wanted;
}

static gboolean
expect (TeesqlCursor *cursor, const char *field, char wanted, GError **error)
{
  if (!next_is (cursor, wanted))
    return teesql_cursor_fail (cursor, error, "json", "%s: expected '%c'", field, wanted);
  cursor->pos++;
  return TRUE;
}

gboolean
teesql_json_begin (TeesqlCursor *cursor, const char *name, const char *text, gsize size, GError **error)
{
  teesql_cursor_init (cursor, name, (const guint8 *) text, size);
  if (!g_utf8_validate_len (text, size, NULL))
    return teesql_cursor_fail (cursor, error, "json", "the text is not UTF-8");
  return TRUE;
}

gboolean
teesql_json_end (TeesqlCursor *cursor, GError **error)
{
  skip_space (cursor);
  return teesql_cursor_expect_end (cursor, error);
}

static gboolean
hex_unit (TeesqlCursor *cursor, guint32 *out, GError **error)
{
  const guint8 *digits = NULL;
  guint32 value = 0;

  if (!teesql_cursor_take (cursor, "escape", 4, &digits, error))
    return FALSE;
  for (guint i = 0; i < 4; i++)
    {
      if (!g_ascii_isxdigit (digits[i]))
        return teesql_cursor_fail (cursor, error, "json", "a \\u escape without four hex digits");
      value = value << 4 | (guint32) g_ascii_xdigit_value ((char) digits[i]);
    }
  *out = value;
  return TRUE;
}

static gboolean
unicode_escape (TeesqlCursor *cursor, GString *out, GError **error)
{
  guint32 high = 0;
  guint32 low = 0;
  const guint8 *prefix = NULL;

  if (!hex_unit (cursor, &high, error))
    return FALSE;
  if (high >= 0xd800 && high < 0xdc00)
    {
      if (!teesql_cursor_take (cursor, "escape", 2, &prefix, error))
        return FALSE;
      if (prefix[0] != '\\' || prefix[1] != 'u' || !hex_unit (cursor, &low, NULL) || low < 0xdc00 || low > 0xdfff)
        return teesql_cursor_fail (cursor, error, "json", "half of a surrogate pair");
      high = 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
    }
  if (high == 0 || !g_unichar_validate (high))
    return teesql_cursor_fail (cursor, error, "json", "a \\u escape that is no character");
  g_string_append_unichar (out, high);
  return TRUE;
}

static gboolean
escape (TeesqlCursor *cursor, GString *out, GError **error)
{
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  guint8 byte = 0;
  const char *found = NULL;

  if (!teesql_cursor_u8 (cursor, "escape", &byte, error))
    return FALSE;
  if (byte == 'u')
    return unicode_escape (cursor, out, error);
  found = byte != '\0' ? strchr (names, byte) : NULL;
  if (found == NULL)
    return teesql_cursor_fail (cursor, error, "json", "unknown escape");
  g_string_append_c (out, values[found - names]);
  return TRUE;
}

gboolean
teesql_json_string (TeesqlCursor *cursor, const char *field, gsize max, char **out, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (!expect (cursor, field, '"', error))
    return FALSE;
  for (;;)
    {
      guint8 byte = 0;

      if (!teesql_cursor_u8 (cursor, field, &byte, error))
        return FALSE;
      if (byte == '"')
        break;
      if (byte < 0x20)
        return teesql_cursor_fail (cursor, error, "json", "%s: a control character in a string", field);
      if (byte != '\\')
        g_string_append_c (text, (char) byte);
      else if (!escape (cursor, text, error))
        return FALSE;
      if (text->len > max)
        return teesql_cursor_fail (cursor, error, "json", "%s: over %" G_GSIZE_FORMAT " bytes", field, max);
    }
  *out = g_string_free (g_steal_pointer (&text), FALSE);
  return TRUE;
}

gboolean
teesql_json_hex (TeesqlCursor *cursor, const char *field, gsize max, GBytes **out, GError **error)
{
  g_autofree char *text = NULL;
  GBytes *bytes = NULL;

  if (!teesql_json_string (cursor, field, max * 2, &text, error))
    return FALSE;
  bytes = teesql_hex_decode (text, -1, NULL);
  if (bytes == NULL)
    return teesql_cursor_fail (cursor, error, "json", "%s: not hex", field);
  *out = bytes;
  return TRUE;
}

gboolean
teesql_json_uint (TeesqlCursor *cursor, const char *field, guint64 max, guint64 *out, GError **error)
{
  const guint8 *start = NULL;
  guint64 value = 0;
  gsize n_digits = 0;

  skip_space (cursor);
  start = teesql_cursor_peek (cursor);
  while (teesql_cursor_remaining (cursor) > 0 && g_ascii_isdigit (*teesql_cursor_peek (cursor)))
    {
      guint digit = *teesql_cursor_peek (cursor) - (guint) '0';

      if (value > (G_MAXUINT64 - digit) / 10)
        return teesql_cursor_fail (cursor, error, "json", "%s: the number is too large", field);
      value = value * 10 + digit;
      cursor->pos++;
      n_digits++;
    }
  if (n_digits == 0 || (n_digits > 1 && start[0] == '0') || value > max)
    return teesql_cursor_fail (cursor, error, "json", "%s: expected a whole number up to %" G_GUINT64_FORMAT, field, max);
  if (next_is (cursor, '.') || next_is (cursor, 'e') || next_is (cursor, 'E'))
    return teesql_cursor_fail (cursor, error, "json", "%s: expected a whole number", field);
  *out = value;
  return TRUE;
}

static gboolean
key_is_new (GPtrArray *keys, const char *key)
{
  for (guint i = 0; i < keys->len; i++)
    if (strcmp (g_ptr_array_index (keys, i), key) == 0)
      return FALSE;
  return TRUE;
}

static gboolean
member (TeesqlCursor *cursor, const char *field, GPtrArray *keys, TeesqlJsonMemberFunc func, gpointer user_data, GError **error)
{
  char *key = NULL;

  if (keys->len == TEESQL_JSON_MAX_MEMBERS)
    return teesql_cursor_fail (cursor, error, "json", "%s: more than %u members", field, TEESQL_JSON_MAX_MEMBERS);
  if (!teesql_json_string (cursor, "key", TEESQL_JSON_MAX_KEY, &key, error))
    return FALSE;
  if (!key_is_new (keys, key))
    {
      teesql_cursor_fail (cursor, error, "json", "%s: %s stands twice", field, key);
      g_free (key);
      return FALSE;
    }
  g_ptr_array_add (keys, key);
  return expect (cursor, key, ':', error) && func (cursor, key, user_data, error);
}

gboolean
teesql_json_object (TeesqlCursor *cursor, const char *field, TeesqlJsonMemberFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);

  if (!expect (cursor, field, '{', error))
    return FALSE;
  if (next_is (cursor, '}'))
    return expect (cursor, field, '}', error);
  do
    {
      if (keys->len > 0 && !expect (cursor, field, ',', error))
        return FALSE;
      if (!member (cursor, field, keys, func, user_data, error))
        return FALSE;
    }
  while (!next_is (cursor, '}'));
  return expect (cursor, field, '}', error);
}

gboolean
teesql_json_array (TeesqlCursor *cursor, const char *field, guint max, TeesqlJsonItemFunc func, gpointer user_data, GError **error)
{
  guint n = 0;

  if (!expect (cursor, field, '[', error))
    return FALSE;
  if (next_is (cursor, ']'))
    return expect (cursor, field, ']', error);
  do
    {
      if (n > 0 && !expect (cursor, field, ',', error))
        return FALSE;
      if (n++ == max)
        return teesql_cursor_fail (cursor, error, "json", "%s: more than %u items", field, max);
      if (!func (cursor, user_data, error))
        return FALSE;
    }
  while (!next_is (cursor, ']'));
  return expect (cursor, field, ']', error);
}

static gboolean
is_word (const TeesqlCursor *cursor, gsize start, const char *word)
{
  return cursor->pos - start == strlen (word) && memcmp (cursor->data + start, word, strlen (word)) == 0;
}

/* Skipped values need no exact number grammar: nothing reads them, and no other value fits into these characters. */
static gboolean
skip_scalar (TeesqlCursor *cursor, GError **error)
{
  gsize start = cursor->pos;
  gboolean number = TRUE;

  while (teesql_cursor_remaining (cursor) > 0)
    {
      guint8 byte = *teesql_cursor_peek (cursor);

      if (!g_ascii_isalnum (byte) && byte != '+' && byte != '-' && byte != '.')
        break;
      number = number && (!g_ascii_isalpha (byte) || byte == 'e' || byte == 'E');
      cursor->pos++;
    }
  if (is_word (cursor, start, "true") || is_word (cursor, start, "false") || is_word (cursor, start, "null"))
    return TRUE;
  if (cursor->pos == start || !number || (cursor->data[start] != '-' && !g_ascii_isdigit (cursor->data[start])))
    return teesql_cursor_fail (cursor, error, "json", "a value was expected");
  return TRUE;
}

static gboolean skip_value (TeesqlCursor *cursor, guint depth, GError **error);

static gboolean
skip_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  return skip_value (cursor, GPOINTER_TO_UINT (user_data), error);
}

static gboolean
skip_item (TeesqlCursor *cursor, gpointer user_data, GError **error)
{
  return skip_value (cursor, GPOINTER_TO_UINT (user_data), error);
}

static gboolean
skip_value (TeesqlCursor *cursor, guint depth, GError **error)
{
  g_autofree char *text = NULL;

  if (depth == TEESQL_JSON_MAX_DEPTH)
    return teesql_cursor_fail (cursor, error, "json", "nested deeper than %u", TEESQL_JSON_MAX_DEPTH);
  if (next_is (cursor, '{'))
    return teesql_json_object (cursor, "object", skip_member, GUINT_TO_POINTER (depth + 1), error);
  if (next_is (cursor, '['))
    return teesql_json_array (cursor, "array", G_MAXUINT, skip_item, GUINT_TO_POINTER (depth + 1), error);
  if (next_is (cursor, '"'))
    return teesql_json_string (cursor, "string", cursor->size, &text, error);
  return skip_scalar (cursor, error);
}

gboolean
teesql_json_skip (TeesqlCursor *cursor, GError **error)
{
  return skip_value (cursor, 0, error);
}
