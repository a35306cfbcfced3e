#pragma once
#include "attest/teesql-attest-service.h"
#include "seal/teesql-epoch-keys.h"

G_BEGIN_DECLS

/**
 * TeesqlBackupKeys:
 *
 * epoch keys and head key of this cluster, asked of the KMS on the main context by threads that may block. Thread safe.
 */
#define TEESQL_TYPE_BACKUP_KEYS (teesql_backup_keys_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlBackupKeys, teesql_backup_keys, TEESQL, BACKUP_KEYS, GObject)

/**
 * teesql_backup_keys_new:
 * @attest: (nullable): holds the KMS to the trust of the attester
 * @member: `[teesql] node`, part of the head key
 */
TeesqlBackupKeys *teesql_backup_keys_new (TeesqlAttestService *attest, TeesqlKms *kms, const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE],
                                          const char *member) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_backup_keys_fetch:
 *
 * has the key of @epoch from now on, asking the KMS if it is not there. Blocks: never on the main context's thread.
 */
gboolean teesql_backup_keys_fetch (TeesqlBackupKeys *self, guint32 epoch, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlEpochKeys *teesql_backup_keys_get_epochs (TeesqlBackupKeys *self); /* (transfer none) */
TeesqlSecret *teesql_backup_keys_get_head_key (TeesqlBackupKeys *self);  /* (transfer none) (nullable): once epoch 0 was fetched */
gboolean teesql_backup_keys_are_simulated (TeesqlBackupKeys *self);      /* known once a key was fetched */

G_END_DECLS
