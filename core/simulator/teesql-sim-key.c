#include "simulator/teesql-sim-key.h"
#include "base/teesql-locked-memory.h"
#include "simulator/teesql-sim-der.h"
#include <gnutls/crypto.h>
#include <nettle/bignum.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <string.h>

typedef struct
{
  const TeesqlSecret *ikm;
  const char *salt;
  GByteArray *info;
} HkdfRequest;

gboolean
teesql_sim_gnutls_failed (int code, const char *doing, GError **error)
{
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_FAILED, "simulator-crypto", 0, "%s: %s", doing,
                                              gnutls_strerror (code)));
  return FALSE;
}

static gboolean
fill_hkdf (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const HkdfRequest *request = user_data;
  gsize ikm_size = 0;
  const guint8 *ikm = teesql_secret_peek (request->ikm, &ikm_size);

  teesql_hkdf_sha256 (ikm, ikm_size, (const guint8 *) request->salt, strlen (request->salt), request->info->data, request->info->len, out,
                      size);
  return TRUE;
}

TeesqlSecret *
teesql_sim_hkdf (const TeesqlSecret *ikm, const char *salt, const TeesqlDigestPart *info, guint n_info, GError **error)
{
  g_autoptr (GByteArray) joined = g_byte_array_new ();
  HkdfRequest request = { ikm, salt, joined };

  for (guint i = 0; i < n_info; i++)
    if (info[i].size > 0)
      g_byte_array_append (joined, info[i].data, (guint) info[i].size);
  return teesql_secret_new_fill (32, fill_hkdf, &request, error);
}

/* GnuTLS has no way from a bare scalar to its point */
static gboolean
compute_point (const guint8 scalar[32], guint8 out[64])
{
  const struct ecc_curve *curve = nettle_get_secp_256r1 ();
  struct ecc_scalar k;
  struct ecc_point point;
  mpz_t number;
  gboolean in_range;

  nettle_mpz_init_set_str_256_u (number, 32, scalar);
  ecc_scalar_init (&k, curve);
  in_range = ecc_scalar_set (&k, number) != 0;
  if (in_range)
    {
      mpz_t y;

      mpz_init (y);
      ecc_point_init (&point, curve);
      ecc_point_mul_g (&point, &k);
      ecc_point_get (&point, number, y);
      nettle_mpz_get_str_256 (32, out, number);
      nettle_mpz_get_str_256 (32, out + 32, y);
      ecc_point_clear (&point);
      mpz_clear (y);
    }
  ecc_scalar_clear (&k);
  mpz_clear (number);
  return in_range;
}

static gboolean
import_key (TeesqlSimKey *self, const guint8 *scalar, GError **error)
{
  const gnutls_datum_t x = { self->point, 32 };
  const gnutls_datum_t y = { self->point + 32, 32 };
  const gnutls_datum_t k = { (guint8 *) scalar, 32 };
  int code = gnutls_privkey_init (&self->privkey);

  if (code == 0)
    code = gnutls_privkey_import_ecc_raw (self->privkey, GNUTLS_ECC_CURVE_SECP256R1, &x, &y, &k);
  return code == 0 || teesql_sim_gnutls_failed (code, "importing a P-256 key", error);
}

TeesqlSimKey *
teesql_sim_key_new (TeesqlSecret *scalar, GError **error)
{
  g_autoptr (TeesqlSimKey) self = g_new0 (TeesqlSimKey, 1);
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (scalar, &size);

  self->scalar = teesql_secret_ref (scalar);
  if (size != 32 || !compute_point (bytes, self->point))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_FAILED, "simulator-key-range", 0,
                                                  "a derived number of %" G_GSIZE_FORMAT " bytes is no P-256 key", size));
      return NULL;
    }
  return import_key (self, bytes, error) ? g_steal_pointer (&self) : NULL;
}

static gboolean
fill_random (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  int code = gnutls_rnd (GNUTLS_RND_KEY, out, size);

  return code == 0 || teesql_sim_gnutls_failed (code, "drawing a key", error);
}

