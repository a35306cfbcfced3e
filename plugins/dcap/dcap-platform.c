#include "dcap-platform.h"

#include "dcap-error.h"

const char *
dcap_ca_name (DcapCa ca)
{
  return ca == DCAP_CA_PLATFORM ? "platform" : "processor";
}

/* The issuer's name selects the CRL that may revoke the leaf. */
static gboolean
read_ca (DcapPlatform *self, GError **error)
{
  const char *name = self->chain->certificates[1].common_name;

  if (strstr (name, "SGX PCK Platform CA") != NULL)
    self->ca = DCAP_CA_PLATFORM;
  else if (strstr (name, "SGX PCK Processor CA") != NULL)
    self->ca = DCAP_CA_PROCESSOR;
  else
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "pck-chain-name", "pck-chain: issuer is named %s, expected the Platform or Processor CA",
                      name);
  return TRUE;
}

DcapPlatform *
dcap_platform_prove (const guint8 *pem, gsize size, const DcapTrust *trust, GError **error)
{
  g_autoptr (DcapPlatform) self = g_new0 (DcapPlatform, 1);
  gsize extension_size = 0;

  g_atomic_ref_count_init (&self->ref_count);
  self->chain = dcap_chain_prove (&dcap_chain_pck, pem, size, trust, error);
  if (self->chain == NULL || !read_ca (self, error))
    return NULL;
  if (self->chain->extension == NULL)
    {
      dcap_fail (error, TEESQL_ERROR_MALFORMED, "pck-extension", "pck certificate: extension " DCAP_PCK_EXTENSION_OID " is missing");
      return NULL;
    }
  const guint8 *extension = g_bytes_get_data (self->chain->extension, &extension_size);
  if (!dcap_pck_parse (extension, extension_size, &self->pck, error))
    return NULL;
  return g_steal_pointer (&self);
}

DcapPlatform *
dcap_platform_ref (DcapPlatform *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_platform_unref (DcapPlatform *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->chain, dcap_chain_unref);
  g_free (self);
}
