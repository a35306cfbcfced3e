#include "gcs-scan.h"

#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

#include <string.h>

#define MEMBERS_MAX 64
#define PUBLIC_MAX  512

/* One value as it stands in the text. */
typedef struct
{
  const guint8 *data; /* of a text: between the quotes */
  gsize size;
  gboolean is_text;
} Slice;

static gboolean
refuse (GError **error, const char *what)
{
  return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "the JSON %s", what);
}

static void
skip_blanks (TeesqlCursor *cursor)
{
  while (cursor->pos < cursor->size && strchr (" \t\r\n", cursor->data[cursor->pos]) != NULL && cursor->data[cursor->pos] != '\0')
    cursor->pos++;
}

static gboolean
take_char (TeesqlCursor *cursor, guint8 wanted)
{
  skip_blanks (cursor);
  if (cursor->pos >= cursor->size || cursor->data[cursor->pos] != wanted)
    return FALSE;
  cursor->pos++;
  return TRUE;
}

/* behind the opening quote */
static gboolean
take_text (TeesqlCursor *cursor, Slice *out)
{
  out->data = cursor->data + cursor->pos;
  out->is_text = TRUE;
  for (; cursor->pos < cursor->size; cursor->pos++)
    {
      guint8 c = cursor->data[cursor->pos];

      if (c == '"')
        {
          out->size = (gsize) (cursor->data + cursor->pos - out->data);
          cursor->pos++;
          return TRUE;
        }
      if (c < 0x20)
        return FALSE;
      if (c == '\\')
        cursor->pos++;
    }
  return FALSE;
}

static gboolean
take_value (TeesqlCursor *cursor, Slice *out)
{
  if (take_char (cursor, '"'))
    return take_text (cursor, out);
  out->data = cursor->data + cursor->pos;
  out->is_text = FALSE;
  while (cursor->pos < cursor->size && (g_ascii_isalnum (cursor->data[cursor->pos]) || strchr ("+-.", cursor->data[cursor->pos]) != NULL) &&
         cursor->data[cursor->pos] != '\0')
    cursor->pos++;
  out->size = (gsize) (cursor->data + cursor->pos - out->data);
  return out->size > 0;
}

static gboolean
is_named (const Slice *key, const char *name)
{
  return key->size == strlen (name) && memcmp (key->data, name, key->size) == 0;
}

static gboolean
take_member (TeesqlCursor *cursor, const char *name, Slice *out, gboolean *found, GError **error)
{
  Slice key = { 0 };
  Slice value = { 0 };

  if (!take_char (cursor, '"') || !take_text (cursor, &key) || !take_char (cursor, ':') || !take_value (cursor, &value))
    return refuse (error, "is no object of texts, numbers and words");
  if (!is_named (&key, name))
    return TRUE;
  if (*found)
    return refuse (error, "has a member twice");
  *found = TRUE;
  *out = value;
  return TRUE;
}

static gboolean
find (const guint8 *json, gsize size, const char *name, Slice *out, GError **error)
{
  TeesqlCursor cursor;
  gboolean found = FALSE;
  guint n = 0;

  teesql_cursor_init (&cursor, "JSON", json, size);
  if (!take_char (&cursor, '{'))
    return refuse (error, "is no object");
  do
    if (n++ == MEMBERS_MAX)
      return refuse (error, "has too many members");
    else if (!take_member (&cursor, name, out, &found, error))
      return FALSE;
  while (take_char (&cursor, ','));
  if (!take_char (&cursor, '}'))
    return refuse (error, "does not end with its object");
  skip_blanks (&cursor);
  if (cursor.pos != cursor.size)
    return refuse (error, "goes on behind its object");
  if (!found)
    return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "the JSON has no “%s”", name);
  return TRUE;
}

/* Returns: bytes of @slice that make up one, 0 for an escape that is none */
static gsize
unescape_one (const guint8 *data, gsize size, guint8 *out)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meant[] = "\"\\/\b\f\n\r\t";
  const char *letter = NULL;
  guint code = 0;

  *out = data[0];
  if (data[0] != '\\')
    return 1;
  if (size < 2)
    return 0;
  letter = data[1] != '\0' ? strchr (letters, data[1]) : NULL;
  if (letter != NULL)
    {
      *out = (guint8) meant[letter - letters];
      return 2;
    }
  if (data[1] != 'u' || size < 6)
    return 0;
  for (gsize i = 2; i < 6; i++)
    {
      int digit = g_ascii_xdigit_value ((char) data[i]);
      if (digit < 0)
        return 0;
      code = code * 16 + (guint) digit;
    }
  *out = (guint8) code;
  return code > 0 && code < 0x80 ? 6 : 0;
}

static gboolean
unescape (const Slice *slice, guint8 *out, gsize *out_size)
{
  gsize used = 0;
  gsize step = 0;

  for (gsize i = 0; i < slice->size; i += step)
    {
      guint8 c = 0;

      step = unescape_one (slice->data + i, slice->size - i, &c);
      if (step == 0)
        return FALSE;
      if (out != NULL)
        out[used] = c;
      used++;
    }
  *out_size = used;
  return TRUE;
}

static gboolean
fill (guint8 *out, gsize size, gpointer data, GError **error)
{
  gsize used = 0;

  return unescape (data, out, &used);
}

TeesqlSecret *
gcs_scan_text (const guint8 *json, gsize size, const char *name, GError **error)
{
  Slice slice = { 0 };
  gsize length = 0;

  if (!find (json, size, name, &slice, error))
    return NULL;
  if (!slice.is_text || !unescape (&slice, NULL, &length) || length == 0 || length > TEESQL_SECRET_MAX_SIZE)
    {
      teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "“%s” is no text of 1 to %" G_GSIZE_FORMAT " bytes",
                   name, TEESQL_SECRET_MAX_SIZE);
      return NULL;
    }
  return teesql_secret_new_fill (length, fill, &slice, error);
}

gboolean
gcs_scan_number (const guint8 *json, gsize size, const char *name, guint64 *out, GError **error)
{
  Slice slice = { 0 };
  g_autofree char *text = NULL;

  if (!find (json, size, name, &slice, error))
    return FALSE;
  text = g_strndup (slice.is_text ? "" : (const char *) slice.data, slice.is_text ? 0 : slice.size);
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, out, NULL))
    return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "“%s” is no number that fits", name);
  return TRUE;
}

char *
gcs_scan_public (const guint8 *json, gsize size, const char *name, GError **error)
{
  Slice slice = { 0 };
  gboolean good = FALSE;

  if (!find (json, size, name, &slice, error))
    return NULL;
  good = slice.is_text && slice.size > 0 && slice.size <= PUBLIC_MAX;
  for (gsize i = 0; good && i < slice.size; i++)
    good = slice.data[i] > 0x20 && slice.data[i] < 0x7f && slice.data[i] != '\\';
  if (!good)
    {
      teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "“%s” is no plain text", name);
      return NULL;
    }
  return g_strndup ((const char *) slice.data, slice.size);
}
