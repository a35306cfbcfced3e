#include "dcap-crl.h"

#include "dcap-der.h"
#include "dcap-error.h"
#include "dcap-x509.h"

#define MAX_SERIAL 64
#define MAX_OID    128

#define OID_CRL_NUMBER    "2.5.29.20"
#define OID_AUTHORITY_KEY "2.5.29.35"

static gboolean
check_signature (const char *name, const guint8 *der, gsize size, const guint8 key[DCAP_P256_KEY_SIZE], GError **error)
{
  DcapDerSigned parts;
  GError *cause = NULL;

  if (!dcap_der_read_signed (name, der, size, &parts, &cause))
    return dcap_fail_parse (error, name, "malformed", cause);
  if (!dcap_p256_verify_der (key, parts.signed_bytes, parts.signed_size, parts.signature, parts.signature_size))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "signature", "%s: signature does not verify with its issuer's key", name);
  return TRUE;
}

/* An unknown critical extension may mean that the list is a delta or covers only some certificates (RFC 5280 5.2). */
static gboolean
check_extensions (const char *name, gnutls_x509_crl_t crl, GError **error)
{
  gboolean has_authority_key = FALSE;

  for (unsigned int i = 0;; i++)
    {
      char oid[MAX_OID];
      size_t size = sizeof oid;
      unsigned int critical = 0;
      int rc = gnutls_x509_crl_get_extension_info (crl, i, oid, &size, &critical);
      if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        break;
      if (rc != GNUTLS_E_SUCCESS)
        return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: extension %u: %s", name, i, gnutls_strerror (rc));
      has_authority_key |= g_str_equal (oid, OID_AUTHORITY_KEY);
      if (critical != 0 && !g_str_equal (oid, OID_CRL_NUMBER) && !g_str_equal (oid, OID_AUTHORITY_KEY))
        return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "extension", "%s: critical extension %s is not understood", name, oid);
    }
  if (!has_authority_key)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "authority-key", "%s: authority key identifier is missing", name);
  return TRUE;
}

static gboolean
read_facts (DcapCrl *self, const char *name, gnutls_x509_crl_t crl, GError **error)
{
  gnutls_datum_t issuer = { NULL, 0 };
  guint8 number[MAX_SERIAL];
  size_t size = sizeof number;
  unsigned int critical = 0;

  if (gnutls_x509_crl_get_signature_algorithm (crl) != GNUTLS_SIGN_ECDSA_SHA256)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "algorithm", "%s: not signed with ECDSA and SHA-256", name);
  if (gnutls_x509_crl_get_number (crl, number, &size, &critical) != GNUTLS_E_SUCCESS)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "number", "%s: CRL number is missing", name);
  self->number = dcap_x509_serial_new (number, size);
  self->this_update = gnutls_x509_crl_get_this_update (crl);
  self->next_update = gnutls_x509_crl_get_next_update (crl);
  if (self->this_update < 0 || self->next_update < 0)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: thisUpdate or nextUpdate is missing", name);
  if (gnutls_x509_crl_get_raw_issuer_dn (crl, &issuer) != GNUTLS_E_SUCCESS)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: issuer is missing", name);
  self->issuer = dcap_x509_take_datum (&issuer);
  return check_extensions (name, crl, error);
}

static gboolean
read_serials (DcapCrl *self, const char *name, gnutls_x509_crl_t crl, GError **error)
{
  gnutls_x509_crl_iter_t iter = NULL;
  int rc = GNUTLS_E_SUCCESS;

  for (;;)
    {
      guint8 serial[MAX_SERIAL];
      size_t size = sizeof serial;
      time_t revoked_at = 0;
      rc = gnutls_x509_crl_iter_crt_serial (crl, &iter, serial, &size, &revoked_at);
      if (rc != GNUTLS_E_SUCCESS)
        break;
      g_hash_table_add (self->serials, dcap_x509_serial_new (serial, size));
    }
  gnutls_x509_crl_iter_deinit (iter);
  if (rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: list of serial numbers: %s", name, gnutls_strerror (rc));
  return TRUE;
}

DcapCrl *
dcap_crl_prove (const char *name, const guint8 *der, gsize size, const guint8 issuer_key[DCAP_P256_KEY_SIZE], GError **error)
{
  g_auto (gnutls_x509_crl_t) crl = NULL;
  g_autoptr (DcapCrl) self = NULL;
  gnutls_datum_t datum = { (unsigned char *) der, (unsigned int) size };

  if (size > DCAP_CRL_MAX_SIZE)
    {
      dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT, name,
                      size, DCAP_CRL_MAX_SIZE);
      return NULL;
    }
  if (!check_signature (name, der, size, issuer_key, error))
    return NULL;
  if (gnutls_x509_crl_init (&crl) != GNUTLS_E_SUCCESS || gnutls_x509_crl_import (crl, &datum, GNUTLS_X509_FMT_DER) != GNUTLS_E_SUCCESS)
    {
      dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: cannot be read", name);
      return NULL;
    }
  self = g_new0 (DcapCrl, 1);
  self->serials = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  if (!read_facts (self, name, crl, error) || !read_serials (self, name, crl, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
dcap_crl_free (DcapCrl *self)
{
  g_clear_pointer (&self->issuer, g_bytes_unref);
  g_clear_pointer (&self->number, g_bytes_unref);
  g_clear_pointer (&self->serials, g_hash_table_unref);
  g_free (self);
}

gboolean
dcap_crl_is_revoked (const DcapCrl *self, const DcapCertificate *certificate)
{
  return g_hash_table_contains (self->serials, certificate->serial);
}

int
dcap_crl_compare_number (const DcapCrl *a, const DcapCrl *b)
{
  gsize a_size = g_bytes_get_size (a->number);
  gsize b_size = g_bytes_get_size (b->number);

  if (a_size != b_size)
    return a_size < b_size ? -1 : 1;
  return g_bytes_compare (a->number, b->number);
}
