#include "reactor/teesql-worker.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <unistd.h>

#define MAX_EVENTS 128

/* epoll's user data of GLib's own wake-up descriptor; watches have their address there. */
#define WAKE_UP NULL

typedef struct
{
  GSource base;
  TeesqlWorker *worker;
} WorkerSource;

struct _TeesqlWorker
{
  guint index;
  int epoll_fd;
  int wake_up_fd; /* GLib's, once poll has met it */
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  GSource *source;
  GPollFD poll_fd;
  struct epoll_event events[MAX_EVENTS];
  int n_events; /* fetched and not dispatched yet */
  int next_event;
  GQueue ready;
  TeesqlTimerHeap timers;
  TeesqlBufferPool pool;
  TeesqlMemory *memory;
  guint8 *scratch;
  TeesqlGather *gather;
};

/* A poll function has no user data. */
static __thread TeesqlWorker *current_worker;

static gboolean
worker_adopt_wake_up (TeesqlWorker *self, int fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = WAKE_UP };

  if (fd == self->wake_up_fd)
    return TRUE;
  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
    return FALSE;
  self->wake_up_fd = fd;
  return TRUE;
}

/* The usual case, our set and GLib's wake-up and nothing else, is one epoll_wait. */
static gboolean
worker_can_wait_once (TeesqlWorker *self, GPollFD *fds, guint n_fds, GPollFD **out_own, GPollFD **out_wake_up)
{
  if (n_fds != 2 || self->n_events > 0)
    return FALSE;
  *out_own = fds[0].fd == self->epoll_fd ? &fds[0] : &fds[1];
  *out_wake_up = *out_own == &fds[0] ? &fds[1] : &fds[0];
  return (*out_own)->fd == self->epoll_fd && worker_adopt_wake_up (self, (*out_wake_up)->fd);
}

static int
worker_poll (GPollFD *fds, guint n_fds, int timeout_ms)
{
  TeesqlWorker *self = current_worker;
  GPollFD *own;
  GPollFD *wake_up;
  int n;
  int kept = 0;

  if (self == NULL || !worker_can_wait_once (self, fds, n_fds, &own, &wake_up))
    return g_poll (fds, n_fds, timeout_ms);

  own->revents = 0;
  wake_up->revents = 0;
  n = epoll_wait (self->epoll_fd, self->events, MAX_EVENTS, timeout_ms);
  if (n < 0)
    return -1;
  for (int i = 0; i < n; i++)
    {
      if (self->events[i].data.ptr == WAKE_UP)
        wake_up->revents = G_IO_IN;
      else
        self->events[kept++] = self->events[i];
    }
  self->n_events = kept;
  self->next_event = 0;
  if (kept > 0)
    own->revents = G_IO_IN;
  return (kept > 0) + (wake_up->revents != 0);
}

static gboolean
worker_source_prepare (GSource *source, int *timeout_ms)
{
  TeesqlWorker *self = ((WorkerSource *) source)->worker;
  gint64 due_us = teesql_timer_heap_get_due_us (&self->timers);
  gint64 wait_us;

  *timeout_ms = -1;
  if (self->n_events > 0 || self->ready.length > 0)
    return TRUE;
  if (due_us == G_MAXINT64)
    return FALSE;
  wait_us = due_us - g_source_get_time (source);
  *timeout_ms = wait_us <= 0 ? 0 : (int) MIN ((wait_us + 999) / 1000, G_MAXINT);
  return wait_us <= 0;
}

static gboolean
worker_source_check (GSource *source)
{
  TeesqlWorker *self = ((WorkerSource *) source)->worker;
  gint64 due_us = teesql_timer_heap_get_due_us (&self->timers);

  return self->n_events > 0 || self->poll_fd.revents != 0 || self->ready.length > 0 ||
         (due_us != G_MAXINT64 && due_us <= g_source_get_time (source));
}

static void
worker_fetch_events (TeesqlWorker *self)
{
  int n;

  if (self->n_events > 0 || self->poll_fd.revents == 0)
    return;
  n = epoll_wait (self->epoll_fd, self->events, MAX_EVENTS, 0);
  self->n_events = MAX (n, 0);
  self->next_event = 0;
}

