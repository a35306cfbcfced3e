#include "backup/teesql-recovery-end.h"

#include "backup/teesql-layout.h"
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

/* access/xlog_internal.h, access/xlogrecord.h; XLOG_BLCKSZ is what pg_control is checked for */
#define PAGE         ((guint64) 8192)
#define PAGE_HEADER  ((guint64) 24)
#define FIRST_HEADER ((guint64) 40) /* of the first page of a segment */
#define LENGTH_SIZE  ((guint64) 4)  /* xl_tot_len, which never lies across two pages */

guint64
teesql_recovery_record_start (guint64 lsn, guint32 segment_size)
{
  if (lsn % segment_size == 0)
    return lsn + FIRST_HEADER;
  return lsn % PAGE == 0 ? lsn + PAGE_HEADER : lsn;
}

guint64
teesql_recovery_record_end (guint64 lsn, guint32 size, guint32 segment_size)
{
  for (guint64 left = size; left > 0;)
    {
      guint64 n = 0;

      lsn = teesql_recovery_record_start (lsn, segment_size);
      n = MIN (left, PAGE - lsn % PAGE);
      lsn += n;
      left -= n;
    }
  return lsn;
}

static gboolean
read_length (TeesqlWalSource *source, guint32 timeline, guint32 segment_size, guint64 lsn, guint32 *out, GCancellable *cancellable,
             GError **error)
{
  g_autofree char *file = teesql_wal_segment_name (timeline, lsn, segment_size);
  g_autoptr (GBytes) segment = teesql_wal_source_fetch (source, file, cancellable, error);
  TeesqlCursor cursor;

  if (segment == NULL)
    return FALSE;
  teesql_cursor_init (&cursor, "WAL segment", g_bytes_get_data (segment, NULL), g_bytes_get_size (segment));
  return teesql_cursor_skip (&cursor, "records", (gsize) (lsn % segment_size), error) &&
         teesql_cursor_u32_le (&cursor, "record length", out, error);
}

gboolean
teesql_recovery_end_check (TeesqlWalSource *source, guint32 timeline, guint32 segment_size, guint64 end_lsn, guint64 offered_lsn,
                           GCancellable *cancellable, GError **error)
{
  guint64 next = teesql_recovery_record_start (end_lsn, segment_size);
  guint32 length = 0;
  g_autofree char *end = NULL;
  g_autofree char *offered = NULL;

  if (next + LENGTH_SIZE > offered_lsn)
    return TRUE;
  if (!read_length (source, timeline, segment_size, next, &length, cancellable, error))
    return FALSE;
  if (length == 0 || teesql_recovery_record_end (next, length, segment_size) > offered_lsn)
    return TRUE;
  end = teesql_lsn_to_string (end_lsn);
  offered = teesql_lsn_to_string (offered_lsn);
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "recovery-short",
                      "recovery ended at %s on timeline %u, and the repository leads up to %s: what lies between was not replayed", end,
                      timeline, offered);
}
