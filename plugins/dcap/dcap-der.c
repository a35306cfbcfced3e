#include "dcap-der.h"

#define LONG_FORM      0x80
#define MAX_LENGTH_LEN 3

static gboolean
read_length (TeesqlCursor *self, const char *field, gsize *out, GError **error)
{
  guint8 first = 0;
  gsize length = 0;

  if (!teesql_cursor_u8 (self, field, &first, error))
    return FALSE;
  if (first < LONG_FORM)
    {
      *out = first;
      return TRUE;
    }
  guint n = first & 0x7fu;
  if (n == 0 || n > MAX_LENGTH_LEN)
    return teesql_cursor_fail (self, error, "der-length", "%s: length of %u bytes", field, n);
  for (guint i = 0; i < n; i++)
    {
      guint8 byte = 0;
      if (!teesql_cursor_u8 (self, field, &byte, error))
        return FALSE;
      length = length << 8 | byte;
    }
  /* DER has one encoding of a length, the shortest (X.690 10.1) */
  if (length < LONG_FORM || length >> (8 * (n - 1)) == 0)
    return teesql_cursor_fail (self, error, "der-length", "%s: length is not in its shortest form", field);
  *out = length;
  return TRUE;
}

gboolean
dcap_der_read (TeesqlCursor *self, const char *field, guint8 tag, TeesqlCursor *out_content, GError **error)
{
  TeesqlCursor cursor = *self;
  guint8 found = 0;
  gsize length = 0;

  if (!teesql_cursor_u8 (&cursor, field, &found, error))
    return FALSE;
  if (found != tag)
    return teesql_cursor_fail (self, error, "der-tag", "%s: tag 0x%02x, expected 0x%02x", field, found, tag);
  if (!read_length (&cursor, field, &length, error) || !teesql_cursor_sub (&cursor, field, length, out_content, error))
    return FALSE;
  *self = cursor;
  return TRUE;
}

gboolean
dcap_der_read_uint (TeesqlCursor *self, const char *field, guint8 tag, guint max, guint *out, GError **error)
{
  TeesqlCursor content;
  guint8 byte = 0;
  guint64 value = 0;

  if (!dcap_der_read (self, field, tag, &content, error))
    return FALSE;
  gsize size = teesql_cursor_remaining (&content);
  if (size == 0 || size > 5)
    return teesql_cursor_fail (&content, error, "der-integer", "%s: integer of %" G_GSIZE_FORMAT " bytes", field, size);
  const guint8 *bytes = teesql_cursor_peek (&content);
  if ((bytes[0] & 0x80) != 0 || (size > 1 && bytes[0] == 0 && (bytes[1] & 0x80) == 0))
    return teesql_cursor_fail (&content, error, "der-integer", "%s: negative or padded integer", field);
  while (teesql_cursor_remaining (&content) > 0)
    {
      if (!teesql_cursor_u8 (&content, field, &byte, error))
        return FALSE;
      value = value << 8 | byte;
    }
  if (value > max)
    return teesql_cursor_fail (&content, error, "der-integer", "%s: %" G_GUINT64_FORMAT " is above %u", field, value, max);
  *out = (guint) value;
  return TRUE;
}

gboolean
dcap_der_read_octets (TeesqlCursor *self, const char *field, guint8 *out, gsize size, GError **error)
{
  TeesqlCursor content;

  if (!dcap_der_read (self, field, DCAP_DER_OCTET_STRING, &content, error))
    return FALSE;
  if (teesql_cursor_remaining (&content) != size)
    return teesql_cursor_fail (&content, error, "der-octets", "%s: %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, field,
                               teesql_cursor_remaining (&content), size);
  return teesql_cursor_copy (&content, field, out, size, error);
}

gboolean
dcap_der_read_signed (const char *name, const guint8 *data, gsize size, DcapDerSigned *out, GError **error)
{
  TeesqlCursor cursor;
  TeesqlCursor whole;
  TeesqlCursor part;
  guint8 unused_bits = 0;

  teesql_cursor_init (&cursor, name, data, size);
  if (!dcap_der_read (&cursor, name, DCAP_DER_SEQUENCE, &whole, error) || !teesql_cursor_expect_end (&cursor, error))
    return FALSE;
  const guint8 *start = teesql_cursor_peek (&whole);
  if (!dcap_der_read (&whole, "signed part", DCAP_DER_SEQUENCE, &part, error))
    return FALSE;
  gsize signed_size = (gsize) (teesql_cursor_peek (&whole) - start);
  if (!dcap_der_read (&whole, "algorithm", DCAP_DER_SEQUENCE, &part, error) ||
      !dcap_der_read (&whole, "signature", DCAP_DER_BIT_STRING, &part, error) || !teesql_cursor_expect_end (&whole, error) ||
      !teesql_cursor_u8 (&part, "unused bits", &unused_bits, error))
    return FALSE;
  if (unused_bits != 0)
    return teesql_cursor_fail (&part, error, "der-bits", "signature: %u unused bits", unused_bits);
  out->signed_bytes = start;
  out->signed_size = signed_size;
  out->signature = teesql_cursor_peek (&part);
  out->signature_size = teesql_cursor_remaining (&part);
  return TRUE;
}
