#include "reactor/teesql-tls-credentials.h"

#include "base/teesql-domains.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

/* TeesqlTlsIdentity promises 1..10. */
#define MAX_CHAIN 10

struct _TeesqlTlsCredentials
{
  gatomicrefcount refs;
  gnutls_certificate_credentials_t handle;
  TeesqlTlsIdentity *identity;
  GBytes *end_point;
};

static void
privkey_deinit (gnutls_x509_privkey_t *key)
{
  if (*key != NULL)
    gnutls_x509_privkey_deinit (*key);
}

static void
crt_deinit (gnutls_x509_crt_t *crt)
{
  if (*crt != NULL)
    gnutls_x509_crt_deinit (*crt);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (gnutls_x509_privkey_t, privkey_deinit)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (gnutls_x509_crt_t, crt_deinit)

static gboolean
identity_failed (GError **error, const char *what, int code)
{
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_CONFIG, "tls-identity", 0, "own certificate: %s: %s",
                                              what, gnutls_strerror (code)));
  return FALSE;
}

static gnutls_datum_t
bytes_datum (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ .data = (guint8 *) data, .size = (guint) size };
}

static gboolean
credentials_take_key (TeesqlTlsCredentials *self, gnutls_x509_crt_t *chain, guint n_chain, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  gsize size;
  const guint8 *data = teesql_secret_peek (teesql_tls_identity_get_key (self->identity), &size);
  gnutls_datum_t der = { .data = (guint8 *) data, .size = (guint) size };
  int code = gnutls_x509_privkey_init (&key);

  if (code >= 0)
    code = gnutls_x509_privkey_import_pkcs8 (key, &der, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN);
  if (code < 0)
    return identity_failed (error, "private key", code);
  code = gnutls_certificate_set_x509_key (self->handle, chain, (int) n_chain, key);
  if (code < 0)
    return identity_failed (error, "key and chain", code);
  return TRUE;
}

static gboolean
credentials_load (TeesqlTlsCredentials *self, GError **error)
{
  gnutls_x509_crt_t chain[MAX_CHAIN] = { NULL };
  guint n_chain;
  GBytes *const *certificates = teesql_tls_identity_get_chain (self->identity, &n_chain);
  gboolean loaded = TRUE;

  g_return_val_if_fail (n_chain >= 1 && n_chain <= MAX_CHAIN, FALSE);
  for (guint i = 0; loaded && i < n_chain; i++)
    {
      gnutls_datum_t der = bytes_datum (certificates[i]);
      int code = gnutls_x509_crt_init (&chain[i]);

      if (code >= 0)
        code = gnutls_x509_crt_import (chain[i], &der, GNUTLS_X509_FMT_DER);
      if (code < 0)
        loaded = identity_failed (error, "chain", code);
    }
  loaded = loaded && credentials_take_key (self, chain, n_chain, error);
  for (guint i = 0; i < n_chain; i++)
    crt_deinit (&chain[i]);
  if (!loaded)
    return FALSE;
  self->end_point = teesql_tls_end_point (certificates[0], error);
  return self->end_point != NULL;
}

TeesqlTlsCredentials *
teesql_tls_credentials_new (TeesqlTlsIdentity *identity, GError **error)
{
  g_autoptr (TeesqlTlsCredentials) self = g_new0 (TeesqlTlsCredentials, 1);
  int code;

  g_atomic_ref_count_init (&self->refs);
  self->identity = teesql_tls_identity_ref (identity);
  code = gnutls_certificate_allocate_credentials (&self->handle);
  if (code < 0)
    {
      identity_failed (error, "credentials", code);
      return NULL;
    }
  return credentials_load (self, error) ? g_steal_pointer (&self) : NULL;
}

TeesqlTlsCredentials *
teesql_tls_credentials_ref (TeesqlTlsCredentials *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_tls_credentials_unref (TeesqlTlsCredentials *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->handle != NULL)
    gnutls_certificate_free_credentials (self->handle);
  g_clear_pointer (&self->end_point, g_bytes_unref);
  teesql_tls_identity_unref (self->identity);
  g_free (self);
}

TeesqlTlsIdentity *
teesql_tls_credentials_get_identity (const TeesqlTlsCredentials *self)
{
  return self->identity;
}

GBytes *
teesql_tls_credentials_get_end_point (const TeesqlTlsCredentials *self)
{
  return self->end_point;
}

gnutls_certificate_credentials_t
teesql_tls_credentials_get_handle (const TeesqlTlsCredentials *self)
{
  return self->handle;
}

GBytes *
teesql_tls_end_point (GBytes *leaf, GError **error)
{
  g_auto (gnutls_x509_crt_t) crt = NULL;
  gnutls_datum_t der = bytes_datum (leaf);
  gnutls_digest_algorithm_t hash;
  guint8 out[64];
  int code = gnutls_x509_crt_init (&crt);

  if (code >= 0)
    code = gnutls_x509_crt_import (crt, &der, GNUTLS_X509_FMT_DER);
  if (code >= 0)
    code = gnutls_x509_crt_get_signature_algorithm (crt);
  if (code < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "certificate-malformed", 0,
                                                  "certificate: %s", gnutls_strerror (code)));
      return NULL;
    }
  hash = gnutls_sign_get_hash_algorithm ((gnutls_sign_algorithm_t) code);
  if (hash == GNUTLS_DIG_MD5 || hash == GNUTLS_DIG_SHA1)
    hash = GNUTLS_DIG_SHA256;
  if (hash != GNUTLS_DIG_SHA256 && hash != GNUTLS_DIG_SHA384 && hash != GNUTLS_DIG_SHA512)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNSUPPORTED, "certificate-signature", 0,
                                                  "certificate: its signature names no hash for tls-server-end-point, expected SHA-2"));
      return NULL;
    }
  gnutls_hash_fast (hash, der.data, der.size, out);
  return g_bytes_new (out, gnutls_hash_get_len (hash));
}
