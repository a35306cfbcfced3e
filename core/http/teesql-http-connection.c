#include "http/teesql-http-connection.h"
#include "http/teesql-http-response.h"
#include <string.h>

#define REQUESTS_MAX   100   /* on one connection; then the client comes again and passes the limits again */
#define LINGER_MS      1000  /* for a refused client to read why */
#define LINGER_BYTES   65536 /* of what it goes on to send meanwhile */
#define LATE_ANSWER_MS 2000  /* to write that the deadline has passed */

typedef enum
{
  STATE_READING,
  STATE_HANDLING,
  STATE_WRITING,
  STATE_LINGERING, /* our end is shut; what arrives is thrown away, so that the answer is not lost to a reset */
  STATE_CLOSED,
} State;

struct _TeesqlHttpConnection
{
  TeesqlHttpConnectionEvents events;
  GSocket *socket;
  char *peer;
  guint timeout_ms;
  State state;
  GSource *io;
  GSource *deadline;
  GSource *next; /* looks at pipelined bytes in a turn of its own */
  guint8 head[TEESQL_HTTP_HEAD_MAX];
  gsize head_size;
  GBytes *answer;
  gsize answer_sent;
  gboolean keep_alive;
  guint n_requests;
  gsize n_discarded;
  TeesqlHttpRequest *request; /* borrowed: only handlers hold it, so that one nobody holds any more is noticed */
};

static void start_reading (TeesqlHttpConnection *self);
static void process_head (TeesqlHttpConnection *self);

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
attach (GSource *source, GSourceFunc func, TeesqlHttpConnection *self, GSource **slot)
{
  clear_source (slot);
  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  *slot = source;
}

static void
watch (TeesqlHttpConnection *self, GIOCondition condition, GSocketSourceFunc func)
{
  attach (g_socket_create_source (self->socket, condition, NULL), G_SOURCE_FUNC (func), self, &self->io);
}

static void
forget_request (TeesqlHttpConnection *self)
{
  TeesqlHttpRequest *request = g_steal_pointer (&self->request);

  if (request != NULL)
    teesql_http_request_abandon (request);
}

/* The last act: the server frees us. */
static void
close_now (TeesqlHttpConnection *self)
{
  self->state = STATE_CLOSED;
  clear_source (&self->io);
  clear_source (&self->deadline);
  clear_source (&self->next);
  self->events.closed (self, self->events.user_data);
}

static gboolean
would_block (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static gboolean
linger_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  TeesqlHttpConnection *self = user_data;
  g_autoptr (GError) error = NULL;
  gssize n = g_socket_receive (socket, (char *) self->head, sizeof self->head, NULL, &error);

  if (n < 0 && would_block (error))
    return G_SOURCE_CONTINUE;
  self->n_discarded += n > 0 ? (gsize) n : 0;
  if (n > 0 && self->n_discarded < LINGER_BYTES)
    return G_SOURCE_CONTINUE;
  close_now (self);
  return G_SOURCE_REMOVE;
}

static gboolean deadline_cb (gpointer user_data);

static void
set_deadline (TeesqlHttpConnection *self, guint ms)
{
  attach (g_timeout_source_new (ms), deadline_cb, self, &self->deadline);
}

static void
start_lingering (TeesqlHttpConnection *self)
{
  self->state = STATE_LINGERING;
  if (!g_socket_shutdown (self->socket, FALSE, TRUE, NULL))
    {
      close_now (self);
      return;
    }
  set_deadline (self, LINGER_MS);
  watch (self, G_IO_IN, linger_cb);
}

static gboolean
next_cb (gpointer user_data)
{
  TeesqlHttpConnection *self = user_data;

  clear_source (&self->next);
  process_head (self);
  return G_SOURCE_REMOVE;
}

/* Bytes of the next request may be here already. They wait for a turn of the loop, so that a pipeline neither recurses nor starves
 * the others. */
static void
answer_written (TeesqlHttpConnection *self)
{
  g_clear_pointer (&self->answer, g_bytes_unref);
  if (!self->keep_alive)
    {
      start_lingering (self);
      return;
    }
  start_reading (self);
  if (self->head_size > 0)
    {
      clear_source (&self->io);
      attach (g_idle_source_new (), next_cb, self, &self->next);
    }
}

static gboolean
write_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  TeesqlHttpConnection *self = user_data;
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  const char *data = g_bytes_get_data (self->answer, &size);
  gssize n = g_socket_send (socket, data + self->answer_sent, size - self->answer_sent, NULL, &error);

  if (n < 0 && would_block (error))
    return G_SOURCE_CONTINUE;
  if (n < 0)
    {
      close_now (self);
      return G_SOURCE_REMOVE;
    }
  self->answer_sent += (gsize) n;
  if (self->answer_sent < size)
    return G_SOURCE_CONTINUE;
  answer_written (self);
  return G_SOURCE_REMOVE; /* whatever is watched now is another source */
}

static void
start_writing (TeesqlHttpConnection *self, GBytes *answer, gboolean keep_alive)
{
  self->state = STATE_WRITING;
  self->answer = answer;
  self->answer_sent = 0;
  self->keep_alive = keep_alive;
  watch (self, G_IO_OUT, write_cb);
}

static void
refuse (TeesqlHttpConnection *self, guint status, const char *reason, gboolean head_only, guint retry_after)
{
  g_autofree char *body = teesql_http_response_error_body (reason, teesql_http_response_status_text (status));

  start_writing (self, teesql_http_response_format (status, "application/json", body, retry_after, head_only, FALSE), FALSE);
}

