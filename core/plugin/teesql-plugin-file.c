#include "plugin/teesql-plugin-file.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE 32
#define MODULE_MAX    ((gsize) 64 << 20)
#define SEALS         (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef int Descriptor;

static void
descriptor_close (Descriptor *self)
{
  if (*self >= 0)
    close (*self);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Descriptor, descriptor_close)

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_PLUGIN_ERROR, (code), (reason), __VA_ARGS__)

gboolean
teesql_plugin_name_is_valid (const char *name)
{
  gsize length = strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-");

  return length >= 1 && length <= NAME_MAX_SIZE && name[length] == '\0' && g_ascii_islower (name[0]);
}

static char *
find_in (const char *folder, const char *name)
{
  g_autofree char *file = g_strdup_printf ("lib%s.so", name);
  g_autofree char *path = g_build_filename (folder, file, NULL);

  return g_path_is_absolute (folder) && g_file_test (path, G_FILE_TEST_EXISTS) ? g_steal_pointer (&path) : NULL;
}

char *
teesql_plugin_file_find (const char *const *plugin_path, const char *name, GError **error)
{
  g_autofree char *searched = NULL;
  char *path = NULL;

  if (!teesql_plugin_name_is_valid (name))
    {
      fail (error, TEESQL_ERROR_CONFIG, "plugin-name", "a plugin's name is a letter and up to 31 more of a-z 0-9 -");
      return NULL;
    }
  for (gsize i = 0; plugin_path != NULL && plugin_path[i] != NULL && path == NULL; i++)
    path = find_in (plugin_path[i], name);
  if (path == NULL)
    path = find_in (TEESQL_PLUGIN_DIR, name);
  if (path != NULL)
    return path;
  searched = plugin_path != NULL ? g_strjoinv (", ", (char **) plugin_path) : g_strdup ("");
  fail (error, TEESQL_ERROR_NOT_FOUND, "plugin-not-found",
        "there is no lib%s.so in %s%s%s\nhint: see teesql plugin list; [teesql] plugin-path names further folders", name, searched,
        searched[0] != '\0' ? ", " : "", TEESQL_PLUGIN_DIR);
  return NULL;
}

static gboolean
owner_is_trusted (const struct stat *info)
{
  return info->st_uid == 0 || info->st_uid == geteuid ();
}

/* A folder others may write to is no danger where the sticky bit keeps them from what is not theirs, and what we descend into is
 * checked to be ours or root's in its turn. */
static gboolean
check_folder (const char *path, GError **error)
{
  struct stat info = { 0 };

  if (lstat (path, &info) < 0)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-permissions", "%s: %s", path, g_strerror (errno));
  if (!S_ISDIR (info.st_mode) || !owner_is_trusted (&info) || ((info.st_mode & 022) != 0 && (info.st_mode & S_ISVTX) == 0))
    return fail (error, TEESQL_ERROR_PERMISSION, "plugin-permissions",
                 "%s above the plugin is no folder, of a foreign owner (uid %u) or writable by others (mode %04o)\n"
                 "hint: chown root, chmod go-w",
                 path, (guint) info.st_uid, (guint) (info.st_mode & 07777));
  return TRUE;
}

/* From the file upwards to the root: whoever may rename one of these may put another module in its place. */
static gboolean
check_parents (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  while (check_folder (folder, error))
    {
      g_autofree char *above = g_path_get_dirname (folder);

      if (strcmp (above, folder) == 0)
        return TRUE;
      g_free (folder);
      folder = g_steal_pointer (&above);
    }
  return FALSE;
}

