#include "backup/teesql-restore-unpack.h"

#include "base/teesql-domains.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BASE     "base"
#define MANIFEST "manifest"

#define integrity(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, reason, __VA_ARGS__)

typedef gboolean (*Feed) (gpointer target, const guint8 *data, gsize size, GError **error);

/* ---- streams ---- */

/* `…/base/BACKUP/ARCHIVE`, what the names of its pieces begin with */
static char *
dup_base_name (const TeesqlRestoreUnpack *self, const char *archive)
{
  char *name =
      teesql_layout_piece (teesql_repository_get_cluster_id (self->repository), &self->view->lineage, self->backup->id, archive, 0);
  char *dot = name != NULL ? strrchr (name, '.') : NULL;

  if (dot != NULL)
    *dot = '\0';
  return name;
}

static TeesqlSealedSource *
open_archive (const TeesqlRestoreUnpack *self, const TeesqlArchive *archive, GCancellable *cancellable, GError **error)
{
  g_autofree char *base_name = dup_base_name (self, archive->name);
  TeesqlSealedSinkOptions options = {
    .repository = self->repository,
    .base_name = base_name,
    .id = { .system_identifier = self->backup->system_identifier, .timeline = self->backup->timeline },
    .threads = self->threads,
  };

  memcpy (options.id.backup_id, self->backup->id, sizeof options.id.backup_id);
  return teesql_sealed_source_new (&options, archive->pieces, cancellable, error);
}

static gboolean
fail_size (const TeesqlArchive *archive, const char *what, guint64 total, GError **error)
{
  return integrity (error, "archive-size", "%s has %s%" G_GUINT64_FORMAT " bytes, expected %" G_GUINT64_FORMAT, archive->name, what, total,
                    archive->plain_size);
}

static gboolean
pump (TeesqlRestoreUnpack *self, const TeesqlArchive *archive, Feed feed, gpointer target, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlSealedSource) source = open_archive (self, archive, cancellable, error);
  const guint8 *data = NULL;
  gsize size = 0;
  guint64 total = 0;

  if (source == NULL)
    return FALSE;
  do
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error) || !teesql_sealed_source_read (source, &data, &size, error))
        return FALSE;
      total += size;
      if (total > archive->plain_size) /* before it fills a disk */
        return fail_size (archive, "at least ", total, error);
      if (size > 0 && !feed (target, data, size, error))
        return FALSE;
      if (self->progress != NULL)
        self->progress (size, self->progress_data);
    }
  while (size > 0);
  self->n_bytes += total;
  return total == archive->plain_size || fail_size (archive, "", total, error);
}

/* ---- the manifest ---- */

typedef struct
{
  TeesqlPgManifest *manifest;
  int fd; /* -1: is not kept */
} ManifestCopy;

static gboolean
feed_manifest (gpointer target, const guint8 *data, gsize size, GError **error)
{
  ManifestCopy *copy = target;

  return teesql_pg_manifest_feed (copy->manifest, data, size, error) &&
         (copy->fd < 0 || teesql_restore_write_all (copy->fd, data, size, error));
}

static gboolean
check_manifest (const TeesqlRestoreUnpack *self, const TeesqlPgManifest *manifest, GError **error)
{
  const GArray *wal = teesql_pg_manifest_get_wal (manifest);

  if (teesql_pg_manifest_get_system_identifier (manifest) != self->backup->system_identifier)
    return integrity (error, "manifest-cluster", "the backup's manifest is of another cluster");
  for (guint i = 0; i < wal->len; i++)
    {
      const TeesqlPgManifestRange *range = &g_array_index (wal, TeesqlPgManifestRange, i);

      if (range->timeline == self->backup->timeline && range->end_lsn > self->backup->stop_lsn)
        return integrity (error, "manifest-wal", "the backup's manifest needs WAL behind the end of the backup");
    }
  return TRUE;
}

static const TeesqlArchive *
find_archive (const TeesqlBackup *backup, const char *name)
{
  for (guint i = 0; i < backup->archives->len; i++)
    if (strcmp (((const TeesqlArchive *) backup->archives->pdata[i])->name, name) == 0)
      return backup->archives->pdata[i];
  return NULL;
}

