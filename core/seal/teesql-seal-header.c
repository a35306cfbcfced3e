#include "seal/teesql-seal-header.h"
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <string.h>
#include <teesql/teesql-storage.h>

#define MAGIC          "TEESEAL"
#define MAGIC_SIZE     ((gsize) 7)
#define VERSION        1
#define FLAG_SIMULATED 1
#define SEGMENT_LOG2   20

G_STATIC_ASSERT (TEESQL_SEAL_SEGMENT_SIZE == (gsize) 1 << SEGMENT_LOG2);

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)
#define malformed(error, reason, ...)  fail (error, TEESQL_ERROR_MALFORMED, reason, __VA_ARGS__)

gboolean
teesql_seal_header_init (TeesqlSealHeader *self, const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch,
                         const guint8 salt[TEESQL_SEAL_SALT_SIZE], GError **error)
{
  if (!teesql_storage_name_is_valid (context->name))
    return fail (error, TEESQL_ERROR_CONFIG, "seal-name", "sealing: '%s' is not the name of an object", context->name);
  *self = (TeesqlSealHeader){
    .simulated = context->simulated != FALSE, .epoch = epoch, .system_identifier = context->system_identifier, .timeline = context->timeline
  };
  memcpy (self->salt, salt, sizeof self->salt);
  memcpy (self->cluster_id, teesql_epoch_keys_get_cluster_id (keys), sizeof self->cluster_id);
  memcpy (self->backup_id, context->backup_id, sizeof self->backup_id);
  g_strlcpy (self->name, context->name, sizeof self->name); /* valid names fit */
  return TRUE;
}

static void
put_bytes (TeesqlSealHeaderBytes *out, const void *data, gsize size)
{
  g_assert (size <= sizeof out->data - out->size);
  memcpy (out->data + out->size, data, size);
  out->size += size;
}

static void
put_integer (TeesqlSealHeaderBytes *out, guint64 value, gsize width)
{
  guint8 bytes[8];

  for (gsize i = 0; i < width; i++)
    bytes[i] = (guint8) (value >> (8 * (width - 1 - i)));
  put_bytes (out, bytes, width);
}

void
teesql_seal_header_encode (const TeesqlSealHeader *self, TeesqlSealHeaderBytes *out)
{
  gsize name_size = strlen (self->name);

  out->size = 0;
  put_bytes (out, MAGIC, MAGIC_SIZE);
  put_integer (out, VERSION, 1);
  put_integer (out, self->simulated ? FLAG_SIMULATED : 0, 1);
  put_integer (out, SEGMENT_LOG2, 1);
  put_integer (out, self->epoch, 4);
  put_bytes (out, self->salt, sizeof self->salt);
  put_bytes (out, self->commitment, sizeof self->commitment);
  put_bytes (out, self->cluster_id, sizeof self->cluster_id);
  put_integer (out, self->system_identifier, 8);
  put_integer (out, self->timeline, 4);
  put_bytes (out, self->backup_id, sizeof self->backup_id);
  put_integer (out, name_size, 2);
  put_bytes (out, self->name, name_size);
}

static gboolean
parse_form (TeesqlCursor *cursor, TeesqlSealHeader *out, GError **error)
{
  const guint8 *magic = NULL;
  guint8 version = 0;
  guint8 flags = 0;
  guint8 log2 = 0;

  if (!teesql_cursor_take (cursor, "magic", MAGIC_SIZE, &magic, error))
    return FALSE;
  if (memcmp (magic, MAGIC, MAGIC_SIZE) != 0)
    return malformed (error, "seal-magic", "sealed object: it does not begin as one");
  if (!teesql_cursor_u8 (cursor, "version", &version, error))
    return FALSE;
  if (version != VERSION)
    return malformed (error, "seal-version",
                      "sealed object: version %u, expected %d\nhint: a newer release wrote it, or somebody changed it", version, VERSION);
  if (!teesql_cursor_u8 (cursor, "flags", &flags, error) || !teesql_cursor_u8 (cursor, "segment size", &log2, error))
    return FALSE;
  if ((flags & ~FLAG_SIMULATED) != 0)
    return malformed (error, "seal-flags", "sealed object: flags 0x%02x, expected 0 or 1", flags);
  if (log2 != SEGMENT_LOG2)
    return malformed (error, "seal-segment-size", "sealed object: segments of 2^%u bytes, expected 2^%d", log2, SEGMENT_LOG2);
  out->simulated = (flags & FLAG_SIMULATED) != 0;
  return TRUE;
}

