#include "cli/teesql-cli-repository.h"

#include "backup/teesql-catalog-recovery.h"
#include "backup/teesql-lineages.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "cli/teesql-cli-plugin-folder.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EPOCHS_MAX 1024u /* asked of the KMS to find those that a catalog was sealed under */

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_##code, reason, __VA_ARGS__)

void
teesql_cli_repository_options_clear (TeesqlCliRepositoryOptions *self)
{
  g_clear_pointer (&self->storage, g_free);
  g_clear_pointer (&self->cluster_id, g_free);
  g_clear_pointer (&self->lineage, g_free);
  g_clear_pointer (&self->recovery_key, g_free);
}

/* ---- on the main thread ---- */

static gboolean
choose_storage (TeesqlCliRepository *self, GError **error)
{
  const char *const *storages = teesql_config_get_list (self->config, "backup", "storages");
  const char *asked = self->options.storage;

  if (asked == NULL && storages[0] != NULL && storages[1] == NULL)
    asked = storages[0];
  if (asked == NULL)
    return fail (error, CONFIG, "storage-ambiguous", "%s\nhint: --storage NAME says which",
                 storages[0] == NULL ? "[backup] storages has none" : "[backup] storages has several");
  self->instance = g_strdup (asked);
  self->head_path = g_build_filename (teesql_config_get_string (self->config, "teesql", "state-directory"), "backup", asked, "head", NULL);
  return TRUE;
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static gboolean
make_kms (TeesqlCliRepository *self, const TeesqlCliGlobals *globals, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  if (self->options.recovery_key != NULL)
    return TRUE;
  self->loader = teesql_plugin_loader_new (self->config);
  teesql_cli_add_plugin_folder (globals, self->loader);
  teesql_plugin_loader_create_async (self->loader, "kms", teesql_config_get_string (self->config, "teesql", "kms"), NULL, created_cb,
                                     &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  self->kms = (TeesqlKms *) teesql_plugin_loader_create_finish (self->loader, result, error);
  return self->kms != NULL;
}

TeesqlCliRepository *
teesql_cli_repository_new (const TeesqlCliGlobals *globals, TeesqlCliRepositoryOptions *options, GError **error)
{
  g_autoptr (TeesqlCliRepository) self = g_new0 (TeesqlCliRepository, 1);
  TeesqlStoreOptions store_options = { 0 };

  self->problems = g_ptr_array_new_with_free_func (g_free);
  self->options = *options;
  *options = (TeesqlCliRepositoryOptions){ 0 };
  self->config = teesql_config_load (TEESQL_CONFIG_DAEMON, globals->config_path, error);
  if (self->config == NULL || !choose_storage (self, error) || !make_kms (self, globals, error))
    return NULL;
  store_options = (TeesqlStoreOptions){ .config = self->config,
                                        .instance = self->instance,
                                        .retry_deadline_ms = teesql_config_get_duration_ms (self->config, "backup", "retry-deadline") };
  self->store = teesql_store_new (&store_options);
  return g_steal_pointer (&self);
}

void
teesql_cli_repository_free (TeesqlCliRepository *self)
{
  g_clear_object (&self->catalog);
  g_clear_object (&self->repository);
  g_clear_pointer (&self->keys, teesql_epoch_keys_unref);
  g_clear_object (&self->backup_keys);
  if (self->store != NULL)
    teesql_store_close (self->store);
  g_clear_object (&self->store);
  g_clear_object (&self->kms);
  g_clear_object (&self->loader);
  g_clear_pointer (&self->config, teesql_config_unref);
  teesql_cli_repository_options_clear (&self->options);
  g_ptr_array_unref (self->problems);
  g_free (self->head_path);
  g_free (self->instance);
  g_free (self);
}

/* ---- whose cluster ---- */

static gboolean
discover_cluster (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) found = teesql_repository_discover (self->store, NULL, cancellable, error);
  g_autoptr (GString) names = g_string_new (NULL);
  guint n = 0;

  if (found == NULL)
    return FALSE;
  for (guint i = 0; i < found->len; i++)
    {
      const TeesqlLineageEntry *entry = &g_array_index (found, TeesqlLineageEntry, i);
      g_autofree char *hex = teesql_hex_encode (entry->cluster_id, TEESQL_CLUSTER_ID_SIZE);

      if (n > 0 && memcmp (self->cluster_id, entry->cluster_id, TEESQL_CLUSTER_ID_SIZE) == 0)
        continue;
      memcpy (self->cluster_id, entry->cluster_id, TEESQL_CLUSTER_ID_SIZE);
      g_string_append_printf (names, "%s%s", n++ > 0 ? ", " : "", hex);
    }
  if (n == 0)
    return fail (error, NOT_FOUND, "cluster-absent", "storage %s holds no backups", self->instance);
  return n == 1 || fail (error, REFUSED, "cluster-ambiguous", "storage %s holds several clusters: %s\nhint: --cluster-id says which",
                         self->instance, names->str);
}

static gboolean
find_cluster (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  const char *state = teesql_config_get_string (self->config, "teesql", "state-directory");
  g_autofree char *path = g_build_filename (state, "backup", "cluster-id", NULL);

  if (self->options.cluster_id != NULL)
    return teesql_hex_decode_into (self->options.cluster_id, -1, self->cluster_id, sizeof self->cluster_id, error);
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return teesql_cluster_id_load_or_make (state, self->cluster_id, error);
  return discover_cluster (self, cancellable, error);
}

/* ---- keys ---- */

static TeesqlSecret *
read_recovery_key (const char *path, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *reference = g_strconcat ("file:", absolute, NULL);

  return teesql_config_resolve_secret (reference, error);
}

/* The object that holds a key says whether its keys are a simulator's; a production one is tried first. */
static gboolean
collect_recovery (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlSecret) pem = read_recovery_key (self->options.recovery_key, error);
  g_autoptr (GError) first = NULL;
  gboolean known = self->options.cluster_id != NULL;

  if (pem == NULL || (known && !find_cluster (self, cancellable, error)))
    return FALSE;
  self->keys = teesql_recovery_collect (self->store, pem, known ? self->cluster_id : NULL, FALSE, cancellable, &first);
  if (self->keys == NULL && first->domain == TEESQL_BACKUP_ERROR)
    {
      self->keys = teesql_recovery_collect (self->store, pem, known ? self->cluster_id : NULL, TRUE, cancellable, NULL);
      self->simulated = self->keys != NULL;
    }
  if (self->keys == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&first));
      return FALSE;
    }
  memcpy (self->cluster_id, teesql_epoch_keys_get_cluster_id (self->keys), sizeof self->cluster_id);
  return TRUE;
}