static void
worker_run_events (TeesqlWorker *self)
{
  while (self->next_event < self->n_events)
    {
      struct epoll_event *event = &self->events[self->next_event++];
      TeesqlWatch *watch = event->data.ptr;

      if (watch != NULL) /* else the wake-up, or removed earlier in this turn */
        watch->func (watch, event->events);
    }
  self->n_events = 0;
}

static void
worker_run_timers (TeesqlWorker *self)
{
  gint64 now_us;
  TeesqlTimer *timer;

  if (teesql_timer_heap_get_due_us (&self->timers) == G_MAXINT64)
    return;
  now_us = g_source_get_time (self->source);
  while ((timer = teesql_timer_heap_pop_due (&self->timers, now_us)) != NULL)
    timer->func (timer->user_data);
}

/* Each watch once; what makes itself ready again waits for the next turn, behind new events. */
static void
worker_run_ready (TeesqlWorker *self, guint turns)
{
  while (turns-- > 0 && self->ready.length > 0)
    {
      TeesqlWatch *watch = g_queue_peek_head (&self->ready);

      g_queue_unlink (&self->ready, &watch->ready);
      watch->ready.data = NULL;
      watch->func (watch, 0);
    }
}

static gboolean
worker_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  TeesqlWorker *self = ((WorkerSource *) source)->worker;
  guint turns = self->ready.length;

  worker_fetch_events (self);
  self->poll_fd.revents = 0;
  worker_run_events (self);
  worker_run_timers (self);
  worker_run_ready (self, turns);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs worker_source_funcs = {
  .prepare = worker_source_prepare,
  .check = worker_source_check,
  .dispatch = worker_source_dispatch,
};

TeesqlWorker *
teesql_worker_new (guint index, TeesqlMemory *memory, GError **error)
{
  TeesqlWorker *self;
  int epoll_fd = epoll_create1 (EPOLL_CLOEXEC);

  if (epoll_fd < 0)
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "worker %u: epoll_create1: %s", index, g_strerror (saved));
      return NULL;
    }
  self = g_new0 (TeesqlWorker, 1);
  self->index = index;
  self->epoll_fd = epoll_fd;
  self->wake_up_fd = -1;
  self->memory = memory;
  self->scratch = g_malloc (TEESQL_WORKER_SCRATCH);
  self->gather = g_new (TeesqlGather, 1);
  self->gather->size = 0;
  g_queue_init (&self->ready);
  teesql_timer_heap_init (&self->timers);
  teesql_buffer_pool_init (&self->pool, memory);

  self->context = g_main_context_new ();
  g_main_context_set_poll_func (self->context, worker_poll);
  self->loop = g_main_loop_new (self->context, FALSE);
  self->source = g_source_new (&worker_source_funcs, sizeof (WorkerSource));
  ((WorkerSource *) self->source)->worker = self;
  g_source_set_static_name (self->source, "teesql-worker");
  /* Otherwise GLib blocks our descriptor during dispatch and unblocks it after, at the price of a write to its wake-up. */
  g_source_set_can_recurse (self->source, TRUE);
  self->poll_fd = (GPollFD){ .fd = epoll_fd, .events = G_IO_IN };
  g_source_add_poll (self->source, &self->poll_fd);
  g_source_attach (self->source, self->context);
  return self;
}

static gpointer
worker_run (gpointer user_data)
{
  TeesqlWorker *self = user_data;

  current_worker = self;
  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  current_worker = NULL;
  return NULL;
}

