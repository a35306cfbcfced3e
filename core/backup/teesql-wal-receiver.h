#pragma once
#include "backup/teesql-pg-session-server.h"
#include "backup/teesql-slot.h"
#include "backup/teesql-wal-archiver-private.h"

G_BEGIN_DECLS

/**
 * TeesqlWalReceiver:
 *
 * one connection to the server, from IDENTIFY_SYSTEM to its end
 */
typedef struct
{
  TeesqlWalArchiver *archiver;
  TeesqlPgSession *session;
  TeesqlPgServer server;
  guint32 timeline; /* that is streamed */
  guint64 position; /* the next byte */
  guint status_interval_ms;
  gint64 status_due_us;
  gint64 status_sent_us;
  guint64 told_lsn;   /* confirmed to the server last */
  gint64 asked_us;    /* since when the server asks for a confirmation that we cannot give; 0: it does not */
  gint64 full_us;     /* since when memory is full; 0: it is not */
  const guint8 *rest; /* of a message that found no room */
  gsize rest_size;
} TeesqlWalReceiver;

/**
 * teesql_wal_receiver_place:
 *
 * makes the slot if need be and decides where the stream goes on: where we left it, behind a switch of timelines, or behind a gap
 */
gboolean teesql_wal_receiver_place (TeesqlWalReceiver *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the server has no more of what we need: a gap, named, and a new beginning */
gboolean teesql_wal_receiver_leap (TeesqlWalReceiver *self, const char *why, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the server's timeline ended at @switch_lsn and @timeline goes on */
gboolean teesql_wal_receiver_follow (TeesqlWalReceiver *self, guint32 timeline, guint64 switch_lsn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* streams until the timeline ends (%TRUE) or something breaks */
gboolean teesql_wal_receiver_stream (TeesqlWalReceiver *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
