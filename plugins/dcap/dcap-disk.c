#include "dcap-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/teesql-cursor.h"
#include "dcap-error.h"

/* File: magic, time (u64be), then three parts (body, signature, issuer chain), each u32be size and bytes. */
static const char magic[8] = { 't', 'e', 'e', 's', 'q', 'l', 'd', '1' };

#define N_PARTS  3
#define FILE_MAX (DCAP_CRL_MAX_SIZE + 65536)

static void
append_uint (GByteArray *out, guint64 value, guint size)
{
  for (guint i = size; i > 0; i--)
    {
      guint8 byte = (guint8) (value >> (8 * (i - 1)));
      g_byte_array_append (out, &byte, 1);
    }
}

static void
append_part (GByteArray *out, GBytes *part)
{
  gsize size = 0;
  const guint8 *data = part != NULL ? g_bytes_get_data (part, &size) : NULL;

  append_uint (out, size, 4);
  if (data != NULL)
    g_byte_array_append (out, data, (guint) size);
}

/* GLib syncs the file before the rename; the rename itself lives in the folder. */
static gboolean
sync_folder (const char *directory)
{
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean good = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return good;
}

gboolean
dcap_disk_write (const char *directory, const char *name, const DcapItem *item, gint64 fetched_at, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GByteArray) out = g_byte_array_new ();

  g_byte_array_append (out, (const guint8 *) magic, sizeof magic);
  append_uint (out, (guint64) fetched_at, 8);
  append_part (out, item->body);
  append_part (out, item->signature);
  append_part (out, item->issuer_chain);
  if (!g_file_set_contents_full (path, (const char *) out->data, (gssize) out->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error))
    return FALSE;
  if (!sync_folder (directory))
    return dcap_fail (error, TEESQL_ERROR_FAILED, "cache-write", "collateral cache %s: %s", directory, g_strerror (errno));
  return TRUE;
}

static GBytes *
read_whole (const char *path, GError **error)
{
  struct stat st;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[16384];
  gssize n = 0;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd < 0)
    {
      if (errno != ENOENT)
        dcap_fail (error, TEESQL_ERROR_FAILED, "cache-read", "collateral cache %s: %s", path, g_strerror (errno));
      return NULL;
    }
  gboolean good = fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_size <= (off_t) FILE_MAX;
  while (good && (n = read (fd, buffer, sizeof buffer)) > 0)
    {
      g_byte_array_append (bytes, buffer, (guint) n);
      good = bytes->len <= FILE_MAX;
    }
  close (fd);
  if (!good || n < 0)
    {
      dcap_fail (error, TEESQL_ERROR_FAILED, "cache-read", "collateral cache %s: not a regular file that can be read", path);
      return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static gboolean
read_part (TeesqlCursor *cursor, GBytes **out, GError **error)
{
  guint32 size = 0;
  const guint8 *data = NULL;

  if (!teesql_cursor_u32_be (cursor, "size", &size, error) || !teesql_cursor_take (cursor, "part", size, &data, error))
    return FALSE;
  *out = size > 0 ? g_bytes_new (data, size) : NULL;
  return TRUE;
}

static void
clear_parts (GBytes *(*parts)[N_PARTS])
{
  for (guint i = 0; i < N_PARTS; i++)
    g_clear_pointer (&(*parts)[i], g_bytes_unref);
}

static DcapItem *
parse (TeesqlCursor *cursor, DcapItemKind kind, gint64 *out_fetched_at, GError **error)
{
  __attribute__ ((cleanup (clear_parts))) GBytes *parts[N_PARTS] = { NULL };
  const guint8 *head = NULL;
  guint64 fetched_at = 0;

  if (!teesql_cursor_take (cursor, "magic", sizeof magic, &head, error) || !teesql_cursor_u64_be (cursor, "time", &fetched_at, error))
    return NULL;
  for (guint i = 0; i < N_PARTS; i++)
    if (!read_part (cursor, &parts[i], error))
      return NULL;
  if (!teesql_cursor_expect_end (cursor, error))
    return NULL;
  if (memcmp (head, magic, sizeof magic) != 0 || parts[0] == NULL || fetched_at > G_MAXINT64)
    {
      teesql_cursor_fail (cursor, error, "cache-format", "not a file of this cache");
      return NULL;
    }
  *out_fetched_at = (gint64) fetched_at;
  return dcap_item_new (kind, parts[0], parts[1], parts[2]);
}

DcapItem *
dcap_disk_read (const char *directory, const char *name, DcapItemKind kind, gint64 *out_fetched_at, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GBytes) bytes = read_whole (path, error);
  TeesqlCursor cursor;
  GError *cause = NULL;
  gsize size = 0;

  if (bytes == NULL)
    return NULL;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  teesql_cursor_init (&cursor, name, data, size);
  DcapItem *item = parse (&cursor, kind, out_fetched_at, &cause);
  if (item == NULL)
    dcap_fail_parse (error, "cache", "read", cause);
  return item;
}

gboolean
dcap_disk_prepare (const char *directory, GError **error)
{
  if (g_mkdir_with_parents (directory, 0700) != 0 || access (directory, R_OK | W_OK | X_OK) != 0)
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "cache-directory", "collateral cache %s: %s", directory, g_strerror (errno));
  return TRUE;
}
