/* What of `[backup]` is taken up while the repository is open, and what the storage holds that is not ours. */
#include "backup/teesql-backup-runner-private.h"
#include "backup/teesql-lineages.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "seal/teesql-recovery.h"

#include <string.h>

#define RECIPIENT_MAX ((gsize) 16384)

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
gboolean
teesql_backup_runner_choose_epoch (TeesqlBackupRunner *self, const TeesqlConfig *config, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);
  guint32 epoch = record->epochs->len > 0 ? g_array_index (record->epochs, TeesqlEpochEntry, record->epochs->len - 1).epoch : 0;

  if (!teesql_config_is_auto (config, "backup", "key-epoch"))
    epoch = (guint32) teesql_config_get_integer (config, "backup", "key-epoch");
  for (guint32 needed = 1; needed <= epoch; needed++)
    if (!teesql_backup_keys_fetch (self->keys, needed, self->stopping, error))
      return FALSE;
  if (!has_epoch (self->catalog, epoch) && !teesql_catalog_add_epoch (self->catalog, epoch, self->stopping, error))
    return FALSE;
  if (teesql_repository_get_epoch (self->repository) != epoch)
    teesql_log_info ("backup", "%s: new objects are sealed under key epoch %u", self->storage, epoch);
  teesql_repository_set_epoch (self->repository, epoch);
  return TRUE;
}

static TeesqlRecipient *
read_recipient (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &text, &size, error))
    return NULL;
  if (size > RECIPIENT_MAX)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "recovery-recipient", "%" G_GSIZE_FORMAT " bytes are no public key",
                   size);
      return NULL;
    }
  return teesql_recipient_new_from_pem (text, size, error);
}

gboolean
teesql_backup_runner_publish_recovery (TeesqlBackupRunner *self, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  const char *const *paths = teesql_config_get_list (config, "backup", "recovery-recipients");
  g_autoptr (GPtrArray) recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_recipient_free);

  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GError) cause = NULL;
      TeesqlRecipient *recipient = read_recipient (paths[i], &cause);

      if (recipient == NULL)
        return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "recovery-recipient", "[backup] recovery-recipients: %s: %s%s",
                            paths[i], cause->message,
                            strstr (cause->message, "hint: ") != NULL
                                ? ""
                                : "\nhint: a PEM file with a P-256 public key that teesqld may read: openssl pkey -in KEY -pubout");
      g_ptr_array_add (recipients, recipient);
    }
  return recipients->len == 0 || teesql_catalog_publish_recovery (self->catalog, recipients, self->stopping, error);
}

static guint
read_interval_ms (const TeesqlConfig *config)
{
  return teesql_config_is_none (config, "backup", "wal-interval")
             ? 0
             : (guint) teesql_config_get_duration_ms (config, "backup", "wal-interval");
}

void
teesql_backup_runner_read_pace (const TeesqlConfig *config, int *out_level, guint *out_interval_ms)
{
  *out_level = (int) teesql_config_get_integer (config, "backup", "compression-level");
  *out_interval_ms = read_interval_ms (config);
}

static void
set_settings_problem (TeesqlBackupRunner *self, GError *problem)
{
  gboolean news = FALSE;

  g_mutex_lock (&self->lock);
  news = problem != NULL && (self->settings_problem == NULL || !g_str_equal (problem->message, self->settings_problem->message));
  g_clear_error (&self->settings_problem);
  self->settings_problem = problem;
  g_mutex_unlock (&self->lock);
  if (news)
    teesql_log_warning ("backup", "%s: %s", self->storage, problem->message);
}

