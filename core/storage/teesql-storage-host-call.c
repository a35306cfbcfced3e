#include "storage/teesql-storage-host-private.h"
#include "base/teesql-domains.h"
#include <string.h>

/* The daemon's messages, turned into calls of the plugin's object. The daemon is trusted, its messages are still only obeyed where they
 * make sense: what is about a call that has ended meanwhile crossed our last word, and is dropped. */

#define N_PARTS_MAX 10000u
#define LET_GO_MS   20

static void
call_free (gpointer data)
{
  TeesqlStorageHostCall *call = data;

  if (call->content != NULL)
    teesql_storage_host_content_cut (call->content);
  g_clear_object (&call->content);
  g_clear_object (&call->cancellable);
  g_clear_object (&call->stream);
  g_clear_pointer (&call->tags, g_ptr_array_unref);
  g_queue_clear (&call->credits);
  g_free (call->name);
  g_free (call->upload_id);
  g_free (call->tag);
  g_clear_error (&call->failure);
  g_clear_pointer (&call->let_go, g_source_unref);
  g_clear_pointer (&call->patience, g_source_unref);
  g_clear_pointer (&call->mapped, teesql_storage_part_unref);
  g_free (call->part);
  g_free (call);
}

void
teesql_storage_host_call_send (TeesqlStorageHostCall *call, TeesqlStorageMessage *message)
{
  message->call = call->id;
  if (call->host->channel != NULL)
    teesql_storage_channel_send (call->host->channel, message);
}

void
teesql_storage_host_call_finish (TeesqlStorageHostCall *call, TeesqlStorageMessage *message)
{
  TeesqlStorageHost *host = call->host;

  teesql_storage_host_call_send (call, message);
  g_hash_table_remove (host->calls, GUINT_TO_POINTER (call->id));
  call_free (call);
  if (host->leaving && g_hash_table_size (host->calls) == 0)
    g_main_loop_quit (host->loop);
}

void
teesql_storage_host_call_fail (TeesqlStorageHostCall *call, GError *error)
{
  g_autoptr (GError) owned = error;
  TeesqlStorageMessage message = { 0 };

  teesql_storage_message_set_error (&message, owned);
  teesql_storage_host_call_finish (call, &message);
}

static GError *
unprintable (const char *what)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0,
                           "%s is not of printable ASCII\nhint: report this to the author of the plugin", what);
}

static GError *
no_memory (gsize size)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-memory", 0,
                           "no memory for a part of %" G_GSIZE_FORMAT " bytes", size);
}

/* ---- what the plugin answered ---- */

static void
finish_info (TeesqlStorageHostCall *call, TeesqlObjectInfo *info, GError *error)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DONE_INFO };
  g_autoptr (TeesqlObjectInfo) owned = info;
  const char *tag = NULL;

  if (info == NULL)
    {
      teesql_storage_host_call_fail (call, error);
      return;
    }
  tag = teesql_object_info_get_tag (info);
  message.size = teesql_object_info_get_size (info);
  message.offset = (guint64) teesql_object_info_get_modified_unix (info);
  message.text = tag != NULL && teesql_storage_text_is_plain (tag, TEESQL_STORAGE_ID_MAX) ? tag : NULL;
  teesql_storage_host_call_finish (call, &message);
}

static void
finish_text (TeesqlStorageHostCall *call, char *text, GError *error)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DONE_TEXT, .text = text };
  g_autofree char *owned = text;

  if (text == NULL)
    teesql_storage_host_call_fail (call, error);
  else if (!teesql_storage_text_is_plain (text, TEESQL_STORAGE_ID_MAX))
    teesql_storage_host_call_fail (call, unprintable ("the upload's id or tag"));
  else
    teesql_storage_host_call_finish (call, &message);
}

static void
finish_plain (TeesqlStorageHostCall *call, gboolean done, GError *error)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DONE };

  if (done)
    teesql_storage_host_call_finish (call, &message);
  else
    teesql_storage_host_call_fail (call, error);
}

static void
put_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  TeesqlObjectInfo *info = teesql_storage_put_finish (TEESQL_STORAGE (source), result, &error);

  finish_info (user_data, info, error);
}

static void
stat_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  TeesqlObjectInfo *info = teesql_storage_stat_finish (TEESQL_STORAGE (source), result, &error);

  finish_info (user_data, info, error);
}

static void
remove_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean done = teesql_storage_remove_finish (TEESQL_STORAGE (source), result, &error);

  finish_plain (user_data, done, error);
}

static void
begin_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  char *id = teesql_storage_upload_begin_finish (TEESQL_STORAGE (source), result, &error);

  finish_text (user_data, id, error);
}

