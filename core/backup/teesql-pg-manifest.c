/* The layout is what backup_manifest.c of PostgreSQL 17 writes, line by line; anything else is refused. The manifest comes out of the
 * same sealed backup as the files; its checksums find what was broken before it was sealed, and files that are missing or too many. */
#include "backup/teesql-pg-manifest.h"

#include "backup/teesql-pg-manifest-line.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#define WAL_RANGES_MAX 1024u

#define malformed(error, ...)         teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "pg-manifest", __VA_ARGS__)
#define integrity(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, reason, __VA_ARGS__)

typedef enum
{
  LINE_VERSION,
  LINE_IDENTIFIER,
  LINE_FILES,
  LINE_FILE,
  LINE_WAL,
  LINE_RANGE,
  LINE_CHECKSUM,
  LINE_NONE, /* nothing may follow */
} Expected;

struct _TeesqlPgManifestFile
{
  const char *path;
  guint64 size;
  guint32 crc;
  gboolean claimed;
};

struct _TeesqlPgManifest
{
  Expected expected;
  GByteArray *line; /* begun, its end not seen */
  guint64 n_lines;
  gnutls_hash_hd_t hash;
  guint64 system_identifier;
  GStringChunk *paths;
  GArray *files; /* fixed once it is finished: the table points into it */
  GHashTable *by_path;
  GArray *wal;
  guint64 bytes;
};

TeesqlPgManifest *
teesql_pg_manifest_new (void)
{
  TeesqlPgManifest *self = g_new0 (TeesqlPgManifest, 1);

  self->line = g_byte_array_new ();
  self->paths = g_string_chunk_new (64 * 1024);
  self->files = g_array_new (FALSE, FALSE, sizeof (TeesqlPgManifestFile));
  self->wal = g_array_new (FALSE, FALSE, sizeof (TeesqlPgManifestRange));
  self->by_path = g_hash_table_new (g_str_hash, g_str_equal);
  if (gnutls_hash_init (&self->hash, GNUTLS_DIG_SHA256) != 0)
    self->hash = NULL;
  return self;
}

void
teesql_pg_manifest_free (TeesqlPgManifest *self)
{
  if (self->hash != NULL)
    gnutls_hash_deinit (self->hash, NULL);
  g_byte_array_unref (self->line);
  g_hash_table_unref (self->by_path);
  g_array_unref (self->files);
  g_array_unref (self->wal);
  g_string_chunk_free (self->paths);
  g_free (self);
}

/* ---- lines ---- */

/* Digits between @before and @after, and nothing else. */
static gboolean
take_number_line (const char *text, const char *before, const char *after, guint64 *out)
{
  gsize size = strlen (text);
  gsize head = strlen (before);
  gsize tail = strlen (after);
  g_autofree char *digits = NULL;

  if (size <= head + tail || !g_str_has_prefix (text, before) || !g_str_has_suffix (text, after))
    return FALSE;
  digits = g_strndup (text + head, size - head - tail);
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT64, out, NULL);
}

static gboolean
take_version (TeesqlPgManifest *self, const char *text, GError **error)
{
  guint64 version = 0;

  if (!take_number_line (text, "{ \"PostgreSQL-Backup-Manifest-Version\": ", ",", &version))
    return malformed (error, "backup manifest: no version in its first line");
  if (version != 2)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNSUPPORTED, "pg-manifest-version",
                        "backup manifest: version %" G_GUINT64_FORMAT ", expected 2 of PostgreSQL 17", version);
  self->expected = LINE_IDENTIFIER;
  return TRUE;
}

static gboolean
take_identifier (TeesqlPgManifest *self, const char *text, GError **error)
{
  if (!take_number_line (text, "\"System-Identifier\": ", ",", &self->system_identifier) || self->system_identifier == 0)
    return malformed (error, "backup manifest: no system identifier in its second line");
  self->expected = LINE_FILES;
  return TRUE;
}

/* of one of the two lists */
static gboolean
take_opening (TeesqlPgManifest *self, const char *text, const char *opening, Expected next, GError **error)
{
  if (strcmp (text, opening) != 0)
    return malformed (error, "backup manifest: line %" G_GUINT64_FORMAT " is not `%s`", self->n_lines, opening);
  self->expected = next;
  return TRUE;
}