gboolean
teesql_worker_start (TeesqlWorker *self, GError **error)
{
  g_autofree char *name = g_strdup_printf ("teesql-w%u", self->index);
  sigset_t all;
  sigset_t before;

  g_return_val_if_fail (self->thread == NULL, FALSE);
  /* Signals belong to the main thread. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  self->thread = g_thread_try_new (name, worker_run, self, error);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  return self->thread != NULL;
}

static void
worker_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
}

void
teesql_worker_stop (TeesqlWorker *self)
{
  if (self->thread == NULL)
    return;
  teesql_worker_post (self, worker_quit, self->loop);
  g_thread_join (g_steal_pointer (&self->thread));
}

void
teesql_worker_free (TeesqlWorker *self)
{
  g_return_if_fail (self->thread == NULL);
  g_return_if_fail (self->ready.length == 0);

  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  teesql_timer_heap_clear (&self->timers);
  teesql_buffer_pool_clear (&self->pool);
  close (self->epoll_fd);
  explicit_bzero (self->scratch, TEESQL_WORKER_SCRATCH);
  g_free (self->scratch);
  g_free (self->gather);
  g_free (self);
}

GMainContext *
teesql_worker_get_context (TeesqlWorker *self)
{
  return self->context;
}

gboolean
teesql_worker_is_current (const TeesqlWorker *self)
{
  return current_worker == self;
}

typedef struct
{
  GSourceOnceFunc func;
  gpointer user_data;
} Post;

static gboolean
worker_run_post (gpointer user_data)
{
  Post *post = user_data;

  post->func (post->user_data);
  return G_SOURCE_REMOVE;
}

void
teesql_worker_post (TeesqlWorker *self, GSourceOnceFunc func, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Post *post = g_new (Post, 1);

  *post = (Post){ .func = func, .user_data = user_data };
  g_source_set_static_name (source, "teesql-post");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, worker_run_post, post, g_free);
  g_source_attach (source, self->context);
}

gboolean
teesql_worker_iterate (TeesqlWorker *self, gboolean may_block)
{
  TeesqlWorker *outer = current_worker;
  gboolean dispatched;

  g_return_val_if_fail (self->thread == NULL, FALSE);
  current_worker = self;
  g_main_context_push_thread_default (self->context);
  dispatched = g_main_context_iteration (self->context, may_block);
  g_main_context_pop_thread_default (self->context);
  current_worker = outer;
  return dispatched;
}

gboolean
teesql_worker_watch (TeesqlWorker *self, TeesqlWatch *watch, int fd, guint32 events, GError **error)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "worker %u: epoll_ctl: %s", self->index, g_strerror (saved));
      return FALSE;
    }
  watch->fd = fd;
  watch->events = events;
  watch->ready = (GList){ NULL };
  return TRUE;
}

void
teesql_worker_rewatch (TeesqlWorker *self, TeesqlWatch *watch, guint32 events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (watch->fd < 0 || watch->events == events)
    return;
  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0)
    watch->events = events;
}

void
teesql_worker_unwatch (TeesqlWorker *self, TeesqlWatch *watch)
{
  if (watch->fd < 0)
    return;
  (void) epoll_ctl (self->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->fd = -1;
  /* The kernel may have reported it already in the batch that is being dispatched. */
  for (int i = self->next_event; i < self->n_events; i++)
    {
      if (self->events[i].data.ptr == watch)
        self->events[i].data.ptr = NULL;
    }
  if (watch->ready.data != NULL)
    g_queue_unlink (&self->ready, &watch->ready);
  watch->ready.data = NULL;
}

void
teesql_worker_ready (TeesqlWorker *self, TeesqlWatch *watch)
{
  if (watch->ready.data != NULL || watch->fd < 0)
    return;
  watch->ready.data = watch;
  g_queue_push_tail_link (&self->ready, &watch->ready);
}

void
teesql_worker_start_timer (TeesqlWorker *self, TeesqlTimer *timer, guint delay_ms)
{
  teesql_timer_heap_start (&self->timers, timer, g_get_monotonic_time () + (gint64) delay_ms * 1000);
}

void
teesql_worker_stop_timer (TeesqlWorker *self, TeesqlTimer *timer)
{
  teesql_timer_heap_stop (&self->timers, timer);
}

TeesqlBufferPool *
teesql_worker_get_pool (TeesqlWorker *self)
{
  return &self->pool;
}

TeesqlMemory *
teesql_worker_get_memory (TeesqlWorker *self)
{
  return self->memory;
}

guint8 *
teesql_worker_get_scratch (TeesqlWorker *self)
{
  return self->scratch;
}

TeesqlGather *
teesql_worker_get_gather (TeesqlWorker *self)
{
  return self->gather;
}
