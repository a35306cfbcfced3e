#include "backup/teesql-wal-archiver-queue.h"
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MEMORY_MAX      (64u * 1024 * 1024)
#define MIN_BUFFERS     2
#define PARTIALS_MAX    64 /* then one object takes their place: recovery reads few, and a segment costs few requests */
#define TAIL_PART       4  /* of a segment: a rest that is smaller is worth an object of its own */
#define MARKS_MAX       512
#define MARK_SPACING_US 20000

/* The server told us at @when_us that WAL goes up to @lsn. */
typedef struct
{
  guint64 lsn;
  gint64 when_us;
} Mark;

struct _TeesqlWalQueue
{
  gatomicrefcount refs;
  guint32 segment_size;
  gboolean eager;
  guint max_buffers;
  int wake_fd;

  GMutex mutex; /* of everything below */
  GCond cond;
  guint interval_ms;
  GQueue segments; /* TeesqlWalSegment, oldest first; the last one is being filled */
  GPtrArray *spare;
  guint n_buffers;
  gboolean draining;
  gboolean ended;
  gboolean begun;
  guint32 timeline; /* that is being received */
  guint64 received_lsn;
  guint64 server_lsn;
  guint32 confirm_timeline;
  guint64 confirm_lsn;
  guint64 durable_lsn;
  guint64 wanted_lsn;
  Mark marks[MARKS_MAX];
  guint first_mark;
  guint n_marks;
  guint64 stored_segments;
  guint64 stored_bytes;
};

/* -- Segments --------------------------------------------------------------------------------------------------- */

static TeesqlWalSegment *
segment_new (TeesqlWalQueue *queue, guint32 timeline, guint64 start_lsn)
{
  TeesqlWalSegment *self = g_new0 (TeesqlWalSegment, 1);

  g_atomic_ref_count_init (&self->refs);
  self->queue = teesql_wal_queue_ref (queue);
  self->timeline = timeline;
  self->start_lsn = start_lsn;
  self->size = queue->segment_size;
  self->partials = g_ptr_array_new_with_free_func (g_free);
  return self;
}

TeesqlWalSegment *
teesql_wal_segment_ref (TeesqlWalSegment *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static void
queue_give_back (TeesqlWalQueue *self, guint8 *buffer)
{
  g_mutex_lock (&self->mutex);
  g_ptr_array_add (self->spare, buffer);
  g_mutex_unlock (&self->mutex);
  teesql_wal_queue_wake (self);
}

/* never under the queue's mutex */
void
teesql_wal_segment_unref (TeesqlWalSegment *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->data != NULL)
    queue_give_back (self->queue, self->data);
  teesql_wal_queue_unref (self->queue);
  g_clear_pointer (&self->history, g_bytes_unref);
  g_ptr_array_unref (self->partials);
  g_free (self);
}

static void
release_segment (gpointer user_data)
{
  teesql_wal_segment_unref (user_data);
}

GBytes *
teesql_wal_segment_get_bytes (TeesqlWalSegment *self, guint32 from, guint32 to)
{
  return g_bytes_new_with_free_func (self->data + from, to - from, release_segment, teesql_wal_segment_ref (self));
}

/* -- The queue -------------------------------------------------------------------------------------------------- */

TeesqlWalQueue *
teesql_wal_queue_new (guint32 segment_size, guint interval_ms, gboolean eager)
{
  TeesqlWalQueue *self = g_new0 (TeesqlWalQueue, 1);

  g_atomic_ref_count_init (&self->refs);
  self->segment_size = segment_size;
  self->interval_ms = interval_ms;
  self->eager = eager;
  self->max_buffers = MAX (MEMORY_MAX / segment_size, MIN_BUFFERS);
  self->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  g_queue_init (&self->segments);
  self->spare = g_ptr_array_new_with_free_func (g_free);
  return self;
}

