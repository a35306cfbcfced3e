#include "storage/teesql-storage-host-private.h"
#include <string.h>

/* The content of a put as the plugin reads it: what lies in slots, in order. */

typedef struct
{
  guint32 slot;
  gsize length;
  gsize position;
} Piece;

struct _TeesqlStorageHostContent
{
  GInputStream parent_instance;
  TeesqlStorageHostCall *call; /* NULL once cut */
  GQueue pieces;
  gboolean ended;
  GError *error;
  GTask *reading;
  void *out;
  gsize out_size;
};

G_DEFINE_FINAL_TYPE (TeesqlStorageHostContent, teesql_storage_host_content, G_TYPE_INPUT_STREAM)

static void
give_back (TeesqlStorageHostContent *self, Piece *piece)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_TAKEN, .slot = piece->slot };

  if (self->call != NULL)
    teesql_storage_host_call_send (self->call, &message);
  g_free (piece);
}

static gsize
take (TeesqlStorageHostContent *self, void *out, gsize size)
{
  Piece *piece = g_queue_peek_head (&self->pieces);
  gsize n = MIN (size, piece->length - piece->position);

  memcpy (out, teesql_storage_arena_get (&self->call->host->arena, piece->slot) + piece->position, n);
  piece->position += n;
  if (piece->position == piece->length)
    give_back (self, g_queue_pop_head (&self->pieces));
  return n;
}

static gboolean
is_readable (TeesqlStorageHostContent *self)
{
  return self->error != NULL || self->ended || !g_queue_is_empty (&self->pieces);
}

static void
return_read (TeesqlStorageHostContent *self, GTask *task, void *out, gsize size)
{
  if (self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else if (!g_queue_is_empty (&self->pieces))
    g_task_return_int (task, (gssize) take (self, out, size));
  else
    g_task_return_int (task, 0);
}

static void
wake (TeesqlStorageHostContent *self)
{
  g_autoptr (TeesqlStorageHostContent) held = g_object_ref (self);
  g_autoptr (GTask) task = NULL;

  if (self->reading == NULL || !is_readable (self))
    return;
  task = g_steal_pointer (&self->reading);
  return_read (self, task, self->out, self->out_size);
}

static void
teesql_storage_host_content_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStorageHostContent *self = TEESQL_STORAGE_HOST_CONTENT (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_storage_host_content_read_async);
  g_task_set_check_cancellable (task, FALSE); /* the call's own cancellation ends the content, and with it this read */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (is_readable (self))
    {
      return_read (self, task, buffer, count);
      return;
    }
  self->reading = g_steal_pointer (&task);
  self->out = buffer;
  self->out_size = count;
}

static gssize
teesql_storage_host_content_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

static gssize
teesql_storage_host_content_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the content of a put is read with g_input_stream_read_async ()");
  return -1;
}

static void
teesql_storage_host_content_finalize (GObject *object)
{
  TeesqlStorageHostContent *self = TEESQL_STORAGE_HOST_CONTENT (object);

  g_queue_clear_full (&self->pieces, g_free);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (teesql_storage_host_content_parent_class)->finalize (object);
}

static void
teesql_storage_host_content_class_init (TeesqlStorageHostContentClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = teesql_storage_host_content_finalize;
  stream_class->read_fn = teesql_storage_host_content_read;
  stream_class->read_async = teesql_storage_host_content_read_async;
  stream_class->read_finish = teesql_storage_host_content_read_finish;
}

static void
teesql_storage_host_content_init (TeesqlStorageHostContent *self)
{
  g_queue_init (&self->pieces);
}

TeesqlStorageHostContent *
teesql_storage_host_content_new (TeesqlStorageHostCall *call)
{
  TeesqlStorageHostContent *self = g_object_new (TEESQL_TYPE_STORAGE_HOST_CONTENT, NULL);

  self->call = call;
  return self;
}

void
teesql_storage_host_content_push (TeesqlStorageHostContent *self, guint32 slot, guint32 length)
{
  Piece *piece = g_new0 (Piece, 1);

  piece->slot = slot;
  piece->length = length;
  g_queue_push_tail (&self->pieces, piece);
  wake (self);
}

void
teesql_storage_host_content_end (TeesqlStorageHostContent *self, GError *error)
{
  if (self->error != NULL)
    g_clear_error (&error);
  else
    self->error = error;
  self->ended = TRUE;
  wake (self);
}

void
teesql_storage_host_content_cut (TeesqlStorageHostContent *self)
{
  self->call = NULL;
  g_queue_clear_full (&self->pieces, g_free);
  teesql_storage_host_content_end (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "the call is over"));
}
