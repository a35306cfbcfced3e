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
  TeesqlSlot slot;
  guint32 timeline;   /* that is streamed */
  guint64 position;   /* the next byte */
  guint64 end_lsn;    /* where the server left the timeline that we are on; 0: it has not */
  guint64 needed_lsn; /* the last proof had no use for less */
  guint status_interval_ms;
  gint64 status_due_us;
  gint64 status_sent_us;
  guint64 told_lsn;   /* confirmed to the server last */
  gboolean was_asked; /* since the last status */
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
typedef enum
{
  TEESQL_WAL_PROVE_FAILED,
  TEESQL_WAL_PROVEN,
  TEESQL_WAL_PROVE_REMOVED, /* the server has no more of it */
} TeesqlWalProve;
/**
 * teesql_wal_receiver_prove:
 *
 * before anything is taken from a connection: its server has, byte for byte, what was stored or received before the place where the stream
 * goes on. Returns: FAILED with REFUSED `wal-differs`, `server-behind`, `repository-behind`, `wal-unproven`; or with what kept us from
 * finding out
 */
TeesqlWalProve teesql_wal_receiver_prove (TeesqlWalReceiver *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the same of @timeline, which the server left at @end_lsn, for what lies before that */
TeesqlWalProve teesql_wal_receiver_prove_left (TeesqlWalReceiver *self, guint32 timeline, guint64 end_lsn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_wal_receiver_refuse_behind (const TeesqlWalReceiver *self, guint32 timeline, guint64 known_lsn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_wal_receiver_refuse_unproven (const TeesqlWalReceiver *self, guint32 timeline, guint64 lsn, const char *why, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* what a %TEESQL_WAL_PROVE_REMOVED means: a gap, or nothing that a program may decide */
gboolean teesql_wal_receiver_miss (TeesqlWalReceiver *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether the server refused because it has no WAL for us any more */
gboolean teesql_wal_receiver_is_removed (const TeesqlWalReceiver *self) G_GNUC_WARN_UNUSED_RESULT;
/* the server has no more of what we need: a gap, named, and a new beginning */
gboolean teesql_wal_receiver_leap (TeesqlWalReceiver *self, const char *why, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the server's timeline ended at @switch_lsn and @timeline goes on */
gboolean teesql_wal_receiver_follow (TeesqlWalReceiver *self, guint32 timeline, guint64 switch_lsn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* streams until the timeline ends (%TRUE) or something breaks */
gboolean teesql_wal_receiver_stream (TeesqlWalReceiver *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
