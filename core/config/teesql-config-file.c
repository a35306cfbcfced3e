/* Which files count, and whether they may be believed: this text decides whom we trust. */
#include "config/teesql-config-file.h"

#include "base/teesql-domains.h"
#include "config/teesql-config-scanner.h"
#include "teesql-build.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <teesql/teesql-error.h>
#include <unistd.h>

static void
file_free (TeesqlConfigFile *self)
{
  g_free (self->path);
  g_free (self->name);
  g_bytes_unref (self->bytes);
  g_free (self);
}

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, (reason), __VA_ARGS__)

static gboolean
check_owner_and_mode (const char *path, const struct stat *st, GError **error)
{
  if (st->st_uid != 0 && st->st_uid != geteuid ())
    return refuse (error, "config-file-owner", "%s: belongs to user %u, expected root or the reader (%u)\nhint: chown root '%s'", path,
                   (guint) st->st_uid, (guint) geteuid (), path);
  if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse (error, "config-file-mode", "%s: mode %04o lets others write it\nhint: chmod go-w '%s'", path, st->st_mode & 07777u,
                   path);
  return TRUE;
}

static gboolean
check_file (const char *path, int fd, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) != 0)
    return refuse (error, "config-file-unreadable", "%s: %s", path, g_strerror (errno));
  if (!S_ISREG (st.st_mode))
    return refuse (error, "config-file-type", "%s: not a regular file", path);
  if (st.st_size > (goffset) TEESQL_CONFIG_MAX_FILE)
    return refuse (error, "config-file-size", "%s: larger than %" G_GSIZE_FORMAT " bytes", path, TEESQL_CONFIG_MAX_FILE);
  return check_owner_and_mode (path, &st, error);
}

/* Reads one byte more than is allowed, so that a file that grows meanwhile is seen by the scanner as too large. */
static GBytes *
read_all (const char *path, int fd, GError **error)
{
  gsize capacity = TEESQL_CONFIG_MAX_FILE + 1;
  g_autofree guint8 *data = g_malloc (capacity);
  gsize size = 0;

  while (size < capacity)
    {
      gssize n = read (fd, data + size, capacity - size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          refuse (error, "config-file-unreadable", "%s: %s", path, g_strerror (errno));
          return NULL;
        }
      if (n == 0)
        break;
      size += (gsize) n;
    }
  return g_bytes_new (data, size);
}

static TeesqlConfigFile *
read_file (const char *path, char *name, GError **error)
{
  /* O_NONBLOCK: a pipe in place of the file must not hang the start */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  GBytes *bytes = NULL;
  TeesqlConfigFile *self = NULL;

  if (fd < 0)
    refuse (error, errno == ENOENT ? "config-file-missing" : "config-file-unreadable", "%s: %s", path, g_strerror (errno));
  else if (check_file (path, fd, error))
    bytes = read_all (path, fd, error);
  if (fd >= 0)
    close (fd);
  if (bytes == NULL)
    {
      g_free (name);
      return NULL;
    }
  self = g_new0 (TeesqlConfigFile, 1);
  self->path = g_strdup (path);
  self->name = name;
  self->bytes = bytes;
  return self;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Names that end in .conf, in byte order; editors' leftovers and hidden files are nobody's configuration. */
static GPtrArray *
list_drop_ins (const char *folder)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (name[0] != '.' && g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

/* Whoever may write the folder may add a file to it. */
static gboolean
check_folder (const char *folder, GError **error)
{
  struct stat st;

  if (stat (folder, &st) != 0)
    return errno == ENOENT || refuse (error, "config-file-unreadable", "%s: %s", folder, g_strerror (errno));
  if (!S_ISDIR (st.st_mode))
    return refuse (error, "config-file-type", "%s: not a folder", folder);
  return check_owner_and_mode (folder, &st, error);
}

static gboolean
add_drop_ins (GPtrArray *files, const char *path, GError **error)
{
  g_autofree char *folder = g_strconcat (path, ".d", NULL);
  g_autofree char *base = g_path_get_basename (folder);
  g_autoptr (GPtrArray) names = NULL;

  if (!check_folder (folder, error))
    return FALSE;
  names = list_drop_ins (folder);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *file = g_build_filename (folder, names->pdata[i], NULL);
      TeesqlConfigFile *read = read_file (file, g_build_filename (base, names->pdata[i], NULL), error);

      if (read == NULL)
        return FALSE;
      g_ptr_array_add (files, read);
    }
  return TRUE;
}

static gboolean
is_there (const char *path)
{
  g_autofree char *folder = g_strconcat (path, ".d", NULL);

  return g_access (path, F_OK) == 0 || g_file_test (folder, G_FILE_TEST_IS_DIR);
}

static char *
default_path (TeesqlConfigKind kind)
{
  g_autofree char *own = NULL;

  if (kind == TEESQL_CONFIG_DAEMON)
    return g_build_filename (TEESQL_SYSCONFDIR, "teesql", "teesqld.conf", NULL);
  own = g_build_filename (g_get_user_config_dir (), "teesql", "teesql.conf", NULL);
  if (is_there (own))
    return g_steal_pointer (&own);
  return g_build_filename (TEESQL_SYSCONFDIR, "teesql", "teesql.conf", NULL);
}

GPtrArray *
teesql_config_find_files (TeesqlConfigKind kind, const char *path, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func ((GDestroyNotify) file_free);
  g_autofree char *searched = path == NULL ? default_path (kind) : NULL;
  const char *main_path = path != NULL ? path : searched;
  /* a forwarder may live from its arguments alone; what was named, and the daemon's own file, must exist */
  gboolean optional = path == NULL && kind != TEESQL_CONFIG_DAEMON;

  if (!optional || g_access (main_path, F_OK) == 0)
    {
      TeesqlConfigFile *file = read_file (main_path, g_path_get_basename (main_path), error);

      if (file == NULL)
        return NULL;
      g_ptr_array_add (files, file);
    }
  if (!add_drop_ins (files, main_path, error))
    return NULL;
  return g_steal_pointer (&files);
}
