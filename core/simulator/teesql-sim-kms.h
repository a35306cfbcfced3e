#pragma once
#include "simulator/teesql-sim-app.h"
#include "simulator/teesql-sim-platform.h"

G_BEGIN_DECLS

#define TEESQL_SIM_RECOVERABLE_SIZE 65 /* r, s, recovery id */

/**
 * TeesqlSimKms:
 * @root_ca: chains of certificates end here; the hash of its key is the key provider that policies pin
 * @app_ca: issues the certificates of one application
 * @app_key: secp256k1 scalar that all keys of the application come from
 * @app_key_signature: the KMS root vouches for it
 *
 * the imaginary KMS as one application sees it (guest agent 4 and 5). Immutable.
 */
typedef struct {
  guint8 app_id[TEESQL_SIM_APP_ID_SIZE];
  TeesqlSimAuthority *root_ca;
  TeesqlSimAuthority *app_ca;
  TeesqlSecret *app_key;
  guint8 app_key_signature[TEESQL_SIM_RECOVERABLE_SIZE];
} TeesqlSimKms;

TeesqlSimKms *teesql_sim_kms_new (const TeesqlSimPlatform *platform, const TeesqlSimApp *app, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_kms_free (TeesqlSimKms *self);
TeesqlSecret *teesql_sim_kms_derive (const TeesqlSecret *app_key, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* GetKey */

typedef enum { TEESQL_SIM_ALGORITHM_SECP256K1, TEESQL_SIM_ALGORITHM_SECP256K1_PREHASHED, TEESQL_SIM_ALGORITHM_ED25519 } TeesqlSimAlgorithm;

gboolean teesql_sim_public_key (TeesqlSimAlgorithm algorithm, const TeesqlSecret *key, GBytes **out_public_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* over Keccak-256 (@message), recoverable, as both links of a signature chain are */
gboolean teesql_sim_sign_recoverable (const TeesqlSecret *key, const guint8 *message, gsize size, guint8 out[TEESQL_SIM_RECOVERABLE_SIZE], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_kms_link_key:
 *
 * first link of the chain: the application key signs `purpose:hex of the public key`
 */
gboolean teesql_sim_kms_link_key (const TeesqlSimKms *self, const char *purpose, GBytes *public_key, guint8 out[TEESQL_SIM_RECOVERABLE_SIZE], GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_sign (TeesqlSimAlgorithm algorithm, const TeesqlSecret *key, GBytes *data, guint8 out[64], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @error is set when key or signature have no valid form; a well-formed wrong signature is %FALSE in @out_valid */
gboolean teesql_sim_verify (TeesqlSimAlgorithm algorithm, GBytes *data, GBytes *signature, GBytes *public_key, gboolean *out_valid, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_keccak256 (const guint8 *data, gsize size, guint8 out[32]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimKms, teesql_sim_kms_free)
G_END_DECLS
