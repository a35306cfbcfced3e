#pragma once
#include "cli/teesql-cli.h"
#include <teesql/teesql-claims.h>

G_BEGIN_DECLS

/**
 * TeesqlCliOpinion:
 * @claims: (nullable): of a verifier that accepted
 * @reason: @message: (nullable): of one that did not
 * @could_tell: %FALSE: it could not be asked
 * @outage: it could not, because it is away
 * @skipped: it is away, `when-unavailable = skip` is written, and another one has accepted
 * @findings: (nullable) (element-type TeesqlFinding): what policy says to its claims, where one was asked
 * @explained: (nullable) (element-type TeesqlExplained): likewise, every rule
 *
 * what one verifier said. A list of them is printed side by side.
 */
typedef struct
{
  char *name;
  TeesqlClaims *claims;
  char *reason;
  char *message;
  gboolean could_tell;
  gboolean outage;
  gboolean skipped;
  GPtrArray *findings;
  GPtrArray *explained;
} TeesqlCliOpinion;

/* @claims, @error: one of the two; borrowed */
TeesqlCliOpinion *teesql_cli_opinion_new (const char *name, TeesqlClaims *claims, const GError *error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cli_opinion_free (TeesqlCliOpinion *self);
/* `verified`, `refused`, `skipped`, `unavailable` */
const char *teesql_cli_opinion_get_verdict (const TeesqlCliOpinion *self);
/* @opinions: (element-type TeesqlCliOpinion). The member `verifiers` */
void teesql_cli_opinions_add_json (GPtrArray *opinions, JsonBuilder *builder);
/* nothing for a single one, which the rest of the output is about */
void teesql_cli_opinions_print (GPtrArray *opinions);

G_END_DECLS