/* What fails here is shown and tried again; WAL and backups go on as before. */
void
teesql_backup_runner_apply_settings (TeesqlBackupRunner *self)
{
  g_autoptr (TeesqlConfig) config = teesql_backup_runner_ref_config (self);
  GError *problem = NULL;
  guint interval_ms = 0;
  int level = 0;

  teesql_backup_runner_read_pace (config, &level, &interval_ms);
  teesql_wal_archiver_set_pace (self->archiver, level, interval_ms);
  teesql_store_set_retry_deadline (self->store, (guint) teesql_config_get_duration_ms (config, "backup", "retry-deadline"));
  if (teesql_backup_runner_choose_epoch (self, config, &problem) && teesql_backup_runner_publish_recovery (self, &problem))
    {
      set_settings_problem (self, NULL);
      return;
    }
  if (g_cancellable_is_cancelled (self->stopping))
    g_error_free (problem);
  else
    set_settings_problem (self, problem);
}

/* ---- what is not ours ---- */

static void
remark (TeesqlBackupRunner *self, const char *reason, const char *message)
{
  teesql_status_remove_notice (self->status, reason, self->storage);
  if (message == NULL)
    return;
  teesql_log_warning ("backup", "%s: %s", reason, message);
  teesql_status_add_notice (self->status, reason, self->storage, message);
}

typedef struct
{
  guint n_clusters;
  const TeesqlLineageEntry *cluster;
  guint n_lineages;
  const TeesqlLineageEntry *lineage;
} Strangers;

/* Sorted by cluster. Lineages older than ours are where we come from; one beside ours, or behind it, somebody else began. */
static Strangers
find_strangers (const GArray *entries, const guint8 *cluster_id, const TeesqlLineage *ours)
{
  Strangers found = { 0 };

  for (guint i = 0; i < entries->len; i++)
    {
      const TeesqlLineageEntry *entry = &g_array_index (entries, TeesqlLineageEntry, i);
      gboolean ours_too = memcmp (entry->cluster_id, cluster_id, TEESQL_CLUSTER_ID_SIZE) == 0;

      if (!ours_too && (found.cluster == NULL || memcmp (entry->cluster_id, found.cluster->cluster_id, TEESQL_CLUSTER_ID_SIZE) != 0))
        {
          found.cluster = entry;
          found.n_clusters++;
        }
      if (ours_too && !g_str_equal (entry->lineage.text, ours->text) &&
          teesql_lineage_get_generation (&entry->lineage) >= teesql_lineage_get_generation (ours))
        {
          found.lineage = entry;
          found.n_lineages++;
        }
    }
  return found;
}

static void
publish_strangers (TeesqlBackupRunner *self, const Strangers *found)
{
  g_autofree char *hex = found->cluster != NULL ? teesql_hex_encode (found->cluster->cluster_id, TEESQL_CLUSTER_ID_SIZE) : NULL;
  g_autofree char *clusters =
      found->n_clusters == 0
          ? NULL
          : g_strdup_printf ("storage %s holds other clusters too: %u, among them %s\n"
                             "hint: right where they share it on purpose; else look for who writes there, or whether this node lost its "
                             "cluster id (docs/backup.md)",
                             self->storage, found->n_clusters, hex);
  g_autofree char *lineages =
      found->n_lineages == 0
          ? NULL
          : g_strdup_printf ("storage %s holds lineages of this cluster that this node did not begin: %u, among them %s\n"
                             "hint: a restored copy, or another node with our state, writes into the same storage; give it one of its own",
                             self->storage, found->n_lineages, found->lineage->lineage.text);

  remark (self, "foreign-clusters", clusters);
  remark (self, "unknown-lineage", lineages);
}

/* The store says what it likes, so this is a remark and decides nothing. */
void
teesql_backup_runner_look_for_strangers (TeesqlBackupRunner *self)
{
  const TeesqlLineage *ours = teesql_catalog_get_lineage (self->catalog);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) entries = NULL;
  Strangers found;

  /* without our own mark the whole repository would be listed */
  if (teesql_lineages_check (self->repository, ours, self->stopping, &error))
    entries = teesql_repository_discover (self->store, NULL, self->stopping, &error);
  if (entries == NULL)
    {
      teesql_log_debug ("backup", "%s: other lineages were not looked for: %s", self->storage, error->message);
      return;
    }
  found = find_strangers (entries, teesql_repository_get_cluster_id (self->repository), ours);
  publish_strangers (self, &found);
}
