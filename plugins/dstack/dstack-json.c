#include "dstack-json.h"
#include "base/teesql-locked-memory.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <string.h>

#define MAX_DEPTH 8

static gboolean skip_value (TeesqlCursor *cursor, guint depth, DstackJsonValue *out, GError **error);

static gboolean
fail (const TeesqlCursor *cursor, GError **error, const char *what)
{
  return teesql_cursor_fail (cursor, error, "agent-json", "%s", what);
}

static gboolean
at (const TeesqlCursor *cursor, char expected)
{
  return teesql_cursor_remaining (cursor) > 0 && *teesql_cursor_peek (cursor) == (guint8) expected;
}

static gboolean
is_blank (guint8 byte)
{
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static gboolean
skip_blanks (TeesqlCursor *cursor, GError **error)
{
  while (teesql_cursor_remaining (cursor) > 0 && is_blank (*teesql_cursor_peek (cursor)))
    if (!teesql_cursor_skip (cursor, "blank", 1, error))
      return FALSE;
  return TRUE;
}

static gboolean
expect (TeesqlCursor *cursor, char byte, GError **error)
{
  if (!skip_blanks (cursor, error))
    return FALSE;
  if (!at (cursor, byte))
    return fail (cursor, error, "a punctuation mark is missing");
  return teesql_cursor_skip (cursor, "punctuation", 1, error);
}

static gboolean
skip_escape (TeesqlCursor *cursor, GError **error)
{
  const guint8 *digits = NULL;
  guint8 byte = 0;

  if (!teesql_cursor_u8 (cursor, "escape", &byte, error))
    return FALSE;
  if (byte != 'u')
    return (byte != '\0' && strchr ("\"\\/bfnrt", byte) != NULL) || fail (cursor, error, "an unknown escape");
  if (!teesql_cursor_take (cursor, "escape", 4, &digits, error))
    return FALSE;
  for (guint i = 0; i < 4; i++)
    if (!g_ascii_isxdigit (digits[i]))
      return fail (cursor, error, "an escape without four hex digits");
  return TRUE;
}

static gboolean
skip_string (TeesqlCursor *cursor, DstackJsonValue *out, GError **error)
{
  guint8 byte = 0;

  if (!expect (cursor, '"', error))
    return FALSE;
  out->kind = DSTACK_JSON_STRING;
  out->text = teesql_cursor_peek (cursor);
  do
    {
      if (!teesql_cursor_u8 (cursor, "string", &byte, error) || (byte == '\\' && !skip_escape (cursor, error)))
        return FALSE;
      if (byte < 0x20)
        return fail (cursor, error, "a control character in a string");
    }
  while (byte != '"');
  out->size = (gsize) (teesql_cursor_peek (cursor) - out->text) - 1;
  return TRUE;
}

static gboolean
skip_digits (TeesqlCursor *cursor, GError **error)
{
  if (teesql_cursor_remaining (cursor) == 0 || !g_ascii_isdigit (*teesql_cursor_peek (cursor)))
    return fail (cursor, error, "a number without digits");
  while (teesql_cursor_remaining (cursor) > 0 && g_ascii_isdigit (*teesql_cursor_peek (cursor)))
    if (!teesql_cursor_skip (cursor, "number", 1, error))
      return FALSE;
  return TRUE;
}

static gboolean
skip_number (TeesqlCursor *cursor, GError **error)
{
  if (at (cursor, '-') && !teesql_cursor_skip (cursor, "number", 1, error))
    return FALSE;
  if (at (cursor, '0') ? !teesql_cursor_skip (cursor, "number", 1, error) : !skip_digits (cursor, error))
    return FALSE;
  if (at (cursor, '.') && (!teesql_cursor_skip (cursor, "number", 1, error) || !skip_digits (cursor, error)))
    return FALSE;
  if (!at (cursor, 'e') && !at (cursor, 'E'))
    return TRUE;
  if (!teesql_cursor_skip (cursor, "number", 1, error))
    return FALSE;
  if ((at (cursor, '+') || at (cursor, '-')) && !teesql_cursor_skip (cursor, "number", 1, error))
    return FALSE;
  return skip_digits (cursor, error);
}

static gboolean
skip_literal (TeesqlCursor *cursor, GError **error)
{
  static const char *const words[] = { "true", "false", "null" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      const gsize size = strlen (words[i]);

      if (teesql_cursor_remaining (cursor) >= size && memcmp (teesql_cursor_peek (cursor), words[i], size) == 0)
        return teesql_cursor_skip (cursor, "literal", size, error);
    }
  return fail (cursor, error, "no JSON value");
}

/* begin of the next member or item; *out_more is %FALSE when @close was taken */
static gboolean
next_item (TeesqlCursor *cursor, char close, gboolean first, gboolean *out_more, GError **error)
{
  if (!skip_blanks (cursor, error))
    return FALSE;
  *out_more = !at (cursor, close);
  if (!*out_more)
    return teesql_cursor_skip (cursor, "punctuation", 1, error);
  return first || expect (cursor, ',', error);
}

static gboolean
skip_container (TeesqlCursor *cursor, guint depth, gboolean is_object, GError **error)
{
  const char close = is_object ? '}' : ']';
  DstackJsonValue ignored;
  gboolean more = TRUE;

  if (depth >= MAX_DEPTH)
    return fail (cursor, error, "too many levels");
  if (!teesql_cursor_skip (cursor, "punctuation", 1, error))
    return FALSE;
  for (gboolean first = TRUE;; first = FALSE)
    {
      if (!next_item (cursor, close, first, &more, error))
        return FALSE;
      if (!more)
        return TRUE;
      if (is_object && (!skip_string (cursor, &ignored, error) || !expect (cursor, ':', error)))
        return FALSE;
      if (!skip_value (cursor, depth + 1, &ignored, error))
        return FALSE;
    }
}

static gboolean
skip_value (TeesqlCursor *cursor, guint depth, DstackJsonValue *out, GError **error)
{
  gboolean ok = FALSE;

  if (!skip_blanks (cursor, error))
    return FALSE;
  out->text = teesql_cursor_peek (cursor);
  if (at (cursor, '"'))
    return skip_string (cursor, out, error);
  if (at (cursor, '{') || at (cursor, '['))
    {
      out->kind = at (cursor, '{') ? DSTACK_JSON_OBJECT : DSTACK_JSON_ARRAY;
      ok = skip_container (cursor, depth, out->kind == DSTACK_JSON_OBJECT, error);
    }
  else if (at (cursor, '-') || (teesql_cursor_remaining (cursor) > 0 && g_ascii_isdigit (*out->text)))
    {
      out->kind = DSTACK_JSON_NUMBER;
      ok = skip_number (cursor, error);
    }
  else
    {
      out->kind = DSTACK_JSON_LITERAL;
      ok = skip_literal (cursor, error);
    }
  out->size = (gsize) (teesql_cursor_peek (cursor) - out->text);
  return ok;
}

gboolean
dstack_json_parse (const guint8 *data, gsize size, DstackJsonValue *out_value, GError **error)
{
  TeesqlCursor cursor;
  DstackJsonValue value = { 0 };

  teesql_cursor_init (&cursor, "JSON of the agent", data, size);
  if (!skip_value (&cursor, 0, &value, error) || !skip_blanks (&cursor, error) || !teesql_cursor_expect_end (&cursor, error))
    return FALSE;
  *out_value = value;
  return TRUE;
}

gboolean
dstack_json_iter_init (DstackJsonIter *self, const DstackJsonValue *value, GError **error)
{
  teesql_cursor_init (&self->cursor, "JSON of the agent", value->text, value->size);
  self->begun = FALSE;
  self->is_object = value->kind == DSTACK_JSON_OBJECT;
  if (value->kind != DSTACK_JSON_OBJECT && value->kind != DSTACK_JSON_ARRAY)
    return fail (&self->cursor, error, "neither object nor array");
  return teesql_cursor_skip (&self->cursor, "punctuation", 1, error);
}

gboolean
dstack_json_iter_next (DstackJsonIter *self, DstackJsonValue *out_name, DstackJsonValue *out_value, GError **error)
{
  DstackJsonValue name = { .kind = DSTACK_JSON_STRING };
  gboolean more = FALSE;

  if (!next_item (&self->cursor, self->is_object ? '}' : ']', !self->begun, &more, error) || !more)
    return FALSE;
  self->begun = TRUE;
  if (self->is_object && (!skip_string (&self->cursor, &name, error) || !expect (&self->cursor, ':', error)))
    return FALSE;
  if (out_name != NULL)
    *out_name = name;
  return skip_value (&self->cursor, 0, out_value, error);
}

/* An escaped name is no name of ours: the agent does not write them, and two spellings of one name would be two readings. */
gboolean
dstack_json_is (const DstackJsonValue *name, const char *text)
{
  return name->size == strlen (text) && memcmp (name->text, text, name->size) == 0;
}

gboolean
dstack_json_member (const DstackJsonValue *object, const char *name, DstackJsonKind kind, gboolean *out_found, DstackJsonValue *out_value,
                    GError **error)
{
  g_autoptr (GError) local_error = NULL;
  DstackJsonIter iter;
  DstackJsonValue item_name;
  DstackJsonValue item;
  DstackJsonValue found = { 0 };
  guint n = 0;

  if (!dstack_json_iter_init (&iter, object, error))
    return FALSE;
  while (dstack_json_iter_next (&iter, &item_name, &item, &local_error))
    if (dstack_json_is (&item_name, name) && n++ == 0)
      found = item;
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (n > 1 || (n == 0 && out_found == NULL) || (n == 1 && found.kind != kind))
    return teesql_cursor_fail (&iter.cursor, error, "agent-json", "member %s %s", name,
                               n > 1    ? "stands twice"
                               : n == 0 ? "is missing"
                                        : "is of another type");
  if (out_found != NULL)
    *out_found = n == 1;
  if (n == 1)
    *out_value = found;
  return TRUE;
}

static gboolean
append_utf8 (DstackBuffer *out, gunichar c, GError **error)
{
  char text[6];
  const int size = g_unichar_to_utf8 (c, text);
  gboolean ok = TRUE;

  for (int i = 0; i < size && ok; i++)
    ok = dstack_buffer_append_byte (out, (guint8) text[i], error);
  teesql_wipe (text, sizeof text);
  return ok;
}

static guint
four_hex (const guint8 *digits)
{
  guint value = 0;

  for (guint i = 0; i < 4; i++)
    value = value * 16 + (guint) g_ascii_xdigit_value ((char) digits[i]);
  return value;
}

static gboolean
take_unicode (TeesqlCursor *cursor, DstackBuffer *out, GError **error)
{
  const guint8 *digits = NULL;
  const guint8 *low = NULL;
  gunichar c = 0;

  if (!teesql_cursor_take (cursor, "escape", 4, &digits, error))
    return FALSE;
  c = four_hex (digits);
  if (c >= 0xd800 && c < 0xdc00)
    {
      if (!teesql_cursor_take (cursor, "escape", 6, &low, error))
        return FALSE;
      if (low[0] != '\\' || low[1] != 'u' || four_hex (low + 2) < 0xdc00 || four_hex (low + 2) > 0xdfff)
        return fail (cursor, error, "half a surrogate pair");
      c = 0x10000 + ((c - 0xd800) << 10) + (four_hex (low + 2) - 0xdc00);
    }
  if (c == 0 || (c >= 0xdc00 && c < 0xe000))
    return fail (cursor, error, "a NUL or half a surrogate pair in a string");
  return append_utf8 (out, c, error);
}

gboolean
dstack_json_unescape (const DstackJsonValue *string, DstackBuffer *out, GError **error)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  TeesqlCursor cursor;

  teesql_cursor_init (&cursor, "JSON string of the agent", string->text, string->size);
  while (teesql_cursor_remaining (&cursor) > 0)
    {
      const char *place = NULL;
      guint8 byte = 0;

      if (!teesql_cursor_u8 (&cursor, "character", &byte, error))
        return FALSE;
      if (byte == '\\')
        {
          if (!teesql_cursor_u8 (&cursor, "escape", &byte, error))
            return FALSE;
          if (byte == 'u')
            {
              if (!take_unicode (&cursor, out, error))
                return FALSE;
              continue;
            }
          place = byte != '\0' ? strchr (from, byte) : NULL;
          if (place == NULL)
            return fail (&cursor, error, "an unknown escape");
          byte = (guint8) to[place - from];
        }
      if (!dstack_buffer_append_byte (out, byte, error))
        return FALSE;
    }
  return TRUE;
}

