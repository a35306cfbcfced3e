#pragma once
#include "attest/teesql-panel.h"
#include "base/teesql-clock.h"
#include "ratls/teesql-event-log.h"
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

/**
 * TeesqlProof:
 * @claims: (element-type TeesqlClaims): one of each verifier that was asked, all of which accepted
 * @names: (element-type utf8): whose they are, in the same order
 * @skipped: (nullable): who could not be asked and why, `ita (ita-timeout)`, where that is allowed
 * @log: (nullable): what the replayed event log says; %NULL for legacy evidence without a log
 * @legacy: evidence came from `.1`/`.2`
 * @certificate_ends_unix: the first second after the dates of the certificate
 * @ends_unix: the first second at which something that was used has expired, the certificate included
 *
 * what is proved about the holder of a certificate's key, before any policy. Not an approval.
 */
typedef struct
{
  GPtrArray *claims;
  GPtrArray *names;
  char *skipped;
  TeesqlLogClaims *log;
  gboolean legacy;
  gint64 certificate_ends_unix;
  gint64 ends_unix;
} TeesqlProof;

/**
 * teesql_proof_async:
 * @panel: at least one verifier; referenced
 * @leaf: the certificate
 * @timeout_ms: for everything
 *
 * size and form, binding of quote to key, dates, then all verifiers, then the replay of the log (RA-TLS profile 6). After a
 * refusal the others have two seconds, so that a disagreement is seen; an unreachable verifier never outweighs a refusal. One that
 * cannot be asked is asked again, twice at most, while half of the time is left. Main context. Errors are those of the parts;
 * G_IO_ERROR_TIMED_OUT when a verifier did not answer in time.
 */
void teesql_proof_async (TeesqlPanel *panel, TeesqlClock *clock, GBytes *leaf, guint timeout_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data);
TeesqlProof *teesql_proof_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_proof_free (TeesqlProof *self);
/* TRUE: evidence was read and is wrong, as opposed to: nobody could tell now */
gboolean teesql_proof_is_refusal (const GError *error) G_GNUC_WARN_UNUSED_RESULT;
/* TRUE: the verifier is away or does not answer (%NULL: not in time), which `when-unavailable` is about. Not that our key or configuration
 * is no good, which somebody has to mend. */
gboolean teesql_proof_is_outage (const GError *error) G_GNUC_WARN_UNUSED_RESULT;
/* @claims: (element-type TeesqlClaims). What is in the quote was compared with it; this is what verifiers learn beside it. Reason
 * `verifiers-disagree`. */
gboolean teesql_proof_check_same_platform (GPtrArray *claims, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlProof, teesql_proof_free)
G_END_DECLS
