#include "backup/teesql-wal-archiver-queue.h"
#include <poll.h>
#include <string.h>

#define SEGMENT     (1024u * 1024)
#define START       ((guint64) 16 * SEGMENT)
#define MAX_BUFFERS 64u /* 64 MiB of memory */

static guint8 *
make_wal (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 31 + i / 251);
  return data;
}

static TeesqlWalQueue *
begin (guint interval_ms, gboolean eager)
{
  TeesqlWalQueue *queue = teesql_wal_queue_new (SEGMENT, interval_ms, eager);

  teesql_wal_queue_begin (queue, 1, START, START, 0, NULL, FALSE);
  return queue;
}

static void
end (TeesqlWalQueue *queue)
{
  teesql_wal_queue_end (queue, FALSE);
  teesql_wal_queue_unref (queue);
}

static void
append (TeesqlWalQueue *queue, gsize size)
{
  g_autofree guint8 *data = make_wal (size);

  g_assert_cmpuint (teesql_wal_queue_append (queue, data, size), ==, size);
}

static void
assert_next (TeesqlWalQueue *queue, gboolean whole, guint32 from, guint32 to, gboolean done)
{
  TeesqlWalJob job;

  g_assert_true (teesql_wal_queue_next (queue, &job));
  g_assert_cmpint (job.whole, ==, whole);
  g_assert_cmpuint (job.from, ==, from);
  g_assert_cmpuint (job.to, ==, to);
  if (done && !whole)
    g_ptr_array_add (job.segment->partials, g_strdup ("name"));
  if (done)
    teesql_wal_queue_done (queue, &job);
  teesql_wal_segment_unref (job.segment);
}

static void
assert_nothing_due (TeesqlWalQueue *queue)
{
  TeesqlWalJob job;

  teesql_wal_queue_end (queue, TRUE);
  g_assert_false (teesql_wal_queue_next (queue, &job));
}

static void
test_whole_segments (void)
{
  TeesqlWalQueue *queue = begin (0, FALSE);
  TeesqlWalJob job;
  g_autofree guint8 *data = make_wal (SEGMENT + 100);
  g_autoptr (GBytes) bytes = NULL;

  g_assert_cmpuint (teesql_wal_queue_append (queue, data, SEGMENT + 100), ==, SEGMENT + 100);
  g_assert_true (teesql_wal_queue_next (queue, &job));
  g_assert_true (job.whole);
  g_assert_cmphex (job.segment->start_lsn, ==, START);
  bytes = teesql_wal_segment_get_bytes (job.segment, job.from, job.to);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes), data, SEGMENT);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, 0);
  teesql_wal_queue_done (queue, &job);
  teesql_wal_segment_unref (job.segment);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, START + SEGMENT);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, 0);
  assert_nothing_due (queue); /* the rest is no whole segment, and partial objects were not asked for */
  end (queue);
}

static void
test_eager_batches (void)
{
  TeesqlWalQueue *queue = begin (0, TRUE);
  TeesqlWalJob job;

  append (queue, 100);
  g_assert_true (teesql_wal_queue_next (queue, &job));
  append (queue, 50); /* while the batch is under way: they belong to the next one */
  append (queue, 7);
  g_assert_cmpuint (job.to, ==, 100);
  teesql_wal_queue_done (queue, &job);
  teesql_wal_segment_unref (job.segment);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, START + 100);
  assert_next (queue, FALSE, 100, 157, TRUE);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, START + 157);
  end (queue);
}

/* The commit that fills a segment does not wait for 16 MiB to travel once more. */
static void
test_tail_first (void)
{
  TeesqlWalQueue *queue = begin (0, TRUE);

  append (queue, SEGMENT - 1000);
  assert_next (queue, FALSE, 0, SEGMENT - 1000, TRUE);
  append (queue, 1000 + 50);
  assert_next (queue, FALSE, SEGMENT - 1000, SEGMENT, TRUE);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, START + SEGMENT);
  assert_next (queue, FALSE, 0, 50, TRUE); /* of the next one */
  append (queue, SEGMENT - 50);
  assert_next (queue, TRUE, 0, SEGMENT, TRUE); /* too much to send it twice */
  end (queue);
}

