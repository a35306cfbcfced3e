#include "daemon/teesql-daemon-folders.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct _TeesqlDaemonFolders
{
  int lock_fd;
};

static gboolean
refuse (GError **error, const char *what, const char *path, const char *hint)
{
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "folder-unusable", 0, "%s: %s%s%s", path, what,
                                              hint != NULL ? "\nhint: " : "", hint != NULL ? hint : ""));
  return FALSE;
}

/* What others can write into, others can decide: a lock they hold, a state they made up. */
static gboolean
prepare (const char *path, const char *key, GError **error)
{
  struct stat st;
  g_autofree char *hint = g_strdup_printf ("[teesql] %s", key);

  if (g_mkdir_with_parents (path, 0700) != 0 || stat (path, &st) != 0)
    return refuse (error, g_strerror (errno), path, hint);
  if (!S_ISDIR (st.st_mode))
    return refuse (error, "not a folder", path, hint);
  if (st.st_uid != geteuid () && st.st_uid != 0)
    return refuse (error, "belongs to neither root nor this user", path, hint);
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse (error, "others may write into it", path, "chmod go-w");
  if (access (path, W_OK | X_OK) != 0)
    return refuse (error, g_strerror (errno), path, hint);
  return TRUE;
}

/* Who holds the lock, for the message; the content decides nothing. */
static void
read_holder (int fd, char *out, gsize size)
{
  gssize n = pread (fd, out, size - 1, 0);

  out[n > 0 ? n : 0] = '\0';
  g_strstrip (out);
  for (char *p = out; *p != '\0'; p++)
    if (!g_ascii_isdigit (*p))
      *p = '?';
}

static void
write_holder (int fd)
{
  g_autofree char *pid = g_strdup_printf ("%d\n", (int) getpid ());

  if (ftruncate (fd, 0) != 0 || pwrite (fd, pid, strlen (pid), 0) < 0)
    return; /* for people only */
}

static int
lock (const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "teesqld.lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  char holder[16];

  if (fd < 0)
    {
      refuse (error, g_strerror (errno), path, "[teesql] runtime-directory");
      return -1;
    }
  if (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      read_holder (fd, holder, sizeof holder);
      g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_EXISTS, "already-running", 0,
                                                  "%s: another teesqld runs on this folder (process %s)\n"
                                                  "hint: a second one needs another [teesql] runtime-directory",
                                                  path, holder));
      close (fd);
      return -1;
    }
  write_holder (fd);
  return fd;
}

TeesqlDaemonFolders *
teesql_daemon_folders_new (const TeesqlConfig *config, GError **error)
{
  const char *state = teesql_config_get_string (config, "teesql", "state-directory");
  const char *runtime = teesql_config_get_string (config, "teesql", "runtime-directory");
  TeesqlDaemonFolders *self = NULL;
  int fd = -1;

  if (!prepare (state, "state-directory", error) || !prepare (runtime, "runtime-directory", error))
    return NULL;
  fd = lock (runtime, error);
  if (fd < 0)
    return NULL;
  self = g_new0 (TeesqlDaemonFolders, 1);
  self->lock_fd = fd;
  return self;
}

void
teesql_daemon_folders_free (TeesqlDaemonFolders *self)
{
  close (self->lock_fd);
  g_free (self);
}
