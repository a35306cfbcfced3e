#include "backup/teesql-base-backup-message.h"
#include "base/teesql-cursor.h"
#include <string.h>

#define NAME_MAX_SIZE 64
#define PATH_MAX_SIZE 4096
#define OID_MAX_SIZE  10

static gboolean
parse_archive (TeesqlCursor *cursor, TeesqlBaseBackupMessage *out, GError **error)
{
  out->kind = TEESQL_BASE_BACKUP_ARCHIVE;
  return teesql_cursor_c_string (cursor, "archive name", NAME_MAX_SIZE, &out->name, error) &&
         teesql_cursor_c_string (cursor, "tablespace", PATH_MAX_SIZE, &out->tablespace, error) && teesql_cursor_expect_end (cursor, error);
}

static gboolean
parse_data (TeesqlCursor *cursor, TeesqlBaseBackupMessage *out, GError **error)
{
  out->kind = TEESQL_BASE_BACKUP_DATA;
  out->size = teesql_cursor_remaining (cursor);
  return teesql_cursor_take (cursor, "data", out->size, &out->data, error);
}

static gboolean
parse_progress (TeesqlCursor *cursor, TeesqlBaseBackupMessage *out, GError **error)
{
  out->kind = TEESQL_BASE_BACKUP_PROGRESS;
  return teesql_cursor_u64_be (cursor, "bytes", &out->done, error) && teesql_cursor_expect_end (cursor, error);
}

gboolean
teesql_base_backup_message_parse (const guint8 *data, gsize size, TeesqlBaseBackupMessage *out, GError **error)
{
  TeesqlBaseBackupMessage message = { .name = NULL };
  TeesqlCursor cursor;
  guint8 kind = 0;
  gboolean ok = FALSE;

  teesql_cursor_init (&cursor, "base backup message", data, size);
  if (!teesql_cursor_u8 (&cursor, "kind", &kind, error))
    return FALSE;
  switch (kind)
    {
    case 'd':
      ok = parse_data (&cursor, &message, error);
      break;
    case 'p':
      ok = parse_progress (&cursor, &message, error);
      break;
    case 'n':
      ok = parse_archive (&cursor, &message, error);
      break;
    case 'm':
      message.kind = TEESQL_BASE_BACKUP_MANIFEST;
      ok = teesql_cursor_expect_end (&cursor, error);
      break;
    default:
      return teesql_cursor_fail (&cursor, error, "replication-message", "kind 0x%02x, expected n, m, d or p", kind);
    }
  if (ok)
    *out = message;
  return ok;
}

char *
teesql_base_backup_archive_name (const char *file)
{
  gsize digits = strspn (file, "0123456789");

  if (g_str_equal (file, "base.tar"))
    return g_strdup ("base");
  return digits > 0 && digits <= OID_MAX_SIZE && file[0] != '0' && g_str_equal (file + digits, ".tar") ? g_strndup (file, digits) : NULL;
}
