#include "dcap-chain.h"

#include "base/teesql-cursor.h"
#include "base/teesql-digest.h"
#include "dcap-der.h"
#include "dcap-error.h"
#include "dcap-pck.h"
#include "dcap-x509.h"

#define MAX_SERIAL      32
#define PCK_CHAIN_MAX   ((gsize) 8192) /* real ones have 3.6 KiB */
#define MAX_COMMON_NAME 256
#define MAX_EXTENSION   4096
#define VERIFY_FLAGS    (GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS)

const DcapChainShape dcap_chain_pck = { "pck-chain", PCK_CHAIN_MAX, 3, { "SGX PCK Certificate", "SGX PCK P", "SGX Root CA" }, FALSE };
const DcapChainShape dcap_chain_pck_crl = { "pck-crl-chain", DCAP_CHAIN_MAX_SIZE, 2, { "SGX PCK P", "SGX Root CA" }, TRUE };
const DcapChainShape dcap_chain_tcb_info = { "tcb-info-chain", DCAP_CHAIN_MAX_SIZE, 2, { "SGX TCB Signing", "SGX Root CA" }, FALSE };
const DcapChainShape dcap_chain_qe_identity = { "qe-identity-chain", DCAP_CHAIN_MAX_SIZE, 2, { "SGX TCB Signing", "SGX Root CA" }, FALSE };

static const char *const positions[DCAP_CHAIN_MAX_CERT] = { "leaf", "issuer", "root" };

/* a chain while it is being proved */
typedef struct
{
  gnutls_x509_crt_t crt[DCAP_CHAIN_MAX_CERT];
  guint8 digest[DCAP_CHAIN_MAX_CERT][TEESQL_SHA256_SIZE]; /* of the PEM text */
} Certificates;

static void
certificates_clear (Certificates *certificates)
{
  for (guint i = 0; i < DCAP_CHAIN_MAX_CERT; i++)
    if (certificates->crt[i] != NULL)
      gnutls_x509_crt_deinit (certificates->crt[i]);
}

static const char *
position_name (const DcapChainShape *shape, guint i)
{
  return i == shape->n - 1 ? positions[DCAP_CHAIN_MAX_CERT - 1] : positions[i];
}

/* The chain inside a quote usually ends with the NUL of a C string; one is forgiven, whatever stands in the middle is not. */
static gboolean
check_text (const DcapChainShape *shape, const guint8 *pem, gsize *io_size, GError **error)
{
  gsize size = *io_size;

  if (size > shape->max_size)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed",
                           "%s: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT, shape->name, size, shape->max_size);
  if (size > 0 && pem[size - 1] == '\0')
    size--;
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isprint ((char) pem[i]) && !g_ascii_isspace ((char) pem[i]))
      return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed",
                             "%s: byte 0x%02x at %" G_GSIZE_FORMAT " is not PEM text", shape->name, pem[i], i);
  *io_size = size;
  return TRUE;
}

static gboolean
import_block (const DcapChainShape *shape, guint i, const char *block, gsize size, Certificates *out, GError **error)
{
  gnutls_datum_t datum = { (unsigned char *) block, (unsigned int) size };
  int rc = gnutls_x509_crt_init (&out->crt[i]);

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, out->digest[i], block, size);
  if (rc == GNUTLS_E_SUCCESS)
    rc = gnutls_x509_crt_import (out->crt[i], &datum, GNUTLS_X509_FMT_PEM);
  if (rc != GNUTLS_E_SUCCESS)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed", "%s: %s certificate: %s", shape->name,
                           position_name (shape, i), gnutls_strerror (rc));
  return TRUE;
}

static gboolean
import_chain (const DcapChainShape *shape, const guint8 *pem, gsize size, Certificates *out, GError **error)
{
  const char *text = (const char *) pem;
  const char *end = text + size;
  const char *block = "";
  gsize block_size = 0;
  guint n = 0;

  while (dcap_x509_next_pem (&text, end, &block, &block_size))
    {
      if (n == shape->n)
        return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "length", "%s: more than %u certificates", shape->name,
                               shape->n);
      if (!import_block (shape, n, block, block_size, out, error))
        return FALSE;
      n++;
    }
  if (block != NULL)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed", "%s: text outside the certificates", shape->name);
  if (n != shape->n)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "length", "%s: %u certificates, expected %u", shape->name, n,
                           shape->n);
  return TRUE;
}

static GBytes *
get_serial (gnutls_x509_crt_t certificate)
{
  guint8 serial[MAX_SERIAL];
  size_t size = sizeof serial;

  if (gnutls_x509_crt_get_serial (certificate, serial, &size) != GNUTLS_E_SUCCESS)
    return NULL;
  return dcap_x509_serial_new (serial, size);
}

static char *
get_common_name (gnutls_x509_crt_t certificate)
{
  char name[MAX_COMMON_NAME];
  size_t size = sizeof name;

  if (gnutls_x509_crt_get_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) != GNUTLS_E_SUCCESS)
    return NULL;
  return g_utf8_validate (name, (gssize) size, NULL) ? g_strndup (name, size) : NULL;
}

