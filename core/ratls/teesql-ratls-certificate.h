#pragma once
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

#define TEESQL_RATLS_MAX_CERTIFICATE ((gsize) 49152)
#define TEESQL_RATLS_OID_QUOTE       "1.3.6.1.4.1.62397.1.1"
#define TEESQL_RATLS_OID_EVENT_LOG   "1.3.6.1.4.1.62397.1.2"
#define TEESQL_RATLS_OID_ATTESTATION "1.3.6.1.4.1.62397.1.8"

/**
 * TeesqlRatlsPeer:
 * @evidence: what the certificate shows
 * @spki: SubjectPublicKeyInfo, DER, of the leaf
 * @legacy: evidence came from `.1`/`.2`
 * @envelope_report_data: (nullable): report data of the `.8` envelope
 * @not_before_unix, @not_after_unix: dates of the leaf
 *
 * a leaf certificate, parsed. Nothing in it is proved.
 */
typedef struct
{
  TeesqlEvidence *evidence;
  GBytes *spki;
  GBytes *envelope_report_data;
  gboolean legacy;
  gint64 not_before_unix;
  gint64 not_after_unix;
} TeesqlRatlsPeer;

/**
 * teesql_ratls_peer_parse:
 * @leaf: DER, at most %TEESQL_RATLS_MAX_CERTIFICATE
 *
 * the rules of RA-TLS profile 1 to 3: `.8` first; `.8` and `.1` together must carry the same quote up to zero padding; legacy
 * evidence is parsed and left to policy. Pure. Errors: #TEESQL_ATTEST_ERROR MALFORMED, or UNSUPPORTED for another platform; reasons
 * `no-evidence`, `certificate-malformed`, `certificate-key`, `evidence-malformed`, `evidence-platform`, `evidence-duplicate`, …
 */
TeesqlRatlsPeer *teesql_ratls_peer_parse (const guint8 *leaf, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_ratls_peer_free (TeesqlRatlsPeer *self);
/**
 * teesql_ratls_report_data:
 *
 * SHA-512 ("ratls-cert:" ‖ SubjectPublicKeyInfo DER): the one binding
 */
void teesql_ratls_report_data (const guint8 *spki, gsize spki_size, guint8 out[64]);
/**
 * teesql_ratls_peer_check_binding:
 *
 * quote and envelope both carry the report data of this very key; constant time. Reason `report-data-mismatch`.
 */
gboolean teesql_ratls_peer_check_binding (const TeesqlRatlsPeer *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRatlsPeer, teesql_ratls_peer_free)
G_END_DECLS