static void
answer_cb (gpointer connection, GBytes *answer, gboolean keep_alive)
{
  TeesqlHttpConnection *self = connection;

  self->request = NULL;
  start_writing (self, answer, keep_alive && self->n_requests < REQUESTS_MAX);
}

/* "One request, head to answer": the deadline runs from the first byte that could come to the last that could be written. */
static gboolean
deadline_cb (gpointer user_data)
{
  TeesqlHttpConnection *self = user_data;
  gboolean head_only = self->request != NULL && teesql_http_request_is_head_only (self->request);
  State state = self->state;

  if ((state == STATE_READING && self->head_size > 0) || state == STATE_HANDLING)
    {
      forget_request (self);
      set_deadline (self, LATE_ANSWER_MS);
      if (state == STATE_READING)
        refuse (self, 408, "request-timeout", FALSE, 0);
      else
        refuse (self, 503, "answer-timeout", head_only, 1);
    }
  else
    {
      close_now (self);
    }
  return G_SOURCE_REMOVE; /* a new deadline is another source */
}

/* While a handler works only the peer's disappearance is of interest; its further bytes wait in the kernel. */
static gboolean
hangup_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  close_now (user_data);
  return G_SOURCE_REMOVE;
}

static void
start_handling (TeesqlHttpConnection *self, TeesqlHttpHead *head, gsize consumed)
{
  TeesqlHttpRequest *request = NULL;

  self->head_size -= consumed;
  memmove (self->head, self->head + consumed, self->head_size);
  self->state = STATE_HANDLING;
  self->n_requests++;
  watch (self, G_IO_HUP | G_IO_ERR, hangup_cb);
  request = teesql_http_request_new (head, self->peer, answer_cb, self);
  self->request = request;
  self->events.handle (request, self->events.user_data);
  teesql_http_request_unref (request);
}

static void
process_head (TeesqlHttpConnection *self)
{
  g_auto (TeesqlHttpHead) head = { 0 };
  gsize consumed = 0;

  switch (teesql_http_head_parse (self->head, self->head_size, &head, &consumed))
    {
    case TEESQL_HTTP_HEAD_INCOMPLETE:
      if (self->io == NULL)
        start_reading (self);
      break;
    case TEESQL_HTTP_HEAD_COMPLETE:
      start_handling (self, &head, consumed);
      break;
    case TEESQL_HTTP_HEAD_REFUSED:
      refuse (self, head.status, head.reason, head.head_only, 0);
      break;
    }
}

static gboolean
read_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  TeesqlHttpConnection *self = user_data;
  g_autoptr (GError) error = NULL;
  gssize n = g_socket_receive (socket, (char *) self->head + self->head_size, sizeof self->head - self->head_size, NULL, &error);

  if (n < 0 && would_block (error))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      close_now (self);
      return G_SOURCE_REMOVE;
    }
  self->head_size += (gsize) n;
  process_head (self);
  return G_SOURCE_CONTINUE; /* a replaced source is destroyed already */
}

static void
start_reading (TeesqlHttpConnection *self)
{
  if (self->state != STATE_READING || self->deadline == NULL)
    set_deadline (self, self->timeout_ms);
  self->state = STATE_READING;
  watch (self, G_IO_IN, read_cb);
}

/* IPv6 counts by /64, which is what one subscriber has: limits per address would bound nobody there. */
char *
teesql_http_connection_format_peer (GInetAddress *address)
{
  const guint8 *native = g_inet_address_to_bytes (address);
  guint8 prefix[16] = { 0 };
  g_autoptr (GInetAddress) network = NULL;

  if (g_inet_address_get_family (address) != G_SOCKET_FAMILY_IPV6)
    return g_inet_address_to_string (address);
  for (gsize i = 0; i < sizeof prefix / 2; i++)
    prefix[i] = native[i];
  network = g_inet_address_new_from_bytes (prefix, G_SOCKET_FAMILY_IPV6);
  return g_inet_address_to_string (network);
}

static char *
dup_peer (GSocket *socket)
{
  g_autoptr (GSocketAddress) address = g_socket_get_remote_address (socket, NULL);

  if (!G_IS_INET_SOCKET_ADDRESS (address))
    return g_strdup ("local");
  return teesql_http_connection_format_peer (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
}

TeesqlHttpConnection *
teesql_http_connection_new (GSocket *socket, guint timeout_ms, const TeesqlHttpConnectionEvents *events)
{
  TeesqlHttpConnection *self = g_new0 (TeesqlHttpConnection, 1);

  self->events = *events;
  self->socket = g_object_ref (socket);
  self->peer = dup_peer (socket);
  self->timeout_ms = timeout_ms;
  g_socket_set_blocking (socket, FALSE);
  start_reading (self);
  return self;
}

void
teesql_http_connection_free (TeesqlHttpConnection *self)
{
  self->state = STATE_CLOSED;
  forget_request (self);
  clear_source (&self->io);
  clear_source (&self->deadline);
  clear_source (&self->next);
  g_clear_pointer (&self->answer, g_bytes_unref);
  g_socket_close (self->socket, NULL);
  g_object_unref (self->socket);
  g_free (self->peer);
  g_free (self);
}

const char *
teesql_http_connection_get_peer (const TeesqlHttpConnection *self)
{
  return self->peer;
}

gboolean
teesql_http_connection_is_idle (const TeesqlHttpConnection *self)
{
  return self->state == STATE_READING || self->state == STATE_LINGERING;
}
