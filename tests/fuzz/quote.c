/* A stranger's quote, from its first byte to its signatures. The root that the quote itself carries is trusted here, so that what lies
 * behind the chain is reached too. */
#include "dcap/dcap-verify.h"
#include "dcap/dcap-x509.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
trust_its_own_root (const DcapQuoteAuth *auth, DcapTrust *trust)
{
  const char *text = (const char *) teesql_cursor_peek (&auth->certification);
  const char *end = text + teesql_cursor_remaining (&auth->certification);
  const char *block = NULL;
  const char *root = NULL;
  gsize block_size = 0;
  gsize root_size = 0;

  while (dcap_x509_next_pem (&text, end, &block, &block_size))
    {
      root = block;
      root_size = block_size;
    }
  return root != NULL && dcap_trust_init_pem (trust, root, root_size, NULL);
}

static void
fuzz_quote (const guint8 *data, gsize size)
{
  TeesqlQuote quote;
  DcapQuoteAuth auth;
  DcapTrust trust;
  DcapPck pck = { 0 };
  const DcapRules rules = { .now = 1780000000 };
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (DcapEvidence) evidence = NULL;
  g_autoptr (DcapMemory) memory = NULL;

  if (!teesql_quote_parse (data, size, &quote, NULL) || !dcap_quote_auth_parse (&quote, &auth, NULL))
    return;
  if (auth.certification_type != DCAP_CERT_PCK_CHAIN)
    {
      (void) !dcap_quote_auth_check_platform (&auth, &pck, NULL);
      return;
    }
  if (!trust_its_own_root (&auth, &trust))
    dcap_trust_init_intel (&trust);
  memory = dcap_memory_new (&trust);
  evidence = dcap_evidence_prove (bytes, NULL, memory, &rules, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  DcapPck pck;

  fuzz_quote (data, size);
  (void) !dcap_pck_parse (data, size, &pck, NULL);
  return 0;
}
