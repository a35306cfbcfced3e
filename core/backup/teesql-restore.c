#include "backup/teesql-restore.h"

#include "backup/teesql-restore-run.h"
#include "backup/teesql-restore-settings.h"
#include "base/teesql-domains.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TELL_INTERVAL_US (G_USEC_PER_SEC / 10)

void
teesql_restore_report_free (TeesqlRestoreReport *self)
{
  g_clear_pointer (&self->chain, g_ptr_array_unref);
  g_clear_pointer (&self->removed, g_ptr_array_unref);
  g_clear_pointer (&self->tablespaces, g_ptr_array_unref);
  g_free (self->target_text);
  g_free (self);
}

void
teesql_restore_run_tell (TeesqlRestoreRun *self, const char *phase, guint64 more)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean changed = self->phase != phase;

  self->done += more;
  self->phase = phase;
  if (self->options->progress == NULL || (!changed && now_us - self->told_us < TELL_INTERVAL_US))
    return;
  self->told_us = now_us;
  self->options->progress (self->done, self->total, phase, self->options->progress_data);
}

/* ---- before ---- */

static gboolean
check_programs (const TeesqlRestoreRun *self, GError **error)
{
  g_autofree char *combine = NULL;

  if (self->plan->chain->len == 1)
    return TRUE;
  combine = self->options->bin_directory != NULL ? g_build_filename (self->options->bin_directory, "pg_combinebackup", NULL) : NULL;
  if (combine != NULL && access (combine, X_OK) == 0)
    return TRUE;
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "restore-programs",
                      "incremental backups are put together by pg_combinebackup of PostgreSQL 17, which is not in %s\n"
                      "hint: name its folder in [postgresql] bin-directory",
                      self->options->bin_directory != NULL ? self->options->bin_directory : "any folder");
}

/* Inputs and output of pg_combinebackup stand beside each other for a while; the output is about as large as the full backup. */
static guint64
estimate_bytes (const TeesqlRestorePlan *plan)
{
  guint64 bytes = 0;

  for (guint i = 0; i < plan->chain->len; i++)
    bytes += teesql_backup_get_plain_size (plan->chain->pdata[i]);
  return plan->chain->len == 1 ? bytes : bytes + teesql_backup_get_plain_size (plan->chain->pdata[0]);
}

static gboolean
check_space (const TeesqlRestoreRun *self, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (self->options->directory);
  guint64 needed = estimate_bytes (self->plan);
  struct statvfs st;
  g_autofree char *needs = g_format_size_full (needed, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *has = NULL;

  if (self->parts->len > 0 || statvfs (parent, &st) != 0 || (guint64) st.f_bavail * st.f_frsize >= needed)
    return TRUE; /* where it lies in several places the first full one will say so */
  has = g_format_size_full ((guint64) st.f_bavail * st.f_frsize, G_FORMAT_SIZE_IEC_UNITS);
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NO_SPACE, "restore-space", "%s has %s free, and the restore needs %s",
                      parent, has, needs);
}

static gboolean
prepare (TeesqlRestoreRun *self, GError **error)
{
  const TeesqlRestoreOptions *options = self->options;

  if (!options->verify_only && !teesql_restore_staging_check (options->directory, error))
    return FALSE;
  self->plan = teesql_restore_plan_new (options, self->source, self->cancellable, error);
  if (self->plan == NULL || !teesql_restore_run_map_tablespaces (self, error))
    return FALSE;
  for (guint i = 0; i < self->plan->chain->len; i++)
    self->total += teesql_backup_get_plain_size (self->plan->chain->pdata[i]);
  return options->verify_only || (teesql_restore_owner_init (&self->owner, options->uid, options->gid, error) &&
                                  check_programs (self, error) && check_space (self, error));
}

static void
fill_report (TeesqlRestoreRun *self)
{
  TeesqlRestoreReport *report = self->report;

  report->chain = g_ptr_array_ref (self->plan->chain);
  report->timeline = self->plan->timeline;
  report->target_text = g_strdup (self->plan->target_text);
  report->repository_timeline = self->plan->repository_timeline;
  report->repository_lsn = self->plan->repository_lsn;
  report->known_lsn = self->options->known_lsn;
  teesql_catalog_get_head (self->options->catalog, &report->head);
}

/* ---- the end ---- */

static gboolean
finish_cluster (TeesqlRestoreRun *self, GError **error)
{
  TeesqlRestoreTree *staged = teesql_restore_staging_get_tree (self->staging);
  g_autoptr (TeesqlRestoreTree) cluster = teesql_restore_tree_open (staged, TEESQL_RESTORE_STAGED, &self->owner, error);
  TeesqlRestoreRecovery recovery = {
    .fetch_command = self->options->fetch_command,
    .target = self->options->target,
    .target_text = self->plan->target_text,
    .target_inclusive = self->options->target_inclusive,
    .timeline = self->plan->timeline,
  };

  if (cluster == NULL || !teesql_restore_run_link_parts (self, cluster, error))
    return FALSE;
  recovery.has_inside = self->report->tablespaces->len > self->parts->len;
  return teesql_restore_settings_write (cluster, &recovery, self->report->removed, error);
}

static gboolean
sync_all (TeesqlRestoreRun *self, GError **error)
{
  teesql_restore_run_tell (self, "sync", 0);
  for (guint i = 0; i < self->parts->len; i++)
    if (!teesql_restore_tree_sync (teesql_restore_staging_get_tree (((const TeesqlRestorePart *) self->parts->pdata[i])->staging), error))
      return FALSE;
  return teesql_restore_tree_sync (teesql_restore_staging_get_tree (self->staging), error);
}

static gboolean
restore (TeesqlRestoreRun *self, GError **error)
{
  self->staging = teesql_restore_staging_new (self->options->directory, &self->owner, error);
  return self->staging != NULL && teesql_restore_run_stage_parts (self, error) && teesql_restore_run_unpack (self, error) &&
         finish_cluster (self, error) && sync_all (self, error) && !g_cancellable_set_error_if_cancelled (self->cancellable, error) &&
         teesql_restore_run_commit_parts (self, error) && teesql_restore_staging_commit (self->staging, TEESQL_RESTORE_STAGED, error);
}

static void
run_clear (TeesqlRestoreRun *self)
{
  g_clear_pointer (&self->staging, teesql_restore_staging_free);
  g_clear_pointer (&self->parts, g_ptr_array_unref);
  g_clear_pointer (&self->plan, teesql_restore_plan_free);
  g_clear_pointer (&self->source, teesql_wal_source_free);
}

TeesqlRestoreReport *
teesql_restore_run (const TeesqlRestoreOptions *options, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlRestoreReport) report = g_new0 (TeesqlRestoreReport, 1);
  TeesqlRestoreRun run = { .options = options, .cancellable = cancellable, .report = report, .phase = "plan" };
  gboolean ok = FALSE;

  report->removed = g_ptr_array_new_with_free_func (g_free);
  report->tablespaces = g_ptr_array_new_with_free_func (g_free);
  run.source = teesql_wal_source_new (options->catalog);
  ok = prepare (&run, error);
  if (ok)
    fill_report (&run);
  if (ok && !options->dry_run)
    ok = options->verify_only ? teesql_restore_run_verify (&run, error) : restore (&run, error);
  run_clear (&run);
  return ok ? g_steal_pointer (&report) : NULL;
}
