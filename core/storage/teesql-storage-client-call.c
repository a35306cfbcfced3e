#include "base/teesql-domains.h"
#include "storage/teesql-storage-client-private.h"
#include <string.h>

/* One call from its first message to the host's last word. A caller hears within a second of its cancellation (rule 3 of the interfaces);
 * the host may take longer, and until it has answered the call stays in the table without one. */

#define CANCEL_MS 900

gboolean
teesql_storage_call_violation (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-host-broken", "%s", text);
}

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
call_free (TeesqlStorageCall *call)
{
  drop_source (&call->cancel);
  drop_source (&call->patience);
  if (call->result != NULL && call->result_free != NULL)
    call->result_free (call->result);
  g_clear_error (&call->error);
  g_clear_error (&call->content_error);
  g_clear_pointer (&call->items, g_ptr_array_unref);
  g_clear_object (&call->content);
  g_clear_pointer (&call->bytes, g_bytes_unref);
  g_clear_object (&call->stop_reading);
  g_free (call->buffer);
  g_free (call->name);
  g_free (call);
}

/* Content belongs to the caller again once it has its answer, so a read that is under way comes back first. The callback may do anything,
 * to this call too, so it comes when nothing here is touched any more. */
void
teesql_storage_call_settle (TeesqlStorageCall *call)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  gpointer result = NULL;
  GDestroyNotify result_free = call->result_free;

  if (call->reading)
    {
      if (call->has_answer)
        g_cancellable_cancel (call->stop_reading);
      return;
    }
  if (call->has_answer && call->task != NULL)
    {
      task = g_steal_pointer (&call->task);
      error = g_steal_pointer (&call->error);
      result = g_steal_pointer (&call->result);
      drop_source (&call->cancel);
      drop_source (&call->patience);
    }
  if (call->over)
    call_free (call);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (result_free != NULL && task != NULL)
    g_task_return_pointer (task, result, result_free);
  else if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

void
teesql_storage_call_answer (TeesqlStorageCall *call, gpointer result, GDestroyNotify result_free, GError *error)
{
  if (call->has_answer)
    {
      if (result != NULL && result_free != NULL)
        result_free (result);
      g_clear_error (&error);
      return;
    }
  call->has_answer = TRUE;
  call->result = result;
  call->result_free = result_free;
  call->error = error;
}

void
teesql_storage_call_end (TeesqlStorageCall *call)
{
  TeesqlStorageClient *self = call->client;

  g_hash_table_steal (self->calls, GUINT_TO_POINTER (call->id));
  if (call->in_line)
    g_queue_remove (&self->line, call);
  call->in_line = FALSE;
  call->over = TRUE;
  for (guint32 slot = 0; slot < TEESQL_STORAGE_N_SLOTS; slot++)
    {
      if ((call->with_host >> slot & 1) != 0)
        teesql_storage_client_give_slot (self, slot);
    }
  call->with_host = 0;
  teesql_storage_call_forget_slots (call);
}

void
teesql_storage_call_send (TeesqlStorageCall *call, TeesqlStorageMessage *message)
{
  message->call = call->id;
  if (call->client->channel != NULL)
    teesql_storage_channel_send (call->client->channel, message);
}

static gboolean
impatient_cb (gpointer user_data)
{
  TeesqlStorageCall *call = user_data;
  g_autoptr (TeesqlStorageClient) client = g_object_ref (call->client);

  g_clear_pointer (&call->patience, g_source_unref);
  teesql_storage_call_answer (call, NULL, NULL, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
  teesql_storage_call_settle (call);
  return G_SOURCE_REMOVE;
}

void
teesql_storage_call_cancel (TeesqlStorageCall *call)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_CANCEL };

  if (call->cancelled_at != 0 || call->over)
    return;
  call->cancelled_at = g_get_monotonic_time ();
  teesql_storage_call_send (call, &message);
  if (call->stop_reading != NULL)
    g_cancellable_cancel (call->stop_reading);
  if (call->task == NULL)
    return;
  call->patience = g_timeout_source_new (CANCEL_MS);
  g_source_set_callback (call->patience, impatient_cb, call, NULL);
  g_source_attach (call->patience, call->client->context);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  TeesqlStorageCall *call = user_data;

  g_clear_pointer (&call->cancel, g_source_unref);
  teesql_storage_call_cancel (call);
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (TeesqlStorageCall *call, GCancellable *cancellable)
{
  if (cancellable == NULL)
    return;
  call->cancel = g_cancellable_source_new (cancellable);
  g_source_set_callback (call->cancel, G_SOURCE_FUNC (cancelled_cb), call, NULL);
  g_source_attach (call->cancel, call->client->context);
}

