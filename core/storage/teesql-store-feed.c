#include "storage/teesql-store-feed.h"

#include "base/teesql-domains.h"
#include "storage/teesql-store-private.h"

#include <string.h>

struct _TeesqlStoreFeed
{
  GInputStream parent_instance;
  GMainContext *context;
  guint max_buffers;

  GMutex lock;
  GCond room;
  GQueue buffers;
  GTask *pending; /* a read that found nothing */
  gint64 last_move_us;
  gboolean ended;
  gboolean stopped;
  gboolean drained;
};

G_DEFINE_FINAL_TYPE (TeesqlStoreFeed, teesql_store_feed, G_TYPE_INPUT_STREAM)

typedef struct
{
  guint8 *out;
  gsize size;
  GSource *cancel_source;
} Read;

static void
read_free (gpointer data)
{
  Read *read = data;

  if (read->cancel_source != NULL)
    g_source_destroy (read->cancel_source);
  g_clear_pointer (&read->cancel_source, g_source_unref);
  g_free (read);
}

static void
teesql_store_feed_finalize (GObject *object)
{
  TeesqlStoreFeed *self = TEESQL_STORE_FEED (object);

  g_queue_clear_full (&self->buffers, (GDestroyNotify) teesql_store_buffer_unref);
  g_main_context_unref (self->context);
  g_cond_clear (&self->room);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (teesql_store_feed_parent_class)->finalize (object);
}

/* lock held. As much as there is, up to @size: 0 when there is nothing. */
static gsize
take (TeesqlStoreFeed *self, guint8 *out, gsize size)
{
  gsize taken = 0;
  TeesqlStoreBuffer *buffer = NULL;

  while (taken < size && (buffer = g_queue_peek_head (&self->buffers)) != NULL)
    {
      gsize n = MIN (size - taken, buffer->filled - buffer->taken);

      memcpy (out + taken, buffer->data + buffer->taken, n); /* our own bytes, both bounded above */
      taken += n;
      buffer->taken += n;
      if (buffer->taken == buffer->filled)
        {
          teesql_store_buffer_unref (g_queue_pop_head (&self->buffers));
          g_cond_broadcast (&self->room);
        }
    }
  return taken;
}

/* Answers the read of @task if anything can be said. Never with the lock: the answer may be heard at once. */
static gboolean
answer (TeesqlStoreFeed *self, GTask *task)
{
  Read *read = g_task_get_task_data (task);
  gsize n = 0;
  gboolean stopped = FALSE;
  gboolean waits = FALSE;

  g_mutex_lock (&self->lock);
  stopped = self->stopped;
  n = stopped ? 0 : take (self, read->out, read->size);
  waits = n == 0 && read->size > 0 && !self->ended && !stopped;
  self->drained = self->drained || (n == 0 && self->ended && !stopped);
  self->last_move_us = g_get_monotonic_time ();
  self->pending = waits ? task : NULL;
  g_mutex_unlock (&self->lock);
  if (waits)
    return FALSE;
  if (stopped)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the upload was given up");
  else
    g_task_return_int (task, (gssize) n);
  return TRUE;
}

static GTask *
steal_pending (TeesqlStoreFeed *self)
{
  GTask *task = NULL;

  g_mutex_lock (&self->lock);
  task = g_steal_pointer (&self->pending);
  g_mutex_unlock (&self->lock);
  return task;
}

static gboolean
serve_cb (gpointer data)
{
  GTask *task = steal_pending (data);

  if (task != NULL && answer (data, task))
    g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  g_autoptr (GTask) task = steal_pending (data);

  if (task != NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the read was cancelled");
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (TeesqlStoreFeed *self, GTask *task)
{
  Read *read = g_task_get_task_data (task);

  if (g_task_get_cancellable (task) == NULL)
    return;
  read->cancel_source = g_cancellable_source_new (g_task_get_cancellable (task));
  g_source_set_callback (read->cancel_source, G_SOURCE_FUNC (cancelled_cb), g_object_ref (self), g_object_unref);
  g_source_attach (read->cancel_source, self->context);
}

static void
teesql_store_feed_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlStoreFeed *self = TEESQL_STORE_FEED (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Read *read = g_new0 (Read, 1);

  read->out = buffer;
  read->size = count;
  g_task_set_source_tag (task, teesql_store_feed_read_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, read, read_free);
  if (g_cancellable_is_cancelled (cancellable))
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the read was cancelled");
      return;
    }
  if (answer (self, task))
    return;
  watch_cancellable (self, task);
  g_steal_pointer (&task); /* pending; cancellation and service come on this thread, so not before here */
}

static gssize
teesql_store_feed_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

/* A storage must not block its thread: the thread that would feed it may be waiting for another call on it. */
static gssize
teesql_store_feed_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "content is read asynchronously");
  return -1;
}

static gboolean
teesql_store_feed_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  return TRUE;
}

static void
teesql_store_feed_class_init (TeesqlStoreFeedClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = teesql_store_feed_finalize;
  stream_class->read_fn = teesql_store_feed_read;
  stream_class->read_async = teesql_store_feed_read_async;
  stream_class->read_finish = teesql_store_feed_read_finish;
  stream_class->close_fn = teesql_store_feed_close;
}

static void
teesql_store_feed_init (TeesqlStoreFeed *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->room);
  g_queue_init (&self->buffers);
}

TeesqlStoreFeed *
teesql_store_feed_new (GMainContext *context, guint max_buffers)
{
  TeesqlStoreFeed *self = g_object_new (TEESQL_TYPE_STORE_FEED, NULL);

  self->context = g_main_context_ref (context);
  self->max_buffers = max_buffers;
  self->last_move_us = g_get_monotonic_time ();
  return self;
}

static void
wake_reader (TeesqlStoreFeed *self)
{
  teesql_store_post (self->context, serve_cb, g_object_ref (self), g_object_unref);
}

gboolean
teesql_store_feed_push (TeesqlStoreFeed *self, TeesqlStoreBuffer *buffer)
{
  gboolean taken = FALSE;

  g_mutex_lock (&self->lock);
  while (!self->stopped && g_queue_get_length (&self->buffers) >= self->max_buffers)
    g_cond_wait (&self->room, &self->lock);
  taken = !self->stopped;
  if (taken)
    g_queue_push_tail (&self->buffers, buffer);
  g_mutex_unlock (&self->lock);
  if (taken)
    wake_reader (self);
  else
    teesql_store_buffer_unref (buffer);
  return taken;
}

void
teesql_store_feed_end (TeesqlStoreFeed *self)
{
  g_mutex_lock (&self->lock);
  self->ended = TRUE;
  g_mutex_unlock (&self->lock);
  wake_reader (self);
}

void
teesql_store_feed_stop (TeesqlStoreFeed *self)
{
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  g_cond_broadcast (&self->room);
  g_mutex_unlock (&self->lock);
  wake_reader (self);
}

gboolean
teesql_store_feed_is_drained (TeesqlStoreFeed *self)
{
  gboolean drained = FALSE;

  g_mutex_lock (&self->lock);
  drained = self->drained;
  g_mutex_unlock (&self->lock);
  return drained;
}

gint64
teesql_store_feed_get_last_move_us (GInputStream *feed)
{
  TeesqlStoreFeed *self = TEESQL_STORE_FEED (feed);
  gint64 moved_us = 0;

  g_mutex_lock (&self->lock);
  moved_us = self->pending != NULL ? G_MAXINT64 : self->last_move_us;
  g_mutex_unlock (&self->lock);
  return moved_us;
}
