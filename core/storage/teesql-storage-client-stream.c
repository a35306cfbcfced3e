#include "storage/teesql-storage-client-private.h"
#include <string.h>

/* Slots that readers hold at most: beside these, and the three quarters that parts may have, some are left for all other calls. */
#define LEASES_MAX (TEESQL_STORAGE_N_SLOTS / 4 - 4)

/* What a get hands out. Bytes leave shared memory by one copy, into the buffer of whoever reads; only then does anybody look at them. */

typedef struct
{
  guint32 slot;
  guint8 *copy; /* NULL while it lies in the slot */
  gsize length;
  gsize position;
} Piece;

struct _TeesqlStorageClientStream
{
  GInputStream parent_instance;
  TeesqlStorageClient *client;
  TeesqlStorageCall *call; /* NULL once over */
  GQueue pieces;           /* Piece */
  gboolean ended;
  GError *error;
  GTask *reading;
  void *out;
  gsize out_size;
  GSource *cancel;
};

G_DEFINE_FINAL_TYPE (TeesqlStorageClientStream, teesql_storage_client_stream, G_TYPE_INPUT_STREAM)

static void
piece_free (TeesqlStorageClientStream *self, Piece *piece)
{
  if (piece->copy == NULL)
    teesql_storage_client_give_slot (self->client, piece->slot);
  g_free (piece->copy);
  g_free (piece);
}

static const guint8 *
piece_bytes (TeesqlStorageClientStream *self, const Piece *piece)
{
  return (piece->copy != NULL ? piece->copy : teesql_storage_arena_get (&self->client->arena, piece->slot)) + piece->position;
}

static guint
count_slots (TeesqlStorageClientStream *self)
{
  guint n = (guint) __builtin_popcountll (self->call != NULL ? self->call->with_host : 0);

  for (const GList *link = self->pieces.head; link != NULL; link = link->next)
    n += ((const Piece *) link->data)->copy == NULL;
  return n;
}

/* Reading ahead is for when there is room; a reader who reads gets one slot in any case. */
gboolean
teesql_storage_client_stream_wants_slot (TeesqlStorageClientStream *self)
{
  guint n_free = teesql_storage_client_count_free (self->client);
  guint n = count_slots (self);
  guint64 missing = 0;

  if (self->call == NULL || self->call->cancelled_at != 0)
    return FALSE;
  missing = self->call->length - self->call->received;
  if (missing <= (guint64) __builtin_popcountll (self->call->with_host) * TEESQL_STORAGE_SLOT_SIZE)
    return FALSE;
  if (n_free > TEESQL_STORAGE_N_SLOTS / 4)
    return n < TEESQL_STORAGE_WINDOW;
  return n == 0 && self->reading != NULL;
}

static void
want_more (TeesqlStorageClientStream *self)
{
  if (teesql_storage_client_stream_wants_slot (self))
    teesql_storage_call_wait_for_slot (self->call);
}

static gsize
take (TeesqlStorageClientStream *self, void *out, gsize size)
{
  Piece *piece = g_queue_peek_head (&self->pieces);
  gsize n = MIN (size, piece->length - piece->position);

  memcpy (out, piece_bytes (self, piece), n);
  piece->position += n;
  if (piece->position == piece->length)
    piece_free (self, g_queue_pop_head (&self->pieces));
  return n;
}

static void
drop_cancel (TeesqlStorageClientStream *self)
{
  if (self->cancel == NULL)
    return;
  g_source_destroy (self->cancel);
  g_clear_pointer (&self->cancel, g_source_unref);
}

/* A slot of which nobody has read yet goes as it is. */
static TeesqlStorageLease *
lease (TeesqlStorageClientStream *self)
{
  TeesqlStorageClient *client = self->client;
  Piece *piece = g_queue_peek_head (&self->pieces);
  TeesqlStorageLease *taken = NULL;

  if (piece->copy != NULL || piece->position > 0 || client->lender == NULL || (guint) __builtin_popcountll (client->leased) >= LEASES_MAX)
    return NULL;
  g_queue_pop_head (&self->pieces);
  taken = teesql_storage_lease_new (client->lender, piece->slot, piece->length);
  client->leased |= (guint64) 1 << piece->slot;
  g_free (piece);
  return taken;
}

static gboolean
is_readable (TeesqlStorageClientStream *self)
{
  return !g_queue_is_empty (&self->pieces) || self->ended || self->error != NULL;
}

static void
lease_clear (gpointer data)
{
  TeesqlStorageLease **leased = data;

  g_clear_pointer (leased, teesql_storage_lease_free);
  g_free (leased);
}

/* What comes of a read is the number of bytes; beside it in the task stands the lease, if that is where they are. */
static gsize
read_piece (TeesqlStorageClientStream *self, GTask *task, void *out, gsize size)
{
  TeesqlStorageLease **leased = g_task_get_task_data (task);

  teesql_storage_client_collect (self->client);
  if (leased == NULL || (*leased = lease (self)) == NULL)
    return take (self, out, size);
  return (*leased)->size;
}

static void
return_read (TeesqlStorageClientStream *self, GTask *task, void *out, gsize size)
{
  if (!g_queue_is_empty (&self->pieces))
    {
      gsize n = read_piece (self, task, out, size);

      want_more (self);
      g_task_return_int (task, (gssize) n);
    }
  else if (self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else
    g_task_return_int (task, 0);
}

static void
wake (TeesqlStorageClientStream *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->reading == NULL || !is_readable (self))
    return;
  task = g_steal_pointer (&self->reading);
  drop_cancel (self);
  return_read (self, task, self->out, self->out_size);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  TeesqlStorageClientStream *self = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&self->reading);

  g_clear_pointer (&self->cancel, g_source_unref);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (TeesqlStorageClientStream *self, GCancellable *cancellable)
{
  if (cancellable == NULL)
    return;
  self->cancel = g_cancellable_source_new (cancellable);
  g_source_set_callback (self->cancel, G_SOURCE_FUNC (cancelled_cb), self, NULL);
  g_source_attach (self->cancel, self->client->context);
}

