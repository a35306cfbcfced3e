#pragma once
/* One repository at work, shared by the files that make it up. */
#include "backup/teesql-backup-runner.h"
#include "backup/teesql-wal-archiver.h"

G_BEGIN_DECLS

struct _TeesqlBackupRunner
{
  /* of the options; never change */
  TeesqlStatus *status;
  char *storage;
  TeesqlBackupKeys *keys;
  TeesqlPgAccess access;
  guint64 system_identifier;
  guint32 segment_size;
  TeesqlBackupTurn *turn;
  char *head_path;
  char *slot;
  GThread *thread;
  GCancellable *stopping;
  int ended; /* atomic: the thread does nothing any more */

  /* of the runner's thread */
  TeesqlRepository *repository;
  gint64 flush_at_us;  /* monotonic */
  gint64 backup_not_before_us;
  guint backup_failures;
  guint open_failures;
  gboolean is_settled; /* the last archiver did not give up, or the one after it got further */

  GMutex lock; /* all below */
  GCond wake;
  TeesqlConfig *config;
  gboolean config_changed;
  gboolean settings_changed;
  GQueue tasks; /* GTask */
  TeesqlStore *store;
  TeesqlCatalog *catalog;       /* NULL while it is not open */
  TeesqlWalArchiver *archiver;
  GError *problem;              /* why it is not open */
  GError *backup_problem;       /* of the last backup, NULL when it succeeded */
  GError *settings_problem;     /* what of the configuration could not be taken up */
  guint64 counted_bytes;        /* of this archiver */
  guint64 counted_segments;
  char *phase;                  /* of the backup or task under way */
  guint64 done;
  guint64 total;
};

/* a reference to the configuration of now */
TeesqlConfig *teesql_backup_runner_ref_config (TeesqlBackupRunner *self) G_GNUC_WARN_UNUSED_RESULT;
void teesql_backup_runner_set_phase (TeesqlBackupRunner *self, const char *phase, guint64 done, guint64 total);
/* store and keys only */
gboolean teesql_backup_runner_open_repository (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* store, keys, catalog, archiver, settings; teesql_backup_runner_close() takes back what a failure left */
gboolean teesql_backup_runner_open (TeesqlBackupRunner *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_backup_runner_choose_epoch (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_backup_runner_read_pace (const TeesqlConfig *config, int *out_level, guint *out_interval_ms);
/* takes up what `[backup]` says now; what cannot be taken up degrades */
void teesql_backup_runner_apply_settings (TeesqlBackupRunner *self);
/* notices about clusters and lineages that somebody else keeps in this storage */
void teesql_backup_runner_look_for_strangers (TeesqlBackupRunner *self);
void teesql_backup_runner_count_wal (TeesqlBackupRunner *self, TeesqlWalArchiver *archiver);
/* every epoch key for every recipient of the configuration, as far as they are not there yet */
gboolean teesql_backup_runner_publish_recovery (TeesqlBackupRunner *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_backup_runner_close (TeesqlBackupRunner *self);
/* blocks for as long as it takes; on success old backups are let go too */
TeesqlBackup *teesql_backup_runner_back_up (TeesqlBackupRunner *self, gboolean full, const char *label, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_backup_runner_expire (TeesqlBackupRunner *self, guint *out_removed, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full) (nullable): JSON; runs a task on the runner's thread */
char *teesql_backup_runner_perform (TeesqlBackupRunner *self, const TeesqlBackupTask *task, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* (transfer full) (nullable): JSON of what was found */
char *teesql_backup_runner_verify (TeesqlBackupRunner *self, gboolean deep, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
