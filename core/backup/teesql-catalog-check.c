#include "backup/teesql-catalog-json.h"

#include "base/teesql-domains.h"

#define fail(error, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "catalog-record", "catalog record: " __VA_ARGS__)

#define SEGMENT_MIN (1u << 20)
#define SEGMENT_MAX (1u << 30)

static gboolean
is_zero (const guint8 *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (data[i] != 0)
      return FALSE;
  return TRUE;
}

int
teesql_backup_compare (const TeesqlBackup *a, const TeesqlBackup *b)
{
  if (a->timeline != b->timeline)
    return a->timeline < b->timeline ? -1 : 1;
  if (a->start_lsn != b->start_lsn)
    return a->start_lsn < b->start_lsn ? -1 : 1;
  return memcmp (a->id, b->id, sizeof a->id);
}

static gboolean
check_place (const TeesqlCatalogRecord *self, GError **error)
{
  TeesqlLineage lineage;
  guint32 generation = 0;
  guint32 parent = 0;

  if (!teesql_lineage_parse (self->lineage.text, -1, &lineage, &generation))
    return fail (error, "“%s” is no lineage", self->lineage.text);
  if (self->sequence == 0 || self->sequence > TEESQL_RECORD_NUMBER_MAX)
    return fail (error, "sequence %" G_GUINT64_FORMAT, self->sequence);
  if ((self->sequence == 1) != is_zero (self->previous, sizeof self->previous))
    return fail (error, "sequence %" G_GUINT64_FORMAT " %s a predecessor", self->sequence, self->sequence == 1 ? "names" : "lacks");
  if (self->parent_lineage.text[0] == '\0')
    return (self->parent_sequence == 0 && is_zero (self->parent_digest, sizeof self->parent_digest)) ||
           fail (error, "a parent record without its lineage");
  if (!teesql_lineage_parse (self->parent_lineage.text, -1, &lineage, &parent) || parent >= generation)
    return fail (error, "“%s” cannot be the parent of %s", self->parent_lineage.text, self->lineage.text);
  return self->parent_sequence > 0 || fail (error, "a parent lineage without its record");
}

static gboolean
is_tablespace (const char *name)
{
  guint64 oid = 0;

  return name[0] != '0' && g_ascii_string_to_unsigned (name, 10, 1, G_MAXUINT32, &oid, NULL);
}

static gboolean
check_archive (const TeesqlArchive *archive, gboolean last, GHashTable *names, GError **error)
{
  gboolean manifest = g_str_equal (archive->name, "manifest");

  if (manifest != last || (!manifest && !g_str_equal (archive->name, "base") && !is_tablespace (archive->name)))
    return fail (error, "an archive “%s”%s", archive->name, manifest ? " before the last place" : "");
  if (archive->tablespace != NULL && !is_tablespace (archive->name))
    return fail (error, "archive %s with the path of a tablespace", archive->name);
  if (!g_hash_table_add (names, archive->name))
    return fail (error, "archive %s stands twice", archive->name);
  if (archive->pieces->len == 0)
    return fail (error, "archive %s without an object", archive->name);
  for (guint i = 0; i < archive->pieces->len; i++)
    if (g_array_index (archive->pieces, TeesqlPiece, i).stored_size == 0)
      return fail (error, "archive %s: piece %u of no bytes", archive->name, i);
  return TRUE;
}

static gboolean
check_archives (const TeesqlBackup *backup, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < backup->archives->len; i++)
    if (!check_archive (g_ptr_array_index (backup->archives, i), i + 1 == backup->archives->len, names, error))
      return FALSE;
  return g_hash_table_contains (names, "base") || fail (error, "a backup without the archive “base”");
}

static gboolean
has_epoch (const GArray *epochs, guint32 epoch)
{
  for (guint i = 0; i < epochs->len; i++)
    if (g_array_index (epochs, TeesqlEpochEntry, i).epoch == epoch)
      return TRUE;
  return FALSE;
}

