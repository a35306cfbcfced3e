#pragma once
#include "cli/teesql-cli.h"
#include "policy/teesql-policy.h"
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

typedef enum
{
  TEESQL_CLI_BINDING_NOT_CHECKED,
  TEESQL_CLI_BINDING_OK,
  TEESQL_CLI_BINDING_MISMATCH
} TeesqlCliBinding;

/**
 * TeesqlCliEvidence:
 * @verified: the procedure and the attribute rules hold; says nothing about whether anybody wants such a peer
 * @reason, @message: (nullable): why the exit code is not 0
 * @legacy: set by the caller: the evidence came in the old form, which a policy may not want
 * @claims: (nullable): what was proved; absent where the procedure failed
 * @log: (nullable): what the replayed event log adds
 * @policy_findings: (nullable) (element-type TeesqlFinding): %NULL where no policy was asked
 *
 * what `verify` prints about evidence: the object of schemas/verify-quote.json.
 */
typedef struct
{
  gboolean verified;
  char *reason;
  char *message;
  TeesqlCliBinding binding;
  gboolean legacy;
  TeesqlClaims *claims;
  TeesqlLogClaims *log;
  GPtrArray *policy_findings;
  GPtrArray *opinions; /* TeesqlCliOpinion */
  GPtrArray *explained; /* (nullable) TeesqlExplained, where a policy was asked */
  int exit_code;
} TeesqlCliEvidence;

TeesqlCliEvidence *teesql_cli_evidence_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cli_evidence_free (TeesqlCliEvidence *self);
/* the first reason stays: what comes later rests on what failed */
void teesql_cli_evidence_refuse (TeesqlCliEvidence *self, const char *reason, const char *message);
/**
 * teesql_cli_evidence_verify:
 * @verifiers: (element-type TeesqlVerifier): asked in turn, also behind a refusal; all must accept
 * @names: (array zero-terminated=1): of their instances
 *
 * turns the default main context until it is done. A refusal is a result; an error is what kept us from having one.
 */
gboolean teesql_cli_evidence_verify (TeesqlCliEvidence *self, GPtrArray *verifiers, const char *const *names,
                                     TeesqlEvidence *evidence, gint64 now_unix,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @expected: 64 bytes that the report data must be */
/* @report_data: (nullable): of the envelope around the quote, which must say what the quote says */
void teesql_cli_evidence_check_envelope (TeesqlCliEvidence *self, GBytes *report_data);
void teesql_cli_evidence_check_binding (TeesqlCliEvidence *self, const guint8 *expected);
void teesql_cli_evidence_check_policy (TeesqlCliEvidence *self, const TeesqlPolicy *policy, gint64 now_unix);

/* the members alone, so that `verify server` can nest them */
void teesql_cli_evidence_add_members (const TeesqlCliEvidence *self, JsonBuilder *builder);
/* each rule of the policy: expected, found, pass or refuse: the object of schemas/policy-explain.json */
void teesql_cli_evidence_print_explained (const TeesqlCliEvidence *self, gboolean json);
void teesql_cli_evidence_print_text (const TeesqlCliEvidence *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCliEvidence, teesql_cli_evidence_free)
G_END_DECLS
