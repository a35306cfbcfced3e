#include "file-error.h"

#include <errno.h>

typedef struct
{
  int code;
  TeesqlError error;
  const char *reason;
  const char *hint;
} Meaning;

static const Meaning meanings[] = {
  { ENOENT, TEESQL_ERROR_NOT_FOUND, "no-such-object", NULL },
  { EEXIST, TEESQL_ERROR_EXISTS, "object-exists", NULL },
  { ENOSPC, TEESQL_ERROR_NO_SPACE, "no-space", "the file system of `path` is full" },
  { EDQUOT, TEESQL_ERROR_NO_SPACE, "no-space", "a quota of the file system of `path` is used up" },
  { EFBIG, TEESQL_ERROR_NO_SPACE, "no-space", "the file system of `path`, or RLIMIT_FSIZE, does not allow files of this size" },
  { EACCES, TEESQL_ERROR_PERMISSION, "permission", "`path` and all below it must belong to the user of the storage host" },
  { EPERM, TEESQL_ERROR_PERMISSION, "permission", "`path` and all below it must belong to the user of the storage host" },
  { EROFS, TEESQL_ERROR_PERMISSION, "read-only", "the file system of `path` is mounted read-only" },
  { ELOOP, TEESQL_ERROR_REFUSED, "not-a-folder", "a symbolic link lies below `path`; nothing there is followed" },
  { ENOTDIR, TEESQL_ERROR_REFUSED, "not-a-folder", "something below `path` stands where a folder is expected" },
  { ENXIO, TEESQL_ERROR_REFUSED, "not-a-file", "something else stands below `path` where a file of this storage is expected" },
  { EISDIR, TEESQL_ERROR_REFUSED, "not-a-file", "something else stands below `path` where a file of this storage is expected" },
  { EXDEV, TEESQL_ERROR_CONFIG, "crosses-file-systems",
    "all of `path` must lie on one file system, and the kernel let files move inside it" },
  { ENOSYS, TEESQL_ERROR_UNSUPPORTED, "file-system", "the file system of `path` lacks what atomic objects need: hard links or renames" },
  { EOPNOTSUPP, TEESQL_ERROR_UNSUPPORTED, "file-system",
    "the file system of `path` lacks what atomic objects need: hard links or renames" },
  { ENAMETOOLONG, TEESQL_ERROR_UNSUPPORTED, "file-system", "the file system of `path` must take names of 129 bytes" },
  { EMFILE, TEESQL_ERROR_UNAVAILABLE, "file-resources", NULL },
  { ENFILE, TEESQL_ERROR_UNAVAILABLE, "file-resources", NULL },
  { ENOMEM, TEESQL_ERROR_UNAVAILABLE, "file-resources", NULL },
  { EAGAIN, TEESQL_ERROR_UNAVAILABLE, "file-resources", NULL },
  { EBUSY, TEESQL_ERROR_UNAVAILABLE, "file-resources", NULL },
  { ESTALE, TEESQL_ERROR_UNAVAILABLE, "file-server", NULL },
  { ETIMEDOUT, TEESQL_ERROR_UNAVAILABLE, "file-server", NULL },
  { EHOSTDOWN, TEESQL_ERROR_UNAVAILABLE, "file-server", NULL },
  { EHOSTUNREACH, TEESQL_ERROR_UNAVAILABLE, "file-server", NULL },
  { ENETUNREACH, TEESQL_ERROR_UNAVAILABLE, "file-server", NULL },
};

static Meaning
find_meaning (FileDoing doing, int code)
{
  /* what cannot be read back is damaged; what could not be written may be written elsewhere on the device */
  if (code == EIO && doing == FILE_DOING_READ)
    return (Meaning){ code, TEESQL_ERROR_INTEGRITY, "file-io", "the device of `path` reports errors" };
  if (code == EIO)
    return (Meaning){ code, TEESQL_ERROR_UNAVAILABLE, "file-io", "the device of `path` reports errors" };
  for (gsize i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (meanings[i].code == code)
      return meanings[i];
  return (Meaning){ code, TEESQL_ERROR_FAILED, "file-system", NULL };
}

static GError *
error_new_valist (FileDoing doing, int code, const char *what_format, va_list args)
{
  g_autofree char *what = g_strdup_vprintf (what_format, args);
  Meaning meaning = find_meaning (doing, code);

  return teesql_error_new (TEESQL_STORAGE_ERROR, meaning.error, meaning.reason, 0, "%s: %s%s%s", what, g_strerror (code),
                           meaning.hint != NULL ? "\nhint: " : "", meaning.hint != NULL ? meaning.hint : "");
}

GError *
file_error_new (FileDoing doing, int code, const char *what_format, ...)
{
  GError *error = NULL;
  va_list args;

  va_start (args, what_format);
  error = error_new_valist (doing, code, what_format, args);
  va_end (args);
  return error;
}

gboolean
file_fail (GError **error, FileDoing doing, int code, const char *what_format, ...)
{
  va_list args;

  va_start (args, what_format);
  g_propagate_error (error, error_new_valist (doing, code, what_format, args));
  va_end (args);
  return FALSE;
}
