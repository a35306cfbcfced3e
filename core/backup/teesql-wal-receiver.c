#include "backup/teesql-wal-receiver.h"
#include "backup/teesql-wal-stream.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define STATUS_MAX_MS    1000
#define STATUS_MIN_MS    50
#define REPLY_SPACE_US   50000
#define START_TIMEOUT_MS 60000
#define ASKED_MAX_US     (10 * G_USEC_PER_SEC)
#define FULL_MAX_US      (10 * G_USEC_PER_SEC)
#define FULL_PAUSE_MS    200
#define SEGMENT_MAX      (64u * 1024 * 1024) /* of what is one object */
#define BATCH            64                  /* messages between two looks at the clock */
#define PAUSE_MIN_MS     100
#define PAUSE_MAX_MS     10000

/* -- What we say ------------------------------------------------------------------------------------------------ */

static gboolean
put_status (TeesqlWalReceiver *self, guint64 flushed, GError **error)
{
  guint8 status[TEESQL_WAL_STATUS_SIZE];

  teesql_wal_status_write (MAX (self->position, flushed), flushed, g_get_real_time (), status);
  return teesql_pg_session_put (self->session, status, sizeof status, error);
}

/* One byte less than what is durable, so that the slot keeps the segment that ends there: the next connection is held against it. Commits
 * that wait were let go by the true one before. A server that asks may be shutting down, and waits for the true one alone. */
static gboolean
keep_segment (TeesqlWalReceiver *self, guint64 confirmed, GError **error)
{
  gboolean was_asked = self->was_asked;

  self->was_asked = FALSE;
  return was_asked || confirmed == 0 || confirmed % self->archiver->segment_size != 0 || put_status (self, confirmed - 1, error);
}

/* Also while nothing is read because memory is full: wal_sender_timeout never ends a connection whose other side is only slow. */
static gboolean
send_status (TeesqlWalReceiver *self, GError **error)
{
  TeesqlWalQueue *queue = self->archiver->queue;
  guint64 confirmed = teesql_wal_queue_get_confirmed (queue, self->timeline);
  gint64 now_us = g_get_monotonic_time ();

  if (now_us < self->status_due_us && confirmed == self->told_lsn)
    return TRUE;
  self->told_lsn = confirmed;
  self->status_sent_us = now_us;
  self->status_due_us = now_us + (gint64) self->status_interval_ms * 1000;
  return put_status (self, confirmed, error) && keep_segment (self, confirmed, error);
}

/* A server that shuts down asks, again and again, until everything it sent is confirmed. */
static void
note_question (TeesqlWalReceiver *self)
{
  gint64 now_us = g_get_monotonic_time ();

  self->was_asked = TRUE;
  self->status_due_us = MIN (self->status_due_us, MAX (now_us, self->status_sent_us + REPLY_SPACE_US));
  teesql_wal_queue_want (self->archiver->queue, self->position);
  if (self->asked_us == 0 && teesql_wal_queue_get_confirmed (self->archiver->queue, self->timeline) < self->position)
    self->asked_us = now_us;
}

/* It must not wait for a store that is away: the connection is given up, the slot keeps what was not confirmed. */
static gboolean
check_patience (TeesqlWalReceiver *self, GError **error)
{
  if (self->asked_us == 0)
    return TRUE;
  if (teesql_wal_queue_get_confirmed (self->archiver->queue, self->timeline) >= self->position)
    self->asked_us = 0;
  else if (g_get_monotonic_time () - self->asked_us > ASKED_MAX_US)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-unconfirmed",
                        "the server waits for WAL that the store does not take; if it shuts down, it can go on now");
  return TRUE;
}

/* A server process whose words nobody reads cannot be ended by its server either: a checkpoint that gives up our slot would wait for us,
 * for ever. */
