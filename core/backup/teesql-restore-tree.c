#include "backup/teesql-restore-tree.h"

#include "backup/teesql-tar.h"
#include "base/teesql-domains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define FILE_MODE   0600
#define DEPTH_MAX   64u

struct _TeesqlRestoreTree
{
  int fd;
  char *path;
  TeesqlRestoreOwner owner;
};

gboolean
teesql_restore_fail_errno (GError **error, int number, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  if (number == ENOSPC || number == EDQUOT)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NO_SPACE, "restore-space", "%s: %s", what, g_strerror (number));
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "restore-write", "%s: %s", what, g_strerror (number));
}

/* ---- owner ---- */

gboolean
teesql_restore_owner_init (TeesqlRestoreOwner *self, guint uid, guint gid, GError **error)
{
  self->uid = uid == G_MAXUINT ? (guint) geteuid () : uid;
  self->gid = gid == G_MAXUINT ? (guint) getegid () : gid;
  if (self->uid == 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "restore-owner",
                        "a cluster that belongs to root cannot be started\nhint: name PostgreSQL's user in [postgresql] user");
  if (geteuid () != 0 && teesql_restore_owner_differs (self))
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "restore-owner",
                        "files for user %u can be made by that user and by root, and we are user %u", self->uid, (guint) geteuid ());
  return TRUE;
}

gboolean
teesql_restore_owner_differs (const TeesqlRestoreOwner *self)
{
  return self->uid != (guint) geteuid () || self->gid != (guint) getegid ();
}

/* Both are of this thread alone. Leaving 0 takes the capabilities over files away until it is taken up again. */
static void
enter (const TeesqlRestoreOwner *owner)
{
  if (!teesql_restore_owner_differs (owner))
    return;
  setfsgid (owner->gid);
  setfsuid (owner->uid);
}

static void
leave (const TeesqlRestoreOwner *owner)
{
  int saved = errno;

  if (teesql_restore_owner_differs (owner))
    {
      setfsuid (geteuid ());
      setfsgid (getegid ());
    }
  errno = saved;
}

gboolean
teesql_restore_owner_reads (const TeesqlRestoreOwner *owner, const char *path)
{
  int fd = -1;

  enter (owner);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  leave (owner);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* ---- names ---- */

/* One part at a time, for kernels and sandboxes without openat2 (). */
static int
open_by_parts (int folder, const char *name, int flags, mode_t mode)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  int fd = fcntl (folder, F_DUPFD_CLOEXEC, 0);

  for (guint i = 0; parts[i] != NULL && fd >= 0; i++)
    {
      gboolean last = parts[i + 1] == NULL;
      int next = -1;
      int saved = 0;

      if (parts[i][0] != '\0' && strcmp (parts[i], "..") != 0)
        next =
            openat (fd, parts[i], last ? flags | O_NOFOLLOW | O_CLOEXEC : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, last ? mode : 0);
      else
        errno = EXDEV;
      saved = errno;
      close (fd);
      errno = saved;
      fd = next;
    }
  return fd;
}

static int
open_beneath (int folder, const char *name, int flags, mode_t mode)
{
  struct open_how how = { .flags = (guint64) (flags | O_NOFOLLOW | O_CLOEXEC),
                          .mode = (flags & O_CREAT) != 0 ? mode : 0,
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
  int fd = (int) syscall (SYS_openat2, folder, name, &how, sizeof how);

  return fd < 0 && (errno == ENOSYS || errno == EPERM) ? open_by_parts (folder, name, flags, mode) : fd;
}

/* Folder that holds the last part of @name; *out_last points into @name. -1 with errno */
static int
open_parent (TeesqlRestoreTree *self, const char *name, const char **out_last)
{
  const char *slash = strrchr (name, '/');
  g_autofree char *parent = slash != NULL ? g_strndup (name, (gsize) (slash - name)) : NULL;

  *out_last = slash != NULL ? slash + 1 : name;
  return parent != NULL ? open_beneath (self->fd, parent, O_PATH | O_DIRECTORY, 0) : fcntl (self->fd, F_DUPFD_CLOEXEC, 0);
}

static gboolean
check_name (TeesqlRestoreTree *self, const char *name, GError **error)
{
  return teesql_tar_name_is_safe (name) || teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "restore-path",
                                                        "a restore does not touch `%s` in %s", name, self->path);
}

/* ---- trees ---- */

static int
open_path (const char *path)
{
  const char *relative = path;

  g_return_val_if_fail (g_path_is_absolute (path), -1);

  while (*relative == '/')
    relative++;
  int root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = root >= 0 ? open_beneath (root, *relative != '\0' ? relative : ".", O_RDONLY | O_DIRECTORY, 0) : -1;
  int saved = errno;

  if (root >= 0)
    close (root);
  errno = saved;
  return fd;
}

