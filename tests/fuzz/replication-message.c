/* The first byte chooses the parser, the rest is one message of a COPY that the server sends. */
#include "backup/teesql-base-backup-message.h"
#include "backup/teesql-wal-stream.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
assert_inside (const void *pointer, gsize length, const guint8 *data, gsize size)
{
  const guint8 *at = pointer;

  g_assert_true (at >= data && length <= size && (gsize) (at - data) <= size - length);
}

static void
fuzz_wal (const guint8 *data, gsize size)
{
  TeesqlWalMessage message;

  if (!teesql_wal_message_parse (data, size, &message, NULL))
    return;
  if (message.kind == TEESQL_WAL_MESSAGE_DATA)
    {
      assert_inside (message.data, message.size, data, size);
      g_assert_true (message.start_lsn + message.size >= message.start_lsn);
    }
  else
    g_assert_true (message.data == NULL && message.size == 0);
}

static void
fuzz_archive (const TeesqlBaseBackupMessage *message, const guint8 *data, gsize size)
{
  g_autofree char *name = teesql_base_backup_archive_name (message->name);

  assert_inside (message->name, strlen (message->name) + 1, data, size);
  assert_inside (message->tablespace, strlen (message->tablespace) + 1, data, size);
  if (name != NULL)
    g_assert_true (g_str_equal (name, "base") || strspn (name, "0123456789") == strlen (name));
}

static void
fuzz_base (const guint8 *data, gsize size)
{
  TeesqlBaseBackupMessage message;

  if (!teesql_base_backup_message_parse (data, size, &message, NULL))
    return;
  if (message.kind == TEESQL_BASE_BACKUP_ARCHIVE)
    fuzz_archive (&message, data, size);
  else if (message.kind == TEESQL_BASE_BACKUP_DATA)
    assert_inside (message.data, message.size, data, size);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  if (size == 0)
    return 0;
  if (data[0] % 2 == 0)
    fuzz_wal (data + 1, size - 1);
  else
    fuzz_base (data + 1, size - 1);
  return 0;
}
