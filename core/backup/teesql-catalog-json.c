#include "backup/teesql-catalog-json.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-json-walk.h"

/* One table an object serves both directions, so that what is written is what is read. A record is accepted in one spelling only, that of
 * the writer: members in order, no blanks, no other escapes. */

typedef struct _Shape Shape;

typedef enum
{
  FIELD_HEX,      /* guint8[size] */
  FIELD_ID,       /* guint8[size], empty text for zeros */
  FIELD_LINEAGE,  /* TeesqlLineage, empty text for none */
  FIELD_TEXT,     /* char *, at most size bytes */
  FIELD_OPTIONAL, /* char *, empty text for NULL */
  FIELD_LSN,      /* guint64 as PostgreSQL writes it */
  FIELD_DECIMAL,  /* guint64 as text: a JSON number would lose bits */
  FIELD_NUMBER,   /* guint64 below 2^53 */
  FIELD_TIME,     /* gint64, Unix seconds */
  FIELD_U32,      /* guint32 */
  FIELD_ITEMS,    /* GArray of plain structs */
  FIELD_OBJECTS,  /* GPtrArray of objects that make themselves */
} FieldKind;

typedef struct
{
  const char *name;
  FieldKind kind;
  gsize offset;
  gsize size;         /* bytes of hex, longest text, most items */
  const Shape *shape; /* of the items */
} Field;

struct _Shape
{
  const char *name;
  const Field *fields;
  guint n_fields;
  gsize item_size;
  gpointer (*make) (void);
};

#define AT(type, member)   G_STRUCT_OFFSET (type, member)
#define SIZE(type, member) (sizeof ((type *) NULL)->member)
#define SHAPE(title, fields, size, make)                                                                                                   \
  {                                                                                                                                        \
    title, fields, G_N_ELEMENTS (fields), size, make                                                                                       \
  }

static gpointer
make_archive (void)
{
  return teesql_archive_new (NULL);
}

static gpointer
make_backup (void)
{
  return teesql_backup_new ();
}

static const Field piece_fields[] = {
  { "size", FIELD_NUMBER, AT (TeesqlPiece, stored_size) },
  { "commitment", FIELD_HEX, AT (TeesqlPiece, commitment), SIZE (TeesqlPiece, commitment) },
};
static const Shape piece_shape = SHAPE ("piece", piece_fields, sizeof (TeesqlPiece), NULL);

static const Field archive_fields[] = {
  { "name", FIELD_TEXT, AT (TeesqlArchive, name), 16 },
  { "tablespace", FIELD_OPTIONAL, AT (TeesqlArchive, tablespace), TEESQL_RECORD_TABLESPACE_MAX },
  { "plain_size", FIELD_NUMBER, AT (TeesqlArchive, plain_size) },
  { "pieces", FIELD_ITEMS, AT (TeesqlArchive, pieces), TEESQL_RECORD_PIECES_MAX, &piece_shape },
};
static const Shape archive_shape = SHAPE ("archive", archive_fields, 0, make_archive);

static const Field backup_fields[] = {
  { "id", FIELD_HEX, AT (TeesqlBackup, id), SIZE (TeesqlBackup, id) },
  { "parent_id", FIELD_ID, AT (TeesqlBackup, parent_id), SIZE (TeesqlBackup, parent_id) },
  { "started_unix", FIELD_TIME, AT (TeesqlBackup, started_unix) },
  { "finished_unix", FIELD_TIME, AT (TeesqlBackup, finished_unix) },
  { "start_lsn", FIELD_LSN, AT (TeesqlBackup, start_lsn) },
  { "stop_lsn", FIELD_LSN, AT (TeesqlBackup, stop_lsn) },
  { "timeline", FIELD_U32, AT (TeesqlBackup, timeline) },
  { "system_identifier", FIELD_DECIMAL, AT (TeesqlBackup, system_identifier) },
  { "epoch", FIELD_U32, AT (TeesqlBackup, epoch) },
  { "server_version", FIELD_U32, AT (TeesqlBackup, server_version) },
  { "label", FIELD_OPTIONAL, AT (TeesqlBackup, label), TEESQL_RECORD_LABEL_MAX },
  { "archives", FIELD_OBJECTS, AT (TeesqlBackup, archives), TEESQL_RECORD_ARCHIVES_MAX, &archive_shape },
};
static const Shape backup_shape = SHAPE ("backup", backup_fields, 0, make_backup);

