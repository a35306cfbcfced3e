#pragma once
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

/* The versioned attestation of `.8` (RA-TLS profile 3): V0 SCALE is read and written, V1 msgpack is read. Pure functions. */

/**
 * teesql_ratls_attestation_parse:
 * @out_report_data: (transfer full) (optional): 64 bytes of the envelope
 *
 * RTMR3 events of the result are the *runtime events* list; where the platform log has them too, both must be the same sequence.
 * Errors: #TEESQL_ATTEST_ERROR, `evidence-malformed` and `evidence-platform`
 */
TeesqlEvidence *teesql_ratls_attestation_parse (const guint8 *data, gsize size, GBytes **out_report_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_ratls_attestation_write_v0:
 * @report_data: 64 bytes
 * @strip: leave out what does not belong into a certificate (3.3); what stays replays RTMR3
 *
 * Returns: (transfer full) (nullable): %NULL where the log holds a version 2 event, which V0 cannot carry
 */
GBytes *teesql_ratls_attestation_write_v0 (TeesqlEvidence *evidence, const guint8 *report_data, gboolean strip, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_ratls_event_log_parse_json:
 *
 * JSON text of the agent (`GetQuote.event_log`, extension `.2`) into @builder; bounded, digests optional for runtime events
 */
gboolean teesql_ratls_event_log_parse_json (const char *text, gsize size, TeesqlEvidenceBuilder *builder, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_ratls_wrap_extension:
 *
 * Returns: (transfer full): @payload as DER OCTET STRING, to be the value of an extension
 */
GBytes *teesql_ratls_wrap_extension (GBytes *payload) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
