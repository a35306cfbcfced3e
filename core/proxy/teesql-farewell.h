#pragma once
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

typedef struct _TeesqlFarewell TeesqlFarewell;
typedef void (*TeesqlFarewellDone) (TeesqlFarewell *farewell, gpointer user_data);

/**
 * TeesqlFarewell:
 *
 * the end of a connection whose last words must arrive: sends what is queued, then close_notify and FIN, then reads and drops what the
 * peer still says until it closes too. Closing at once with unread input would be a reset, which takes the last words with it. Bounded
 * in bytes, and in time: a peer that takes none of what is queued within @timeout_ms is given up, and one that takes little after a minute.
 */
struct _TeesqlFarewell
{
  /*< private >*/
  TeesqlStream *stream;
  TeesqlTimer timer;
  gsize patience; /* bytes that may still be dropped */
  gsize queued;   /* when the timer was started */
  guint timeout_ms;
  guint waited_ms;
  TeesqlFarewellDone done;
  gpointer user_data;
};

/**
 * teesql_farewell_init:
 * @stream: (transfer full): freed before @done runs
 * @done: runs once, never before this returns
 */
void teesql_farewell_init (TeesqlFarewell *self, TeesqlStream *stream, guint timeout_ms, TeesqlFarewellDone done, gpointer user_data);
void teesql_farewell_clear (TeesqlFarewell *self); /* closes at once; @done will not run */

G_END_DECLS
