#include "backup/teesql-backup-runner-private.h"
#include "backup/teesql-base-backup.h"
#include "backup/teesql-catalog-list.h"
#include "backup/teesql-retention.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define WAL_WAIT_MS    (5 * 60 * 1000)
#define PROVEN_WAIT_MS (60 * 1000)
#define LOOK_US        (G_USEC_PER_SEC / 2) /* how soon a cancelled one stops to wait for its turn */

/* ---- a backup ---- */

static void
progress_cb (guint64 done, guint64 total, const char *phase, gpointer data)
{
  teesql_backup_runner_set_phase (data, phase, done, total);
}

static TeesqlBackup *
run_base_backup (TeesqlBackupRunner *self, TeesqlBackup *parent, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  const TeesqlBaseBackupOptions options = {
    .access = &self->access,
    .catalog = self->catalog,
    .parent = parent,
    .label = label,
    .level = (int) teesql_config_get_integer (config, "backup", "compression-level"),
    .threads = teesql_config_is_auto (config, "backup", "threads") ? 0 : (guint) teesql_config_get_integer (config, "backup", "threads"),
    .fast_checkpoint = TRUE,
    .max_rate = teesql_config_is_none (config, "backup", "max-rate") ? 0 : teesql_config_get_size (config, "backup", "max-rate"),
    .progress = progress_cb,
    .progress_data = self,
  };

  return teesql_base_backup_run (&options, cancellable, error);
}

/* An incremental backup needs what the server may have forgotten. Then a full one does what the operator wanted, and more. */
static TeesqlBackup *
run_either (TeesqlBackupRunner *self, gboolean full, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);
  TeesqlBackup *parent = full ? NULL : teesql_backup_plan_find_parent (record);
  g_autoptr (GError) problem = NULL;
  TeesqlBackup *backup = run_base_backup (self, parent, label, cancellable, &problem);

  if (backup != NULL)
    return backup;
  if (parent == NULL || g_strcmp0 (teesql_error_get_reason (problem), "summaries-missing") != 0)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  teesql_log_warning ("backup", "%s: a full backup instead: %s", self->storage, problem->message);
  return run_base_backup (self, NULL, label, cancellable, error);
}

static gboolean
take_turn (TeesqlBackupRunner *self, GCancellable *cancellable, GError **error)
{
  gboolean given_up = FALSE;

  teesql_backup_runner_set_phase (self, "waiting", 0, 0);
  g_mutex_lock (&self->turn->lock);
  while (self->turn->taken && !given_up)
    {
      g_cond_wait_until (&self->turn->free, &self->turn->lock, g_get_monotonic_time () + LOOK_US);
      given_up = g_cancellable_set_error_if_cancelled (cancellable, error) ||
                 (cancellable != self->stopping && g_cancellable_set_error_if_cancelled (self->stopping, error));
    }
  self->turn->taken |= !given_up;
  g_mutex_unlock (&self->turn->lock);
  return !given_up;
}

/* A backup of a server that is not the one whose WAL is archived would stand in the catalog as if it were. */
static gboolean
wait_for_server (TeesqlBackupRunner *self, GCancellable *cancellable, GError **error)
{
  teesql_backup_runner_set_phase (self, "waiting", 0, 0);
  return teesql_wal_archiver_wait_proven (self->archiver, PROVEN_WAIT_MS, cancellable, error);
}

static TeesqlBackup *
back_up_in_turn (TeesqlBackupRunner *self, gboolean full, const char *label, GCancellable *cancellable, GError **error)
{
  TeesqlBackup *backup = NULL;

  if (!wait_for_server (self, cancellable, error) || !take_turn (self, cancellable, error))
    return NULL;
  backup = run_either (self, full, label, cancellable, error);
  g_mutex_lock (&self->turn->lock);
  self->turn->taken = FALSE;
  g_cond_broadcast (&self->turn->free);
  g_mutex_unlock (&self->turn->lock);
  return backup;
}

