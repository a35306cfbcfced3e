#include "file-stream.h"

#include "file-root.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_MAX ((gsize) 1024 * 1024) /* so that cancellation is noticed */
#define WINDOW   ((guint64) 8 * 1024 * 1024)

struct _FileStream
{
  GInputStream parent_instance;
  FileFd fd;
  char *name;
  guint64 at;
  guint64 end;
  guint64 dropped; /* up to there the cache may forget it */
};

G_DEFINE_FINAL_TYPE (FileStream, file_stream, G_TYPE_INPUT_STREAM)

static void
drop_behind (FileStream *self)
{
  while (self->at - self->dropped >= WINDOW)
    {
      posix_fadvise (self->fd, (off_t) self->dropped, (off_t) WINDOW, POSIX_FADV_DONTNEED);
      self->dropped += WINDOW;
    }
}

static gssize
file_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  FileStream *self = FILE_STREAM (stream);
  gsize wanted = (gsize) MIN ((guint64) MIN (count, READ_MAX), self->end - self->at);
  ssize_t n = 0;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return -1;
  if (wanted == 0)
    return 0;
  do
    n = pread (self->fd, buffer, wanted, (off_t) self->at);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    {
      file_fail (error, FILE_DOING_READ, errno, "reading %s", self->name);
      return -1;
    }
  if (n == 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                                                  "%s ends at %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT " bytes", self->name,
                                                  self->at, self->end));
      return -1;
    }
  self->at += (guint64) n;
  drop_behind (self);
  return n;
}

static gboolean
file_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  file_fd_clear (&FILE_STREAM (stream)->fd);
  return TRUE;
}

static void
file_stream_finalize (GObject *object)
{
  FileStream *self = FILE_STREAM (object);

  file_fd_clear (&self->fd);
  g_free (self->name);
  G_OBJECT_CLASS (file_stream_parent_class)->finalize (object);
}

static void
file_stream_class_init (FileStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = file_stream_finalize;
  G_INPUT_STREAM_CLASS (klass)->read_fn = file_stream_read;
  G_INPUT_STREAM_CLASS (klass)->close_fn = file_stream_close;
}

static void
file_stream_init (FileStream *self)
{
  self->fd = -1;
}

GInputStream *
file_stream_new (int fd, const char *name, guint64 offset, guint64 length)
{
  FileStream *self = g_object_new (FILE_TYPE_STREAM, NULL);

  self->fd = fd;
  self->name = g_strdup (name);
  self->at = offset;
  self->end = offset + length;
  self->dropped = offset;
  posix_fadvise (fd, (off_t) offset, (off_t) length, POSIX_FADV_SEQUENTIAL);
  return G_INPUT_STREAM (self);
}