static void
read_async (TeesqlStorageClientStream *self, GTask *task, void *buffer, gsize count)
{
  g_autoptr (GTask) owned = task;

  g_task_set_check_cancellable (task, FALSE); /* bytes that were taken are handed on */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (is_readable (self))
    {
      return_read (self, task, buffer, MIN (count, TEESQL_STORAGE_SLOT_SIZE));
      return;
    }
  self->reading = g_steal_pointer (&owned);
  self->out = buffer;
  self->out_size = count;
  watch_cancellable (self, g_task_get_cancellable (task));
  want_more (self);
}

static void
teesql_storage_client_stream_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_storage_client_stream_read_async);
  read_async (TEESQL_STORAGE_CLIENT_STREAM (stream), task, buffer, count);
}

void
teesql_storage_client_stream_take_async (TeesqlStorageClientStream *self, void *out, gsize size, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, teesql_storage_client_stream_take_async);
  if (!g_input_stream_set_pending (G_INPUT_STREAM (self), &error)) /* as GIO does for a read: no other, and no close, meanwhile */
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_task_set_task_data (task, g_new0 (TeesqlStorageLease *, 1), lease_clear);
  read_async (self, task, out, size);
}

gssize
teesql_storage_client_stream_take_finish (TeesqlStorageClientStream *self, GAsyncResult *result, TeesqlStorageLease **out_lease,
                                          GError **error)
{
  TeesqlStorageLease **leased = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), -1);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_client_stream_take_async), -1);

  leased = g_task_get_task_data (G_TASK (result));
  *out_lease = leased != NULL ? g_steal_pointer (leased) : NULL;
  if (leased != NULL)
    g_input_stream_clear_pending (G_INPUT_STREAM (self));
  return g_task_propagate_int (G_TASK (result), error);
}

static gssize
teesql_storage_client_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

static gssize
teesql_storage_client_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "what a storage host sends can be read without blocking only");
  return -1;
}

/* The host hears that nobody reads any more; what it still says about the call is nobody's business. */
static void
let_go (TeesqlStorageClientStream *self)
{
  TeesqlStorageCall *call = g_steal_pointer (&self->call);
  Piece *piece = NULL;

  if (call != NULL)
    {
      call->stream = NULL;
      teesql_storage_call_cancel (call);
    }
  while ((piece = g_queue_pop_head (&self->pieces)) != NULL)
    piece_free (self, piece);
}

static gboolean
teesql_storage_client_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  let_go (TEESQL_STORAGE_CLIENT_STREAM (stream));
  return TRUE;
}

static void
teesql_storage_client_stream_close_async (GInputStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  let_go (TEESQL_STORAGE_CLIENT_STREAM (stream));
  g_task_return_boolean (task, TRUE);
}

static gboolean
teesql_storage_client_stream_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
teesql_storage_client_stream_finalize (GObject *object)
{
  TeesqlStorageClientStream *self = TEESQL_STORAGE_CLIENT_STREAM (object);

  let_go (self);
  g_ptr_array_remove_fast (self->client->streams, self);
  g_clear_error (&self->error);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (teesql_storage_client_stream_parent_class)->finalize (object);
}

static void
teesql_storage_client_stream_class_init (TeesqlStorageClientStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = teesql_storage_client_stream_finalize;
  stream_class->read_fn = teesql_storage_client_stream_read;
  stream_class->read_async = teesql_storage_client_stream_read_async;
  stream_class->read_finish = teesql_storage_client_stream_read_finish;
  stream_class->close_fn = teesql_storage_client_stream_close;
  stream_class->close_async = teesql_storage_client_stream_close_async;
  stream_class->close_finish = teesql_storage_client_stream_close_finish;
}

static void
teesql_storage_client_stream_init (TeesqlStorageClientStream *self)
{
  g_queue_init (&self->pieces);
}

TeesqlStorageClientStream *
teesql_storage_client_stream_new (TeesqlStorageCall *call)
{
  TeesqlStorageClientStream *self = g_object_new (TEESQL_TYPE_STORAGE_CLIENT_STREAM, NULL);

  self->client = g_object_ref (call->client);
  self->call = call;
  g_ptr_array_add (self->client->streams, self);
  return self;
}

void
teesql_storage_client_stream_push (TeesqlStorageClientStream *self, guint32 slot, guint32 length)
{
  Piece *piece = g_new0 (Piece, 1);
  g_autoptr (TeesqlStorageClientStream) held = g_object_ref (self);

  piece->slot = slot;
  piece->length = length;
  g_queue_push_tail (&self->pieces, piece);
  want_more (self);
  wake (self);
}

void
teesql_storage_client_stream_end (TeesqlStorageClientStream *self, GError *error)
{
  g_autoptr (TeesqlStorageClientStream) held = g_object_ref (self);

  self->call = NULL;
  self->ended = TRUE;
  self->error = error;
  wake (self);
}

gboolean
teesql_storage_client_stream_spill (TeesqlStorageClientStream *self)
{
  for (GList *link = self->reading == NULL ? self->pieces.head : NULL; link != NULL; link = link->next)
    {
      Piece *piece = link->data;

      if (piece->copy != NULL)
        continue;
      piece->copy = g_memdup2 (piece_bytes (self, piece), piece->length - piece->position);
      piece->length -= piece->position;
      piece->position = 0;
      teesql_storage_client_give_slot (self->client, piece->slot);
      return TRUE;
    }
  return FALSE;
}
