#include "sdk/teesql-checked-stream.h"
#include <teesql/teesql-error.h>

struct _TeesqlCheckedStream
{
  GInputStream parent_instance;
  GInputStream *inner; /* NULL once cut */
  guint64 expected;
  guint64 count;
  gboolean close_inner;
  gboolean ended;
  gboolean failed;
};

G_DEFINE_FINAL_TYPE (TeesqlCheckedStream, teesql_checked_stream, G_TYPE_INPUT_STREAM)

static gboolean
check_open (TeesqlCheckedStream *self, GError **error)
{
  if (self->inner != NULL)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the content was read after the call had finished");
  return FALSE;
}

/* The result of one read of the inner stream, judged: -1 with an error, or the number of bytes. */
static gssize
account (TeesqlCheckedStream *self, gssize n, gsize asked, GError **error)
{
  if (n > 0 && (gsize) n <= asked)
    self->count += (guint64) n;
  if (n >= 0 && (gsize) n <= asked && self->count <= self->expected && (n > 0 || asked == 0))
    return n;
  self->ended = n == 0;
  if (n == 0 && (self->expected == G_MAXUINT64 || self->count == self->expected))
    return 0;
  self->failed = TRUE;
  if (n >= 0)
    g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                                                "the stream %s %" G_GUINT64_FORMAT " bytes, expected %" G_GUINT64_FORMAT,
                                                self->ended ? "ended after" : "goes on beyond", MIN (self->count, self->expected),
                                                self->expected));
  return -1;
}

static gssize
teesql_checked_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  TeesqlCheckedStream *self = TEESQL_CHECKED_STREAM (stream);

  if (!check_open (self, error))
    return -1;
  return account (self, g_input_stream_read (self->inner, buffer, count, cancellable, error), count, error);
}

static void
read_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlCheckedStream *self = g_task_get_source_object (task);
  gsize asked = GPOINTER_TO_SIZE (g_task_get_task_data (task));
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  n = account (self, n, asked, &error);
  if (n < 0)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, n);
}

static void
teesql_checked_stream_read_async (GInputStream *stream, void *buffer, gsize count, int priority, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlCheckedStream *self = TEESQL_CHECKED_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, teesql_checked_stream_read_async);
  g_task_set_check_cancellable (task, FALSE); /* bytes that were read are counted and must be handed on */
  g_task_set_task_data (task, GSIZE_TO_POINTER (count), NULL);
  if (!check_open (self, &error))
    g_task_return_error (task, error);
  else
    g_input_stream_read_async (self->inner, buffer, count, priority, cancellable, read_ready_cb, g_steal_pointer (&task));
}

static gssize
teesql_checked_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

static gboolean
teesql_checked_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  TeesqlCheckedStream *self = TEESQL_CHECKED_STREAM (stream);

  return self->inner == NULL || !self->close_inner || g_input_stream_close (self->inner, cancellable, error);
}

static void
close_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!g_input_stream_close_finish (G_INPUT_STREAM (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
teesql_checked_stream_close_async (GInputStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  TeesqlCheckedStream *self = TEESQL_CHECKED_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_checked_stream_close_async);
  if (self->inner == NULL || !self->close_inner)
    g_task_return_boolean (task, TRUE);
  else
    g_input_stream_close_async (self->inner, priority, cancellable, close_ready_cb, g_steal_pointer (&task));
}

static gboolean
teesql_checked_stream_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
teesql_checked_stream_dispose (GObject *object)
{
  G_OBJECT_CLASS (teesql_checked_stream_parent_class)->dispose (object); /* closes, so before the inner stream goes */
  g_clear_object (&TEESQL_CHECKED_STREAM (object)->inner);
}

static void
teesql_checked_stream_class_init (TeesqlCheckedStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = teesql_checked_stream_dispose;
  stream_class->read_fn = teesql_checked_stream_read;
  stream_class->read_async = teesql_checked_stream_read_async;
  stream_class->read_finish = teesql_checked_stream_read_finish;
  stream_class->close_fn = teesql_checked_stream_close;
  stream_class->close_async = teesql_checked_stream_close_async;
  stream_class->close_finish = teesql_checked_stream_close_finish;
}

static void
teesql_checked_stream_init (TeesqlCheckedStream *self)
{
}

GInputStream *
teesql_checked_stream_new (GInputStream *inner, guint64 expected, gboolean close_inner)
{
  TeesqlCheckedStream *self = g_object_new (TEESQL_TYPE_CHECKED_STREAM, NULL);

  self->inner = g_object_ref (inner);
  self->expected = expected;
  self->close_inner = close_inner;
  return G_INPUT_STREAM (self);
}

GInputStream *
teesql_checked_stream_peek_inner (TeesqlCheckedStream *self)
{
  return self->inner;
}

gssize
teesql_checked_stream_judge (TeesqlCheckedStream *self, gssize n, gsize asked, GError **error)
{
  return account (self, n, asked, error);
}

guint64
teesql_checked_stream_get_count (TeesqlCheckedStream *self)
{
  return self->count;
}

gboolean
teesql_checked_stream_has_ended (TeesqlCheckedStream *self)
{
  return self->ended;
}

gboolean
teesql_checked_stream_has_failed (TeesqlCheckedStream *self)
{
  return self->failed;
}

void
teesql_checked_stream_cut (TeesqlCheckedStream *self)
{
  g_clear_object (&self->inner);
}
