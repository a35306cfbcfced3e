#pragma once
#include <gnutls/x509.h>
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define DCAP_P256_KEY_SIZE       64 /* X, Y */
#define DCAP_P256_SIGNATURE_SIZE 64 /* r, s */

/* ECDSA on P-256 with SHA-256, the one signature scheme of this procedure. Keys are kept as bytes, which threads may share,
 * and not as GnuTLS objects, which they may not. */
gboolean dcap_p256_verify (const guint8 key[DCAP_P256_KEY_SIZE], const guint8 *data, gsize size,
                           const guint8 signature[DCAP_P256_SIGNATURE_SIZE]) TEESQL_MUST_USE;
gboolean dcap_p256_verify_der (const guint8 key[DCAP_P256_KEY_SIZE], const guint8 *data, gsize size, const guint8 *signature,
                               gsize signature_size) TEESQL_MUST_USE;
/**
 * dcap_p256_from_certificate:
 *
 * Returns: %FALSE when its key is not on P-256
 */
gboolean dcap_p256_from_certificate (gnutls_x509_crt_t certificate, guint8 out_key[DCAP_P256_KEY_SIZE]) TEESQL_MUST_USE;
/* SHA-256 of the SubjectPublicKeyInfo that carries @key */
void dcap_p256_spki_sha256 (const guint8 key[DCAP_P256_KEY_SIZE], guint8 out_digest[32]);

G_END_DECLS