static TeesqlPgManifest *
read_manifest (TeesqlRestoreUnpack *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlPgManifest) manifest = teesql_pg_manifest_new ();
  const TeesqlArchive *archive = find_archive (self->backup, MANIFEST);
  ManifestCopy copy = { manifest, -1 };
  gboolean ok = FALSE;

  if (archive == NULL)
    {
      integrity (error, "manifest-absent", "the backup has no manifest");
      return NULL;
    }
  if (self->tree != NULL && (copy.fd = teesql_restore_tree_create (self->tree, TEESQL_PG_MANIFEST_NAME, error)) < 0)
    return NULL;
  ok = pump (self, archive, feed_manifest, &copy, cancellable, error) && teesql_pg_manifest_finish (manifest, error) &&
       check_manifest (self, manifest, error);
  if (copy.fd >= 0)
    close (copy.fd);
  return ok ? g_steal_pointer (&manifest) : NULL;
}

/* ---- archives ---- */

static gboolean
feed_extract (gpointer target, const guint8 *data, gsize size, GError **error)
{
  return teesql_restore_extract_feed (target, data, size, error);
}

static gboolean
unpack_archive (TeesqlRestoreUnpack *self, TeesqlPgManifest *manifest, const TeesqlArchive *archive, TeesqlRestoreTree *tree,
                const char *prefix, const char *tree_prefix, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlRestoreExtract) extract = teesql_restore_extract_new (tree, manifest, prefix, tree_prefix);

  if (!pump (self, archive, feed_extract, extract, cancellable, error) || !teesql_restore_extract_finish (extract, error))
    {
      g_prefix_error (error, "archive %s: ", archive->name);
      return FALSE;
    }
  self->n_files += teesql_restore_extract_get_files (extract);
  return TRUE;
}

static const TeesqlRestorePlace *
find_place (const TeesqlRestoreUnpack *self, const char *oid)
{
  for (guint i = 0; self->places != NULL && i < self->places->len; i++)
    if (strcmp (g_array_index (self->places, TeesqlRestorePlace, i).oid, oid) == 0)
      return &g_array_index (self->places, TeesqlRestorePlace, i);
  return NULL;
}

/* A tablespace that the server had inside already has its folder in the base archive. */
static gboolean
make_inside (TeesqlRestoreTree *tree, const char *name, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  int fd = teesql_restore_tree_open_file (tree, name, O_PATH | O_DIRECTORY, &local_error);

  if (fd >= 0)
    close (fd);
  else if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    return teesql_restore_tree_make_folder (tree, name, error);
  return fd >= 0;
}

static gboolean
oid_is_good (const char *oid)
{
  guint64 value = 0;

  return g_ascii_string_to_unsigned (oid, 10, 1, G_MAXUINT32, &value, NULL) && oid[0] != '0';
}

static gboolean
unpack_tablespace (TeesqlRestoreUnpack *self, TeesqlPgManifest *manifest, const TeesqlArchive *archive, GCancellable *cancellable,
                   GError **error)
{
  g_autofree char *name = g_strconcat ("pg_tblspc/", archive->name, NULL);
  g_autofree char *prefix = g_strconcat (name, "/", NULL);
  const TeesqlRestorePlace *place = find_place (self, archive->name);

  if (!oid_is_good (archive->name))
    return integrity (error, "archive-name", "the backup has an archive `%s`, which is no tablespace", archive->name);
  if (self->tree == NULL)
    return unpack_archive (self, manifest, archive, NULL, prefix, prefix, cancellable, error);
  if (place != NULL)
    return teesql_restore_tree_make_link (self->tree, name, place->link, error) &&
           unpack_archive (self, manifest, archive, place->tree, prefix, "", cancellable, error);
  return make_inside (self->tree, name, error) && unpack_archive (self, manifest, archive, self->tree, prefix, prefix, cancellable, error);
}

gboolean
teesql_restore_unpack_run (TeesqlRestoreUnpack *self, GCancellable *cancellable, GError **error)
{
  const TeesqlArchive *base = find_archive (self->backup, BASE);
  g_autoptr (TeesqlPgManifest) manifest = NULL;

  if (base == NULL)
    return integrity (error, "archive-name", "the backup has no base archive");
  manifest = read_manifest (self, cancellable, error);
  if (manifest == NULL || !unpack_archive (self, manifest, base, self->tree, "", "", cancellable, error))
    return FALSE;
  for (guint i = 0; i < self->backup->archives->len; i++)
    {
      const TeesqlArchive *archive = self->backup->archives->pdata[i];

      if (archive != base && strcmp (archive->name, MANIFEST) != 0 && !unpack_tablespace (self, manifest, archive, cancellable, error))
        return FALSE;
    }
  return teesql_pg_manifest_check_complete (manifest, error);
}
