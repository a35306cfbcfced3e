#pragma once
/* Epoch keys in the repository, sealed to offline keys; the way back to them when the KMS is lost. */
#include "seal/teesql-recovery.h"
#include "storage/teesql-store.h"

G_BEGIN_DECLS

#define TEESQL_RECOVERY_OBJECT_MAX ((gsize) 4096)

/* name of an object below `keys/`, whole; %FALSE for odd ones */
gboolean teesql_recovery_parse_name (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], const char *name, guint32 *out_epoch,
                                     char **out_recipient) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_recovery_collect:
 * @private_pem: as teesql_recovery_open() takes it
 * @cluster_id: (nullable): whose keys; %NULL: of the one cluster that this key opens something of
 *
 * Returns: (transfer full) (nullable): all epochs that were sealed to this key. %NULL with NOT_FOUND `recovery-absent`, REFUSED
 * `cluster-ambiguous` (the message names them), or the store's error
 */
TeesqlEpochKeys *teesql_recovery_collect (TeesqlStore *store, TeesqlSecret *private_pem, const guint8 *cluster_id, gboolean simulated,
                                          GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
