#pragma once
#include "simulator/teesql-sim-key.h"

G_BEGIN_DECLS

#define TEESQL_SIM_ORGANIZATION "TeeSQL Simulator"

/**
 * TeesqlSimTemplate:
 * @common_name: may be ""
 * @organization: (nullable)
 * @serial: (nullable): 20 bytes; %NULL draws one
 * @path_length: of a CA, -1 for a leaf
 */
typedef struct {
  const char *common_name;
  const char *organization;
  const guint8 *serial;
  gint64 not_before_unix;
  gint64 not_after_unix;
  int path_length;
  guint key_usage;
} TeesqlSimTemplate;

/**
 * TeesqlSimAuthority:
 *
 * a key with its certificate
 */
typedef struct {
  TeesqlSimKey *key;
  gnutls_x509_crt_t certificate;
} TeesqlSimAuthority;

TeesqlSimAuthority *teesql_sim_authority_new (TeesqlSimKey *key, gnutls_x509_crt_t certificate) G_GNUC_WARN_UNUSED_RESULT; /* (transfer full) both */
void teesql_sim_authority_free (TeesqlSimAuthority *self);
char *teesql_sim_authority_get_pem (const TeesqlSimAuthority *self) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_sim_x509_begin:
 *
 * Returns: (transfer full): an unsigned certificate, to which extensions may be added before teesql_sim_x509_sign()
 */
gnutls_x509_crt_t teesql_sim_x509_begin (const TeesqlSimTemplate *template, const TeesqlSimKey *subject_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_x509_sign:
 * @issuer: (nullable): %NULL signs with @self_key
 */
gboolean teesql_sim_x509_sign (gnutls_x509_crt_t certificate, const TeesqlSimAuthority *issuer, const TeesqlSimKey *self_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_sim_x509_get_pem (gnutls_x509_crt_t certificate) G_GNUC_WARN_UNUSED_RESULT;
GBytes *teesql_sim_x509_get_der (gnutls_x509_crt_t certificate) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_x509_add_wrapped:
 *
 * a dstack extension: the payload in an inner OCTET STRING, not critical (RA-TLS profile 1)
 */
gboolean teesql_sim_x509_add_wrapped (gnutls_x509_crt_t certificate, const char *oid, const guint8 *payload, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_x509_key_id (const TeesqlSimKey *key, guint8 out[20]); /* SHA-1 of the public key, as in SKI and AKI */
/**
 * teesql_sim_x509_make_authority:
 *
 * template, key and issuer in one step, where no extension is to be added
 */
TeesqlSimAuthority *teesql_sim_x509_make_authority (const TeesqlSimTemplate *template, TeesqlSimKey *key, const TeesqlSimAuthority *issuer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimAuthority, teesql_sim_authority_free)
G_END_DECLS
