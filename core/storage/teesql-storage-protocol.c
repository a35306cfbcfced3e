#include "storage/teesql-storage-protocol.h"
#include "base/teesql-domains.h"
#include <string.h>

#define REASON_MAX      ((gsize) 63)
#define RETRY_AFTER_MAX (60u * 60u * 1000u)

/* n name, t text or none, q size, o offset, f flags, u number, s slot, l length, e error, * the rest */
static const struct
{
  guint8 type;
  gboolean from_host;
  const char *fields;
} formats[] = {
  { TEESQL_STORAGE_HELLO, FALSE, "*" },
  { TEESQL_STORAGE_PUT, FALSE, "nqf" },
  { TEESQL_STORAGE_GET, FALSE, "noq" },
  { TEESQL_STORAGE_LIST, FALSE, "ntu" },
  { TEESQL_STORAGE_STAT, FALSE, "n" },
  { TEESQL_STORAGE_REMOVE, FALSE, "n" },
  { TEESQL_STORAGE_UPLOAD_BEGIN, FALSE, "nf" },
  { TEESQL_STORAGE_UPLOAD_PART, FALSE, "ntuq" },
  { TEESQL_STORAGE_UPLOAD_TAGS, FALSE, "*" },
  { TEESQL_STORAGE_UPLOAD_COMMIT, FALSE, "ntf" },
  { TEESQL_STORAGE_UPLOAD_ABORT, FALSE, "nt" },
  { TEESQL_STORAGE_CONTENT, FALSE, "sl" },
  { TEESQL_STORAGE_CONTENT_END, FALSE, "" },
  { TEESQL_STORAGE_CONTENT_FAILED, FALSE, "" },
  { TEESQL_STORAGE_CREDIT, FALSE, "s" },
  { TEESQL_STORAGE_CANCEL, FALSE, "" },
  { TEESQL_STORAGE_PING, FALSE, "q" },
  { TEESQL_STORAGE_READY, TRUE, "ftu" },
  { TEESQL_STORAGE_PONG, TRUE, "q" },
  { TEESQL_STORAGE_LOG, TRUE, "ue" },
  { TEESQL_STORAGE_TAKEN, TRUE, "s" },
  { TEESQL_STORAGE_OPENED, TRUE, "" },
  { TEESQL_STORAGE_DATA, TRUE, "sl" },
  { TEESQL_STORAGE_ITEMS, TRUE, "*" },
  { TEESQL_STORAGE_DONE, TRUE, "" },
  { TEESQL_STORAGE_DONE_INFO, TRUE, "qot" },
  { TEESQL_STORAGE_DONE_TEXT, TRUE, "t" },
  { TEESQL_STORAGE_FAILED, TRUE, "e" },
};

static const char *
fields_of (guint8 type, gboolean from_host)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      if (formats[i].type == type && formats[i].from_host == from_host)
        return formats[i].fields;
    }
  return NULL;
}

/* ---- writing ---- */

void
teesql_storage_writer_bytes (TeesqlStorageWriter *self, const guint8 *data, gsize size)
{
  if (self->failed || size > self->capacity - self->size)
    {
      self->failed = TRUE;
      return;
    }
  if (size > 0)
    memcpy (self->data + self->size, data, size);
  self->size += size;
}

void
teesql_storage_writer_u8 (TeesqlStorageWriter *self, guint8 value)
{
  teesql_storage_writer_bytes (self, &value, sizeof value);
}

void
teesql_storage_writer_u16 (TeesqlStorageWriter *self, guint16 value)
{
  guint8 bytes[] = { (guint8) (value >> 8), (guint8) value };

  teesql_storage_writer_bytes (self, bytes, sizeof bytes);
}

void
teesql_storage_writer_u32 (TeesqlStorageWriter *self, guint32 value)
{
  teesql_storage_writer_u16 (self, (guint16) (value >> 16));
  teesql_storage_writer_u16 (self, (guint16) value);
}

void
teesql_storage_writer_u64 (TeesqlStorageWriter *self, guint64 value)
{
  teesql_storage_writer_u32 (self, (guint32) (value >> 32));
  teesql_storage_writer_u32 (self, (guint32) value);
}