TeesqlRestoreTree *
teesql_restore_tree_open (TeesqlRestoreTree *parent, const char *name, const TeesqlRestoreOwner *owner, GError **error)
{
  TeesqlRestoreTree *self = NULL;
  int fd = -1;

  if (parent != NULL && !check_name (parent, name, error))
    return NULL;
  if (parent != NULL)
    enter (owner);
  fd = parent != NULL ? open_beneath (parent->fd, name, O_RDONLY | O_DIRECTORY, 0) : open_path (name);
  if (parent != NULL)
    leave (owner);
  if (fd < 0 && (errno == ELOOP || (errno == ENOTDIR && parent == NULL && g_file_test (name, G_FILE_TEST_IS_SYMLINK))))
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "target-link",
                   "a part of %s is a link\nhint: name the folder it leads to", name);
      return NULL;
    }
  if (fd < 0)
    {
      teesql_restore_fail_errno (error, errno, "opening %s", name);
      return NULL;
    }
  self = g_new0 (TeesqlRestoreTree, 1);
  self->fd = fd;
  self->path = parent != NULL ? g_build_filename (parent->path, name, NULL) : g_strdup (name);
  self->owner = *owner;
  return self;
}

void
teesql_restore_tree_free (TeesqlRestoreTree *self)
{
  close (self->fd);
  g_free (self->path);
  g_free (self);
}

int
teesql_restore_tree_get_fd (TeesqlRestoreTree *self)
{
  return self->fd;
}

const char *
teesql_restore_tree_get_path (TeesqlRestoreTree *self)
{
  return self->path;
}

const TeesqlRestoreOwner *
teesql_restore_tree_get_owner (TeesqlRestoreTree *self)
{
  return &self->owner;
}

/* ---- making ---- */

gboolean
teesql_restore_tree_make_folder (TeesqlRestoreTree *self, const char *name, GError **error)
{
  const char *last = NULL;
  int parent = -1;
  gboolean made = FALSE;

  if (!check_name (self, name, error))
    return FALSE;
  enter (&self->owner);
  parent = open_parent (self, name, &last);
  made = parent >= 0 && mkdirat (parent, last, FOLDER_MODE) == 0;
  leave (&self->owner);
  if (!made)
    teesql_restore_fail_errno (error, errno, "making the folder %s/%s", self->path, name);
  if (parent >= 0)
    close (parent);
  return made;
}

int
teesql_restore_tree_create (TeesqlRestoreTree *self, const char *name, GError **error)
{
  int fd = -1;

  if (!check_name (self, name, error))
    return -1;
  enter (&self->owner);
  fd = open_beneath (self->fd, name, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
  leave (&self->owner);
  if (fd < 0)
    teesql_restore_fail_errno (error, errno, "making %s/%s", self->path, name);
  return fd;
}

int
teesql_restore_tree_open_file (TeesqlRestoreTree *self, const char *name, int flags, GError **error)
{
  int fd = -1;

  if (!check_name (self, name, error))
    return -1;
  enter (&self->owner);
  fd = open_beneath (self->fd, name, flags, FILE_MODE);
  leave (&self->owner);
  if (fd < 0 && errno == ENOENT)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s/%s is not there", self->path, name);
  else if (fd < 0)
    teesql_restore_fail_errno (error, errno, "opening %s/%s", self->path, name);
  return fd;
}

gboolean
teesql_restore_write_all (int fd, const guint8 *data, gsize size, GError **error)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return teesql_restore_fail_errno (error, errno, "writing");
      data += n;
      size -= (gsize) n;
    }
  return TRUE;
}

gboolean
teesql_restore_tree_write_file (TeesqlRestoreTree *self, const char *name, const void *data, gsize size, GError **error)
{
  int fd = teesql_restore_tree_create (self, name, error);
  gboolean ok = fd >= 0 && teesql_restore_write_all (fd, data, size, error);

  if (fd >= 0 && close (fd) != 0 && ok)
    ok = teesql_restore_fail_errno (error, errno, "writing %s/%s", self->path, name);
  return ok;
}

static GBytes *
read_all (int fd, gsize max, GError **error)
{
  g_autofree guint8 *data = g_malloc (max + 1);
  gsize used = 0;
  gssize n = 0;

  while (used <= max && (n = read (fd, data + used, max + 1 - used)) != 0)
    {
      if (n < 0 && errno != EINTR)
        {
          teesql_restore_fail_errno (error, errno, "reading");
          return NULL;
        }
      used += n > 0 ? (gsize) n : 0;
    }
  if (used > max)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "restore-file", "more than %" G_GSIZE_FORMAT " bytes", max);
      return NULL;
    }
  return g_bytes_new (data, used);
}

