#include "backup/teesql-verify-private.h"

#include "base/teesql-domains.h"

#include <string.h>

#define SEALED_SEGMENT (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE)
#define READ_AHEAD     ((gsize) 8 * 1024 * 1024)

#define refuse(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

/* pieces */

typedef struct
{
  TeesqlVerifyRun *run;
  const char *name;
  guint64 size; /* of the object */
  TeesqlSealReader *seal;
  gsize header;
  guint8 *sealed;
  guint8 *plain;
} Piece;

static void
piece_clear (Piece *self)
{
  g_clear_pointer (&self->seal, teesql_seal_reader_free);
  g_free (self->sealed);
  g_free (self->plain);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Piece, piece_clear)

static gboolean
read_range (Piece *self, guint64 offset, guint8 *out, gsize size, GError **error)
{
  g_autoptr (TeesqlStoreReader) reader = teesql_store_reader_new (teesql_repository_get_store (self->run->repository), self->name, offset,
                                                                  size, size, self->run->cancellable, error);
  gsize n = 0;

  if (reader == NULL || !teesql_store_reader_read (reader, out, size, &n, error))
    return FALSE;
  return n == size || refuse (error, TEESQL_ERROR_INTEGRITY, "object-truncated", "%s ends before its size", self->name);
}

static gboolean
open_header (Piece *self, const TeesqlObjectId *id, const TeesqlPiece *expected, GError **error)
{
  gsize size = (gsize) MIN (self->size, TEESQL_SEAL_HEADER_MAX);
  g_autofree guint8 *head = g_malloc (size);
  TeesqlSealContext context = { .system_identifier = id->system_identifier,
                                .timeline = id->timeline,
                                .simulated = teesql_repository_is_simulated (self->run->repository),
                                .name = id->name };

  memcpy (context.backup_id, id->backup_id, sizeof context.backup_id);
  if (!read_range (self, 0, head, size, error))
    return FALSE;
  self->seal = teesql_seal_reader_new (&context, teesql_repository_get_keys (self->run->repository), head, size, &self->header, error);
  if (self->seal == NULL)
    return FALSE;
  return memcmp (teesql_seal_reader_get_commitment (self->seal), expected->commitment, sizeof expected->commitment) == 0 ||
         refuse (error, TEESQL_ERROR_INTEGRITY, "object-substituted",
                 "%s was sealed under this name, but it is not the one the catalog names", self->name);
}

static gboolean
open_segment (Piece *self, guint64 index, guint64 n_segments, gsize size, GError **error)
{
  return teesql_seal_reader_open (self->seal, (guint32) index, index + 1 == n_segments, self->sealed, size, self->plain, error);
}

/* The end alone: its tag says that it is one, and the size that nothing is missing before it. */
static gboolean
check_end (Piece *self, guint64 n_segments, GError **error)
{
  guint64 offset = self->header + (n_segments - 1) * SEALED_SEGMENT;
  gsize size = (gsize) (self->size - offset);

  return read_range (self, offset, self->sealed, size, error) && open_segment (self, n_segments - 1, n_segments, size, error);
}

static gboolean
check_all (Piece *self, guint64 n_segments, GError **error)
{
  g_autoptr (TeesqlStoreReader) reader =
      teesql_store_reader_new (teesql_repository_get_store (self->run->repository), self->name, self->header, self->size - self->header,
                               READ_AHEAD, self->run->cancellable, error);

  if (reader == NULL)
    return FALSE;
  for (guint64 i = 0; i < n_segments; i++)
    {
      gsize size = (gsize) MIN (SEALED_SEGMENT, self->size - self->header - i * SEALED_SEGMENT);
      gsize n = 0;

      if (!teesql_store_reader_read (reader, self->sealed, size, &n, error))
        return FALSE;
      if (n != size)
        return refuse (error, TEESQL_ERROR_INTEGRITY, "object-truncated", "%s ends before its size", self->name);
      if (!open_segment (self, i, n_segments, size, error))
        return FALSE;
      self->run->report->n_bytes += size;
      teesql_verify_tell (self->run, size, "objects");
    }
  return TRUE;
}

static gboolean
check_piece (TeesqlVerifyRun *run, const TeesqlObjectId *id, const TeesqlPiece *expected, GError **error)
{
  g_auto (Piece) piece = { .run = run, .name = id->name, .size = expected->stored_size };
  guint64 plain = 0;
  guint64 n_segments = 0;

  if (!open_header (&piece, id, expected, error) || !teesql_seal_plain_size (piece.header, piece.size, &plain, error))
    return FALSE;
  n_segments = MAX ((plain + TEESQL_SEAL_SEGMENT_SIZE - 1) / TEESQL_SEAL_SEGMENT_SIZE, 1);
  piece.sealed = g_malloc (SEALED_SEGMENT);
  piece.plain = g_malloc (TEESQL_SEAL_SEGMENT_SIZE);
  return (run->deep ? check_all : check_end) (&piece, n_segments, error);
}

