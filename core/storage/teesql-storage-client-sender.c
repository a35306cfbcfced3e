#include "storage/teesql-storage-client-private.h"
#include <string.h>

/* Content on its way to the host. A stream is read into memory of our own first, and copied from there: what it computes in the buffer it
 * was given (a seal, say) must not lie where the host can write. The bytes of a part are ready and are copied as they are. */

static void read_more (TeesqlStorageCall *call);

static guint
count_with_host (const TeesqlStorageCall *call)
{
  return (guint) __builtin_popcountll (call->with_host);
}

static gboolean
has_bytes (const TeesqlStorageCall *call)
{
  if (call->bytes != NULL)
    return call->position < g_bytes_get_size (call->bytes);
  return !call->reading && call->buffered > 0;
}

gboolean
teesql_storage_sender_wants_slot (const TeesqlStorageCall *call)
{
  if (call->over || call->cancelled_at != 0 || !has_bytes (call))
    return FALSE;
  return call->n_slots > 0 ? call->n_reserved > 0 : count_with_host (call) < TEESQL_STORAGE_WINDOW;
}

static void
send_end (TeesqlStorageCall *call)
{
  TeesqlStorageMessage message = { .type = call->content_error != NULL ? TEESQL_STORAGE_CONTENT_FAILED : TEESQL_STORAGE_CONTENT_END };

  if (!call->over)
    teesql_storage_call_send (call, &message);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageCall *call = user_data;
  g_autoptr (TeesqlStorageClient) client = g_object_ref (call->client);
  gsize n = 0;

  call->reading = FALSE;
  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &n, &call->content_error))
    n = 0;
  call->buffered = n;
  call->ended = n < call->buffer_size;
  if (call->cancelled_at != 0 || call->has_answer)
    g_clear_error (&call->content_error); /* it was stopped, nothing is wrong with it */
  else if (n > 0)
    teesql_storage_call_wait_for_slot (call);
  else
    send_end (call);
  if (call->has_answer)
    teesql_storage_call_settle (call);
}

static void
read_more (TeesqlStorageCall *call)
{
  call->reading = TRUE;
  g_input_stream_read_all_async (call->content, call->buffer, call->buffer_size, G_PRIORITY_DEFAULT, call->stop_reading, read_cb, call);
}

static void
fill_from_bytes (TeesqlStorageCall *call, guint8 *slot, guint32 *out_length)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (call->bytes, &size);
  gsize n = MIN (size - call->position, TEESQL_STORAGE_SLOT_SIZE);

  memcpy (slot, data + call->position, n);
  call->position += n;
  *out_length = (guint32) n;
}

static void
fill_from_buffer (TeesqlStorageCall *call, guint8 *slot, guint32 *out_length)
{
  memcpy (slot, call->buffer, call->buffered);
  *out_length = (guint32) call->buffered;
  call->buffered = 0;
}

void
teesql_storage_sender_use_slot (TeesqlStorageCall *call, guint32 slot)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_CONTENT, .slot = slot };
  guint8 *memory = teesql_storage_arena_get (&call->client->arena, slot);

  if (call->bytes != NULL)
    fill_from_bytes (call, memory, &message.length);
  else
    fill_from_buffer (call, memory, &message.length);
  call->with_host |= (guint64) 1 << slot;
  teesql_storage_call_send (call, &message);
  if (call->bytes != NULL)
    {
      if (!has_bytes (call))
        send_end (call);
    }
  else if (call->ended)
    send_end (call);
  else
    read_more (call);
  if (teesql_storage_sender_wants_slot (call))
    teesql_storage_call_wait_for_slot (call);
}

/* A part that lies in a run already is said to be there; the call keeps it until the host's last word. */
static gboolean
send_run (TeesqlStorageCall *call)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_CONTENT };
  gsize size = 0;
  const guint8 *data = call->bytes != NULL ? g_bytes_get_data (call->bytes, &size) : NULL;
  guint32 run = 0;

  if (data == NULL || call->client->lender == NULL || !teesql_storage_lender_find (call->client->lender, data, size, &run))
    return FALSE;
  message.slot = TEESQL_STORAGE_N_SLOTS + run;
  message.length = (guint32) size;
  call->position = size;
  teesql_storage_call_send (call, &message);
  send_end (call);
  return TRUE;
}

void
teesql_storage_sender_start (TeesqlStorageCall *call)
{
  if (send_run (call))
    return;
  if (call->bytes != NULL && g_bytes_get_size (call->bytes) <= TEESQL_STORAGE_MAPPED_MAX)
    {
      call->n_slots = (guint) ((g_bytes_get_size (call->bytes) + TEESQL_STORAGE_SLOT_SIZE - 1) / TEESQL_STORAGE_SLOT_SIZE);
      teesql_storage_call_wait_for_slots (call);
      return;
    }
  if (call->bytes != NULL)
    {
      teesql_storage_call_wait_for_slot (call);
      return;
    }
  call->stop_reading = g_cancellable_new ();
  call->buffer = g_malloc (call->buffer_size);
  read_more (call);
}