static gboolean
check_room (TeesqlWalReceiver *self, gboolean full, GError **error)
{
  if (!full)
    self->full_us = 0;
  else if (self->full_us == 0)
    self->full_us = g_get_monotonic_time ();
  else if (g_get_monotonic_time () - self->full_us > FULL_MAX_US)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-full",
                        "memory is full of WAL that the storage does not take; the server keeps the rest");
  return TRUE;
}

/* -- What the server says --------------------------------------------------------------------------------------- */

static void
keep_rest (TeesqlWalReceiver *self, const guint8 *data, gsize size)
{
  gsize taken = teesql_wal_queue_append (self->archiver->queue, data, size);

  teesql_wal_trail_add (self->archiver->trail, data, taken);
  self->position += taken;
  self->rest = taken < size ? data + taken : NULL;
  self->rest_size = size - taken;
}

static gboolean
handle_data (TeesqlWalReceiver *self, const TeesqlWalMessage *message, GError **error)
{
  if (message->start_lsn != self->position)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "wal-position",
                        "the server sends WAL from %X/%X, expected %X/%X", (guint) (message->start_lsn >> 32), (guint) message->start_lsn,
                        (guint) (self->position >> 32), (guint) self->position);
  self->asked_us = 0;
  keep_rest (self, message->data, message->size);
  return TRUE;
}

static gboolean
handle_message (TeesqlWalReceiver *self, const guint8 *data, gsize size, GError **error)
{
  TeesqlWalMessage message;

  if (!teesql_wal_message_parse (data, size, &message, error))
    return FALSE;
  teesql_wal_queue_note_server (self->archiver->queue, MAX (message.server_lsn, message.start_lsn + message.size));
  if (message.kind == TEESQL_WAL_MESSAGE_DATA)
    return handle_data (self, &message, error);
  if (message.reply_wanted)
    note_question (self);
  return TRUE;
}

typedef enum
{
  TAKE_FAILED,
  TAKE_MORE,  /* there is more to take */
  TAKE_EMPTY, /* nothing has come */
  TAKE_FULL,  /* memory is full: what comes stays in the socket and holds the server back */
  TAKE_END,
} Take;

static Take
take_one (TeesqlWalReceiver *self, GError **error)
{
  const guint8 *data = NULL;
  gsize size = 0;

  if (self->rest != NULL)
    keep_rest (self, self->rest, self->rest_size);
  if (self->rest != NULL)
    return TAKE_FULL;
  switch (teesql_pg_session_take (self->session, &data, &size, error))
    {
    case TEESQL_PG_COPY_MESSAGE:
      return handle_message (self, data, size, error) ? TAKE_MORE : TAKE_FAILED;
    case TEESQL_PG_COPY_EMPTY:
      return TAKE_EMPTY;
    case TEESQL_PG_COPY_END:
      return TAKE_END;
    case TEESQL_PG_COPY_FAILED:
    default:
      return TAKE_FAILED;
    }
}

static Take
take_batch (TeesqlWalReceiver *self, GError **error)
{
  Take take = TAKE_MORE;

  for (guint i = 0; i < BATCH && take == TAKE_MORE; i++)
    take = take_one (self, error);
  return take;
}

static gboolean
wait_for_news (TeesqlWalReceiver *self, Take take, GError **error)
{
  TeesqlWalQueue *queue = self->archiver->queue;
  gint64 left_ms = (self->status_due_us - g_get_monotonic_time () + 999) / 1000;

  if (take == TAKE_MORE)
    return TRUE;
  if (!teesql_pg_session_wait (self->session, take == TAKE_EMPTY, teesql_wal_queue_get_wake_fd (queue),
                               (int) CLAMP (left_ms, 1, STATUS_MAX_MS), error))
    return FALSE;
  teesql_wal_queue_clear_wake (queue);
  return TRUE;
}

