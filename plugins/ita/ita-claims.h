#pragma once
#include "ita-keys.h"
#include <teesql/teesql-claims.h>

G_BEGIN_DECLS

/**
 * ItaRules:
 * @now: the time everything is judged at; no clock is asked anywhere below
 * @max_age: seconds a token may be old, whatever its `exp`
 * @pinned_root: (nullable): SHA-256 of the root certificate that keys must lead to
 * @policy_ids: (array zero-terminated=1): every one must have matched
 */
typedef struct
{
  ItaTokenRules token;
  gint64 now;
  gint64 max_age;
  const char *issuer;
  const guint8 *pinned_root;
  const char *const *policy_ids;
} ItaRules;

/**
 * ita_token_check:
 * @quote: the one that was sent, as delivered
 *
 * the signature, then every claim that SR-10 names, against @rules and against the quote's own bytes. Pure.
 *
 * Reasons: those of the key; `key-root`, `key-dates`; `token-claim-absent`, `token-claim-type`, `token-times`, `token-expired`,
 * `token-not-yet-valid`, `token-issued-in-future`, `token-too-old`, `token-iss`, `token-ver`, `token-layout`, `token-nonce`,
 * `token-held-data`, `token-attester-type`, `token-measurement`, `token-report-data`, `token-attributes`, `token-svn`, `token-debug`,
 * `token-policy`, `token-tcb-status`, `token-advisories`, `token-fmspc`.
 */
TeesqlClaims *ita_token_check (const ItaToken *token, const ItaKey *key, GBytes *quote, const ItaRules *rules, GError **error)
    TEESQL_MUST_USE;

G_END_DECLS
