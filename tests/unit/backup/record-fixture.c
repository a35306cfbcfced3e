#include "record-fixture.h"

TeesqlCatalogRecord *
fixture_record (void)
{
  TeesqlCatalogRecord *record = teesql_catalog_record_new ();
  TeesqlEpochEntry epoch = { 0, { 1, 2, 3, 4, 5, 6, 7, 8 }, 1767225600 };
  guint32 generation = 0;

  memset (record->cluster_id, 0xc1, sizeof record->cluster_id);
  g_free (record->cluster);
  record->cluster = g_strdup ("orders");
  g_free (record->node);
  record->node = g_strdup ("orders-1");
  g_assert_true (teesql_lineage_parse ("00000001-0123456789abcdef", -1, &record->lineage, &generation));
  record->sequence = 1;
  record->written_unix = 1767225600;
  record->system_identifier = SYSTEM_ID;
  record->segment_size = SEGMENT_SIZE;
  g_array_append_val (record->epochs, epoch);
  return record;
}

static TeesqlArchive *
archive (const char *name, guint n_pieces)
{
  TeesqlArchive *self = teesql_archive_new (name);

  for (guint i = 0; i < n_pieces; i++)
    {
      TeesqlPiece piece = { .stored_size = 1000 + i };

      memset (piece.commitment, (int) (0x10 + i), sizeof piece.commitment);
      g_array_append_val (self->pieces, piece);
    }
  self->plain_size = 5000;
  return self;
}

TeesqlBackup *
fixture_backup (const TeesqlCatalogRecord *record, guint8 mark, guint32 timeline, guint64 start_lsn, int parent)
{
  TeesqlBackup *backup = teesql_backup_new ();

  memset (backup->id, mark, sizeof backup->id);
  backup->incremental = parent >= 0;
  if (parent >= 0)
    {
      const TeesqlBackup *older = g_ptr_array_index (record->backups, parent);

      for (guint i = 0; i < sizeof backup->parent_id; i++)
        backup->parent_id[i] = older->id[i];
    }
  backup->started_unix = 1767225600 + (gint64) (start_lsn / MIB);
  backup->finished_unix = backup->started_unix + 60;
  backup->start_lsn = start_lsn;
  backup->stop_lsn = start_lsn + 0x138;
  backup->timeline = timeline;
  backup->system_identifier = record->system_identifier;
  backup->server_version = 170011;
  g_ptr_array_add (backup->archives, archive ("base", 3));
  g_ptr_array_add (backup->archives, archive ("manifest", 1));
  return backup;
}

void
fixture_add (TeesqlCatalogRecord *record, TeesqlBackup *backup)
{
  g_ptr_array_add (record->backups, backup);
}

TeesqlCatalogRecord *
fixture_random_record (guint n_backups)
{
  TeesqlCatalogRecord *record = fixture_record ();
  guint32 timeline = 1;
  guint64 lsn = SEGMENT_SIZE;

  for (guint i = 0; i < n_backups; i++)
    {
      guint64 start = lsn + (guint64) g_test_rand_int_range (0x28, SEGMENT_SIZE);
      guint64 end = start + (guint64) g_test_rand_int_range (1, 20) * SEGMENT_SIZE;
      int parent = i > 0 && g_test_rand_int_range (0, 3) > 0 ? g_test_rand_int_range (MAX (0, (int) i - 4), (int) i) : -1;

      fixture_add (record, fixture_backup (record, (guint8) (i + 1), timeline, start, parent));
      if (g_test_rand_int_range (0, 5) == 0)
        timeline++;
      if (g_test_rand_int_range (0, 6) == 0) /* a lost slot */
        lsn = end + SEGMENT_SIZE;
      else
        teesql_catalog_record_add_wal (record, timeline, lsn - lsn % SEGMENT_SIZE, end - end % SEGMENT_SIZE, 1767225600);
      lsn = end;
    }
  return record;
}