TeesqlSimKey *
teesql_sim_key_generate (GError **error)
{
  g_autoptr (TeesqlSecret) random = teesql_secret_new_fill (32, fill_random, NULL, error);
  g_autoptr (TeesqlSecret) scalar = random != NULL ? teesql_sim_hkdf (random, "RATLS", NULL, 0, error) : NULL;

  return scalar != NULL ? teesql_sim_key_new (scalar, error) : NULL;
}

void
teesql_sim_key_free (TeesqlSimKey *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->scalar, teesql_secret_unref);
  g_clear_pointer (&self->privkey, gnutls_privkey_deinit);
  g_free (self);
}

GBytes *
teesql_sim_key_get_spki (const TeesqlSimKey *self)
{
  GByteArray *algorithm = g_byte_array_new ();
  GByteArray *content = g_byte_array_new ();
  GByteArray *spki = g_byte_array_new ();
  guint8 point[65] = { 0x04 };

  for (gsize i = 0; i < sizeof self->point; i++)
    point[1 + i] = self->point[i];
  teesql_sim_der_add_oid (algorithm, "1.2.840.10045.2.1");
  teesql_sim_der_add_oid (algorithm, "1.2.840.10045.3.1.7");
  teesql_sim_der_close (content, TEESQL_SIM_DER_SEQUENCE, algorithm);
  teesql_sim_der_add_bits (content, point, sizeof point);
  teesql_sim_der_close (spki, TEESQL_SIM_DER_SEQUENCE, content);
  return g_byte_array_free_to_bytes (spki);
}

gboolean
teesql_sim_key_sign_der (const TeesqlSimKey *self, const guint8 *data, gsize size, GBytes **out_signature, GError **error)
{
  const gnutls_datum_t message = { (guint8 *) data, (unsigned) size };
  gnutls_datum_t signature = { NULL, 0 };
  int code;

  g_return_val_if_fail (size <= G_MAXUINT, FALSE);
  code = gnutls_privkey_sign_data2 (self->privkey, GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_PRIVKEY_FLAG_REPRODUCIBLE, &message, &signature);
  if (code != 0)
    return teesql_sim_gnutls_failed (code, "signing", error);
  *out_signature = g_bytes_new (signature.data, signature.size);
  gnutls_free (signature.data);
  return TRUE;
}

/* GnuTLS gives a DER INTEGER's content: 33 bytes with a sign byte, or fewer than 32 */
static void
right_align (guint8 out[32], const gnutls_datum_t *number)
{
  for (guint i = 0; i < 32; i++)
    out[31 - i] = i < number->size ? number->data[number->size - 1 - i] : 0;
}

gboolean
teesql_sim_key_sign_raw (const TeesqlSimKey *self, const guint8 *data, gsize size, guint8 out[64], GError **error)
{
  g_autoptr (GBytes) der = NULL;
  gnutls_datum_t whole = { NULL, 0 };
  gnutls_datum_t r = { NULL, 0 };
  gnutls_datum_t s = { NULL, 0 };
  gsize der_size = 0;
  int code;

  if (!teesql_sim_key_sign_der (self, data, size, &der, error))
    return FALSE;
  whole.data = (guint8 *) g_bytes_get_data (der, &der_size);
  whole.size = (unsigned) der_size;
  code = gnutls_decode_rs_value (&whole, &r, &s);
  if (code != 0)
    return teesql_sim_gnutls_failed (code, "splitting a signature", error);
  right_align (out, &r);
  right_align (out + 32, &s);
  gnutls_free (r.data);
  gnutls_free (s.data);
  return TRUE;
}

char *
teesql_sim_key_export_pem (const TeesqlSimKey *self, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  gnutls_datum_t pem = { NULL, 0 };
  char *text;
  int code = gnutls_privkey_export_x509 (self->privkey, &key);

  if (code == 0)
    code = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
  if (code != 0)
    {
      teesql_sim_gnutls_failed (code, "writing a key", error);
      return NULL;
    }
  text = g_strndup ((const char *) pem.data, pem.size);
  teesql_wipe (pem.data, pem.size);
  gnutls_free (pem.data);
  return text;
}
