#include "reactor/teesql-worker.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  TeesqlWorker *worker;
  TeesqlWatch watch;
  TeesqlWatch *victim; /* removed by the callback */
  guint calls;
  guint again;
  guint32 events;
} Probe;

static void
probe_called (TeesqlWatch *watch, guint32 events)
{
  Probe *probe = watch->user_data;

  probe->calls++;
  probe->events |= events;
  if (probe->victim != NULL)
    teesql_worker_unwatch (probe->worker, probe->victim);
  if (probe->again > 0)
    {
      probe->again--;
      teesql_worker_ready (probe->worker, watch);
    }
}

static void
probe_init (Probe *probe, TeesqlWorker *worker, int fd)
{
  g_autoptr (GError) error = NULL;
  gboolean watched;

  *probe = (Probe){ .worker = worker, .watch = { .func = probe_called, .user_data = probe, .fd = -1 } };
  watched = teesql_worker_watch (worker, &probe->watch, fd, EPOLLIN | EPOLLET, &error);
  g_assert_no_error (error);
  g_assert_true (watched);
}

static TeesqlWorker *
worker_new (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlWorker *worker = teesql_worker_new (0, NULL, &error);

  g_assert_no_error (error);
  return worker;
}

static void
make_pair (int pair[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
}

static void
poke (int fd)
{
  g_assert_cmpint (write (fd, "x", 1), ==, 1);
}

static void
test_edge (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  int pair[2];
  Probe probe;

  make_pair (pair);
  probe_init (&probe, worker, pair[0]);
  poke (pair[1]);
  teesql_worker_iterate (worker, TRUE);
  g_assert_cmpuint (probe.calls, ==, 1);
  g_assert_cmpuint (probe.events, ==, EPOLLIN);
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpuint (probe.calls, ==, 1); /* one edge, one call */
  poke (pair[1]);
  teesql_worker_iterate (worker, TRUE);
  g_assert_cmpuint (probe.calls, ==, 2);
  teesql_worker_unwatch (worker, &probe.watch);
  close (pair[0]);
  close (pair[1]);
}

/* Both are reported by one epoll_wait; whoever runs first removes the other, whose memory may be gone by then. */
static void
test_removed_in_same_turn (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  int one[2];
  int two[2];
  Probe first;
  Probe second;

  make_pair (one);
  make_pair (two);
  probe_init (&first, worker, one[0]);
  probe_init (&second, worker, two[0]);
  first.victim = &second.watch;
  second.victim = &first.watch;
  poke (one[1]);
  poke (two[1]);
  teesql_worker_iterate (worker, TRUE);
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpuint (first.calls + second.calls, ==, 1);
  teesql_worker_unwatch (worker, &first.watch);
  teesql_worker_unwatch (worker, &second.watch);
  close (one[0]);
  close (one[1]);
  close (two[0]);
  close (two[1]);
}

static void
test_ready_takes_turns (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  int pair[2];
  Probe probe;

  make_pair (pair);
  probe_init (&probe, worker, pair[0]);
  probe.again = 2;
  teesql_worker_ready (worker, &probe.watch);
  teesql_worker_ready (worker, &probe.watch); /* being there twice is being there once */
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpuint (probe.calls, ==, 1);
  teesql_worker_iterate (worker, FALSE);
  teesql_worker_iterate (worker, FALSE);
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpuint (probe.calls, ==, 3);
  teesql_worker_ready (worker, &probe.watch);
  teesql_worker_unwatch (worker, &probe.watch);
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpuint (probe.calls, ==, 3);
  close (pair[0]);
  close (pair[1]);
}

typedef struct
{
  TeesqlWorker *worker;
  TeesqlTimer other;
  guint *calls;
} TimerTest;

static void
timer_fired (gpointer user_data)
{
  TimerTest *test = user_data;

  (*test->calls)++;
  teesql_worker_stop_timer (test->worker, &test->other);
}

static void
other_fired (gpointer user_data)
{
  g_assert_not_reached ();
}

static void
test_timer (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  guint calls = 0;
  TimerTest test = { .worker = worker, .other = { .func = other_fired }, .calls = &calls };
  TeesqlTimer timer = { .func = timer_fired, .user_data = &test };
  gint64 began = g_get_monotonic_time ();

  teesql_worker_start_timer (worker, &timer, 20);
  teesql_worker_start_timer (worker, &test.other, 20);
  while (calls == 0)
    teesql_worker_iterate (worker, TRUE);
  g_assert_cmpint (g_get_monotonic_time () - began, >=, 20000);
  g_assert_cmpuint (calls, ==, 1);
}

typedef struct
{
  GMutex mutex;
  GCond cond;
  GString *order;
  TeesqlWorker *worker;
} Posts;

static void
post_one (gpointer user_data)
{
  Posts *posts = user_data;

  g_assert_true (teesql_worker_is_current (posts->worker));
  g_assert_true (g_main_context_get_thread_default () == teesql_worker_get_context (posts->worker));
  g_mutex_lock (&posts->mutex);
  g_string_append_c (posts->order, (char) ('a' + posts->order->len));
  g_cond_signal (&posts->cond);
  g_mutex_unlock (&posts->mutex);
}

static void
test_posts (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  g_autoptr (GError) error = NULL;
  Posts posts = { .order = g_string_new (NULL), .worker = worker };
  gboolean started = teesql_worker_start (worker, &error);

  g_assert_no_error (error);
  g_assert_true (started);
  g_assert_false (teesql_worker_is_current (worker));
  for (guint i = 0; i < 5; i++)
    teesql_worker_post (worker, post_one, &posts);
  teesql_worker_stop (worker); /* behind the posts */
  g_assert_cmpstr (posts.order->str, ==, "abcde");
  g_string_free (posts.order, TRUE);
}

/* A source of GLib's own in the same context, with a descriptor of its own: the fast path must step aside. */
static gboolean
foreign_called (int fd, GIOCondition condition, gpointer user_data)
{
  char byte;

  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
  (*(guint *) user_data)++;
  return G_SOURCE_CONTINUE;
}

static void
test_foreign_source (void)
{
  g_autoptr (TeesqlWorker) worker = worker_new ();
  int ours[2];
  int foreign[2];
  guint foreign_calls = 0;
  Probe probe;
  g_autoptr (GSource) source = NULL;

  make_pair (ours);
  make_pair (foreign);
  probe_init (&probe, worker, ours[0]);
  source = g_unix_fd_source_new (foreign[0], G_IO_IN);
  g_source_set_callback (source, G_SOURCE_FUNC (foreign_called), &foreign_calls, NULL);
  g_source_set_priority (source, G_PRIORITY_HIGH); /* hides ours from a turn in which it is ready */
  g_source_attach (source, teesql_worker_get_context (worker));
  for (guint round = 1; round <= 10; round++)
    {
      poke (ours[1]);
      poke (foreign[1]);
      while (probe.calls < round || foreign_calls < round)
        teesql_worker_iterate (worker, TRUE);
    }
  g_assert_cmpuint (probe.calls, ==, 10);
  g_source_destroy (source);
  teesql_worker_unwatch (worker, &probe.watch);
  close (ours[0]);
  close (ours[1]);
  close (foreign[0]);
  close (foreign[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/worker/one-edge-is-one-call", test_edge);
  g_test_add_func ("/reactor/worker/a-watch-removed-in-a-turn-is-not-called-in-it", test_removed_in_same_turn);
  g_test_add_func ("/reactor/worker/ready-watches-take-turns", test_ready_takes_turns);
  g_test_add_func ("/reactor/worker/timer-fires-once-and-may-stop-others", test_timer);
  g_test_add_func ("/reactor/worker/posts-run-in-order-on-the-thread", test_posts);
  g_test_add_func ("/reactor/worker/lives-beside-other-sources", test_foreign_source);
  return g_test_run ();
}
