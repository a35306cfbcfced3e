#pragma once
#include "base/teesql-digest.h"
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_privkey_t, gnutls_privkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)

/**
 * TeesqlSimKey:
 * @point: affine X ‖ Y, big-endian
 *
 * a P-256 key whose scalar came out of HKDF, so that a seed alone says which key it is.
 */
typedef struct {
  TeesqlSecret *scalar;
  guint8 point[64];
  gnutls_privkey_t privkey;
} TeesqlSimKey;

/**
 * teesql_sim_hkdf:
 *
 * HKDF-SHA256 into locked memory; the info is the plain concatenation of @info
 */
TeesqlSecret *teesql_sim_hkdf (const TeesqlSecret *ikm, const char *salt, const TeesqlDigestPart *info, guint n_info, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_key_new:
 * @scalar: (transfer none): 32 bytes, 0 < scalar < order of P-256
 */
TeesqlSimKey *teesql_sim_key_new (TeesqlSecret *scalar, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_key_generate:
 *
 * what `GetTlsKey` does for each call: HKDF over 32 random bytes with an empty info (guest agent 4)
 */
TeesqlSimKey *teesql_sim_key_generate (GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_key_free (TeesqlSimKey *self);
GBytes *teesql_sim_key_get_spki (const TeesqlSimKey *self) G_GNUC_WARN_UNUSED_RESULT; /* SubjectPublicKeyInfo, DER */
/**
 * teesql_sim_key_sign:
 *
 * ECDSA with SHA-256 over @data, nonce by RFC 6979: the same bytes in every process
 */
gboolean teesql_sim_key_sign_der (const TeesqlSimKey *self, const guint8 *data, gsize size, GBytes **out_signature, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_key_sign_raw (const TeesqlSimKey *self, const guint8 *data, gsize size, guint8 out[64], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_key_export_pem:
 *
 * Returns: (transfer full): PKCS#8; the caller wipes it with teesql_wipe()
 */
char *teesql_sim_key_export_pem (const TeesqlSimKey *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_gnutls_failed:
 *
 * Returns: %FALSE, with @error set to what GnuTLS said while @doing
 */
gboolean teesql_sim_gnutls_failed (int code, const char *doing, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimKey, teesql_sim_key_free)
G_END_DECLS