static gboolean
read_certificate (const DcapChainShape *shape, guint i, gnutls_x509_crt_t certificate, DcapCertificate *out, GError **error)
{
  gnutls_datum_t subject = { NULL, 0 };
  gnutls_datum_t issuer = { NULL, 0 };

  if (gnutls_x509_crt_get_version (certificate) != 3 || gnutls_x509_crt_get_signature_algorithm (certificate) != GNUTLS_SIGN_ECDSA_SHA256 ||
      !dcap_p256_from_certificate (certificate, out->key))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "algorithm",
                           "%s: %s certificate is not version 3 with ECDSA on P-256 and SHA-256", shape->name, position_name (shape, i));
  out->not_before = gnutls_x509_crt_get_activation_time (certificate);
  out->not_after = gnutls_x509_crt_get_expiration_time (certificate);
  out->serial = get_serial (certificate);
  out->common_name = get_common_name (certificate);
  if (gnutls_x509_crt_get_raw_dn (certificate, &subject) == GNUTLS_E_SUCCESS)
    out->subject = dcap_x509_take_datum (&subject);
  if (gnutls_x509_crt_get_raw_issuer_dn (certificate, &issuer) == GNUTLS_E_SUCCESS)
    out->issuer = dcap_x509_take_datum (&issuer);
  if (out->not_before < 0 || out->not_after < 0 || out->serial == NULL || out->common_name == NULL || out->subject == NULL ||
      out->issuer == NULL)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed",
                           "%s: %s certificate lacks dates, serial number or names", shape->name, position_name (shape, i));
  return TRUE;
}

static gboolean
check_names (const DcapChain *self, GError **error)
{
  const DcapChainShape *shape = self->shape;

  for (guint i = 0; i < shape->n; i++)
    {
      const DcapCertificate *certificate = &self->certificates[i];
      const DcapCertificate *above = &self->certificates[MIN (i + 1, shape->n - 1)];
      if (strstr (certificate->common_name, shape->common_names[i]) == NULL)
        return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "name", "%s: %s certificate is named %s, expected %s", shape->name,
                               position_name (shape, i), certificate->common_name, shape->common_names[i]);
      if (!g_bytes_equal (certificate->issuer, above->subject))
        return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "issuer", "%s: %s certificate was not issued by the next one (%s)",
                               shape->name, position_name (shape, i), above->common_name);
    }
  return TRUE;
}

/* RFC 5280 4.2.1.3 and 4.2.1.9: who may sign what */
static gboolean
check_usage (const DcapChainShape *shape, guint i, gnutls_x509_crt_t certificate, GError **error)
{
  unsigned int critical = 0;
  unsigned int usage = 0;
  int ca = gnutls_x509_crt_get_ca_status (certificate, &critical);
  int rc = gnutls_x509_crt_get_key_usage (certificate, &usage, &critical);
  gboolean want_ca = i > 0 || shape->leaf_is_ca;

  if (want_ca && (ca != 1 || rc != GNUTLS_E_SUCCESS || (usage & GNUTLS_KEY_KEY_CERT_SIGN) == 0))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "ca", "%s: %s certificate may not sign certificates", shape->name,
                           position_name (shape, i));
  if (!want_ca && ca != 0 && ca != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "ca", "%s: the leaf is an authority", shape->name);
  if (!want_ca && rc == GNUTLS_E_SUCCESS && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "ca", "%s: the leaf's key is not for signatures", shape->name);
  return TRUE;
}

static gboolean
issuer_signed (const Certificates *certificates, guint i)
{
  gnutls_x509_crt_t issuer = certificates->crt[i + 1];
  unsigned int status = 0;
  return gnutls_x509_crt_verify (certificates->crt[i], &issuer, 1, VERIFY_FLAGS, &status) == GNUTLS_E_SUCCESS && status == 0;
}

/* GnuTLS takes a certificate that equals a trusted one unread; the root's dates count, so its own signature is checked, with the pinned
 * key. */
static gboolean
root_signed_itself (const Certificates *certificates, guint i, const DcapTrust *trust)
{
  gnutls_datum_t der = { NULL, 0 };
  DcapDerSigned parts;

  if (gnutls_x509_crt_export2 (certificates->crt[i], GNUTLS_X509_FMT_DER, &der) != GNUTLS_E_SUCCESS)
    return FALSE;
  gboolean good = dcap_der_read_signed ("root certificate", der.data, der.size, &parts, NULL) &&
                  dcap_p256_verify_der (trust->key, parts.signed_bytes, parts.signed_size, parts.signature, parts.signature_size);
  gnutls_free (der.data);
  return good;
}

