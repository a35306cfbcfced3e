#include "s3-scan.h"

#include "base/teesql-cursor.h"

#include <string.h>
#include <teesql/teesql-error.h>

/* A stretch of the answer. */
typedef struct
{
  const guint8 *data;
  gsize size;
} Slice;

static gboolean
fail (GError **error, const char *member, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-credentials-answer", 0,
                                              "credentials: %s %s", member, text));
  return FALSE;
}

static TeesqlSecret *
take (const Slice *found, const char *member, GError **error)
{
  if (found->data == NULL || found->size == 0 || found->size > TEESQL_SECRET_MAX_SIZE)
    {
      fail (error, member, "is missing, empty or too long");
      return NULL;
    }
  return teesql_secret_new (found->data, found->size, error);
}

char *
s3_scan_to_text (TeesqlSecret *secret)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (secret, &size);

  return g_strndup ((const char *) data, size);
}

/* ---- JSON ---- */

static void
skip_blanks (TeesqlCursor *cursor)
{
  while (teesql_cursor_remaining (cursor) > 0 && strchr (" \t\r\n", *teesql_cursor_peek (cursor)) != NULL &&
         *teesql_cursor_peek (cursor) != '\0')
    cursor->pos++;
}

static gboolean
take_sign (TeesqlCursor *cursor, char sign)
{
  skip_blanks (cursor);
  if (teesql_cursor_remaining (cursor) == 0 || *teesql_cursor_peek (cursor) != (guint8) sign)
    return FALSE;
  cursor->pos++;
  return TRUE;
}

static gboolean
take_string (TeesqlCursor *cursor, Slice *out)
{
  if (!take_sign (cursor, '"'))
    return FALSE;
  out->data = teesql_cursor_peek (cursor);
  out->size = 0;
  while (teesql_cursor_remaining (cursor) > 0)
    {
      guint8 byte = *teesql_cursor_peek (cursor);

      cursor->pos++;
      if (byte == '"')
        return TRUE;
      if (byte == '\\' || byte < 0x20)
        return FALSE;
      out->size++;
    }
  return FALSE;
}

static gboolean
is_named (const Slice *slice, const char *name)
{
  return slice->size == strlen (name) && memcmp (slice->data, name, slice->size) == 0;
}

/* Returns: FALSE where this is no flat object of strings, or has @member twice */
static gboolean
find_in_object (TeesqlCursor *cursor, const char *member, Slice *out)
{
  if (!take_sign (cursor, '{'))
    return FALSE;
  do
    {
      Slice name = { 0 };
      Slice value = { 0 };

      if (!take_string (cursor, &name) || !take_sign (cursor, ':') || !take_string (cursor, &value))
        return FALSE;
      if (is_named (&name, member) && out->data != NULL)
        return FALSE;
      if (is_named (&name, member))
        *out = value;
    }
  while (take_sign (cursor, ','));
  return take_sign (cursor, '}');
}

TeesqlSecret *
s3_scan_json (GBytes *answer, const char *member, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (answer, &size);
  TeesqlCursor cursor;
  Slice found = { 0 };

  teesql_cursor_init (&cursor, "credentials", data, size);
  if (!find_in_object (&cursor, member, &found))
    {
      fail (error, member, "cannot be read: that is no flat JSON object of strings");
      return NULL;
    }
  return take (&found, member, error);
}

/* ---- XML ---- */

static const guint8 *
find (const Slice *where, const char *text)
{
  return where->data != NULL ? memmem (where->data, where->size, text, strlen (text)) : NULL;
}

/* The stretch between <name> and </name>, which must stand there once each, in this order. */
static gboolean
find_element (const Slice *where, const char *name, Slice *out)
{
  g_autofree char *open = g_strdup_printf ("<%s>", name);
  g_autofree char *close = g_strdup_printf ("</%s>", name);
  const guint8 *start = find (where, open);
  const guint8 *end = find (where, close);
  Slice rest = { 0 };

  if (start == NULL || end == NULL || start + strlen (open) > end)
    return FALSE;
  *out = (Slice){ start + strlen (open), (gsize) (end - start) - strlen (open) };
  rest = (Slice){ end + strlen (close), (gsize) (where->data + where->size - end) - strlen (close) };
  return find (out, open) == NULL && find (&rest, open) == NULL && find (&rest, close) == NULL;
}

TeesqlSecret *
s3_scan_xml (GBytes *answer, const char *member, GError **error)
{
  Slice whole = { 0 };
  Slice credentials = { 0 };
  Slice found = { 0 };

  whole.data = g_bytes_get_data (answer, &whole.size);
  if (!find_element (&whole, "Credentials", &credentials) || !find_element (&credentials, member, &found) || find (&found, "<") != NULL ||
      find (&found, "&") != NULL)
    {
      fail (error, member, "is not there, once, in the answer");
      return NULL;
    }
  return take (&found, member, error);
}
