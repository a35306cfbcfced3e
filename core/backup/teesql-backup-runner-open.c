#include "backup/teesql-backup-runner-private.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define MAX_NEW_EPOCHS 64 /* that others may have added since our head was written */

static gboolean
make_store (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error)
{
  const TeesqlStoreOptions options = {
    .config = (TeesqlConfig *) config, /* not the member, which a reload exchanges at any time */
    .instance = self->storage,
    .status = self->status,
    .retry_deadline_ms = teesql_config_get_duration_ms (config, "backup", "retry-deadline"),
  };
  TeesqlStore *store = teesql_store_new (&options);

  g_mutex_lock (&self->lock);
  self->store = store;
  g_mutex_unlock (&self->lock);
  return teesql_store_open (store, self->stopping, error);
}

/* The head says which epochs there were; the one the configuration names may be new. */
static gboolean
fetch_epochs (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error)
{
  TeesqlHead head = { 0 };
  g_autoptr (GError) no_head = NULL;
  guint32 newest = 0;

  if (!teesql_backup_keys_fetch (self->keys, 0, self->stopping, error))
    return FALSE;
  if (teesql_head_load (self->head_path, teesql_backup_keys_get_head_key (self->keys), &head, &no_head))
    newest = head.epoch;
  if (!teesql_config_is_auto (config, "backup", "key-epoch"))
    newest = MAX (newest, (guint32) teesql_config_get_integer (config, "backup", "key-epoch"));
  for (guint32 epoch = 1; epoch <= newest; epoch++)
    if (!teesql_backup_keys_fetch (self->keys, epoch, self->stopping, error))
      return FALSE;
  return TRUE;
}

static TeesqlCatalog *
open_catalog (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error)
{
  const TeesqlCatalogOptions options = {
    .repository = self->repository,
    .head_path = self->head_path,
    .head_key = teesql_backup_keys_get_head_key (self->keys),
    .cluster = teesql_config_get_string (config, "teesql", "cluster"),
    .node = teesql_config_get_string (config, "teesql", "node"),
    .system_identifier = self->system_identifier,
    .segment_size = self->segment_size,
  };

  for (guint i = 0;; i++)
    {
      g_autoptr (GError) problem = NULL;
      TeesqlCatalog *catalog = teesql_catalog_open (&options, self->stopping, &problem);
      guint32 next = teesql_epoch_keys_get_newest (teesql_backup_keys_get_epochs (self->keys)) + 1;

      if (catalog != NULL)
        return catalog;
      if (i == MAX_NEW_EPOCHS || g_strcmp0 (teesql_error_get_reason (problem), "key-epoch-absent") != 0)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      if (!teesql_backup_keys_fetch (self->keys, next, self->stopping, error))
        return NULL;
    }
}

static void
wal_event_cb (TeesqlWalEvent event, const char *message, gpointer data)
{
  TeesqlBackupRunner *self = data;

  if (event == TEESQL_WAL_EVENT_FACTS)
    return;
  teesql_log_warning ("backup", "%s: %s", self->storage, message);
  if (event == TEESQL_WAL_EVENT_GAP)
    teesql_status_count (self->status, TEESQL_COUNTER_WAL_GAPS, 1);
  g_mutex_lock (&self->lock);
  self->config_changed = TRUE; /* look again at what is due: a gap wants a full backup at once */
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
}

static void
start_archiver (TeesqlBackupRunner *self, const TeesqlConfig *config)
{
  TeesqlWalArchiverOptions options = {
    .access = &self->access,
    .catalog = self->catalog,
    .slot = self->slot,
    .application_name = self->slot,
    .synchronous = teesql_config_get_boolean (config, "backup", "zero-loss"),
    .event = wal_event_cb,
    .event_data = self,
  };
  TeesqlWalArchiver *archiver = NULL;

  teesql_backup_runner_read_pace (config, &options.level, &options.partial_interval_ms);
  archiver = teesql_wal_archiver_new (&options);
  g_mutex_lock (&self->lock);
  self->archiver = archiver;
  self->counted_bytes = 0;
  self->counted_segments = 0;
  g_mutex_unlock (&self->lock);
}

gboolean
teesql_backup_runner_open_repository (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error)
{
  if (!make_store (self, config, error) || !fetch_epochs (self, config, error))
    return FALSE;
  self->repository =
      teesql_repository_new (self->store, teesql_backup_keys_get_epochs (self->keys), teesql_backup_keys_are_simulated (self->keys));
  return TRUE;
}

gboolean
teesql_backup_runner_open (TeesqlBackupRunner *self, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  TeesqlCatalog *catalog = NULL;

  if (!teesql_backup_runner_open_repository (self, config, error))
    return FALSE;
  catalog = open_catalog (self, config, error);
  if (catalog == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  self->catalog = catalog;
  g_mutex_unlock (&self->lock);
  if (!teesql_backup_runner_choose_epoch (self, config, error))
    return FALSE;
  start_archiver (self, config);
  teesql_backup_runner_apply_settings (self);
  teesql_log_info ("backup", "%s: repository %s is open", self->storage, teesql_catalog_get_lineage (catalog)->text);
  return TRUE;
}

void
teesql_backup_runner_close (TeesqlBackupRunner *self)
{
  TeesqlWalArchiver *archiver = NULL;
  TeesqlCatalog *catalog = NULL;
  TeesqlStore *store = NULL;

  g_mutex_lock (&self->lock);
  archiver = g_steal_pointer (&self->archiver);
  catalog = g_steal_pointer (&self->catalog);
  store = g_steal_pointer (&self->store);
  g_mutex_unlock (&self->lock);
  if (archiver != NULL)
    {
      teesql_wal_archiver_stop (archiver); /* it brings the catalog up to date before it goes */
      teesql_backup_runner_count_wal (self, archiver);
    }
  g_clear_pointer (&archiver, teesql_wal_archiver_free);
  g_clear_object (&catalog);
  g_clear_object (&self->repository);
  if (store != NULL)
    teesql_store_close (store);
  g_clear_object (&store);
}