static const Field range_fields[] = {
  { "timeline", FIELD_U32, AT (TeesqlWalRange, timeline) },
  { "start_lsn", FIELD_LSN, AT (TeesqlWalRange, start_lsn) },
  { "end_lsn", FIELD_LSN, AT (TeesqlWalRange, end_lsn) },
  { "end_unix", FIELD_TIME, AT (TeesqlWalRange, end_unix) },
};
static const Shape range_shape = SHAPE ("WAL range", range_fields, sizeof (TeesqlWalRange), NULL);

static const Field epoch_fields[] = {
  { "epoch", FIELD_U32, AT (TeesqlEpochEntry, epoch) },
  { "check_value", FIELD_HEX, AT (TeesqlEpochEntry, check_value), SIZE (TeesqlEpochEntry, check_value) },
  { "since_unix", FIELD_TIME, AT (TeesqlEpochEntry, since_unix) },
};
static const Shape epoch_shape = SHAPE ("key epoch", epoch_fields, sizeof (TeesqlEpochEntry), NULL);

static const Field record_fields[] = {
  { "cluster_id", FIELD_HEX, AT (TeesqlCatalogRecord, cluster_id), SIZE (TeesqlCatalogRecord, cluster_id) },
  { "cluster", FIELD_TEXT, AT (TeesqlCatalogRecord, cluster), TEESQL_RECORD_TEXT_MAX },
  { "node", FIELD_TEXT, AT (TeesqlCatalogRecord, node), TEESQL_RECORD_TEXT_MAX },
  { "lineage", FIELD_LINEAGE, AT (TeesqlCatalogRecord, lineage) },
  { "sequence", FIELD_NUMBER, AT (TeesqlCatalogRecord, sequence) },
  { "previous", FIELD_HEX, AT (TeesqlCatalogRecord, previous), SIZE (TeesqlCatalogRecord, previous) },
  { "parent_lineage", FIELD_LINEAGE, AT (TeesqlCatalogRecord, parent_lineage) },
  { "parent_sequence", FIELD_NUMBER, AT (TeesqlCatalogRecord, parent_sequence) },
  { "parent_digest", FIELD_HEX, AT (TeesqlCatalogRecord, parent_digest), SIZE (TeesqlCatalogRecord, parent_digest) },
  { "written_unix", FIELD_TIME, AT (TeesqlCatalogRecord, written_unix) },
  { "system_identifier", FIELD_DECIMAL, AT (TeesqlCatalogRecord, system_identifier) },
  { "segment_size", FIELD_U32, AT (TeesqlCatalogRecord, segment_size) },
  { "backups", FIELD_OBJECTS, AT (TeesqlCatalogRecord, backups), TEESQL_RECORD_BACKUPS_MAX, &backup_shape },
  { "wal", FIELD_ITEMS, AT (TeesqlCatalogRecord, wal), TEESQL_RECORD_RANGES_MAX, &range_shape },
  { "epochs", FIELD_ITEMS, AT (TeesqlCatalogRecord, epochs), TEESQL_RECORD_EPOCHS_MAX, &epoch_shape },
};
static const Shape record_shape = SHAPE ("record", record_fields, 0, NULL);

/* writing */

static void
write_text (GString *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);

  g_string_append_c (out, '"');
  for (const char *c = valid; *c != '\0'; c++)
    if (*c == '"' || *c == '\\')
      g_string_append_printf (out, "\\%c", *c);
    else if ((guchar) *c < 0x20)
      g_string_append_printf (out, "\\u%04x", (guint) *c);
    else
      g_string_append_c (out, *c);
  g_string_append_c (out, '"');
}