/* The same two certificates give the same answer; the key of the root is the trusted one, which was compared before. */
static gboolean
check_signature (const DcapChainShape *shape, const Certificates *certificates, guint i, const DcapTrust *trust, GError **error)
{
  guint issuer = MIN (i + 1, shape->n - 1);
  const TeesqlDigestPart parts[] = { { certificates->digest[i], TEESQL_SHA256_SIZE },
                                     { certificates->digest[issuer], TEESQL_SHA256_SIZE } };
  guint8 pair[TEESQL_SHA256_SIZE];

  teesql_digest (TEESQL_DIGEST_SHA256, pair, parts, G_N_ELEMENTS (parts));
  if (trust->seen != NULL && dcap_seen_contains (trust->seen, pair))
    return TRUE;
  if (!(i == issuer ? root_signed_itself (certificates, i, trust) : issuer_signed (certificates, i)))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, shape->name, "signature",
                           "%s: signature of the %s certificate does not verify with its issuer's key", shape->name,
                           position_name (shape, i));
  if (trust->seen != NULL)
    dcap_seen_add (trust->seen, pair);
  return TRUE;
}

static gboolean
check_root_key (const DcapChain *self, const DcapTrust *trust, GError **error)
{
  const char *name = self->shape->name;

  if (memcmp (dcap_chain_root (self)->key, trust->key, sizeof trust->key) != 0)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "root", "%s: ends in a root whose key is not the trusted one", name);
  return TRUE;
}

static gboolean
check_chain (DcapChain *self, const Certificates *certificates, const DcapTrust *trust, GError **error)
{
  guint n = self->shape->n;

  for (guint i = 0; i < n; i++)
    if (!read_certificate (self->shape, i, certificates->crt[i], &self->certificates[i], error))
      return FALSE;
  /* the root first: nothing below it means anything without it */
  if (!check_root_key (self, trust, error) || !check_names (self, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!check_usage (self->shape, i, certificates->crt[i], error))
      return FALSE;
  for (guint i = n; i > 0; i--)
    if (!check_signature (self->shape, certificates, i - 1, trust, error))
      return FALSE;
  return TRUE;
}

static GBytes *
get_extension (gnutls_x509_crt_t certificate)
{
  guint8 data[MAX_EXTENSION];
  size_t size = sizeof data;
  unsigned int critical = 0;

  if (gnutls_x509_crt_get_extension_by_oid (certificate, DCAP_PCK_EXTENSION_OID, 0, data, &size, &critical) != GNUTLS_E_SUCCESS)
    return NULL;
  return g_bytes_new (data, size);
}

DcapChain *
dcap_chain_prove (const DcapChainShape *shape, const guint8 *pem, gsize size, const DcapTrust *trust, GError **error)
{
  __attribute__ ((cleanup (certificates_clear))) Certificates certificates = { { NULL } };

  if (!check_text (shape, pem, &size, error) || !import_chain (shape, pem, size, &certificates, error))
    return NULL;
  g_autoptr (DcapChain) self = g_new0 (DcapChain, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->shape = shape;
  if (!check_chain (self, &certificates, trust, error))
    return NULL;
  self->extension = get_extension (certificates.crt[0]);
  return g_steal_pointer (&self);
}

DcapChain *
dcap_chain_ref (DcapChain *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_chain_unref (DcapChain *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  for (guint i = 0; i < DCAP_CHAIN_MAX_CERT; i++)
    {
      g_clear_pointer (&self->certificates[i].subject, g_bytes_unref);
      g_clear_pointer (&self->certificates[i].issuer, g_bytes_unref);
      g_clear_pointer (&self->certificates[i].serial, g_bytes_unref);
      g_free (self->certificates[i].common_name);
    }
  g_clear_pointer (&self->extension, g_bytes_unref);
  g_free (self);
}

const DcapCertificate *
dcap_chain_leaf (const DcapChain *self)
{
  return &self->certificates[0];
}

const DcapCertificate *
dcap_chain_root (const DcapChain *self)
{
  return &self->certificates[self->shape->n - 1];
}

gboolean
dcap_chain_check_time (const DcapChain *self, gint64 now, GError **error)
{
  const char *name = self->shape->name;

  for (guint i = 0; i < self->shape->n; i++)
    {
      const DcapCertificate *certificate = &self->certificates[i];
      if (now < certificate->not_before)
        {
          g_autofree char *date = dcap_x509_date_text (certificate->not_before);
          return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "not-yet-valid",
                                 "%s: %s certificate is valid from %s, in %" G_GINT64_FORMAT " s", name, position_name (self->shape, i),
                                 date, certificate->not_before - now);
        }
      if (now > certificate->not_after)
        {
          g_autofree char *date = dcap_x509_date_text (certificate->not_after);
          return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "expired",
                                 "%s: %s certificate was valid until %s, %" G_GINT64_FORMAT " s ago", name, position_name (self->shape, i),
                                 date, now - certificate->not_after);
        }
    }
  return TRUE;
}

gint64
dcap_chain_valid_until (const DcapChain *self)
{
  gint64 until = G_MAXINT64;
  for (guint i = 0; i < self->shape->n; i++)
    until = MIN (until, self->certificates[i].not_after);
  return until;
}
