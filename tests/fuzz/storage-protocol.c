/* Both directions: what a lying host sends the daemon, and what a host reads. First byte: 0 a message of a host, 1 one of the daemon, 2 a
 * greeting. */
#include "storage/teesql-storage-hello.h"
#include "storage/teesql-storage-protocol.h"
#include <string.h>
#include <teesql/teesql-error.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What was read must read the same once it was written again. */
static void
write_back (const TeesqlStorageMessage *message, gboolean from_host)
{
  g_autofree guint8 *frame = g_malloc (TEESQL_STORAGE_FRAME_MAX);
  TeesqlStorageMessage again;
  gsize size = teesql_storage_message_encode (message, frame);

  g_assert_cmpuint (size, >, 0);
  g_assert_true (teesql_storage_message_decode (&again, from_host, frame, size, NULL));
  g_assert_cmpuint (again.type, ==, message->type);
  g_assert_cmpuint (again.size, ==, message->size);
  g_assert_cmpuint (again.slot, ==, message->slot);
  g_assert_cmpstr (again.text, ==, message->text);
}

static void
read_error (const TeesqlStorageMessage *message)
{
  g_autoptr (GError) error = teesql_storage_message_dup_error (message);

  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_cmpuint (strlen (error->message), <=, TEESQL_STORAGE_MESSAGE_MAX + 64);
  g_assert_cmpuint (teesql_error_get_retry_after_ms (error), <=, 3600000);
  g_assert_false (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
read_items (const TeesqlStorageMessage *message)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  TeesqlCursor rest = message->rest;

  if (!teesql_storage_items_decode (&rest, 100, items, NULL))
    g_assert_cmpuint (items->len, <=, 100);
}

static void
read_message (const guint8 *data, gsize size, gboolean from_host)
{
  g_autoptr (GError) error = NULL;
  TeesqlStorageMessage message;

  if (!teesql_storage_message_decode (&message, from_host, data, size, &error))
    {
      g_assert_nonnull (error);
      return;
    }
  write_back (&message, from_host);
  if (message.type == TEESQL_STORAGE_FAILED)
    read_error (&message);
  else if (message.type == TEESQL_STORAGE_ITEMS)
    read_items (&message);
  else if (message.type == TEESQL_STORAGE_UPLOAD_TAGS)
    {
      g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
      TeesqlCursor rest = message.rest;

      if (teesql_storage_tags_decode (&rest, 100, tags, NULL))
        g_assert_cmpuint (tags->len, <=, 100);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  if (size == 0 || size > TEESQL_STORAGE_FRAME_MAX)
    return 0;
  if (data[0] < 2)
    read_message (data + 1, size - 1, data[0] == 0);
  else
    {
      g_autoptr (TeesqlStorageHello) hello = NULL;
      TeesqlCursor rest;

      teesql_cursor_init (&rest, "greeting", data + 1, size - 1);
      hello = teesql_storage_hello_decode (&rest, NULL);
    }
  return 0;
}
