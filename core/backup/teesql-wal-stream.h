#pragma once
/* Messages of a WAL stream (PostgreSQL's "Streaming Replication Protocol"). Pure. */
#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  TEESQL_WAL_MESSAGE_DATA,
  TEESQL_WAL_MESSAGE_KEEPALIVE,
} TeesqlWalMessageKind;

/**
 * TeesqlWalMessage:
 * @data: (nullable): lies in what was parsed
 */
typedef struct
{
  TeesqlWalMessageKind kind;
  guint64 start_lsn; /* of @data */
  guint64 server_lsn;
  gboolean reply_wanted;
  const guint8 *data;
  gsize size;
} TeesqlWalMessage;

gboolean teesql_wal_message_parse (const guint8 *data, gsize size, TeesqlWalMessage *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

#define TEESQL_WAL_STATUS_SIZE 34
/**
 * teesql_wal_status_write:
 * @written: received
 * @flushed: durable; 0 says nothing about it
 * @now_unix_us: our clock
 */
void teesql_wal_status_write (guint64 written, guint64 flushed, gint64 now_unix_us, guint8 out[TEESQL_WAL_STATUS_SIZE]);

G_END_DECLS