static gboolean
check_file (int fd, const char *path, struct stat *out_info, GError **error)
{
  if (fstat (fd, out_info) < 0)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-permissions", "%s: %s", path, g_strerror (errno));
  if (!S_ISREG (out_info->st_mode) || !owner_is_trusted (out_info) || (out_info->st_mode & 022) != 0)
    return fail (error, TEESQL_ERROR_PERMISSION, "plugin-permissions",
                 "%s is no regular file, of a foreign owner (uid %u) or writable by others (mode %04o)\nhint: chown root, chmod go-w", path,
                 (guint) out_info->st_uid, (guint) (out_info->st_mode & 07777));
  if (out_info->st_size <= 0 || (gsize) out_info->st_size > MODULE_MAX)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-size", "%s has %" G_GINT64_FORMAT " bytes, expected 1 to %" G_GSIZE_FORMAT, path,
                 (gint64) out_info->st_size, MODULE_MAX);
  return TRUE;
}

static gboolean
copy_bytes (int from, int to, gsize size, const char *path, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (1 << 16);

  while (size > 0)
    {
      ssize_t n = read (from, buffer, MIN (size, (gsize) 1 << 16));

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "reading %s: %s", path, n < 0 ? g_strerror (errno) : "it became shorter");
      size -= (gsize) n;
      for (const guint8 *p = buffer; n > 0;)
        {
          ssize_t written = write (to, p, (gsize) n);

          if (written < 0 && errno == EINTR)
            continue;
          if (written <= 0)
            return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "copying %s: %s", path, g_strerror (errno));
          p += written;
          n -= written;
        }
    }
  return TRUE;
}

static int
open_memfd (const char *name)
{
  int fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x8u /* MFD_NOEXEC_SEAL, Linux 6.3: mapped, never executed by name */);

  return fd < 0 && errno == EINVAL ? memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

/* Of the sealed copy, so what is hashed is what is mapped. */
static char *
digest_of (int fd, gsize size)
{
  guint8 digest[TEESQL_SHA384_SIZE];
  void *bytes = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

  if (bytes == MAP_FAILED)
    return NULL;
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, digest, bytes, size);
  munmap (bytes, size);
  return teesql_hex_encode (digest, sizeof digest);
}

static gboolean
make_image (int file, gsize size, const char *path, TeesqlPluginImage *out_image, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  g_auto (Descriptor) fd = open_memfd (name);
  g_autofree char *digest = NULL;

  if (fd < 0)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "memory for %s: %s", path, g_strerror (errno));
  if (!copy_bytes (file, fd, size, path, error))
    return FALSE;
  if (fcntl (fd, F_ADD_SEALS, SEALS) < 0)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "sealing the copy of %s: %s", path, g_strerror (errno));
  digest = digest_of (fd, size);
  if (digest == NULL)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "hashing the copy of %s: %s", path, g_strerror (errno));
  *out_image = (TeesqlPluginImage){ .fd = fd, .path = g_strdup (path), .digest = g_steal_pointer (&digest) };
  fd = -1;
  return TRUE;
}

/* (out) the file behind @path, held to the rules for modules */
static gboolean
open_trusted (const char *path, char **out_real, int *out_fd, struct stat *out_info, GError **error)
{
  g_autofree char *real = realpath (path, NULL);
  g_auto (Descriptor) file = -1;

  if (real == NULL)
    return fail (error, TEESQL_ERROR_NOT_FOUND, "plugin-not-found", "%s: %s", path, g_strerror (errno));
  if (!check_parents (real, error))
    return FALSE;
  file = open (real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0)
    return fail (error, TEESQL_ERROR_PERMISSION, "plugin-permissions", "%s: %s", real, g_strerror (errno));
  if (!check_file (file, real, out_info, error))
    return FALSE;
  *out_real = g_steal_pointer (&real);
  *out_fd = file;
  file = -1;
  return TRUE;
}

gboolean
teesql_plugin_file_measure (const char *path, TeesqlPluginImage *out_image, GError **error)
{
  g_autofree char *real = NULL;
  g_auto (Descriptor) file = -1;
  struct stat info = { 0 };

  return open_trusted (path, &real, &file, &info, error) && make_image (file, (gsize) info.st_size, real, out_image, error);
}

static GMutex measured_lock;
static GHashTable *measured; /* name -> digest */

