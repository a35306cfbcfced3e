/* A peer's certificate, or the attestation inside one: whatever is read before anybody is authenticated. */
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-certificate.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What was read must be readable: every event has a digest or an error, and what can be written reads back. */
static void
use (TeesqlEvidence *evidence)
{
  static const guint8 report_data[64];
  g_autoptr (GBytes) written = teesql_ratls_attestation_write_v0 (evidence, report_data, FALSE, NULL);
  g_autoptr (TeesqlEvidence) again = NULL;
  guint8 rtmr[48];

  for (guint i = 0; i < 4; i++)
    if (teesql_event_log_rtmr (evidence, i, rtmr, NULL))
      teesql_log_claims_free (teesql_event_log_replay (evidence, rtmr, NULL));
  if (written == NULL)
    return;
  again = teesql_ratls_attestation_parse (g_bytes_get_data (written, NULL), g_bytes_get_size (written), NULL, NULL);
  if (again == NULL || teesql_evidence_get_n_events (again) != teesql_evidence_get_n_events (evidence))
    g_error ("what was written does not read back");
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlRatlsPeer) peer = NULL;

  if (size > 0 && data[0] == 0x30)
    {
      peer = teesql_ratls_peer_parse (data, size, NULL);
      if (peer == NULL)
        return 0;
      use (peer->evidence);
      (void) !teesql_ratls_peer_check_binding (peer, NULL);
      return 0;
    }
  evidence = teesql_ratls_attestation_parse (data, size, NULL, NULL);
  if (evidence != NULL)
    use (evidence);
  return 0;
}
