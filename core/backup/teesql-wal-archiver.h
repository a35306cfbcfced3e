#pragma once
#include "backup/teesql-catalog.h"
#include "backup/teesql-pg-access.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_WAL_STARTING,
  TEESQL_WAL_STREAMING,
  TEESQL_WAL_WAITING, /* for the server or the store; `problem` says why */
  TEESQL_WAL_STOPPED,
} TeesqlWalState;

/**
 * TeesqlWalFacts:
 * @lag_ms: age of the oldest WAL that the server has told us of and the store does not have; 0 when there is none
 * @gaps: times that WAL was lost since the start of the process
 * @proven: the server we are connected to goes on from what was archived
 */
typedef struct
{
  TeesqlWalState state;
  guint32 timeline;
  guint64 server_lsn;  /* newest the server told us of */
  guint64 durable_lsn; /* in the store, and in the head */
  guint64 lag_bytes;
  guint64 lag_ms;
  guint64 segments;
  guint64 bytes;
  guint gaps;
  gboolean proven;
  char problem[512];
} TeesqlWalFacts;

/**
 * TeesqlWalEvent:
 * @TEESQL_WAL_EVENT_GAP: the slot was lost or its WAL is gone; a full backup is needed at once
 * @TEESQL_WAL_EVENT_TIMELINE: the server was promoted and the archiver follows
 * @TEESQL_WAL_EVENT_FACTS: something of the facts changed (at most ten a second)
 */
typedef enum
{
  TEESQL_WAL_EVENT_GAP,
  TEESQL_WAL_EVENT_TIMELINE,
  TEESQL_WAL_EVENT_FACTS
} TeesqlWalEvent;
typedef void (*TeesqlWalEventFunc) (TeesqlWalEvent event, const char *message, gpointer user_data); /* on the archiver's thread */

/**
 * TeesqlWalArchiverOptions:
 * @slot: name of the physical replication slot, made when it is not there
 * @partial_interval_ms: WAL of a segment that is not full goes up as a partial object after at most this; 0: only whole segments
 * @synchronous: the server waits for us (zero loss): every batch goes up at once and is confirmed as soon as it is durable
 * @application_name: as `synchronous_standby_names` says it
 */
typedef struct
{
  const TeesqlPgAccess *access;
  TeesqlCatalog *catalog;
  const char *slot;
  const char *application_name;
  int level;
  guint partial_interval_ms;
  gboolean synchronous;
  TeesqlWalEventFunc event;
  gpointer event_data;
} TeesqlWalArchiverOptions;

/**
 * TeesqlWalArchiver:
 *
 * streams WAL through a slot and seals it as it comes. Nothing is confirmed to the server that is not durable in the store and noted in the
 * head; a segment that is there already must be the same bytes. Waits for server and store with back-off, for ever, until it is stopped.
 */
typedef struct _TeesqlWalArchiver TeesqlWalArchiver;
TeesqlWalArchiver *teesql_wal_archiver_new (const TeesqlWalArchiverOptions *options) G_GNUC_WARN_UNUSED_RESULT; /* starts its threads */
/* both as in the options; for what comes from now on */
void teesql_wal_archiver_set_pace (TeesqlWalArchiver *self, int level, guint partial_interval_ms);
void teesql_wal_archiver_get_facts (TeesqlWalArchiver *self, TeesqlWalFacts *out);
/* (transfer full) (nullable): what stopped it for good */
GError *teesql_wal_archiver_dup_failure (TeesqlWalArchiver *self) G_GNUC_WARN_UNUSED_RESULT;
/* waits until the server is known to go on from what was archived: before that nothing of it may be added to a repository */
gboolean teesql_wal_archiver_wait_proven (TeesqlWalArchiver *self, guint timeout_ms, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* waits until WAL up to @lsn is durable, or the cancellable or @timeout_ms say no */
gboolean teesql_wal_archiver_wait (TeesqlWalArchiver *self, guint64 lsn, guint timeout_ms, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_archiver_stop (TeesqlWalArchiver *self); /* with what it has made durable; at most a few seconds; the slot stays */
void teesql_wal_archiver_free (TeesqlWalArchiver *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalArchiver, teesql_wal_archiver_free)
G_END_DECLS