static gboolean
add_file (TeesqlPgManifest *self, const char *text, gsize size, GError **error)
{
  TeesqlPgManifestLine line = { 0 };
  TeesqlPgManifestFile file = { 0 };

  if (self->files->len >= TEESQL_PG_MANIFEST_FILES_MAX)
    return malformed (error, "backup manifest: more than %u files", TEESQL_PG_MANIFEST_FILES_MAX);
  if (!teesql_pg_manifest_line_file (text, size, &line, error))
    {
      g_prefix_error (error, "line %" G_GUINT64_FORMAT ": ", self->n_lines);
      return FALSE;
    }
  file.path = g_string_chunk_insert (self->paths, line.path);
  file.size = line.size;
  file.crc = line.crc;
  g_free (line.path);
  if (self->bytes + file.size < self->bytes)
    return malformed (error, "backup manifest: sizes beyond 64 bits");
  self->bytes += file.size;
  g_array_append_val (self->files, file);
  return TRUE;
}

static gboolean
add_range (TeesqlPgManifest *self, const char *text, gsize size, GError **error)
{
  TeesqlPgManifestRange range = { 0 };

  if (self->wal->len >= WAL_RANGES_MAX)
    return malformed (error, "backup manifest: more than %u ranges of WAL", WAL_RANGES_MAX);
  if (!teesql_pg_manifest_line_range (text, size, &range, error))
    {
      g_prefix_error (error, "line %" G_GUINT64_FORMAT ": ", self->n_lines);
      return FALSE;
    }
  g_array_append_val (self->wal, range);
  return TRUE;
}

/* An entry of one of the two lists, or its end. A comma stands behind all but the last. */
static gboolean
take_entry (TeesqlPgManifest *self, const char *text, gsize size, GError **error)
{
  gboolean is_file = self->expected == LINE_FILE;

  if (strcmp (text, "],") == 0)
    {
      self->expected = is_file ? LINE_WAL : LINE_CHECKSUM;
      return TRUE;
    }
  if (size > 0 && text[size - 1] == ',')
    size--;
  return is_file ? add_file (self, text, size, error) : add_range (self, text, size, error);
}

static gboolean
take_checksum (TeesqlPgManifest *self, const char *text, GError **error)
{
  static const char before[] = "\"Manifest-Checksum\": \"";
  guint8 stored[32];
  guint8 computed[32];

  if (!g_str_has_prefix (text, before) || strlen (text) != strlen (before) + 64 + strlen ("\"}") || !g_str_has_suffix (text, "\"}") ||
      !teesql_hex_decode_into (text + strlen (before), 64, stored, sizeof stored, NULL))
    return malformed (error, "backup manifest: line %" G_GUINT64_FORMAT " is not its checksum", self->n_lines);
  gnutls_hash_output (self->hash, computed);
  if (memcmp (stored, computed, sizeof stored) != 0)
    return integrity (error, "pg-manifest-checksum", "backup manifest: its checksum is wrong");
  self->expected = LINE_NONE;
  return TRUE;
}

/* @text without its line feed, with a NUL */
static gboolean
take_line (TeesqlPgManifest *self, const char *text, gsize size, GError **error)
{
  if (memchr (text, '\0', size) != NULL)
    return malformed (error, "backup manifest: line %" G_GUINT64_FORMAT " has a NUL", self->n_lines);
  switch (self->expected)
    {
    case LINE_VERSION:
      return take_version (self, text, error);
    case LINE_IDENTIFIER:
      return take_identifier (self, text, error);
    case LINE_FILES:
      return take_opening (self, text, "\"Files\": [", LINE_FILE, error);
    case LINE_WAL:
      return take_opening (self, text, "\"WAL-Ranges\": [", LINE_RANGE, error);
    case LINE_FILE:
    case LINE_RANGE:
      return take_entry (self, text, size, error);
    case LINE_CHECKSUM:
      return take_checksum (self, text, error);
    case LINE_NONE:
    default:
      return malformed (error, "backup manifest: something stands behind its checksum");
    }
}