static gboolean
remember (const char *name, const char *digest, const char *path, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&measured_lock);
  const char *before = NULL;

  if (measured == NULL)
    measured = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  before = g_hash_table_lookup (measured, name);
  if (before != NULL && strcmp (before, digest) != 0)
    return fail (error, TEESQL_ERROR_CONFIG, "plugin-changed",
                 "%s has other bytes than %s had when it was measured\nhint: restart to use it", path, name);
  if (before == NULL)
    g_hash_table_insert (measured, g_strdup (name), g_strdup (digest));
  return TRUE;
}

gboolean
teesql_plugin_file_measure_once (const char *path, const char *name, TeesqlPluginImage *out_image, GError **error)
{
  g_auto (TeesqlPluginImage) image = { .fd = -1 };

  if (!teesql_plugin_file_measure (path, &image, error) || !remember (name, image.digest, path, error))
    return FALSE;
  *out_image = image;
  image = (TeesqlPluginImage){ .fd = -1 };
  return TRUE;
}

gboolean
teesql_plugin_file_adopt (int fd, const char *name, const char *digest, TeesqlPluginImage *out_image, GError **error)
{
  g_auto (Descriptor) owned = fd;
  g_autofree char *found = NULL;
  struct stat info = { 0 };

  if (fstat (fd, &info) < 0 || info.st_size <= 0 || (gsize) info.st_size > MODULE_MAX || (fcntl (fd, F_GET_SEALS) & SEALS) != SEALS)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-read", "the module %s did not come as sealed memory", name);
  found = digest_of (fd, (gsize) info.st_size);
  if (g_strcmp0 (found, digest) != 0)
    return fail (error, TEESQL_ERROR_REFUSED, "plugin-changed", "the module %s has SHA-384 %s, expected %s", name,
                 found != NULL ? found : "that cannot be read", digest);
  *out_image = (TeesqlPluginImage){ .fd = fd, .path = g_strdup_printf ("lib%s.so", name), .digest = g_steal_pointer (&found) };
  owned = -1;
  return TRUE;
}

/* @text: (transfer full) */
static char *
keep_text (const char *path, char *text, gsize size, char **out_digest, GError **error)
{
  g_autofree char *owned = text;
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *hex = NULL;
  guint8 digest[TEESQL_SHA384_SIZE];

  teesql_digest_bytes (TEESQL_DIGEST_SHA384, digest, text, size);
  hex = teesql_hex_encode (digest, sizeof digest);
  if (!remember (name, hex, path, error))
    return NULL;
  if (out_digest != NULL)
    *out_digest = g_steal_pointer (&hex);
  return g_steal_pointer (&owned);
}

char *
teesql_plugin_file_read_once (const char *path, gsize max, char **out_digest, GError **error)
{
  g_autofree char *real = NULL;
  g_autofree char *text = NULL;
  g_auto (Descriptor) file = -1;
  struct stat info = { 0 };
  gsize size = 0;

  if (!open_trusted (path, &real, &file, &info, error))
    return NULL;
  text = g_malloc0 (max + 1);
  while (size < max)
    {
      ssize_t n = read (file, text + size, max - size);

      if (n < 0 && errno != EINTR)
        {
          fail (error, TEESQL_ERROR_FAILED, "plugin-read", "reading %s: %s", real, g_strerror (errno));
          return NULL;
        }
      if (n == 0)
        break;
      size += (gsize) MAX (n, 0);
    }
  if (size < max && strlen (text) == size && g_utf8_validate (text, (gssize) size, NULL))
    return keep_text (path, g_steal_pointer (&text), size, out_digest, error);
  fail (error, TEESQL_ERROR_FAILED, "plugin-read", "%s is no text of less than %" G_GSIZE_FORMAT " bytes", real, max);
  return NULL;
}

void
teesql_plugin_image_clear (TeesqlPluginImage *self)
{
  if (self->path == NULL)
    return;
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->digest, g_free);
}
