#include "backup/teesql-backup-runner-private.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define FLUSH_US        (60 * G_USEC_PER_SEC)
#define FIRST_WAIT_MS   500
#define MAX_WAIT_MS     30000
#define PROVE_LOOK_MS   50 /* how often, until the server is known to go on from what was archived */
#define BACKUP_WAIT_S   60 /* after a failed backup, doubled each time */
#define BACKUP_WAIT_MAX 3600

TeesqlConfig *
teesql_backup_runner_ref_config (TeesqlBackupRunner *self)
{
  TeesqlConfig *config = NULL;

  g_mutex_lock (&self->lock);
  config = teesql_config_ref (self->config);
  g_mutex_unlock (&self->lock);
  return config;
}

void
teesql_backup_runner_set_phase (TeesqlBackupRunner *self, const char *phase, guint64 done, guint64 total)
{
  g_mutex_lock (&self->lock);
  if (g_strcmp0 (self->phase, phase) != 0)
    {
      g_free (self->phase);
      self->phase = g_strdup (phase);
    }
  self->done = done;
  self->total = total;
  g_mutex_unlock (&self->lock);
}

void
teesql_backup_runner_get_progress (TeesqlBackupRunner *self, guint64 *out_done, guint64 *out_total, char **out_phase)
{
  g_mutex_lock (&self->lock);
  *out_done = self->done;
  *out_total = self->total;
  *out_phase = g_strdup (self->phase);
  g_mutex_unlock (&self->lock);
}

static gboolean
is_stopping (TeesqlBackupRunner *self)
{
  return g_cancellable_is_cancelled (self->stopping);
}

static void
set_problem (TeesqlBackupRunner *self, GError **place, GError *error)
{
  g_mutex_lock (&self->lock);
  g_clear_error (place);
  *place = error;
  g_mutex_unlock (&self->lock);
}

/* ---- tasks ---- */

static GTask *
take_task (TeesqlBackupRunner *self, guint wait_ms)
{
  gint64 until = g_get_monotonic_time () + (gint64) wait_ms * 1000;
  GTask *task = NULL;

  g_mutex_lock (&self->lock);
  while (g_queue_is_empty (&self->tasks) && !is_stopping (self) && !self->config_changed)
    if (!g_cond_wait_until (&self->wake, &self->lock, until))
      break;
  self->config_changed = FALSE;
  task = g_queue_pop_head (&self->tasks);
  g_mutex_unlock (&self->lock);
  return task;
}

static void
relay_cb (GCancellable *cancellable, gpointer data)
{
  g_cancellable_cancel (data);
}

static gulong
relay (GCancellable *from, GCancellable *to)
{
  return from != NULL ? g_cancellable_connect (from, G_CALLBACK (relay_cb), g_object_ref (to), g_object_unref) : 0;
}

/* Whoever asked may give it up, and so does our own end: the daemon waits for this thread, and not for hours. */
static void
run_task (TeesqlBackupRunner *self, GTask *task)
{
  g_autoptr (GCancellable) either = g_cancellable_new ();
  GCancellable *theirs = g_task_get_cancellable (task);
  gulong theirs_id = relay (theirs, either);
  gulong ours_id = relay (self->stopping, either);
  GError *error = NULL;
  char *text = teesql_backup_runner_perform (self, g_task_get_task_data (task), either, &error);

  g_cancellable_disconnect (theirs, theirs_id);
  g_cancellable_disconnect (self->stopping, ours_id);
  teesql_backup_runner_set_phase (self, NULL, 0, 0);
  if (text != NULL)
    g_task_return_pointer (task, text, g_free);
  else
    g_task_return_error (task, error);
}

static gboolean
is_accept (GTask *task)
{
  const TeesqlBackupTask *what = g_task_get_task_data (task);

  return what->kind == TEESQL_BACKUP_TASK_ACCEPT;
}

/* While the repository cannot be opened every task but the operator's decision gets the reason. */
static void
refuse_task (TeesqlBackupRunner *self, GTask *task, const GError *problem)
{
  if (is_accept (task))
    run_task (self, task);
  else
    g_task_return_error (task, g_error_copy (problem));
}

static void
drop_tasks (TeesqlBackupRunner *self)
{
  GTask *task = NULL;

  while ((task = take_task (self, 0)) != NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the daemon ends");
      g_object_unref (task);
    }
}

/* ---- what is due ---- */

static gboolean
read_schedule (const TeesqlConfig *config, const char *key, TeesqlSchedule *out)
{
  const char *text = teesql_config_get_string (config, "backup", key);

  return !teesql_config_is_none (config, "backup", key) && text != NULL && teesql_schedule_parse (text, out, NULL);
}

