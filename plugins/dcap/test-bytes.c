#include "test-bytes.h"

#include "base/teesql-hex.h"

void
test_copy (guint8 *out, const guint8 *in, gsize size)
{
  for (gsize i = 0; i < size; i++)
    out[i] = in[i];
}

void
test_put (GByteArray *out, gconstpointer data, gsize size)
{
  g_byte_array_append (out, data, (guint) size);
}

void
test_put_le (GByteArray *out, guint64 value, guint size)
{
  for (guint i = 0; i < size; i++)
    {
      guint8 byte = (guint8) (i < 8 ? value >> (8 * i) : 0);
      test_put (out, &byte, 1);
    }
}

void
test_put_hex (GByteArray *out, const char *hex)
{
  g_autoptr (GBytes) bytes = teesql_hex_decode (hex, -1, NULL);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  test_put (out, data, size);
}

void
test_put_tlv (GByteArray *out, guint8 tag, GByteArray *content)
{
  guint8 head[4] = { tag, 0x82, (guint8) (content->len >> 8), (guint8) content->len };

  if (content->len < 0x80)
    {
      head[1] = (guint8) content->len;
      test_put (out, head, 2);
    }
  else if (content->len < 0x100)
    {
      head[1] = 0x81;
      head[2] = (guint8) content->len;
      test_put (out, head, 3);
    }
  else
    test_put (out, head, 4);
  test_put (out, content->data, content->len);
  g_byte_array_unref (content);
}

void
test_put_tlv_bytes (GByteArray *out, guint8 tag, gconstpointer data, gsize size)
{
  GByteArray *content = g_byte_array_new ();
  test_put (content, data, size);
  test_put_tlv (out, tag, content);
}

void
test_put_integer (GByteArray *out, guint8 tag, guint64 value)
{
  guint8 bytes[5] = { 0, (guint8) (value >> 24), (guint8) (value >> 16), (guint8) (value >> 8), (guint8) value };
  guint first = 4;

  while (first > 0 && (bytes[first] & 0x80 || value >> (8 * (5 - first)) != 0))
    first--;
  test_put_tlv_bytes (out, tag, bytes + first, 5 - first);
}
