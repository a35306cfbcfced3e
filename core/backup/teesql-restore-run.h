#pragma once
#include "backup/teesql-restore-plan.h"
#include "backup/teesql-restore-staging.h"
#include "backup/teesql-restore-unpack.h"

G_BEGIN_DECLS

/**
 * TeesqlRestorePart:
 *
 * a tablespace that shall lie outside of the data directory
 */
typedef struct
{
  char *oid;
  char *path; /* where it will be */
  TeesqlRestoreStaging *staging;
} TeesqlRestorePart;
void teesql_restore_part_free (TeesqlRestorePart *self);

/**
 * TeesqlRestoreRun:
 *
 * one restore under way
 */
typedef struct
{
  const TeesqlRestoreOptions *options;
  GCancellable *cancellable;
  TeesqlWalSource *source;
  TeesqlRestorePlan *plan;
  TeesqlRestoreReport *report;
  TeesqlRestoreOwner owner;
  TeesqlRestoreStaging *staging;
  GPtrArray *parts;           /* TeesqlRestorePart */
  GPtrArray *new_tablespaces; /* char: where recovery may make some */
  guint64 done;
  guint64 total;
  gint64 told_us;
  const char *phase;
} TeesqlRestoreRun;

void teesql_restore_run_tell (TeesqlRestoreRun *self, const char *phase, guint64 more);

/* reads `OLD=NEW`, OLD a path on the server or an oid, against the newest backup of the chain; or `PATH=PATH`, of one made behind it */
gboolean teesql_restore_run_map_tablespaces (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_run_stage_parts (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_run_has_inside (TeesqlRestoreRun *self); /* a tablespace that becomes a folder of the data directory */
/* makes the links lead to where the parts will be, and lists all tablespaces in the report */
gboolean teesql_restore_run_link_parts (TeesqlRestoreRun *self, TeesqlRestoreTree *cluster, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_run_commit_parts (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* unpacks the chain, recombines it; `cluster` is in the staging folder then */
gboolean teesql_restore_run_unpack (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether WAL that recovery needs is there, by the names and sizes that the storage lists */
gboolean teesql_restore_run_check_wal (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint64 teesql_restore_run_count_wal (TeesqlRestoreRun *self); /* bytes that the next one reads */
gboolean teesql_restore_run_read_wal (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* reads every byte of the chain, and WAL behind it up to where it leads, and writes nothing */
gboolean teesql_restore_run_verify (TeesqlRestoreRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestorePart, teesql_restore_part_free)
G_END_DECLS