void
teesql_storage_writer_text (TeesqlStorageWriter *self, const char *text)
{
  teesql_storage_writer_bytes (self, (const guint8 *) text, strlen (text) + 1);
}

void
teesql_storage_writer_optional (TeesqlStorageWriter *self, const char *text)
{
  teesql_storage_writer_u8 (self, text != NULL);
  if (text != NULL)
    teesql_storage_writer_text (self, text);
}

static void
write_error (TeesqlStorageWriter *writer, const TeesqlStorageMessage *self)
{
  g_autofree char *message = teesql_storage_dup_printable (self->message != NULL ? self->message : "", TEESQL_STORAGE_MESSAGE_MAX, TRUE);

  teesql_storage_writer_u8 (writer, self->domain);
  teesql_storage_writer_u32 (writer, self->code);
  teesql_storage_writer_u32 (writer, self->retry_after_ms);
  teesql_storage_writer_text (writer, self->reason != NULL ? self->reason : "unspecified");
  teesql_storage_writer_text (writer, message);
}

static void
write_field (TeesqlStorageWriter *writer, const TeesqlStorageMessage *self, char field)
{
  switch (field)
    {
    case 'n':
      teesql_storage_writer_text (writer, self->name);
      break;
    case 't':
      teesql_storage_writer_optional (writer, self->text);
      break;
    case 'q':
      teesql_storage_writer_u64 (writer, self->size);
      break;
    case 'o':
      teesql_storage_writer_u64 (writer, self->offset);
      break;
    case 'f':
      teesql_storage_writer_u32 (writer, self->flags);
      break;
    case 'u':
      teesql_storage_writer_u32 (writer, self->number);
      break;
    case 's':
      teesql_storage_writer_u32 (writer, self->slot);
      break;
    case 'l':
      teesql_storage_writer_u32 (writer, self->length);
      break;
    case 'e':
      write_error (writer, self);
      break;
    default:
      teesql_storage_writer_bytes (writer, self->rest.data, self->rest.size);
      break;
    }
}

gsize
teesql_storage_message_encode (const TeesqlStorageMessage *self, guint8 *out)
{
  TeesqlStorageWriter writer = { .data = out, .capacity = TEESQL_STORAGE_FRAME_MAX };
  const char *fields = fields_of (self->type, self->type >= TEESQL_STORAGE_READY);

  g_return_val_if_fail (fields != NULL, 0);

  teesql_storage_writer_u8 (&writer, self->type);
  teesql_storage_writer_u32 (&writer, self->call);
  for (; *fields != '\0'; fields++)
    write_field (&writer, self, *fields);
  return writer.failed ? 0 : writer.size;
}

/* ---- reading ---- */

gboolean
teesql_storage_text_is_plain (const char *text, gsize max)
{
  gsize length = 0;

  while (text[length] >= 0x20 && text[length] <= 0x7e && length <= max)
    length++;
  return length >= 1 && length <= max && text[length] == '\0';
}

gboolean
teesql_storage_cursor_optional (TeesqlCursor *cursor, const char *field, gsize max, const char **out_text, GError **error)
{
  const char *text = NULL;
  guint8 present = 0;

  if (!teesql_cursor_u8 (cursor, field, &present, error))
    return FALSE;
  if (present > 1)
    return teesql_cursor_fail (cursor, error, "flag", "%s is marked with %u, expected 0 or 1", field, present);
  if (present == 1 && !teesql_cursor_c_string (cursor, field, max + 1, &text, error))
    return FALSE;
  if (text != NULL && !teesql_storage_text_is_plain (text, max))
    return teesql_cursor_fail (cursor, error, "text", "%s is empty or not printable", field);
  *out_text = text;
  return TRUE;
}

static gboolean
read_error (TeesqlCursor *cursor, TeesqlStorageMessage *out, GError **error)
{
  return teesql_cursor_u8 (cursor, "domain", &out->domain, error) && teesql_cursor_u32_be (cursor, "code", &out->code, error) &&
         teesql_cursor_u32_be (cursor, "retry time", &out->retry_after_ms, error) &&
         teesql_cursor_c_string (cursor, "reason", REASON_MAX + 1, &out->reason, error) &&
         teesql_cursor_c_string (cursor, "message", TEESQL_STORAGE_MESSAGE_MAX + 1, &out->message, error);
}

