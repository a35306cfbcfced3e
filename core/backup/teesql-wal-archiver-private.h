#pragma once
#include "backup/teesql-wal-archiver-queue.h"
#include "backup/teesql-wal-archiver.h"
#include "backup/teesql-wal-proof.h"

G_BEGIN_DECLS

/**
 * TeesqlWalArchiver:
 *
 * three threads around one queue: the receiver talks to the server, the second one stores in order, the third one does what nobody waits
 * for (catalog records, removal of partial objects that a whole segment replaced).
 */
struct _TeesqlWalArchiver
{
  TeesqlPgAccess access;
  TeesqlCatalog *catalog;
  TeesqlRepository *repository;
  char *slot;
  char *application_name;
  gint level; /* atomic */
  TeesqlWalEventFunc event;
  gpointer event_data;
  guint64 system_identifier;
  guint32 segment_size;

  TeesqlWalQueue *queue;
  GCancellable *receive_cancellable;
  GCancellable *store_cancellable;
  GCancellable *tidy_cancellable;
  GThread *receive_thread;
  GThread *store_thread;
  GThread *tidy_thread;
  GAsyncQueue *tidy_jobs;
  GAsyncQueue *tidy_done; /* ends the limit of the last record */

  /* of the receiver's thread */
  TeesqlWalTrail *trail; /* of the stream that was begun last */
  guint64 known_lsn;     /* up to here it was stored before it was begun; 0: nothing was */
  gboolean is_compared;  /* what was stored of it is what the server has */

  GMutex mutex; /* of what follows */
  gboolean streaming;
  gboolean proven;
  gboolean stopped;
  char *receive_problem;
  char *store_problem;
  GError *failure; /* for good */
  guint gaps;
  gint64 put_since_us; /* when the request under way began; 0: none is */
  gint64 told_us;      /* of the receiver's thread */
};

/* (nullable) @error: ends the problem */
void teesql_wal_archiver_set_receive_problem (TeesqlWalArchiver *self, const GError *error);
void teesql_wal_archiver_set_store_problem (TeesqlWalArchiver *self, const GError *error);
void teesql_wal_archiver_set_streaming (TeesqlWalArchiver *self, gboolean streaming);
void teesql_wal_archiver_set_proven (TeesqlWalArchiver *self, gboolean proven);
/* whether waiting cannot help: what is there contradicts what comes */
gboolean teesql_wal_archiver_is_fatal (const GError *error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_archiver_fail (TeesqlWalArchiver *self, GError *error);                             /* (transfer full): stops for good */
void teesql_wal_archiver_tell (TeesqlWalArchiver *self, TeesqlWalEvent event, const char *message); /* on the receiver's thread */
void teesql_wal_archiver_tell_facts (TeesqlWalArchiver *self);

gpointer teesql_wal_archiver_receive_run (gpointer archiver);
gpointer teesql_wal_archiver_store_run (gpointer archiver);
gpointer teesql_wal_archiver_tidy_run (gpointer archiver);

/**
 * teesql_wal_archiver_tidy_segment:
 * @look: an earlier run may have left more of them
 * @names: (transfer full) (element-type utf8): partial objects that another one replaced
 *
 * for the third thread
 */
void teesql_wal_archiver_tidy_segment (TeesqlWalArchiver *self, guint32 timeline, guint64 start_lsn, gboolean look, GPtrArray *names);
/* stores the whole segment, whose parts (@names, as above) are all durable, and then removes them */
void teesql_wal_archiver_tidy_whole (TeesqlWalArchiver *self, TeesqlWalSegment *segment, GPtrArray *names);
gboolean teesql_wal_archiver_put_whole (TeesqlWalArchiver *self, TeesqlWalSegment *segment, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_archiver_tidy_flush (TeesqlWalArchiver *self);
void teesql_wal_archiver_tidy_end (TeesqlWalArchiver *self);

G_END_DECLS