/* A plugin's thread that has just answered holds the bytes a moment longer, which is waited for. Whoever still has them then may keep them
 * for as long as it likes, and gets a copy under the same addresses. So also after a failure: a thread that was cancelled may be writing
 * still, and would put another part's bytes where these belong. */
static gboolean
settle_cb (gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  gboolean held = teesql_storage_part_stop_waiting (call->mapped, call->let_go);
  gboolean settled = !held || teesql_storage_part_settle (call->mapped);

  g_source_destroy (call->patience);
  if (settled)
    finish_text (call, g_steal_pointer (&call->tag), g_steal_pointer (&call->failure));
  else
    teesql_storage_host_call_fail (call, no_memory (call->part_size));
  return G_SOURCE_REMOVE;
}

static void
settle_part (TeesqlStorageHostCall *call)
{
  call->let_go = g_idle_source_new ();
  g_source_set_priority (call->let_go, G_PRIORITY_DEFAULT);
  g_source_set_callback (call->let_go, settle_cb, call, NULL);
  call->patience = g_timeout_source_new (LET_GO_MS);
  g_source_set_callback (call->patience, settle_cb, call, NULL);
  if (!teesql_storage_part_wait (call->mapped, call->let_go))
    g_source_attach (call->let_go, NULL);
  g_source_attach (call->patience, NULL);
}

static void
part_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  GError *error = NULL;
  char *tag = teesql_storage_upload_part_finish (TEESQL_STORAGE (source), result, &error);

  if (call->mapped == NULL)
    {
      finish_text (call, tag, error);
      return;
    }
  call->tag = tag;
  call->failure = error;
  settle_part (call);
}

static void
commit_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  TeesqlObjectInfo *info = teesql_storage_upload_commit_finish (TEESQL_STORAGE (source), result, &error);

  finish_info (user_data, info, error);
}

static void
abort_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean done = teesql_storage_upload_abort_finish (TEESQL_STORAGE (source), result, &error);

  finish_plain (user_data, done, error);
}

/* ---- list ---- */

static void
send_items (TeesqlStorageHostCall *call, TeesqlStorageWriter *writer)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_ITEMS };

  teesql_cursor_init (&message.rest, "items", writer->data, writer->size);
  if (writer->size > 0)
    teesql_storage_host_call_send (call, &message);
  writer->size = 0;
}

/* The tag is for display; one that is no text is left out. */
static TeesqlObjectInfo *
dup_sendable (const TeesqlObjectInfo *info)
{
  const char *tag = teesql_object_info_get_tag (info);

  if (tag != NULL && !teesql_storage_text_is_plain (tag, TEESQL_STORAGE_ID_MAX))
    tag = NULL;
  return teesql_object_info_new (teesql_object_info_get_name (info), teesql_object_info_get_size (info),
                                 teesql_object_info_get_modified_unix (info), tag);
}

static void
send_page (TeesqlStorageHostCall *call, const TeesqlObjectPage *page)
{
  g_autofree guint8 *rest = g_malloc (TEESQL_STORAGE_FRAME_MAX / 2);
  TeesqlStorageWriter writer = { .data = rest, .capacity = TEESQL_STORAGE_FRAME_MAX / 2 };
  guint n = teesql_object_page_get_n_objects (page);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (TeesqlObjectInfo) info = dup_sendable (teesql_object_page_get_object (page, i));

      if (teesql_storage_writer_item (&writer, info))
        continue;
      send_items (call, &writer);
      if (!teesql_storage_writer_item (&writer, info))
        g_assert_not_reached (); /* name and tag are bounded far below a frame */
    }
  send_items (call, &writer);
}

static void
list_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DONE_TEXT };
  GError *error = NULL;
  g_autoptr (TeesqlObjectPage) page = teesql_storage_list_finish (TEESQL_STORAGE (source), result, &error);

  if (page == NULL)
    {
      teesql_storage_host_call_fail (call, error);
      return;
    }
  message.text = teesql_object_page_get_next_token (page);
  if (message.text != NULL && !teesql_storage_text_is_plain (message.text, TEESQL_STORAGE_TOKEN_MAX))
    {
      teesql_storage_host_call_fail (call, unprintable ("the next page's token"));
      return;
    }
  send_page (call, page);
  teesql_storage_host_call_finish (call, &message);
}

/* ---- parts ---- */

/* Too large to stay in its slots: into memory of our own, since the plugin may keep the bytes for as long as it likes. */
static void
copy_part (TeesqlStorageHostCall *call, guint32 slot, guint32 length)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_TAKEN, .slot = slot };

  if (call->part == NULL || length > call->part_size - call->part_got)
    return;
  memcpy (call->part + call->part_got, teesql_storage_arena_get (&call->host->arena, slot), length);
  call->part_got += length;
  teesql_storage_host_call_send (call, &message);
}