GBytes *
teesql_restore_tree_read_file (TeesqlRestoreTree *self, const char *name, gsize max, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  int fd = teesql_restore_tree_open_file (self, name, O_RDONLY | O_NONBLOCK, &local_error);
  struct stat st;
  GBytes *bytes = NULL;

  if (fd < 0)
    {
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    bytes = read_all (fd, max, error);
  else
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "restore-file", "no regular file");
  if (bytes == NULL)
    g_prefix_error (error, "%s/%s: ", self->path, name);
  close (fd);
  return bytes;
}

gboolean
teesql_restore_tree_replace_file (TeesqlRestoreTree *self, const char *name, const void *data, gsize size, GError **error)
{
  g_autofree char *fresh = g_strconcat (name, ".teesql-new", NULL);
  int renamed = -1;

  if (!teesql_restore_tree_remove_file (self, fresh, error) || !teesql_restore_tree_write_file (self, fresh, data, size, error))
    return FALSE;
  enter (&self->owner);
  renamed = renameat (self->fd, fresh, self->fd, name);
  leave (&self->owner);
  return renamed == 0 || teesql_restore_fail_errno (error, errno, "replacing %s/%s", self->path, name);
}

gboolean
teesql_restore_tree_make_link (TeesqlRestoreTree *self, const char *name, const char *target, GError **error)
{
  const char *last = NULL;
  int parent = -1;
  gboolean made = FALSE;

  if (!check_name (self, name, error))
    return FALSE;
  enter (&self->owner);
  parent = open_parent (self, name, &last);
  made = parent >= 0 && symlinkat (target, parent, last) == 0;
  leave (&self->owner);
  if (!made)
    teesql_restore_fail_errno (error, errno, "making the link %s/%s", self->path, name);
  if (parent >= 0)
    close (parent);
  return made;
}

/* ---- removing ---- */

gboolean
teesql_restore_tree_remove_file (TeesqlRestoreTree *self, const char *name, GError **error)
{
  const char *last = NULL;
  int parent = -1;
  gboolean gone = FALSE;

  if (!check_name (self, name, error))
    return FALSE;
  enter (&self->owner);
  parent = open_parent (self, name, &last);
  gone = parent >= 0 ? unlinkat (parent, last, 0) == 0 || errno == ENOENT : errno == ENOENT;
  leave (&self->owner);
  if (!gone)
    teesql_restore_fail_errno (error, errno, "removing %s/%s", self->path, name);
  if (parent >= 0)
    close (parent);
  return gone;
}

static int remove_beneath (int folder, const char *name, guint depth);

/* Takes @fd. */
static int
empty_folder (int fd, guint depth)
{
  DIR *dir = fdopendir (fd);
  struct dirent *entry = NULL;
  int number = 0;

  if (dir == NULL)
    {
      number = errno;
      close (fd);
      return number;
    }
  while (number == 0 && (entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      number = remove_beneath (dirfd (dir), entry->d_name, depth + 1);
  closedir (dir);
  return number;
}

/* Returns: 0 or errno */
static int
remove_beneath (int folder, const char *name, guint depth)
{
  int fd = -1;
  int number = 0;

  if (unlinkat (folder, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR && errno != EPERM && errno != EACCES) /* a folder in one that is not ours can be emptied */
    return errno;
  if (depth >= DEPTH_MAX)
    return ELOOP;
  fd = openat (folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno;
  number = empty_folder (fd, depth);
  if (number == 0 && unlinkat (folder, name, AT_REMOVEDIR) != 0)
    number = errno;
  return number;
}

gboolean
teesql_restore_tree_remove (TeesqlRestoreTree *self, const char *name, GError **error)
{
  int number = 0;

  if (!check_name (self, name, error) || strchr (name, '/') != NULL)
    return FALSE;
  enter (&self->owner);
  number = remove_beneath (self->fd, name, 0);
  leave (&self->owner);
  return number == 0 || teesql_restore_fail_errno (error, number, "removing %s/%s", self->path, name);
}

gboolean
teesql_restore_tree_sync (TeesqlRestoreTree *self, GError **error)
{
  return syncfs (self->fd) == 0 || teesql_restore_fail_errno (error, errno, "making %s durable", self->path);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
teesql_restore_tree_list (TeesqlRestoreTree *self, guint max, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  int fd = openat (self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry = NULL;

  if (dir == NULL)
    {
      teesql_restore_fail_errno (error, errno, "reading %s", self->path);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  while (names->len < max && (entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (dir);
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}
