#pragma once
#include "backup/teesql-wal-source.h"

G_BEGIN_DECLS

/**
 * TeesqlRecoveryOptions:
 * @directory: a cluster with a recovery to do
 * @uid, @gid: its owner; (guint) -1: our own
 * @fetch_program: (nullable): %NULL: teesql_recovery_find_program()
 * @new_tablespaces: (nullable) (element-type utf8): paths that may be written although no link of the cluster leads there: of tablespaces
 *   that were made behind the backup
 * @old_timeline: that recovery follows; the cluster must be on another one behind it
 * @segment_size: of WAL
 * @end_lsn: how far WAL of @old_timeline leads, where recovery shall go through all of it; 0 where a target ends it
 */
typedef struct
{
  const char *directory;
  const char *bin_directory;
  guint uid;
  guint gid;
  TeesqlWalSource *source;
  const char *fetch_program;
  const GPtrArray *new_tablespaces;
  guint32 old_timeline;
  guint32 segment_size;
  guint64 end_lsn;
  void (*progress) (const char *phase, gpointer user_data);
  gpointer progress_data;
} TeesqlRecoveryOptions;

/**
 * TeesqlRecoveryReport:
 * @end_lsn: where recovery ended and the new timeline begins
 */
typedef struct
{
  guint32 timeline;
  guint64 end_lsn;
} TeesqlRecoveryReport;

/**
 * teesql_recovery_run:
 *
 * starts the server on nothing but a socket that nobody may log in through, serves it WAL, waits until it has reached the target and writes
 * to a new timeline, stops it in order, and takes the recovery's settings out. Blocks.
 *
 * Returns: %FALSE with #TEESQL_BACKUP_ERROR: the failure of the WAL that was missing, or FAILED `recovery-failed`, with the server's last
 *   words; INTEGRITY `recovery-short` where it ended before @end_lsn. The directory is of no use then.
 */
gboolean teesql_recovery_run (const TeesqlRecoveryOptions *options, TeesqlRecoveryReport *out, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full): where teesql-wal-fetch is; in the build tree that of the build */
char *teesql_recovery_find_program (void) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full): a restore_command; both paths are quoted */
char *teesql_recovery_dup_command (const char *fetch_program, const char *socket) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