static void
test_interval (void)
{
  TeesqlWalQueue *queue = begin (50, FALSE);
  gint64 before = g_get_monotonic_time ();

  append (queue, 10);
  assert_next (queue, FALSE, 0, 10, TRUE);
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 50000);
  end (queue);
}

static void
test_set_interval (void)
{
  TeesqlWalQueue *queue = begin (0, FALSE);

  append (queue, 100);
  assert_nothing_due (queue);
  teesql_wal_queue_set_interval (queue, 1);
  assert_next (queue, FALSE, 0, 100, TRUE);
  teesql_wal_queue_set_interval (queue, 0);
  append (queue, 100);
  assert_nothing_due (queue);
  end (queue);
}

static void
test_wanted (void)
{
  TeesqlWalQueue *queue = begin (0, FALSE);

  append (queue, 10);
  teesql_wal_queue_want (queue, START + 10);
  assert_next (queue, FALSE, 0, 10, TRUE);
  g_assert_cmpint (teesql_wal_queue_wait_durable (queue, START + 10, 0), ==, TEESQL_WAL_WAIT_DURABLE);
  g_assert_cmpint (teesql_wal_queue_wait_durable (queue, START + 11, 0), ==, TEESQL_WAL_WAIT_TIME);
  teesql_wal_queue_end (queue, FALSE);
  g_assert_cmpint (teesql_wal_queue_wait_durable (queue, START + 11, 0), ==, TEESQL_WAL_WAIT_ENDED);
  end (queue);
}

static void
test_many_partials_become_one (void)
{
  TeesqlWalQueue *queue = begin (0, TRUE);

  for (guint i = 0; i < 64; i++)
    {
      append (queue, 10);
      assert_next (queue, FALSE, i * 10, i * 10 + 10, TRUE);
    }
  append (queue, 10);
  assert_next (queue, FALSE, 0, 650, TRUE);
  end (queue);
}

static void
test_memory_is_bounded (void)
{
  TeesqlWalQueue *queue = begin (0, FALSE);
  g_autofree guint8 *data = make_wal (SEGMENT);
  struct pollfd wake = { .fd = teesql_wal_queue_get_wake_fd (queue), .events = POLLIN };

  for (guint i = 0; i < MAX_BUFFERS; i++)
    g_assert_cmpuint (teesql_wal_queue_append (queue, data, SEGMENT), ==, SEGMENT);
  g_assert_false (teesql_wal_queue_has_room (queue));
  g_assert_cmpuint (teesql_wal_queue_append (queue, data, 1), ==, 0);
  teesql_wal_queue_clear_wake (queue);
  g_assert_cmpint (poll (&wake, 1, 0), ==, 0);
  assert_next (queue, TRUE, 0, SEGMENT, TRUE);
  g_assert_cmpint (poll (&wake, 1, 0), ==, 1); /* the receiver is told that there is room again */
  g_assert_true (teesql_wal_queue_has_room (queue));
  g_assert_cmpuint (teesql_wal_queue_append (queue, data, SEGMENT), ==, SEGMENT);
  end (queue);
}

/* A switch: what the old timeline has is stored first; then its end is what holds for the new one. */
static void
test_switch (void)
{
  TeesqlWalQueue *queue = begin (0, FALSE);
  g_autoptr (GBytes) history = g_bytes_new_static ("1\t0/1\tx\n", 8);
  TeesqlWalJob job;
  guint32 timeline = 0;
  guint64 received = 0;

  append (queue, 300);
  teesql_wal_queue_begin (queue, 2, START, START + 300, START + 300, history, FALSE);
  g_assert_true (teesql_wal_queue_get_position (queue, &timeline, &received));
  g_assert_cmpuint (timeline, ==, 2);
  g_assert_cmphex (received, ==, START);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, 0);
  assert_next (queue, FALSE, 0, 300, TRUE);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, START + 300);
  append (queue, SEGMENT);
  g_assert_true (teesql_wal_queue_next (queue, &job));
  g_assert_true (job.whole && job.segment->timeline == 2 && job.segment->history == history);
  teesql_wal_queue_done (queue, &job);
  teesql_wal_segment_unref (job.segment);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, START + SEGMENT);
  end (queue);
}