static guint32
next_id (TeesqlStorageClient *self)
{
  do
    self->last_id++;
  while (self->last_id == 0 || g_hash_table_contains (self->calls, GUINT_TO_POINTER (self->last_id)));
  return self->last_id;
}

TeesqlStorageCall *
teesql_storage_call_begin (TeesqlStorageClient *self, guint8 type, const char *name, GTask *task)
{
  g_autoptr (GTask) owned = task;
  TeesqlStorageCall *call = NULL;

  g_task_set_check_cancellable (task, FALSE); /* a success that won the race counts */
  if (self->broken != NULL)
    {
      g_task_return_error (task, g_error_copy (self->broken));
      return NULL;
    }
  if (g_task_return_error_if_cancelled (task))
    return NULL;
  call = g_new0 (TeesqlStorageCall, 1);
  call->client = self;
  call->id = next_id (self);
  call->type = type;
  call->name = g_strdup (name);
  call->task = g_steal_pointer (&owned);
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (call->id), call);
  watch_cancellable (call, g_task_get_cancellable (task));
  return call;
}

/* ---- what the host says about it ---- */

static gboolean
is_sender (const TeesqlStorageCall *call)
{
  return call->type == TEESQL_STORAGE_PUT || call->type == TEESQL_STORAGE_UPLOAD_PART;
}

static gboolean
take_back (TeesqlStorageCall *call, guint32 slot, const char *word, GError **error)
{
  if (slot >= TEESQL_STORAGE_N_SLOTS || (call->with_host >> slot & 1) == 0)
    return teesql_storage_call_violation (error, "%s for slot %u, which the host does not have", word, slot);
  call->with_host &= ~((guint64) 1 << slot);
  return TRUE;
}

static gboolean
handle_taken (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
{
  if (!is_sender (call) || call->n_slots > 0)
    return teesql_storage_call_violation (error, "content was taken of a call without content, or that keeps it to its end");
  if (!take_back (call, message->slot, "taken", error))
    return FALSE;
  teesql_storage_client_give_slot (call->client, message->slot);
  if (teesql_storage_sender_wants_slot (call))
    teesql_storage_call_wait_for_slot (call);
  return TRUE;
}

static gboolean
handle_opened (TeesqlStorageCall *call, GError **error)
{
  if (call->type != TEESQL_STORAGE_GET || call->opened)
    return teesql_storage_call_violation (error, "opened, of a call that is no get or is open");
  call->opened = TRUE;
  if (call->has_answer)
    return TRUE;
  call->stream = teesql_storage_client_stream_new (call);
  teesql_storage_call_answer (call, call->stream, g_object_unref, NULL);
  teesql_storage_call_settle (call);
  return TRUE;
}

static gboolean
handle_data (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
{
  if (call->type != TEESQL_STORAGE_GET || !call->opened)
    return teesql_storage_call_violation (error, "data, of a call that is no open get");
  if (message->length == 0 || message->length > TEESQL_STORAGE_SLOT_SIZE || message->length > call->length - call->received)
    return teesql_storage_call_violation (error, "%u bytes of data, beyond the slot or the range", message->length);
  if (!take_back (call, message->slot, "data", error))
    return FALSE;
  call->received += message->length;
  if (call->stream != NULL)
    teesql_storage_client_stream_push (call->stream, message->slot, message->length);
  else
    teesql_storage_client_give_slot (call->client, message->slot);
  return TRUE;
}

gboolean
teesql_storage_call_wants_slot (const TeesqlStorageCall *call)
{
  guint n = (guint) __builtin_popcountll (call->with_host);

  if (call->over || call->cancelled_at != 0)
    return FALSE;
  if (is_sender (call))
    return teesql_storage_sender_wants_slot (call);
  if (call->stream != NULL)
    return teesql_storage_client_stream_wants_slot (call->stream);
  if (call->type != TEESQL_STORAGE_GET || call->opened || call->length <= n * (guint64) TEESQL_STORAGE_SLOT_SIZE)
    return FALSE;
  return n < (teesql_storage_client_count_free (call->client) > TEESQL_STORAGE_N_SLOTS / 4 ? TEESQL_STORAGE_WINDOW : 1);
}

/* The call has @slot now: filled with content, or for the host to fill. */
void
teesql_storage_call_use_slot (TeesqlStorageCall *call, guint32 slot)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_CREDIT, .slot = slot };

  if (is_sender (call))
    {
      teesql_storage_sender_use_slot (call, slot);
      return;
    }
  call->with_host |= (guint64) 1 << slot;
  teesql_storage_call_send (call, &message);
  if (teesql_storage_call_wants_slot (call))
    teesql_storage_call_wait_for_slot (call);
}

