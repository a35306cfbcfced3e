#include "storage/teesql-storage-client-private.h"

/* The methods: what was asked becomes a message, and a call that waits for its last word. The public wrappers have checked the arguments.
 */

static TeesqlStorageCall *
begin (TeesqlStorage *storage, guint8 type, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  return teesql_storage_call_begin (TEESQL_STORAGE_CLIENT (storage), type, name, g_task_new (storage, cancellable, callback, user_data));
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
boolean_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static TeesqlObjectInfo *
info_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static TeesqlObjectPage *
page_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static GInputStream *
stream_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static char *
text_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  return TEESQL_STORAGE_CLIENT (storage)->features;
}

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, TEESQL_STORAGE_PUT, name, cancellable, callback, user_data);
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_PUT, .name = name, .flags = flags };

  if (call == NULL)
    return;
  message.size = size < 0 ? G_MAXUINT64 : (guint64) size;
  call->content = g_object_ref (content);
  /* one byte more than there should be, so that the end shows with the last read */
  call->buffer_size = (gsize) MIN (message.size, TEESQL_STORAGE_SLOT_SIZE - 1) + 1;
  teesql_storage_call_send (call, &message);
  teesql_storage_sender_start (call);
}

static void
get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, TEESQL_STORAGE_GET, name, cancellable, callback, user_data);
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_GET, .name = name, .offset = offset, .size = length };

  if (call == NULL)
    return;
  call->length = length;
  teesql_storage_call_send (call, &message);
  teesql_storage_call_wait_for_slot (call);
}

static void
list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, TEESQL_STORAGE_LIST, prefix, cancellable, callback, user_data);
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_LIST, .name = prefix, .number = max };

  if (call == NULL)
    return;
  message.text = token != NULL && token[0] != '\0' ? token : NULL;
  call->max = max;
  call->items = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  teesql_storage_call_send (call, &message);
}

static void
send_plain (TeesqlStorage *storage, TeesqlStorageMessage *message, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, message->type, message->name, cancellable, callback, user_data);

  if (call != NULL)
    teesql_storage_call_send (call, message);
}

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_STAT, .name = name };

  send_plain (storage, &message, cancellable, callback, user_data);
}

static void
remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_REMOVE, .name = name };

  send_plain (storage, &message, cancellable, callback, user_data);
}

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_UPLOAD_BEGIN, .name = name, .flags = flags };

  send_plain (storage, &message, cancellable, callback, user_data);
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, TEESQL_STORAGE_UPLOAD_PART, name, cancellable, callback, user_data);
  TeesqlStorageMessage message = {
    .type = TEESQL_STORAGE_UPLOAD_PART, .name = name, .text = upload_id, .number = number, .size = g_bytes_get_size (bytes)
  };

  if (call == NULL)
    return;
  call->bytes = g_bytes_ref (bytes);
  teesql_storage_call_send (call, &message);
  teesql_storage_sender_start (call);
}

/* As many tags a message as fit. */
static void
send_tags (TeesqlStorageCall *call, const char *const *tags)
{
  g_autofree guint8 *rest = g_malloc (TEESQL_STORAGE_FRAME_MAX / 2);
  TeesqlStorageWriter writer = { .data = rest, .capacity = TEESQL_STORAGE_FRAME_MAX / 2 };
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_UPLOAD_TAGS };

  for (gsize i = 0; tags[i] != NULL; i++)
    {
      teesql_storage_writer_text (&writer, tags[i]);
      if (tags[i + 1] != NULL && writer.size < writer.capacity - TEESQL_STORAGE_ID_MAX - 1)
        continue;
      teesql_cursor_init (&message.rest, "tags", writer.data, writer.size);
      teesql_storage_call_send (call, &message);
      writer.size = 0;
    }
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageCall *call = begin (storage, TEESQL_STORAGE_UPLOAD_COMMIT, name, cancellable, callback, user_data);
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_UPLOAD_COMMIT, .name = name, .text = upload_id, .flags = flags };

  if (call == NULL)
    return;
  send_tags (call, tags);
  teesql_storage_call_send (call, &message);
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_UPLOAD_ABORT, .name = name, .text = upload_id };

  send_plain (storage, &message, cancellable, callback, user_data);
}

void
teesql_storage_client_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = get_features;
  iface->put_async = put_async;
  iface->put_finish = info_finish;
  iface->get_async = get_async;
  iface->get_finish = stream_finish;
  iface->list_async = list_async;
  iface->list_finish = page_finish;
  iface->stat_async = stat_async;
  iface->stat_finish = info_finish;
  iface->remove_async = remove_async;
  iface->remove_finish = boolean_finish;
  iface->upload_begin_async = upload_begin_async;
  iface->upload_begin_finish = text_finish;
  iface->upload_part_async = upload_part_async;
  iface->upload_part_finish = text_finish;
  iface->upload_commit_async = upload_commit_async;
  iface->upload_commit_finish = info_finish;
  iface->upload_abort_async = upload_abort_async;
  iface->upload_abort_finish = boolean_finish;
}