static gboolean
parse_name (TeesqlCursor *cursor, TeesqlSealHeader *out, GError **error)
{
  const guint8 *name = NULL;
  guint16 size = 0;

  if (!teesql_cursor_u16_be (cursor, "name length", &size, error))
    return FALSE;
  if (size == 0 || size > TEESQL_SEAL_NAME_MAX)
    return malformed (error, "seal-name", "sealed object: a name of %u bytes, expected 1 to %" G_GSIZE_FORMAT, size, TEESQL_SEAL_NAME_MAX);
  if (!teesql_cursor_take (cursor, "name", size, &name, error))
    return FALSE;
  if (memchr (name, '\0', size) != NULL)
    return malformed (error, "seal-name", "sealed object: a NUL in its name");
  memcpy (out->name, name, size); /* fits: just checked */
  out->name[size] = '\0';
  if (!teesql_storage_name_is_valid (out->name))
    return malformed (error, "seal-name", "sealed object: what stands as its name is none");
  return TRUE;
}

static gboolean
parse_fields (TeesqlCursor *cursor, TeesqlSealHeader *out, GError **error)
{
  return parse_form (cursor, out, error) && teesql_cursor_u32_be (cursor, "epoch", &out->epoch, error) &&
         teesql_cursor_copy (cursor, "salt", out->salt, sizeof out->salt, error) &&
         teesql_cursor_copy (cursor, "commitment", out->commitment, sizeof out->commitment, error) &&
         teesql_cursor_copy (cursor, "cluster id", out->cluster_id, sizeof out->cluster_id, error) &&
         teesql_cursor_u64_be (cursor, "system identifier", &out->system_identifier, error) &&
         teesql_cursor_u32_be (cursor, "timeline", &out->timeline, error) &&
         teesql_cursor_copy (cursor, "backup id", out->backup_id, sizeof out->backup_id, error) && parse_name (cursor, out, error);
}

gboolean
teesql_seal_header_parse (TeesqlSealHeader *self, const guint8 *data, gsize size, gsize *out_header_size, GError **error)
{
  TeesqlSealHeader header = { 0 };
  g_autoptr (GError) cause = NULL;
  TeesqlCursor cursor;

  teesql_cursor_init (&cursor, "sealed object", data, size);
  if (!parse_fields (&cursor, &header, &cause))
    {
      if (cause->domain != TEESQL_PARSE_ERROR)
        g_propagate_error (error, g_steal_pointer (&cause));
      else
        malformed (error, "seal-truncated", "%s", cause->message);
      return FALSE;
    }
  *self = header;
  *out_header_size = cursor.pos;
  return TRUE;
}

static gboolean
other_object (const char *name, const char *field, const char *expected, const char *found, GError **error)
{
  return fail (error, TEESQL_ERROR_REFUSED, "seal-context", "sealed object %s: its %s is %s, expected %s", name, field, found, expected);
}

static gboolean
match_bytes (const char *name, const char *field, const guint8 *expected, const guint8 *found, gsize size, GError **error)
{
  g_autofree char *expected_hex = NULL;
  g_autofree char *found_hex = NULL;

  if (memcmp (expected, found, size) == 0)
    return TRUE;
  expected_hex = teesql_hex_encode (expected, size);
  found_hex = teesql_hex_encode (found, size);
  return other_object (name, field, expected_hex, found_hex, error);
}

static gboolean
match_integer (const char *name, const char *field, guint64 expected, guint64 found, GError **error)
{
  g_autofree char *expected_text = NULL;
  g_autofree char *found_text = NULL;

  if (expected == found)
    return TRUE;
  expected_text = g_strdup_printf ("%" G_GUINT64_FORMAT, expected);
  found_text = g_strdup_printf ("%" G_GUINT64_FORMAT, found);
  return other_object (name, field, expected_text, found_text, error);
}

gboolean
teesql_seal_header_match (const TeesqlSealHeader *self, const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GError **error)
{
  const char *name = expected->name;

  if (self->simulated != (expected->simulated != FALSE))
    return fail (error, TEESQL_ERROR_REFUSED, "seal-simulated", "sealed object %s: sealed under %s keys, expected %s", name,
                 self->simulated ? "a simulator's" : "production", self->simulated ? "production keys" : "a simulator's");
  return match_bytes (name, "cluster id", teesql_epoch_keys_get_cluster_id (keys), self->cluster_id, sizeof self->cluster_id, error) &&
         match_integer (name, "system identifier", expected->system_identifier, self->system_identifier, error) &&
         match_integer (name, "timeline", expected->timeline, self->timeline, error) &&
         match_bytes (name, "backup id", expected->backup_id, self->backup_id, sizeof self->backup_id, error) &&
         (strcmp (name, self->name) == 0 || other_object (name, "name", name, self->name, error));
}