static void
take_part (TeesqlStorageHostCall *call, guint32 slot, guint32 length)
{
  if (call->asked)
    return;
  if (call->mapped == NULL)
    copy_part (call, slot, length);
  else if (!teesql_storage_part_add (call->mapped, &call->host->arena, slot, length))
    teesql_storage_host_call_fail (call, no_memory (call->part_size));
}

/* All of it at once, where the daemon has filled it. */
static void
take_run (TeesqlStorageHostCall *call, guint32 run, gsize length)
{
  if (call->asked || call->mapped == NULL || run >= TEESQL_STORAGE_N_RUNS || length != call->part_size || length > TEESQL_STORAGE_RUN_SIZE)
    return;
  teesql_storage_part_unref (call->mapped);
  call->mapped = teesql_storage_part_new_for_run (call->host->runs, &call->host->arena, run, length);
  if (call->mapped == NULL)
    teesql_storage_host_call_fail (call, no_memory (call->part_size));
}

static GBytes *
dup_part (TeesqlStorageHostCall *call)
{
  if (call->mapped != NULL)
    return teesql_storage_part_is_complete (call->mapped) ? teesql_storage_part_dup_bytes (call->mapped) : NULL;
  return call->part_got == call->part_size ? g_bytes_new_take (g_steal_pointer (&call->part), call->part_size) : NULL;
}

static void
end_part (TeesqlStorageHostCall *call)
{
  g_autoptr (GBytes) bytes = call->asked || call->type != TEESQL_STORAGE_UPLOAD_PART ? NULL : dup_part (call);

  if (bytes == NULL)
    return;
  call->asked = TRUE;
  teesql_storage_upload_part_async (call->host->storage, call->name, call->upload_id, call->number, bytes, call->cancellable, part_cb,
                                    call);
}

static void
begin_part (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  call->upload_id = g_strdup (message->text);
  call->number = message->number;
  call->part_size = (gsize) message->size;
  if (call->part_size <= TEESQL_STORAGE_MAPPED_MAX)
    call->mapped = teesql_storage_part_new (call->part_size);
  else
    call->part = g_try_malloc (call->part_size);
  if (call->mapped == NULL && call->part == NULL)
    teesql_storage_host_call_fail (call, no_memory (call->part_size));
}

/* ---- what the daemon asks ---- */

static TeesqlStorageHostCall *
call_new (TeesqlStorageHost *self, const TeesqlStorageMessage *message)
{
  TeesqlStorageHostCall *call = g_new0 (TeesqlStorageHostCall, 1);

  call->host = self;
  call->id = message->call;
  call->type = message->type;
  call->name = g_strdup (message->name);
  call->cancellable = g_cancellable_new ();
  g_queue_init (&call->credits);
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (call->id), call);
  return call;
}

static void
begin_put (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  gint64 size = message->size > G_MAXINT64 ? -1 : (gint64) message->size;

  call->content = teesql_storage_host_content_new (call);
  call->asked = TRUE;
  teesql_storage_put_async (call->host->storage, call->name, G_INPUT_STREAM (call->content), size, message->flags, call->cancellable,
                            put_cb, call);
}

static void
commit (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  g_autofree const char **tags = g_new0 (const char *, (call->tags != NULL ? call->tags->len : 0) + 1);

  for (guint i = 0; call->tags != NULL && i < call->tags->len; i++)
    tags[i] = call->tags->pdata[i];
  call->asked = TRUE;
  teesql_storage_upload_commit_async (call->host->storage, call->name, message->text, tags, message->flags, call->cancellable, commit_cb,
                                      call);
}

static void
ask_plugin (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  TeesqlStorage *storage = call->host->storage;

  call->asked = TRUE;
  switch (message->type)
    {
    case TEESQL_STORAGE_LIST:
      teesql_storage_list_async (storage, call->name, message->text, message->number, call->cancellable, list_cb, call);
      break;
    case TEESQL_STORAGE_STAT:
      teesql_storage_stat_async (storage, call->name, call->cancellable, stat_cb, call);
      break;
    case TEESQL_STORAGE_REMOVE:
      teesql_storage_remove_async (storage, call->name, call->cancellable, remove_cb, call);
      break;
    case TEESQL_STORAGE_UPLOAD_BEGIN:
      teesql_storage_upload_begin_async (storage, call->name, message->flags, call->cancellable, begin_cb, call);
      break;
    default:
      teesql_storage_upload_abort_async (storage, call->name, message->text, call->cancellable, abort_cb, call);
      break;
    }
}

