#include "backup/teesql-backup-plan.h"

TeesqlBackup *
teesql_backup_plan_find_parent (const TeesqlCatalogRecord *record)
{
  return record->backups->len > 0 ? record->backups->pdata[record->backups->len - 1] : NULL;
}

static const TeesqlBackup *
find_newest_full (const TeesqlCatalogRecord *record)
{
  for (guint i = record->backups->len; i > 0; i--)
    {
      const TeesqlBackup *backup = record->backups->pdata[i - 1];

      if (!backup->incremental)
        return backup;
    }
  return NULL;
}

gboolean
teesql_backup_plan_has_gap (const TeesqlCatalogRecord *record)
{
  const TeesqlWalRange *last = NULL;
  const TeesqlWalRange *before = NULL;

  if (record->wal->len < 2)
    return FALSE;
  last = &g_array_index (record->wal, TeesqlWalRange, record->wal->len - 1);
  before = last - 1;
  if (before->timeline != last->timeline || before->end_lsn >= last->start_lsn)
    return FALSE;
  for (guint i = 0; i < record->backups->len; i++)
    {
      const TeesqlBackup *backup = record->backups->pdata[i];

      if (backup->timeline == last->timeline && backup->start_lsn >= last->start_lsn)
        return FALSE;
    }
  return TRUE;
}

TeesqlBackupKind
teesql_backup_plan_due (const TeesqlCatalogRecord *record, const TeesqlBackupSchedules *schedules, gint64 now_unix, gint64 *out_next_unix,
                        const char **out_why)
{
  const TeesqlBackup *newest = teesql_backup_plan_find_parent (record);
  const TeesqlBackup *full = find_newest_full (record);
  gint64 next_full = G_MAXINT64;
  gint64 next_incremental = G_MAXINT64;

  *out_why = "schedule";
  *out_next_unix = G_MAXINT64;
  if (!schedules->has_full && !schedules->has_incremental)
    return TEESQL_BACKUP_NONE;
  if (full == NULL || teesql_backup_plan_has_gap (record))
    {
      *out_why = full == NULL ? "first" : "gap";
      *out_next_unix = now_unix;
      return TEESQL_BACKUP_FULL;
    }
  if (schedules->has_full)
    next_full = teesql_schedule_next (&schedules->full, full->started_unix);
  if (schedules->has_incremental)
    next_incremental = teesql_schedule_next (&schedules->incremental, newest->started_unix);
  *out_next_unix = MIN (next_full, next_incremental);
  if (next_full <= now_unix)
    return TEESQL_BACKUP_FULL;
  return next_incremental <= now_unix ? TEESQL_BACKUP_INCREMENTAL : TEESQL_BACKUP_NONE;
}