/* The new timeline left the old one before what was archived of it: nothing beyond may be confirmed. */
static void
test_switch_back (void)
{
  TeesqlWalQueue *queue = begin (0, TRUE);

  append (queue, 500);
  assert_next (queue, FALSE, 0, 500, TRUE);
  teesql_wal_queue_begin (queue, 2, START, START + 200, START + 200, NULL, FALSE);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, START + 200);
  append (queue, 100); /* a copy of what is durable on the old one */
  append (queue, 150);
  assert_next (queue, FALSE, 0, 250, TRUE);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 2), ==, START + 250);
  end (queue);
}

/* After a start the segment comes once more; what is durable already is neither due nor confirmed twice. */
static void
test_restart (void)
{
  TeesqlWalQueue *queue = teesql_wal_queue_new (SEGMENT, 0, TRUE);

  teesql_wal_queue_begin (queue, 1, START, START + 400, START + 400, NULL, TRUE);
  append (queue, 400);
  g_assert_cmphex (teesql_wal_queue_get_confirmed (queue, 1), ==, START + 400);
  append (queue, 1);
  assert_next (queue, FALSE, 0, 401, TRUE);
  append (queue, SEGMENT - 401);
  assert_next (queue, TRUE, 0, SEGMENT, TRUE);
  end (queue);
}

static void
test_lag (void)
{
  TeesqlWalQueue *queue = begin (0, TRUE);
  TeesqlWalQueueFacts facts;

  teesql_wal_queue_note_server (queue, START + 100);
  g_assert_cmpint (teesql_wal_queue_wait_durable (queue, START + 1, g_get_monotonic_time () + 30000), ==, TEESQL_WAL_WAIT_TIME);
  teesql_wal_queue_get_facts (queue, &facts);
  g_assert_cmpuint (facts.lag_ms, >=, 30);
  g_assert_cmphex (facts.server_lsn, ==, START + 100);
  append (queue, 100);
  assert_next (queue, FALSE, 0, 100, TRUE);
  teesql_wal_queue_get_facts (queue, &facts);
  g_assert_cmpuint (facts.lag_ms, ==, 0);
  g_assert_cmphex (facts.durable_lsn, ==, START + 100);
  g_assert_cmpuint (facts.bytes, ==, 100);
  end (queue);
}

static void
test_drain (void)
{
  TeesqlWalQueue *queue = begin (100000, FALSE);
  TeesqlWalJob job;

  append (queue, 10);
  teesql_wal_queue_end (queue, TRUE);
  g_assert_false (teesql_wal_queue_pause (queue, 100000));
  assert_next (queue, FALSE, 0, 10, TRUE);
  g_assert_false (teesql_wal_queue_next (queue, &job));
  end (queue);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wal-queue/a segment is stored when it is whole, and confirmed when it is stored", test_whole_segments);
  g_test_add_func ("/wal-queue/what comes while a batch is under way is the next batch", test_eager_batches);
  g_test_add_func ("/wal-queue/a small rest of a segment is stored before the whole of it", test_tail_first);
  g_test_add_func ("/wal-queue/bytes of a segment that is not full are due after the interval", test_interval);
  g_test_add_func ("/wal-queue/another interval counts at once", test_set_interval);
  g_test_add_func ("/wal-queue/what somebody waits for is due at once", test_wanted);
  g_test_add_func ("/wal-queue/after 64 partial objects one takes their place", test_many_partials_become_one);
  g_test_add_func ("/wal-queue/memory is bounded and the receiver hears when there is room", test_memory_is_bounded);
  g_test_add_func ("/wal-queue/a timeline that ends is stored to its end before the next one", test_switch);
  g_test_add_func ("/wal-queue/nothing beyond the switch is confirmed on the new timeline", test_switch_back);
  g_test_add_func ("/wal-queue/what an earlier run made durable is not stored in pieces again", test_restart);
  g_test_add_func ("/wal-queue/lag is the age of the oldest WAL that is not durable", test_lag);
  g_test_add_func ("/wal-queue/the end stores what is there", test_drain);
  return g_test_run ();
}
