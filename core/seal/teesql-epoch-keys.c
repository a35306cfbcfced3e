#include "seal/teesql-epoch-keys.h"
#include "base/teesql-domains.h"
#include "keys/teesql-keys.h"
#include <string.h>

#define KEY_SIZE   ((gsize) 32)
#define KMS_PATH   "backup/encryption"
#define KEYS_LABEL "backup-epoch"

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlEpochKeys
{
  gatomicrefcount refs;
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  GMutex lock;
  GHashTable *keys; /* epoch -> TeesqlSecret */
  guint32 newest;
};

G_DEFINE_BOXED_TYPE (TeesqlEpochKeys, teesql_epoch_keys, teesql_epoch_keys_ref, teesql_epoch_keys_unref)

TeesqlEpochKeys *
teesql_epoch_keys_new (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE])
{
  TeesqlEpochKeys *self = g_new0 (TeesqlEpochKeys, 1);

  g_atomic_ref_count_init (&self->refs);
  memcpy (self->cluster_id, cluster_id, sizeof self->cluster_id);
  g_mutex_init (&self->lock);
  self->keys = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, (GDestroyNotify) teesql_secret_unref);
  return self;
}

TeesqlEpochKeys *
teesql_epoch_keys_ref (TeesqlEpochKeys *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_epoch_keys_unref (TeesqlEpochKeys *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_hash_table_unref (self->keys);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const guint8 *
teesql_epoch_keys_get_cluster_id (const TeesqlEpochKeys *self)
{
  return self->cluster_id;
}

char *
teesql_epoch_keys_dup_path (guint32 epoch)
{
  return epoch == 0 ? g_strdup (KMS_PATH) : g_strdup_printf (KMS_PATH "/%u", epoch);
}

gboolean
teesql_epoch_keys_add_kms (TeesqlEpochKeys *self, guint32 epoch, TeesqlSecret *kms_key, GError **error)
{
  guint8 context[TEESQL_CLUSTER_ID_SIZE + 4];
  g_autoptr (TeesqlSecret) key = NULL;

  if (teesql_secret_get_size (kms_key) != KEY_SIZE)
    return fail (error, TEESQL_ERROR_REFUSED, "kms-key-size",
                 "key of backup epoch %u: the kms gave %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, epoch,
                 teesql_secret_get_size (kms_key), KEY_SIZE);
  memcpy (context, self->cluster_id, sizeof self->cluster_id);
  for (guint i = 0; i < 4; i++)
    context[TEESQL_CLUSTER_ID_SIZE + i] = (guint8) (epoch >> (24 - 8 * i));
  key = teesql_keys_derive (kms_key, KEYS_LABEL, context, sizeof context, error);
  return key != NULL && teesql_epoch_keys_add (self, epoch, key, error);
}

gboolean
teesql_epoch_keys_add (TeesqlEpochKeys *self, guint32 epoch, TeesqlSecret *epoch_key, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  TeesqlSecret *known = g_hash_table_lookup (self->keys, GUINT_TO_POINTER (epoch));

  if (teesql_secret_get_size (epoch_key) != KEY_SIZE)
    return fail (error, TEESQL_ERROR_REFUSED, "epoch-key-size",
                 "key of backup epoch %u: %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, epoch, teesql_secret_get_size (epoch_key),
                 KEY_SIZE);
  if (known != NULL && !teesql_secret_equal (known, epoch_key))
    return fail (error, TEESQL_ERROR_REFUSED, "kms-key-changed",
                 "key of backup epoch %u: it is not the one this epoch had before\nhint: a kms that answers other bytes than before was "
                 "exchanged, or the app id changed; restore it, or use a recovery key",
                 epoch);
  if (known == NULL)
    g_hash_table_insert (self->keys, GUINT_TO_POINTER (epoch), teesql_secret_ref (epoch_key));
  self->newest = MAX (self->newest, epoch);
  return TRUE;
}

TeesqlSecret *
teesql_epoch_keys_lookup (TeesqlEpochKeys *self, guint32 epoch, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  TeesqlSecret *key = g_hash_table_lookup (self->keys, GUINT_TO_POINTER (epoch));
  g_autofree char *path = NULL;

  if (key != NULL)
    return teesql_secret_ref (key);
  path = teesql_epoch_keys_dup_path (epoch);
  fail (error, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent",
        "key of backup epoch %u: not there, %u others are\nhint: the kms keeps it at path %s; without the kms, give a recovery key", epoch,
        g_hash_table_size (self->keys), path);
  return NULL;
}

guint32
teesql_epoch_keys_get_newest (TeesqlEpochKeys *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->newest;
}

gboolean
teesql_epoch_keys_check_value (TeesqlEpochKeys *self, guint32 epoch, guint8 out[8], GError **error)
{
  g_autoptr (TeesqlSecret) key = teesql_epoch_keys_lookup (self, epoch, error);

  if (key == NULL)
    return FALSE;
  teesql_keys_check_value (key, out);
  return TRUE;
}
