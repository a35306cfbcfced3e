#include "backup/teesql-restore-run.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_##code, reason, __VA_ARGS__)

void
teesql_restore_part_free (TeesqlRestorePart *self)
{
  g_clear_pointer (&self->staging, teesql_restore_staging_free);
  g_free (self->oid);
  g_free (self->path);
  g_free (self);
}

static gboolean
is_tablespace (const TeesqlArchive *archive)
{
  return strcmp (archive->name, "base") != 0 && strcmp (archive->name, "manifest") != 0;
}

static const TeesqlArchive *
find_tablespace (const TeesqlBackup *backup, const char *old)
{
  for (guint i = 0; i < backup->archives->len; i++)
    {
      const TeesqlArchive *archive = backup->archives->pdata[i];

      if (is_tablespace (archive) && (strcmp (archive->name, old) == 0 || g_strcmp0 (archive->tablespace, old) == 0))
        return archive;
    }
  return NULL;
}

static const TeesqlBackup *
newest (const TeesqlRestoreRun *self)
{
  return self->plan->chain->pdata[self->plan->chain->len - 1];
}

static gboolean
check_new (TeesqlRestoreRun *self, const char *path, const char *oid, GError **error)
{
  for (guint i = 0; i < self->parts->len; i++)
    {
      const TeesqlRestorePart *other = self->parts->pdata[i];

      if (strcmp (other->path, path) == 0 || strcmp (other->oid, oid) == 0)
        return fail (error, CONFIG, "restore-tablespace", "tablespace %s or the folder %s is named twice", oid, path);
    }
  return teesql_restore_staging_check (path, error);
}

/* WAL makes it where it was: it cannot be mapped, and nothing else may be there. */
static gboolean
add_new (TeesqlRestoreRun *self, const char *old, const char *new, GError **error)
{
  g_autofree char *path = g_canonicalize_filename (new, "/");
  g_autoptr (GDir) folder = NULL;

  if (strcmp (old, new) != 0 || !self->options->recover)
    return fail (
        error, CONFIG, "restore-tablespace",
        "the backup has no tablespace %s\nhint: one that was made behind it can only be where it was: --recover --tablespace %s=%s", old,
        old, old);
  folder = g_dir_open (path, 0, NULL);
  if (folder == NULL || g_dir_read_name (folder) != NULL)
    return fail (error, CONFIG, "restore-tablespace", "%s, for a tablespace that was made behind the backup, is no empty folder", path);
  g_ptr_array_add (self->new_tablespaces, g_steal_pointer (&path));
  return TRUE;
}

static gboolean
map_one (TeesqlRestoreRun *self, const char *mapping, GError **error)
{
  const char *equals = strchr (mapping, '=');
  g_autofree char *old = equals != NULL ? g_strndup (mapping, (gsize) (equals - mapping)) : NULL;
  const TeesqlArchive *archive = old != NULL ? find_tablespace (newest (self), old) : NULL;
  TeesqlRestorePart *part = NULL;
  g_autofree char *path = NULL;

  if (equals == NULL || !g_path_is_absolute (equals + 1))
    return fail (error, CONFIG, "restore-tablespace", "`%s` is not OLD=NEW, a tablespace's path or oid and an absolute path", mapping);
  if (archive == NULL)
    return add_new (self, old, equals + 1, error);
  path = g_canonicalize_filename (equals + 1, "/");
  if (!check_new (self, path, archive->name, error))
    return FALSE;
  part = g_new0 (TeesqlRestorePart, 1);
  part->oid = g_strdup (archive->name);
  part->path = g_steal_pointer (&path);
  g_ptr_array_add (self->parts, part);
  return TRUE;
}

gboolean
teesql_restore_run_map_tablespaces (TeesqlRestoreRun *self, GError **error)
{
  const char *const *map = self->options->tablespace_map;

  self->parts = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_restore_part_free);
  self->new_tablespaces = g_ptr_array_new_with_free_func (g_free);
  for (; map != NULL && *map != NULL; map++)
    if (!map_one (self, *map, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_restore_run_stage_parts (TeesqlRestoreRun *self, GError **error)
{
  for (guint i = 0; i < self->parts->len; i++)
    {
      TeesqlRestorePart *part = self->parts->pdata[i];

      part->staging = teesql_restore_staging_new (part->path, &self->owner, error);
      if (part->staging == NULL)
        return FALSE;
    }
  return TRUE;
}

static const TeesqlRestorePart *
find_part (const TeesqlRestoreRun *self, const char *oid)
{
  for (guint i = 0; i < self->parts->len; i++)
    if (strcmp (((const TeesqlRestorePart *) self->parts->pdata[i])->oid, oid) == 0)
      return self->parts->pdata[i];
  return NULL;
}

gboolean
teesql_restore_run_has_inside (TeesqlRestoreRun *self)
{
  const TeesqlBackup *backup = newest (self);
  guint n = 0;

  for (guint i = 0; i < backup->archives->len; i++)
    n += is_tablespace (backup->archives->pdata[i]) ? 1 : 0;
  return n > self->parts->len;
}

/* Recovery may have gone past the end of the tablespace. */
static gboolean
relink (TeesqlRestoreTree *cluster, const char *name, const TeesqlRestorePart *part, GError **error)
{
  struct stat st;

  if (fstatat (teesql_restore_tree_get_fd (cluster), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || teesql_restore_fail_errno (error, errno, "%s/%s", teesql_restore_tree_get_path (cluster), name);
  return teesql_restore_tree_remove_file (cluster, name, error) && teesql_restore_tree_make_link (cluster, name, part->path, error);
}

gboolean
teesql_restore_run_link_parts (TeesqlRestoreRun *self, TeesqlRestoreTree *cluster, GError **error)
{
  const TeesqlBackup *backup = newest (self);

  for (guint i = 0; i < backup->archives->len; i++)
    {
      const TeesqlArchive *archive = backup->archives->pdata[i];
      g_autofree char *name = g_strconcat ("pg_tblspc/", archive->name, NULL);
      const TeesqlRestorePart *part = find_part (self, archive->name);

      if (!is_tablespace (archive))
        continue;
      if (part != NULL && !relink (cluster, name, part, error))
        return FALSE;
      g_ptr_array_add (self->report->tablespaces, g_strdup_printf ("%s %s", archive->name, part != NULL ? part->path : name));
    }
  return TRUE;
}

gboolean
teesql_restore_run_commit_parts (TeesqlRestoreRun *self, GError **error)
{
  for (guint i = 0; i < self->parts->len; i++)
    {
      TeesqlRestorePart *part = self->parts->pdata[i];

      if (!teesql_restore_staging_note_part (self->staging, part->staging, TEESQL_RESTORE_STAGED, part->path, error) ||
          !teesql_restore_staging_commit (part->staging, TEESQL_RESTORE_STAGED, error))
        return FALSE;
    }
  return TRUE;
}
