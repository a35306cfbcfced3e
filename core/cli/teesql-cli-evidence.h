#pragma once
#include "attest/teesql-panel.h"
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
 * @policy_findings: (nullable) (element-type TeesqlFinding): of the first verifier that policy does not believe; %NULL where no policy
 *   was asked
 * @opinions: (element-type TeesqlCliOpinion): what each verifier said
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
  GPtrArray *opinions;
  int exit_code;
} TeesqlCliEvidence;

TeesqlCliEvidence *teesql_cli_evidence_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cli_evidence_free (TeesqlCliEvidence *self);
/* the first reason stays: what comes later rests on what failed */
void teesql_cli_evidence_refuse (TeesqlCliEvidence *self, const char *reason, const char *message);
/**
 * teesql_cli_evidence_verify:
 * @panel: asked in turn, also behind a refusal; all must accept, but for those that are away and may be passed over
 *
 * turns the default main context until it is done. A refusal is a result; an error is what kept us from having one.
 */
gboolean teesql_cli_evidence_verify (TeesqlCliEvidence *self, const TeesqlPanel *panel, TeesqlEvidence *evidence, gint64 now_unix,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @report_data: (nullable): of the envelope around the quote, which must say what the quote says */
void teesql_cli_evidence_check_envelope (TeesqlCliEvidence *self, GBytes *report_data);
/* @expected: 64 bytes that the report data must be */
void teesql_cli_evidence_check_binding (TeesqlCliEvidence *self, const guint8 *expected);
/* judged on the claims of each verifier: one that sees an older platform than another is right until proved wrong */
void teesql_cli_evidence_check_policy (TeesqlCliEvidence *self, const TeesqlPolicy *policy, gint64 now_unix);

/* the members alone, so that `verify server` can nest them */
void teesql_cli_evidence_add_members (const TeesqlCliEvidence *self, JsonBuilder *builder);
void teesql_cli_evidence_print_text (const TeesqlCliEvidence *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCliEvidence, teesql_cli_evidence_free)
G_END_DECLS
