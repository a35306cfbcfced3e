#pragma once
#include "reactor/teesql-tls.h"
#include <sys/socket.h>
#include <sys/uio.h>

G_BEGIN_DECLS

/* What a sink gets at once: records of one read, gathered for one write. */
#define TEESQL_STREAM_MAX_PIECES 32

typedef enum
{
  TEESQL_IO_DONE,  /* went on; there may be more */
  TEESQL_IO_AGAIN, /* nothing now; the stream's callback will run */
  TEESQL_IO_EOF,   /* the peer sends no more */
  TEESQL_IO_FAILED,
} TeesqlIo;

/**
 * TeesqlStream:
 *
 * a non-blocking socket, plain or under TLS, of one worker. The owner never asks which. Edge-triggered: @func runs when something may
 * have changed, and the owner reads until %TEESQL_IO_AGAIN or calls teesql_stream_come_back().
 *
 * Writing never blocks and never fails visibly at once: what the socket does not take waits in a queue. Whoever produces looks at
 * teesql_stream_get_queued() and stops reading its own source while that is too much.
 */
typedef struct _TeesqlStream TeesqlStream;
typedef void (*TeesqlStreamFunc) (TeesqlStream *stream, gpointer user_data);

/**
 * TeesqlStreamSink:
 * @pieces: valid for the call
 *
 * must not free the stream it reads from.
 */
typedef void (*TeesqlStreamSink) (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size);

/**
 * teesql_stream_new:
 * @fd: owned from here, also on failure
 * @func: (nullable): %NULL: what happens is remembered until there is one
 */
TeesqlStream *teesql_stream_new (TeesqlWorker *worker, int fd, TeesqlStreamFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_stream_new_connect:
 *
 * begins a connection; teesql_stream_finish_connect() tells how it went. %G_IO_ERROR_WOULD_BLOCK: the backlog of a unix socket is full
 * and nothing will announce room: try again later.
 */
TeesqlStream *teesql_stream_new_connect (TeesqlWorker *worker, const struct sockaddr *address, socklen_t size, TeesqlStreamFunc func,
                                         gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlIo teesql_stream_finish_connect (TeesqlStream *self, GError **error);
void teesql_stream_free (TeesqlStream *self); /* closes at once; for a farewell see teesql_stream_close_write() */
void teesql_stream_set_func (TeesqlStream *self, TeesqlStreamFunc func, gpointer user_data);
int teesql_stream_get_fd (const TeesqlStream *self);
TeesqlWorker *teesql_stream_get_worker (const TeesqlStream *self);

/**
 * teesql_stream_tune:
 *
 * no delay and keepalive for TCP, also for all connections of a listening socket; new streams are tuned by themselves
 */
void teesql_stream_tune (int fd);

/**
 * teesql_stream_peek:
 *
 * looks at what the socket holds without taking it; plain streams only.
 *
 * Returns: number of bytes, 0 at the end, -1 when there are none now (or an error, which a read will tell)
 */
gssize teesql_stream_peek (TeesqlStream *self, guint8 *out, gsize size);
/**
 * teesql_stream_start_tls:
 *
 * nothing may have been read beyond what belongs to the plain part
 */
gboolean teesql_stream_start_tls (TeesqlStream *self, const TeesqlTlsOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlIo teesql_stream_handshake (TeesqlStream *self, GError **error);
GBytes *teesql_stream_dup_peer_leaf (TeesqlStream *self) G_GNUC_WARN_UNUSED_RESULT; /* (nullable) DER */
char *teesql_stream_describe_tls (TeesqlStream *self) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_stream_receive:
 * @max: bytes to take from the socket, at most %TEESQL_WORKER_SCRATCH
 * @out_taken: (optional): bytes taken, for budgets
 *
 * one read of the socket; everything that it completes goes to @sink before this returns. %TEESQL_IO_EOF and %TEESQL_IO_FAILED come
 * again when asked again.
 */
TeesqlIo teesql_stream_receive (TeesqlStream *self, gsize max, TeesqlStreamSink sink, gpointer user_data, gsize *out_taken);
/**
 * teesql_stream_was_cut:
 *
 * Returns: whether the end came without close_notify: somebody died, or somebody else cut the line
 */
gboolean teesql_stream_was_cut (const TeesqlStream *self);
gboolean teesql_stream_can_receive (const TeesqlStream *self); /* else a receive would say AGAIN */
void teesql_stream_come_back (TeesqlStream *self);             /* @func in the next turn, after others had theirs */
/**
 * teesql_stream_set_sensitive:
 *
 * what was read is wiped after the sink saw it: until authentication is over
 */
void teesql_stream_set_sensitive (TeesqlStream *self, gboolean sensitive);

void teesql_stream_writev (TeesqlStream *self, const struct iovec *pieces, guint n_pieces);
void teesql_stream_write (TeesqlStream *self, const void *data, gsize size);
gsize teesql_stream_get_queued (const TeesqlStream *self);
gboolean teesql_stream_is_broken (const TeesqlStream *self); /* the peer takes no more; what it sent can still be read */
/**
 * teesql_stream_close_write:
 *
 * close_notify and FIN behind everything written so far
 */
void teesql_stream_close_write (TeesqlStream *self);
gboolean teesql_stream_is_write_closed (const TeesqlStream *self);                    /* and all of it is with the kernel */
GError *teesql_stream_dup_error (const TeesqlStream *self) G_GNUC_WARN_UNUSED_RESULT; /* (nullable) after FAILED or broken */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStream, teesql_stream_free)
G_END_DECLS
