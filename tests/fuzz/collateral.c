/* Collateral from an untrusted server or a file: JSON, CRLs, chains. The first byte says what the rest is. */
#include "dcap/dcap-collateral.h"
#include "dcap/dcap-http.h"
#include "dcap/dcap-x509.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* the root of the chain is trusted, so that signatures made for the corpus hold */
static void
prove (DcapItem *item)
{
  DcapTrust trust;
  gsize size = 0;
  const char *text = item->issuer_chain != NULL ? g_bytes_get_data (item->issuer_chain, &size) : "";
  const char *end = text + size;
  const char *block = NULL;
  gsize block_size = 0;

  dcap_trust_init_intel (&trust);
  while (dcap_x509_next_pem (&text, end, &block, &block_size))
    (void) !dcap_trust_init_pem (&trust, block, block_size, NULL);
  g_autoptr (DcapFact) fact = dcap_fact_prove (item, &trust, NULL);
  if (fact != NULL)
    (void) !dcap_fact_check_time (fact, 1780000000, 0, NULL);
}

static void
fuzz_bundle (const guint8 *data, gsize size)
{
  g_autoptr (DcapCollateral) collateral = dcap_collateral_parse_bundle (data, size, NULL);

  for (guint i = 0; collateral != NULL && i < DCAP_N_ITEMS; i++)
    prove (collateral->items[i]);
}

static void
fuzz_response (DcapItemKind kind, const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (DcapItem) item = dcap_item_new_from_response (kind, bytes, NULL, NULL);

  if (item != NULL)
    prove (item);
}

static void
fuzz_header (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GBytes) decoded = dcap_http_percent_decode (text);
  DcapTrust trust;
  gsize decoded_size = 0;

  if (decoded == NULL)
    return;
  dcap_trust_init_intel (&trust);
  const guint8 *pem = g_bytes_get_data (decoded, &decoded_size);
  g_autoptr (DcapChain) chain = dcap_chain_prove (&dcap_chain_tcb_info, pem, decoded_size, &trust, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  guint8 what = 0;
  g_autoptr (DcapTcbInfo) tcb_info = NULL;
  g_autoptr (DcapQeIdentity) qe_identity = NULL;

  if (size == 0)
    return 0;
  what = *data++;
  size--;
  if (what == 'b')
    fuzz_bundle (data, size);
  else if (what == 't')
    tcb_info = dcap_tcb_info_parse (data, size, NULL);
  else if (what == 'q')
    qe_identity = dcap_qe_identity_parse (data, size, NULL);
  else if (what == 'h')
    fuzz_header (data, size);
  else
    fuzz_response ((DcapItemKind) (what % DCAP_N_ITEMS), data, size);
  return 0;
}