static gboolean
handle_items (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
{
  TeesqlCursor rest = message->rest;

  if (call->type != TEESQL_STORAGE_LIST)
    return teesql_storage_call_violation (error, "objects, of a call that is no list");
  return teesql_storage_items_decode (&rest, call->max, call->items, error);
}

/* ---- the last word ---- */

static gboolean
fits_call (const TeesqlStorageCall *call, const TeesqlStorageMessage *message)
{
  switch (message->type)
    {
    case TEESQL_STORAGE_DONE:
      return call->type == TEESQL_STORAGE_REMOVE || call->type == TEESQL_STORAGE_UPLOAD_ABORT ||
             (call->type == TEESQL_STORAGE_GET && call->opened);
    case TEESQL_STORAGE_DONE_INFO:
      return call->type == TEESQL_STORAGE_PUT || call->type == TEESQL_STORAGE_STAT || call->type == TEESQL_STORAGE_UPLOAD_COMMIT;
    case TEESQL_STORAGE_DONE_TEXT:
      return call->type == TEESQL_STORAGE_LIST ||
             ((call->type == TEESQL_STORAGE_UPLOAD_BEGIN || call->type == TEESQL_STORAGE_UPLOAD_PART) && message->text != NULL);
    default:
      return message->type == TEESQL_STORAGE_FAILED;
    }
}

static GError *
error_of (TeesqlStorageCall *call, const TeesqlStorageMessage *message)
{
  if (call->content_error != NULL)
    return g_steal_pointer (&call->content_error); /* passed on unchanged */
  if (message->type != TEESQL_STORAGE_FAILED)
    return NULL;
  if (call->cancelled_at != 0 && teesql_storage_message_is_cancelled (message))
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  return teesql_storage_message_dup_error (message);
}

static void
answer_with (TeesqlStorageCall *call, const TeesqlStorageMessage *message)
{
  TeesqlObjectInfo *info = NULL;

  switch (message->type)
    {
    case TEESQL_STORAGE_DONE_INFO:
      info = teesql_object_info_new (call->name, message->size, (gint64) message->offset, message->text);
      teesql_storage_call_answer (call, info, (GDestroyNotify) teesql_object_info_unref, NULL);
      break;
    case TEESQL_STORAGE_DONE_TEXT:
      if (call->type == TEESQL_STORAGE_LIST)
        teesql_storage_call_answer (call, teesql_object_page_new (call->items, message->text), (GDestroyNotify) teesql_object_page_unref,
                                    NULL);
      else
        teesql_storage_call_answer (call, g_strdup (message->text), g_free, NULL);
      break;
    default:
      teesql_storage_call_answer (call, NULL, NULL, NULL);
      break;
    }
}

static gboolean
handle_last (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
{
  TeesqlStorageClientStream *stream = NULL;
  GError *failure = NULL;

  if (!fits_call (call, message))
    return teesql_storage_call_violation (error, "a last word of type %u, of a call of type %u", message->type, call->type);
  failure = error_of (call, message);
  teesql_storage_call_end (call);
  stream = g_steal_pointer (&call->stream);
  if (call->has_answer && stream == NULL)
    g_clear_error (&failure);
  else if (stream == NULL && failure != NULL)
    teesql_storage_call_answer (call, NULL, NULL, g_steal_pointer (&failure));
  else if (stream == NULL)
    answer_with (call, message);
  teesql_storage_call_settle (call);
  if (stream != NULL)
    teesql_storage_client_stream_end (stream, failure);
  return TRUE;
}

gboolean
teesql_storage_call_handle (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
{
  if (teesql_storage_message_is_last (message))
    return handle_last (call, message, error);
  switch (message->type)
    {
    case TEESQL_STORAGE_TAKEN:
      return handle_taken (call, message, error);
    case TEESQL_STORAGE_OPENED:
      return handle_opened (call, error);
    case TEESQL_STORAGE_DATA:
      return handle_data (call, message, error);
    case TEESQL_STORAGE_ITEMS:
      return handle_items (call, message, error);
    default:
      return teesql_storage_call_violation (error, "a message of type %u about a call", message->type);
    }
}
