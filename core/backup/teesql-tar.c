#include "backup/teesql-tar.h"

#include "backup/teesql-tar-header.h"
#include "base/teesql-domains.h"

#include <string.h>

#define malformed(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, reason, __VA_ARGS__)

typedef enum
{
  STATE_HEADER,
  STATE_CONTENT,
  STATE_PADDING,
  STATE_END, /* one block of zeros was there: only zeros may follow */
  STATE_FAILED,
} State;

struct _TeesqlTarReader
{
  TeesqlTarHandler handler;
  gpointer user_data;
  State state;
  guint8 block[512];
  gsize block_used;
  guint64 left; /* of content or padding */
  gsize padding;
  guint64 n_entries;
  guint64 n_zero_blocks;
  GHashTable *folders; /* and links: name -> kind */
};

TeesqlTarReader *
teesql_tar_reader_new (const TeesqlTarHandler *handler, gpointer user_data)
{
  TeesqlTarReader *self = g_new0 (TeesqlTarReader, 1);

  self->handler = *handler;
  self->user_data = user_data;
  self->folders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
teesql_tar_reader_free (TeesqlTarReader *self)
{
  g_hash_table_unref (self->folders);
  g_free (self);
}

/* A file in the place of a folder is found here; a file that comes twice by whoever makes files. */
static gboolean
check_place (TeesqlTarReader *self, const TeesqlTarHeader *header, GError **error)
{
  gboolean known = g_hash_table_contains (self->folders, header->name);

  if (known)
    return malformed (error, "tar-double", "`%s` stands in the archive twice", header->name);
  if (header->kind == TEESQL_TAR_FILE)
    return TRUE;
  if (g_hash_table_size (self->folders) >= TEESQL_TAR_FOLDERS_MAX)
    return malformed (error, "tar-entries", "the archive has more than %u folders", TEESQL_TAR_FOLDERS_MAX);
  g_hash_table_insert (self->folders, g_strdup (header->name), GINT_TO_POINTER (header->kind));
  return TRUE;
}

/* PostgreSQL names a folder before what is in it; so nothing can lie behind a link. */
static gboolean
check_parent (TeesqlTarReader *self, const TeesqlTarHeader *header, GError **error)
{
  const char *slash = strrchr (header->name, '/');
  g_autofree char *parent = slash != NULL ? g_strndup (header->name, (gsize) (slash - header->name)) : NULL;

  if (parent != NULL && g_hash_table_lookup (self->folders, parent) != GINT_TO_POINTER (TEESQL_TAR_FOLDER))
    return malformed (error, "tar-parent", "`%s` lies in no folder of the archive", header->name);
  return TRUE;
}

static gboolean
begin_entry (TeesqlTarReader *self, GError **error)
{
  TeesqlTarHeader header = { 0 };
  TeesqlTarEntry entry;

  if (++self->n_entries > TEESQL_TAR_ENTRIES_MAX)
    return malformed (error, "tar-entries", "the archive has more than %" G_GUINT64_FORMAT " entries", TEESQL_TAR_ENTRIES_MAX);
  if (!teesql_tar_header_parse (self->block, self->n_entries, &header, error) || !check_place (self, &header, error) ||
      !check_parent (self, &header, error))
    return FALSE;
  entry = (TeesqlTarEntry){ header.name, header.kind == TEESQL_TAR_LINK ? header.link : NULL, header.kind, header.size };
  if (!self->handler.begin (&entry, self->user_data, error))
    return FALSE;
  if (header.kind != TEESQL_TAR_FILE)
    return TRUE;
  self->left = header.size;
  self->padding = (gsize) (-header.size & (TEESQL_TAR_BLOCK - 1));
  self->state = STATE_CONTENT;
  return TRUE;
}

static gboolean
is_zero (const guint8 *data, gsize size)
{
  return size == 0 || (data[0] == 0 && memcmp (data, data + 1, size - 1) == 0);
}

static gboolean
take_block (TeesqlTarReader *self, GError **error)
{
  gboolean zero = is_zero (self->block, sizeof self->block);

  self->block_used = 0;
  if (self->state == STATE_END && !zero)
    return malformed (error, "tar-end", "something stands behind the end of the archive");
  if (zero)
    {
      self->state = STATE_END;
      self->n_zero_blocks++;
      return TRUE;
    }
  return begin_entry (self, error);
}

static gboolean
feed_block (TeesqlTarReader *self, const guint8 **data, gsize *size, GError **error)
{
  gsize n = MIN (*size, sizeof self->block - self->block_used);

  memcpy (self->block + self->block_used, *data, n); /* at most what is free */
  self->block_used += n;
  *data += n;
  *size -= n;
  return self->block_used < sizeof self->block || take_block (self, error);
}

static gboolean
feed_content (TeesqlTarReader *self, const guint8 **data, gsize *size, GError **error)
{
  gsize n = (gsize) MIN (*size, self->left);

  if (n > 0 && !self->handler.data (*data, n, self->user_data, error))
    return FALSE;
  *data += n;
  *size -= n;
  self->left -= n;
  if (self->left > 0)
    return TRUE;
  self->left = self->padding;
  self->state = self->padding > 0 ? STATE_PADDING : STATE_HEADER;
  return self->handler.end (self->user_data, error);
}

static gboolean
feed_padding (TeesqlTarReader *self, const guint8 **data, gsize *size, GError **error)
{
  gsize n = (gsize) MIN (*size, self->left);

  if (!is_zero (*data, n))
    return malformed (error, "tar-padding", "something stands between two files of the archive");
  *data += n;
  *size -= n;
  self->left -= n;
  if (self->left == 0)
    self->state = STATE_HEADER;
  return TRUE;
}

static gboolean
feed_some (TeesqlTarReader *self, const guint8 **data, gsize *size, GError **error)
{
  switch (self->state)
    {
    case STATE_HEADER:
    case STATE_END:
      return feed_block (self, data, size, error);
    case STATE_CONTENT:
      return feed_content (self, data, size, error);
    case STATE_PADDING:
      return feed_padding (self, data, size, error);
    case STATE_FAILED:
    default:
      return malformed (error, "tar-failed", "the archive could not be read before");
    }
}

gboolean
teesql_tar_reader_feed (TeesqlTarReader *self, const guint8 *data, gsize size, GError **error)
{
  /* an empty file ends without a byte of content, so the loop also runs for it */
  while (size > 0 || (self->state == STATE_CONTENT && self->left == 0))
    if (!feed_some (self, &data, &size, error))
      {
        self->state = STATE_FAILED;
        return FALSE;
      }
  return TRUE;
}

gboolean
teesql_tar_reader_finish (TeesqlTarReader *self, GError **error)
{
  if (self->state == STATE_FAILED)
    return malformed (error, "tar-failed", "the archive could not be read before");
  if (self->state != STATE_END || self->n_zero_blocks < 2 || self->block_used != 0)
    return malformed (error, "tar-end", "the archive ends after %" G_GUINT64_FORMAT " entries without its end marker", self->n_entries);
  return TRUE;
}
