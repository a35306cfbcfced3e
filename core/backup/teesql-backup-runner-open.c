#include "backup/teesql-backup-runner-private.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "seal/teesql-recovery.h"

#include <string.h>

#define RECIPIENT_MAX  ((gsize) 16384)
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

static gboolean
has_epoch (TeesqlCatalog *catalog, guint32 epoch)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);

  for (guint i = 0; i < record->epochs->len; i++)
    if (g_array_index (record->epochs, TeesqlEpochEntry, i).epoch == epoch)
      return TRUE;
  return FALSE;
}

/* New objects are sealed under an epoch that the catalog knows. */
static gboolean
choose_epoch (TeesqlBackupRunner *self, const TeesqlConfig *config, TeesqlCatalog *catalog, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
  guint32 epoch = record->epochs->len > 0 ? g_array_index (record->epochs, TeesqlEpochEntry, record->epochs->len - 1).epoch : 0;

  if (!teesql_config_is_auto (config, "backup", "key-epoch"))
    epoch = (guint32) teesql_config_get_integer (config, "backup", "key-epoch");
  for (guint32 needed = 1; needed <= epoch; needed++)
    if (!teesql_backup_keys_fetch (self->keys, needed, self->stopping, error))
      return FALSE;
  teesql_repository_set_epoch (self->repository, epoch);
  return has_epoch (catalog, epoch) || teesql_catalog_add_epoch (catalog, epoch, self->stopping, error);
}

static TeesqlRecipient *
read_recipient (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize size = 0;
  TeesqlRecipient *recipient = NULL;

  if (!g_file_get_contents (path, &text, &size, error))
    return NULL;
  if (size > RECIPIENT_MAX)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "recovery-recipient", "%" G_GSIZE_FORMAT " bytes are no public key",
                   size);
      return NULL;
    }
  recipient = teesql_recipient_new_from_pem (text, size, error);
  return recipient;
}

gboolean
teesql_backup_runner_publish_recovery (TeesqlBackupRunner *self, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  const char *const *paths = teesql_config_get_list (config, "backup", "recovery-recipients");
  g_autoptr (GPtrArray) recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_recipient_free);

  for (guint i = 0; paths[i] != NULL; i++)
    {
      TeesqlRecipient *recipient = read_recipient (paths[i], error);

      if (recipient == NULL)
        {
          g_prefix_error (error, "[backup] recovery-recipients: %s: ", paths[i]);
          return FALSE;
        }
      g_ptr_array_add (recipients, recipient);
    }
  return recipients->len == 0 || teesql_catalog_publish_recovery (self->catalog, recipients, self->stopping, error);
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
  const TeesqlWalArchiverOptions options = {
    .access = &self->access,
    .catalog = self->catalog,
    .slot = self->slot,
    .application_name = self->slot,
    .level = (int) teesql_config_get_integer (config, "backup", "compression-level"),
    .partial_interval_ms =
        teesql_config_is_none (config, "backup", "wal-interval") ? 0 : teesql_config_get_duration_ms (config, "backup", "wal-interval"),
    .synchronous = teesql_config_get_boolean (config, "backup", "zero-loss"),
    .event = wal_event_cb,
    .event_data = self,
  };
  TeesqlWalArchiver *archiver = teesql_wal_archiver_new (&options);

  g_mutex_lock (&self->lock);
  self->archiver = archiver;
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
  if (!choose_epoch (self, config, catalog, error) || !teesql_backup_runner_publish_recovery (self, error))
    return FALSE;
  start_archiver (self, config);
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
  g_clear_pointer (&archiver, teesql_wal_archiver_free); /* it brings the catalog up to date before it goes */
  g_clear_object (&catalog);
  g_clear_object (&self->repository);
  if (store != NULL)
    teesql_store_close (store);
  g_clear_object (&store);
}
