#pragma once
#include "backup/teesql-wal-source.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_RESTORE_LATEST,
  TEESQL_RESTORE_TIME, /* `2026-03-01 12:00:00+00`, as recovery_target_time */
  TEESQL_RESTORE_LSN,
  TEESQL_RESTORE_NAME,      /* pg_create_restore_point() */
  TEESQL_RESTORE_IMMEDIATE, /* the end of the backup, no WAL beyond */
} TeesqlRestoreTarget;

/**
 * TeesqlRestoreKnown:
 * @timeline: 0 where nobody said: then the position alone is compared
 *
 * WAL that was archived, as somebody remembers it
 */
typedef struct
{
  guint32 timeline;
  guint64 lsn;
} TeesqlRestoreKnown;

/**
 * TeesqlRestoreOptions:
 * @directory: empty or not there yet; becomes PGDATA
 * @backup: (nullable): which one to start from; %NULL: the newest that finished before the target
 * @target_text: time, LSN or name
 * @known: (nullable) (element-type TeesqlRestoreKnown): what the operator, the head or an `/attestation` knows of. A repository whose
 * newest timeline does not lead through each of them is REFUSED `repository-behind` unless @accept_older
 * @uid, @gid: owner of what is written; (guint) -1: our own
 * @bin_directory: of PostgreSQL 17: pg_combinebackup, pg_verifybackup, postgres
 * @tablespace_map: (nullable) (array zero-terminated=1): `OLD=NEW`; without one a tablespace is restored as a folder inside @directory
 * @dry_run: says what would be done
 * @verify_only: reads and verifies every byte, writes nothing
 * @read_wal: opens all WAL that recovery needs before anything is written. That it is there, by its names and sizes, is looked at in any
 * case
 * @recover: runs the recovery too, before the folder gets its name; see teesql_recovery_run()
 * @fetch_command: (nullable): restore_command to leave in the cluster: `teesql-wal-fetch --socket … "%f" "%p"`
 */
typedef struct
{
  TeesqlCatalog *catalog;
  const char *directory;
  TeesqlBackup *backup;
  TeesqlRestoreTarget target;
  const char *target_text;
  guint32 target_timeline; /* 0: latest */
  gboolean target_inclusive;
  const GArray *known;
  gboolean accept_older;
  guint uid;
  guint gid;
  const char *bin_directory;
  const char *const *tablespace_map;
  guint threads;
  gboolean dry_run;
  gboolean verify_only;
  gboolean read_wal;
  gboolean recover;
  const char *fetch_command;
  void (*progress) (guint64 done, guint64 total, const char *phase, gpointer user_data);
  gpointer progress_data;
} TeesqlRestoreOptions;

/**
 * TeesqlRestoreReport:
 * @removed: (element-type utf8): settings of the old cluster that were taken out, `primary_conninfo (postgresql.auto.conf)`
 * @tablespaces: (element-type utf8): where they are now, `16384 pg_tblspc/16384`, `16385 /srv/fast`
 * @target_text: (nullable): as PostgreSQL is told
 * @head: record that the restore went by; its lineage is the parent of what the restored cluster will write
 * @new_timeline, @recovered_lsn: where recovery ended, and the timeline that begins there; 0 where it did not run
 */
typedef struct
{
  GPtrArray *chain; /* TeesqlBackup, full one first */
  GPtrArray *removed;
  GPtrArray *tablespaces;
  char *target_text;
  TeesqlHead head;
  guint32 timeline; /* that recovery follows */
  guint32 repository_timeline;
  guint64 repository_lsn;   /* what can be reached */
  TeesqlRestoreKnown known; /* the newest of them; zeros where there is none */
  guint32 new_timeline;
  guint64 recovered_lsn;
  guint64 bytes;
  guint64 files;
} TeesqlRestoreReport;
void teesql_restore_report_free (TeesqlRestoreReport *self);

/**
 * teesql_restore_run:
 *
 * extracts into a folder beside @directory, verifies PostgreSQL's manifest, recombines, recovers, fsyncs, and only then renames into place:
 * there is never a part of a cluster under the final name (SR-21). Blocks.
 */
TeesqlRestoreReport *teesql_restore_run (const TeesqlRestoreOptions *options, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestoreReport, teesql_restore_report_free)
G_END_DECLS
