#include "backup/teesql-verify-private.h"

#include "backup/teesql-catalog-wal.h"
#include "base/teesql-domains.h"

#include <string.h>

#define SEALED_SEGMENT (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE)
#define READ_AHEAD     ((gsize) 8 * 1024 * 1024)
#define HISTORY_MAX    ((gsize) 1024 * 1024)

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

gboolean
teesql_verify_object (TeesqlVerifyRun *run, const TeesqlObjectId *id, const TeesqlPiece *piece, GError **error)
{
  const guint64 *listed = g_hash_table_lookup (run->sizes, id->name);
  guint64 size = listed != NULL ? *listed : 0;
  gboolean there = listed != NULL;
  GError *problem = NULL;

  g_hash_table_remove (run->sizes, id->name);
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

/* WAL */

static gboolean
check_segment (TeesqlVerifyRun *run, const TeesqlWalObject *object, GError **error)
{
  g_autofree char *name =
      teesql_wal_object_dup_name (run->repository, teesql_catalog_get_lineage (run->catalog), object, run->record->segment_size);
  const TeesqlObjectId id = { .name = name, .system_identifier = run->record->system_identifier, .timeline = object->timeline };
  gsize expected = (gsize) (object->end_lsn - object->start_lsn);
  GError *problem = NULL;
  g_autoptr (GBytes) plain = NULL;

  run->report->n_objects++;
  run->report->n_segments++;
  if (!run->deep)
    return TRUE;
  plain = teesql_repository_get (run->repository, &id, TEESQL_REPOSITORY_COMPRESS, expected, NULL, NULL, run->cancellable, &problem);
  if (plain == NULL)
    return teesql_verify_take (run, name, problem, error);
  if (g_bytes_get_size (plain) != expected)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "object-truncated", name, "%" G_GSIZE_FORMAT " bytes of WAL, expected %" G_GSIZE_FORMAT,
                        g_bytes_get_size (plain), expected);
  run->report->n_bytes += expected;
  teesql_verify_tell (run, 0, "wal");
  return TRUE;
}

static void
find_gap (TeesqlVerifyRun *run, TeesqlVerifySeverity severity, guint32 timeline, guint64 from, guint64 to, const char *what)
{
  g_autofree char *object = g_strdup_printf ("timeline %u", timeline);
  g_autofree char *start = teesql_lsn_to_string (from);
  g_autofree char *end = teesql_lsn_to_string (to);

  teesql_verify_find (run, severity, "wal-gap", object, "%s: from %s to %s", what, start, end);
}

/* The listing against one range: every byte of it must be in some object. */
static void
check_range (TeesqlVerifyRun *run, const TeesqlWalRange *range)
{
  guint64 reach = range->start_lsn;

  for (guint i = 0; i < run->wal->len && reach < range->end_lsn; i++)
    {
      const TeesqlWalObject *object = &g_array_index (run->wal, TeesqlWalObject, i);

      if (object->timeline != range->timeline || object->end_lsn <= reach)
        continue;
      if (object->start_lsn > reach)
        find_gap (run, TEESQL_VERIFY_DAMAGE, range->timeline, reach, MIN (object->start_lsn, range->end_lsn),
                  "WAL that the catalog names is missing");
      reach = object->end_lsn;
    }
  if (reach < range->end_lsn)
    find_gap (run, TEESQL_VERIFY_DAMAGE, range->timeline, reach, range->end_lsn, "WAL that the catalog names is missing");
}

static gboolean
check_history (TeesqlVerifyRun *run, guint32 timeline, GError **error)
{
  g_autofree char *name =
      teesql_layout_history (teesql_repository_get_cluster_id (run->repository), teesql_catalog_get_lineage (run->catalog), timeline);
  const TeesqlObjectId id = { .name = name, .system_identifier = run->record->system_identifier, .timeline = timeline };
  GError *problem = NULL;
  g_autoptr (GBytes) plain = NULL;

  run->report->n_objects++;
  g_hash_table_remove (run->sizes, name);
  plain = teesql_repository_get (run->repository, &id, TEESQL_REPOSITORY_COMPRESS, HISTORY_MAX, NULL, NULL, run->cancellable, &problem);
  return plain != NULL || teesql_verify_take (run, name, problem, error);
}

static gboolean
check_ranges (TeesqlVerifyRun *run, GError **error)
{
  for (guint i = 0; i < run->record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (run->record->wal, TeesqlWalRange, i);
      const TeesqlWalRange *before = i > 0 ? range - 1 : NULL;

      check_range (run, range);
      if (before != NULL && before->timeline == range->timeline)
        find_gap (run, TEESQL_VERIFY_NOTE, range->timeline, before->end_lsn, range->start_lsn, "WAL that was never archived");
      else if (range->timeline > 1 && !check_history (run, range->timeline, error))
        return FALSE;
    }
  return TRUE;
}

/* What reaches beyond the record came while we looked, or was never noted. */
static gboolean
is_promised (const TeesqlCatalogRecord *record, const TeesqlWalObject *object)
{
  for (guint i = 0; i < record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (record->wal, TeesqlWalRange, i);

      if (range->timeline == object->timeline && object->start_lsn < range->end_lsn && object->end_lsn > range->start_lsn)
        return TRUE;
    }
  return FALSE;
}

gboolean
teesql_verify_wal (TeesqlVerifyRun *run, GError **error)
{
  if (!check_ranges (run, error))
    return FALSE;
  for (guint i = 0; i < run->wal->len; i++)
    {
      const TeesqlWalObject *object = &g_array_index (run->wal, TeesqlWalObject, i);

      if (is_promised (run->record, object) && !check_segment (run, object, error))
        return FALSE;
    }
  return TRUE;
}
