#include "simulator/teesql-sim-der.h"
#include <string.h>

static void
add_length (GByteArray *out, gsize size)
{
  guint8 encoded[1 + sizeof (gsize)];
  guint n = 0;

  if (size < 0x80)
    {
      encoded[n++] = (guint8) size;
    }
  else
    {
      guint n_bytes = 0;

      for (gsize rest = size; rest > 0; rest >>= 8)
        n_bytes++;
      encoded[n++] = (guint8) (0x80 | n_bytes);
      for (guint i = n_bytes; i > 0; i--)
        encoded[n++] = (guint8) (size >> (8 * (i - 1)));
    }
  g_byte_array_append (out, encoded, n);
}

void
teesql_sim_der_add_raw (GByteArray *out, const guint8 *der, gsize size)
{
  g_return_if_fail (size <= G_MAXUINT);
  g_byte_array_append (out, der, (guint) size);
}

void
teesql_sim_der_add (GByteArray *out, guint8 tag, const guint8 *data, gsize size)
{
  g_byte_array_append (out, &tag, 1);
  add_length (out, size);
  if (size > 0)
    teesql_sim_der_add_raw (out, data, size);
}

void
teesql_sim_der_close (GByteArray *out, guint8 tag, GByteArray *content)
{
  teesql_sim_der_add (out, tag, content->data, content->len);
  g_byte_array_unref (content);
}

void
teesql_sim_der_add_serial (GByteArray *out, const guint8 *bytes, gsize size)
{
  const guint8 tag = TEESQL_SIM_DER_INTEGER;
  const guint8 zero = 0;
  gboolean pad;

  while (size > 1 && bytes[0] == 0)
    {
      bytes++;
      size--;
    }
  pad = (bytes[0] & 0x80) != 0;
  g_byte_array_append (out, &tag, 1);
  add_length (out, size + (pad ? 1 : 0));
  if (pad)
    g_byte_array_append (out, &zero, 1);
  teesql_sim_der_add_raw (out, bytes, size);
}

void
teesql_sim_der_add_unsigned (GByteArray *out, guint8 tag, guint64 value)
{
  guint8 bytes[9] = { 0 };
  guint first = 1;

  for (guint i = 0; i < 8; i++)
    bytes[8 - i] = (guint8) (value >> (8 * i));
  while (first < 8 && bytes[first] == 0)
    first++;
  if ((bytes[first] & 0x80) != 0)
    first--; /* bytes[0] is the zero that keeps the number positive */
  teesql_sim_der_add (out, tag, bytes + first, sizeof bytes - first);
}

void
teesql_sim_der_add_boolean (GByteArray *out, gboolean value)
{
  const guint8 byte = value ? 0xff : 0x00;

  teesql_sim_der_add (out, TEESQL_SIM_DER_BOOLEAN, &byte, 1);
}

static void
add_arc (GByteArray *out, guint64 arc)
{
  guint8 bytes[10];
  guint n = sizeof bytes;

  bytes[--n] = (guint8) (arc & 0x7f);
  for (arc >>= 7; arc > 0; arc >>= 7)
    bytes[--n] = (guint8) (0x80 | (arc & 0x7f));
  g_byte_array_append (out, bytes + n, (guint) (sizeof bytes - n));
}

void
teesql_sim_der_add_oid (GByteArray *out, const char *dotted)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_auto (GStrv) arcs = g_strsplit (dotted, ".", -1);
  guint n_arcs = g_strv_length (arcs);

  g_return_if_fail (n_arcs >= 2);
  add_arc (content, g_ascii_strtoull (arcs[0], NULL, 10) * 40 + g_ascii_strtoull (arcs[1], NULL, 10));
  for (guint i = 2; i < n_arcs; i++)
    add_arc (content, g_ascii_strtoull (arcs[i], NULL, 10));
  teesql_sim_der_add (out, TEESQL_SIM_DER_OID, content->data, content->len);
}

void
teesql_sim_der_add_time (GByteArray *out, gint64 unix_seconds)
{
  g_autoptr (GDateTime) when = g_date_time_new_from_unix_utc (unix_seconds);
  gboolean utc_time = g_date_time_get_year (when) < 2050;
  g_autofree char *text = g_date_time_format (when, utc_time ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ");

  teesql_sim_der_add (out, utc_time ? 0x17 : 0x18, (const guint8 *) text, strlen (text));
}

void
teesql_sim_der_add_bits (GByteArray *out, const guint8 *data, gsize size)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  const guint8 unused_bits = 0;

  g_byte_array_append (content, &unused_bits, 1);
  teesql_sim_der_add_raw (content, data, size);
  teesql_sim_der_add (out, TEESQL_SIM_DER_BIT_STRING, content->data, content->len);
}