/* What the store said of the size of something that the catalog names. */
static gboolean
take_listed (TeesqlVerifyRun *run, const char *name, guint64 *out_size)
{
  const guint64 *listed = g_hash_table_lookup (run->expected, name);

  if (listed == NULL || *listed == TEESQL_VERIFY_ABSENT)
    return FALSE;
  *out_size = *listed;
  return TRUE;
}

gboolean
teesql_verify_object (TeesqlVerifyRun *run, const TeesqlObjectId *id, const TeesqlPiece *piece, GError **error)
{
  guint64 size = 0;
  gboolean there = take_listed (run, id->name, &size);
  GError *problem = NULL;

  run->report->n_objects++;
  if (!there)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "object-missing", id->name, "the catalog names it, the store does not have it");
  else if (size != piece->stored_size)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, size < piece->stored_size ? "object-truncated" : "object-substituted", id->name,
                        "%" G_GUINT64_FORMAT " bytes, the catalog says %" G_GUINT64_FORMAT, size, piece->stored_size);
  else if (!check_piece (run, id, piece, &problem))
    return teesql_verify_take (run, id->name, problem, error);
  return TRUE;
}

static gboolean
check_archive (TeesqlVerifyRun *run, const TeesqlBackup *backup, const TeesqlArchive *archive, GError **error)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (run->repository);

  for (guint i = 0; i < archive->pieces->len; i++)
    {
      g_autofree char *name = teesql_layout_piece (cluster_id, teesql_catalog_get_lineage (run->catalog), backup->id, archive->name, i);
      TeesqlObjectId id = { .name = name, .system_identifier = backup->system_identifier, .timeline = backup->timeline };

      memcpy (id.backup_id, backup->id, sizeof id.backup_id);
      if (!teesql_verify_object (run, &id, &g_array_index (archive->pieces, TeesqlPiece, i), error))
        return FALSE;
    }
  return TRUE;
}

static void
expect (TeesqlVerifyRun *run, char *name)
{
  const guint64 absent = TEESQL_VERIFY_ABSENT;

  g_hash_table_replace (run->expected, name, g_memdup2 (&absent, sizeof absent));
}

static void
expect_archive (TeesqlVerifyRun *run, const TeesqlBackup *backup, const TeesqlArchive *archive)
{
  for (guint i = 0; i < archive->pieces->len; i++)
    expect (run, teesql_layout_piece (teesql_repository_get_cluster_id (run->repository), teesql_catalog_get_lineage (run->catalog),
                                      backup->id, archive->name, i));
}

void
teesql_verify_expect (TeesqlVerifyRun *run)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (run->repository);

  for (guint i = 0; i < run->record->backups->len; i++)
    {
      const TeesqlBackup *backup = g_ptr_array_index (run->record->backups, i);

      for (guint j = 0; j < backup->archives->len; j++)
        expect_archive (run, backup, g_ptr_array_index (backup->archives, j));
    }
  for (guint i = 0; i < run->record->wal->len; i++)
    {
      guint32 timeline = g_array_index (run->record->wal, TeesqlWalRange, i).timeline;

      if (timeline > 1)
        expect (run, teesql_layout_history (cluster_id, teesql_catalog_get_lineage (run->catalog), timeline));
    }
}

/* A backup is one only with the WAL that was written while it was made. */
static void
check_own_wal (TeesqlVerifyRun *run, const TeesqlBackup *backup)
{
  guint64 end = 0;
  g_autofree char *name = teesql_backup_dup_name (backup);
  g_autofree char *start = teesql_lsn_to_string (backup->start_lsn);
  g_autofree char *stop = teesql_lsn_to_string (backup->stop_lsn);

  if (!teesql_catalog_record_covers (run->record, backup->timeline, backup->start_lsn, &end) || end < backup->stop_lsn)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "wal-gap", name, "its own WAL, %s to %s on timeline %u, was not archived", start, stop,
                        backup->timeline);
}

gboolean
teesql_verify_backups (TeesqlVerifyRun *run, GError **error)
{
  for (guint i = 0; i < run->record->backups->len; i++)
    {
      const TeesqlBackup *backup = g_ptr_array_index (run->record->backups, i);

      for (guint j = 0; j < backup->archives->len; j++)
        if (!check_archive (run, backup, g_ptr_array_index (backup->archives, j), error))
          return FALSE;
      check_own_wal (run, backup);
      run->report->n_backups++;
    }
  return TRUE;
}
