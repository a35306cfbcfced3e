#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

#define TEESQL_CLUSTER_ID_SIZE 32

/**
 * TeesqlEpochKeys:
 *
 * the backup keys of one cluster, by epoch (SR-20). A key is added and never changed; rotation adds an epoch, rewrites nothing. Boxed,
 * refcounted, thread safe.
 */
typedef struct _TeesqlEpochKeys TeesqlEpochKeys;
#define TEESQL_TYPE_EPOCH_KEYS (teesql_epoch_keys_get_type ())
GType teesql_epoch_keys_get_type (void);

TeesqlEpochKeys *teesql_epoch_keys_new (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE]) G_GNUC_WARN_UNUSED_RESULT;
TeesqlEpochKeys *teesql_epoch_keys_ref (TeesqlEpochKeys *self);
void teesql_epoch_keys_unref (TeesqlEpochKeys *self);
const guint8 *teesql_epoch_keys_get_cluster_id (const TeesqlEpochKeys *self);
/**
 * teesql_epoch_keys_dup_path:
 *
 * Returns: (transfer full): the KMS path of an epoch: `backup/encryption` for 0, `backup/encryption/E` above
 */
char *teesql_epoch_keys_dup_path (guint32 epoch) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_epoch_keys_add_kms:
 * @kms_key: 32 bytes from the KMS at teesql_epoch_keys_dup_path(); the epoch key is derived from it (docs/keys.md)
 *
 * Returns: %FALSE with REFUSED `kms-key-changed` when the epoch is there already with another key
 */
gboolean teesql_epoch_keys_add_kms (TeesqlEpochKeys *self, guint32 epoch, TeesqlSecret *kms_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the epoch key itself, as a recovery recipient gets it back */
gboolean teesql_epoch_keys_add (TeesqlEpochKeys *self, guint32 epoch, TeesqlSecret *epoch_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_epoch_keys_lookup:
 *
 * Returns: (transfer full) (nullable): 32 bytes; %NULL with NOT_FOUND `key-epoch-absent` in #TEESQL_BACKUP_ERROR, and a hint
 */
TeesqlSecret *teesql_epoch_keys_lookup (TeesqlEpochKeys *self, guint32 epoch, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the highest epoch that was added; 0 when there is none */
guint32 teesql_epoch_keys_get_newest (TeesqlEpochKeys *self);
/* first 8 bytes of HMAC (key, `teesql-kcv`), stored in the catalog, so that other KMS bytes are named `kms-key-changed` and never
 * corruption */
gboolean teesql_epoch_keys_check_value (TeesqlEpochKeys *self, guint32 epoch, guint8 out[8], GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlEpochKeys, teesql_epoch_keys_unref)
G_END_DECLS
