#include "backup/teesql-backup-plan.h"

#define DAY  ((gint64) 86400)
#define MiB  ((guint64) 1 << 20)
#define NOON ((gint64) 1772366400) /* Sunday 2026-03-01 12:00 UTC */

static TeesqlBackup *
add_backup (TeesqlCatalogRecord *record, gboolean incremental, gint64 started, guint64 start_lsn)
{
  TeesqlBackup *backup = teesql_backup_new ();

  backup->id[0] = (guint8) (record->backups->len + 1);
  backup->incremental = incremental;
  backup->started_unix = started;
  backup->finished_unix = started + 60;
  backup->start_lsn = start_lsn;
  backup->stop_lsn = start_lsn + MiB;
  backup->timeline = 1;
  g_ptr_array_add (record->backups, backup);
  return backup;
}

static TeesqlBackupSchedules
usual (void)
{
  TeesqlBackupSchedules schedules = { .has_full = TRUE, .has_incremental = TRUE };

  g_assert_true (teesql_schedule_parse ("Sun 02:00", &schedules.full, NULL));
  g_assert_true (teesql_schedule_parse ("daily 02:00", &schedules.incremental, NULL));
  return schedules;
}

static TeesqlBackupKind
due (const TeesqlCatalogRecord *record, const TeesqlBackupSchedules *schedules, gint64 now, gint64 *next)
{
  const char *why = NULL;

  return teesql_backup_plan_due (record, schedules, now, next, &why);
}

static void
test_first (void)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();
  TeesqlBackupSchedules schedules = usual ();
  TeesqlBackupSchedules none = { 0 };
  gint64 next = 0;

  g_assert_cmpint (due (record, &schedules, NOON, &next), ==, TEESQL_BACKUP_FULL);
  g_assert_cmpint (next, ==, NOON);
  g_assert_cmpint (due (record, &none, NOON, &next), ==, TEESQL_BACKUP_NONE);
  g_assert_cmpint (next, ==, G_MAXINT64);
}

static void
test_schedule (void)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();
  TeesqlBackupSchedules schedules = usual ();
  gint64 next = 0;

  add_backup (record, FALSE, NOON, 16 * MiB);
  g_assert_cmpint (due (record, &schedules, NOON + 3600, &next), ==, TEESQL_BACKUP_NONE);
  g_assert_cmpint (next, ==, NOON + DAY - 10 * 3600);
  g_assert_cmpint (due (record, &schedules, next, &next), ==, TEESQL_BACKUP_INCREMENTAL);
  add_backup (record, TRUE, NOON + 6 * DAY - 10 * 3600, 32 * MiB);
  /* Sunday: both fall together, and the full one does the work of both */
  g_assert_cmpint (due (record, &schedules, NOON + 7 * DAY - 10 * 3600, &next), ==, TEESQL_BACKUP_FULL);
}

static void
test_missed (void)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();
  TeesqlBackupSchedules schedules = usual ();
  gint64 next = 0;

  add_backup (record, FALSE, NOON, 16 * MiB);
  g_assert_cmpint (due (record, &schedules, NOON + 40 * DAY, &next), ==, TEESQL_BACKUP_FULL);
  add_backup (record, FALSE, NOON + 40 * DAY, 48 * MiB);
  g_assert_cmpint (due (record, &schedules, NOON + 40 * DAY + 60, &next), ==, TEESQL_BACKUP_NONE);
}

static void
test_gap (void)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();
  TeesqlBackupSchedules schedules = usual ();
  gint64 next = 0;

  add_backup (record, FALSE, NOON, 16 * MiB);
  teesql_catalog_record_add_wal (record, 1, 16 * MiB, 64 * MiB, NOON);
  g_assert_false (teesql_backup_plan_has_gap (record));
  teesql_catalog_record_add_wal (record, 1, 128 * MiB, 144 * MiB, NOON + 10);
  g_assert_true (teesql_backup_plan_has_gap (record));
  g_assert_cmpint (due (record, &schedules, NOON + 20, &next), ==, TEESQL_BACKUP_FULL);
  add_backup (record, FALSE, NOON + 30, 130 * MiB);
  g_assert_false (teesql_backup_plan_has_gap (record));
  g_assert_cmpint (due (record, &schedules, NOON + 40, &next), ==, TEESQL_BACKUP_NONE);
}

static void
test_promotion (void)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();

  add_backup (record, FALSE, NOON, 16 * MiB);
  teesql_catalog_record_add_wal (record, 1, 16 * MiB, 64 * MiB, NOON);
  teesql_catalog_record_add_wal (record, 2, 48 * MiB, 80 * MiB, NOON + 10);
  g_assert_false (teesql_backup_plan_has_gap (record));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup-plan/the first backup is full and at once", test_first);
  g_test_add_func ("/backup-plan/a full one takes the place of an incremental one", test_schedule);
  g_test_add_func ("/backup-plan/what was missed is made up for once", test_missed);
  g_test_add_func ("/backup-plan/a gap wants a full backup behind it", test_gap);
  g_test_add_func ("/backup-plan/a promotion is no gap", test_promotion);
  return g_test_run ();
}
