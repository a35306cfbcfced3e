#pragma once
#include "reactor/teesql-buffer.h"
#include "reactor/teesql-timer.h"
#include <sys/epoll.h>

G_BEGIN_DECLS

/* One read of a socket. 32 to 64 KiB are best for bulk; 16 and 256 KiB are worse. */
#define TEESQL_WORKER_SCRATCH ((gsize) 65536)
/* What one flush gathers: a scratch full of plaintext in 16 KiB records with their heads and tags, or a handshake flight. */
#define TEESQL_WORKER_GATHER (TEESQL_WORKER_SCRATCH + 4096)

/**
 * TeesqlWorker:
 *
 * a thread with its own #GMainContext, in which one GSource owns an epoll set: GLib polls one descriptor however many connections
 * there are. Everything that is added to a worker lives and dies on its thread; only the calls marked (any thread) may come from others.
 */
typedef struct _TeesqlWorker TeesqlWorker;
typedef struct _TeesqlWatch TeesqlWatch;

/**
 * TeesqlWatchFunc:
 * @events: EPOLL bits; 0 when the watch was on the ready list
 *
 * may remove and free its own watch, and any other.
 */
typedef void (*TeesqlWatchFunc) (TeesqlWatch *watch, guint32 events);

/**
 * TeesqlWatch:
 *
 * a descriptor in the epoll set, embedded in its owner. The owner sets @func and @user_data, the rest is the worker's.
 */
struct _TeesqlWatch
{
  TeesqlWatchFunc func;
  gpointer user_data;
  int fd; /* -1 while not in the set */
  guint32 events;
  GList ready; /* data: not NULL while on the ready list */
};

/**
 * teesql_worker_new:
 * @memory: (nullable): account of its buffers; outlives the worker
 *
 * makes the context, without a thread yet.
 *
 * Returns: (transfer full) (nullable): %NULL with #G_IO_ERROR when descriptors are exhausted
 */
TeesqlWorker *teesql_worker_new (guint index, TeesqlMemory *memory, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_worker_start (TeesqlWorker *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_worker_stop: (other threads)
 *
 * ends the loop after what was posted before, and joins the thread
 */
void teesql_worker_stop (TeesqlWorker *self);
/**
 * teesql_worker_free:
 *
 * after the stop, when nothing is watched any more
 */
void teesql_worker_free (TeesqlWorker *self);
GMainContext *teesql_worker_get_context (TeesqlWorker *self);
gboolean teesql_worker_is_current (const TeesqlWorker *self); /* are we on its thread? */
/**
 * teesql_worker_post: (any thread)
 *
 * runs @func on the worker, always later and in order, also when called there
 */
void teesql_worker_post (TeesqlWorker *self, GSourceOnceFunc func, gpointer user_data);
/**
 * teesql_worker_iterate:
 *
 * one turn of the loop by the calling thread, for tests and for programs that lend the worker their only thread; not beside start
 */
gboolean teesql_worker_iterate (TeesqlWorker *self, gboolean may_block);

/* Only on the worker's thread from here. */
gboolean teesql_worker_watch (TeesqlWorker *self, TeesqlWatch *watch, int fd, guint32 events, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_worker_rewatch (TeesqlWorker *self, TeesqlWatch *watch, guint32 events);
void teesql_worker_unwatch (TeesqlWorker *self, TeesqlWatch *watch); /* no event of this turn reaches it any more */
/**
 * teesql_worker_ready:
 *
 * calls @watch again in the next turn, with events 0: there is work left that no descriptor will announce
 */
void teesql_worker_ready (TeesqlWorker *self, TeesqlWatch *watch);
void teesql_worker_start_timer (TeesqlWorker *self, TeesqlTimer *timer, guint delay_ms);
void teesql_worker_stop_timer (TeesqlWorker *self, TeesqlTimer *timer);
TeesqlBufferPool *teesql_worker_get_pool (TeesqlWorker *self);
TeesqlMemory *teesql_worker_get_memory (TeesqlWorker *self); /* (nullable) */
/* Scratch space that a read fills and the same call empties. */
guint8 *teesql_worker_get_scratch (TeesqlWorker *self);

/**
 * TeesqlGather:
 *
 * where GnuTLS puts its records until one send takes them; empty between calls of a stream.
 */
typedef struct
{
  gsize size;
  guint8 data[TEESQL_WORKER_GATHER];
} TeesqlGather;
TeesqlGather *teesql_worker_get_gather (TeesqlWorker *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWorker, teesql_worker_free)
G_END_DECLS
