#pragma once
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_RELAY_SERVER_ENDED,  /* said all it had; what is queued for the client is still to be sent */
  TEESQL_RELAY_SERVER_FAILED, /* died; the same holds */
  TEESQL_RELAY_CLIENT_CUT,    /* vanished: reset, or an end without close_notify */
} TeesqlRelayEnd;

typedef struct _TeesqlRelay TeesqlRelay;
/**
 * TeesqlRelayDone:
 * @error: (nullable): of the stream that failed
 *
 * runs once, last of all: it may free both streams and what holds the relay
 */
typedef void (*TeesqlRelayDone) (TeesqlRelay *relay, TeesqlRelayEnd end, const GError *error, gpointer user_data);

/**
 * TeesqlRelay:
 * @bytes_in: from the client so far
 * @bytes_out: from the server so far
 *
 * pumps two streams of one worker into each other and looks at nothing. Back-pressure, not queues: while one side does not take what was
 * read, the other is not read. A client that closes its half is passed on to the server, whose rest is still delivered.
 */
struct _TeesqlRelay
{
  guint64 bytes_in;
  guint64 bytes_out;
  /*< private >*/
  TeesqlStream *client;
  TeesqlStream *server;
  gsize chunk;
  gsize high_water;
  gboolean client_ended; /* its half, or it is not read any more */
  gboolean over;
  TeesqlRelayDone done;
  gpointer user_data;
};

/**
 * teesql_relay_init:
 * @client, @server: (transfer none): stay the caller's; their callbacks are the relay's until it is over
 * @session_memory: what both directions may hold together, in bytes
 *
 * starts in the next turn, with what is there already
 */
void teesql_relay_init (TeesqlRelay *self, TeesqlStream *client, TeesqlStream *server, gsize session_memory, TeesqlRelayDone done,
                        gpointer user_data);
/**
 * teesql_relay_end_client:
 *
 * reads no more from the client and tells the server that there is no more: PostgreSQL ends, and its last message is whole
 */
void teesql_relay_end_client (TeesqlRelay *self);
void teesql_relay_clear (TeesqlRelay *self); /* @done will not run any more; both streams are the caller's again */

G_END_DECLS
