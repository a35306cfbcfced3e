#pragma once
#include "backup/teesql-catalog-record.h"
#include "config/teesql-schedule.h"

G_BEGIN_DECLS

typedef enum { TEESQL_BACKUP_NONE, TEESQL_BACKUP_FULL, TEESQL_BACKUP_INCREMENTAL } TeesqlBackupKind;

/**
 * TeesqlBackupSchedules:
 * @has_full: whether `full-schedule` is not `none`
 */
typedef struct {
  gboolean has_full;
  TeesqlSchedule full;
  gboolean has_incremental;
  TeesqlSchedule incremental;
} TeesqlBackupSchedules;

/**
 * teesql_backup_plan_due:
 * @out_next_unix: when the next one is due, %G_MAXINT64 when nothing is scheduled
 * @out_why: (transfer none): for the log: `schedule`, `first`, `gap`
 *
 * what should run now. Without any backup, or where WAL has a gap that no backup lies behind, a full one is due at once: until it is there
 * nothing, or nothing new, can be restored. What was missed while the daemon was away is made up for once. Pure.
 */
TeesqlBackupKind teesql_backup_plan_due (const TeesqlCatalogRecord *record, const TeesqlBackupSchedules *schedules, gint64 now_unix,
                                         gint64 *out_next_unix, const char **out_why);
/* (transfer none) (nullable): what an incremental backup can stand on: the newest backup of this cluster */
TeesqlBackup *teesql_backup_plan_find_parent (const TeesqlCatalogRecord *record);
/* whether WAL is missing between the newest backup and now, on the newest timeline */
gboolean teesql_backup_plan_has_gap (const TeesqlCatalogRecord *record);

G_END_DECLS
