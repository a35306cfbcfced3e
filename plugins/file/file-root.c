#include "file-root.h"

#include "file-durable.h"
#include "file-name.h"
#include "file-sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SWEEP_EVERY_US ((gint64) 3600 * G_USEC_PER_SEC)

struct _FileRoot
{
  gatomicrefcount refs;
  char *path;
  int fd;
  FileDurable *durable;
  int no_openat2; /* atomic: the kernel or a filter does not have it */
  int force_named;

  GMutex lock;
  int work_fd;
  FileTempKind temp_kind;
  gint64 swept_us;
};

void
file_fd_clear (FileFd *fd)
{
  int code = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = code;
}

FileRoot *
file_root_open (const char *path, GError **error)
{
  FileRoot *self = NULL;
  int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      int code = errno;

      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, code == EACCES ? TEESQL_ERROR_PERMISSION : TEESQL_ERROR_CONFIG,
                                                  code == EACCES ? "permission" : "path", 0,
                                                  "path = %s: %s\nhint: it must be a folder that the user of the storage host may enter",
                                                  path, g_strerror (code)));
      return NULL;
    }
  self = g_new0 (FileRoot, 1);
  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->path = g_strdup (path);
  self->fd = fd;
  self->durable = file_durable_new ();
  self->work_fd = -1;
  return self;
}

