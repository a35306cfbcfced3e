#include "dcap-pccs.h"

#include "base/teesql-hex.h"
#include "dcap-error.h"
#include "dcap-http.h"

#define INTEL_HOST     "api.trustedservices.intel.com"
#define INTEL_ROOT_CRL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define SGX_PATH       "/sgx/certification/v4"
#define TDX_PATH       "/tdx/certification/v4"

struct _DcapPccs
{
  SoupSession *session;
  char *base_url; /* no slash at the end */
  char *root_crl_url;
  gboolean early;
  guint timeout_ms;
};

/* older caches use the SGX name for TDX too */
static const char *const pck_crl_headers[] = { "SGX-PCK-CRL-Issuer-Chain", NULL };
static const char *const tcb_info_headers[] = { "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain", NULL };
static const char *const qe_identity_headers[] = { "SGX-Enclave-Identity-Issuer-Chain", NULL };

static const char *const *const chain_headers[DCAP_N_ITEMS] = {
  [DCAP_ITEM_ROOT_CRL] = NULL,
  [DCAP_ITEM_PCK_CRL] = pck_crl_headers,
  [DCAP_ITEM_TCB_INFO] = tcb_info_headers,
  [DCAP_ITEM_QE_IDENTITY] = qe_identity_headers,
};

static gboolean
check_url (const char *what, const char *url, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if ((!g_str_equal (scheme, "https") && !g_str_equal (scheme, "http")) || host == NULL || *host == '\0' ||
      g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL)
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "collateral-url", "%s: expected http://HOST or https://HOST, perhaps with a path", what);
  return TRUE;
}

/* Many write the address of a cache with the path of the service behind it. */
static char *
trim_url (const char *url)
{
  g_autofree char *copy = g_strdup (url);
  gsize length = strlen (copy);

  while (length > 0 && copy[length - 1] == '/')
    copy[--length] = '\0';
  if (g_str_has_suffix (copy, SGX_PATH))
    copy[length - strlen (SGX_PATH)] = '\0';
  return g_steal_pointer (&copy);
}

static char *
default_root_crl_url (const char *base_url)
{
  g_autoptr (GUri) uri = g_uri_parse (base_url, G_URI_FLAGS_NONE, NULL);

  /* Intel's own service does not serve it; the root certificate names this place */
  if (uri != NULL && g_strcmp0 (g_uri_get_host (uri), INTEL_HOST) == 0)
    return g_strdup (INTEL_ROOT_CRL);
  return g_strconcat (base_url, SGX_PATH "/rootcacrl", NULL);
}

DcapPccs *
dcap_pccs_new (const DcapPccsOptions *options, GError **error)
{
  if (!check_url ("collateral-url", options->base_url, error) ||
      (options->root_crl_url != NULL && !check_url ("root-crl-url", options->root_crl_url, error)))
    return NULL;
  DcapPccs *self = g_new0 (DcapPccs, 1);
  self->base_url = trim_url (options->base_url);
  self->root_crl_url = options->root_crl_url != NULL ? g_strdup (options->root_crl_url) : default_root_crl_url (self->base_url);
  self->early = options->early;
  self->timeout_ms = options->timeout_ms;
  self->session = dcap_http_session_new (options->ca);
  return self;
}

void
dcap_pccs_free (DcapPccs *self)
{
  soup_session_abort (self->session);
  g_object_unref (self->session);
  g_free (self->base_url);
  g_free (self->root_crl_url);
  g_free (self);
}

char *
dcap_pccs_item_url (const DcapPccs *self, DcapItemKind kind, const DcapPlatform *platform)
{
  g_autofree char *fmspc = NULL;

  switch (kind)
    {
    case DCAP_ITEM_PCK_CRL:
      return g_strdup_printf ("%s" SGX_PATH "/pckcrl?ca=%s&encoding=der", self->base_url, dcap_ca_name (platform->ca));
    case DCAP_ITEM_TCB_INFO:
      fmspc = teesql_hex_encode (platform->pck.fmspc, sizeof platform->pck.fmspc);
      return g_strdup_printf ("%s" TDX_PATH "/tcb?fmspc=%s%s", self->base_url, fmspc, self->early ? "&update=early" : "");
    case DCAP_ITEM_QE_IDENTITY:
      return g_strdup_printf ("%s" TDX_PATH "/qe/identity%s", self->base_url, self->early ? "?update=early" : "");
    case DCAP_ITEM_ROOT_CRL:
    default:
      return g_strdup (self->root_crl_url);
    }
}

void
dcap_pccs_fetch_async (DcapPccs *self, DcapItemKind kind, const DcapPlatform *platform, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  gboolean is_crl = kind == DCAP_ITEM_ROOT_CRL || kind == DCAP_ITEM_PCK_CRL;
  g_autofree char *url = dcap_pccs_item_url (self, kind, platform);
  const DcapHttpRequest request = {
    .what = dcap_item_kind_name (kind),
    .uri = url,
    .chain_headers = chain_headers[kind],
    /* caches send CRLs as hex text */
    .max_size = dcap_item_kind_max_size (kind) * (is_crl ? 2 : 1),
    .timeout_ms = self->timeout_ms,
  };

  dcap_http_get_async (self->session, &request, cancellable, callback, user_data);
}

GBytes *
dcap_pccs_fetch_finish (GAsyncResult *result, GBytes **out_chain, GError **error)
{
  return dcap_http_get_finish (result, out_chain, error);
}