static void
begin_call (TeesqlStorageHost *self, const TeesqlStorageMessage *message)
{
  TeesqlStorageHostCall *call = call_new (self, message);

  if (message->type == TEESQL_STORAGE_PUT)
    begin_put (call, message);
  else if (message->type == TEESQL_STORAGE_GET)
    teesql_storage_host_get_start (call, message->offset, message->size);
  else if (message->type == TEESQL_STORAGE_UPLOAD_PART)
    begin_part (call, message);
  else if (message->type == TEESQL_STORAGE_UPLOAD_COMMIT)
    commit (call, message);
  else
    ask_plugin (call, message);
}

/* The tags come first; their call begins with them. */
static gboolean
add_tags (TeesqlStorageHost *self, TeesqlStorageHostCall *call, const TeesqlStorageMessage *message, GError **error)
{
  TeesqlCursor rest = message->rest;

  if (call == NULL)
    call = call_new (self, message);
  if (call->tags == NULL)
    call->tags = g_ptr_array_new_with_free_func (g_free);
  return teesql_storage_tags_decode (&rest, N_PARTS_MAX, call->tags, error);
}

static void
cancel (TeesqlStorageHostCall *call)
{
  g_autoptr (GCancellable) cancellable = g_object_ref (call->cancellable);

  if (!call->asked)
    {
      teesql_storage_host_call_fail (call, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
      return;
    }
  if (call->stream != NULL)
    {
      teesql_storage_host_get_cancel (call); /* perhaps the end of it, as may be what follows */
      g_cancellable_cancel (cancellable);
      return;
    }
  if (call->content != NULL)
    {
      g_autoptr (TeesqlStorageHostContent) content = g_object_ref (call->content);

      g_cancellable_cancel (cancellable);
      teesql_storage_host_content_end (content, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
      return;
    }
  g_cancellable_cancel (cancellable);
}

void
teesql_storage_host_cancel_all (TeesqlStorageHost *self)
{
  g_autoptr (GList) ids = g_hash_table_get_keys (self->calls);

  for (const GList *link = ids; link != NULL; link = link->next)
    {
      TeesqlStorageHostCall *call = g_hash_table_lookup (self->calls, link->data);

      if (call != NULL)
        cancel (call);
    }
}

static void
handle_content (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  if (message->slot >= TEESQL_STORAGE_N_SLOTS)
    {
      take_run (call, message->slot - TEESQL_STORAGE_N_SLOTS, message->length);
      return;
    }
  if (message->length > TEESQL_STORAGE_SLOT_SIZE)
    return;
  if (call->content != NULL)
    teesql_storage_host_content_push (call->content, message->slot, message->length);
  else
    take_part (call, message->slot, message->length);
}

static void
handle_content_end (TeesqlStorageHostCall *call, gboolean failed)
{
  GError *error =
      failed ? teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-content", 0, "the content could not be read") : NULL;

  if (call->content != NULL)
    teesql_storage_host_content_end (call->content, error);
  else if (error != NULL)
    teesql_storage_host_call_fail (call, error);
  else
    end_part (call);
}

static void
handle_credit (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  if (call->type != TEESQL_STORAGE_GET || message->slot >= TEESQL_STORAGE_N_SLOTS)
    return;
  g_queue_push_tail (&call->credits, GUINT_TO_POINTER (message->slot));
  teesql_storage_host_get_pump (call);
}

static void
handle_about (TeesqlStorageHostCall *call, const TeesqlStorageMessage *message)
{
  if (message->type == TEESQL_STORAGE_CONTENT)
    handle_content (call, message);
  else if (message->type == TEESQL_STORAGE_CONTENT_END || message->type == TEESQL_STORAGE_CONTENT_FAILED)
    handle_content_end (call, message->type == TEESQL_STORAGE_CONTENT_FAILED);
  else if (message->type == TEESQL_STORAGE_CREDIT)
    handle_credit (call, message);
  else
    cancel (call);
}

gboolean
teesql_storage_host_handle (TeesqlStorageHost *self, const TeesqlStorageMessage *message, GError **error)
{
  TeesqlStorageHostCall *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (message->call));

  if (message->type == TEESQL_STORAGE_UPLOAD_TAGS)
    return add_tags (self, call, message, error);
  if (message->type == TEESQL_STORAGE_UPLOAD_COMMIT && call != NULL && call->type == TEESQL_STORAGE_UPLOAD_TAGS)
    {
      call->type = message->type;
      call->name = g_strdup (message->name);
      commit (call, message);
      return TRUE;
    }
  if (message->type <= TEESQL_STORAGE_UPLOAD_ABORT)
    {
      if (call != NULL || message->call == 0)
        return teesql_fail (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "storage-message", "call %u is there already",
                            message->call);
      begin_call (self, message);
      return TRUE;
    }
  if (call != NULL)
    handle_about (call, message);
  return TRUE;
}
