#include "base/teesql-hex.h"
#include "base/teesql-domains.h"
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define malformed(error, reason, ...) teesql_fail (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, (reason), __VA_ARGS__)

static gsize
text_size (const char *text, gssize length)
{
  return length < 0 ? strlen (text) : (gsize) length;
}

char *
teesql_hex_encode (const guint8 *data, gsize size)
{
  char *text = NULL;

  g_return_val_if_fail (data != NULL || size == 0, NULL);

  text = g_malloc (2 * size + 1); /* sizes here are of things in memory, far from wrapping */
  for (gsize i = 0; i < size; i++)
    {
      text[2 * i] = hex_digits[data[i] >> 4];
      text[2 * i + 1] = hex_digits[data[i] & 15];
    }
  text[2 * size] = '\0';
  return text;
}

gboolean
teesql_hex_decode_into (const char *text, gssize length, guint8 *out, gsize size, GError **error)
{
  gsize n = 0;

  g_return_val_if_fail (text != NULL && (out != NULL || size == 0), FALSE);

  n = text_size (text, length);
  if (n % 2 != 0 || n / 2 != size)
    return malformed (error, "hex-length", "hex text has %" G_GSIZE_FORMAT " characters, expected %" G_GSIZE_FORMAT, n, 2 * size);
  for (gsize i = 0; i < n; i++) /* all of it before the first write: @out is untouched on failure */
    {
      if (!g_ascii_isxdigit (text[i]))
        return malformed (error, "hex-character", "hex text has byte 0x%02x at offset %" G_GSIZE_FORMAT, (guint8) text[i], i);
    }
  for (gsize i = 0; i < size; i++)
    out[i] = (guint8) (g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]));
  return TRUE;
}

GBytes *
teesql_hex_decode (const char *text, gssize length, GError **error)
{
  g_autofree guint8 *data = NULL;
  gsize n = 0;

  g_return_val_if_fail (text != NULL, NULL);

  n = text_size (text, length);
  data = g_malloc (n / 2 + 1);
  if (n % 2 != 0)
    {
      malformed (error, "hex-length", "hex text has an odd number of characters, %" G_GSIZE_FORMAT, n);
      return NULL;
    }
  if (!teesql_hex_decode_into (text, (gssize) n, data, n / 2, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&data), n / 2);
}

char *
teesql_base64_encode (const guint8 *data, gsize size)
{
  return g_base64_encode (data, size);
}

static int
base64_value (char c)
{
  const char *found = c != '\0' ? strchr (base64_digits, c) : NULL;

  return found != NULL ? (int) (found - base64_digits) : -1;
}

/* Four characters, of which the last @padding are `=`. Bits that padding leaves unused must be zero (RFC 4648, 3.5): two texts
 * for the same bytes would let a checked text differ from the one that was signed. */
static gboolean
base64_group (const char *text, gsize offset, guint padding, guint8 out[3], GError **error)
{
  guint32 bits = 0;

  for (guint i = 0; i < 4; i++)
    {
      int value = i < 4 - padding ? base64_value (text[offset + i]) : 0;

      if (value < 0)
        return malformed (error, "base64-character", "base64 text has byte 0x%02x at offset %" G_GSIZE_FORMAT, (guint8) text[offset + i],
                          offset + i);
      bits = bits << 6 | (guint32) value;
    }
  if ((bits & ((1u << (8 * padding)) - 1)) != 0)
    return malformed (error, "base64-not-canonical", "base64 text ends in unused bits that are set");
  out[0] = (guint8) (bits >> 16);
  out[1] = (guint8) (bits >> 8);
  out[2] = (guint8) bits;
  return TRUE;
}

static guint
base64_padding (const char *text, gsize n)
{
  if (n == 0 || text[n - 1] != '=')
    return 0;
  return text[n - 2] == '=' ? 2 : 1;
}

GBytes *
teesql_base64_decode (const char *text, gssize length, GError **error)
{
  g_autofree guint8 *data = NULL;
  guint padding = 0;
  gsize n = 0;

  g_return_val_if_fail (text != NULL, NULL);

  n = text_size (text, length);
  if (n % 4 != 0)
    {
      malformed (error, "base64-length", "base64 text has %" G_GSIZE_FORMAT " characters, expected a multiple of 4", n);
      return NULL;
    }
  padding = base64_padding (text, n);
  data = g_malloc (n / 4 * 3 + 1);
  for (gsize i = 0; i < n / 4; i++)
    {
      if (!base64_group (text, 4 * i, i == n / 4 - 1 ? padding : 0, data + 3 * i, error))
        return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&data), n / 4 * 3 - padding);
}