FileRoot *
file_root_ref (FileRoot *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
file_root_unref (FileRoot *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  file_fd_clear (&self->fd);
  file_fd_clear (&self->work_fd);
  file_durable_free (self->durable);
  g_mutex_clear (&self->lock);
  g_free (self->path);
  g_free (self);
}

const char *
file_root_get_path (FileRoot *self)
{
  return self->path;
}

void
file_root_force_named (FileRoot *self)
{
  g_atomic_int_set (&self->force_named, 1);
}

/* ---- descriptors below ---- */

static int
open_beneath (FileRoot *self, const char *path, int flags)
{
  struct open_how how = { .flags = (guint64) (flags | O_CLOEXEC),
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

  return (int) syscall (SYS_openat2, self->fd, path, &how, sizeof how);
}

/* One step after the other, none of which follows a link: what openat2() does at once. */
static int
open_in_steps (FileRoot *self, const char *path, int flags)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  g_auto (FileFd) fd = -1;

  for (guint i = 0; steps[i] != NULL; i++)
    {
      int at = fd >= 0 ? fd : self->fd;
      int next = openat (at, steps[i], (steps[i + 1] != NULL ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW | O_CLOEXEC);

      file_fd_clear (&fd);
      fd = next;
      if (fd < 0)
        return -1;
    }
  return g_steal_fd (&fd);
}

int
file_root_open_at (FileRoot *self, const char *path, int flags)
{
  int fd = -1;

  if (path[0] == '\0')
    return openat (self->fd, ".", flags | O_CLOEXEC);
  if (g_atomic_int_get (&self->no_openat2) == 0)
    {
      fd = open_beneath (self, path, flags);
      if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return fd;
      g_atomic_int_set (&self->no_openat2, 1);
    }
  return open_in_steps (self, path, flags);
}

const char *
file_root_get_leaf (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash != NULL ? slash + 1 : path;
}

static char *
dup_folder (const char *path)
{
  const char *leaf = file_root_get_leaf (path);

  return leaf == path ? g_strdup ("") : g_strndup (path, (gsize) (leaf - path - 1));
}

/* %FALSE with errno */
static gboolean
make_folder (FileRoot *self, const char *path)
{
  g_auto (FileFd) parent = file_root_open_parent (self, path, TRUE);

  if (parent < 0)
    return FALSE;
  return mkdirat (parent, file_root_get_leaf (path), 0700) == 0 || errno == EEXIST;
}

int
file_root_open_parent (FileRoot *self, const char *path, gboolean create)
{
  g_autofree char *folder = dup_folder (path);
  int fd = file_root_open_at (self, folder, O_RDONLY | O_DIRECTORY);

  if (fd >= 0 || errno != ENOENT || !create || folder[0] == '\0')
    return fd;
  if (!make_folder (self, folder))
    return -1;
  return file_root_open_at (self, folder, O_RDONLY | O_DIRECTORY);
}

/* What stands in @folder, and then @folder itself unless that is done. %FALSE with errno */
static gboolean
sync_folder (FileRoot *self, const char *folder)
{
  g_auto (FileFd) fd = file_root_open_at (self, folder, O_RDONLY | O_DIRECTORY);
  g_autofree char *above = NULL;

  /* gone: somebody has removed the object since, and that is what lasts */
  if (fd < 0 ? errno != ENOENT : fsync (fd) != 0)
    return FALSE;
  if (folder[0] == '\0' || (fd >= 0 && file_durable_knows (self->durable, folder, fd)))
    return TRUE;
  above = dup_folder (folder);
  if (!sync_folder (self, above))
    return FALSE;
  if (fd >= 0)
    file_durable_add (self->durable, folder, g_steal_fd (&fd));
  return TRUE;
}

gboolean
file_root_sync_parents (FileRoot *self, const char *path)
{
  g_autofree char *folder = dup_folder (path);

  return sync_folder (self, folder);
}

void
file_root_prune_parents (FileRoot *self, const char *path)
{
  g_autofree char *folder = dup_folder (path);

  while (folder[0] != '\0')
    {
      g_auto (FileFd) parent = file_root_open_parent (self, folder, FALSE);
      char *above = NULL;

      /* an object that is being put there finds its folder gone and makes it again */
      if (parent < 0 || unlinkat (parent, file_root_get_leaf (folder), AT_REMOVEDIR) != 0)
        return;
      above = dup_folder (folder);
      g_free (folder);
      folder = above;
    }
}

/* ---- the hidden folder ---- */

static gboolean
can_link (int work_fd, int file_fd, FileTempKind kind)
{
  g_autofree char *name = g_strdup_printf ("probe-%08x%08x", g_random_int (), g_random_int ());
  g_autofree char *proc = g_strdup_printf ("/proc/self/fd/%d", file_fd);
  int result = kind == FILE_TEMP_LINK_EMPTY ? linkat (file_fd, "", work_fd, name, AT_EMPTY_PATH)
                                            : linkat (AT_FDCWD, proc, work_fd, name, AT_SYMLINK_FOLLOW);

  return result == 0 && unlinkat (work_fd, name, 0) == 0;
}

static FileTempKind
try_out (FileRoot *self, int work_fd)
{
  g_auto (FileFd) fd = -1;

  if (g_atomic_int_get (&self->force_named) != 0)
    return FILE_TEMP_NAMED;
  fd = openat (work_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return FILE_TEMP_NAMED;
  if (can_link (work_fd, fd, FILE_TEMP_LINK_EMPTY))
    return FILE_TEMP_LINK_EMPTY;
  return can_link (work_fd, fd, FILE_TEMP_LINK_PROC) ? FILE_TEMP_LINK_PROC : FILE_TEMP_NAMED;
}

/* lock held */
static int
make_work (FileRoot *self)
{
  g_auto (FileFd) fd = -1;

  if (mkdirat (self->fd, FILE_WORK_FOLDER, 0700) != 0 && errno != EEXIST)
    return -1;
  fd = openat (self->fd, FILE_WORK_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return -1;
  self->temp_kind = try_out (self, fd);
  self->work_fd = g_steal_fd (&fd);
  return self->work_fd;
}

int
file_root_get_work (FileRoot *self)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean sweep = FALSE;
  int fd = -1;

  g_mutex_lock (&self->lock);
  fd = self->work_fd >= 0 ? self->work_fd : make_work (self);
  sweep = fd >= 0 && (self->swept_us == 0 || now_us - self->swept_us > SWEEP_EVERY_US);
  if (sweep)
    self->swept_us = now_us;
  g_mutex_unlock (&self->lock);
  if (sweep)
    file_sweep (fd);
  return fd;
}

int
file_root_peek_work (FileRoot *self)
{
  int fd = -1;

  g_mutex_lock (&self->lock);
  if (self->work_fd < 0)
    {
      struct stat info;

      if (fstatat (self->fd, FILE_WORK_FOLDER, &info, AT_SYMLINK_NOFOLLOW) == 0)
        make_work (self);
    }
  fd = self->work_fd;
  g_mutex_unlock (&self->lock);
  if (fd < 0)
    errno = ENOENT;
  return fd;
}

void
file_root_clean (FileRoot *self)
{
  if (file_root_peek_work (self) < 0 || file_root_get_work (self) < 0)
    return;
}

FileTempKind
file_root_get_temp_kind (FileRoot *self)
{
  FileTempKind kind = FILE_TEMP_NAMED;

  g_mutex_lock (&self->lock);
  kind = self->temp_kind;
  g_mutex_unlock (&self->lock);
  return kind;
}
