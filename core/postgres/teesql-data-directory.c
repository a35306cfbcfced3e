#include "postgres/teesql-data-directory.h"
#include "postgres/teesql-control-file.h"
#include "postgres/teesql-postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH  64
#define SMALL_FILE 256

/* Returns: FALSE, since nothing more need be looked at */
static gboolean G_GNUC_PRINTF (3, 4) refuse (TeesqlDataJudgement *out, const char *reason, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_vsnprintf (out->message, sizeof out->message, format, args);
  va_end (args);
  out->state = TEESQL_DATA_REFUSED;
  out->reason = reason;
  return FALSE;
}

/* Up to @size - 1 bytes, terminated. Returns: how many, -1 with errno */
static gssize
read_small (int folder, const char *name, char *out, gsize size)
{
  int fd = openat (folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  gssize n = fd >= 0 ? read (fd, out, size - 1) : -1;

  if (fd >= 0)
    close (fd);
  out[MAX (n, 0)] = '\0';
  return n;
}

/* -- What stands in the way ------------------------------------------------------------------------------------- */

/* The first folder above @path that we may not pass. */
static char *
find_barrier (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  GString *at = g_string_new (NULL);

  for (guint i = 1; parts[i] != NULL; i++)
    {
      g_string_append_printf (at, "/%s", parts[i]);
      if (access (at->str, X_OK) != 0 && errno == EACCES)
        break;
    }
  return g_string_free (at, FALSE);
}

static gboolean
unreachable (const char *path, int error_number, TeesqlDataJudgement *out)
{
  g_autofree char *barrier = find_barrier (path);

  if (error_number == EACCES)
    return refuse (out, "data-directory-unreachable",
                   "%s: PostgreSQL's user may not pass %s\nhint: let it pass (chmod o+x), or put [postgresql] data-directory elsewhere",
                   path, barrier);
  return refuse (out, "data-directory-unreachable", "%s: %s", path, g_strerror (error_number));
}

static gboolean
look_at_folder (const char *path, struct stat *st, TeesqlDataJudgement *out)
{
  if (lstat (path, st) != 0)
    {
      if (errno != ENOENT)
        return unreachable (path, errno, out);
      out->state = TEESQL_DATA_EMPTY;
      return FALSE;
    }
  if (S_ISLNK (st->st_mode))
    return refuse (out, "data-directory-symlink",
                   "%s is a symbolic link: whoever owns it could exchange the data\nhint: name the folder itself", path);
  if (!S_ISDIR (st->st_mode))
    return refuse (out, "data-directory-foreign", "%s is not a folder", path);
  return TRUE;
}

static gboolean
is_dots (const char *name)
{
  return g_str_equal (name, ".") || g_str_equal (name, "..");
}

/* Names in the folder, a few of them for the message. */
static char *
dup_contents (int folder, guint *out_n)
{
  DIR *dir = fdopendir (openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  GString *names = g_string_new (NULL);

  *out_n = 0;
  for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL; entry = readdir (dir))
    if (!is_dots (entry->d_name) && ++*out_n <= 3)
      {
        g_autofree char *printable = g_strescape (entry->d_name, NULL);
        g_string_append_printf (names, "%s%.64s", *out_n > 1 ? ", " : "", printable);
      }
  if (dir != NULL)
    closedir (dir);
  return g_string_free (names, FALSE);
}

static gboolean
is_mount (const char *path, const struct stat *st)
{
  g_autofree char *parent = g_path_get_dirname (path);
  struct stat above;

  return stat (parent, &above) == 0 && (above.st_dev != st->st_dev || above.st_ino == st->st_ino);
}

/* -- What is in it ---------------------------------------------------------------------------------------------- */

static gboolean
check_owner (const char *path, const struct stat *st, uid_t uid, TeesqlDataJudgement *out)
{
  if (st->st_uid != uid)
    return refuse (out, "data-directory-owner", "%s belongs to user %u, PostgreSQL runs as %u\nhint: chown it and everything in it", path,
                   (guint) st->st_uid, (guint) uid);
  /* as PostgreSQL: 0700, or 0750 */
  if ((st->st_mode & (S_IWGRP | S_IRWXO)) != 0)
    return refuse (out, "data-directory-mode", "%s has mode %04o, others get to the data\nhint: chmod 0700 %s", path,
                   (guint) st->st_mode & 07777, path);
  return TRUE;
}

static gboolean
check_version (const char *path, int folder, const char *contents, TeesqlDataJudgement *out)
{
  char text[SMALL_FILE];
  guint64 major = 0;

  if (read_small (folder, "PG_VERSION", text, sizeof text) < 0)
    return refuse (out, "data-directory-foreign",
                   "%s is not empty and holds no PostgreSQL cluster (%s)\nhint: nothing is ever deleted here: name an empty folder, or one "
                   "that is not there yet",
                   path, contents);
  g_strchomp (text);
  if (g_ascii_string_to_unsigned (text, 10, 1, 1000, &major, NULL) && major == TEESQL_POSTGRES_MAJOR)
    return TRUE;
  {
    g_autofree char *printable = g_strescape (text, NULL);
    return refuse (out, "data-directory-version", "%s was made by PostgreSQL %.32s, this is %d\nhint: %s", path, printable,
                   TEESQL_POSTGRES_MAJOR,
                   major > TEESQL_POSTGRES_MAJOR ? "it needs a newer version of this program"
                                                 : "bring it to the new version with pg_upgrade, or dump and restore");
  }
}

static gboolean
check_control (const char *path, int folder, TeesqlDataJudgement *out)
{
  guint8 data[TEESQL_CONTROL_FILE_SIZE + 1];
  TeesqlControlFile control = { 0 };
  g_autoptr (GError) error = NULL;
  int fd = openat (folder, "global/pg_control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  gssize n = fd >= 0 ? read (fd, data, sizeof data) : -1;

  if (fd >= 0)
    close (fd);
  if (n < 0)
    return refuse (out, "data-directory-control", "%s/global/pg_control: %s\nhint: the cluster is not complete: restore it from a backup",
                   path, g_strerror (errno));
  if (!teesql_control_file_parse (data, (gsize) n, &control, &error))
    return refuse (out, "data-directory-control", "%s/global/%s\nhint: restore the cluster from a backup", path, error->message);
  out->system_identifier = control.system_identifier;
  out->flags |= control.checksum_version != 0 ? TEESQL_DATA_CHECKSUMS : 0;
  return TRUE;
}

/* -- Who is in it ----------------------------------------------------------------------------------------------- */

static gboolean
is_server (int proc, const char *pid, const struct stat *folder)
{
  g_autofree char *cwd = g_strdup_printf ("%s/cwd", pid);
  g_autofree char *comm = g_strdup_printf ("%s/comm", pid);
  char name[SMALL_FILE];
  struct stat st;

  return fstatat (proc, cwd, &st, 0) == 0 && st.st_dev == folder->st_dev && st.st_ino == folder->st_ino &&
         read_small (proc, comm, name, sizeof name) > 0 && g_str_has_prefix (name, "postgres");
}

/* Every process of a server stands in its data folder, and a user sees where its own processes stand. */
static gint
find_server (const struct stat *folder)
{
  DIR *dir = opendir ("/proc");
  gint found = 0;

  for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL; entry = readdir (dir))
    if (g_ascii_isdigit (entry->d_name[0]) && is_server (dirfd (dir), entry->d_name, folder))
      {
        gint pid = (gint) g_ascii_strtoll (entry->d_name, NULL, 10);
        found = found == 0 ? pid : MIN (found, pid); /* the oldest, most likely, is the postmaster */
      }
  if (dir != NULL)
    closedir (dir);
  return found;
}

static void
judge_open (const char *path, int folder, const struct stat *st, uid_t uid, TeesqlDataJudgement *out)
{
  guint n = 0;
  g_autofree char *contents = dup_contents (folder, &n);

  if (n == 0 && is_mount (path, st))
    {
      refuse (out, "data-directory-mount",
              "%s is where something is mounted: a cluster could not be put in its place in one step\nhint: name a folder inside", path);
      return;
    }
  if (n == 0)
    {
      out->state = TEESQL_DATA_EMPTY;
      return;
    }
  if (!check_version (path, folder, contents, out) || !check_owner (path, st, uid, out))
    return;
  out->pid = find_server (st);
  if (out->pid != 0)
    {
      out->state = TEESQL_DATA_RUNNING;
      out->reason = "data-directory-in-use";
      g_snprintf (out->message, sizeof out->message, "%s: a PostgreSQL runs in it already, process %d", path, out->pid);
      return;
    }
  if (!check_control (path, folder, out))
    return;
  if (faccessat (folder, "recovery.signal", F_OK, 0) == 0 || faccessat (folder, "standby.signal", F_OK, 0) == 0)
    out->flags |= TEESQL_DATA_RECOVERY;
  out->state = TEESQL_DATA_CLUSTER;
}

void
teesql_data_directory_judge (const char *path, uid_t uid, TeesqlDataJudgement *out)
{
  struct stat st;
  int folder = -1;

  *out = (TeesqlDataJudgement){ .state = TEESQL_DATA_REFUSED };
  if (!look_at_folder (path, &st, out))
    return;
  folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (folder < 0 && st.st_uid != uid)
    check_owner (path, &st, uid, out);
  else if (folder < 0)
    unreachable (path, errno, out);
  else if (fstat (folder, &st) == 0)
    judge_open (path, folder, &st, uid, out);
  if (folder >= 0)
    close (folder);
}

/* -- What a server leaves --------------------------------------------------------------------------------------- */

/* Line 2 of a lock file is the data directory (miscinit.c). */
static gboolean
lock_is_of (const char *lock, const char *path)
{
  char text[4096 + SMALL_FILE];
  g_auto (GStrv) lines = NULL;

  if (read_small (AT_FDCWD, lock, text, sizeof text) <= 0)
    return FALSE;
  lines = g_strsplit (text, "\n", 3);
  return g_strv_length (lines) >= 2 && g_str_equal (lines[1], path);
}

void
teesql_data_directory_forget_server (const char *path, const char *socket)
{
  g_autofree char *pid_file = g_build_filename (path, "postmaster.pid", NULL);
  g_autofree char *lock = socket != NULL ? g_strconcat (socket, ".lock", NULL) : NULL;

  unlink (pid_file);
  if (lock != NULL && lock_is_of (lock, path))
    {
      unlink (lock);
      unlink (socket);
    }
}

/* -- Emptying --------------------------------------------------------------------------------------------------- */

static gboolean
empty_folder (int folder, guint depth)
{
  DIR *dir = fdopendir (folder);
  gboolean good = dir != NULL && depth < MAX_DEPTH;

  if (dir == NULL)
    close (folder);
  for (struct dirent *entry = good ? readdir (dir) : NULL; entry != NULL && good; entry = readdir (dir))
    {
      int inner = -1;

      if (is_dots (entry->d_name) || unlinkat (dirfd (dir), entry->d_name, 0) == 0)
        continue;
      inner = openat (dirfd (dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      good = inner >= 0 && empty_folder (inner, depth + 1) && unlinkat (dirfd (dir), entry->d_name, AT_REMOVEDIR) == 0;
    }
  if (dir != NULL)
    closedir (dir);
  return good;
}

gboolean
teesql_data_directory_empty (const char *path)
{
  int folder = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  return folder >= 0 && empty_folder (folder, 0);
}
