#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "seal/teesql-seal-keys.h"
#include <string.h>

static gboolean
check_size (gsize size, const char *what, GError **error)
{
  if (size <= TEESQL_SEAL_BYTES_MAX)
    return TRUE;
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "seal-size",
                      "%s: %" G_GSIZE_FORMAT " bytes in one piece, at most %" G_GSIZE_FORMAT, what, size, TEESQL_SEAL_BYTES_MAX);
}

GBytes *
teesql_seal_writer_seal_bytes (TeesqlSealWriter *self, GBytes *plain, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (plain, &size);
  gsize header_size = 0;
  const guint8 *header = teesql_seal_writer_get_header (self, &header_size);
  gsize total = (gsize) teesql_seal_sealed_size (header_size, size);
  g_autofree guint8 *sealed = NULL;
  gsize from = 0;
  gsize to = header_size;
  gboolean last = FALSE;

  if (!check_size (size, "sealing", error))
    return NULL;
  sealed = g_malloc (total);
  memcpy (sealed, header, header_size);
  for (guint32 index = 0; !last; index++)
    {
      gsize n = MIN (size - from, TEESQL_SEAL_SEGMENT_SIZE);

      last = from + n == size;
      /* an empty GBytes has no data at all, and GnuTLS wants a pointer */
      if (!teesql_seal_writer_seal (self, index, last, n > 0 ? data + from : sealed, n, sealed + to, error))
        return NULL;
      from += n;
      to += n + TEESQL_SEAL_TAG_SIZE;
    }
  g_assert (to == total);
  return g_bytes_new_take (g_steal_pointer (&sealed), total);
}

static gboolean
open_segments (TeesqlSealReader *self, const guint8 *sealed, gsize size, guint8 *out, GError **error)
{
  const gsize full = TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE;
  gsize done = 0;

  for (guint32 index = 0; done < size; index++)
    {
      gsize n = MIN (size - done, full);

      if (!teesql_seal_reader_open (self, index, done + n == size, sealed + done, n, out + index * TEESQL_SEAL_SEGMENT_SIZE, error))
        return FALSE;
      done += n;
    }
  return TRUE;
}

GBytes *
teesql_seal_reader_open_bytes (TeesqlSealReader *self, GBytes *sealed, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);
  gsize header_size = teesql_seal_reader_get_header_size (self);
  guint64 plain_size = 0;
  guint8 *plain = NULL;

  if (!teesql_seal_plain_size (header_size, size, &plain_size, error) || !check_size ((gsize) plain_size, "opening a sealed object", error))
    return NULL;
  plain = g_malloc (MAX ((gsize) plain_size, 1));
  if (open_segments (self, data + header_size, size - header_size, plain, error))
    return g_bytes_new_take (plain, (gsize) plain_size);
  teesql_wipe (plain, (gsize) plain_size); /* the segments before the bad one too: all of it or nothing */
  g_free (plain);
  return NULL;
}

GBytes *
teesql_seal_bytes (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, GBytes *plain, GError **error)
{
  g_autoptr (TeesqlSealWriter) writer = teesql_seal_writer_new (context, keys, epoch, error);

  return writer != NULL ? teesql_seal_writer_seal_bytes (writer, plain, error) : NULL;
}

GBytes *
teesql_unseal_bytes (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GBytes *sealed, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);
  gsize header_size = 0;
  g_autoptr (TeesqlSealReader) reader = teesql_seal_reader_new (expected, keys, data, size, &header_size, error);

  return reader != NULL ? teesql_seal_reader_open_bytes (reader, sealed, error) : NULL;
}