char *
dstack_json_dup_text (const DstackJsonValue *string, gsize max, GError **error)
{
  g_auto (DstackBuffer) buffer = { 0 };

  dstack_buffer_init (&buffer, max + 1, FALSE);
  if (!dstack_json_unescape (string, &buffer, error) || !dstack_buffer_append_byte (&buffer, '\0', error))
    return NULL;
  if (!g_utf8_validate ((const char *) buffer.data, (gssize) buffer.size - 1, NULL))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "agent-json", 0,
                                                  "JSON string of the agent: it is no UTF-8 text"));
      return NULL;
    }
  return g_strdup ((const char *) buffer.data);
}

GBytes *
dstack_json_hex (const DstackJsonValue *string, gsize max, GError **error)
{
  if (string->size / 2 > max)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "agent-answer-size", 0,
                                                  "hex of the agent: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT " expected",
                                                  string->size / 2, max));
      return NULL;
    }
  if (string->size == 0)
    return g_bytes_new_static ("", 0);
  return teesql_hex_decode ((const char *) string->text, (gssize) string->size, error);
}

gboolean
dstack_json_uint (const DstackJsonValue *number, guint64 max, guint64 *out_value, GError **error)
{
  TeesqlCursor cursor;
  guint64 value = 0;

  teesql_cursor_init (&cursor, "JSON number of the agent", number->text, number->size);
  for (gsize i = 0; i < number->size; i++)
    {
      const int digit = g_ascii_digit_value ((char) number->text[i]);

      if (digit < 0 || value > max / 10 || value * 10 > max - (guint64) digit)
        return fail (&cursor, error, "not an integer of the expected range");
      value = value * 10 + (guint64) digit;
    }
  *out_value = value;
  return TRUE;
}

void
dstack_json_write_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; *p != '\0'; p++)
    {
      if (*p == '"' || *p == '\\')
        g_string_append_printf (out, "\\%c", *p);
      else if ((guchar) *p < 0x20)
        g_string_append_printf (out, "\\u%04x", (guint) *p);
      else
        g_string_append_c (out, *p);
    }
  g_string_append_c (out, '"');
}