static void
write_hex (GString *out, const guint8 *data, gsize size, gboolean zeros_are_empty)
{
  g_autofree char *hex = teesql_hex_encode (data, size);

  if (zeros_are_empty && strspn (hex, "0") == size * 2)
    hex[0] = '\0';
  write_text (out, hex);
}

static void write_shape (GString *out, const Shape *shape, gconstpointer base);

static void
write_items (GString *out, const Shape *shape, const GArray *items)
{
  g_string_append_c (out, '[');
  for (guint i = 0; i < items->len; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      write_shape (out, shape, items->data + i * shape->item_size);
    }
  g_string_append_c (out, ']');
}

static void
write_objects (GString *out, const Shape *shape, const GPtrArray *objects)
{
  g_string_append_c (out, '[');
  for (guint i = 0; i < objects->len; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      write_shape (out, shape, g_ptr_array_index (objects, i));
    }
  g_string_append_c (out, ']');
}

static void
write_lsn (GString *out, guint64 lsn)
{
  g_autofree char *text = teesql_lsn_to_string (lsn);

  write_text (out, text);
}

static void
write_field (GString *out, const Field *field, gconstpointer at)
{
  switch (field->kind)
    {
    case FIELD_HEX:
    case FIELD_ID:
      write_hex (out, at, field->size, field->kind == FIELD_ID);
      break;
    case FIELD_LINEAGE:
      write_text (out, ((const TeesqlLineage *) at)->text);
      break;
    case FIELD_TEXT:
    case FIELD_OPTIONAL:
      write_text (out, *(char *const *) at);
      break;
    case FIELD_LSN:
      write_lsn (out, *(const guint64 *) at);
      break;
    case FIELD_DECIMAL:
      g_string_append_printf (out, "\"%" G_GUINT64_FORMAT "\"", *(const guint64 *) at);
      break;
    case FIELD_NUMBER:
      g_string_append_printf (out, "%" G_GUINT64_FORMAT, *(const guint64 *) at);
      break;
    case FIELD_TIME:
      g_string_append_printf (out, "%" G_GINT64_FORMAT, *(const gint64 *) at);
      break;
    case FIELD_U32:
      g_string_append_printf (out, "%u", *(const guint32 *) at);
      break;
    case FIELD_ITEMS:
      write_items (out, field->shape, *(GArray *const *) at);
      break;
    case FIELD_OBJECTS:
      write_objects (out, field->shape, *(GPtrArray *const *) at);
      break;
    }
}

static void
write_members (GString *out, const Shape *shape, gconstpointer base)
{
  for (guint i = 0; i < shape->n_fields; i++)
    {
      const Field *field = &shape->fields[i];

      g_string_append_printf (out, "%s\"%s\":", i > 0 ? "," : "", field->name);
      write_field (out, field, G_STRUCT_MEMBER_P (base, field->offset));
    }
}

static void
write_shape (GString *out, const Shape *shape, gconstpointer base)
{
  g_string_append_c (out, '{');
  write_members (out, shape, base);
  g_string_append_c (out, '}');
}

GBytes *
teesql_catalog_record_to_json (const TeesqlCatalogRecord *self)
{
  GString *out = g_string_new ("{\"schema\":1,");

  write_members (out, &record_shape, self);
  g_string_append_c (out, '}');
  return g_string_free_to_bytes (out);
}

/* reading */

typedef struct
{
  const Shape *shape;
  gpointer base;
  guint n_read; /* members come in the table's order */
  gboolean versioned;
} Reading;

static gboolean read_shape (TeesqlCursor *cursor, const Shape *shape, gpointer base, GError **error);

static gboolean
read_text (TeesqlCursor *cursor, const Field *field, char **at, GError **error)
{
  g_autofree char *text = NULL;

  if (!teesql_json_string (cursor, field->name, field->size, &text, error))
    return FALSE;
  if (field->kind == FIELD_OPTIONAL && text[0] == '\0')
    return TRUE;
  g_free (*at);
  *at = g_steal_pointer (&text);
  return TRUE;
}

