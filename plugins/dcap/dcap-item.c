#include "dcap-item.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "dcap-error.h"
#include "dcap-x509.h"

static const struct
{
  const char *name;
  gsize max_size;
  const char *member; /* of the answer, for JSON */
} kinds[DCAP_N_ITEMS] = {
  [DCAP_ITEM_ROOT_CRL] = { "root-crl", DCAP_CRL_MAX_SIZE, NULL },
  [DCAP_ITEM_PCK_CRL] = { "pck-crl", DCAP_CRL_MAX_SIZE, NULL },
  [DCAP_ITEM_TCB_INFO] = { "tcb-info", DCAP_TCB_INFO_MAX_SIZE, "tcbInfo" },
  [DCAP_ITEM_QE_IDENTITY] = { "qe-identity", DCAP_QE_IDENTITY_MAX_SIZE, "enclaveIdentity" },
};

const char *
dcap_item_kind_name (DcapItemKind kind)
{
  return kinds[kind].name;
}

gsize
dcap_item_kind_max_size (DcapItemKind kind)
{
  return kinds[kind].max_size;
}

DcapItem *
dcap_item_new (DcapItemKind kind, GBytes *body, GBytes *signature, GBytes *issuer_chain)
{
  DcapItem *self = g_new0 (DcapItem, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = kind;
  self->body = g_bytes_ref (body);
  self->signature = signature != NULL ? g_bytes_ref (signature) : NULL;
  self->issuer_chain = issuer_chain != NULL ? g_bytes_ref (issuer_chain) : NULL;
  return self;
}

DcapItem *
dcap_item_ref (DcapItem *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_item_unref (DcapItem *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_bytes_unref (self->body);
  g_clear_pointer (&self->signature, g_bytes_unref);
  g_clear_pointer (&self->issuer_chain, g_bytes_unref);
  g_free (self);
}

void
dcap_item_digest (const DcapItem *self, guint8 out_digest[32])
{
  guint8 parts_digest[3][32] = { { 0 } };
  GBytes *const parts[] = { self->body, self->signature, self->issuer_chain };
  const guint8 kind = (guint8) self->kind;

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      gsize size = 0;
      const guint8 *data = parts[i] != NULL ? g_bytes_get_data (parts[i], &size) : NULL;
      if (data != NULL)
        teesql_digest_bytes (TEESQL_DIGEST_SHA256, parts_digest[i], data, size);
    }
  const TeesqlDigestPart all[] = { { &kind, 1 }, { parts_digest, sizeof parts_digest } };
  teesql_digest (TEESQL_DIGEST_SHA256, out_digest, all, G_N_ELEMENTS (all));
}

static DcapItem *
item_from_json (DcapItemKind kind, GBytes *response, GBytes *issuer_chain, GError **error)
{
  DcapJsonNode object;
  guint8 signature[DCAP_P256_SIGNATURE_SIZE];
  GError *cause = NULL;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (response, &size);
  g_autoptr (DcapJson) json = dcap_json_parse (kinds[kind].name, data, size, &cause);

  if (json == NULL || !dcap_json_get (dcap_json_root (json), kinds[kind].member, DCAP_JSON_OBJECT, &object, &cause) ||
      !dcap_json_get_hex (dcap_json_root (json), "signature", signature, sizeof signature, &cause))
    {
      dcap_fail_parse (error, kinds[kind].name, "json", cause);
      return NULL;
    }
  const guint8 *slice = dcap_json_slice (object, &size);
  g_autoptr (GBytes) body = g_bytes_new (slice, size);
  g_autoptr (GBytes) signature_bytes = g_bytes_new (signature, sizeof signature);
  return dcap_item_new (kind, body, signature_bytes, issuer_chain);
}

static GBytes *
crl_from_pem (const guint8 *data, gsize size)
{
  g_auto (gnutls_x509_crl_t) crl = NULL;
  gnutls_datum_t in = { (unsigned char *) data, (unsigned int) size };
  gnutls_datum_t out = { NULL, 0 };

  if (gnutls_x509_crl_init (&crl) != GNUTLS_E_SUCCESS || gnutls_x509_crl_import (crl, &in, GNUTLS_X509_FMT_PEM) != GNUTLS_E_SUCCESS ||
      gnutls_x509_crl_export2 (crl, GNUTLS_X509_FMT_DER, &out) != GNUTLS_E_SUCCESS)
    return NULL;
  return dcap_x509_take_datum (&out);
}

/* PCS sends DER, a PCCS hex text of it for the root CRL; some mirrors send PEM. The first byte tells. */
static GBytes *
crl_to_der (GBytes *response)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (response, &size);

  if (size == 0)
    return NULL;
  if (data[0] == '-')
    return crl_from_pem (data, size);
  if (!g_ascii_isxdigit ((char) data[0]) || (size > 1 && !g_ascii_isxdigit ((char) data[1])))
    return g_bytes_ref (response);
  while (size > 0 && g_ascii_isspace ((char) data[size - 1]))
    size--;
  return teesql_hex_decode ((const char *) data, (gssize) size, NULL);
}

DcapItem *
dcap_item_new_from_response (DcapItemKind kind, GBytes *response, GBytes *issuer_chain, GError **error)
{
  g_autoptr (GBytes) der = NULL;
  const char *name = kinds[kind].name;

  /* hex text is twice as long as what it stands for */
  if (g_bytes_get_size (response) > 2 * kinds[kind].max_size)
    {
      dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: %" G_GSIZE_FORMAT " bytes are too many", name,
                      g_bytes_get_size (response));
      return NULL;
    }
  if (kinds[kind].member != NULL)
    return item_from_json (kind, response, issuer_chain, error);
  der = crl_to_der (response);
  if (der == NULL)
    {
      dcap_fail_item (error, TEESQL_ERROR_MALFORMED, name, "malformed", "%s: neither DER nor hex text nor PEM", name);
      return NULL;
    }
  return dcap_item_new (kind, der, NULL, issuer_chain);
}
