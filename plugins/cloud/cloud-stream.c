#include "cloud-stream.h"

#include "cloud-deadline.h"
#include "cloud-error.h"

struct _CloudStream
{
  GInputStream parent_instance;
  GInputStream *inner;
  GCancellable *drop;
  GObject *owner;
  char *what;
  char *endpoint_option;
  guint64 expected;
  guint64 count;
  guint timeout_ms;
  gboolean ended;
};

G_DEFINE_FINAL_TYPE (CloudStream, cloud_stream, G_TYPE_INPUT_STREAM)

/* One read of the caller's. With the last promised byte the end is looked for at once: that finds a body that goes on, and only then
 * does libsoup use the connection again. */
typedef struct
{
  CloudDeadline *deadline;
  gssize got;
  guint8 beyond;
} Read;

static void
read_free (gpointer data)
{
  Read *self = data;

  cloud_deadline_free (self->deadline);
  g_free (self);
}

static gsize
wanted (const CloudStream *self, gsize count)
{
  return (gsize) MIN (count, self->expected - self->count);
}

static gboolean
is_complete (const CloudStream *self)
{
  return self->count == self->expected && !self->ended;
}

static GError *
ended_early (CloudStream *self)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "store-truncated", 0,
                           "%s: the body ended after %" G_GUINT64_FORMAT " bytes of %" G_GUINT64_FORMAT, self->what, self->count,
                           self->expected);
}

static GError *
goes_on (CloudStream *self)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "store-oversize", 0,
                           "%s: the body goes on behind the promised %" G_GUINT64_FORMAT " bytes", self->what, self->expected);
}

static GError *
read_failure (CloudStream *self, const GError *cause)
{
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_error_copy (cause);
  return cloud_error_from_transport (cause, self->what, self->endpoint_option, FALSE);
}

static gssize
cloud_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  CloudStream *self = CLOUD_STREAM (stream);
  g_autoptr (GError) cause = NULL;
  guint8 beyond = 0;
  gssize n = 0;

  if (count == 0 || self->ended)
    return 0;
  if (!is_complete (self))
    n = g_input_stream_read (self->inner, buffer, wanted (self, count), cancellable, &cause);
  self->count += n > 0 ? (guint64) n : 0;
  if (cause == NULL && n == 0 && !is_complete (self))
    g_propagate_error (error, ended_early (self));
  else if (cause == NULL && is_complete (self) && g_input_stream_read (self->inner, &beyond, 1, cancellable, &cause) > 0)
    g_propagate_error (error, goes_on (self));
  else if (cause != NULL)
    g_propagate_error (error, read_failure (self, cause));
  else
    {
      self->ended = is_complete (self);
      return n;
    }
  return -1;
}

static void
end_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  CloudStream *self = g_task_get_source_object (task);
  Read *call = g_task_get_task_data (task);
  g_autoptr (GError) cause = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &cause);
  GError *error = n < 0 ? cloud_deadline_judge (call->deadline, self->what) : NULL;

  self->ended = n == 0;
  if (n == 0)
    g_task_return_int (task, call->got);
  else if (n > 0)
    g_task_return_error (task, goes_on (self));
  else
    g_task_return_error (task, error != NULL ? error : read_failure (self, cause));
}

/* @task: (transfer full) */
static void
look_for_end (CloudStream *self, GTask *task)
{
  Read *call = g_task_get_task_data (task);

  g_input_stream_read_async (self->inner, &call->beyond, 1, g_task_get_priority (task), cloud_deadline_get_cancellable (call->deadline),
                             end_cb, task);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  CloudStream *self = g_task_get_source_object (task);
  Read *call = g_task_get_task_data (task);
  g_autoptr (GError) cause = NULL;
  GError *error = NULL;

  call->got = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &cause);
  self->count += call->got > 0 ? (guint64) call->got : 0;
  if (call->got < 0 && (error = cloud_deadline_judge (call->deadline, self->what)) == NULL)
    error = read_failure (self, cause);
  else if (call->got == 0)
    error = ended_early (self);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (is_complete (self))
    look_for_end (self, g_steal_pointer (&task));
  else
    g_task_return_int (task, call->got);
}

