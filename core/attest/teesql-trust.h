#pragma once
#include "status/teesql-status.h"
#include <teesql/teesql-attester.h>
#include <teesql/teesql-kms.h>
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

/* SR-7: external trust is visible, and never stands beside production trust. Taints may change after a call, so these are asked again. */

/**
 * teesql_trust_check:
 * @verifiers: (element-type TeesqlVerifier)
 *
 * Intel's root and another one in one policy are refused (`mixed-roots`), and so is a simulator under Intel's root (`mixed-trust`).
 * Real hardware under another root is allowed: preproduction platforms are that, and a taint is shown.
 */
gboolean teesql_trust_check (TeesqlAttester *attester, GPtrArray *verifiers, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_trust_check_kms (TeesqlAttester *attester, TeesqlKms *kms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full) (nullable): what a verdict of these verifiers rests on beside Intel's root */
char *teesql_trust_dup_verifier_taint (GPtrArray *verifiers) G_GNUC_WARN_UNUSED_RESULT;
/* into status and into every log line from now on */
void teesql_trust_publish (TeesqlStatus *status, const char *taint);

G_END_DECLS
