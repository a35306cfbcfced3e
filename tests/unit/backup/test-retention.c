#include "backup/teesql-retention.h"
#include "record-fixture.h"

#define DAY ((gint64) 86400)

typedef struct
{
  GPtrArray *gone;
  GArray *before;
} Plan;

static Plan
plan (const TeesqlCatalogRecord *record, guint full_count, gint64 age_s, gint64 now_unix)
{
  TeesqlRetention retention = { full_count, age_s };
  Plan out = { 0 };

  teesql_retention_plan (record, &retention, now_unix, &out.gone, &out.before);
  return out;
}

static void
plan_clear (Plan *self)
{
  g_ptr_array_unref (self->gone);
  g_array_unref (self->before);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

static gboolean
is_gone (const Plan *self, const TeesqlBackup *backup)
{
  return g_ptr_array_find (self->gone, backup, NULL);
}

static guint64
cut_of (const Plan *self, guint32 timeline)
{
  for (guint i = 0; i < self->before->len; i++)
    if (g_array_index (self->before, TeesqlWalRange, i).timeline == timeline)
      return g_array_index (self->before, TeesqlWalRange, i).end_lsn;
  return 0;
}

static TeesqlCatalogRecord *
weekly (void)
{
  TeesqlCatalogRecord *record = fixture_record ();

  for (guint week = 0; week < 4; week++)
    {
      fixture_add (record, fixture_backup (record, (guint8) (week * 2 + 1), 1, (100 + week * 100) * MIB + 0x28, -1));
      fixture_add (record, fixture_backup (record, (guint8) (week * 2 + 2), 1, (150 + week * 100) * MIB + 0x28, (int) week * 2));
    }
  teesql_catalog_record_add_wal (record, 1, 96 * MIB, 512 * MIB, 0);
  return record;
}

static void
the_newest_full_ones_stay_with_their_children (void)
{
  g_autoptr (TeesqlCatalogRecord) record = weekly ();
  g_auto (Plan) two = plan (record, 2, 0, G_MAXINT32);

  g_assert_cmpuint (two.gone->len, ==, 4);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpint (is_gone (&two, g_ptr_array_index (record->backups, i)), ==, i < 4);
  /* down to the segment that holds the oldest start */
  g_assert_cmpuint (cut_of (&two, 1), ==, 288 * MIB);
}

static void
age_keeps_what_the_count_lets_go (void)
{
  g_autoptr (TeesqlCatalogRecord) record = weekly ();
  const TeesqlBackup *second = g_ptr_array_index (record->backups, 3); /* incremental, of the second week */
  g_auto (Plan) young = plan (record, 1, 1000, second->finished_unix + 999);
  g_auto (Plan) old = plan (record, 1, 1000, second->finished_unix + 1000);
  g_auto (Plan) back = plan (record, 1, 1000, 0); /* a clock that was set back keeps everything */

  /* the young incremental one keeps its old parent */
  g_assert_cmpuint (young.gone->len, ==, 2);
  g_assert_false (is_gone (&young, g_ptr_array_index (record->backups, 2)));
  g_assert_true (is_gone (&old, second));
  g_assert_cmpuint (back.gone->len, ==, 0);
}

static void
a_clock_set_forward_removes_no_more_than_the_count_allows (void)
{
  g_autoptr (TeesqlCatalogRecord) record = weekly ();
  g_auto (Plan) far = plan (record, 2, 7 * DAY, G_MAXINT64 / 2);

  g_assert_cmpuint (far.gone->len, ==, 4);
}

static void
the_last_full_one_always_stays (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();

  fixture_add (record, fixture_backup (record, 1, 1, 100 * MIB, -1));
  teesql_catalog_record_add_wal (record, 1, 16 * MIB, 512 * MIB, 0);
  {
    g_auto (Plan) none = plan (record, 0, 1, G_MAXINT32);

    g_assert_cmpuint (none.gone->len, ==, 0);
    g_assert_cmpuint (cut_of (&none, 1), ==, 96 * MIB);
  }
}

static void
without_a_backup_no_wal_goes (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();

  teesql_catalog_record_add_wal (record, 1, 16 * MIB, 512 * MIB, 0);
  {
    g_auto (Plan) none = plan (record, 1, 0, G_MAXINT32);

    g_assert_cmpuint (none.before->len, ==, 0);
  }
}

/* Whatever the catalog: who stays can be restored. Checked from the restorer's side, without a look at how the plan is made. */
static void
assert_restorable (const TeesqlCatalogRecord *record, const Plan *self)
{
  for (guint i = 0; i < record->backups->len; i++)
    {
      TeesqlBackup *backup = g_ptr_array_index (record->backups, i);
      guint64 segment_start = backup->start_lsn - backup->start_lsn % record->segment_size;

      if (is_gone (self, backup))
        continue;
      for (guint j = 0; j < self->before->len; j++)
        g_assert_cmpuint (g_array_index (self->before, TeesqlWalRange, j).end_lsn, <=, segment_start);
      while (backup->incremental)
        {
          backup = teesql_catalog_record_find (record, backup->parent_id);
          g_assert_nonnull (backup);
          g_assert_false (is_gone (self, backup));
        }
    }
}

static guint
count_full (const TeesqlCatalogRecord *record, const Plan *self)
{
  guint n = 0;

  for (guint i = 0; i < record->backups->len; i++)
    {
      TeesqlBackup *backup = g_ptr_array_index (record->backups, i);

      n += !backup->incremental && !is_gone (self, backup);
    }
  return n;
}

static void
nothing_that_a_kept_backup_needs_ever_goes (void)
{
  for (guint round = 0; round < 2000; round++)
    {
      g_autoptr (TeesqlCatalogRecord) record = fixture_random_record ((guint) g_test_rand_int_range (1, 25));
      guint full_count = (guint) g_test_rand_int_range (1, 5);
      gint64 age_s = g_test_rand_int_range (0, 3) * g_test_rand_int_range (1, 500);
      gint64 now = 1767225600 + g_test_rand_int_range (0, 2000);
      g_auto (Plan) nothing = plan (record, G_MAXUINT, 0, now);
      g_auto (Plan) some = plan (record, full_count, age_s, now);

      assert_restorable (record, &some);
      g_assert_cmpuint (nothing.gone->len, ==, 0);
      g_assert_cmpuint (count_full (record, &some), >=, MIN (full_count, count_full (record, &nothing)));
      for (guint i = 0; i < record->backups->len; i++)
        {
          const TeesqlBackup *backup = g_ptr_array_index (record->backups, i);

          if (age_s > 0 && backup->finished_unix > now - age_s)
            g_assert_false (is_gone (&some, backup));
        }
    }
}

/* ... and it does its work: a second run on what is left finds nothing more */
static void
a_second_plan_is_empty (void)
{
  for (guint round = 0; round < 500; round++)
    {
      g_autoptr (TeesqlCatalogRecord) record = fixture_random_record ((guint) g_test_rand_int_range (1, 25));
      g_auto (Plan) first = plan (record, 2, 0, 0);

      for (guint i = 0; i < first.gone->len; i++)
        g_ptr_array_remove (record->backups, g_ptr_array_index (first.gone, i));
      {
        g_auto (Plan) second = plan (record, 2, 0, 0);

        g_assert_cmpuint (second.gone->len, ==, 0);
      }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup/retention/the-newest-full-ones-stay-with-their-children", the_newest_full_ones_stay_with_their_children);
  g_test_add_func ("/backup/retention/age-keeps-what-the-count-lets-go", age_keeps_what_the_count_lets_go);
  g_test_add_func ("/backup/retention/a-clock-set-forward-removes-no-more-than-the-count-allows",
                   a_clock_set_forward_removes_no_more_than_the_count_allows);
  g_test_add_func ("/backup/retention/the-last-full-one-always-stays", the_last_full_one_always_stays);
  g_test_add_func ("/backup/retention/without-a-backup-no-wal-goes", without_a_backup_no_wal_goes);
  g_test_add_func ("/backup/retention/nothing-that-a-kept-backup-needs-ever-goes", nothing_that_a_kept_backup_needs_ever_goes);
  g_test_add_func ("/backup/retention/a-second-plan-is-empty", a_second_plan_is_empty);
  return g_test_run ();
}
