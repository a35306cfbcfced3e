#include "backup/teesql-catalog-recovery.h"

#include "backup/teesql-catalog-private.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define EPOCH_DIGITS     8
#define RECIPIENT_DIGITS 16
#define MAX_KEY_OBJECTS  ((guint64) 100000)
#define STATE_MAX        ((gsize) 1024 * 1024)

/* names */

static gboolean
is_hex (const char *text, gsize digits)
{
  for (gsize i = 0; i < digits; i++)
    if (!g_ascii_isdigit (text[i]) && (text[i] < 'a' || text[i] > 'f'))
      return FALSE;
  return TRUE;
}

static char *
dup_prefix (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE])
{
  g_autofree char *cluster = teesql_layout_cluster (cluster_id);

  return g_strconcat (cluster, "keys/", NULL);
}

gboolean
teesql_recovery_parse_name (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], const char *name, guint32 *out_epoch, char **out_recipient)
{
  g_autofree char *prefix = dup_prefix (cluster_id);
  const char *file = name + strlen (prefix);

  if (!g_str_has_prefix (name, prefix) || strlen (file) != EPOCH_DIGITS + 1 + RECIPIENT_DIGITS || file[EPOCH_DIGITS] != '.' ||
      !is_hex (file, EPOCH_DIGITS) || !is_hex (file + EPOCH_DIGITS + 1, RECIPIENT_DIGITS))
    return FALSE;
  *out_epoch = (guint32) g_ascii_strtoull (file, NULL, 16);
  *out_recipient = g_strdup (file + EPOCH_DIGITS + 1);
  return TRUE;
}

/* publishing */

/* Anybody can seal something to a public key. So what stands under our name is believed only while it is what we put there:
 * lines `NAME SHA-256` beside the head. */
static char *
dup_state_path (TeesqlCatalog *catalog)
{
  g_autofree char *folder = g_path_get_dirname (teesql_catalog_get_head_path (catalog));

  return g_build_filename (folder, "recovery", NULL);
}

static GHashTable *
load_known (const char *path)
{
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GBytes) content = teesql_state_file_load (path, STATE_MAX, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (content == NULL || g_bytes_get_size (content) == 0)
    return g_steal_pointer (&known);
  text = g_strndup (g_bytes_get_data (content, NULL), g_bytes_get_size (content));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", 3);

      if (g_strv_length (words) == 2)
        g_hash_table_replace (known, g_strdup (words[0]), g_strdup (words[1]));
    }
  return g_steal_pointer (&known);
}

GHashTable *
teesql_catalog_load_recovery (TeesqlCatalog *self)
{
  g_autofree char *path = self->head_path != NULL ? dup_state_path (self) : NULL;

  return path != NULL ? load_known (path) : g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

static gboolean
save_known (const char *path, GHashTable *known, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (known), (GCompareFunc) strcmp);

  for (GList *at = names; at != NULL; at = at->next)
    g_string_append_printf (text, "%s %s\n", (char *) at->data, (char *) g_hash_table_lookup (known, at->data));
  return teesql_state_file_replace (path, text->str, text->len, error);
}

static char *
dup_digest (GBytes *bytes)
{
  guint8 digest[TEESQL_SHA256_SIZE];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return teesql_hex_encode (digest, sizeof digest);
}

/* %NULL without an error: nothing of ours stands there. */
static gboolean
is_stored (TeesqlStore *store, const char *name, const char *known, gboolean *out_stored, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (GBytes) there = teesql_store_get (store, name, TEESQL_RECOVERY_OBJECT_MAX, cancellable, &problem);
  g_autofree char *digest = there != NULL ? dup_digest (there) : NULL;

  *out_stored = digest != NULL && g_strcmp0 (digest, known) == 0;
  if (there != NULL && known != NULL && !*out_stored)
    teesql_log_warning ("backup", "object-substituted: %s is not the key that was stored there; it is written anew", name);
  if (there != NULL || g_error_matches (problem, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND) ||
      g_str_equal (teesql_error_get_reason (problem), "object-too-large"))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static gboolean
store_key (TeesqlCatalog *self, const TeesqlRecipient *recipient, guint32 epoch, const char *name, GHashTable *known,
           GCancellable *cancellable, GError **error)
{
  TeesqlStore *store = teesql_repository_get_store (self->repository);
  g_autoptr (GBytes) sealed = teesql_recipient_seal (recipient, teesql_repository_get_keys (self->repository), epoch,
                                                     teesql_repository_is_simulated (self->repository), error);
  g_autoptr (GBytes) again = NULL;

  if (sealed == NULL || !teesql_store_put (store, name, sealed, TEESQL_STORAGE_PUT_NONE, cancellable, error))
    return FALSE;
  again = teesql_store_get (store, name, TEESQL_RECOVERY_OBJECT_MAX, cancellable, error);
  if (again == NULL)
    return FALSE;
  if (!g_bytes_equal (sealed, again))
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "object-substituted",
                        "%s: what was just stored is not what comes back", name);
  g_hash_table_replace (known, g_strdup (name), dup_digest (sealed));
  return TRUE;
}

static gboolean
publish_key (TeesqlCatalog *self, const TeesqlRecipient *recipient, guint32 epoch, GHashTable *known, gboolean *changed,
             GCancellable *cancellable, GError **error)
{
  g_autofree char *name =
      teesql_layout_epoch (teesql_repository_get_cluster_id (self->repository), epoch, teesql_recipient_get_id (recipient));
  gboolean stored = FALSE;

  if (!is_stored (teesql_repository_get_store (self->repository), name, g_hash_table_lookup (known, name), &stored, cancellable, error))
    return FALSE;
  if (stored)
    return TRUE;
  *changed = TRUE;
  return store_key (self, recipient, epoch, name, known, cancellable, error);
}