static gboolean
check_parent (const TeesqlCatalogRecord *self, guint index, GHashTable *older, GError **error)
{
  const TeesqlBackup *backup = g_ptr_array_index (self->backups, index);
  g_autofree char *name = teesql_backup_dup_name (backup);

  if (!backup->incremental)
    return is_zero (backup->parent_id, sizeof backup->parent_id) || fail (error, "full backup %s with a parent", name);
  if (!g_hash_table_contains (older, backup->parent_id))
    return fail (error, "incremental backup %s: its parent is not among the older ones", name);
  return TRUE;
}

static gboolean
check_backup (const TeesqlCatalogRecord *self, guint index, GHashTable *older, GError **error)
{
  const TeesqlBackup *backup = g_ptr_array_index (self->backups, index);
  g_autofree char *name = teesql_backup_dup_name (backup);

  if (is_zero (backup->id, sizeof backup->id) || backup->timeline == 0 || backup->start_lsn == 0 || backup->stop_lsn < backup->start_lsn)
    return fail (error, "backup %s: id, timeline or LSNs make no sense", name);
  if (backup->system_identifier != self->system_identifier)
    return fail (error, "backup %s is of system %" G_GUINT64_FORMAT ", the catalog of %" G_GUINT64_FORMAT, name, backup->system_identifier,
                 self->system_identifier);
  if (!has_epoch (self->epochs, backup->epoch))
    return fail (error, "backup %s: epoch %u is not in the list", name, backup->epoch);
  if (index > 0 && teesql_backup_compare (g_ptr_array_index (self->backups, index - 1), backup) >= 0)
    return fail (error, "backup %s is not in its place", name);
  if (!check_parent (self, index, older, error) || !check_archives (backup, error))
    return FALSE;
  return g_hash_table_add (older, (gpointer) backup->id) || fail (error, "the id of backup %s stands twice", name);
}

static guint
hash_id (gconstpointer id)
{
  const guint8 *bytes = id; /* drawn at random, so any four bytes do */

  return (guint) bytes[0] | (guint) bytes[1] << 8 | (guint) bytes[2] << 16 | (guint) bytes[3] << 24;
}

static gboolean
equal_id (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, TEESQL_SEAL_BACKUP_ID_SIZE) == 0;
}

static gboolean
check_wal (const GArray *wal, GError **error)
{
  for (guint i = 0; i < wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (wal, TeesqlWalRange, i);
      const TeesqlWalRange *before = i > 0 ? range - 1 : NULL;

      if (range->timeline == 0 || range->start_lsn >= range->end_lsn)
        return fail (error, "WAL range %u is empty", i);
      if (before != NULL &&
          (before->timeline > range->timeline || (before->timeline == range->timeline && before->end_lsn >= range->start_lsn)))
        return fail (error, "WAL range %u is not in its place", i);
    }
  return TRUE;
}

static gboolean
check_epochs (const GArray *epochs, GError **error)
{
  if (epochs->len == 0)
    return fail (error, "no key epoch");
  for (guint i = 1; i < epochs->len; i++)
    if (g_array_index (epochs, TeesqlEpochEntry, i).epoch <= g_array_index (epochs, TeesqlEpochEntry, i - 1).epoch)
      return fail (error, "key epochs are not ascending");
  return TRUE;
}

gboolean
teesql_catalog_record_check (const TeesqlCatalogRecord *self, GError **error)
{
  g_autoptr (GHashTable) older = g_hash_table_new (hash_id, equal_id);

  if (!check_place (self, error) || !check_epochs (self->epochs, error) || !check_wal (self->wal, error))
    return FALSE;
  if (self->system_identifier == 0)
    return fail (error, "no system identifier");
  if (self->segment_size < SEGMENT_MIN || self->segment_size > SEGMENT_MAX || (self->segment_size & (self->segment_size - 1)) != 0)
    return fail (error, "WAL segments of %u bytes", self->segment_size);
  for (guint i = 0; i < self->backups->len; i++)
    if (!check_backup (self, i, older, error))
      return FALSE;
  return TRUE;
}
