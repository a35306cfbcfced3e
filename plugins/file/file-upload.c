#include "file-upload.h"

#include "file-sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_SIZE   (3 + 24 + 1 + 32) /* up-RANDOM-DIGEST */
#define PART_MAX  ((guint64) 5 * 1024 * 1024 * 1024)
#define COPY_SIZE ((gsize) 1024 * 1024)

typedef struct
{
  FileRoot *root;
  const char *name;
  const char *id;
  FileFd folder;
} Upload;

static void
upload_clear (Upload *self)
{
  file_fd_clear (&self->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Upload, upload_clear)

/* An id serves the object that it was made for, and no other. */
static char *
digest_of (const char *name)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

  return g_strndup (digest, 32);
}

static gboolean
id_is_valid (const char *id, const char *name)
{
  g_autofree char *digest = digest_of (name);

  return strlen (id) == ID_SIZE && g_str_has_prefix (id, "up-") && strspn (id + 3, "0123456789abcdef") == 24 && id[27] == '-' &&
         strcmp (id + 28, digest) == 0;
}

static gboolean
fail_unknown (const char *id, GError **error)
{
  g_propagate_error (error,
                     teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "no-such-upload", 0, "there is no upload %s", id));
  return FALSE;
}

static gboolean
upload_open (Upload *self, FileRoot *root, const char *name, const char *id, GError **error)
{
  int work = file_root_peek_work (root);

  *self = (Upload){ root, name, id, -1 };
  if (!id_is_valid (id, name))
    return fail_unknown (id, error);
  if (work < 0)
    return fail_unknown (id, error);
  self->folder = openat (work, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->folder < 0)
    return errno == ENOENT ? fail_unknown (id, error) : file_fail (error, FILE_DOING_READ, errno, "upload of %s", name);
  return TRUE;
}

char *
file_upload_begin (FileRoot *root, const char *name, GError **error)
{
  int work = file_root_get_work (root);
  g_autofree char *digest = digest_of (name);
  g_autofree char *id = g_strdup_printf ("up-%08x%08x%08x-%s", g_random_int (), g_random_int (), g_random_int (), digest);
  g_autofree char *data = g_strconcat (id, "/data", NULL);
  g_auto (FileFd) fd = -1;

  if (work >= 0 && mkdirat (work, id, 0700) == 0)
    fd = openat (work, data, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0)
    return g_steal_pointer (&id);
  file_fail (error, FILE_DOING_WRITE, errno == ENOENT ? EIO : errno, "beginning the upload of %s", name);
  return NULL;
}

/* Whoever else may write here could have put a pipe in a file's place, on which a thread would hang. -1 with errno */
static int
open_file (const Upload *self, const char *file, int flags)
{
  g_auto (FileFd) fd = openat (self->folder, file, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  struct stat info;

  if (fd < 0 || fstat (fd, &info) != 0)
    return -1;
  if (S_ISREG (info.st_mode))
    return g_steal_fd (&fd);
  errno = ENXIO;
  return -1;
}

/* What has a second name is an object: ours, when the end of the upload was cut, or one that somebody put here. %FALSE with errno */
static gboolean
is_no_object (int fd)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return FALSE;
  errno = ENXIO;
  return info.st_nlink == 1;
}

/* ---- parts ---- */

static char *
data_name (guint64 part_size)
{
  return g_strdup_printf ("data.%" G_GUINT64_FORMAT, part_size);
}

/* 0: the first part has not come yet */
static guint64
find_part_size (const Upload *self)
{
  g_auto (FileFd) fd = openat (self->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry = NULL;
  guint64 size = 0;

  if (folder == NULL)
    return 0;
  (void) g_steal_fd (&fd);
  while (size == 0 && (entry = readdir (folder)) != NULL)
    if (g_str_has_prefix (entry->d_name, "data."))
      g_ascii_string_to_unsigned (entry->d_name + 5, 10, 1, PART_MAX, &size, NULL);
  closedir (folder);
  return size;
}

/* The first part says it, by a rename that can only be done once. */
static guint64
settle_part_size (const Upload *self, guint number, guint64 size)
{
  g_autofree char *data = data_name (size);
  guint64 known = find_part_size (self);

  if (known != 0 || number != 1)
    return known;
  return renameat (self->folder, "data", self->folder, data) == 0 ? size : find_part_size (self);
}

/* %FALSE with errno */
static gboolean
write_part (const Upload *self, const char *file, int flags, GBytes *bytes, guint64 offset)
{
  g_auto (FileFd) fd = open_file (self, file, O_WRONLY | flags);

  if (fd < 0 || !is_no_object (fd) || (flags != 0 && ftruncate (fd, 0) != 0) || !file_write_at (fd, bytes, offset) || fdatasync (fd) != 0)
    return FALSE;
  /* nobody reads it again before it is an object */
  posix_fadvise (fd, (off_t) offset, (off_t) g_bytes_get_size (bytes), POSIX_FADV_DONTNEED);
  futimens (self->folder, NULL); /* this upload is alive */
  return TRUE;
}

char *
file_upload_part (FileRoot *root, const char *name, const char *id, guint number, GBytes *bytes, GError **error)
{
  g_auto (Upload) upload = { NULL };
  g_autofree char *file = NULL;
  guint64 size = g_bytes_get_size (bytes);
  guint64 part_size = 0;
  gboolean in_place = FALSE;
  gboolean well = FALSE;

  if (!upload_open (&upload, root, name, id, error))
    return NULL;
  part_size = settle_part_size (&upload, number, size);
  in_place = part_size != 0 && size <= part_size;
  file = in_place ? data_name (part_size) : g_strdup_printf ("part.%u", number);
  well = write_part (&upload, file, in_place ? 0 : O_CREAT, bytes, in_place ? (number - 1) * part_size : 0);
  if (well)
    return g_strdup_printf ("%c%" G_GUINT64_FORMAT, in_place ? 'd' : 'p', size);
  if (errno == ENOENT)
    fail_unknown (id, error);
  else
    file_fail (error, FILE_DOING_WRITE, errno, "writing part %u of %s", number, name);
  return NULL;
}

/* ---- commit ---- */

static gboolean
parse_tag (const char *tag, gboolean *out_in_place, guint64 *out_size, GError **error)
{
  *out_in_place = tag[0] == 'd';
  if ((tag[0] == 'd' || tag[0] == 'p') && g_ascii_string_to_unsigned (tag + 1, 10, 1, PART_MAX, out_size, NULL))
    return TRUE;
  g_propagate_error (error,
                     teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "upload-tag", 0, "\"%.20s\" is no tag of a part", tag));
  return FALSE;
}

