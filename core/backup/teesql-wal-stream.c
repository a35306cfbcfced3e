#include "backup/teesql-wal-stream.h"
#include "base/teesql-cursor.h"

/* microseconds from 1970 to 2000-01-01, PostgreSQL's epoch */
#define POSTGRES_EPOCH_US G_GINT64_CONSTANT (946684800000000)

static gboolean
parse_data (TeesqlCursor *cursor, TeesqlWalMessage *out, GError **error)
{
  guint64 sent_at = 0;

  out->kind = TEESQL_WAL_MESSAGE_DATA;
  if (!teesql_cursor_u64_be (cursor, "start", &out->start_lsn, error) ||
      !teesql_cursor_u64_be (cursor, "server end", &out->server_lsn, error) || !teesql_cursor_u64_be (cursor, "time", &sent_at, error))
    return FALSE;
  out->size = teesql_cursor_remaining (cursor);
  if (out->start_lsn > G_MAXUINT64 - out->size)
    return teesql_cursor_fail (cursor, error, "wal-position", "start %" G_GUINT64_FORMAT, out->start_lsn);
  return teesql_cursor_take (cursor, "data", out->size, &out->data, error);
}

static gboolean
parse_keepalive (TeesqlCursor *cursor, TeesqlWalMessage *out, GError **error)
{
  guint64 sent_at = 0;
  guint8 reply = 0;

  out->kind = TEESQL_WAL_MESSAGE_KEEPALIVE;
  if (!teesql_cursor_u64_be (cursor, "server end", &out->server_lsn, error) || !teesql_cursor_u64_be (cursor, "time", &sent_at, error) ||
      !teesql_cursor_u8 (cursor, "reply", &reply, error) || !teesql_cursor_expect_end (cursor, error))
    return FALSE;
  out->reply_wanted = reply != 0;
  return TRUE;
}

gboolean
teesql_wal_message_parse (const guint8 *data, gsize size, TeesqlWalMessage *out, GError **error)
{
  TeesqlWalMessage message = { .kind = TEESQL_WAL_MESSAGE_DATA };
  TeesqlCursor cursor;
  guint8 kind = 0;
  gboolean ok = FALSE;

  teesql_cursor_init (&cursor, "WAL message", data, size);
  if (!teesql_cursor_u8 (&cursor, "kind", &kind, error))
    return FALSE;
  switch (kind)
    {
    case 'w':
      ok = parse_data (&cursor, &message, error);
      break;
    case 'k':
      ok = parse_keepalive (&cursor, &message, error);
      break;
    default:
      return teesql_cursor_fail (&cursor, error, "replication-message", "kind 0x%02x, expected 'w' or 'k'", kind);
    }
  if (ok)
    *out = message;
  return ok;
}

static guint8 *
write_u64_be (guint8 *at, guint64 value)
{
  for (int shift = 56; shift >= 0; shift -= 8)
    *at++ = (guint8) (value >> shift);
  return at;
}

void
teesql_wal_status_write (guint64 written, guint64 flushed, gint64 now_unix_us, guint8 out[TEESQL_WAL_STATUS_SIZE])
{
  guint8 *at = out;

  *at++ = 'r';
  at = write_u64_be (at, written);
  at = write_u64_be (at, flushed);
  /* "applied": synchronous_commit = remote_apply would wait for ever for somebody who never replays */
  at = write_u64_be (at, flushed);
  at = write_u64_be (at, (guint64) (now_unix_us - POSTGRES_EPOCH_US));
  *at = 0;
}