/* What was taken is a backup only with the WAL that was written meanwhile. */
static gboolean
wait_for_wal (TeesqlBackupRunner *self, const TeesqlBackup *backup, GCancellable *cancellable, GError **error)
{
  teesql_backup_runner_set_phase (self, "wal", 0, 0);
  return teesql_wal_archiver_wait (self->archiver, backup->stop_lsn, WAL_WAIT_MS, cancellable, error);
}

gboolean
teesql_backup_runner_expire (TeesqlBackupRunner *self, guint *out_removed, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  const TeesqlRetention retention = {
    .full_count = (guint) teesql_config_get_integer (config, "backup", "retain-full"),
    .age_s =
        teesql_config_is_none (config, "backup", "retain-days") ? 0 : teesql_config_get_integer (config, "backup", "retain-days") * 86400,
  };

  teesql_backup_runner_set_phase (self, "expire", 0, 0);
  teesql_backup_runner_look_for_strangers (self);
  return teesql_retention_run (self->catalog, &retention, g_get_real_time () / G_USEC_PER_SEC, out_removed, cancellable, error);
}

static void
note_outcome (TeesqlBackupRunner *self, const TeesqlBackup *backup, const GError *problem)
{
  g_autofree char *name = backup != NULL ? teesql_backup_dup_name (backup) : NULL;

  teesql_status_count (self->status, backup != NULL ? TEESQL_COUNTER_BACKUPS : TEESQL_COUNTER_BACKUPS_FAILED, 1);
  g_mutex_lock (&self->lock);
  g_clear_error (&self->backup_problem);
  if (backup == NULL)
    self->backup_problem = g_error_copy (problem);
  g_mutex_unlock (&self->lock);
  if (backup == NULL)
    teesql_log_error ("backup", "%s: the backup failed: %s", self->storage, problem->message);
  else
    teesql_log_info ("backup", "%s: %s is done, %" G_GUINT64_FORMAT " bytes stored", self->storage, name,
                     teesql_backup_get_stored_size (backup));
}

TeesqlBackup *
teesql_backup_runner_back_up (TeesqlBackupRunner *self, gboolean full, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (GError) left = NULL;
  g_autoptr (TeesqlBackup) backup = back_up_in_turn (self, full, label, cancellable, &problem);
  guint removed = 0;

  if (backup != NULL && !wait_for_wal (self, backup, cancellable, &problem))
    g_clear_pointer (&backup, teesql_backup_unref);
  if (backup == NULL && g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  note_outcome (self, backup, problem);
  if (backup == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  if (!teesql_backup_runner_expire (self, &removed, self->stopping, &left))
    teesql_log_warning ("backup", "%s: old backups were not removed: %s", self->storage, left->message);
  else if (removed > 0)
    teesql_log_info ("backup", "%s: %u objects of old backups removed", self->storage, removed);
  return g_steal_pointer (&backup);
}

/* ---- tasks ---- */

static char *
print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static JsonBuilder *
begin (TeesqlBackupRunner *self)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "storage");
  json_builder_add_string_value (builder, self->storage);
  return builder;
}

static char *
perform_now (TeesqlBackupRunner *self, const TeesqlBackupTask *task, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlBackup) backup = teesql_backup_runner_back_up (self, task->full, task->label, cancellable, error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (backup == NULL)
    return NULL;
  builder = begin (self);
  json_builder_set_member_name (builder, "backup");
  teesql_catalog_list_add_backup (builder, backup);
  return print (builder);
}

static char *
perform_list (TeesqlBackupRunner *self)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);
  g_autoptr (JsonBuilder) builder = begin (self);

  teesql_catalog_list_add_record (builder, record);
  return print (builder);
}

static char *
perform_expire (TeesqlBackupRunner *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonBuilder) builder = NULL;
  guint removed = 0;

  if (!teesql_backup_runner_expire (self, &removed, cancellable, error))
    return NULL;
  builder = begin (self);
  json_builder_set_member_name (builder, "removed");
  json_builder_add_int_value (builder, removed);
  return print (builder);
}