static gboolean
read_field (TeesqlCursor *cursor, TeesqlStorageMessage *out, char field, GError **error)
{
  switch (field)
    {
    case 'n':
      return teesql_cursor_c_string (cursor, "name", TEESQL_STORAGE_NAME_MAX + 1, &out->name, error);
    case 't':
      return teesql_storage_cursor_optional (cursor, "text", TEESQL_STORAGE_TOKEN_MAX, &out->text, error);
    case 'q':
      return teesql_cursor_u64_be (cursor, "size", &out->size, error);
    case 'o':
      return teesql_cursor_u64_be (cursor, "offset", &out->offset, error);
    case 'f':
      return teesql_cursor_u32_be (cursor, "flags", &out->flags, error);
    case 'u':
      return teesql_cursor_u32_be (cursor, "number", &out->number, error);
    case 's':
      return teesql_cursor_u32_be (cursor, "slot", &out->slot, error);
    case 'l':
      return teesql_cursor_u32_be (cursor, "length", &out->length, error);
    case 'e':
      return read_error (cursor, out, error);
    default:
      return teesql_cursor_sub (cursor, "rest", teesql_cursor_remaining (cursor), &out->rest, error);
    }
}

gboolean
teesql_storage_message_decode (TeesqlStorageMessage *out, gboolean from_host, const guint8 *data, gsize size, GError **error)
{
  TeesqlStorageMessage message = { 0 };
  TeesqlCursor cursor;
  const char *fields = NULL;

  teesql_cursor_init (&cursor, "storage message", data, size);
  if (!teesql_cursor_u8 (&cursor, "type", &message.type, error) || !teesql_cursor_u32_be (&cursor, "call", &message.call, error))
    return FALSE;
  fields = fields_of (message.type, from_host);
  if (fields == NULL)
    return teesql_cursor_fail (&cursor, error, "type", "there is no message of type %u in this direction", message.type);
  for (; *fields != '\0'; fields++)
    {
      if (!read_field (&cursor, &message, *fields, error))
        return FALSE;
    }
  if (!teesql_cursor_expect_end (&cursor, error))
    return FALSE;
  *out = message;
  return TRUE;
}

gboolean
teesql_storage_message_is_last (const TeesqlStorageMessage *self)
{
  return self->type >= TEESQL_STORAGE_DONE;
}

/* ---- errors ---- */

void
teesql_storage_message_set_error (TeesqlStorageMessage *self, const GError *error)
{
  self->type = TEESQL_STORAGE_FAILED;
  self->domain = TEESQL_STORAGE_DOMAIN_STORAGE;
  self->code = (guint32) error->code;
  if (error->domain == G_IO_ERROR && (error->code == G_IO_ERROR_CANCELLED || error->code == G_IO_ERROR_TIMED_OUT))
    self->domain = TEESQL_STORAGE_DOMAIN_IO;
  else if (error->domain == TEESQL_CONFIG_ERROR)
    self->domain = TEESQL_STORAGE_DOMAIN_CONFIG;
  else if (error->domain == TEESQL_PLUGIN_ERROR)
    self->domain = TEESQL_STORAGE_DOMAIN_PLUGIN;
  else if (error->domain != TEESQL_STORAGE_ERROR)
    self->code = TEESQL_ERROR_FAILED;
  self->retry_after_ms = teesql_error_get_retry_after_ms (error);
  self->reason = teesql_error_get_reason (error);
  self->message = error->message;
}

static gboolean
starts_hint (const char *text, gboolean with_hint)
{
  return with_hint && g_str_has_prefix (text, "\nhint: ");
}

char *
teesql_storage_dup_printable (const char *text, gsize max, gboolean with_hint)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) strnlen (text, max));
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0' && out->len + 6 < max; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (starts_hint (p, with_hint))
        {
          g_string_append_c (out, '\n');
          with_hint = FALSE;
        }
      else
        g_string_append_unichar (out, g_unichar_isprint (c) ? c : '?');
    }
  return g_string_free (out, FALSE);
}

