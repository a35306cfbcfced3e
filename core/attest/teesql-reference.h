#pragma once
#include "attest/teesql-attest-service.h"

G_BEGIN_DECLS

/**
 * teesql_attest_get_key_async:
 * @service: (nullable): checks that @kms and the attester are of one kind of trust, and publishes the state of the KMS
 * @path: such as %TEESQL_KEYS_PATH_ROLES
 * @purpose: the label of the derivation table, or `superuser-password`
 *
 * one key, one attempt. A key that came before it was known that the KMS is a simulator is not handed out beside production trust.
 */
void teesql_attest_get_key_async (TeesqlAttestService *service, TeesqlKms *kms, const char *path, const char *purpose,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TeesqlSecret *teesql_attest_get_key_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_resolve_reference_async:
 * @kms: (nullable): needed for `kms:PATH`
 * @reference: `kms:PATH`, or one that the configuration resolves by itself (`credential:`, `file:`, `env:`)
 *
 * `kms:PATH` is the key at PATH as 64 lower hex digits. Paths from which other keys are derived (design 5: `pg/roles`, `disk/…`,
 * `backup/…`) are refused: whoever may read the secret would hold them all.
 */
void teesql_attest_resolve_reference_async (TeesqlAttestService *service, TeesqlKms *kms, const char *reference, GCancellable *cancellable,
                                            GAsyncReadyCallback callback, gpointer user_data);
TeesqlSecret *teesql_attest_resolve_reference_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
