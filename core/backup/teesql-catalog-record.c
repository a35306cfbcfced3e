#include "backup/teesql-catalog-record.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#define MIN_TYPED 4 /* characters of a name or an id that an operator must give */

TeesqlArchive *
teesql_archive_new (const char *name)
{
  TeesqlArchive *self = g_new0 (TeesqlArchive, 1);

  self->name = g_strdup (name);
  self->pieces = g_array_new (FALSE, TRUE, sizeof (TeesqlPiece));
  return self;
}

void
teesql_archive_free (TeesqlArchive *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->tablespace);
  g_array_unref (self->pieces);
  g_free (self);
}

static void
free_archive (gpointer archive)
{
  teesql_archive_free (archive);
}

static void
unref_backup (gpointer backup)
{
  teesql_backup_unref (backup);
}

TeesqlBackup *
teesql_backup_new (void)
{
  TeesqlBackup *self = g_new0 (TeesqlBackup, 1);

  g_atomic_ref_count_init (&self->refs);
  self->archives = g_ptr_array_new_with_free_func (free_archive);
  return self;
}

TeesqlBackup *
teesql_backup_ref (TeesqlBackup *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_backup_unref (TeesqlBackup *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->label);
  g_ptr_array_unref (self->archives);
  g_free (self);
}

guint64
teesql_backup_get_plain_size (const TeesqlBackup *self)
{
  guint64 total = 0;

  for (guint i = 0; i < self->archives->len; i++)
    total += ((const TeesqlArchive *) g_ptr_array_index (self->archives, i))->plain_size;
  return total;
}

guint64
teesql_backup_get_stored_size (const TeesqlBackup *self)
{
  guint64 total = 0;

  for (guint i = 0; i < self->archives->len; i++)
    {
      const TeesqlArchive *archive = g_ptr_array_index (self->archives, i);

      for (guint j = 0; j < archive->pieces->len; j++)
        total += g_array_index (archive->pieces, TeesqlPiece, j).stored_size;
    }
  return total;
}

char *
teesql_backup_dup_name (const TeesqlBackup *self)
{
  g_autoptr (GDateTime) started = g_date_time_new_from_unix_utc (self->started_unix);
  g_autofree char *time = started != NULL ? g_date_time_format (started, "%Y%m%dT%H%M%S") : g_strdup ("00000000T000000");
  g_autofree char *id = teesql_hex_encode (self->id, 4);

  return g_strdup_printf ("%s%c-%s", time, self->incremental ? 'I' : 'F', id);
}

TeesqlCatalogRecord *
teesql_catalog_record_new (void)
{
  TeesqlCatalogRecord *self = g_new0 (TeesqlCatalogRecord, 1);

  self->cluster = g_strdup ("");
  self->node = g_strdup ("");
  self->backups = g_ptr_array_new_with_free_func (unref_backup);
  self->wal = g_array_new (FALSE, TRUE, sizeof (TeesqlWalRange));
  self->epochs = g_array_new (FALSE, TRUE, sizeof (TeesqlEpochEntry));
  return self;
}

TeesqlCatalogRecord *
teesql_catalog_record_copy (const TeesqlCatalogRecord *self)
{
  TeesqlCatalogRecord *copy = g_new0 (TeesqlCatalogRecord, 1);

  *copy = *self;
  copy->cluster = g_strdup (self->cluster);
  copy->node = g_strdup (self->node);
  copy->backups = g_ptr_array_new_full (self->backups->len, unref_backup);
  for (guint i = 0; i < self->backups->len; i++)
    g_ptr_array_add (copy->backups, teesql_backup_ref (g_ptr_array_index (self->backups, i)));
  copy->wal = g_array_copy (self->wal);
  copy->epochs = g_array_copy (self->epochs);
  return copy;
}

void
teesql_catalog_record_free (TeesqlCatalogRecord *self)
{
  if (self == NULL)
    return;
  g_free (self->cluster);
  g_free (self->node);
  g_ptr_array_unref (self->backups);
  g_array_unref (self->wal);
  g_array_unref (self->epochs);
  g_free (self);
}

