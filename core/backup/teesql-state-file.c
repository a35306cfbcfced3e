#include "backup/teesql-state-file.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
fail_errno (GError **error, const char *what, const char *path)
{
  int saved = errno;

  if (saved == ENOENT)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "state-absent", "%s: not there", path);
  if (saved == ENOSPC || saved == EDQUOT)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NO_SPACE, "state-file", "%s: cannot %s: %s", path, what,
                        g_strerror (saved));
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "state-file", "%s: cannot %s: %s", path, what, g_strerror (saved));
}

static gboolean
is_ours_alone (int fd, const char *path, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return fail_errno (error, "stat", path);
  if (!S_ISREG (info.st_mode) || (info.st_uid != geteuid () && geteuid () != 0) || (info.st_mode & 077) != 0 || info.st_nlink != 1)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "state-permissions",
                        "%s: mode %o, owner %u, %u links, expected a regular file of owner %u that nobody else may read\n"
                        "hint: chown and chmod 0600 it if nobody else could have changed it",
                        path, info.st_mode, info.st_uid, (guint) info.st_nlink, geteuid ());
  return TRUE;
}

int
teesql_state_file_open (const char *path, int flags, GError **error)
{
  int fd = open (path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd < 0)
    {
      fail_errno (error, "open", path);
      return -1;
    }
  if (is_ours_alone (fd, path, error))
    return fd;
  close (fd);
  return -1;
}

static gboolean
read_all (int fd, const char *path, guint8 *out, gsize size, gsize *out_read, GError **error)
{
  gsize done = 0;

  while (done < size)
    {
      ssize_t n = read (fd, out + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail_errno (error, "read", path);
      if (n == 0)
        break;
      done += (gsize) n;
    }
  *out_read = done;
  return TRUE;
}

GBytes *
teesql_state_file_load (const char *path, gsize max_size, GError **error)
{
  int fd = teesql_state_file_open (path, O_RDONLY, error);
  g_autofree guint8 *data = g_malloc (max_size + 1);
  gsize size = 0;
  gboolean read_ok = FALSE;

  if (fd < 0)
    return NULL;
  read_ok = read_all (fd, path, data, max_size + 1, &size, error);
  close (fd);
  if (!read_ok)
    return NULL;
  if (size > max_size)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "state-file", "%s: over %" G_GSIZE_FORMAT " bytes", path, max_size);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&data), size);
}

gboolean
teesql_state_file_write_at (int fd, const char *path, const guint8 *data, gsize size, guint64 offset, GError **error)
{
  gsize done = 0;

  while (done < size)
    {
      ssize_t n = pwrite (fd, data + done, size - done, (off_t) (offset + done));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail_errno (error, "write", path);
      done += (gsize) n;
    }
  return fdatasync (fd) == 0 || fail_errno (error, "sync", path);
}

static gboolean
sync_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced = fd >= 0 && fsync (fd) == 0;

  if (!synced)
    fail_errno (error, "sync the folder of", path);
  if (fd >= 0)
    close (fd);
  return synced;
}

static int
make_temporary (const char *path, char **out_temporary, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *temporary = g_strdup_printf ("%s.XXXXXX", path);
  int fd = -1;

  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      fail_errno (error, "make the folder of", path);
      return -1;
    }
  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    fail_errno (error, "create", temporary);
  *out_temporary = g_steal_pointer (&temporary);
  return fd;
}

static gboolean
give_name (const char *temporary, const char *path, gboolean replace, GError **error)
{
  /* not link(): a crash behind it would leave two names, and a file that is not ours alone */
  if (renameat2 (AT_FDCWD, temporary, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) != 0)
    {
      if (errno == EEXIST)
        return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_EXISTS, "state-exists", "%s: there already", path);
      return fail_errno (error, replace ? "replace" : "create", path);
    }
  return sync_folder (path, error);
}

static gboolean
write_whole (const char *path, const void *data, gsize size, gboolean replace, GError **error)
{
  g_autofree char *temporary = NULL;
  int fd = make_temporary (path, &temporary, error);
  gboolean done = FALSE;

  if (fd < 0)
    return FALSE;
  done = teesql_state_file_write_at (fd, temporary, data, size, 0, error) && (fsync (fd) == 0 || fail_errno (error, "sync", temporary));
  close (fd);
  done = done && give_name (temporary, path, replace, error);
  if (!done)
    (void) unlink (temporary);
  return done;
}

gboolean
teesql_state_file_replace (const char *path, const void *data, gsize size, GError **error)
{
  return write_whole (path, data, size, TRUE, error);
}

gboolean
teesql_state_file_create (const char *path, const void *data, gsize size, GError **error)
{
  return write_whole (path, data, size, FALSE, error);
}

gboolean
teesql_state_file_remove (const char *path, GError **error)
{
  if (unlink (path) != 0)
    return errno == ENOENT || fail_errno (error, "remove", path);
  return sync_folder (path, error);
}
