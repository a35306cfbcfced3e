#include "ratls/teesql-ratls-identity.h"

#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-certificate.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#define SERIAL_SIZE     16
#define DEFAULT_SUBJECT "teesql"

typedef struct gnutls_x509_crt_int GnutlsCrt;
typedef struct gnutls_x509_privkey_int GnutlsKey;
typedef struct gnutls_pubkey_st GnutlsPubkey;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GnutlsCrt, gnutls_x509_crt_deinit)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GnutlsKey, gnutls_x509_privkey_deinit)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GnutlsPubkey, gnutls_pubkey_deinit)

static gboolean
check (int result, const char *step, GError **error)
{
  if (result >= 0)
    return TRUE;
  g_propagate_error (error,
                     teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_FAILED, "identity", 0, "%s: %s", step, gnutls_strerror (result)));
  return FALSE;
}

static GBytes *
export_spki (GnutlsKey *key, GError **error)
{
  g_autoptr (GnutlsPubkey) public_key = NULL;
  gnutls_privkey_t abstract = NULL;
  gnutls_datum_t der = { NULL, 0 };
  GBytes *spki = NULL;

  if (!check (gnutls_pubkey_init (&public_key), "public key", error) || !check (gnutls_privkey_init (&abstract), "private key", error))
    return NULL;
  if (check (gnutls_privkey_import_x509 (abstract, key, 0), "private key", error) &&
      check (gnutls_pubkey_import_privkey (public_key, abstract, 0, 0), "public key", error) &&
      check (gnutls_pubkey_export2 (public_key, GNUTLS_X509_FMT_DER, &der), "public key", error))
    spki = g_bytes_new (der.data, der.size);
  gnutls_free (der.data);
  gnutls_privkey_deinit (abstract);
  return spki;
}

static TeesqlSecret *
export_key (GnutlsKey *key, GError **error)
{
  gnutls_datum_t der = { NULL, 0 };
  TeesqlSecret *secret = NULL;

  if (!check (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, &der), "PKCS#8", error))
    return NULL;
  secret = teesql_secret_new (der.data, der.size, error);
  teesql_wipe (der.data, der.size);
  gnutls_free (der.data);
  return secret;
}

TeesqlSecret *
teesql_ratls_make_key (GBytes **out_spki, GError **error)
{
  g_autoptr (GnutlsKey) key = NULL;
  g_autoptr (TeesqlSecret) secret = NULL;
  g_autoptr (GBytes) spki = NULL;

  if (!check (gnutls_x509_privkey_init (&key), "private key", error) ||
      !check (gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0), "P-256 key",
              error))
    return NULL;
  secret = export_key (key, error);
  spki = secret != NULL ? export_spki (key, error) : NULL;
  if (spki == NULL)
    return NULL;
  if (out_spki != NULL)
    *out_spki = g_steal_pointer (&spki);
  return g_steal_pointer (&secret);
}

static gboolean
import_key (TeesqlSecret *secret, GnutlsKey **out, GError **error)
{
  g_autoptr (GnutlsKey) key = NULL;
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (secret, &size);
  const gnutls_datum_t der = { (unsigned char *) data, (unsigned int) size };

  if (!check (gnutls_x509_privkey_init (&key), "private key", error) ||
      !check (gnutls_x509_privkey_import_pkcs8 (key, &der, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN), "private key", error))
    return FALSE;
  *out = g_steal_pointer (&key);
  return TRUE;
}

static gboolean
set_serial (GnutlsCrt *crt, GError **error)
{
  guint8 serial[SERIAL_SIZE];

  if (!check (gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial), "serial", error))
    return FALSE;
  serial[0] = (guint8) ((serial[0] & 0x7f) | 0x40); /* positive, and of full length */
  return check (gnutls_x509_crt_set_serial (crt, serial, sizeof serial), "serial", error);
}

static gboolean
set_alt_name (GnutlsCrt *crt, const char *name, GError **error)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (name);

  if (address != NULL)
    return check (gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_IPADDRESS, g_inet_address_to_bytes (address),
                                                        (unsigned int) g_inet_address_get_native_size (address), GNUTLS_FSAN_APPEND),
                  "alternative address", error);
  return check (gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_DNSNAME, name, (unsigned int) strlen (name), GNUTLS_FSAN_APPEND),
                "alternative name", error);
}

