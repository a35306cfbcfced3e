#pragma once
#include <gnutls/gnutls.h>
#include <teesql/teesql-tls-identity.h>

G_BEGIN_DECLS

/**
 * TeesqlTlsCredentials:
 *
 * an identity made ready for handshakes. Refcounted, immutable, safe to share across threads: a renewed identity is a new object for
 * new handshakes, and sessions keep the one they began with.
 */
typedef struct _TeesqlTlsCredentials TeesqlTlsCredentials;

/**
 * teesql_tls_credentials_new:
 *
 * Returns: (transfer full) (nullable): %NULL with CONFIG `tls-identity` in #TEESQL_PROTOCOL_ERROR
 */
TeesqlTlsCredentials *teesql_tls_credentials_new (TeesqlTlsIdentity *identity, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlTlsCredentials *teesql_tls_credentials_ref (TeesqlTlsCredentials *self);
void teesql_tls_credentials_unref (TeesqlTlsCredentials *self);
TeesqlTlsIdentity *teesql_tls_credentials_get_identity (const TeesqlTlsCredentials *self); /* (transfer none) */
GBytes *teesql_tls_credentials_get_end_point (const TeesqlTlsCredentials *self); /* (transfer none) tls-server-end-point of the leaf */
gnutls_certificate_credentials_t teesql_tls_credentials_get_handle (const TeesqlTlsCredentials *self); /* for the transport beside */

/**
 * teesql_tls_end_point:
 * @leaf: DER
 *
 * RFC 5929, 4.1: the leaf under the hash of its signature algorithm, SHA-256 where that is MD5 or SHA-1
 *
 * Returns: (transfer full) (nullable): %NULL with MALFORMED `certificate-malformed`, or UNSUPPORTED `certificate-signature` where the
 *   algorithm has no hash of its own
 */
GBytes *teesql_tls_end_point (GBytes *leaf, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlTlsCredentials, teesql_tls_credentials_unref)
G_END_DECLS