static char *
perform_rotate (TeesqlBackupRunner *self, GCancellable *cancellable, GError **error)
{
  guint32 epoch = teesql_repository_get_epoch (self->repository) + 1;
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!teesql_config_is_auto (config, "backup", "key-epoch"))
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "key-epoch-fixed",
                   "[backup] key-epoch = %" G_GINT64_FORMAT ": the configuration names the epoch\n"
                   "hint: key-epoch = auto and a reload, or a higher number there instead",
                   (gint64) teesql_config_get_integer (config, "backup", "key-epoch"));
      return NULL;
    }
  if (!teesql_backup_keys_fetch (self->keys, epoch, cancellable, error) ||
      !teesql_catalog_add_epoch (self->catalog, epoch, cancellable, error))
    return NULL;
  teesql_repository_set_epoch (self->repository, epoch);
  if (!teesql_backup_runner_publish_recovery (self, error))
    return NULL;
  teesql_log_info ("backup", "%s: new objects are sealed under key epoch %u", self->storage, epoch);
  builder = begin (self);
  json_builder_set_member_name (builder, "epoch");
  json_builder_add_int_value (builder, epoch);
  return print (builder);
}

/* A repository without a single record that can be read has nothing to stand on; the operator says so, or it is empty. */
static gboolean
mark_accepted (TeesqlBackupRunner *self, gboolean fresh, TeesqlLineage *out_parent, GCancellable *cancellable, GError **error)
{
  const TeesqlCatalogOptions options = { .repository = self->repository };
  g_autoptr (GError) problem = NULL;
  g_autoptr (TeesqlCatalog) catalog = fresh ? NULL : teesql_catalog_read (&options, NULL, cancellable, &problem);
  TeesqlHead head = { 0 };

  if (catalog == NULL && (fresh || g_strcmp0 (teesql_error_get_reason (problem), "catalog-absent") == 0))
    return teesql_catalog_mark_restored (self->head_path, NULL, 0, NULL, error);
  if (catalog == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  teesql_catalog_get_head (catalog, &head);
  *out_parent = head.lineage;
  return teesql_catalog_mark_restored (self->head_path, &head.lineage, head.sequence, head.digest, error);
}

/* The operator says: what lies there is what we go on from. A lineage of its own, so nothing of it is overwritten. */
static char *
perform_accept (TeesqlBackupRunner *self, gboolean fresh, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  g_autoptr (JsonBuilder) builder = NULL;
  TeesqlLineage parent = { 0 };
  gboolean marked = FALSE;

  if (self->catalog != NULL)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "nothing-to-accept", "the repository is open and leaves no question");
      return NULL;
    }
  marked = teesql_backup_runner_open_repository (self, config, error) && mark_accepted (self, fresh, &parent, cancellable, error);
  teesql_backup_runner_close (self);
  if (!marked)
    return NULL;
  self->is_settled = TRUE;
  teesql_log_warning ("backup", "%s: the operator accepted %s; a new lineage begins", self->storage,
                      parent.text[0] != '\0' ? parent.text : "that nothing is there to go on from");
  builder = begin (self);
  json_builder_set_member_name (builder, "parent_lineage");
  if (parent.text[0] != '\0')
    json_builder_add_string_value (builder, parent.text);
  else
    json_builder_add_null_value (builder);
  return print (builder);
}

char *
teesql_backup_runner_perform (TeesqlBackupRunner *self, const TeesqlBackupTask *task, GCancellable *cancellable, GError **error)
{
  switch (task->kind)
    {
    case TEESQL_BACKUP_TASK_NOW:
      return perform_now (self, task, cancellable, error);
    case TEESQL_BACKUP_TASK_LIST:
      return perform_list (self);
    case TEESQL_BACKUP_TASK_VERIFY:
      return teesql_backup_runner_verify (self, task->deep, cancellable, error);
    case TEESQL_BACKUP_TASK_EXPIRE:
      return perform_expire (self, cancellable, error);
    case TEESQL_BACKUP_TASK_ROTATE_KEY:
      return perform_rotate (self, cancellable, error);
    case TEESQL_BACKUP_TASK_ACCEPT:
      return perform_accept (self, task->fresh, cancellable, error);
    }
  return NULL;
}
