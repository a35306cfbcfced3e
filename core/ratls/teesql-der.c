#include "ratls/teesql-der.h"

/* X.690 8.1.3.3 allows long forms and indefinite lengths; 10.1 (DER) leaves one spelling for each length. Four length bytes
 * would already be beyond every bound of ours. */
static gboolean
der_length (TeesqlCursor *cursor, gsize *out_length, GError **error)
{
  guint8 first = 0;
  gsize length = 0;

  if (!teesql_cursor_u8 (cursor, "length", &first, error))
    return FALSE;
  if (first < 0x80)
    {
      *out_length = first;
      return TRUE;
    }
  if (first == 0x80 || first > 0x83)
    return teesql_cursor_fail (cursor, error, "der-length", "length form 0x%02x is not used in DER of this size", first);
  for (guint i = 0; i < first - 0x80u; i++)
    {
      guint8 byte = 0;

      if (!teesql_cursor_u8 (cursor, "length", &byte, error))
        return FALSE;
      length = length << 8 | byte;
    }
  if (length < 0x80 || (first == 0x82 && length < 0x100) || (first == 0x83 && length < 0x10000))
    return teesql_cursor_fail (cursor, error, "der-length", "length %" G_GSIZE_FORMAT " is not written in its shortest form", length);
  *out_length = length;
  return TRUE;
}

gboolean
teesql_der_next (TeesqlCursor *cursor, const char *field, TeesqlDer *out, GError **error)
{
  TeesqlCursor at = *cursor;
  TeesqlDer element = { 0 };
  gsize length = 0;

  element.whole = teesql_cursor_peek (&at);
  if (!teesql_cursor_u8 (&at, field, &element.tag, error))
    return FALSE;
  if ((element.tag & 0x1f) == 0x1f)
    return teesql_cursor_fail (cursor, error, "der-tag", "%s: tags of several bytes are not used here", field);
  if (!der_length (&at, &length, error) || !teesql_cursor_sub (&at, field, length, &element.content, error))
    return FALSE;
  element.whole_size = at.pos - cursor->pos;
  *cursor = at;
  *out = element;
  return TRUE;
}

gboolean
teesql_der_expect (TeesqlCursor *cursor, const char *field, guint8 tag, TeesqlDer *out, GError **error)
{
  TeesqlCursor at = *cursor;
  TeesqlDer element = { 0 };

  if (!teesql_der_next (&at, field, &element, error))
    return FALSE;
  if (element.tag != tag)
    return teesql_cursor_fail (cursor, error, "der-tag", "%s: tag 0x%02x, expected 0x%02x", field, element.tag, tag);
  *cursor = at;
  *out = element;
  return TRUE;
}

gboolean
teesql_der_optional (TeesqlCursor *cursor, const char *field, guint8 tag, gboolean *out_present, TeesqlDer *out, GError **error)
{
  if (teesql_cursor_remaining (cursor) == 0 || *teesql_cursor_peek (cursor) != tag)
    {
      *out_present = FALSE;
      return TRUE;
    }
  if (!teesql_der_next (cursor, field, out, error))
    return FALSE;
  *out_present = TRUE;
  return TRUE;
}

static gboolean
two_digits (TeesqlCursor *cursor, const char *field, int *out, GError **error)
{
  const guint8 *text = NULL;

  if (!teesql_cursor_take (cursor, field, 2, &text, error))
    return FALSE;
  if (!g_ascii_isdigit (text[0]) || !g_ascii_isdigit (text[1]))
    return teesql_cursor_fail (cursor, error, "der-time", "%s: a digit was expected", field);
  *out = (text[0] - '0') * 10 + (text[1] - '0');
  return TRUE;
}

static gboolean
der_year (TeesqlCursor *cursor, guint8 tag, int *out_year, GError **error)
{
  int high = 0;
  int low = 0;

  if (tag == TEESQL_DER_GENERALIZED_TIME)
    {
      if (!two_digits (cursor, "year", &high, error) || !two_digits (cursor, "year", &low, error))
        return FALSE;
      *out_year = high * 100 + low;
      return TRUE;
    }
  if (!two_digits (cursor, "year", &low, error))
    return FALSE;
  *out_year = low + (low < 50 ? 2000 : 1900); /* RFC 5280 4.1.2.5.1 */
  return TRUE;
}

gboolean
teesql_der_time (TeesqlCursor *cursor, const char *field, gint64 *out_unix, GError **error)
{
  g_autoptr (GDateTime) time = NULL;
  TeesqlDer element = { 0 };
  guint8 zone = 0;
  int year = 0;
  int part[5] = { 0 }; /* month, day, hour, minute, second */

  if (!teesql_der_next (cursor, field, &element, error))
    return FALSE;
  if (element.tag != TEESQL_DER_UTC_TIME && element.tag != TEESQL_DER_GENERALIZED_TIME)
    return teesql_cursor_fail (cursor, error, "der-tag", "%s: tag 0x%02x is no time", field, element.tag);
  if (!der_year (&element.content, element.tag, &year, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (part); i++)
    if (!two_digits (&element.content, field, &part[i], error))
      return FALSE;
  if (!teesql_cursor_u8 (&element.content, "zone", &zone, error) || !teesql_cursor_expect_end (&element.content, error))
    return FALSE;
  if (zone == 'Z' && year > 0)
    time = g_date_time_new_utc (year, part[0], part[1], part[2], part[3], part[4]);
  if (time == NULL)
    return teesql_cursor_fail (cursor, error, "der-time", "%s: no such time", field);
  *out_unix = g_date_time_to_unix (time);
  return TRUE;
}