static gboolean
stream_copy (TeesqlWalReceiver *self, GError **error)
{
  for (;;)
    {
      Take take = take_batch (self, error);

      if (take == TAKE_FAILED)
        return FALSE;
      if (take == TAKE_END)
        return TRUE;
      if (!check_patience (self, error) || !check_room (self, take == TAKE_FULL, error) || !send_status (self, error) ||
          !wait_for_news (self, take, error))
        return FALSE;
      teesql_wal_archiver_tell_facts (self->archiver);
    }
}

/* -- One stream ------------------------------------------------------------------------------------------------- */

gboolean
teesql_wal_receiver_is_removed (const TeesqlWalReceiver *self)
{
  const char *sqlstate = teesql_pg_session_get_sqlstate (self->session);

  /* 58P01: the segment was removed; 55000: the slot was invalidated since we looked */
  return g_strcmp0 (sqlstate, "58P01") == 0 || g_strcmp0 (sqlstate, "55000") == 0;
}

static gboolean
stream_start (TeesqlWalReceiver *self, GError **error)
{
  g_autofree char *slot = teesql_pg_quote_name (self->archiver->slot);
  g_autofree char *at = teesql_lsn_to_string (self->position);
  g_autofree char *command = g_strdup_printf ("START_REPLICATION SLOT %s PHYSICAL %s TIMELINE %u", slot, at, self->timeline);
  g_autoptr (TeesqlPgAnswer) answer = NULL;

  if (!teesql_pg_session_send (self->session, command, error))
    return FALSE;
  answer = teesql_pg_session_next (self->session, START_TIMEOUT_MS, PGRES_COPY_BOTH, error);
  return answer != NULL;
}

/* The end of a timeline: our CopyDone, then `next_tli`, `next_tli_startpos`. A server that shuts down only says that it is done. */
static gboolean
stream_end (TeesqlWalReceiver *self, GError **error)
{
  g_autoptr (TeesqlPgAnswer) copy = NULL;
  g_autoptr (TeesqlPgAnswer) answer = NULL;
  g_autoptr (TeesqlPgAnswer) done = NULL;
  guint64 timeline = 0;
  guint64 start = 0;

  copy = teesql_pg_session_next (self->session, START_TIMEOUT_MS, PGRES_COPY_IN, error);
  if (copy == NULL && teesql_pg_session_get_sqlstate (self->session) == NULL)
    {
      g_clear_error (error);
      return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", "the server ended the stream");
    }
  if (copy == NULL || !teesql_pg_session_put_end (self->session, error))
    return FALSE;
  answer = teesql_pg_session_next (self->session, START_TIMEOUT_MS, PGRES_TUPLES_OK, error);
  if (answer == NULL || !teesql_pg_answer_number (answer, 0, 0, G_MAXUINT32, &timeline, error) ||
      !teesql_pg_answer_lsn (answer, 0, 1, &start, error))
    return FALSE;
  done = teesql_pg_session_next (self->session, START_TIMEOUT_MS, PGRES_COMMAND_OK, error);
  return done != NULL && teesql_pg_session_finish (self->session, error) &&
         teesql_wal_receiver_follow (self, (guint32) timeline, start, error);
}

gboolean
teesql_wal_receiver_stream (TeesqlWalReceiver *self, GError **error)
{
  gboolean ok = FALSE;

  teesql_wal_queue_get_position (self->archiver->queue, &self->timeline, &self->position);
  self->told_lsn = 0;
  self->status_due_us = 0;
  self->asked_us = 0;
  self->was_asked = FALSE;
  self->full_us = 0;
  self->rest = NULL;
  if (!stream_start (self, error))
    return FALSE;
  teesql_wal_archiver_set_receive_problem (self->archiver, NULL);
  teesql_wal_archiver_set_streaming (self->archiver, TRUE);
  ok = stream_copy (self, error) && stream_end (self, error);
  teesql_wal_archiver_set_streaming (self->archiver, FALSE);
  return ok;
}

/* -- Connections ------------------------------------------------------------------------------------------------ */