TeesqlBackup *
teesql_catalog_record_find (const TeesqlCatalogRecord *self, const guint8 id[TEESQL_SEAL_BACKUP_ID_SIZE])
{
  for (guint i = 0; i < self->backups->len; i++)
    {
      TeesqlBackup *backup = g_ptr_array_index (self->backups, i);

      if (memcmp (backup->id, id, sizeof backup->id) == 0)
        return backup;
    }
  return NULL;
}

static gboolean
answers_to (const TeesqlBackup *backup, const char *text)
{
  g_autofree char *name = teesql_backup_dup_name (backup);
  g_autofree char *id = teesql_hex_encode (backup->id, sizeof backup->id);

  return g_str_has_prefix (name, text) || g_str_has_prefix (id, text);
}

TeesqlBackup *
teesql_catalog_record_find_named (const TeesqlCatalogRecord *self, const char *text, GError **error)
{
  TeesqlBackup *found = NULL;
  gboolean latest = g_str_equal (text, "latest");

  if (!latest && strlen (text) < MIN_TYPED)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "backup-ambiguous",
                   "backup “%s”: at least %d characters of its name or id are needed", text, MIN_TYPED);
      return NULL;
    }
  for (guint i = 0; i < self->backups->len; i++)
    {
      TeesqlBackup *backup = g_ptr_array_index (self->backups, i);

      if (!latest && !answers_to (backup, text))
        continue;
      if (!latest && found != NULL)
        {
          g_autofree char *first = teesql_backup_dup_name (found);
          g_autofree char *second = teesql_backup_dup_name (backup);

          teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "backup-ambiguous", "backup “%s”: both %s and %s begin so", text,
                       first, second);
          return NULL;
        }
      found = backup;
    }
  if (found == NULL)
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "backup-absent", "backup “%s”: none of the %u in the catalog", text,
                 self->backups->len);
  return found;
}

/* Index of the first range that [timeline, lsn) touches or precedes. */
static guint
first_touching (const GArray *wal, guint32 timeline, guint64 lsn)
{
  guint i = 0;

  while (i < wal->len)
    {
      const TeesqlWalRange *range = &g_array_index (wal, TeesqlWalRange, i);

      if (range->timeline > timeline || (range->timeline == timeline && range->end_lsn >= lsn))
        break;
      i++;
    }
  return i;
}

void
teesql_catalog_record_add_wal (TeesqlCatalogRecord *self, guint32 timeline, guint64 start_lsn, guint64 end_lsn, gint64 now_unix)
{
  TeesqlWalRange merged = { timeline, start_lsn, end_lsn, now_unix };
  guint first = first_touching (self->wal, timeline, start_lsn);
  guint n = 0;

  if (start_lsn >= end_lsn)
    return;
  for (; first + n < self->wal->len; n++)
    {
      const TeesqlWalRange *range = &g_array_index (self->wal, TeesqlWalRange, first + n);

      if (range->timeline != timeline || range->start_lsn > merged.end_lsn)
        break;
      merged.start_lsn = MIN (merged.start_lsn, range->start_lsn);
      if (range->end_lsn >= merged.end_lsn)
        {
          merged.end_lsn = range->end_lsn;
          merged.end_unix = range->end_unix;
        }
    }
  if (n > 0)
    g_array_remove_range (self->wal, first, n);
  g_array_insert_val (self->wal, first, merged);
}

gboolean
teesql_catalog_record_covers (const TeesqlCatalogRecord *self, guint32 timeline, guint64 lsn, guint64 *out_end_lsn)
{
  for (guint i = 0; i < self->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (self->wal, TeesqlWalRange, i);

      if (range->timeline != timeline || lsn < range->start_lsn || lsn >= range->end_lsn)
        continue;
      if (out_end_lsn != NULL)
        *out_end_lsn = range->end_lsn;
      return TRUE;
    }
  return FALSE;
}
