#include "backup/teesql-restore-extract.h"

#include "base/teesql-crc32c.h"
#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The kernel begins to write files from here on at once, so that the sync at the end finds little left. */
#define WRITE_BEHIND_MIN ((guint64) 1024 * 1024)
#define PART_MAX         ((guint64) 16 * 1024 * 1024)

struct _TeesqlRestoreExtract
{
  TeesqlRestoreTree *tree; /* borrowed */
  TeesqlPgManifest *manifest;
  TeesqlTarReader *reader;
  char *prefix;
  char *tree_prefix;
  GString *name; /* room for whichever is needed */
  TeesqlPgManifestFile *file;
  int fd;
  guint32 crc;
  guint64 written;
  guint64 flushed;
  guint64 n_files;
};

static const char *
join (TeesqlRestoreExtract *self, const char *prefix, const char *name)
{
  g_string_assign (self->name, prefix);
  g_string_append (self->name, name);
  return self->name->str;
}

/* PostgreSQL names tablespaces twice: as a link or in tablespace_map, and as archives of their own; the latter make them. */
static gboolean
begin_other (TeesqlRestoreExtract *self, const TeesqlTarEntry *entry, GError **error)
{
  if (self->tree == NULL || entry->kind == TEESQL_TAR_LINK)
    return TRUE;
  return teesql_restore_tree_make_folder (self->tree, join (self, self->tree_prefix, entry->name), error);
}

static gboolean
begin_cb (const TeesqlTarEntry *entry, gpointer user_data, GError **error)
{
  TeesqlRestoreExtract *self = user_data;

  if (entry->kind != TEESQL_TAR_FILE)
    return begin_other (self, entry, error);
  self->file = teesql_pg_manifest_claim (self->manifest, join (self, self->prefix, entry->name), entry->size, error);
  if (self->file == NULL)
    return FALSE;
  self->crc = 0;
  self->written = 0;
  self->flushed = 0;
  self->n_files++;
  if (self->tree == NULL)
    return TRUE;
  self->fd = teesql_restore_tree_create (self->tree, join (self, self->tree_prefix, entry->name), error);
  return self->fd >= 0;
}

static void
write_behind (TeesqlRestoreExtract *self)
{
  if (sync_file_range (self->fd, (off_t) self->flushed, (off_t) (self->written - self->flushed), SYNC_FILE_RANGE_WRITE) == 0)
    self->flushed = self->written; /* a file system that cannot is no fault: everything is synced in the end */
}

static gboolean
data_cb (const guint8 *data, gsize size, gpointer user_data, GError **error)
{
  TeesqlRestoreExtract *self = user_data;

  self->crc = teesql_crc32c (self->crc, data, size);
  if (self->fd < 0)
    return TRUE;
  if (!teesql_restore_write_all (self->fd, data, size, error))
    {
      g_prefix_error (error, "%s/%s: ", teesql_restore_tree_get_path (self->tree), self->name->str);
      return FALSE;
    }
  self->written += size;
  if (self->written - self->flushed >= PART_MAX)
    write_behind (self);
  return TRUE;
}

static gboolean
end_cb (gpointer user_data, GError **error)
{
  TeesqlRestoreExtract *self = user_data;
  int fd = self->fd;

  if (fd >= 0)
    {
      if (self->written >= WRITE_BEHIND_MIN)
        write_behind (self);
      self->fd = -1;
      if (close (fd) != 0)
        return teesql_restore_fail_errno (error, errno, "writing %s/%s", teesql_restore_tree_get_path (self->tree), self->name->str);
    }
  return teesql_pg_manifest_check (self->file, self->crc, error);
}

TeesqlRestoreExtract *
teesql_restore_extract_new (TeesqlRestoreTree *tree, TeesqlPgManifest *manifest, const char *prefix, const char *tree_prefix)
{
  static const TeesqlTarHandler handler = { begin_cb, data_cb, end_cb };
  TeesqlRestoreExtract *self = g_new0 (TeesqlRestoreExtract, 1);

  self->tree = tree;
  self->manifest = manifest;
  self->reader = teesql_tar_reader_new (&handler, self);
  self->prefix = g_strdup (prefix);
  self->tree_prefix = g_strdup (tree_prefix);
  self->name = g_string_new (NULL);
  self->fd = -1;
  return self;
}

void
teesql_restore_extract_free (TeesqlRestoreExtract *self)
{
  if (self->fd >= 0)
    close (self->fd);
  teesql_tar_reader_free (self->reader);
  g_string_free (self->name, TRUE);
  g_free (self->prefix);
  g_free (self->tree_prefix);
  g_free (self);
}

gboolean
teesql_restore_extract_feed (TeesqlRestoreExtract *self, const guint8 *data, gsize size, GError **error)
{
  return teesql_tar_reader_feed (self->reader, data, size, error);
}

gboolean
teesql_restore_extract_finish (TeesqlRestoreExtract *self, GError **error)
{
  return teesql_tar_reader_finish (self->reader, error);
}

guint64
teesql_restore_extract_get_files (TeesqlRestoreExtract *self)
{
  return self->n_files;
}
