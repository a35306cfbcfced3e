#include "dcap-x509.h"

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END   "-----END CERTIFICATE-----"

GBytes *
dcap_x509_take_datum (gnutls_datum_t *datum)
{
  GBytes *bytes = g_bytes_new (datum->data, datum->size);
  gnutls_free (datum->data);
  datum->data = NULL;
  return bytes;
}

GBytes *
dcap_x509_serial_new (const guint8 *data, gsize size)
{
  while (size > 1 && *data == 0)
    {
      data++;
      size--;
    }
  return g_bytes_new (data, size);
}

char *
dcap_x509_date_text (gint64 unix_seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_seconds);
  return time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup_printf ("%" G_GINT64_FORMAT, unix_seconds);
}

static const char *
find_end (const char *text, const char *end)
{
  for (; (gsize) (end - text) >= strlen (PEM_END); text++)
    if (memcmp (text, PEM_END, strlen (PEM_END)) == 0)
      return text + strlen (PEM_END);
  return NULL;
}

gboolean
dcap_x509_next_pem (const char **io_text, const char *end, const char **out_block, gsize *out_size)
{
  const char *text = *io_text;

  while (text < end && (*text == '\n' || *text == '\r' || *text == ' ' || *text == '\t'))
    text++;
  if (text == end)
    {
      *out_block = NULL;
      return FALSE;
    }
  if ((gsize) (end - text) < strlen (PEM_BEGIN) || memcmp (text, PEM_BEGIN, strlen (PEM_BEGIN)) != 0)
    return FALSE;
  const char *block_end = find_end (text, end);
  if (block_end == NULL)
    return FALSE;
  *out_block = text;
  *out_size = (gsize) (block_end - text);
  *io_text = block_end;
  return TRUE;
}
