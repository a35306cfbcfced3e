#include "proxy/teesql-farewell.h"

/* What a peer may still send into the void: a burst of COPY fits, an endless stream is cut. */
#define MAX_DROPPED ((gsize) 16777216)
#define MAX_WAIT_MS 60000
/* Of that, in one turn: whoever was refused may send as fast as we drop, and the worker has others to serve. */
#define TURN_BYTES ((gsize) 65536)

static void
farewell_finish (TeesqlFarewell *self)
{
  teesql_farewell_clear (self);
  self->done (self, self->user_data);
}

static void
farewell_drop (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
}

static void
farewell_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlFarewell *self = user_data;
  TeesqlIo io = TEESQL_IO_DONE;
  gsize budget = MIN (TURN_BYTES, self->patience);

  while (io == TEESQL_IO_DONE && budget > 0 && teesql_stream_can_receive (stream))
    {
      gsize taken;

      io = teesql_stream_receive (stream, budget, farewell_drop, NULL, &taken);
      budget -= MIN (budget, taken);
      self->patience -= MIN (self->patience, taken);
    }
  if (self->patience == 0 || io == TEESQL_IO_FAILED || teesql_stream_is_broken (stream) ||
      (io == TEESQL_IO_EOF && teesql_stream_is_write_closed (stream)))
    farewell_finish (self);
  else if (budget == 0)
    teesql_stream_come_back (stream);
}

static void
farewell_start_timer (TeesqlFarewell *self)
{
  self->queued = teesql_stream_get_queued (self->stream);
  self->waited_ms += self->timeout_ms;
  teesql_worker_start_timer (teesql_stream_get_worker (self->stream), &self->timer, self->timeout_ms);
}

/* The end of a long result to a slow client takes its time. */
static void
farewell_timed_out (gpointer user_data)
{
  TeesqlFarewell *self = user_data;

  if (teesql_stream_get_queued (self->stream) < self->queued && self->waited_ms < MAX_WAIT_MS)
    farewell_start_timer (self);
  else
    farewell_finish (self);
}

void
teesql_farewell_init (TeesqlFarewell *self, TeesqlStream *stream, guint timeout_ms, TeesqlFarewellDone done, gpointer user_data)
{
  *self = (TeesqlFarewell){
    .stream = stream,
    .timer = { .func = farewell_timed_out, .user_data = self },
    .patience = MAX_DROPPED,
    .timeout_ms = timeout_ms,
    .done = done,
    .user_data = user_data,
  };
  farewell_start_timer (self);
  teesql_stream_set_func (stream, farewell_event, self);
  teesql_stream_close_write (stream);
  teesql_stream_come_back (stream);
}

void
teesql_farewell_clear (TeesqlFarewell *self)
{
  if (self->stream == NULL)
    return;
  teesql_worker_stop_timer (teesql_stream_get_worker (self->stream), &self->timer);
  g_clear_pointer (&self->stream, teesql_stream_free);
}
