#pragma once
#include "backup/teesql-restore-lineage.h"
#include "backup/teesql-restore.h"

G_BEGIN_DECLS

/**
 * TeesqlRestoreStep:
 *
 * WAL that recovery goes through on one timeline
 */
typedef struct
{
  guint32 timeline;
  guint64 start_lsn;
  guint64 end_lsn;
} TeesqlRestoreStep;

/**
 * TeesqlRestorePlan:
 * @view: (transfer none): the lineage whose objects the chain's are
 * @timeline: that recovery shall follow
 * @target_text: (nullable): in PostgreSQL's form; times in UTC
 *
 * what a restore will do, decided before a byte is written
 */
typedef struct
{
  const TeesqlRestoreView *view;
  GPtrArray *chain; /* TeesqlBackup, full one first */
  GArray *steps;    /* TeesqlRestoreStep, from the chain's newest backup to the end of WAL */
  guint32 repository_timeline;
  guint64 repository_lsn;
  guint32 timeline;
  char *target_text;
  guint64 target_lsn;
  gint64 target_unix;
} TeesqlRestorePlan;
void teesql_restore_plan_free (TeesqlRestorePlan *self);

/**
 * teesql_restore_plan_new:
 * @source: owns @view; must live as long
 *
 * Returns: (transfer full) (nullable): %NULL with REFUSED `repository-behind`, `target-beyond`, CONFIG `restore-target`, NOT_FOUND
 *   `backup-none`, INTEGRITY `wal-missing`, `wal-gap`, `backup-parent`
 */
TeesqlRestorePlan *teesql_restore_plan_new (const TeesqlRestoreOptions *options, TeesqlWalSource *source, GCancellable *cancellable,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* pure: an instant with its zone; %FALSE with CONFIG `restore-target` */
gboolean teesql_restore_parse_time (const char *text, gint64 *out_unix, char **out_text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestorePlan, teesql_restore_plan_free)
G_END_DECLS
