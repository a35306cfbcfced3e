#include "backup/teesql-pg-manifest-line.h"

#include "backup/teesql-layout.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-json-walk.h"

#include <string.h>

#define PATH_MAX_BYTES 1024 /* MAXPGPATH */

#define malformed(error, ...)   teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "pg-manifest", __VA_ARGS__)
#define unsupported(error, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNSUPPORTED, "pg-manifest-algorithm", __VA_ARGS__)

typedef struct
{
  TeesqlPgManifestLine file;
  gboolean has_size;
  gboolean has_algorithm;
  gboolean has_checksum;
} FileWalk;

/* A name that is not UTF-8 is written in hex. */
static gboolean
take_encoded_path (TeesqlCursor *cursor, FileWalk *walk, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize size = 0;
  const char *data = NULL;

  if (!teesql_json_hex (cursor, "Encoded-Path", PATH_MAX_BYTES, &bytes, error))
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  if (size == 0 || memchr (data, '\0', size) != NULL)
    return malformed (error, "backup manifest: an encoded path is empty or has a NUL");
  walk->file.path = g_strndup (data, size);
  return TRUE;
}

/* PostgreSQL prints the sum's bytes in the order of memory, and runs on little-endian machines here. */
static gboolean
take_checksum (TeesqlCursor *cursor, FileWalk *walk, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  TeesqlCursor value;
  gsize size = 0;
  const guint8 *data = NULL;

  if (!teesql_json_hex (cursor, "Checksum", 4, &bytes, error))
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  teesql_cursor_init (&value, "Checksum", data, size);
  walk->has_checksum = TRUE;
  return teesql_cursor_u32_le (&value, "crc", &walk->file.crc, error) && teesql_cursor_expect_end (&value, error);
}

static gboolean
take_algorithm (TeesqlCursor *cursor, FileWalk *walk, GError **error)
{
  g_autofree char *name = NULL;

  if (!teesql_json_string (cursor, "Checksum-Algorithm", 16, &name, error))
    return FALSE;
  walk->has_algorithm = TRUE;
  return strcmp (name, "CRC32C") == 0 || unsupported (error, "backup manifest: checksums of %s, expected CRC32C", name);
}

static gboolean
take_modified (TeesqlCursor *cursor, GError **error)
{
  g_autofree char *text = NULL;

  return teesql_json_string (cursor, "Last-Modified", 64, &text, error);
}

static gboolean
file_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  FileWalk *walk = user_data;

  if (strcmp (key, "Size") == 0)
    {
      walk->has_size = TRUE;
      return teesql_json_uint (cursor, key, G_MAXINT64, &walk->file.size, error);
    }
  if (strcmp (key, "Last-Modified") == 0)
    return take_modified (cursor, error);
  if (strcmp (key, "Checksum-Algorithm") == 0)
    return take_algorithm (cursor, walk, error);
  if (strcmp (key, "Checksum") == 0)
    return take_checksum (cursor, walk, error);
  if (walk->file.path == NULL && strcmp (key, "Path") == 0)
    return teesql_json_string (cursor, key, PATH_MAX_BYTES, &walk->file.path, error);
  if (walk->file.path == NULL && strcmp (key, "Encoded-Path") == 0)
    return take_encoded_path (cursor, walk, error);
  return malformed (error, "backup manifest: a file has an unexpected member %s", key);
}

static gboolean
read_object (const char *text, gsize size, TeesqlJsonMemberFunc func, gpointer user_data, GError **error)
{
  TeesqlCursor cursor;

  return teesql_json_begin (&cursor, "backup manifest", text, size, error) &&
         teesql_json_object (&cursor, "entry", func, user_data, error) && teesql_json_end (&cursor, error);
}

gboolean
teesql_pg_manifest_line_file (const char *text, gsize size, TeesqlPgManifestLine *out, GError **error)
{
  FileWalk walk = { 0 };
  gboolean ok = read_object (text, size, file_member, &walk, error);

  if (ok && (walk.file.path == NULL || !walk.has_size || !walk.has_algorithm || !walk.has_checksum))
    ok = malformed (error, "backup manifest: a file without path, size or checksum");
  if (!ok)
    {
      g_free (walk.file.path);
      return FALSE;
    }
  *out = walk.file;
  return TRUE;
}

typedef struct
{
  guint64 timeline;
  guint64 start;
  guint64 end;
  guint seen;
} RangeWalk;

static gboolean
take_lsn (TeesqlCursor *cursor, const char *key, guint64 *out, GError **error)
{
  g_autofree char *text = NULL;

  if (!teesql_json_string (cursor, key, 17, &text, error))
    return FALSE;
  return teesql_lsn_parse (text, out) || malformed (error, "backup manifest: %s is no position in WAL", key);
}

static gboolean
range_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  RangeWalk *walk = user_data;

  walk->seen++;
  if (strcmp (key, "Timeline") == 0)
    return teesql_json_uint (cursor, key, G_MAXUINT32, &walk->timeline, error);
  if (strcmp (key, "Start-LSN") == 0)
    return take_lsn (cursor, key, &walk->start, error);
  if (strcmp (key, "End-LSN") == 0)
    return take_lsn (cursor, key, &walk->end, error);
  return malformed (error, "backup manifest: a range of WAL has an unexpected member %s", key);
}

gboolean
teesql_pg_manifest_line_range (const char *text, gsize size, TeesqlPgManifestRange *out, GError **error)
{
  RangeWalk walk = { 0 };

  if (!read_object (text, size, range_member, &walk, error))
    return FALSE;
  if (walk.seen != 3 || walk.timeline == 0 || walk.start > walk.end)
    return malformed (error, "backup manifest: a range of WAL makes no sense");
  *out = (TeesqlPgManifestRange){ (guint32) walk.timeline, walk.start, walk.end };
  return TRUE;
}
