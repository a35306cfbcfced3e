#pragma once
/* Recovery objects (docs/sealed-format.md): what recipient and opener share, and what known answers need. */
#include "seal/teesql-hpke.h"
#include "seal/teesql-recovery.h"

G_BEGIN_DECLS

#define TEESQL_RECOVERY_HEADER_SIZE    77
#define TEESQL_RECOVERY_SIZE           190
#define TEESQL_RECOVERY_RECIPIENT_SIZE 32

typedef struct
{
  gboolean simulated;
  guint32 epoch;
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  guint8 recipient[TEESQL_RECOVERY_RECIPIENT_SIZE];
} TeesqlRecoveryHeader;

void teesql_recovery_header_encode (const TeesqlRecoveryHeader *self, guint8 out[TEESQL_RECOVERY_HEADER_SIZE]);
/* SHA-256 of the SubjectPublicKeyInfo of a point */
void teesql_recovery_recipient_hash (const guint8 point[TEESQL_P256_POINT_SIZE], guint8 out[TEESQL_RECOVERY_RECIPIENT_SIZE]);
/* for known answers only: an ephemeral key that serves twice gives both messages away */
GBytes *teesql_recipient_seal_with (const TeesqlRecipient *self, TeesqlEpochKeys *keys, guint32 epoch, gboolean simulated,
                                    TeesqlSecret *ephemeral, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