static gboolean
set_names (GnutlsCrt *crt, const TeesqlTlsRequest *request, GError **error)
{
  const char *subject = request->subject != NULL && request->subject[0] != '\0' ? request->subject : DEFAULT_SUBJECT;

  if (!check (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, subject, (unsigned int) strlen (subject)), "subject",
              error))
    return FALSE;
  for (const char *const *name = request->alt_names; name != NULL && *name != NULL; name++)
    if (!set_alt_name (crt, *name, error))
      return FALSE;
  return TRUE;
}

static gboolean
set_usage (GnutlsCrt *crt, TeesqlTlsUsage usage, GError **error)
{
  if (!check (gnutls_x509_crt_set_basic_constraints (crt, 0, -1), "basic constraints", error) ||
      !check (gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_DIGITAL_SIGNATURE), "key usage", error))
    return FALSE;
  if ((usage & TEESQL_TLS_USAGE_SERVER) != 0 &&
      !check (gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_SERVER, 0), "purpose", error))
    return FALSE;
  return (usage & TEESQL_TLS_USAGE_CLIENT) == 0 ||
         check (gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_CLIENT, 0), "purpose", error);
}

static gboolean
set_evidence (GnutlsCrt *crt, TeesqlEvidence *evidence, const guint8 *report_data, GError **error)
{
  g_autoptr (GBytes) attestation = teesql_ratls_attestation_write_v0 (evidence, report_data, TRUE, error);
  g_autoptr (GBytes) wrapped = NULL;
  gsize size = 0;
  const void *data = NULL;

  if (attestation == NULL)
    return FALSE;
  wrapped = teesql_ratls_wrap_extension (attestation);
  data = g_bytes_get_data (wrapped, &size);
  return check (gnutls_x509_crt_set_extension_by_oid (crt, TEESQL_RATLS_OID_ATTESTATION, data, size, 0), "evidence extension", error);
}

static gboolean
fill (GnutlsCrt *crt, GnutlsKey *key, const TeesqlTlsRequest *request, GError **error)
{
  return check (gnutls_x509_crt_set_version (crt, 3), "version", error) && set_serial (crt, error) &&
         check (gnutls_x509_crt_set_activation_time (crt, (time_t) request->not_before_unix), "notBefore", error) &&
         check (gnutls_x509_crt_set_expiration_time (crt, (time_t) request->not_after_unix), "notAfter", error) &&
         check (gnutls_x509_crt_set_key (crt, key), "key", error) && set_names (crt, request, error) &&
         set_usage (crt, request->usage, error);
}

TeesqlTlsIdentity *
teesql_ratls_make_identity (TeesqlSecret *key, const TeesqlTlsRequest *request, TeesqlEvidence *evidence, const guint8 *report_data,
                            GError **error)
{
  g_autoptr (GnutlsCrt) crt = NULL;
  g_autoptr (GnutlsKey) private_key = NULL;
  g_autoptr (GBytes) leaf = NULL;
  gnutls_datum_t der = { NULL, 0 };

  if (!import_key (key, &private_key, error) || !check (gnutls_x509_crt_init (&crt), "certificate", error) ||
      !fill (crt, private_key, request, error) || !set_evidence (crt, evidence, report_data, error) ||
      !check (gnutls_x509_crt_sign2 (crt, crt, private_key, GNUTLS_DIG_SHA256, 0), "signature", error) ||
      !check (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der), "certificate", error))
    return NULL;
  leaf = g_bytes_new (der.data, der.size);
  gnutls_free (der.data);
  if (g_bytes_get_size (leaf) > TEESQL_RATLS_MAX_CERTIFICATE)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_FAILED, "identity", 0,
                                                  "the certificate has %" G_GSIZE_FORMAT
                                                  " bytes with its evidence, peers take at most %" G_GSIZE_FORMAT,
                                                  g_bytes_get_size (leaf), TEESQL_RATLS_MAX_CERTIFICATE));
      return NULL;
    }
  return teesql_tls_identity_new (key, &leaf, 1, error);
}