static gboolean
read_hex (TeesqlCursor *cursor, const Field *field, guint8 *at, GError **error)
{
  g_autofree char *text = NULL;

  if (!teesql_json_string (cursor, field->name, field->size * 2, &text, error))
    return FALSE;
  if (field->kind == FIELD_ID && text[0] == '\0')
    return TRUE;
  return teesql_hex_decode_into (text, -1, at, field->size, NULL) ||
         teesql_cursor_fail (cursor, error, "json", "%s: expected %" G_GSIZE_FORMAT " bytes in hex", field->name, field->size);
}

static gboolean
read_lineage (TeesqlCursor *cursor, const Field *field, TeesqlLineage *at, GError **error)
{
  g_autofree char *text = NULL;
  guint32 generation = 0;

  if (!teesql_json_string (cursor, field->name, TEESQL_LINEAGE_SIZE - 1, &text, error))
    return FALSE;
  if (text[0] == '\0')
    return TRUE;
  return teesql_lineage_parse (text, -1, at, &generation) || teesql_cursor_fail (cursor, error, "json", "%s: no lineage", field->name);
}

static gboolean
read_lsn (TeesqlCursor *cursor, const Field *field, guint64 *at, GError **error)
{
  g_autofree char *text = NULL;

  if (!teesql_json_string (cursor, field->name, 17, &text, error))
    return FALSE;
  return teesql_lsn_parse (text, at) || teesql_cursor_fail (cursor, error, "json", "%s: no LSN", field->name);
}

static gboolean
read_decimal (TeesqlCursor *cursor, const Field *field, guint64 *at, GError **error)
{
  g_autofree char *text = NULL;

  if (!teesql_json_string (cursor, field->name, 20, &text, error))
    return FALSE;
  return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, at, NULL) ||
         teesql_cursor_fail (cursor, error, "json", "%s: no number of 64 bits", field->name);
}

static gboolean
read_time (TeesqlCursor *cursor, const Field *field, gint64 *at, GError **error)
{
  guint64 value = 0;

  if (!teesql_json_uint (cursor, field->name, TEESQL_RECORD_NUMBER_MAX, &value, error))
    return FALSE;
  *at = (gint64) value;
  return TRUE;
}

static gboolean
read_u32 (TeesqlCursor *cursor, const Field *field, guint32 *at, GError **error)
{
  guint64 value = 0;

  if (!teesql_json_uint (cursor, field->name, G_MAXUINT32, &value, error))
    return FALSE;
  *at = (guint32) value;
  return TRUE;
}

typedef struct
{
  const Shape *shape;
  GArray *items;
  GPtrArray *objects;
} Filling;

/* A zeroed item is in the list before it is read: what a failure leaves is freed with the list. */
static gboolean
read_item (TeesqlCursor *cursor, gpointer user_data, GError **error)
{
  Filling *filling = user_data;
  gpointer base = NULL;

  if (filling->objects != NULL)
    {
      base = filling->shape->make ();
      g_ptr_array_add (filling->objects, base);
    }
  else
    {
      g_array_set_size (filling->items, filling->items->len + 1);
      base = filling->items->data + (filling->items->len - 1) * filling->shape->item_size;
    }
  return read_shape (cursor, filling->shape, base, error);
}

static gboolean
read_list (TeesqlCursor *cursor, const Field *field, gpointer at, GError **error)
{
  Filling filling = { field->shape, NULL, NULL };

  if (field->kind == FIELD_ITEMS)
    filling.items = *(GArray **) at;
  else
    filling.objects = *(GPtrArray **) at;
  return teesql_json_array (cursor, field->name, (guint) field->size, read_item, &filling, error);
}