TeesqlWalQueue *
teesql_wal_queue_ref (TeesqlWalQueue *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

/* Each segment holds a reference: the last one goes when the queue was ended and nobody stores any more. */
void
teesql_wal_queue_unref (TeesqlWalQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_ptr_array_unref (self->spare);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  if (self->wake_fd >= 0)
    close (self->wake_fd);
  g_free (self);
}

int
teesql_wal_queue_get_wake_fd (TeesqlWalQueue *self)
{
  return self->wake_fd;
}

void
teesql_wal_queue_wake (TeesqlWalQueue *self)
{
  guint64 one = 1;

  while (write (self->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
    ; /* EAGAIN: it is readable for long */
}

void
teesql_wal_queue_clear_wake (TeesqlWalQueue *self)
{
  guint64 count = 0;

  while (read (self->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
    ;
}

static void
queue_changed (TeesqlWalQueue *self)
{
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  teesql_wal_queue_wake (self);
}

/* -- Lag -------------------------------------------------------------------------------------------------------- */

static Mark *
queue_get_mark (TeesqlWalQueue *self, guint i)
{
  return &self->marks[(self->first_mark + i) % MARKS_MAX];
}

/* A mark that is near the last one, or that finds no place, moves the last one's LSN: ages are never told too small. */
static void
queue_add_mark (TeesqlWalQueue *self, guint64 lsn)
{
  gint64 now_us = g_get_monotonic_time ();
  Mark *last = self->n_marks > 0 ? queue_get_mark (self, self->n_marks - 1) : NULL;

  if (last != NULL && (self->n_marks == MARKS_MAX || now_us - last->when_us < MARK_SPACING_US))
    last->lsn = lsn;
  else
    *queue_get_mark (self, self->n_marks++) = (Mark){ .lsn = lsn, .when_us = now_us };
}

static void
queue_drop_marks (TeesqlWalQueue *self)
{
  while (self->n_marks > 0 && queue_get_mark (self, 0)->lsn <= self->durable_lsn)
    {
      self->first_mark = (self->first_mark + 1) % MARKS_MAX;
      self->n_marks--;
    }
}

void
teesql_wal_queue_note_server (TeesqlWalQueue *self, guint64 server_lsn)
{
  g_mutex_lock (&self->mutex);
  if (server_lsn > self->server_lsn)
    {
      self->server_lsn = server_lsn;
      if (server_lsn > self->durable_lsn)
        queue_add_mark (self, server_lsn);
    }
  g_mutex_unlock (&self->mutex);
}

/* -- Receiving -------------------------------------------------------------------------------------------------- */

/* A segment that is the oldest of its stream says what is durable and confirmed when all before it is stored. */
static void
queue_adopt_first (TeesqlWalQueue *self)
{
  TeesqlWalSegment *oldest = g_queue_peek_head (&self->segments);

  if (oldest == NULL || !oldest->is_first)
    return;
  oldest->is_first = FALSE;
  self->confirm_timeline = oldest->timeline;
  self->confirm_lsn = oldest->confirm_lsn;
  self->durable_lsn = oldest->durable_lsn;
  queue_drop_marks (self);
}

/* Takes finished segments off the front. Returns: (element-type TeesqlWalSegment): to be released without the mutex */
static GSList *
queue_pop_finished (TeesqlWalQueue *self)
{
  GSList *popped = NULL;
  TeesqlWalSegment *oldest = NULL;

  while ((oldest = g_queue_peek_head (&self->segments)) != NULL && oldest->ended && oldest->stored >= oldest->filled)
    popped = g_slist_prepend (popped, g_queue_pop_head (&self->segments));
  queue_adopt_first (self);
  return popped;
}

void
teesql_wal_queue_begin (TeesqlWalQueue *self, guint32 timeline, guint64 start_lsn, guint64 durable_lsn, guint64 confirm_lsn,
                        GBytes *history, gboolean was_cut)
{
  TeesqlWalSegment *first = segment_new (self, timeline, start_lsn);
  TeesqlWalSegment *last = NULL;
  GSList *popped = NULL;

  first->is_first = TRUE;
  first->is_new = TRUE;
  first->durable_lsn = durable_lsn;
  first->confirm_lsn = confirm_lsn;
  first->history = history != NULL ? g_bytes_ref (history) : NULL;
  first->was_cut = was_cut;
  g_mutex_lock (&self->mutex);
  last = g_queue_peek_tail (&self->segments);
  if (last != NULL && last->filled < last->size)
    last->ended = TRUE;
  g_queue_push_tail (&self->segments, first);
  self->begun = TRUE;
  self->timeline = timeline;
  self->received_lsn = start_lsn;
  self->server_lsn = MAX (self->server_lsn, start_lsn);
  popped = queue_pop_finished (self);
  queue_changed (self);
  g_slist_free_full (popped, release_segment);
}

static guint8 *
queue_take_buffer (TeesqlWalQueue *self)
{
  if (self->spare->len > 0)
    return g_ptr_array_steal_index_fast (self->spare, self->spare->len - 1);
  if (self->n_buffers == self->max_buffers)
    return NULL;
  self->n_buffers++;
  return g_malloc (self->segment_size);
}

/* The segment that takes the next byte. Returns: (nullable): NULL when memory is full */
static TeesqlWalSegment *
queue_get_open (TeesqlWalQueue *self)
{
  TeesqlWalSegment *last = g_queue_peek_tail (&self->segments);

  if (last != NULL && last->data != NULL && last->filled < last->size)
    return last;
  if (last == NULL || last->data != NULL)
    {
      guint8 *buffer = queue_take_buffer (self);

      if (buffer == NULL)
        return NULL;
      last = segment_new (self, self->timeline, self->received_lsn);
      last->data = buffer;
      g_queue_push_tail (&self->segments, last);
      return last;
    }
  last->data = queue_take_buffer (self);
  return last->data != NULL ? last : NULL;
}

gboolean
teesql_wal_queue_has_room (TeesqlWalQueue *self)
{
  gboolean room = FALSE;
  TeesqlWalSegment *last = NULL;

  g_mutex_lock (&self->mutex);
  last = g_queue_peek_tail (&self->segments);
  room = self->spare->len > 0 || self->n_buffers < self->max_buffers || (last != NULL && last->data != NULL && last->filled < last->size);
  g_mutex_unlock (&self->mutex);
  return room;
}

/* Only the receiver writes above `filled`, so the copy itself needs no lock. Returns: bytes taken */
static gsize
queue_append_some (TeesqlWalQueue *self, const guint8 *data, gsize size)
{
  TeesqlWalSegment *open = NULL;
  guint32 n = 0;

  g_mutex_lock (&self->mutex);
  open = queue_get_open (self);
  g_mutex_unlock (&self->mutex);
  if (open == NULL)
    return 0;
  n = (guint32) MIN (size, open->size - open->filled);
  memcpy (open->data + open->filled, data, n);
  g_mutex_lock (&self->mutex);
  if (open->waiting_since_us == 0)
    open->waiting_since_us = g_get_monotonic_time ();
  open->filled += n;
  self->received_lsn += n;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  return n;
}

gsize
teesql_wal_queue_append (TeesqlWalQueue *self, const guint8 *data, gsize size)
{
  gsize taken = 0;

  while (taken < size)
    {
      gsize n = queue_append_some (self, data + taken, size - taken);

      if (n == 0)
        break;
      taken += n;
    }
  return taken;
}

gboolean
teesql_wal_queue_get_position (TeesqlWalQueue *self, guint32 *out_timeline, guint64 *out_received)
{
  gboolean begun = FALSE;

  g_mutex_lock (&self->mutex);
  begun = self->begun;
  *out_timeline = self->timeline;
  *out_received = self->received_lsn;
  g_mutex_unlock (&self->mutex);
  return begun;
}

guint64
teesql_wal_queue_get_confirmed (TeesqlWalQueue *self, guint32 timeline)
{
  guint64 lsn = 0;

  g_mutex_lock (&self->mutex);
  lsn = self->confirm_timeline == timeline ? self->confirm_lsn : 0;
  g_mutex_unlock (&self->mutex);
  return lsn;
}

void
teesql_wal_queue_set_interval (TeesqlWalQueue *self, guint interval_ms)
{
  g_mutex_lock (&self->mutex);
  self->interval_ms = interval_ms;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

void
teesql_wal_queue_want (TeesqlWalQueue *self, guint64 lsn)
{
  g_mutex_lock (&self->mutex);
  self->wanted_lsn = MAX (self->wanted_lsn, lsn);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

/* -- Storing ---------------------------------------------------------------------------------------------------- */

/* When bytes of a segment that is not full are due; G_MAXINT64: when something else happens */
static gint64
queue_get_due_us (const TeesqlWalQueue *self, const TeesqlWalSegment *segment)
{
  if (segment->filled <= segment->stored)
    return G_MAXINT64;
  /* what a run before this one stored comes once more after a start, for the sake of the whole segment */
  if (!segment->ended && segment->start_lsn + segment->filled <= self->durable_lsn)
    return G_MAXINT64;
  if (self->eager || segment->ended || self->wanted_lsn > self->durable_lsn || (self->draining && self->interval_ms > 0))
    return 0;
  return self->interval_ms > 0 ? segment->waiting_since_us + (gint64) self->interval_ms * 1000 : G_MAXINT64;
}

/* Somebody waits for every byte: the rest goes up by itself, and the whole segment when nobody waits for it. Not where bytes come so fast
 * that they would all travel twice. */
static gboolean
queue_wants_tail (const TeesqlWalQueue *self, const TeesqlWalSegment *segment)
{
  return self->eager && segment->stored > 0 && segment->stored < segment->size &&
         segment->size - segment->stored <= segment->size / TAIL_PART;
}

/* Returns: when it is due, 0 for now */
static gint64
queue_choose (TeesqlWalQueue *self, TeesqlWalJob *out)
{
  TeesqlWalSegment *oldest = g_queue_peek_head (&self->segments);
  gint64 due_us = G_MAXINT64;

  if (oldest == NULL)
    return G_MAXINT64;
  *out = (TeesqlWalJob){ .segment = oldest, .to = oldest->filled };
  if (oldest->filled == oldest->size)
    {
      out->whole = !queue_wants_tail (self, oldest);
      out->from = out->whole ? 0 : oldest->stored;
      return 0;
    }
  due_us = queue_get_due_us (self, oldest);
  out->from = oldest->partials->len < PARTIALS_MAX ? oldest->stored : 0;
  return due_us <= g_get_monotonic_time () ? 0 : due_us;
}

gboolean
teesql_wal_queue_next (TeesqlWalQueue *self, TeesqlWalJob *out)
{
  gboolean found = FALSE;

  g_mutex_lock (&self->mutex);
  while (!self->ended)
    {
      gint64 due_us = queue_choose (self, out);

      found = due_us == 0;
      if (found || self->draining)
        break;
      if (due_us == G_MAXINT64)
        g_cond_wait (&self->cond, &self->mutex);
      else
        g_cond_wait_until (&self->cond, &self->mutex, due_us);
    }
  if (found)
    teesql_wal_segment_ref (out->segment);
  g_mutex_unlock (&self->mutex);
  return found;
}

static void
queue_note_stored (TeesqlWalQueue *self, const TeesqlWalJob *job)
{
  TeesqlWalSegment *segment = job->segment;

  segment->stored = job->to;
  segment->waiting_since_us = segment->filled > job->to ? g_get_monotonic_time () : 0;
  segment->ended = segment->ended || job->to == segment->size;
  self->confirm_timeline = segment->timeline;
  self->confirm_lsn = MAX (self->confirm_lsn, segment->start_lsn + job->to);
  self->durable_lsn = MAX (self->durable_lsn, segment->start_lsn + job->to);
  self->stored_bytes += job->to - job->from;
  if (job->to == segment->size)
    self->stored_segments++;
}

void
teesql_wal_queue_done (TeesqlWalQueue *self, const TeesqlWalJob *job)
{
  GSList *popped = NULL;

  g_mutex_lock (&self->mutex);
  queue_note_stored (self, job);
  queue_drop_marks (self);
  popped = queue_pop_finished (self);
  queue_changed (self);
  g_slist_free_full (popped, release_segment);
}

/* -- Everybody's ------------------------------------------------------------------------------------------------ */

void
teesql_wal_queue_end (TeesqlWalQueue *self, gboolean drain)
{
  GQueue left = G_QUEUE_INIT;

  g_mutex_lock (&self->mutex);
  self->draining = TRUE;
  self->ended = self->ended || !drain;
  if (self->ended)
    {
      left = self->segments;
      g_queue_init (&self->segments);
    }
  queue_changed (self);
  g_queue_clear_full (&left, release_segment);
}

gboolean
teesql_wal_queue_pause (TeesqlWalQueue *self, guint ms)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) ms * 1000;
  gboolean ended = FALSE;

  g_mutex_lock (&self->mutex);
  while (!self->ended && !self->draining && g_cond_wait_until (&self->cond, &self->mutex, end_us))
    ;
  ended = self->ended || self->draining;
  g_mutex_unlock (&self->mutex);
  return !ended;
}

TeesqlWalWait
teesql_wal_queue_wait_durable (TeesqlWalQueue *self, guint64 lsn, gint64 end_us)
{
  TeesqlWalWait result = TEESQL_WAL_WAIT_TIME;

  g_mutex_lock (&self->mutex);
  while (self->durable_lsn < lsn && !self->ended && g_cond_wait_until (&self->cond, &self->mutex, end_us))
    ;
  if (self->durable_lsn >= lsn)
    result = TEESQL_WAL_WAIT_DURABLE;
  else if (self->ended)
    result = TEESQL_WAL_WAIT_ENDED;
  g_mutex_unlock (&self->mutex);
  return result;
}

void
teesql_wal_queue_get_facts (TeesqlWalQueue *self, TeesqlWalQueueFacts *out)
{
  g_mutex_lock (&self->mutex);
  *out = (TeesqlWalQueueFacts){ .timeline = self->timeline,
                                .server_lsn = self->server_lsn,
                                .durable_lsn = self->durable_lsn,
                                .segments = self->stored_segments,
                                .bytes = self->stored_bytes };
  if (self->n_marks > 0)
    out->lag_ms = (guint64) MAX (g_get_monotonic_time () - queue_get_mark (self, 0)->when_us, 0) / 1000;
  g_mutex_unlock (&self->mutex);
}
