#include "backup/teesql-refill-private.h"

#include "backup/teesql-catalog-private.h"
#include "backup/teesql-lineages.h"
#include "base/teesql-domains.h"

#include <string.h>

#define MAX_EPOCHS 64

void
teesql_refill_source_clear (TeesqlRefillSource *self)
{
  g_clear_object (&self->catalog);
  g_clear_object (&self->repository);
  g_clear_object (&self->keys);
  if (self->store != NULL)
    teesql_store_close (self->store);
  g_clear_object (&self->store);
  g_clear_pointer (&self->head_path, g_free);
}

static gboolean
is_one_cluster (const GArray *entries, GError **error)
{
  const TeesqlLineageEntry *first = &g_array_index (entries, TeesqlLineageEntry, 0);

  for (guint i = 1; i < entries->len; i++)
    if (memcmp (first->cluster_id, g_array_index (entries, TeesqlLineageEntry, i).cluster_id, sizeof first->cluster_id) != 0)
      return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "cluster-ambiguous",
                          "the repository holds several clusters, and this node does not know which one it is\n"
                          "hint: `teesql restore --cluster-id` says which");
  return TRUE;
}

/* This node's own cluster; without one, the only one that is there. */
static gboolean
choose_cluster (const TeesqlRefillOptions *options, TeesqlStore *store, guint8 out[TEESQL_CLUSTER_ID_SIZE], gboolean *out_found,
                GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  gboolean known = teesql_cluster_id_load (teesql_config_get_string (options->config, "teesql", "state-directory"), out, &problem);
  g_autoptr (GArray) entries = NULL;

  if (!known && !g_error_matches (problem, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  entries = teesql_repository_discover (store, known ? out : NULL, cancellable, error);
  if (entries == NULL || (entries->len > 0 && !is_one_cluster (entries, error)))
    return FALSE;
  *out_found = entries->len > 0;
  if (*out_found)
    memcpy (out, g_array_index (entries, TeesqlLineageEntry, 0).cluster_id, TEESQL_CLUSTER_ID_SIZE);
  return TRUE;
}

static TeesqlCatalog *
read_catalog (TeesqlRefillSource *self, GCancellable *cancellable, GError **error)
{
  const TeesqlCatalogOptions options = { .repository = self->repository };
  TeesqlAcceptMark mark = { 0 };
  gboolean marked = teesql_accept_mark_load (self->head_path, &mark, NULL) && mark.has_parent;

  for (guint32 next = 1;; next++)
    {
      g_autoptr (GError) problem = NULL;
      TeesqlCatalog *catalog = teesql_catalog_read (&options, marked ? &mark.lineage : NULL, cancellable, &problem);

      if (catalog != NULL)
        return catalog;
      if (next == MAX_EPOCHS || g_strcmp0 (teesql_error_get_reason (problem), "key-epoch-absent") != 0)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      if (!teesql_backup_keys_fetch (self->keys, next, cancellable, error))
        return NULL;
    }
}

/* Backups and WAL may lie under newer keys than the record that names them. */
static gboolean
fetch_named_epochs (TeesqlRefillSource *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);

  for (guint i = 0; i < record->epochs->len; i++)
    if (!teesql_backup_keys_fetch (self->keys, g_array_index (record->epochs, TeesqlEpochEntry, i).epoch, cancellable, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_refill_source_open (const TeesqlRefillOptions *options, const char *storage, TeesqlRefillSource *out, gboolean *out_found,
                           GCancellable *cancellable, GError **error)
{
  const TeesqlStoreOptions store = { .config = options->config, .instance = storage, .status = options->status };
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];

  out->store = teesql_store_new (&store);
  out->head_path =
      g_build_filename (teesql_config_get_string (options->config, "teesql", "state-directory"), "backup", storage, "head", NULL);
  if (!teesql_store_open (out->store, cancellable, error) ||
      !choose_cluster (options, out->store, cluster_id, out_found, cancellable, error))
    return FALSE;
  if (!*out_found)
    return TRUE;
  out->keys =
      teesql_backup_keys_new (options->attest, options->kms, cluster_id, teesql_config_get_string (options->config, "teesql", "node"));
  if (!teesql_backup_keys_fetch (out->keys, 0, cancellable, error))
    return FALSE;
  out->repository =
      teesql_repository_new (out->store, teesql_backup_keys_get_epochs (out->keys), teesql_backup_keys_are_simulated (out->keys));
  out->catalog = read_catalog (out, cancellable, error);
  return out->catalog != NULL && fetch_named_epochs (out, cancellable, error);
}
