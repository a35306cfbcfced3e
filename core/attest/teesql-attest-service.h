#pragma once
#include "attest/teesql-verdict.h"
#include "base/teesql-clock.h"
#include "base/teesql-log.h"
#include "policy/teesql-policy.h"
#include "status/teesql-status.h"
#include <teesql/teesql-attester.h>
#include <teesql/teesql-kms.h>
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

/**
 * TeesqlAttestService:
 *
 * identity of this program and judgement of peers: the one entry point of SR-1. Lives on the main context; the calls marked
 * (any thread) may come from workers.
 *
 * Signal `identity-changed`: (main context) a new identity is ready for new handshakes
 * Signal `judge-again`: (main context) policy, configuration, clock or the collateral of a platform changed: running sessions ask anew
 */
#define TEESQL_TYPE_ATTEST_SERVICE (teesql_attest_service_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlAttestService, teesql_attest_service, TEESQL, ATTEST_SERVICE, GObject)

/**
 * TeesqlDirection:
 *
 * who the peer is to us: each direction has its own policy
 */
typedef enum
{
  TEESQL_DIRECTION_CLIENTS,
  TEESQL_DIRECTION_SERVER
} TeesqlDirection;

/**
 * TeesqlAttestOptions:
 *
 * Borrowed for the call, referenced where kept.
 */
typedef struct
{
  TeesqlConfig *config;
  TeesqlAttester *attester;
  TeesqlVerifier *const *verifiers; /* all must accept; a refusal always wins */
  const char *const *verifier_names;
  guint n_verifiers;
  TeesqlClock *clock;
  TeesqlStatus *status;
  TeesqlDirection direction;   /* which policy judges: clients in teesqld, server in teesql */
  TeesqlTlsUsage usage;        /* what our own certificate is for */
  const guint8 *config_digest; /* (nullable): 48 bytes; NULL: of @config alone, without facts */
} TeesqlAttestOptions;

/**
 * teesql_attest_service_new:
 *
 * refuses what never works out: a policy group that makes no sense, external and Intel's roots side by side (SR-7, reason
 * `mixed-roots`), a simulator beside Intel's root (`mixed-trust`). A taint that an attester shows only later is checked again then.
 */
TeesqlAttestService *teesql_attest_service_new (const TeesqlAttestOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_start_async:
 *
 * gets the first identity, checks it against its own quote by the verifiers (not by policy), then keeps it renewed by
 * itself; a failed renewal is retried with back-off, degrades health and fails closed at expiry
 */
void teesql_attest_service_start_async (TeesqlAttestService *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer user_data);
gboolean teesql_attest_service_start_finish (TeesqlAttestService *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_stop: (main context)
 *
 * ends the timers and what is in flight; the identity stays for sessions that drain. Before the last unref.
 */
void teesql_attest_service_stop (TeesqlAttestService *self);
TeesqlStatus *teesql_attest_service_get_status (TeesqlAttestService *self);
/**
 * teesql_attest_service_check_kms: (main context)
 *
 * keys of a simulator beside a production attester, or the reverse, are refused (reason `mixed-trust`); a taint of @kms is published.
 * To be asked after the first key, since an agent says only then what it is.
 */
gboolean teesql_attest_service_check_kms (TeesqlAttestService *self, TeesqlKms *kms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_ref_identity: (any thread)
 *
 * Returns: (transfer full) (nullable): %NULL before the first one and after expiry: no handshake may then be made
 */
TeesqlTlsIdentity *teesql_attest_service_ref_identity (TeesqlAttestService *self) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_lookup: (any thread)
 * @leaf: DER of the certificate whose key the peer has just proved to hold
 *
 * Returns: (transfer full) (nullable): a cached, still valid, positive verdict
 */
TeesqlVerdict *teesql_attest_service_lookup (TeesqlAttestService *self, GBytes *leaf) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_judge_async: (any thread)
 * @leaf: (nullable): %NULL: no certificate came, which gives the verdict `no-evidence`
 *
 * binding, chain, quote, collateral, event log, policy, in the order of the design; calls in flight for one digest are merged, their
 * number capped (`busy`). Calls back in the caller's thread-default context, never before it returns.
 */
void teesql_attest_service_judge_async (TeesqlAttestService *self, GBytes *leaf, const TeesqlLogContext *context, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_attest_service_judge_finish:
 *
 * Returns: (transfer full) (nullable): a verdict either way; %NULL only when cancelled
 */
TeesqlVerdict *teesql_attest_service_judge_finish (TeesqlAttestService *self, GAsyncResult *result, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_attest_service_reload: (main context)
 *
 * takes a new configuration and its digest: drops cached verdicts whose policy changed, emits `judge-again`
 */
gboolean teesql_attest_service_reload (TeesqlAttestService *self, TeesqlConfig *config, const guint8 digest[48], GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