/* %FALSE with errno; a file that is too short is EIO: the bytes were there */
static gboolean
copy_file (int from, int to, guint64 size, guint64 offset)
{
  g_autofree guint8 *buffer = g_malloc (COPY_SIZE);
  guint64 done = 0;

  while (done < size)
    {
      ssize_t n = pread (from, buffer, (gsize) MIN (COPY_SIZE, size - done), (off_t) done);
      g_autoptr (GBytes) bytes = NULL;

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          errno = n == 0 ? EIO : errno;
          return FALSE;
        }
      bytes = g_bytes_new_static (buffer, (gsize) n);
      if (!file_write_at (to, bytes, offset + done))
        return FALSE;
      done += (guint64) n;
    }
  return TRUE;
}

static gboolean
move_part (const Upload *self, int data, guint number, guint64 size, guint64 offset, GError **error)
{
  g_autofree char *file = g_strdup_printf ("part.%u", number);
  g_auto (FileFd) fd = open_file (self, file, O_RDONLY);

  if (fd < 0 || !copy_file (fd, data, size, offset))
    return file_fail (error, FILE_DOING_WRITE, errno == ENOENT ? EIO : errno, "part %u of %s", number, self->name);
  return TRUE;
}

/* Every part where it belongs; all but the last of one size. */
static gboolean
assemble (const Upload *self, int data, guint64 part_size, const char *const *tags, GCancellable *cancellable, guint64 *out_size,
          GError **error)
{
  guint64 total = 0;

  for (guint i = 0; tags[i] != NULL; i++)
    {
      gboolean in_place = FALSE;
      guint64 size = 0;

      if (g_cancellable_set_error_if_cancelled (cancellable, error) || !parse_tag (tags[i], &in_place, &size, error))
        return FALSE;
      if (size > part_size || (size < part_size && tags[i + 1] != NULL))
        {
          g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "part-size", 0,
                                                      "part %u of %s has %" G_GUINT64_FORMAT " bytes, the first has %" G_GUINT64_FORMAT,
                                                      i + 1, self->name, size, part_size));
          return FALSE;
        }
      if (!in_place && !move_part (self, data, i + 1, size, total, error))
        return FALSE;
      total += size;
    }
  *out_size = total;
  return TRUE;
}

static gboolean
finish_data (const Upload *self, int data, guint64 size, GError **error)
{
  struct stat info;

  if (fstat (data, &info) != 0 || (guint64) info.st_size < size)
    return file_fail (error, FILE_DOING_WRITE, EIO, "%s lost bytes that had been written", self->name);
  if ((guint64) info.st_size > size && ftruncate (data, (off_t) size) != 0) /* a last part was sent again, shorter */
    return file_fail (error, FILE_DOING_WRITE, errno, "storing %s", self->name);
  if (fsync (data) != 0)
    return file_fail (error, FILE_DOING_WRITE, errno, "storing %s", self->name);
  return TRUE;
}

gboolean
file_upload_commit (FileRoot *root, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags, GTask *task,
                    guint64 *out_size, GError **error)
{
  g_auto (Upload) upload = { NULL };
  g_auto (FileFd) data = -1;
  g_autofree char *file = NULL;
  g_autofree char *work_path = NULL;
  guint64 part_size = 0;

  if (!upload_open (&upload, root, name, id, error))
    return FALSE;
  part_size = find_part_size (&upload);
  file = data_name (part_size);
  data = open_file (&upload, file, O_RDWR);
  if (data < 0)
    return errno == ENOENT ? fail_unknown (id, error) : file_fail (error, FILE_DOING_READ, errno, "upload of %s", name);
  if (!assemble (&upload, data, part_size, tags, g_task_get_cancellable (task), out_size, error) ||
      !finish_data (&upload, data, *out_size, error))
    return FALSE;
  if (!g_task_set_return_on_cancel (task, FALSE))
    return FALSE; /* cancelled, and said so; from here on it is too late */
  work_path = g_strconcat (id, "/", file, NULL);
  if (!file_publish_named (root, work_path, name, flags, error))
    return FALSE;
  file_sweep_upload (file_root_get_work (root), id);
  return TRUE;
}

gboolean
file_upload_abort (FileRoot *root, const char *name, const char *id, GError **error)
{
  int work = file_root_peek_work (root);

  if (work < 0 || !id_is_valid (id, name) || file_sweep_upload (work, id))
    return TRUE;
  return file_fail (error, FILE_DOING_WRITE, errno, "giving up the upload of %s", name);
}