static gboolean
read_field (TeesqlCursor *cursor, const Field *field, gpointer at, GError **error)
{
  switch (field->kind)
    {
    case FIELD_HEX:
    case FIELD_ID:
      return read_hex (cursor, field, at, error);
    case FIELD_LINEAGE:
      return read_lineage (cursor, field, at, error);
    case FIELD_TEXT:
    case FIELD_OPTIONAL:
      return read_text (cursor, field, at, error);
    case FIELD_LSN:
      return read_lsn (cursor, field, at, error);
    case FIELD_DECIMAL:
      return read_decimal (cursor, field, at, error);
    case FIELD_NUMBER:
      return teesql_json_uint (cursor, field->name, TEESQL_RECORD_NUMBER_MAX, at, error);
    case FIELD_TIME:
      return read_time (cursor, field, at, error);
    case FIELD_U32:
      return read_u32 (cursor, field, at, error);
    case FIELD_ITEMS:
    case FIELD_OBJECTS:
      return read_list (cursor, field, at, error);
    }
  return FALSE;
}

static gboolean
read_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  Reading *reading = user_data;
  const Field *field = NULL;
  guint64 schema = 0;

  if (reading->versioned)
    {
      reading->versioned = FALSE;
      if (!g_str_equal (key, "schema") || !teesql_json_uint (cursor, key, G_MAXUINT32, &schema, NULL) || schema != 1)
        return teesql_cursor_fail (cursor, error, "json", "schema %" G_GUINT64_FORMAT ", this version reads 1", schema);
      return TRUE;
    }
  if (reading->n_read == reading->shape->n_fields)
    return teesql_cursor_fail (cursor, error, "json", "%s: a member “%s” too many", reading->shape->name, key);
  field = &reading->shape->fields[reading->n_read++];
  if (!g_str_equal (key, field->name))
    return teesql_cursor_fail (cursor, error, "json", "%s: “%s” where “%s” belongs", reading->shape->name, key, field->name);
  return read_field (cursor, field, G_STRUCT_MEMBER_P (reading->base, field->offset), error);
}

static gboolean
read_members (TeesqlCursor *cursor, Reading *reading, GError **error)
{
  if (!teesql_json_object (cursor, reading->shape->name, read_member, reading, error))
    return FALSE;
  if (reading->versioned || reading->n_read != reading->shape->n_fields)
    return teesql_cursor_fail (cursor, error, "json", "%s: “%s” is missing", reading->shape->name,
                               reading->versioned ? "schema" : reading->shape->fields[reading->n_read].name);
  return TRUE;
}

static gboolean
read_shape (TeesqlCursor *cursor, const Shape *shape, gpointer base, GError **error)
{
  Reading reading = { shape, base };

  return read_members (cursor, &reading, error);
}

static gboolean
read_record (GBytes *json, TeesqlCatalogRecord *record, GError **error)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (json, &size);
  Reading reading = { &record_shape, record, 0, TRUE };
  TeesqlCursor cursor;

  return teesql_json_begin (&cursor, "catalog record", text, size, error) && read_members (&cursor, &reading, error) &&
         teesql_json_end (&cursor, error);
}

static void
mark_incrementals (TeesqlCatalogRecord *record)
{
  static const guint8 none[TEESQL_SEAL_BACKUP_ID_SIZE];

  for (guint i = 0; i < record->backups->len; i++)
    {
      TeesqlBackup *backup = g_ptr_array_index (record->backups, i);

      backup->incremental = memcmp (backup->parent_id, none, sizeof none) != 0;
    }
}

static gboolean
refuse (GError **error, const char *message)
{
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "catalog-record", "%s", message);
}

TeesqlCatalogRecord *
teesql_catalog_record_parse (GBytes *json, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_new ();
  g_autoptr (GBytes) spelled = NULL;
  g_autoptr (GError) local = NULL;

  if (g_bytes_get_size (json) > TEESQL_CATALOG_RECORD_MAX)
    {
      refuse (error, "catalog record: over 16 MiB");
      return NULL;
    }
  if (!read_record (json, record, &local))
    {
      refuse (error, local->message);
      return NULL;
    }
  mark_incrementals (record);
  if (!teesql_catalog_record_check (record, error))
    return NULL;
  spelled = teesql_catalog_record_to_json (record);
  if (!g_bytes_equal (spelled, json))
    {
      refuse (error, "catalog record: not in the one spelling that is written");
      return NULL;
    }
  return g_steal_pointer (&record);
}
