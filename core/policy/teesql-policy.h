#pragma once
#include "config/teesql-config.h"
#include "ratls/teesql-event-log.h"
#include <teesql/teesql-claims.h>

G_BEGIN_DECLS

/**
 * TeesqlPolicy:
 *
 * one `[policy:NAME]` group as rules. Boxed, refcounted, immutable.
 */
typedef struct _TeesqlPolicy TeesqlPolicy;
#define TEESQL_TYPE_POLICY (teesql_policy_get_type ())
GType teesql_policy_get_type (void);

/**
 * teesql_policy_new_from_config:
 * @name: `clients`, `server`
 *
 * Returns: (transfer full) (nullable): a policy with unsettled pins is made (and refuses everybody); errors are values that make no sense
 */
TeesqlPolicy *teesql_policy_new_from_config (TeesqlConfig *config, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlPolicy *teesql_policy_ref (TeesqlPolicy *self);
void teesql_policy_unref (TeesqlPolicy *self);
const char *teesql_policy_get_name (const TeesqlPolicy *self);
/**
 * teesql_policy_get_unsettled:
 *
 * Returns: (transfer none) (array zero-terminated=1): `firmware (allowed-mrtd)`, … of SR-6 that nothing settles; empty when all four are
 */
const char *const *teesql_policy_get_unsettled (const TeesqlPolicy *self);
const char *const *teesql_policy_get_any (const TeesqlPolicy *self); /* keys in which `any` is written, to log and show */
guint teesql_policy_get_verdict_ttl_ms (const TeesqlPolicy *self);
gboolean teesql_policy_needs_event_log (const TeesqlPolicy *self);
const guint8 *teesql_policy_get_digest (const TeesqlPolicy *self); /* 32 bytes: part of the verdict cache's key */

/**
 * teesql_tcb_status_to_text:
 *
 * Returns: (nullable): Intel's word, `UpToDate`; %NULL for a number that is no status
 */
const char *teesql_tcb_status_to_text (TeesqlTcbStatus status);

/**
 * TeesqlSubject:
 * @claims: proved by a verifier
 * @log: (nullable): proved by replay against @claims
 * @legacy: evidence was `.1`/`.2`
 *
 * everything a policy may look at.
 */
typedef struct {
  TeesqlClaims *claims;
  const TeesqlLogClaims *log;
  gboolean legacy;
} TeesqlSubject;

/**
 * TeesqlFinding:
 * @reason: stable id, `mrtd-not-allowed`
 * @message: one line, `MRTD 91a0… is not in allowed-mrtd`
 */
typedef struct {
  char *reason;
  char *message;
} TeesqlFinding;

/**
 * teesql_policy_check_attributes:
 *
 * the rules no policy can relax beyond its named options: debug and reserved TD attribute bits, SEPT_VE_DISABLE, MRSERVICETD,
 * MRSIGNERSEAM and SEAM attributes. @policy %NULL: strict. Part of what `verify quote` calls verified.
 *
 * Returns: (transfer full) (element-type TeesqlFinding): empty when all is well. Reasons `debug`, `sept-ve-disable-clear`,
 *   `reserved-td-attribute-bits`, `migratable`, `mr-service-td-nonzero`, `mr-signer-seam-nonzero`, `seam-attributes-nonzero`
 */
GPtrArray *teesql_policy_check_attributes (const TeesqlPolicy *policy, TeesqlClaims *claims) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_policy_judge:
 *
 * pure: every rule, in a fixed order, the precise reason for each that refuses. Includes check_attributes.
 *
 * Reasons: those of check_attributes; `policy-unsettled`, `legacy-evidence`, `event-log-missing`, `mrconfigid-mismatch`; `mrtd-not-allowed`
 * and the like per pin (`os-image-hash-`, `rtmr0-` to `rtmr3-`, `compose-hash-`, `key-provider-`, `app-id-`, `instance-id-`, `mrseam-`,
 * `fmspc-`, `platform-`); `tcb-status-not-accepted`, `advisory-refused`, `tcb-evaluation-too-low`, `claims-expired`, `collateral-too-old`
 *
 * Returns: (transfer full) (element-type TeesqlFinding): empty means accepted
 */
GPtrArray *teesql_policy_judge (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlExplained:
 * @rule: key of the policy, or `attributes`
 * @expected: what the policy wants, as in a file
 * @found: (nullable): what the subject has; %NULL when nobody learnt it
 * @reason: @message: (nullable): %NULL when it passes
 */
typedef struct {
  char *rule;
  char *expected;
  char *found;
  char *reason;
  char *message;
} TeesqlExplained;

/* every rule, passed or not: what teesql_policy_judge() would say, with what it looked at. (element-type TeesqlExplained) */
GPtrArray *teesql_policy_explain (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPolicy, teesql_policy_unref)
G_END_DECLS
