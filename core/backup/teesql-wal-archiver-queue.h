#pragma once
/* What was received and is not durable yet: filled by the receiver, emptied by the thread that stores, in order. */
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlWalSegment:
 * @filled: bytes that were received; what lies below never changes again
 * @stored: bytes that lie in partial objects of this run
 * @ended: the stream left it before it was full (another timeline, a gap)
 * @is_first: of what followed a teesql_wal_queue_begin(), until it is the oldest one
 * @is_new: the same, until something of it is stored; of the storing thread
 * @confirm_lsn, @durable_lsn: what holds as confirmed and durable when this segment is the oldest one, of the first after
 *   teesql_wal_queue_begin()
 * @history: (nullable): of its timeline, to be stored first
 * @partials: (element-type utf8): names of objects that go when the segment is whole; of the storing thread
 * @was_cut: an earlier run may have left partial objects
 */
typedef struct
{
  gatomicrefcount refs;
  guint32 timeline;
  guint64 start_lsn;
  guint32 size;
  guint32 filled;
  guint32 stored;
  gboolean ended;
  gboolean is_first;
  gboolean is_new;
  guint64 confirm_lsn;
  guint64 durable_lsn;
  gint64 waiting_since_us; /* when the oldest byte that is not stored came; 0: there is none */
  GBytes *history;
  GPtrArray *partials;
  gboolean was_cut;
  guint8 *data;
  struct _TeesqlWalQueue *queue;
} TeesqlWalSegment;
TeesqlWalSegment *teesql_wal_segment_ref (TeesqlWalSegment *self);
void teesql_wal_segment_unref (TeesqlWalSegment *self);
/* bytes from @from to @to, not copied */
GBytes *teesql_wal_segment_get_bytes (TeesqlWalSegment *self, guint32 from, guint32 to) G_GNUC_WARN_UNUSED_RESULT;

typedef struct _TeesqlWalQueue TeesqlWalQueue;

/**
 * teesql_wal_queue_new:
 * @interval_ms: age at which bytes of a segment that is not full are due; 0: they never are
 * @eager: they are due at once
 */
TeesqlWalQueue *teesql_wal_queue_new (guint32 segment_size, guint interval_ms, gboolean eager) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_queue_set_interval (TeesqlWalQueue *self, guint interval_ms);
TeesqlWalQueue *teesql_wal_queue_ref (TeesqlWalQueue *self);
void teesql_wal_queue_unref (TeesqlWalQueue *self);
int teesql_wal_queue_get_wake_fd (TeesqlWalQueue *self); /* readable when there is news for the receiver */
void teesql_wal_queue_clear_wake (TeesqlWalQueue *self);
void teesql_wal_queue_wake (TeesqlWalQueue *self);

/* -- The receiver's side -- */

/**
 * teesql_wal_queue_begin:
 * @start_lsn: beginning of a segment
 * @durable_lsn: nothing before is wanted any more
 * @confirm_lsn: what the server may be told until something of it is durable; 0: nothing
 * @history: (nullable)
 * @was_cut: partial objects of the first segment may be there
 *
 * the stream goes on (or begins) there; what was received before is still stored first
 */
void teesql_wal_queue_begin (TeesqlWalQueue *self, guint32 timeline, guint64 start_lsn, guint64 durable_lsn, guint64 confirm_lsn,
                             GBytes *history, gboolean was_cut);
/* bytes that were taken; fewer than @size when memory is full */
gsize teesql_wal_queue_append (TeesqlWalQueue *self, const guint8 *data, gsize size);
gboolean teesql_wal_queue_has_room (TeesqlWalQueue *self);
void teesql_wal_queue_note_server (TeesqlWalQueue *self, guint64 server_lsn);
/* %FALSE before the first begin */
gboolean teesql_wal_queue_get_position (TeesqlWalQueue *self, guint32 *out_timeline, guint64 *out_received);
/* what may be confirmed on @timeline now; 0: nothing */
guint64 teesql_wal_queue_get_confirmed (TeesqlWalQueue *self, guint32 timeline);
void teesql_wal_queue_want (TeesqlWalQueue *self, guint64 lsn); /* is due at once up to there */

/* -- The storing side -- */

/**
 * TeesqlWalJob:
 * @whole: the segment is full and becomes one object; otherwise bytes from @from to @to become a partial object. If that ends a segment,
 *   the whole one is left to do
 */
typedef struct
{
  TeesqlWalSegment *segment;
  gboolean whole;
  guint32 from;
  guint32 to;
} TeesqlWalJob;

/* waits for the next one; %FALSE when there is none and never will be */
gboolean teesql_wal_queue_next (TeesqlWalQueue *self, TeesqlWalJob *out);
void teesql_wal_queue_done (TeesqlWalQueue *self, const TeesqlWalJob *job); /* it is durable and noted */

/* -- Everybody's -- */

/**
 * teesql_wal_queue_end:
 * @drain: what is there is stored yet, then the storing side ends; otherwise it ends now
 */
void teesql_wal_queue_end (TeesqlWalQueue *self, gboolean drain);
/* waits until the queue is ended or so much time has passed; %FALSE when it is ended */
gboolean teesql_wal_queue_pause (TeesqlWalQueue *self, guint ms);
typedef enum
{
  TEESQL_WAL_WAIT_DURABLE,
  TEESQL_WAL_WAIT_TIME,
  TEESQL_WAL_WAIT_ENDED,
} TeesqlWalWait;
TeesqlWalWait teesql_wal_queue_wait_durable (TeesqlWalQueue *self, guint64 lsn, gint64 end_us);

typedef struct
{
  guint32 timeline;
  guint64 server_lsn;
  guint64 durable_lsn;
  guint64 lag_ms;
  guint64 segments;
  guint64 bytes;
} TeesqlWalQueueFacts;
void teesql_wal_queue_get_facts (TeesqlWalQueue *self, TeesqlWalQueueFacts *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalSegment, teesql_wal_segment_unref)
G_END_DECLS
