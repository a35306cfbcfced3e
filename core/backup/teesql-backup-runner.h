#pragma once
#include "backup/teesql-backup-keys.h"
#include "backup/teesql-backup-plan.h"
#include "backup/teesql-catalog.h"
#include "backup/teesql-pg-access.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * TeesqlBackupRunner:
 *
 * one repository at work, on a thread of its own: opens store and catalog, keeps the WAL archiver going, takes base backups when they are due or asked
 * for, lets old ones go. What it cannot do it tries again, for ever; what it must not do it refuses until an operator decides.
 */
typedef struct _TeesqlBackupRunner TeesqlBackupRunner;

/**
 * TeesqlBackupTurn:
 *
 * one base backup at a time, whatever the number of storages
 */
typedef struct {
  GMutex lock;
  GCond free;
  gboolean taken;
} TeesqlBackupTurn;

/**
 * TeesqlBackupRunnerOptions:
 * @turn: taken while a base backup runs; outlives the runner
 * @system_identifier, @segment_size: of the running server
 */
typedef struct {
  TeesqlConfig *config;
  TeesqlStatus *status;
  const char *storage;
  TeesqlBackupKeys *keys;
  TeesqlPgAccess access; /* copied */
  guint64 system_identifier;
  guint32 segment_size;
  TeesqlBackupTurn *turn;
} TeesqlBackupRunnerOptions;

TeesqlBackupRunner *teesql_backup_runner_new (const TeesqlBackupRunnerOptions *options) G_GNUC_WARN_UNUSED_RESULT; /* starts */
void teesql_backup_runner_stop (TeesqlBackupRunner *self); /* tells it to; teesql_backup_runner_free() waits for it */
void teesql_backup_runner_free (TeesqlBackupRunner *self); /* stops: a backup under way is given up, WAL that is on its way gets a few seconds */
/* after it was told to stop: whether teesql_backup_runner_free() would return at once */
gboolean teesql_backup_runner_has_ended (TeesqlBackupRunner *self);
const char *teesql_backup_runner_get_storage (TeesqlBackupRunner *self);
void teesql_backup_runner_set_config (TeesqlBackupRunner *self, TeesqlConfig *config);
/**
 * teesql_backup_runner_publish:
 *
 * facts into status. Main context, once a second.
 *
 * Returns: (transfer full) (nullable): what degrades, with a reason: refused, storage away, WAL behind `max-lag`, backups that fail
 */
GError *teesql_backup_runner_publish (TeesqlBackupRunner *self) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
  TEESQL_BACKUP_TASK_NOW,
  TEESQL_BACKUP_TASK_LIST,
  TEESQL_BACKUP_TASK_VERIFY,
  TEESQL_BACKUP_TASK_EXPIRE,
  TEESQL_BACKUP_TASK_ROTATE_KEY,
  TEESQL_BACKUP_TASK_ACCEPT,
} TeesqlBackupTaskKind;

/**
 * TeesqlBackupTask:
 * @full: NOW: full, else incremental where possible
 * @deep: VERIFY: every byte
 * @fresh: ACCEPT: nothing that lies there is worth going on from
 */
typedef struct {
  TeesqlBackupTaskKind kind;
  gboolean full;
  gboolean deep;
  gboolean fresh;
  char *label;
} TeesqlBackupTask;

/**
 * teesql_backup_runner_do_async:
 * @task: copied
 *
 * one task after the other, between the runner's own. The result is a text of JSON (docs/backup.md).
 */
void teesql_backup_runner_do_async (TeesqlBackupRunner *self, const TeesqlBackupTask *task, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
char *teesql_backup_runner_do_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_backup_runner_get_progress:
 * @out_phase: (transfer full) (nullable): %NULL when nothing runs
 */
void teesql_backup_runner_get_progress (TeesqlBackupRunner *self, guint64 *out_done, guint64 *out_total, char **out_phase);

G_END_DECLS