static gboolean
receiver_open (TeesqlWalReceiver *self, GError **error)
{
  TeesqlWalArchiver *archiver = self->archiver;

  self->session = teesql_pg_session_open (&archiver->access, archiver->application_name, archiver->receive_cancellable, error);
  if (self->session == NULL || !teesql_pg_server_ask (self->session, &self->server, error) ||
      !teesql_pg_server_expect (&self->server, archiver->system_identifier, archiver->segment_size, error))
    return FALSE;
  if (archiver->segment_size > SEGMENT_MAX)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-segment-size",
                        "WAL segments of %u bytes, at most 64 MiB can be archived\nhint: make the cluster with initdb --wal-segsize=16",
                        archiver->segment_size);
  self->status_interval_ms = STATUS_MAX_MS;
  if (self->server.sender_timeout_ms > 0)
    self->status_interval_ms = CLAMP (self->server.sender_timeout_ms / 4, STATUS_MIN_MS, STATUS_MAX_MS);
  return TRUE;
}

/* Nothing is taken from a server that was not proven to go on from what we have. */
static gboolean
receive_stream (TeesqlWalReceiver *self, gboolean *out_streamed, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  TeesqlWalProve proven = teesql_wal_receiver_prove (self, error);
  gboolean ended = FALSE;

  if (proven == TEESQL_WAL_PROVE_REMOVED)
    return teesql_wal_receiver_miss (self, error);
  if (proven != TEESQL_WAL_PROVEN)
    return FALSE;
  teesql_wal_archiver_set_proven (self->archiver, TRUE);
  ended = teesql_wal_receiver_stream (self, &local_error);
  *out_streamed = *out_streamed || self->status_sent_us != 0;
  if (ended)
    return TRUE;
  if (teesql_wal_receiver_is_removed (self))
    return teesql_pg_session_finish (self->session, NULL) && teesql_wal_receiver_leap (self, local_error->message, error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* One connection; @out_streamed: it was good for something. Returns with an error, always. */
static void
receive_once (TeesqlWalArchiver *archiver, gboolean *out_streamed, GError **error)
{
  TeesqlWalReceiver self = { .archiver = archiver };
  gboolean ok = receiver_open (&self, error) && teesql_wal_receiver_place (&self, error);

  while (ok)
    ok = receive_stream (&self, out_streamed, error);
  teesql_wal_archiver_set_proven (archiver, FALSE);
  teesql_pg_session_free (self.session);
}

/* Returns: FALSE when the archiver ends */
static gboolean
wait_for_room (TeesqlWalArchiver *self)
{
  while (!teesql_wal_queue_has_room (self->queue))
    {
      if (!teesql_wal_queue_pause (self->queue, FULL_PAUSE_MS))
        return FALSE;
      teesql_wal_archiver_tell_facts (self);
    }
  return TRUE;
}

static void
receive_for_ever (TeesqlWalArchiver *self)
{
  guint pause_ms = PAUSE_MIN_MS;

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      gboolean streamed = FALSE;

      receive_once (self, &streamed, &error);
      if (g_cancellable_is_cancelled (self->receive_cancellable))
        return;
      if (teesql_wal_archiver_is_fatal (error))
        {
          teesql_wal_archiver_fail (self, g_steal_pointer (&error));
          return;
        }
      teesql_wal_archiver_set_receive_problem (self, error);
      teesql_wal_archiver_tell_facts (self);
      pause_ms = streamed ? PAUSE_MIN_MS : MIN (pause_ms * 2, PAUSE_MAX_MS);
      if (!teesql_wal_queue_pause (self->queue, pause_ms / 2 + (guint) g_random_int_range (0, (gint32) pause_ms)) || !wait_for_room (self))
        return;
    }
}

gpointer
teesql_wal_archiver_receive_run (gpointer archiver)
{
  TeesqlWalArchiver *self = archiver;

  receive_for_ever (self);
  self->told_us = 0; /* the end is news, however recent the last ones are */
  teesql_wal_archiver_tell_facts (self);
  return NULL;
}
