#include "ita-chain.h"

#include "../dcap/dcap-x509.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "ita-error.h"
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

#define CHAIN_MAX       10
#define CERTIFICATE_MAX ((gsize) 8192)
#define BITS_MAX        8192u
#define EXPONENT_MAX    4u

#define fail_chain(error, ...) ita_reject (error, "key-chain", __VA_ARGS__)

typedef struct
{
  gnutls_x509_crt_t certificates[CHAIN_MAX];
  GBytes *der[CHAIN_MAX];
  guint n;
} Chain;

static void
chain_clear (Chain *self)
{
  for (guint i = 0; i < self->n; i++)
    {
      gnutls_x509_crt_deinit (self->certificates[i]);
      g_bytes_unref (self->der[i]);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

/* Checking a signature costs what the key asks for: modulus and exponent of 30,000 bits would be minutes. */
static gboolean
check_cost (gnutls_x509_crt_t certificate, GError **error)
{
  gnutls_datum_t modulus = { NULL, 0 };
  gnutls_datum_t exponent = { NULL, 0 };
  unsigned int bits = 0;
  const int algorithm = gnutls_x509_crt_get_pk_algorithm (certificate, &bits);
  guint size = 0;

  if (algorithm == GNUTLS_PK_RSA && gnutls_x509_crt_get_pk_rsa_raw (certificate, &modulus, &exponent) >= 0)
    {
      size = exponent.size;
      gnutls_free (modulus.data);
      gnutls_free (exponent.data);
    }
  return (bits <= BITS_MAX && size <= EXPONENT_MAX) ||
         fail_chain (error, "key set: a certificate of x5c has a key of %u bits with an exponent of %u bytes", bits, size);
}

static gboolean
add_certificate (Chain *self, DcapJsonNode node, GError **error)
{
  g_autofree char *text = dcap_json_type (node) == DCAP_JSON_STRING ? dcap_json_text (node, CERTIFICATE_MAX * 2, NULL) : NULL;
  g_autoptr (GBytes) der = text != NULL ? teesql_base64_decode (text, -1, NULL) : NULL;
  gnutls_datum_t datum = { NULL, 0 };
  gnutls_x509_crt_t certificate = NULL;
  gsize size = 0;

  if (der == NULL || g_bytes_get_size (der) > CERTIFICATE_MAX || self->n == CHAIN_MAX)
    return fail_chain (error, "key set: x5c is no chain of at most %d certificates in base64", CHAIN_MAX);
  datum.data = (unsigned char *) g_bytes_get_data (der, &size);
  datum.size = (unsigned int) size;
  if (gnutls_x509_crt_init (&certificate) < 0)
    return fail_chain (error, "key set: no memory for a certificate");
  if (gnutls_x509_crt_import (certificate, &datum, GNUTLS_X509_FMT_DER) < 0)
    {
      gnutls_x509_crt_deinit (certificate);
      return fail_chain (error, "key set: certificate %u of x5c cannot be read", self->n + 1);
    }
  self->certificates[self->n] = certificate;
  self->der[self->n++] = g_steal_pointer (&der);
  return check_cost (certificate, error);
}

static gboolean
read_chain (Chain *self, DcapJsonNode x5c, GError **error)
{
  DcapJsonNode child;

  if (dcap_json_type (x5c) != DCAP_JSON_ARRAY)
    return fail_chain (error, "key set: x5c is no array");
  for (gboolean more = dcap_json_first (x5c, &child); more; more = dcap_json_next (child, &child))
    if (!add_certificate (self, child, error))
      return FALSE;
  return self->n >= 2 ||
         fail_chain (error, "key set: x5c has %u certificates, expected the key's and its authorities up to the root", self->n);
}

/* Leading zeros are an accident of encoding. */
static gboolean
same_number (const gnutls_datum_t *a, GBytes *b)
{
  gsize b_size = 0;
  const guint8 *b_data = g_bytes_get_data (b, &b_size);
  const guint8 *a_data = a->data;
  gsize a_size = a->size;

  for (; a_size > 0 && *a_data == 0; a_data++)
    a_size--;
  for (; b_size > 0 && *b_data == 0; b_data++)
    b_size--;
  return a_size == b_size && memcmp (a_data, b_data, a_size) == 0;
}

static gboolean
check_leaf_key (const Chain *self, const ItaKey *key, GError **error)
{
  gnutls_datum_t modulus = { NULL, 0 };
  gnutls_datum_t exponent = { NULL, 0 };
  gboolean same = FALSE;

  if (gnutls_x509_crt_get_pk_rsa_raw (self->certificates[0], &modulus, &exponent) < 0)
    return fail_chain (error, "key set: the certificate of %.32s… has no RSA key", key->kid);
  same = same_number (&modulus, key->modulus) && same_number (&exponent, key->exponent);
  gnutls_free (modulus.data);
  gnutls_free (exponent.data);
  return same || fail_chain (error, "key set: the certificate of %.32s… is of another key", key->kid);
}

static gboolean
check_links (const Chain *self, const ItaKey *key, GError **error)
{
  const guint last = self->n - 1;
  unsigned int status = 0;

  if (gnutls_x509_crt_check_issuer (self->certificates[last], self->certificates[last]) == 0)
    return fail_chain (error, "key set: the chain of %.32s… does not end in a root", key->kid);
  for (guint i = 0; i < last; i++)
    if (gnutls_x509_crt_check_issuer (self->certificates[i], self->certificates[i + 1]) == 0)
      return fail_chain (error, "key set: certificate %u of %.32s… was not issued by the next", i + 1, key->kid);
  /* the time is not the library's to know (SR-27) */
  if (gnutls_x509_crt_list_verify (self->certificates, (int) self->n, &self->certificates[last], 1, NULL, 0,
                                   GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT, &status) < 0 ||
      status != 0)
    return fail_chain (error, "key set: the chain of %.32s… does not hold together (status 0x%x)", key->kid, status);
  return TRUE;
}

static gboolean
read_root (const Chain *self, ItaKey *key, GError **error)
{
  GBytes *root = self->der[self->n - 1];
  gnutls_pubkey_t public_key = NULL;
  gnutls_datum_t spki = { NULL, 0 };

  if (gnutls_pubkey_init (&public_key) < 0 || gnutls_pubkey_import_x509 (public_key, self->certificates[self->n - 1], 0) < 0 ||
      gnutls_pubkey_export2 (public_key, GNUTLS_X509_FMT_DER, &spki) < 0)
    {
      gnutls_pubkey_deinit (public_key);
      return fail_chain (error, "key set: the root of %.32s… has no readable key", key->kid);
    }
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, key->anchor, spki.data, spki.size);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, key->root, g_bytes_get_data (root, NULL), g_bytes_get_size (root));
  gnutls_free (spki.data);
  gnutls_pubkey_deinit (public_key);
  return TRUE;
}

static void
read_dates (const Chain *self, ItaKey *key)
{
  key->not_before = 0;
  key->not_after = G_MAXINT64;
  for (guint i = 0; i < self->n; i++)
    {
      key->not_before = MAX (key->not_before, (gint64) gnutls_x509_crt_get_activation_time (self->certificates[i]));
      key->not_after = MIN (key->not_after, (gint64) gnutls_x509_crt_get_expiration_time (self->certificates[i]));
    }
}

gboolean
ita_chain_check (DcapJsonNode x5c, ItaKey *key, GError **error)
{
  g_auto (Chain) chain = { 0 };

  if (!read_chain (&chain, x5c, error) || !check_leaf_key (&chain, key, error) || !check_links (&chain, key, error) ||
      !read_root (&chain, key, error))
    return FALSE;
  read_dates (&chain, key);
  key->leaf = g_bytes_ref (chain.der[0]);
  return TRUE;
}
