#pragma once
#include <teesql/teesql-claims.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

#define TEESQL_TYPE_VERIFIER (teesql_verifier_get_type ())
TEESQL_API G_DECLARE_INTERFACE (TeesqlVerifier, teesql_verifier, TEESQL, VERIFIER, GObject)

/**
 * TeesqlVerifierInterface:
 * @verify_async: required; proves the evidence at the time @now_unix (Unix seconds, UTC; the implementation asks no clock
 *   for anything that a date is compared with). May fetch collateral, within its own deadline. Any number of calls may be in flight.
 *   It answers "is this a genuine quote and what does it say", and decides nothing: a debug TD or an old TCB is a claim.
 *   Nothing is fetched before the chain to the root and the quote's signature have been checked.
 * @get_taint: optional; why it rests on another root or authority than Intel's (`trusted-root /etc/…`), %NULL when it does not
 *
 * Errors in #TEESQL_VERIFIER_ERROR: REFUSED or MALFORMED (the evidence or something signed is wrong), UNSUPPORTED (another TEE or
 * version), UNAVAILABLE or THROTTLED (collateral or service could not be had; core refuses the connection and may retry),
 * PERMISSION and CONFIG (the operator). Each refusal has a reason of its own: one per rule of the procedure.
 */
struct _TeesqlVerifierInterface {
  GTypeInterface parent_iface;

  void (*verify_async) (TeesqlVerifier *self, TeesqlEvidence *evidence, gint64 now_unix,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlClaims *(*verify_finish) (TeesqlVerifier *self, GAsyncResult *result, GError **error);

  const char *(*get_taint) (TeesqlVerifier *self);

  /*< private >*/
  gpointer padding[TEESQL_PADDING];
};

TEESQL_API const char *teesql_verifier_get_taint (TeesqlVerifier *self);
TEESQL_API void teesql_verifier_verify_async (TeesqlVerifier *self, TeesqlEvidence *evidence, gint64 now_unix,
                                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_verifier_verify_finish:
 *
 * Returns: (transfer full) (nullable): core has compared every field that is in the quote itself
 */
TEESQL_API TeesqlClaims *teesql_verifier_verify_finish (TeesqlVerifier *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;

G_END_DECLS
