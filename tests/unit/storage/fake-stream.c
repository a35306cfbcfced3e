#include "fake-stream.h"

#include <string.h>
#include <teesql/teesql-error.h>

struct _FakeStream
{
  GInputStream parent_instance;
  GBytes *bytes;
  gsize at;
  gsize break_at;
  GMutex *lock;
  guint64 *n_read;
};

G_DEFINE_FINAL_TYPE (FakeStream, fake_stream, G_TYPE_INPUT_STREAM)

static gssize
fake_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  FakeStream *self = FAKE_STREAM (stream);
  gsize n = MIN (count, g_bytes_get_size (self->bytes) - self->at);

  if (self->at >= self->break_at)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "broken-stream", 0, "it broke"));
      return -1;
    }
  n = MIN (n, self->break_at - self->at);
  if (n > 0)
    memcpy (buffer, (const guint8 *) g_bytes_get_data (self->bytes, NULL) + self->at, n);
  self->at += n;
  g_mutex_lock (self->lock);
  *self->n_read += n;
  g_mutex_unlock (self->lock);
  return (gssize) n;
}

static void
fake_stream_finalize (GObject *object)
{
  g_bytes_unref (FAKE_STREAM (object)->bytes);
  G_OBJECT_CLASS (fake_stream_parent_class)->finalize (object);
}

static void
fake_stream_class_init (FakeStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_stream_finalize;
  G_INPUT_STREAM_CLASS (klass)->read_fn = fake_stream_read;
}

static void
fake_stream_init (FakeStream *self)
{
}

GInputStream *
fake_stream_new (GBytes *bytes, gsize break_at, GMutex *lock, guint64 *n_read)
{
  FakeStream *self = g_object_new (FAKE_TYPE_STREAM, NULL);

  self->bytes = g_bytes_ref (bytes);
  self->break_at = break_at;
  self->lock = lock;
  self->n_read = n_read;
  return G_INPUT_STREAM (self);
}
