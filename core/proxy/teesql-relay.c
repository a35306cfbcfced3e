#include "proxy/teesql-relay.h"

/* One turn of one direction; then other sessions of the worker have theirs. */
#define TURN_BYTES ((gsize) 262144)
/* When the buffers of all sessions together are at their limit, a session gets on in steps that a kernel's buffer usually takes. */
#define TIGHT_CHUNK ((gsize) 4096)
#define MIN_CHUNK   ((gsize) 4096)

static void
relay_finish (TeesqlRelay *self, TeesqlRelayEnd end, TeesqlStream *culprit)
{
  g_autoptr (GError) error = culprit != NULL ? teesql_stream_dup_error (culprit) : NULL;

  self->over = TRUE;
  self->done (self, end, error, self->user_data);
}

static void
relay_to_server (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  TeesqlRelay *self = user_data;

  self->bytes_in += size;
  teesql_stream_writev (self->server, pieces, n_pieces);
}

static void
relay_to_client (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  TeesqlRelay *self = user_data;

  self->bytes_out += size;
  teesql_stream_writev (self->client, pieces, n_pieces);
}

static gboolean
relay_is_tight (TeesqlRelay *self)
{
  TeesqlMemory *memory = teesql_worker_get_memory (teesql_stream_get_worker (self->client));

  return memory != NULL && teesql_memory_is_tight (memory);
}

/* Returns: how much may be read toward @to now; 0 while it has too much before it. */
static gsize
relay_get_room (TeesqlRelay *self, TeesqlStream *to)
{
  gsize queued = teesql_stream_get_queued (to);

  if (relay_is_tight (self))
    return queued == 0 ? TIGHT_CHUNK : 0;
  return queued == 0 || queued + self->chunk <= self->high_water ? self->chunk : 0;
}

/* Returns: what ended the direction; AGAIN when nothing can move now, DONE when its turn is over with more at hand. */
static TeesqlIo
relay_pump (TeesqlRelay *self, TeesqlStream *from, TeesqlStream *to, TeesqlStreamSink sink)
{
  gsize budget = TURN_BYTES;
  gsize room;

  while (teesql_stream_can_receive (from) && (room = relay_get_room (self, to)) > 0)
    {
      gsize taken;
      TeesqlIo io = teesql_stream_receive (from, room, sink, self, &taken);

      if (io != TEESQL_IO_DONE)
        return io;
      if (taken >= budget)
        return TEESQL_IO_DONE;
      budget -= taken;
    }
  return TEESQL_IO_AGAIN;
}

/* Returns: %FALSE when the relay is over. */
static gboolean
relay_pump_client (TeesqlRelay *self)
{
  if (self->client_ended)
    return TRUE;
  switch (relay_pump (self, self->client, self->server, relay_to_server))
    {
    case TEESQL_IO_DONE:
      teesql_stream_come_back (self->client);
      return TRUE;
    case TEESQL_IO_AGAIN:
      return TRUE;
    case TEESQL_IO_EOF:
      if (!teesql_stream_was_cut (self->client))
        {
          self->client_ended = TRUE;
          teesql_stream_close_write (self->server);
          return TRUE;
        }
      G_GNUC_FALLTHROUGH;
    case TEESQL_IO_FAILED:
      relay_finish (self, TEESQL_RELAY_CLIENT_CUT, self->client);
      return FALSE;
    }
  return TRUE;
}

static gboolean
relay_pump_server (TeesqlRelay *self)
{
  switch (relay_pump (self, self->server, self->client, relay_to_client))
    {
    case TEESQL_IO_DONE:
      teesql_stream_come_back (self->server);
      return TRUE;
    case TEESQL_IO_AGAIN:
      return TRUE;
    case TEESQL_IO_EOF:
      relay_finish (self, teesql_stream_was_cut (self->server) ? TEESQL_RELAY_SERVER_FAILED : TEESQL_RELAY_SERVER_ENDED, NULL);
      return FALSE;
    case TEESQL_IO_FAILED:
      relay_finish (self, TEESQL_RELAY_SERVER_FAILED, self->server);
      return FALSE;
    }
  return TRUE;
}

static void
relay_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlRelay *self = user_data;

  if (self->over || !relay_pump_client (self))
    return;
  /* A server that takes no more has usually said why before it went: that is still read. */
  if (!self->client_ended && teesql_stream_is_broken (self->server))
    self->client_ended = TRUE;
  if (!relay_pump_server (self))
    return;
  if (teesql_stream_is_broken (self->client))
    relay_finish (self, TEESQL_RELAY_CLIENT_CUT, self->client);
}

void
teesql_relay_init (TeesqlRelay *self, TeesqlStream *client, TeesqlStream *server, gsize session_memory, TeesqlRelayDone done,
                   gpointer user_data)
{
  *self = (TeesqlRelay){
    .client = client,
    .server = server,
    .chunk = CLAMP (session_memory / 4, MIN_CHUNK, TEESQL_WORKER_SCRATCH),
    .high_water = session_memory / 2,
    .done = done,
    .user_data = user_data,
  };
  teesql_stream_set_func (client, relay_event, self);
  teesql_stream_set_func (server, relay_event, self);
  teesql_stream_come_back (client);
}

void
teesql_relay_end_client (TeesqlRelay *self)
{
  if (self->over || self->client_ended)
    return;
  self->client_ended = TRUE;
  teesql_stream_close_write (self->server);
}

void
teesql_relay_clear (TeesqlRelay *self)
{
  self->over = TRUE;
}