gboolean
teesql_storage_message_is_cancelled (const TeesqlStorageMessage *self)
{
  return self->type == TEESQL_STORAGE_FAILED && self->domain == TEESQL_STORAGE_DOMAIN_IO && self->code == G_IO_ERROR_CANCELLED;
}

GError *
teesql_storage_message_dup_error (const TeesqlStorageMessage *self)
{
  g_autofree char *text = teesql_storage_dup_printable (self->message, TEESQL_STORAGE_MESSAGE_MAX, TRUE);
  TeesqlError code = self->code <= TEESQL_ERROR_INTEGRITY ? (TeesqlError) self->code : TEESQL_ERROR_FAILED;
  GQuark domain = TEESQL_STORAGE_ERROR;

  if (self->domain == TEESQL_STORAGE_DOMAIN_IO && self->code == G_IO_ERROR_TIMED_OUT)
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, text);
  if (self->domain == TEESQL_STORAGE_DOMAIN_IO)
    return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "the storage gave up by itself: %s", text);
  if (self->domain == TEESQL_STORAGE_DOMAIN_CONFIG)
    domain = TEESQL_CONFIG_ERROR;
  else if (self->domain == TEESQL_STORAGE_DOMAIN_PLUGIN)
    domain = TEESQL_PLUGIN_ERROR;
  return teesql_error_new (domain, code, self->reason, MIN (self->retry_after_ms, RETRY_AFTER_MAX), "%s", text);
}

/* ---- lists in `rest` ---- */

gboolean
teesql_storage_writer_item (TeesqlStorageWriter *self, const TeesqlObjectInfo *info)
{
  TeesqlStorageWriter before = *self;

  teesql_storage_writer_text (self, teesql_object_info_get_name (info));
  teesql_storage_writer_u64 (self, teesql_object_info_get_size (info));
  teesql_storage_writer_u64 (self, (guint64) teesql_object_info_get_modified_unix (info));
  teesql_storage_writer_optional (self, teesql_object_info_get_tag (info));
  if (!self->failed)
    return TRUE;
  *self = before;
  return FALSE;
}

static TeesqlObjectInfo *
decode_item (TeesqlCursor *rest, GError **error)
{
  const char *name = NULL;
  const char *tag = NULL;
  guint64 size = 0;
  guint64 modified = 0;

  if (!teesql_cursor_c_string (rest, "name", TEESQL_STORAGE_NAME_MAX + 1, &name, error) ||
      !teesql_cursor_u64_be (rest, "size", &size, error) || !teesql_cursor_u64_be (rest, "time", &modified, error) ||
      !teesql_storage_cursor_optional (rest, "tag", TEESQL_STORAGE_ID_MAX, &tag, error))
    return NULL;
  return teesql_object_info_new (name, size, (gint64) modified, tag);
}

gboolean
teesql_storage_items_decode (TeesqlCursor *rest, guint max, GPtrArray *out_items, GError **error)
{
  /* these would have no end, and what waits behind them in the loop, the ping of the host included, would never get its turn */
  if (teesql_cursor_remaining (rest) == 0)
    return teesql_cursor_fail (rest, error, "count", "a message about objects that has none");
  while (teesql_cursor_remaining (rest) > 0)
    {
      TeesqlObjectInfo *info = NULL;

      if (out_items->len >= max)
        return teesql_cursor_fail (rest, error, "count", "more than the %u objects that were asked for", max);
      info = decode_item (rest, error);
      if (info == NULL)
        return FALSE;
      g_ptr_array_add (out_items, info);
    }
  return TRUE;
}

gboolean
teesql_storage_tags_decode (TeesqlCursor *rest, guint max, GPtrArray *out_tags, GError **error)
{
  while (teesql_cursor_remaining (rest) > 0)
    {
      const char *tag = NULL;

      if (out_tags->len >= max)
        return teesql_cursor_fail (rest, error, "count", "more than %u tags", max);
      if (!teesql_cursor_c_string (rest, "tag", TEESQL_STORAGE_ID_MAX + 1, &tag, error))
        return FALSE;
      g_ptr_array_add (out_tags, g_strdup (tag));
    }
  return TRUE;
}