static TeesqlBackupKind
find_due (TeesqlBackupRunner *self, guint *out_wait_ms)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);
  TeesqlBackupSchedules schedules = { 0 };
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gint64 next = 0;
  const char *why = NULL;
  TeesqlBackupKind kind = TEESQL_BACKUP_NONE;

  schedules.has_full = read_schedule (config, "full-schedule", &schedules.full);
  schedules.has_incremental = read_schedule (config, "incremental-schedule", &schedules.incremental);
  kind = teesql_backup_plan_due (record, &schedules, now, &next, &why);
  *out_wait_ms = (guint) CLAMP (next - now, 1, 60) * 1000;
  if (kind == TEESQL_BACKUP_NONE || g_get_monotonic_time () < self->backup_not_before_us)
    return TEESQL_BACKUP_NONE;
  teesql_log_info ("backup", "%s: a %s backup is due (%s)", self->storage, kind == TEESQL_BACKUP_FULL ? "full" : "incremental", why);
  return kind;
}

static void
run_due (TeesqlBackupRunner *self, TeesqlBackupKind kind)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlBackup) backup = teesql_backup_runner_back_up (self, kind == TEESQL_BACKUP_FULL, NULL, self->stopping, &error);
  guint64 wait_s = BACKUP_WAIT_S;

  teesql_backup_runner_set_phase (self, NULL, 0, 0);
  if (backup != NULL)
    {
      self->backup_failures = 0;
      return;
    }
  for (guint i = 0; i < self->backup_failures && wait_s < BACKUP_WAIT_MAX; i++)
    wait_s *= 2;
  self->backup_failures++;
  self->backup_not_before_us = g_get_monotonic_time () + (gint64) MIN (wait_s, BACKUP_WAIT_MAX) * G_USEC_PER_SEC;
}

/* A setting that could not be taken up is tried again with the catalog's records. */
static gboolean
must_apply_settings (TeesqlBackupRunner *self)
{
  gboolean must = FALSE;

  g_mutex_lock (&self->lock);
  must = self->settings_changed || (self->settings_problem != NULL && g_get_monotonic_time () >= self->flush_at_us);
  self->settings_changed = FALSE;
  g_mutex_unlock (&self->lock);
  return must;
}

static void
flush (TeesqlBackupRunner *self)
{
  g_autoptr (GError) error = NULL;

  if (g_get_monotonic_time () < self->flush_at_us)
    return;
  self->flush_at_us = g_get_monotonic_time () + FLUSH_US;
  if (!teesql_catalog_flush (self->catalog, self->stopping, &error) && !is_stopping (self))
    teesql_log_warning ("backup", "%s: the catalog was not brought up to date: %s", self->storage, error->message);
}

/* An archiver that met something that must not be: WAL that differs, another cluster. Its reason outlives it. */
static gboolean
archiver_gave_up (TeesqlBackupRunner *self, GError **error)
{
  g_autoptr (GError) failure = teesql_wal_archiver_dup_failure (self->archiver);

  if (failure == NULL)
    return FALSE;
  self->is_settled = FALSE;
  if (g_error_matches (failure, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED))
    g_propagate_error (error, g_steal_pointer (&failure));
  else
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-refused", "%s", failure->message);
  return TRUE;
}

/* A refusal stands until its archiver went further than the one before: that the repository opens again says nothing about the server. */
static gboolean
look_at_archiver (TeesqlBackupRunner *self)
{
  TeesqlWalFacts facts;

  teesql_wal_archiver_get_facts (self->archiver, &facts);
  if (facts.proven && !self->is_settled)
    {
      self->is_settled = TRUE;
      self->open_failures = 0;
      set_problem (self, &self->problem, NULL);
    }
  return facts.proven;
}

