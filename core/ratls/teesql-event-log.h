#pragma once
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

/**
 * TeesqlLogClaims:
 * @app_id: (nullable): 20 bytes
 * @compose_hash: (nullable): 32 bytes
 * @instance_id: (nullable): 20 bytes, or empty
 * @os_image_hash: (nullable): 32 bytes
 * @key_provider_name: (nullable): `kms`, `local-sgx`, `tpm`, `none`
 * @key_provider: (nullable): `NAME:SHA-256 of the id in hex`, the form of `allowed-key-provider`; the bare name when the id is empty
 * @key_provider_id: (nullable): the id itself (KMS: SubjectPublicKeyInfo of its root), may be empty
 *
 * what the log says before `system-ready`, proved by the replay.
 */
typedef struct
{
  GBytes *app_id;
  GBytes *compose_hash;
  GBytes *instance_id;
  GBytes *os_image_hash;
  char *key_provider_name;
  char *key_provider;
  GBytes *key_provider_id;
} TeesqlLogClaims;

/**
 * teesql_event_log_replay:
 * @rtmr3: 48 bytes of a proved quote
 *
 * recomputes digests (a given one must agree), extends, compares, and takes the named claims before the boot-complete
 * marker; a missing or repeated one is an error (SR-12). Reasons `event-log-missing`, `event-log-digest`, `rtmr3-mismatch`,
 * `event-log-incomplete`, `event-log-duplicate`, `event-log-payload`. Errors: #TEESQL_ATTEST_ERROR
 */
TeesqlLogClaims *teesql_event_log_replay (TeesqlEvidence *evidence, const guint8 *rtmr3, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_log_claims_free (TeesqlLogClaims *self);
/**
 * teesql_event_digest:
 *
 * SHA-384 of a runtime event, version 1 or 2
 */
gboolean teesql_event_digest (const TeesqlEvent *event, guint8 out[48], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_event_log_rtmr:
 *
 * plain replay of one register (0..3); boot events need their digest. For tests, the simulator and `verify`.
 */
gboolean teesql_event_log_rtmr (TeesqlEvidence *evidence, guint rtmr, guint8 out[48], GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_log_claims_check_mrconfigid:
 * @mrconfigid: 48 bytes of a proved quote
 *
 * what the host announced to the TD module at launch must agree with what the guest logged: first byte 1 the compose hash, 2 the
 * Keccak-256 over compose hash, app id, key provider. All zero: nothing was announced. Reason `mrconfigid-mismatch`
 */
gboolean teesql_log_claims_check_mrconfigid (const TeesqlLogClaims *self, const guint8 *mrconfigid, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlLogClaims, teesql_log_claims_free)
G_END_DECLS