static gboolean
end_line (TeesqlPgManifest *self, GError **error)
{
  gsize size = self->line->len;
  gboolean hashed = self->expected != LINE_CHECKSUM;

  self->n_lines++;
  g_byte_array_append (self->line, (const guint8 *) "\n", 2); /* and a NUL behind */
  if (hashed && gnutls_hash (self->hash, self->line->data, size + 1) != 0)
    return malformed (error, "backup manifest: SHA-256 is not to be had");
  self->line->data[size] = '\0';
  if (!take_line (self, (const char *) self->line->data, size, error))
    return FALSE;
  g_byte_array_set_size (self->line, 0);
  return TRUE;
}

gboolean
teesql_pg_manifest_feed (TeesqlPgManifest *self, const guint8 *data, gsize size, GError **error)
{
  if (self->hash == NULL)
    return malformed (error, "backup manifest: SHA-256 is not to be had");
  while (size > 0)
    {
      const guint8 *end = memchr (data, '\n', size);
      gsize n = end != NULL ? (gsize) (end - data) : size;

      if (self->line->len + n > TEESQL_PG_MANIFEST_LINE_MAX)
        return malformed (error, "backup manifest: line %" G_GUINT64_FORMAT " has more than %" G_GSIZE_FORMAT " bytes", self->n_lines + 1,
                          TEESQL_PG_MANIFEST_LINE_MAX);
      g_byte_array_append (self->line, data, (guint) n);
      if (end != NULL && !end_line (self, error))
        return FALSE;
      n += end != NULL ? 1 : 0;
      data += n;
      size -= n;
    }
  return TRUE;
}

gboolean
teesql_pg_manifest_finish (TeesqlPgManifest *self, GError **error)
{
  if (self->expected != LINE_NONE || self->line->len > 0)
    return malformed (error, "backup manifest: it ends in line %" G_GUINT64_FORMAT ", before its checksum", self->n_lines + 1);
  for (guint i = 0; i < self->files->len; i++)
    {
      TeesqlPgManifestFile *file = &g_array_index (self->files, TeesqlPgManifestFile, i);

      if (!g_hash_table_insert (self->by_path, (gpointer) file->path, file))
        return malformed (error, "backup manifest: a file stands in it twice: %s", file->path);
    }
  return TRUE;
}

/* ---- what it says ---- */

guint64
teesql_pg_manifest_get_system_identifier (const TeesqlPgManifest *self)
{
  return self->system_identifier;
}

guint
teesql_pg_manifest_get_n_files (const TeesqlPgManifest *self)
{
  return self->files->len;
}

guint64
teesql_pg_manifest_get_bytes (const TeesqlPgManifest *self)
{
  return self->bytes;
}

const GArray *
teesql_pg_manifest_get_wal (const TeesqlPgManifest *self)
{
  return self->wal;
}

TeesqlPgManifestFile *
teesql_pg_manifest_claim (TeesqlPgManifest *self, const char *name, guint64 size, GError **error)
{
  TeesqlPgManifestFile *file = g_hash_table_lookup (self->by_path, name);

  if (file == NULL)
    {
      integrity (error, "manifest-extra", "`%s` is in the archive and not in the backup's manifest", name);
      return NULL;
    }
  if (file->claimed)
    {
      integrity (error, "manifest-double", "`%s` is in the backup twice", name);
      return NULL;
    }
  if (file->size != size)
    {
      integrity (error, "manifest-size", "`%s` has %" G_GUINT64_FORMAT " bytes in the archive and %" G_GUINT64_FORMAT " in the manifest",
                 name, size, file->size);
      return NULL;
    }
  file->claimed = TRUE;
  return file;
}

gboolean
teesql_pg_manifest_check (const TeesqlPgManifestFile *file, guint32 crc, GError **error)
{
  return crc == file->crc ||
         integrity (error, "manifest-checksum", "`%s`: CRC-32C %08x, expected %08x of the manifest", file->path, crc, file->crc);
}

gboolean
teesql_pg_manifest_check_complete (const TeesqlPgManifest *self, GError **error)
{
  const char *missing = NULL;
  guint n = 0;

  for (guint i = 0; i < self->files->len; i++)
    {
      const TeesqlPgManifestFile *file = &g_array_index (self->files, TeesqlPgManifestFile, i);

      if (!file->claimed && n++ == 0)
        missing = file->path;
    }
  return n == 0 || integrity (error, "manifest-missing", "`%s` and %u more files of the manifest are not in the backup", missing, n - 1);
}
