#include "reactor/teesql-stream.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* During the handshake a read is smaller: what follows Finished in it must be kept until somebody may look at it. */
#define HANDSHAKE_READ ((gsize) 16384)

#define EVENTS_IDLE    (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define EVENTS_BLOCKED (EVENTS_IDLE | EPOLLOUT)
#define EVENTS_HANG_UP (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct _TeesqlStream
{
  TeesqlWatch watch;
  TeesqlWorker *worker;
  TeesqlStreamFunc func;
  gpointer user_data;
  int fd;
  TeesqlTls *tls; /* (nullable) */
  TeesqlBufferQueue out;
  guint8 *kept; /* input read with the end of the handshake */
  gsize kept_size;
  GError *error;
  gboolean connecting;
  gboolean readable; /* the edge came and the socket was not drained since */
  gboolean hung_up;  /* an end is near: a short read proves nothing any more */
  gboolean ended;    /* the peer sends no more */
  gboolean notified; /* by close_notify */
  gboolean failed;   /* reading */
  gboolean broken;   /* writing */
  gboolean closing;  /* FIN goes behind the queue */
  gboolean closed;
  gboolean sensitive;
};

static void
stream_set_errno (TeesqlStream *self, const char *what, int code)
{
  if (self->error == NULL)
    g_set_error (&self->error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s", what, g_strerror (code));
}

static void
stream_break (TeesqlStream *self, const char *what, int code)
{
  stream_set_errno (self, what, code);
  self->broken = TRUE;
  teesql_buffer_queue_clear (&self->out, teesql_worker_get_pool (self->worker));
  teesql_worker_rewatch (self->worker, &self->watch, EVENTS_IDLE);
}

static void
stream_finish_close (TeesqlStream *self)
{
  if (!self->closing || self->closed || self->out.size > 0)
    return;
  self->closed = TRUE;
  (void) shutdown (self->fd, SHUT_WR);
}

/* Returns: bytes taken; a full socket takes 0. */
static gsize
stream_send (TeesqlStream *self, const struct iovec *pieces, guint n_pieces)
{
  struct msghdr message = { .msg_iov = (struct iovec *) pieces, .msg_iovlen = n_pieces };
  ssize_t sent;

  do
    sent = n_pieces == 1 ? send (self->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                         : sendmsg (self->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0)
    return (gsize) sent;
  if (errno != EAGAIN && errno != EWOULDBLOCK)
    stream_break (self, "send", errno);
  return 0;
}

static void
stream_flush_queue (TeesqlStream *self)
{
  while (self->out.size > 0)
    {
      struct iovec pieces[TEESQL_STREAM_MAX_PIECES];
      guint n = 0;
      gsize sent;

      for (TeesqlBuffer *buffer = self->out.head; buffer != NULL && n < G_N_ELEMENTS (pieces); buffer = buffer->next)
        pieces[n++] = (struct iovec){ .iov_base = buffer->data + buffer->start, .iov_len = buffer->end - buffer->start };
      sent = stream_send (self, pieces, n);
      if (sent == 0)
        break;
      teesql_buffer_queue_drop (&self->out, teesql_worker_get_pool (self->worker), sent);
    }
  if (!self->broken)
    teesql_worker_rewatch (self->worker, &self->watch, self->out.size > 0 ? EVENTS_BLOCKED : EVENTS_IDLE);
  stream_finish_close (self);
}

static void
stream_queue (TeesqlStream *self, const struct iovec *pieces, guint n_pieces, gsize skip)
{
  for (guint i = 0; i < n_pieces; i++)
    {
      gsize part = MIN (skip, pieces[i].iov_len);

      skip -= part;
      teesql_buffer_queue_append (&self->out, teesql_worker_get_pool (self->worker), (const guint8 *) pieces[i].iov_base + part,
                                  pieces[i].iov_len - part);
    }
  if (self->out.size > 0)
    teesql_worker_rewatch (self->worker, &self->watch, EVENTS_BLOCKED);
}

static void
stream_write_socket (TeesqlStream *self, const struct iovec *pieces, guint n_pieces)
{
  gsize sent = 0;

  if (self->broken)
    return;
  if (self->out.size == 0)
    sent = stream_send (self, pieces, n_pieces);
  if (!self->broken)
    stream_queue (self, pieces, n_pieces, sent);
}

/* After every call into GnuTLS: reads too can produce output (alerts, key updates), and the gather space belongs to all streams. */
static void
stream_flush_gather (TeesqlStream *self)
{
  TeesqlGather *gather = teesql_worker_get_gather (self->worker);
  struct iovec piece = { .iov_base = gather->data, .iov_len = gather->size };

  if (gather->size == 0)
    {
      if (self->out.size > 0 && !self->broken)
        teesql_worker_rewatch (self->worker, &self->watch, EVENTS_BLOCKED);
      return;
    }
  gather->size = 0;
  stream_write_socket (self, &piece, 1);
}

static void
stream_event (TeesqlWatch *watch, guint32 events)
{
  TeesqlStream *self = watch->user_data;

  if ((events & (EPOLLIN | EVENTS_HANG_UP)) != 0)
    self->readable = TRUE;
  if ((events & EVENTS_HANG_UP) != 0)
    self->hung_up = TRUE;
  if ((events & EPOLLOUT) != 0 && !self->connecting)
    stream_flush_queue (self);
  if (self->func != NULL)
    self->func (self, self->user_data);
}

/* Accepted sockets have what their listener had, so a listener is tuned once and its connections are asked once. */
static gboolean
stream_is_tuned (int fd)
{
  int value = 0;
  socklen_t size = sizeof value;

  return getsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) < 0 || value != 0; /* the former: no TCP */
}

void
teesql_stream_tune (int fd)
{
  int one = 1;
  int idle_s = 60;
  int interval_s = 15;
  int count = 4;

  if (stream_is_tuned (fd))
    return;
  /* A peer that vanished without a word is found within two minutes. */
  (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  (void) setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  (void) setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  (void) setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  (void) setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static TeesqlStream *
stream_new (TeesqlWorker *worker, int fd, guint32 events, TeesqlStreamFunc func, gpointer user_data, GError **error)
{
  TeesqlStream *self = g_new0 (TeesqlStream, 1);

  self->worker = worker;
  self->fd = fd;
  self->func = func;
  self->user_data = user_data;
  self->readable = TRUE; /* what came before the watch has no edge */
  self->watch = (TeesqlWatch){ .func = stream_event, .user_data = self, .fd = -1 };
  teesql_stream_tune (fd);
  if (!teesql_worker_watch (worker, &self->watch, fd, events, error))
    g_clear_pointer (&self, teesql_stream_free);
  return self;
}

TeesqlStream *
teesql_stream_new (TeesqlWorker *worker, int fd, TeesqlStreamFunc func, gpointer user_data, GError **error)
{
  return stream_new (worker, fd, EVENTS_IDLE, func, user_data, error);
}

TeesqlStream *
teesql_stream_new_connect (TeesqlWorker *worker, const struct sockaddr *address, socklen_t size, TeesqlStreamFunc func, gpointer user_data,
                           GError **error)
{
  TeesqlStream *self;
  int fd = socket (address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0 || (connect (fd, address, size) < 0 && errno != EINPROGRESS))
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "connect: %s", g_strerror (saved));
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  self = stream_new (worker, fd, EVENTS_BLOCKED, func, user_data, error);
  if (self != NULL)
    self->connecting = TRUE;
  return self;
}

TeesqlIo
teesql_stream_finish_connect (TeesqlStream *self, GError **error)
{
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  int code = 0;
  socklen_t code_size = sizeof code;

  if (!self->connecting)
    return TEESQL_IO_DONE;
  if (getsockopt (self->fd, SOL_SOCKET, SO_ERROR, &code, &code_size) < 0)
    code = errno;
  if (code == 0 && getpeername (self->fd, (struct sockaddr *) &peer, &size) < 0)
    {
      if (errno == ENOTCONN && !self->hung_up)
        return TEESQL_IO_AGAIN;
      code = errno;
    }
  if (code != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "connect: %s", g_strerror (code));
      return TEESQL_IO_FAILED;
    }
  self->connecting = FALSE;
  stream_flush_queue (self);
  return TEESQL_IO_DONE;
}

void
teesql_stream_free (TeesqlStream *self)
{
  teesql_worker_unwatch (self->worker, &self->watch);
  g_clear_pointer (&self->tls, teesql_tls_free);
  teesql_buffer_queue_clear (&self->out, teesql_worker_get_pool (self->worker));
  if (self->kept != NULL)
    explicit_bzero (self->kept, self->kept_size);
  g_free (self->kept);
  g_clear_error (&self->error);
  close (self->fd);
  g_free (self);
}

void
teesql_stream_set_func (TeesqlStream *self, TeesqlStreamFunc func, gpointer user_data)
{
  self->func = func;
  self->user_data = user_data;
}

int
teesql_stream_get_fd (const TeesqlStream *self)
{
  return self->fd;
}

TeesqlWorker *
teesql_stream_get_worker (const TeesqlStream *self)
{
  return self->worker;
}

gssize
teesql_stream_peek (TeesqlStream *self, guint8 *out, gsize size)
{
  ssize_t n;

  g_return_val_if_fail (self->tls == NULL, -1);
  do
    n = recv (self->fd, out, size, MSG_PEEK | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n;
}

gboolean
teesql_stream_start_tls (TeesqlStream *self, const TeesqlTlsOptions *options, GError **error)
{
  g_return_val_if_fail (self->tls == NULL, FALSE);
  self->tls = teesql_tls_new (options, self->worker, &self->out, error);
  return self->tls != NULL;
}

/* One read into the worker's scratch. The socket counts as drained after a short read, which saves one call per query; near an end
 * only the end itself proves it. */
static TeesqlIo
stream_fill (TeesqlStream *self, gsize max, gsize *out_size)
{
  ssize_t n;

  *out_size = 0;
  do
    n = recv (self->fd, teesql_worker_get_scratch (self->worker), max, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0)
    {
      *out_size = (gsize) n;
      self->readable = (gsize) n == max || self->hung_up;
      return TEESQL_IO_DONE;
    }
  if (n == 0)
    return TEESQL_IO_EOF;
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    {
      self->readable = FALSE;
      return TEESQL_IO_AGAIN;
    }
  stream_set_errno (self, "receive", errno);
  self->failed = TRUE;
  return TEESQL_IO_FAILED;
}

static void
stream_keep_rest (TeesqlStream *self)
{
  const guint8 *rest;
  gsize size = teesql_tls_get_lent (self->tls, &rest);

  if (size > 0)
    {
      self->kept = g_memdup2 (rest, size);
      self->kept_size = size;
    }
  teesql_tls_lend (self->tls, NULL, 0);
}

TeesqlIo
teesql_stream_handshake (TeesqlStream *self, GError **error)
{
  g_return_val_if_fail (self->tls != NULL, TEESQL_IO_FAILED);
  while (TRUE)
    {
      int code = teesql_tls_handshake (self->tls);
      gsize size;
      TeesqlIo io;

      if (code == GNUTLS_E_SUCCESS)
        {
          stream_flush_gather (self);
          stream_keep_rest (self);
          return teesql_tls_is_acceptable (self->tls, error) ? TEESQL_IO_DONE : TEESQL_IO_FAILED;
        }
      if (code != GNUTLS_E_AGAIN && code != GNUTLS_E_INTERRUPTED)
        {
          if (gnutls_error_is_fatal (code) && code != GNUTLS_E_PREMATURE_TERMINATION)
            teesql_tls_send_alert (self->tls, code);
          stream_flush_gather (self);
          g_propagate_error (error, teesql_tls_error_new (self->tls, code));
          return TEESQL_IO_FAILED;
        }
      stream_flush_gather (self);
      io = stream_fill (self, HANDSHAKE_READ, &size);
      if (io == TEESQL_IO_AGAIN)
        return io;
      if (io == TEESQL_IO_EOF)
        teesql_tls_end_input (self->tls);
      else if (io == TEESQL_IO_FAILED)
        {
          g_propagate_error (error, g_error_copy (self->error));
          return io;
        }
      teesql_tls_lend (self->tls, teesql_worker_get_scratch (self->worker), size);
    }
}

GBytes *
teesql_stream_dup_peer_leaf (TeesqlStream *self)
{
  return self->tls != NULL ? teesql_tls_dup_peer_leaf (self->tls) : NULL;
}

char *
teesql_stream_describe_tls (TeesqlStream *self)
{
  return self->tls != NULL ? teesql_tls_describe (self->tls) : g_strdup ("plain");
}

/* Records that wait for one write of the other side. */
typedef struct
{
  struct iovec pieces[TEESQL_STREAM_MAX_PIECES];
  gnutls_packet_t packets[TEESQL_STREAM_MAX_PIECES];
  guint n;
  gsize size;
} Batch;

static void
stream_deliver (TeesqlStream *self, Batch *batch, TeesqlStreamSink sink, gpointer user_data)
{
  if (batch->n > 0)
    sink (user_data, batch->pieces, batch->n, batch->size);
  for (guint i = 0; i < batch->n; i++)
    {
      if (self->sensitive)
        explicit_bzero (batch->pieces[i].iov_base, batch->pieces[i].iov_len);
      gnutls_packet_deinit (batch->packets[i]);
    }
  batch->n = 0;
  batch->size = 0;
}

static void
batch_add (Batch *batch, gnutls_packet_t packet)
{
  gnutls_datum_t data;

  gnutls_packet_get (packet, &data, NULL);
  batch->packets[batch->n] = packet;
  batch->pieces[batch->n] = (struct iovec){ .iov_base = data.data, .iov_len = data.size };
  batch->size += data.size;
  batch->n++;
}

static TeesqlIo
stream_tls_result (TeesqlStream *self, gssize code)
{
  if (code == 0) /* close_notify */
    {
      self->ended = TRUE;
      self->notified = TRUE;
      return TEESQL_IO_EOF;
    }
  if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED)
    return TEESQL_IO_DONE;
  teesql_tls_send_alert (self->tls, (int) code);
  stream_flush_gather (self);
  if (self->error == NULL)
    self->error = teesql_tls_error_new (self->tls, (int) code);
  self->failed = TRUE;
  return TEESQL_IO_FAILED;
}

/* Everything that was lent is read to the end here: afterwards only GnuTLS holds something, the beginning of a record. */
static TeesqlIo
stream_decrypt (TeesqlStream *self, TeesqlStreamSink sink, gpointer user_data)
{
  Batch batch = { .n = 0 };
  const guint8 *rest;
  gssize code;

  do
    {
      gnutls_packet_t packet = NULL;

      code = teesql_tls_receive (self->tls, &packet);
      stream_flush_gather (self);
      if (code > 0)
        batch_add (&batch, packet);
      else if (packet != NULL)
        gnutls_packet_deinit (packet);
      if (batch.n == TEESQL_STREAM_MAX_PIECES)
        stream_deliver (self, &batch, sink, user_data);
    }
  while (code > 0 && (teesql_tls_get_lent (self->tls, &rest) > 0 || teesql_tls_has_pending (self->tls)));
  stream_deliver (self, &batch, sink, user_data);
  if (code == GNUTLS_E_AGAIN && teesql_tls_get_lent (self->tls, &rest) > 0)
    code = GNUTLS_E_INTERNAL_ERROR; /* what it leaves behind would be lost, and the session out of step */
  teesql_tls_lend (self->tls, NULL, 0);
  return code > 0 ? TEESQL_IO_DONE : stream_tls_result (self, code);
}

static TeesqlIo
stream_receive_kept (TeesqlStream *self, TeesqlStreamSink sink, gpointer user_data, gsize *out_taken)
{
  g_autofree guint8 *kept = g_steal_pointer (&self->kept);
  gsize size = self->kept_size;
  TeesqlIo io;

  teesql_tls_lend (self->tls, kept, size);
  io = stream_decrypt (self, sink, user_data);
  explicit_bzero (kept, size);
  if (out_taken != NULL)
    *out_taken = size;
  return io;
}

TeesqlIo
teesql_stream_receive (TeesqlStream *self, gsize max, TeesqlStreamSink sink, gpointer user_data, gsize *out_taken)
{
  guint8 *scratch = teesql_worker_get_scratch (self->worker);
  gsize size;
  TeesqlIo io;

  if (out_taken != NULL)
    *out_taken = 0;
  if (self->failed)
    return TEESQL_IO_FAILED;
  if (self->ended)
    return TEESQL_IO_EOF;
  if (self->kept != NULL)
    return stream_receive_kept (self, sink, user_data, out_taken);
  io = stream_fill (self, MIN (max, TEESQL_WORKER_SCRATCH), &size);
  if (io == TEESQL_IO_EOF)
    self->ended = TRUE;
  if (io != TEESQL_IO_DONE)
    return io;
  if (out_taken != NULL)
    *out_taken = size;
  if (self->tls == NULL)
    sink (user_data, &(struct iovec){ .iov_base = scratch, .iov_len = size }, 1, size);
  else
    {
      teesql_tls_lend (self->tls, scratch, size);
      io = stream_decrypt (self, sink, user_data);
    }
  if (self->sensitive)
    explicit_bzero (scratch, size);
  return io;
}

gboolean
teesql_stream_was_cut (const TeesqlStream *self)
{
  return self->tls != NULL && self->ended && !self->notified;
}

gboolean
teesql_stream_can_receive (const TeesqlStream *self)
{
  return self->readable || self->kept != NULL || self->ended || self->failed;
}

void
teesql_stream_come_back (TeesqlStream *self)
{
  teesql_worker_ready (self->worker, &self->watch);
}

void
teesql_stream_set_sensitive (TeesqlStream *self, gboolean sensitive)
{
  self->sensitive = sensitive;
}

void
teesql_stream_writev (TeesqlStream *self, const struct iovec *pieces, guint n_pieces)
{
  if (self->broken || self->closing)
    return;
  if (self->tls == NULL)
    {
      stream_write_socket (self, pieces, n_pieces);
      return;
    }
  for (guint i = 0; i < n_pieces && !self->broken; i++)
    {
      if (!teesql_tls_send (self->tls, pieces[i].iov_base, pieces[i].iov_len))
        stream_break (self, "TLS send", EIO);
    }
  stream_flush_gather (self);
}

void
teesql_stream_write (TeesqlStream *self, const void *data, gsize size)
{
  struct iovec piece = { .iov_base = (void *) data, .iov_len = size };

  teesql_stream_writev (self, &piece, 1);
}

gsize
teesql_stream_get_queued (const TeesqlStream *self)
{
  return self->out.size;
}

gboolean
teesql_stream_is_broken (const TeesqlStream *self)
{
  return self->broken;
}

void
teesql_stream_close_write (TeesqlStream *self)
{
  if (self->closing)
    return;
  if (self->tls != NULL && !self->broken)
    {
      teesql_tls_close (self->tls);
      stream_flush_gather (self);
    }
  self->closing = TRUE;
  stream_finish_close (self);
}

gboolean
teesql_stream_is_write_closed (const TeesqlStream *self)
{
  return self->closed || self->broken;
}

GError *
teesql_stream_dup_error (const TeesqlStream *self)
{
  return self->error != NULL ? g_error_copy (self->error) : NULL;
}