gboolean
teesql_catalog_publish_recovery (TeesqlCatalog *self, GPtrArray *recipients, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self);
  g_autofree char *path = NULL;
  g_autoptr (GHashTable) known = NULL;
  gboolean changed = FALSE;

  if (self->head_path == NULL)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "catalog-read-only", "this catalog was opened for reading");
  path = dup_state_path (self);
  known = load_known (path);
  for (guint i = 0; recipients != NULL && i < recipients->len; i++)
    for (guint j = 0; j < record->epochs->len; j++)
      if (!publish_key (self, g_ptr_array_index (recipients, i), g_array_index (record->epochs, TeesqlEpochEntry, j).epoch, known, &changed,
                        cancellable, error))
        return FALSE;
  return !changed || save_known (path, known, error);
}

/* collecting */

static gboolean
name_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  g_ptr_array_add (user_data, g_strdup (teesql_object_info_get_name (info)));
  return TRUE;
}

typedef struct
{
  TeesqlStore *store;
  TeesqlSecret *private_pem;
  gboolean simulated;
  GCancellable *cancellable;
  GError *last; /* why an object was of no use */
} Collector;

/* What is not for us, or not genuine, is passed over: a store can add as much of it as it likes. A key that is no key ends it. */
static gboolean
open_object (Collector *self, const char *name, TeesqlEpochKeys *keys, guint *n_opened, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (GBytes) sealed = teesql_store_get (self->store, name, TEESQL_RECOVERY_OBJECT_MAX, self->cancellable, &problem);

  if (sealed != NULL && teesql_recovery_open (self->private_pem, sealed, self->simulated, keys, &problem))
    {
      (*n_opened)++;
      return TRUE;
    }
  if (!teesql_catalog_is_damage (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_clear_error (&self->last);
  self->last = g_steal_pointer (&problem);
  return TRUE;
}

static gboolean
collect_cluster (Collector *self, const guint8 *cluster_id, TeesqlEpochKeys **out_keys, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (TeesqlEpochKeys) keys = teesql_epoch_keys_new (cluster_id);
  g_autofree char *prefix = dup_prefix (cluster_id);
  guint n_opened = 0;

  if (!teesql_store_list (self->store, prefix, MAX_KEY_OBJECTS, name_cb, names, self->cancellable, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      guint32 epoch = 0;
      g_autofree char *recipient = NULL;

      if (teesql_recovery_parse_name (cluster_id, g_ptr_array_index (names, i), &epoch, &recipient) &&
          !open_object (self, g_ptr_array_index (names, i), keys, &n_opened, error))
        return FALSE;
    }
  *out_keys = n_opened > 0 ? g_steal_pointer (&keys) : NULL;
  return TRUE;
}

static gboolean
fail_ambiguous (const TeesqlEpochKeys *first, const TeesqlEpochKeys *second, GError **error)
{
  g_autofree char *one = teesql_hex_encode (teesql_epoch_keys_get_cluster_id (first), TEESQL_CLUSTER_ID_SIZE);
  g_autofree char *two = teesql_hex_encode (teesql_epoch_keys_get_cluster_id (second), TEESQL_CLUSTER_ID_SIZE);

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "cluster-ambiguous",
                      "this key opens the backups of the clusters %s and %s\nhint: name the one that is meant", one, two);
}

static gboolean
collect_any (Collector *self, const GArray *entries, TeesqlEpochKeys **out_keys, GError **error)
{
  g_autoptr (TeesqlEpochKeys) found = NULL;

  for (guint i = 0; i < entries->len; i++)
    {
      const TeesqlLineageEntry *entry = &g_array_index (entries, TeesqlLineageEntry, i);
      g_autoptr (TeesqlEpochKeys) keys = NULL;

      if (i > 0 && memcmp ((entry - 1)->cluster_id, entry->cluster_id, sizeof entry->cluster_id) == 0)
        continue;
      if (!collect_cluster (self, entry->cluster_id, &keys, error))
        return FALSE;
      if (keys != NULL && found != NULL)
        return fail_ambiguous (found, keys, error);
      if (keys != NULL)
        found = g_steal_pointer (&keys);
    }
  *out_keys = g_steal_pointer (&found);
  return TRUE;
}

TeesqlEpochKeys *
teesql_recovery_collect (TeesqlStore *store, TeesqlSecret *private_pem, const guint8 *cluster_id, gboolean simulated,
                         GCancellable *cancellable, GError **error)
{
  Collector collector = { store, private_pem, simulated, cancellable };
  g_autoptr (GError) last = NULL;
  g_autoptr (GArray) entries = NULL;
  TeesqlEpochKeys *keys = NULL;
  gboolean searched = FALSE;

  if (cluster_id != NULL)
    searched = collect_cluster (&collector, cluster_id, &keys, error);
  else
    {
      entries = teesql_repository_discover (store, NULL, cancellable, error);
      searched = entries != NULL && collect_any (&collector, entries, &keys, error);
    }
  last = collector.last;
  if (searched && keys == NULL)
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "recovery-absent",
                 "the repository holds no epoch key for this recovery key%s%s", last != NULL ? ": " : "",
                 last != NULL ? last->message : "");
  return keys;
}
