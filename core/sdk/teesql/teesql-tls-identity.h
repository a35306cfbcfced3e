#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

typedef enum {
  TEESQL_TLS_USAGE_SERVER = 1 << 0,
  TEESQL_TLS_USAGE_CLIENT = 1 << 1,
} TeesqlTlsUsage;

/**
 * TeesqlTlsRequest:
 *
 * what core asks for. Plain struct owned by the caller; the callee copies what it keeps before returning.
 */
typedef struct {
  const char *subject;           /* common name, may be "" */
  const char *const *alt_names;  /* (nullable) DNS names and IP literals */
  TeesqlTlsUsage usage;
  gint64 not_before_unix;
  gint64 not_after_unix;
  /*< private >*/
  gpointer padding[4];
} TeesqlTlsRequest;

/**
 * TeesqlTlsIdentity:
 *
 * key and chain. Boxed, refcounted, immutable. The leaf carries the evidence.
 */
typedef struct _TeesqlTlsIdentity TeesqlTlsIdentity;

#define TEESQL_TYPE_TLS_IDENTITY (teesql_tls_identity_get_type ())
TEESQL_API GType teesql_tls_identity_get_type (void);
/**
 * teesql_tls_identity_new:
 * @key: PKCS#8 DER (P-256)
 * @chain: (array length=n_chain): 1..10 certificates, DER, leaf first
 *
 * Returns: (transfer full) (nullable): %NULL when the key does not belong to the leaf
 */
TEESQL_API TeesqlTlsIdentity *teesql_tls_identity_new (TeesqlSecret *key, GBytes *const *chain, guint n_chain, GError **error) TEESQL_MUST_USE;
TEESQL_API TeesqlTlsIdentity *teesql_tls_identity_ref (TeesqlTlsIdentity *self);
TEESQL_API void teesql_tls_identity_unref (TeesqlTlsIdentity *self);
TEESQL_API TeesqlSecret *teesql_tls_identity_get_key (const TeesqlTlsIdentity *self);
TEESQL_API GBytes *const *teesql_tls_identity_get_chain (const TeesqlTlsIdentity *self, guint *out_n_chain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlTlsIdentity, teesql_tls_identity_unref)
G_END_DECLS
