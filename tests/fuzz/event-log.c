/* The event log as the agent's JSON: members, escapes, digests, then the replay over whatever was accepted. */
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-attestation.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = g_bytes_new_static ("quote", 5);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  guint8 rtmr3[48];

  teesql_evidence_builder_set_quote (builder, quote);
  if (!teesql_ratls_event_log_parse_json ((const char *) data, size, builder, NULL))
    return 0;
  evidence = teesql_evidence_builder_end (builder, NULL);
  if (evidence == NULL || !teesql_event_log_rtmr (evidence, 3, rtmr3, NULL))
    return 0;
  teesql_log_claims_free (teesql_event_log_replay (evidence, rtmr3, NULL));
  return 0;
}