static void
cloud_stream_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  CloudStream *self = CLOUD_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Read *call = NULL;

  g_task_set_source_tag (task, cloud_stream_read_async);
  g_task_set_priority (task, priority);
  g_task_set_check_cancellable (task, FALSE); /* bytes that were read are counted and must be handed on */
  if (count == 0 || self->ended)
    {
      g_task_return_int (task, 0);
      return;
    }
  call = g_new0 (Read, 1);
  call->deadline = cloud_deadline_new (self->timeout_ms, cancellable);
  g_task_set_task_data (task, call, read_free);
  if (is_complete (self)) /* nothing was promised, or the last look was cancelled */
    look_for_end (self, g_steal_pointer (&task));
  else
    g_input_stream_read_async (self->inner, buffer, wanted (self, count), priority, cloud_deadline_get_cancellable (call->deadline),
                               read_cb, g_steal_pointer (&task));
}

static gssize
cloud_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

/* What was not read is not waited for either: the connection goes. */
static void
drop_rest (CloudStream *self)
{
  if (!self->ended)
    g_cancellable_cancel (self->drop);
}

static gboolean
cloud_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  CloudStream *self = CLOUD_STREAM (stream);

  drop_rest (self);
  g_input_stream_close (self->inner, self->drop, NULL);
  return TRUE;
}

static void
closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_input_stream_close_finish (G_INPUT_STREAM (source), result, NULL);
  g_task_return_boolean (task, TRUE);
}

static void
cloud_stream_close_async (GInputStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  CloudStream *self = CLOUD_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, cloud_stream_close_async);
  drop_rest (self);
  g_input_stream_close_async (self->inner, priority, self->drop, closed_cb, g_steal_pointer (&task));
}

static gboolean
cloud_stream_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
cloud_stream_dispose (GObject *object)
{
  CloudStream *self = CLOUD_STREAM (object);

  G_OBJECT_CLASS (cloud_stream_parent_class)->dispose (object); /* closes, so before the inner stream goes */
  g_clear_object (&self->inner);
  g_clear_object (&self->drop);
  g_clear_object (&self->owner);
}

static void
cloud_stream_finalize (GObject *object)
{
  CloudStream *self = CLOUD_STREAM (object);

  g_free (self->what);
  g_free (self->endpoint_option);
  G_OBJECT_CLASS (cloud_stream_parent_class)->finalize (object);
}

static void
cloud_stream_class_init (CloudStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = cloud_stream_dispose;
  G_OBJECT_CLASS (klass)->finalize = cloud_stream_finalize;
  stream_class->read_fn = cloud_stream_read;
  stream_class->read_async = cloud_stream_read_async;
  stream_class->read_finish = cloud_stream_read_finish;
  stream_class->close_fn = cloud_stream_close;
  stream_class->close_async = cloud_stream_close_async;
  stream_class->close_finish = cloud_stream_close_finish;
}

static void
cloud_stream_init (CloudStream *self)
{
}

GInputStream *
cloud_stream_new (GInputStream *inner, GCancellable *drop, guint64 expected, guint timeout_ms, const char *what,
                  const char *endpoint_option, GObject *owner)
{
  CloudStream *self = g_object_new (CLOUD_TYPE_STREAM, NULL);

  self->inner = g_object_ref (inner);
  self->drop = g_object_ref (drop);
  self->expected = expected;
  self->timeout_ms = timeout_ms;
  self->what = g_strdup (what);
  self->endpoint_option = g_strdup (endpoint_option);
  self->owner = owner != NULL ? g_object_ref (owner) : NULL;
  return G_INPUT_STREAM (self);
}