static gboolean
load_head (TeesqlCliRepository *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  self->has_head = teesql_head_load (self->head_path, teesql_backup_keys_get_head_key (self->backup_keys), &self->head, &local_error);
  if (self->has_head || local_error->code == TEESQL_ERROR_NOT_FOUND)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

static gboolean
ask_kms (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  const char *node = teesql_config_get_string (self->config, "teesql", "node");

  if (!find_cluster (self, cancellable, error))
    return FALSE;
  self->backup_keys = teesql_backup_keys_new (NULL, self->kms, self->cluster_id, node);
  if (!teesql_backup_keys_fetch (self->backup_keys, 0, cancellable, error) || !load_head (self, error))
    return FALSE;
  self->keys = teesql_epoch_keys_ref (teesql_backup_keys_get_epochs (self->backup_keys));
  self->simulated = teesql_backup_keys_are_simulated (self->backup_keys);
  return !self->has_head || self->head.epoch == 0 || teesql_backup_keys_fetch (self->backup_keys, self->head.epoch, cancellable, error);
}

/* ---- the catalog ---- */

static gboolean
lacks_epoch (const GError *error)
{
  return g_error_matches (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND) &&
         g_str_equal (teesql_error_get_reason (error), "key-epoch-absent");
}

/* The newest epoch is in the catalog, which is sealed under it: so epochs are asked for until one opens it. */
static gboolean
read_catalog (TeesqlCliRepository *self, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
{
  TeesqlCatalogOptions options = { .repository = self->repository,
                                   .cluster = teesql_config_get_string (self->config, "teesql", "cluster"),
                                   .node = teesql_config_get_string (self->config, "teesql", "node") };

  for (guint32 epoch = 1;; epoch++)
    {
      g_autoptr (GError) local_error = NULL;

      g_ptr_array_set_size (self->problems, 0);
      self->catalog = self->options.accept_broken
                          ? teesql_catalog_read_broken (&options, lineage, self->problems, cancellable, &local_error)
                          : teesql_catalog_read (&options, lineage, cancellable, &local_error);
      if (self->catalog != NULL)
        return TRUE;
      if (self->backup_keys == NULL || epoch > EPOCHS_MAX || !lacks_epoch (local_error))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (!teesql_backup_keys_fetch (self->backup_keys, epoch, cancellable, error))
        return FALSE;
    }
}

static gboolean
fetch_epochs (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);

  for (guint i = 0; self->backup_keys != NULL && i < record->epochs->len; i++)
    if (!teesql_backup_keys_fetch (self->backup_keys, g_array_index (record->epochs, TeesqlEpochEntry, i).epoch, cancellable, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_cli_repository_open (TeesqlCliRepository *self, GCancellable *cancellable, GError **error)
{
  TeesqlLineage lineage;
  gboolean chosen = self->options.lineage != NULL;

  if (chosen && !teesql_lineage_parse (self->options.lineage, -1, &lineage, NULL))
    return fail (error, CONFIG, "lineage-name", "`%s` is no lineage, such as 00000001-0123456789abcdef", self->options.lineage);
  if (!teesql_seal_self_test (error) || !teesql_store_open (self->store, cancellable, error))
    return FALSE;
  if (!(self->options.recovery_key != NULL ? collect_recovery (self, cancellable, error) : ask_kms (self, cancellable, error)))
    return FALSE;
  self->repository = teesql_repository_new (self->store, self->keys, self->simulated);
  return read_catalog (self, chosen ? &lineage : NULL, cancellable, error) && fetch_epochs (self, cancellable, error);
}

/* ---- the state directory ---- */

static char *
dup_cluster_id_path (const TeesqlCliRepository *self)
{
  return g_build_filename (teesql_config_get_string (self->config, "teesql", "state-directory"), "backup", "cluster-id", NULL);
}

gboolean
teesql_cli_repository_check_adopt (TeesqlCliRepository *self, GError **error)
{
  const char *state = teesql_config_get_string (self->config, "teesql", "state-directory");
  guint8 there[TEESQL_CLUSTER_ID_SIZE];
  g_autoptr (GError) problem = NULL;

  if (!teesql_cluster_id_load (state, there, &problem))
    {
      if (g_error_matches (problem, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return memcmp (there, self->cluster_id, sizeof there) == 0 ||
         fail (error, REFUSED, "cluster-id-differs",
               "%s is the state directory of another cluster\nhint: --no-adopt makes a copy that teesqld does not go on from", state);
}

/* Where root did it for a teesqld that is another user: files it cannot read would keep it from starting. */
static gboolean
give_to_daemon (TeesqlCliRepository *self, GError **error)
{
  const char *state = teesql_config_get_string (self->config, "teesql", "state-directory");
  g_autofree char *folder = g_build_filename (state, "backup", NULL);
  g_autofree char *storage = g_path_get_dirname (self->head_path);
  g_autofree char *accept = g_build_filename (storage, "accept", NULL);
  g_autofree char *id = dup_cluster_id_path (self);
  const char *const paths[] = { folder, storage, accept, id };
  struct stat st;

  if (geteuid () != 0 || lstat (state, &st) != 0 || st.st_uid == 0)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    if (lchown (paths[i], st.st_uid, st.st_gid) != 0)
      return fail (error, FAILED, "state-file", "giving %s to user %u: %s", paths[i], (guint) st.st_uid, g_strerror (errno));
  return TRUE;
}

gboolean
teesql_cli_repository_adopt (TeesqlCliRepository *self, const TeesqlHead *parent, GError **error)
{
  return teesql_cluster_id_adopt (teesql_config_get_string (self->config, "teesql", "state-directory"), self->cluster_id, error) &&
         teesql_catalog_mark_restored (self->head_path, &parent->lineage, parent->sequence, parent->digest, error) &&
         give_to_daemon (self, error);
}

/* ---- a thread that may block ---- */

typedef struct
{
  GMainLoop *loop;
  TeesqlCliBlockingFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  GError *error;
  gboolean ok;
} Blocking;

static gboolean
done_cb (gpointer data)
{
  g_main_loop_quit (((Blocking *) data)->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
blocking_run (gpointer data)
{
  Blocking *self = data;

  self->ok = self->func (self->user_data, self->cancellable, &self->error);
  g_idle_add (done_cb, self);
  return NULL;
}

static gboolean
signal_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_CONTINUE;
}

gboolean
teesql_cli_run_blocking (TeesqlCliBlockingFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Blocking blocking = { .loop = loop, .func = func, .user_data = user_data, .cancellable = cancellable };
  guint interrupted = g_unix_signal_add (SIGINT, signal_cb, cancellable);
  guint terminated = g_unix_signal_add (SIGTERM, signal_cb, cancellable);
  GThread *thread = g_thread_new ("work", blocking_run, &blocking);

  g_main_loop_run (loop);
  g_thread_join (thread);
  g_source_remove (interrupted);
  g_source_remove (terminated);
  if (blocking.error != NULL)
    g_propagate_error (error, blocking.error);
  return blocking.ok;
}
