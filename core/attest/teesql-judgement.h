#pragma once
#include "attest/teesql-proof.h"
#include "attest/teesql-verdict.h"
#include "policy/teesql-policy.h"

G_BEGIN_DECLS

/* From what was proved, or why it could not be, to the verdict. Pure. */

/* @taint: (nullable): external trust of the verifiers */
TeesqlVerdict *teesql_judgement_of_proof (const TeesqlProof *proof, const TeesqlPolicy *policy, gint64 now_unix, const char *taint)
    G_GNUC_WARN_UNUSED_RESULT;
/* (nullable) (transfer full): what each verifier's claims are worth to @policy, `dcap is accepted, ita is refused (…)`; %NULL when they
 * agree */
char *teesql_judgement_describe_split (const TeesqlProof *proof, const TeesqlPolicy *policy, gint64 now_unix) G_GNUC_WARN_UNUSED_RESULT;
/* The peer reads the message: one line, and no detail of ours when it was our side that could not tell. */
TeesqlVerdict *teesql_judgement_of_error (const GError *error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
