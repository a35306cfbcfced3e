#include "dcap-trust.h"

#include "dcap-der.h"
#include "dcap-error.h"
#include "dcap-x509.h"

/* Intel SGX Root CA, valid from 2018: X and Y. The certificate exists in two editions with this one key, so the key is
 * what is pinned. */
static const guint8 intel_root_key[DCAP_P256_KEY_SIZE] = {
  0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda, 0x10, 0xa8, 0xbb, 0xd4, 0xe8, 0x8e, 0x48,
  0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5, 0x67, 0x91, 0x8e, 0x2e, 0xdc, 0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc,
  0x4e, 0xe2, 0x6a, 0xac, 0xc9, 0x88, 0xe5, 0x05, 0xa9, 0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94,
};

static void
trust_init (DcapTrust *self, const guint8 key[DCAP_P256_KEY_SIZE])
{
  for (gsize i = 0; i < DCAP_P256_KEY_SIZE; i++)
    self->key[i] = key[i];
  dcap_p256_spki_sha256 (self->key, self->anchor);
  self->seen = NULL;
  self->is_intel = memcmp (self->key, intel_root_key, sizeof self->key) == 0;
}

void
dcap_trust_init_intel (DcapTrust *self)
{
  trust_init (self, intel_root_key);
}

static gboolean
is_self_signed (gnutls_x509_crt_t root, const guint8 key[DCAP_P256_KEY_SIZE])
{
  gnutls_datum_t der = { NULL, 0 };
  DcapDerSigned parts;

  if (gnutls_x509_crt_export2 (root, GNUTLS_X509_FMT_DER, &der) != GNUTLS_E_SUCCESS)
    return FALSE;
  gboolean good = dcap_der_read_signed ("trusted root", der.data, der.size, &parts, NULL) &&
                  dcap_p256_verify_der (key, parts.signed_bytes, parts.signed_size, parts.signature, parts.signature_size);
  gnutls_free (der.data);
  return good;
}

gboolean
dcap_trust_init_pem (DcapTrust *self, const char *pem, gsize size, GError **error)
{
  const char *text = pem;
  const char *block = NULL;
  const char *second = NULL;
  gsize block_size = 0;
  gsize second_size = 0;
  g_auto (gnutls_x509_crt_t) root = NULL;
  guint8 key[DCAP_P256_KEY_SIZE];

  if (!dcap_x509_next_pem (&text, pem + size, &block, &block_size) || dcap_x509_next_pem (&text, pem + size, &second, &second_size))
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "trusted-root", "trusted root: expected one PEM certificate and nothing else");
  gnutls_datum_t datum = { (unsigned char *) block, (unsigned int) block_size };
  if (gnutls_x509_crt_init (&root) != GNUTLS_E_SUCCESS || gnutls_x509_crt_import (root, &datum, GNUTLS_X509_FMT_PEM) != GNUTLS_E_SUCCESS)
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "trusted-root", "trusted root: the certificate cannot be read");
  if (!dcap_p256_from_certificate (root, key) || !is_self_signed (root, key))
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "trusted-root", "trusted root: expected a self-signed certificate with a P-256 key");
  trust_init (self, key);
  return TRUE;
}
