#include "pgwire/teesql-scram-text.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#define MAX_DIGITS 9

gboolean
teesql_scram_fail (GError **error, TeesqlError code, const char *reason, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, code, reason, 0, "SCRAM: %s", text));
  return FALSE;
}

gboolean
teesql_scram_malformed (GError **error, const char *text)
{
  return teesql_scram_fail (error, TEESQL_ERROR_MALFORMED, "scram-malformed", text);
}

gboolean
teesql_scram_open (TeesqlCursor *cursor, const char *data, gsize size, GError **error)
{
  if (size == 0 || size > TEESQL_SCRAM_MAX_MESSAGE)
    return teesql_scram_malformed (error, "a message has 1 to 2048 bytes");
  if (memchr (data, '\0', size) != NULL)
    return teesql_scram_malformed (error, "a NUL inside a message");
  teesql_cursor_init (cursor, "SCRAM message", (const guint8 *) data, size);
  return TRUE;
}

gboolean
teesql_scram_field (TeesqlCursor *cursor, TeesqlScramText *out, GError **error)
{
  TeesqlCursor attempt = *cursor;
  gsize remaining = teesql_cursor_remaining (&attempt);
  const guint8 *start = teesql_cursor_peek (&attempt);
  const guint8 *comma = remaining > 0 ? memchr (start, ',', remaining) : NULL;
  gsize size = comma != NULL ? (gsize) (comma - start) : remaining;
  const guint8 *bytes = NULL;

  if (remaining == 0)
    return teesql_scram_malformed (error, "the message ends too early");
  if (!teesql_cursor_take (&attempt, "field", size, &bytes, NULL))
    return teesql_scram_malformed (error, "a field is cut off");
  if (comma != NULL && (!teesql_cursor_skip (&attempt, "comma", 1, NULL) || teesql_cursor_remaining (&attempt) == 0))
    return teesql_scram_malformed (error, "nothing behind a comma");

  out->text = (const char *) bytes;
  out->size = size;
  *cursor = attempt;
  return TRUE;
}

gboolean
teesql_scram_any_attribute (TeesqlCursor *cursor, char *out_name, TeesqlScramText *out, GError **error)
{
  TeesqlScramText field = { NULL, 0 };

  if (!teesql_scram_field (cursor, &field, error))
    return FALSE;
  if (field.size < 2 || !g_ascii_isalpha (field.text[0]) || field.text[1] != '=')
    return teesql_scram_malformed (error, "a field is no attribute");
  *out_name = field.text[0];
  out->text = field.text + 2;
  out->size = field.size - 2;
  return TRUE;
}

gboolean
teesql_scram_attribute (TeesqlCursor *cursor, char name, TeesqlScramText *out, GError **error)
{
  TeesqlCursor attempt = *cursor;
  TeesqlScramText value = { NULL, 0 };
  char found = '\0';

  if (!teesql_scram_any_attribute (&attempt, &found, &value, error))
    return FALSE;
  if (found != name)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "scram-malformed", 0,
                                                  "SCRAM: attribute '%c', expected '%c'", found, name));
      return FALSE;
    }
  *out = value;
  *cursor = attempt;
  return TRUE;
}

gboolean
teesql_scram_is_nonce (const char *text, gsize size)
{
  if (size == 0 || size > TEESQL_SCRAM_MAX_NONCE)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isgraph (text[i]) || text[i] == ',')
      return FALSE;
  return TRUE;
}

gboolean
teesql_scram_text_equals (const TeesqlScramText *self, const char *text, gsize size)
{
  return self->size == size && (size == 0 || memcmp (self->text, text, size) == 0);
}

gboolean
teesql_scram_integer (const TeesqlScramText *self, guint *out, GError **error)
{
  guint value = 0;

  if (self->size == 0 || self->size > MAX_DIGITS || self->text[0] == '0')
    return teesql_scram_malformed (error, "a count is not a positive decimal number");
  for (gsize i = 0; i < self->size; i++)
    {
      if (!g_ascii_isdigit (self->text[i]))
        return teesql_scram_malformed (error, "a count is not a positive decimal number");
      value = value * 10 + (guint) g_ascii_digit_value (self->text[i]);
    }
  *out = value;
  return TRUE;
}

gboolean
teesql_scram_decode (const TeesqlScramText *self, guint8 *out, gsize size, GError **error)
{
  g_autoptr (GBytes) bytes = teesql_base64_decode (self->text, (gssize) self->size, NULL);
  TeesqlCursor cursor;
  gsize decoded = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &decoded) : NULL;

  if (bytes == NULL || decoded != size)
    return teesql_scram_malformed (error, "an attribute is not base64 of the right length");
  teesql_cursor_init (&cursor, "SCRAM attribute", data, decoded);
  return teesql_cursor_copy (&cursor, "value", out, size, error);
}

gboolean
teesql_scram_decode_salt (const TeesqlScramText *self, guint8 out[TEESQL_SCRAM_MAX_SALT], gsize *out_size, GError **error)
{
  /* decided by the length of the text, so that nothing large is decoded */
  gsize padding = 0;
  gsize size = 0;

  if (self->size == 0 || self->size % 4 != 0 || self->size / 4 * 3 > TEESQL_SCRAM_MAX_SALT + 2)
    return teesql_scram_malformed (error, "a salt has 1 to 64 bytes in base64");
  while (padding < 2 && self->text[self->size - 1 - padding] == '=')
    padding++;
  size = self->size / 4 * 3 - padding;
  if (size > TEESQL_SCRAM_MAX_SALT)
    return teesql_scram_malformed (error, "a salt has 1 to 64 bytes in base64");
  if (!teesql_scram_decode (self, out, size, error))
    return FALSE;
  *out_size = size;
  return TRUE;
}
