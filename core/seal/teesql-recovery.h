#pragma once
/* Epoch keys sealed to offline P-256 keys (RFC 9180, base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM), so that losing the
 * app id or the KMS does not lose the data. Format: docs/sealed-format.md. */
#include "seal/teesql-epoch-keys.h"

G_BEGIN_DECLS

/**
 * TeesqlRecipient:
 *
 * a public key that may open backups. Immutable.
 */
typedef struct _TeesqlRecipient TeesqlRecipient;
TeesqlRecipient *teesql_recipient_new_from_pem (const char *pem, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* SPKI, P-256 only */
void teesql_recipient_free (TeesqlRecipient *self);
const char *teesql_recipient_get_id (const TeesqlRecipient *self); /* 16 lower hex: first 8 bytes of SHA-256 (SPKI DER) */
GBytes *teesql_recipient_seal (const TeesqlRecipient *self, TeesqlEpochKeys *keys, guint32 epoch, gboolean simulated, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_recovery_open:
 * @private_pem: PKCS#8 or SEC1 PEM of a P-256 key, not encrypted
 * @sealed: what teesql_recipient_seal() made
 *
 * adds the epoch key to @keys. Returns: %FALSE with REFUSED `recovery-recipient` (for another key), `recovery-context`, INTEGRITY
 * `recovery-tag`, MALFORMED
 */
gboolean teesql_recovery_open (TeesqlSecret *private_pem, GBytes *sealed, gboolean simulated, TeesqlEpochKeys *keys, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRecipient, teesql_recipient_free)
G_END_DECLS
