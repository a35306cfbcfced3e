#include "storage/teesql-storage-channel.h"
#include "base/teesql-domains.h"
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 32 /* then others on this context get their turn */

struct _TeesqlStorageChannel
{
  gatomicrefcount ref_count; /* the owner and each callback that runs */
  int fd;
  gboolean from_host;
  TeesqlStorageMessageFunc message;
  TeesqlStorageClosedFunc closed;
  gpointer user_data;
  GMainContext *context;
  GSource *in;
  GSource *out; /* NULL while nothing waits */
  GQueue queue; /* GBytes */
  guint8 *incoming;
  guint8 *outgoing;
};

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
channel_unref (TeesqlStorageChannel *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_queue_clear_full (&self->queue, (GDestroyNotify) g_bytes_unref);
  g_main_context_unref (self->context);
  g_free (self->incoming);
  g_free (self->outgoing);
  g_free (self);
}

static void
shut (TeesqlStorageChannel *self)
{
  drop_source (&self->in);
  drop_source (&self->out);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

static void
end (TeesqlStorageChannel *self, const GError *error)
{
  if (self->fd < 0)
    return;
  shut (self);
  self->closed (error, self->user_data);
}

/* Without room for control data the kernel drops descriptors that a host might send along. */
static gssize
receive (TeesqlStorageChannel *self, GError **error)
{
  struct iovec part = { .iov_base = self->incoming, .iov_len = TEESQL_STORAGE_FRAME_MAX };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
  gssize n = recvmsg (self->fd, &header, MSG_DONTWAIT);

  if (n >= 0 && (header.msg_flags & MSG_TRUNC) != 0)
    {
      teesql_fail (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "storage-message",
                   "a storage message is larger than %" G_GSIZE_FORMAT, TEESQL_STORAGE_FRAME_MAX);
      return -1;
    }
  return n;
}

static gboolean
take_one (TeesqlStorageChannel *self, gsize size, GError **error)
{
  TeesqlStorageMessage message;

  return teesql_storage_message_decode (&message, self->from_host, self->incoming, size, error) &&
         self->message (&message, self->user_data, error);
}

/* TRUE to go on */
static gboolean
receive_one (TeesqlStorageChannel *self)
{
  g_autoptr (GError) error = NULL;
  gssize n = receive (self, &error);

  if (n < 0 && error == NULL && errno == EINTR)
    return TRUE;
  if (n < 0 && error == NULL && errno == EAGAIN)
    return FALSE;
  if (n > 0 && take_one (self, (gsize) n, &error))
    return self->fd >= 0;
  end (self, error);
  return FALSE;
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  TeesqlStorageChannel *self = user_data;

  g_atomic_ref_count_inc (&self->ref_count);
  for (guint i = 0; i < MESSAGES_PER_TURN && self->fd >= 0 && receive_one (self); i++)
    ;
  channel_unref (self);
  return G_SOURCE_CONTINUE;
}

/* TRUE when @data has gone. A socket that is dead takes everything: the reading side will tell. */
static gboolean
send_now (TeesqlStorageChannel *self, const void *data, gsize size)
{
  gssize n = 0;

  do
    n = send (self->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  TeesqlStorageChannel *self = user_data;

  while (!g_queue_is_empty (&self->queue))
    {
      GBytes *frame = g_queue_peek_head (&self->queue);

      if (!send_now (self, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame)))
        return G_SOURCE_CONTINUE;
      g_bytes_unref (g_queue_pop_head (&self->queue));
    }
  drop_source (&self->out);
  return G_SOURCE_REMOVE;
}

static GSource *
watch (TeesqlStorageChannel *self, GIOCondition condition, GUnixFDSourceFunc func)
{
  GSource *source = g_unix_fd_source_new (self->fd, condition);

  g_source_set_callback (source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (source, self->context);
  return source;
}

void
teesql_storage_channel_send (TeesqlStorageChannel *self, const TeesqlStorageMessage *message)
{
  gsize size = teesql_storage_message_encode (message, self->outgoing);

  g_return_if_fail (size > 0);

  if (self->fd < 0 || (g_queue_is_empty (&self->queue) && send_now (self, self->outgoing, size)))
    return;
  g_queue_push_tail (&self->queue, g_bytes_new (self->outgoing, size));
  if (self->out == NULL)
    self->out = watch (self, G_IO_OUT, writable_cb);
}

TeesqlStorageChannel *
teesql_storage_channel_new (int fd, gboolean from_host, TeesqlStorageMessageFunc message, TeesqlStorageClosedFunc closed,
                            gpointer user_data)
{
  TeesqlStorageChannel *self = g_new0 (TeesqlStorageChannel, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->fd = fd;
  self->from_host = from_host;
  self->message = message;
  self->closed = closed;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->incoming = g_malloc (TEESQL_STORAGE_FRAME_MAX);
  self->outgoing = g_malloc (TEESQL_STORAGE_FRAME_MAX);
  g_queue_init (&self->queue);
  self->in = watch (self, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb);
  return self;
}

void
teesql_storage_channel_free (TeesqlStorageChannel *self)
{
  shut (self);
  channel_unref (self);
}
