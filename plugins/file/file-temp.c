#include "file-temp.h"

#include "file-name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW    ((guint64) 8 * 1024 * 1024) /* dirty pages of one object, twice */
#define N_RETRIES 1000                        /* folders that others take away while we use them */

static char *
random_name (void)
{
  return g_strdup_printf ("put-%08x%08x%08x", g_random_int (), g_random_int (), g_random_int ());
}

FileTemp *
file_temp_new (FileRoot *root, GError **error)
{
  g_autoptr (FileTemp) self = g_new0 (FileTemp, 1);
  int work = file_root_get_work (root);

  self->root = file_root_ref (root);
  self->fd = -1;
  if (work >= 0 && file_root_get_temp_kind (root) != FILE_TEMP_NAMED)
    self->fd = openat (work, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  else if (work >= 0)
    {
      self->name = random_name ();
      self->fd = openat (work, self->name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
  if (self->fd < 0)
    {
      int code = errno;

      g_clear_pointer (&self->name, g_free);
      file_fail (error, FILE_DOING_WRITE, code == ENOENT ? EIO : code, "making a temporary file below %s", file_root_get_path (root));
      return NULL;
    }
  if (self->name != NULL)
    flock (self->fd, LOCK_EX | LOCK_NB); /* tells a sweep that it is not left over; where locks do not exist, its age does */
  return g_steal_pointer (&self);
}

void
file_temp_free (FileTemp *self)
{
  if (self->name != NULL)
    unlinkat (file_root_peek_work (self->root), self->name, 0);
  file_fd_clear (&self->fd);
  file_root_unref (self->root);
  g_free (self->name);
  g_free (self);
}

gboolean
file_write_at (int fd, GBytes *bytes, guint64 offset)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  gsize done = 0;

  while (done < size)
    {
      ssize_t n = pwrite (fd, data + done, size - done, (off_t) (offset + done));

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          errno = n == 0 ? EIO : errno;
          return FALSE;
        }
      done += (gsize) n;
    }
  return TRUE;
}

/* Begins to write the newest window and waits for the one before it, whose pages nobody will read again: an object of any size has but two
 * windows of the page cache. Advice only: what does not work here fails in fsync(). */
static void
write_behind (FileTemp *self)
{
  while (self->size - self->synced >= 2 * WINDOW)
    {
      sync_file_range (self->fd, (off_t) (self->synced + WINDOW), (off_t) WINDOW, SYNC_FILE_RANGE_WRITE);
      sync_file_range (self->fd, (off_t) self->synced, (off_t) WINDOW,
                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
      posix_fadvise (self->fd, (off_t) self->synced, (off_t) WINDOW, POSIX_FADV_DONTNEED);
      self->synced += WINDOW;
    }
}

gboolean
file_temp_write (FileTemp *self, GBytes *bytes, GError **error)
{
  if (!file_write_at (self->fd, bytes, self->size))
    return file_fail (error, FILE_DOING_WRITE, errno, "writing below %s", file_root_get_path (self->root));
  self->size += g_bytes_get_size (bytes);
  write_behind (self);
  return TRUE;
}

gboolean
file_temp_sync (FileTemp *self, GError **error)
{
  if (fsync (self->fd) != 0)
    return file_fail (error, FILE_DOING_WRITE, errno, "writing below %s", file_root_get_path (self->root));
  return TRUE;
}

/* ---- publishing ---- */

typedef struct
{
  FileRoot *root;
  int work;
  int fd;           /* of an unnamed file, else -1 */
  const char *name; /* in the hidden folder */
  gboolean moved;
} Source;

static int
link_fd (const Source *self, int at, const char *leaf)
{
  g_autofree char *proc = g_strdup_printf ("/proc/self/fd/%d", self->fd);

  if (file_root_get_temp_kind (self->root) == FILE_TEMP_LINK_EMPTY)
    return linkat (self->fd, "", at, leaf, AT_EMPTY_PATH);
  return linkat (AT_FDCWD, proc, at, leaf, AT_SYMLINK_FOLLOW);
}

/* Only one link to a name can be made, whoever else tries. */
static int
link_absent (Source *self, int at, const char *leaf)
{
  int result = 0;

  if (self->name == NULL)
    return link_fd (self, at, leaf);
  result = linkat (self->work, self->name, at, leaf, 0);
  if (result == 0 || (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK))
    return result;
  result = renameat2 (self->work, self->name, at, leaf, RENAME_NOREPLACE); /* file systems without hard links */
  self->moved = result == 0;
  return result;
}

static int
replace (Source *self, int at, const char *leaf)
{
  int result = renameat (self->work, self->name, at, leaf);

  self->moved = result == 0;
  return result;
}

/* %FALSE with errno */
static gboolean
place (Source *self, const char *path, TeesqlStoragePutFlags flags)
{
  for (guint i = 0; i < N_RETRIES; i++)
    {
      g_auto (FileFd) parent = file_root_open_parent (self->root, path, TRUE);
      const char *leaf = file_root_get_leaf (path);
      int result = -1;
      struct stat info;

      if (parent >= 0)
        result = (flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0 ? link_absent (self, parent, leaf) : replace (self, parent, leaf);
      if (result == 0)
        return TRUE;
      if (errno != ENOENT)
        return FALSE;
      /* the folder went away with the last object in it: again */
      if (self->name != NULL && fstatat (self->work, self->name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return FALSE; /* no: it is the file that is gone */
    }
  errno = EBUSY;
  return FALSE;
}

static gboolean
publish (Source *source, const char *object, TeesqlStoragePutFlags flags, GError **error)
{
  g_autofree char *path = file_name_to_path (object);

  if (!place (source, path, flags) || !file_root_sync_parents (source->root, path))
    return file_fail (error, FILE_DOING_WRITE, errno, "storing %s", object);
  return TRUE;
}

/* An unnamed file must have a name before it can replace another. It keeps it until it is moved: the last name of a file cannot be given
 * back. %FALSE with errno */
static gboolean
give_name (FileTemp *self, const Source *source)
{
  g_autofree char *name = random_name ();

  if (link_fd (source, source->work, name) != 0)
    return FALSE;
  self->name = g_steal_pointer (&name);
  flock (self->fd, LOCK_EX | LOCK_NB);
  return TRUE;
}

gboolean
file_temp_publish (FileTemp *self, const char *object, TeesqlStoragePutFlags flags, GError **error)
{
  Source source = { .root = self->root, .work = file_root_get_work (self->root), .fd = self->fd };
  gboolean well = FALSE;

  if ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) == 0 && self->name == NULL && !give_name (self, &source))
    return file_fail (error, FILE_DOING_WRITE, errno == ENOENT ? EIO : errno, "storing %s", object);
  source.name = self->name;
  well = publish (&source, object, flags, error);

  if (source.moved)
    g_clear_pointer (&self->name, g_free);
  return well;
}

gboolean
file_publish_named (FileRoot *root, const char *work_path, const char *object, TeesqlStoragePutFlags flags, GError **error)
{
  Source source = { .root = root, .work = file_root_get_work (root), .fd = -1, .name = work_path };

  return publish (&source, object, flags, error);
}
