#include "backup/teesql-refill-private.h"

#include "backup/teesql-recovery-run.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

static void
progress_cb (guint64 done, guint64 total, const char *phase, gpointer data)
{
  const TeesqlRefillOptions *options = data;
  g_autofree char *text = total > 0 ? g_strdup_printf ("%s %u %%", phase, (guint) MIN (100, done * 100 / total)) : g_strdup (phase);

  teesql_status_set_fact (options->status, "restore", text);
}

static gboolean
restore_from (const TeesqlRefillOptions *options, const TeesqlRefillSource *source, GCancellable *cancellable, GError **error)
{
  g_autofree char *program = teesql_recovery_find_program ();
  g_autofree char *command = teesql_recovery_dup_command (program, options->socket);
  const TeesqlRestoreOptions restore = {
    .catalog = source->catalog,
    .directory = options->directory,
    .target = TEESQL_RESTORE_LATEST,
    .target_inclusive = TRUE,
    .uid = options->uid,
    .gid = options->gid,
    .bin_directory = teesql_config_get_string (options->config, "postgresql", "bin-directory"),
    .fetch_command = command,
    .read_wal = TRUE, /* what cannot be recovered would stand in the place of what is still in the storage */
    .progress = progress_cb,
    .progress_data = (gpointer) options,
  };
  g_autoptr (TeesqlRestoreReport) report = teesql_restore_run (&restore, cancellable, error);
  const char *state_directory = teesql_config_get_string (options->config, "teesql", "state-directory");
  g_autofree char *end = NULL;

  if (report == NULL || !teesql_cluster_id_adopt (state_directory, report->head.cluster_id, error) ||
      !teesql_catalog_mark_restored (source->head_path, &report->head.lineage, report->head.sequence, report->head.digest, error))
    return FALSE;
  end = teesql_lsn_to_string (report->repository_lsn);
  teesql_log_info ("backup", "%s is filled from lineage %s, which goes up to %s", options->directory, report->head.lineage.text, end);
  return TRUE;
}

static gboolean
has_backups (const TeesqlRefillSource *source)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (source->catalog);

  return record->backups->len > 0;
}

static gboolean
try_storage (const TeesqlRefillOptions *options, const char *storage, gboolean *out_filled, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlRefillSource) source = { 0 };
  gboolean found = FALSE;

  if (!teesql_refill_source_open (options, storage, &source, &found, cancellable, error))
    return FALSE;
  if (!found || !has_backups (&source))
    return TRUE;
  teesql_log_warning ("backup", "%s is empty: it is filled from %s", options->directory, storage);
  *out_filled = restore_from (options, &source, cancellable, error);
  return *out_filled;
}

gboolean
teesql_refill_run (const TeesqlRefillOptions *options, gboolean *out_filled, GCancellable *cancellable, GError **error)
{
  const char *const *storages = teesql_config_get_list (options->config, "backup", "storages");

  *out_filled = FALSE;
  for (guint i = 0; storages[i] != NULL && !*out_filled; i++)
    if (!try_storage (options, storages[i], out_filled, cancellable, error))
      {
        g_prefix_error (error, "%s: ", storages[i]);
        return FALSE;
      }
  teesql_status_set_fact (options->status, "restore", NULL);
  return TRUE;
}