static gboolean
work (TeesqlBackupRunner *self, GError **error)
{
  while (!is_stopping (self))
    {
      guint wait_ms = PROVE_LOOK_MS;
      TeesqlBackupKind due = look_at_archiver (self) ? find_due (self, &wait_ms) : TEESQL_BACKUP_NONE;
      g_autoptr (GTask) task = NULL;

      if (due != TEESQL_BACKUP_NONE)
        run_due (self, due);
      task = take_task (self, due != TEESQL_BACKUP_NONE ? 0 : MIN (wait_ms, 1000));
      if (task != NULL && !self->is_settled && is_accept (task))
        {
          teesql_backup_runner_close (self); /* what the operator judged was a refusal, which is being looked into once more */
          run_task (self, task);
          return TRUE;
        }
      if (task != NULL)
        run_task (self, task);
      if (must_apply_settings (self))
        teesql_backup_runner_apply_settings (self);
      flush (self);
      if (archiver_gave_up (self, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- the thread ---- */

static void
wait_after (TeesqlBackupRunner *self, GError *problem)
{
  guint wait_ms = FIRST_WAIT_MS << MIN (self->open_failures, 6);
  g_autoptr (GTask) task = NULL;

  if (is_stopping (self))
    {
      g_error_free (problem);
      return;
    }
  if (self->open_failures++ == 0)
    teesql_log_warning ("backup", "%s: %s", self->storage, problem->message);
  set_problem (self, &self->problem, g_error_copy (problem));
  task = take_task (self, MIN (wait_ms, MAX_WAIT_MS));
  if (task != NULL)
    refuse_task (self, task, problem);
  g_error_free (problem);
}

static gpointer
runner_thread (gpointer data)
{
  TeesqlBackupRunner *self = data;

  while (!is_stopping (self))
    {
      GError *error = NULL;
      gboolean opened = teesql_backup_runner_open (self, &error);

      if (opened)
        {
          if (self->is_settled)
            {
              self->open_failures = 0;
              set_problem (self, &self->problem, NULL);
            }
          self->flush_at_us = g_get_monotonic_time () + FLUSH_US;
          teesql_backup_runner_look_for_strangers (self);
          opened = work (self, &error);
        }
      teesql_backup_runner_close (self);
      if (!opened)
        wait_after (self, error);
    }
  drop_tasks (self);
  g_atomic_int_set (&self->ended, TRUE);
  return NULL;
}

/* ---- outside ---- */

void
teesql_backup_runner_set_config (TeesqlBackupRunner *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  g_mutex_lock (&self->lock);
  teesql_config_unref (self->config);
  self->config = config;
  self->config_changed = TRUE;
  self->settings_changed = TRUE;
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
}

static void
task_free (gpointer data)
{
  TeesqlBackupTask *task = data;

  g_free (task->label);
  g_free (task);
}

void
teesql_backup_runner_do_async (TeesqlBackupRunner *self, const TeesqlBackupTask *task, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *gtask = g_task_new (NULL, cancellable, callback, user_data);
  TeesqlBackupTask *copy = g_new0 (TeesqlBackupTask, 1);

  *copy = *task;
  copy->label = g_strdup (task->label);
  g_task_set_source_tag (gtask, teesql_backup_runner_do_async);
  g_task_set_task_data (gtask, copy, task_free);
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->tasks, gtask);
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
}

char *
teesql_backup_runner_do_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

const char *
teesql_backup_runner_get_storage (TeesqlBackupRunner *self)
{
  return self->storage;
}

TeesqlBackupRunner *
teesql_backup_runner_new (const TeesqlBackupRunnerOptions *options)
{
  TeesqlBackupRunner *self = g_new0 (TeesqlBackupRunner, 1);
  const char *state_directory = teesql_config_get_string (options->config, "teesql", "state-directory");

  self->status = g_object_ref (options->status);
  self->storage = g_strdup (options->storage);
  self->keys = g_object_ref (options->keys);
  self->access.host = g_strdup (options->access.host);
  self->access.port = options->access.port;
  self->access.user = g_strdup (options->access.user);
  self->access.password = options->access.password != NULL ? teesql_secret_ref (options->access.password) : NULL;
  self->system_identifier = options->system_identifier;
  self->segment_size = options->segment_size;
  self->turn = options->turn;
  self->head_path = g_build_filename (state_directory, "backup", options->storage, "head", NULL);
  self->slot = teesql_config_dup_slot (options->config, options->storage);
  self->config = teesql_config_ref (options->config);
  self->stopping = g_cancellable_new ();
  self->is_settled = TRUE;
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_queue_init (&self->tasks);
  self->thread = g_thread_new ("teesql-backup", runner_thread, self);
  return self;
}

void
teesql_backup_runner_stop (TeesqlBackupRunner *self)
{
  g_cancellable_cancel (self->stopping);
  g_mutex_lock (&self->lock);
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
}

gboolean
teesql_backup_runner_has_ended (TeesqlBackupRunner *self)
{
  return g_atomic_int_get (&self->ended);
}

void
teesql_backup_runner_free (TeesqlBackupRunner *self)
{
  teesql_backup_runner_stop (self);
  g_thread_join (self->thread);
  g_object_unref (self->status);
  g_object_unref (self->keys);
  g_object_unref (self->stopping);
  g_clear_pointer (&self->access.password, teesql_secret_unref);
  g_clear_error (&self->problem);
  g_clear_error (&self->backup_problem);
  g_clear_error (&self->settings_problem);
  teesql_config_unref (self->config);
  g_free (self->access.host);
  g_free (self->access.user);
  g_free (self->storage);
  g_free (self->head_path);
  g_free (self->slot);
  g_free (self->phase);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  g_free (self);
}
