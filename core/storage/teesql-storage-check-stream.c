#include "storage/teesql-storage-check-private.h"

#include <string.h>

struct _CheckStream
{
  GInputStream parent_instance;
  GBytes *bytes;
  CheckStreamEnd end;
  gsize at; /* the storage's thread's */
  GMutex lock;
  GCond changed;
  gboolean stalled;
  gboolean over;
  gint64 moved_us;
};

G_DEFINE_FINAL_TYPE (CheckStream, check_stream, G_TYPE_INPUT_STREAM)

static void
check_stream_finalize (GObject *object)
{
  CheckStream *self = CHECK_STREAM (object);

  g_bytes_unref (self->bytes);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (check_stream_parent_class)->finalize (object);
}

static void
set_stalled (CheckStream *self, gboolean stalled)
{
  g_mutex_lock (&self->lock);
  self->stalled = stalled;
  self->moved_us = g_get_monotonic_time ();
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static gssize
check_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  CheckStream *self = CHECK_STREAM (stream);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (self->bytes, &size);
  gsize n = MIN (MIN (count, size - self->at), 100000); /* in pieces that fit nothing */

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return -1;
  if (n == 0 && self->end == CHECK_STREAM_FAILS)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the content ends in an error");
      return -1;
    }
  if (n > 0)
    memcpy (buffer, data + self->at, n); /* ours, bounded by both */
  self->at += n;
  set_stalled (self, FALSE);
  return (gssize) n;
}

static gboolean
stall_ended_cb (GCancellable *cancellable, gpointer data)
{
  g_task_return_new_error (data, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the read was cancelled");
  return G_SOURCE_REMOVE;
}

static void
stall (CheckStream *self, GTask *task)
{
  g_autoptr (GSource) source = g_cancellable_source_new (g_task_get_cancellable (task));

  set_stalled (self, TRUE);
  g_source_set_callback (source, G_SOURCE_FUNC (stall_ended_cb), g_object_ref (task), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
}

static void
check_stream_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  CheckStream *self = CHECK_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);
  GError *error = NULL;
  gssize n = 0;

  g_task_set_check_cancellable (task, FALSE);
  if (self->end == CHECK_STREAM_STALLS && self->at == g_bytes_get_size (self->bytes) && cancellable != NULL &&
      !g_cancellable_is_cancelled (cancellable))
    {
      stall (self, task);
      return;
    }
  n = check_stream_read (stream, buffer, count, cancellable, &error);
  if (n < 0)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, n);
}

static gssize
check_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static void
check_stream_class_init (CheckStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = check_stream_finalize;
  stream_class->read_fn = check_stream_read;
  stream_class->read_async = check_stream_read_async;
  stream_class->read_finish = check_stream_read_finish;
}

static void
check_stream_init (CheckStream *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->moved_us = g_get_monotonic_time ();
}

CheckStream *
check_stream_new (GBytes *bytes, CheckStreamEnd end)
{
  CheckStream *self = g_object_new (CHECK_TYPE_STREAM, NULL);

  self->bytes = g_bytes_ref (bytes);
  self->end = end;
  return self;
}

gboolean
check_stream_wait_stalled (CheckStream *self, gint64 until_us)
{
  gboolean stalled = FALSE;

  g_mutex_lock (&self->lock);
  while (!self->stalled && !self->over && g_get_monotonic_time () < until_us)
    g_cond_wait_until (&self->changed, &self->lock, until_us);
  stalled = self->stalled;
  g_mutex_unlock (&self->lock);
  return stalled;
}

void
check_stream_end_wait (CheckStream *self)
{
  g_mutex_lock (&self->lock);
  self->over = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

gint64
check_stream_last_move_us (GInputStream *stream)
{
  CheckStream *self = CHECK_STREAM (stream);
  gint64 moved_us = 0;

  g_mutex_lock (&self->lock);
  moved_us = self->stalled ? G_MAXINT64 : self->moved_us;
  g_mutex_unlock (&self->lock);
  return moved_us;
}
