#include "backup/teesql-restore.h"

#include "backup/teesql-recovery-run.h"
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
  g_autofree char *server = NULL;

  server = self->options->bin_directory != NULL ? g_build_filename (self->options->bin_directory, "postgres", NULL) : NULL;
  if (self->options->recover && (server == NULL || access (server, X_OK) != 0))
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "restore-programs",
                        "recovery is done by the server of PostgreSQL 17, which is not in %s\n"
                        "hint: name its folder in [postgresql] bin-directory",
                        self->options->bin_directory != NULL ? self->options->bin_directory : "any folder");
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
  if (self->plan == NULL || !teesql_restore_run_map_tablespaces (self, error) || !teesql_restore_run_check_wal (self, error))
    return FALSE;
  for (guint i = 0; i < self->plan->chain->len; i++)
    self->total += teesql_backup_get_plain_size (self->plan->chain->pdata[i]);
  if (options->verify_only || options->read_wal)
    self->total += teesql_restore_run_count_wal (self);
  return options->verify_only || (teesql_restore_owner_init (&self->owner, options->uid, options->gid, error) &&
                                  check_programs (self, error) && check_space (self, error));
}

static gboolean
is_newer (const TeesqlRestoreKnown *a, const TeesqlRestoreKnown *b)
{
  if (a->timeline != b->timeline && a->timeline != 0 && b->timeline != 0)
    return a->timeline > b->timeline;
  return a->lsn > b->lsn;
}

static TeesqlRestoreKnown
newest_known (const GArray *known)
{
  TeesqlRestoreKnown newest = { 0 };

  for (guint i = 0; known != NULL && i < known->len; i++)
    {
      const TeesqlRestoreKnown *one = &g_array_index (known, TeesqlRestoreKnown, i);

      if (is_newer (one, &newest))
        newest = *one;
    }
  return newest;
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
  report->known = newest_known (self->options->known);
  teesql_catalog_get_head (self->options->catalog, &report->head);
}

/* ---- the end ---- */

static void
recovery_progress (const char *phase, gpointer user_data)
{
  teesql_restore_run_tell (user_data, phase, 0);
}

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

  recovery.has_inside = teesql_restore_run_has_inside (self);
  /* from tablespace_map PostgreSQL would make the links again, to where the tablespaces were */
  return cluster != NULL && teesql_restore_tree_remove_file (cluster, "tablespace_map", error) &&
         teesql_restore_settings_write (cluster, &recovery, self->report->removed, error);
}

/* Where the folder stands now, and its tablespaces with it: what does not get through it never gets its name. */
static gboolean
recover (TeesqlRestoreRun *self, GError **error)
{
  const char *folder = teesql_restore_tree_get_path (teesql_restore_staging_get_tree (self->staging));
  g_autofree char *staged = g_build_filename (folder, TEESQL_RESTORE_STAGED, NULL);
  const TeesqlRestoreStep *last = &g_array_index (self->plan->steps, TeesqlRestoreStep, self->plan->steps->len - 1);
  TeesqlRecoveryOptions options = {
    .directory = staged,
    .bin_directory = self->options->bin_directory,
    .uid = self->options->uid,
    .gid = self->options->gid,
    .source = self->source,
    .new_tablespaces = self->new_tablespaces,
    .old_timeline = self->plan->timeline,
    .segment_size = self->plan->view->record->segment_size,
    .end_lsn = self->options->target == TEESQL_RESTORE_LATEST ? last->end_lsn : 0,
    .progress = recovery_progress,
    .progress_data = self,
  };
  TeesqlRecoveryReport report;

  if (!self->options->recover)
    return TRUE;
  if (!teesql_recovery_run (&options, &report, self->cancellable, error))
    return FALSE;
  self->report->new_timeline = report.timeline;
  self->report->recovered_lsn = report.end_lsn;
  return TRUE;
}

static gboolean
link_parts (TeesqlRestoreRun *self, GError **error)
{
  TeesqlRestoreTree *staged = teesql_restore_staging_get_tree (self->staging);
  g_autoptr (TeesqlRestoreTree) cluster = teesql_restore_tree_open (staged, TEESQL_RESTORE_STAGED, &self->owner, error);

  return cluster != NULL && teesql_restore_run_link_parts (self, cluster, error);
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
  if (self->options->read_wal && !teesql_restore_run_read_wal (self, error))
    return FALSE;
  self->staging = teesql_restore_staging_new (self->options->directory, &self->owner, error);
  return self->staging != NULL && teesql_restore_run_stage_parts (self, error) && teesql_restore_run_unpack (self, error) &&
         finish_cluster (self, error) && recover (self, error) && link_parts (self, error) && sync_all (self, error) &&
         !g_cancellable_set_error_if_cancelled (self->cancellable, error) && teesql_restore_run_commit_parts (self, error) &&
         teesql_restore_staging_commit (self->staging, TEESQL_RESTORE_STAGED, error);
}

static void
run_clear (TeesqlRestoreRun *self)
{
  g_clear_pointer (&self->staging, teesql_restore_staging_free);
  g_clear_pointer (&self->parts, g_ptr_array_unref);
  g_clear_pointer (&self->new_tablespaces, g_ptr_array_unref);
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
