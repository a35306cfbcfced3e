#include "base/teesql-domains.h"
#include <teesql/teesql-tls-identity.h>
#include <teesql/teesql-error.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

#define CHAIN_MAX       10
#define CERTIFICATE_MAX ((gsize) 1 << 20) /* an attested leaf carries an event log of up to 1 MiB less its frame */

struct _TeesqlTlsIdentity
{
  gatomicrefcount ref_count;
  TeesqlSecret *key;
  GBytes **chain;
  guint n_chain;
};

G_DEFINE_BOXED_TYPE (TeesqlTlsIdentity, teesql_tls_identity, teesql_tls_identity_ref, teesql_tls_identity_unref)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)

#define refuse(error, reason, ...)                                                                                                         \
  teesql_fail (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, (reason), "TLS identity: " __VA_ARGS__)

static gboolean
import_certificate (GBytes *der, guint index, gnutls_x509_crt_t *out_certificate, GError **error)
{
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  gsize size = 0;
  gconstpointer data = g_bytes_get_data (der, &size);
  gnutls_datum_t datum = { (unsigned char *) data, (unsigned int) size };
  int result = 0;

  if (size == 0 || size > CERTIFICATE_MAX)
    return refuse (error, "identity-certificate", "certificate %u has %" G_GSIZE_FORMAT " bytes, expected 1 to %" G_GSIZE_FORMAT, index,
                   size, CERTIFICATE_MAX);
  result = gnutls_x509_crt_init (&certificate);
  if (result >= 0)
    result = gnutls_x509_crt_import (certificate, &datum, GNUTLS_X509_FMT_DER);
  if (result < 0)
    return refuse (error, "identity-certificate", "certificate %u does not parse: %s", index, gnutls_strerror (result));
  *out_certificate = g_steal_pointer (&certificate);
  return TRUE;
}

/* GnuTLS keeps its copy of the key in its own heap and wipes it with the object. */
static gboolean
import_key (TeesqlSecret *key, gnutls_x509_privkey_t *out_key, GError **error)
{
  g_auto (gnutls_x509_privkey_t) imported = NULL;
  unsigned int bits = 0;
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (key, &size);
  gnutls_datum_t datum = { (unsigned char *) data, (unsigned int) size };
  int result = gnutls_x509_privkey_init (&imported);

  if (result >= 0)
    result = gnutls_x509_privkey_import_pkcs8 (imported, &datum, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN);
  if (result < 0)
    return refuse (error, "identity-key", "the private key is no PKCS#8 DER: %s", gnutls_strerror (result));
  /* of the curves that GnuTLS has, P-256 alone is of 256 bits */
  if (gnutls_x509_privkey_get_pk_algorithm2 (imported, &bits) != GNUTLS_PK_ECDSA || bits != 256)
    return refuse (error, "identity-key", "the private key is not on P-256");
  *out_key = g_steal_pointer (&imported);
  return TRUE;
}

/* Key ids are SHA-256 over the SubjectPublicKeyInfo, so equal ids are equal keys. */
static gboolean
key_belongs_to (gnutls_x509_privkey_t key, gnutls_x509_crt_t leaf)
{
  guint8 of_key[32] = { 0 };
  guint8 of_leaf[32] = { 0 };
  gsize key_size = sizeof of_key;
  gsize leaf_size = sizeof of_leaf;

  return gnutls_x509_privkey_get_key_id (key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size) >= 0 &&
         gnutls_x509_crt_get_key_id (leaf, GNUTLS_KEYID_USE_SHA256, of_leaf, &leaf_size) >= 0 && key_size == leaf_size &&
         memcmp (of_key, of_leaf, key_size) == 0;
}

static gboolean
check_identity (TeesqlSecret *secret, GBytes *const *chain, guint n_chain, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;

  if (n_chain == 0 || n_chain > CHAIN_MAX)
    return refuse (error, "identity-chain", "%u certificates, expected 1 to %d", n_chain, CHAIN_MAX);
  if (!import_key (secret, &key, error))
    return FALSE;
  for (guint i = 0; i < n_chain; i++)
    {
      g_auto (gnutls_x509_crt_t) certificate = NULL;

      if (!import_certificate (chain[i], i, &certificate, error))
        return FALSE;
      if (i == 0 && !key_belongs_to (key, certificate))
        return refuse (error, "identity-key-mismatch", "the private key does not belong to the leaf certificate");
    }
  return TRUE;
}

TeesqlTlsIdentity *
teesql_tls_identity_new (TeesqlSecret *key, GBytes *const *chain, guint n_chain, GError **error)
{
  TeesqlTlsIdentity *self = NULL;

  g_return_val_if_fail (key != NULL, NULL);
  g_return_val_if_fail (chain != NULL || n_chain == 0, NULL);

  if (!check_identity (key, chain, n_chain, error))
    return NULL;
  self = g_new0 (TeesqlTlsIdentity, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->key = teesql_secret_ref (key);
  self->chain = g_new0 (GBytes *, n_chain);
  self->n_chain = n_chain;
  for (guint i = 0; i < n_chain; i++)
    self->chain[i] = g_bytes_ref (chain[i]);
  return self;
}

TeesqlTlsIdentity *
teesql_tls_identity_ref (TeesqlTlsIdentity *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_tls_identity_unref (TeesqlTlsIdentity *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  teesql_secret_unref (self->key);
  for (guint i = 0; i < self->n_chain; i++)
    g_bytes_unref (self->chain[i]);
  g_free (self->chain);
  g_free (self);
}

TeesqlSecret *
teesql_tls_identity_get_key (const TeesqlTlsIdentity *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->key;
}

GBytes *const *
teesql_tls_identity_get_chain (const TeesqlTlsIdentity *self, guint *out_n_chain)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (out_n_chain != NULL)
    *out_n_chain = self->n_chain;
  return self->chain;
}
