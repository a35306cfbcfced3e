#include "dcap-p256.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "base/teesql-digest.h"

#define COORDINATE_SIZE 32

/* RFC 5480: everything of a P-256 SubjectPublicKeyInfo before X and Y */
static const guint8 spki_prefix[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                      0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)

/* GnuTLS takes non-const data everywhere and writes to none of it */
static gnutls_datum_t
datum (const guint8 *data, gsize size)
{
  return (gnutls_datum_t){ .data = (unsigned char *) data, .size = (unsigned int) size };
}

gboolean
dcap_p256_verify_der (const guint8 key[DCAP_P256_KEY_SIZE], const guint8 *data, gsize size, const guint8 *signature, gsize signature_size)
{
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  gnutls_datum_t x = datum (key, COORDINATE_SIZE);
  gnutls_datum_t y = datum (key + COORDINATE_SIZE, COORDINATE_SIZE);
  gnutls_datum_t message = datum (data, size);
  gnutls_datum_t sig = datum (signature, signature_size);

  if (size > G_MAXUINT || signature_size > G_MAXUINT)
    return FALSE;
  if (gnutls_pubkey_init (&pubkey) != GNUTLS_E_SUCCESS)
    return FALSE;
  if (gnutls_pubkey_import_ecc_raw (pubkey, GNUTLS_ECC_CURVE_SECP256R1, &x, &y) != GNUTLS_E_SUCCESS)
    return FALSE;
  return gnutls_pubkey_verify_data2 (pubkey, GNUTLS_SIGN_ECDSA_SHA256, 0, &message, &sig) >= 0;
}

gboolean
dcap_p256_verify (const guint8 key[DCAP_P256_KEY_SIZE], const guint8 *data, gsize size, const guint8 signature[DCAP_P256_SIGNATURE_SIZE])
{
  gnutls_datum_t r = datum (signature, COORDINATE_SIZE);
  gnutls_datum_t s = datum (signature + COORDINATE_SIZE, COORDINATE_SIZE);
  gnutls_datum_t encoded = { NULL, 0 };

  if (gnutls_encode_rs_value (&encoded, &r, &s) != GNUTLS_E_SUCCESS)
    return FALSE;
  gboolean good = dcap_p256_verify_der (key, data, size, encoded.data, encoded.size);
  gnutls_free (encoded.data);
  return good;
}

/* GnuTLS hands coordinates out as signed integers: a leading zero may be added, leading zeros may be missing */
static gboolean
copy_coordinate (const gnutls_datum_t *in, guint8 out[COORDINATE_SIZE])
{
  const guint8 *data = in->data;
  gsize size = in->size;

  while (size > COORDINATE_SIZE && *data == 0)
    {
      data++;
      size--;
    }
  if (size > COORDINATE_SIZE)
    return FALSE;
  memset (out, 0, COORDINATE_SIZE - size);
  for (gsize i = 0; i < size; i++)
    out[COORDINATE_SIZE - size + i] = data[i];
  return TRUE;
}

gboolean
dcap_p256_from_certificate (gnutls_x509_crt_t certificate, guint8 out_key[DCAP_P256_KEY_SIZE])
{
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  gnutls_datum_t x = { NULL, 0 };
  gnutls_datum_t y = { NULL, 0 };
  guint8 key[DCAP_P256_KEY_SIZE];

  if (gnutls_x509_crt_get_pk_ecc_raw (certificate, &curve, &x, &y) != GNUTLS_E_SUCCESS)
    return FALSE;
  gboolean good = curve == GNUTLS_ECC_CURVE_SECP256R1 && copy_coordinate (&x, key) && copy_coordinate (&y, key + COORDINATE_SIZE);
  gnutls_free (x.data);
  gnutls_free (y.data);
  for (guint i = 0; good && i < sizeof key; i++)
    out_key[i] = key[i];
  return good;
}

void
dcap_p256_spki_sha256 (const guint8 key[DCAP_P256_KEY_SIZE], guint8 out_digest[32])
{
  const TeesqlDigestPart parts[] = { { spki_prefix, sizeof spki_prefix }, { key, DCAP_P256_KEY_SIZE } };
  teesql_digest (TEESQL_DIGEST_SHA256, out_digest, parts, G_N_ELEMENTS (parts));
}
