#include "backup/teesql-retention.h"

/* What stays, by index into the record's backups. Parents stand before their children, so one walk from the newest to the oldest settles
 * who is needed. */

static int
index_of_parent (const TeesqlCatalogRecord *record, guint child)
{
  const TeesqlBackup *backup = g_ptr_array_index (record->backups, child);

  for (guint i = 0; i < child; i++)
    if (memcmp (((TeesqlBackup *) g_ptr_array_index (record->backups, i))->id, backup->parent_id, sizeof backup->parent_id) == 0)
      return (int) i;
  return -1;
}

/* An incremental backup counts as its full one does. */
static gboolean
count_keeps (const TeesqlCatalogRecord *record, const gboolean *counted, guint index)
{
  int at = (int) index;

  while (at >= 0 && ((TeesqlBackup *) g_ptr_array_index (record->backups, at))->incremental)
    at = index_of_parent (record, (guint) at);
  return at < 0 || counted[at]; /* a chain without its beginning is not ours to judge */
}

static gboolean
age_keeps (const TeesqlBackup *backup, const TeesqlRetention *retention, gint64 now_unix)
{
  return retention->age_s > 0 && backup->finished_unix > now_unix - retention->age_s;
}

static gboolean *
find_counted (const TeesqlCatalogRecord *record, guint full_count)
{
  gboolean *counted = g_new0 (gboolean, record->backups->len + 1);
  guint left = MAX (full_count, 1);

  for (guint i = record->backups->len; i > 0 && left > 0; i--)
    if (!((TeesqlBackup *) g_ptr_array_index (record->backups, i - 1))->incremental)
      {
        counted[i - 1] = TRUE;
        left--;
      }
  return counted;
}

static gboolean *
find_kept (const TeesqlCatalogRecord *record, const TeesqlRetention *retention, gint64 now_unix)
{
  g_autofree gboolean *counted = find_counted (record, retention->full_count);
  gboolean *kept = g_new0 (gboolean, record->backups->len + 1);

  for (guint i = record->backups->len; i > 0; i--)
    {
      const TeesqlBackup *backup = g_ptr_array_index (record->backups, i - 1);
      int parent = backup->incremental ? index_of_parent (record, i - 1) : -1;

      kept[i - 1] = kept[i - 1] || count_keeps (record, counted, i - 1) || age_keeps (backup, retention, now_unix);
      if (kept[i - 1] && parent >= 0)
        kept[parent] = TRUE;
    }
  return kept;
}

/* Within a lineage LSNs only grow, promotions included: what lies before the oldest start on any timeline is needed by nobody. */
static gboolean
find_oldest_start (const TeesqlCatalogRecord *record, const gboolean *kept, guint64 *out_lsn)
{
  gboolean found = FALSE;

  for (guint i = 0; i < record->backups->len; i++)
    {
      guint64 start = ((TeesqlBackup *) g_ptr_array_index (record->backups, i))->start_lsn;

      if (kept[i] && (!found || start < *out_lsn))
        {
          *out_lsn = start;
          found = TRUE;
        }
    }
  return found;
}

static GArray *
plan_wal (const TeesqlCatalogRecord *record, const gboolean *kept)
{
  GArray *before = g_array_new (FALSE, TRUE, sizeof (TeesqlWalRange));
  guint64 oldest = 0;

  /* without a backup that stays, a first one may be running and need all of it */
  if (!find_oldest_start (record, kept, &oldest))
    return before;
  oldest -= oldest % record->segment_size;
  for (guint i = 0; i < record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (record->wal, TeesqlWalRange, i);
      TeesqlWalRange cut = { .timeline = range->timeline, .end_lsn = oldest };

      if (range->start_lsn < oldest &&
          (before->len == 0 || g_array_index (before, TeesqlWalRange, before->len - 1).timeline != cut.timeline))
        g_array_append_val (before, cut);
    }
  return before;
}

void
teesql_retention_plan (const TeesqlCatalogRecord *record, const TeesqlRetention *retention, gint64 now_unix, GPtrArray **out_backups,
                       GArray **out_wal_before)
{
  g_autofree gboolean *kept = find_kept (record, retention, now_unix);
  GPtrArray *gone = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_backup_unref);

  for (guint i = 0; i < record->backups->len; i++)
    if (!kept[i])
      g_ptr_array_add (gone, teesql_backup_ref (g_ptr_array_index (record->backups, i)));
  *out_wal_before = plan_wal (record, kept);
  *out_backups = gone;
}
