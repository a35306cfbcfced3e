#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlError:
 * @TEESQL_ERROR_FAILED: a fault without a better name. Not retried.
 * @TEESQL_ERROR_REFUSED: evidence, token or answer was read and is wrong. Never retried, never overridden.
 * @TEESQL_ERROR_MALFORMED: bytes from the other side could not be parsed. Treated as refused.
 * @TEESQL_ERROR_UNSUPPORTED: a kind, version or optional method this object does not have.
 * @TEESQL_ERROR_UNAVAILABLE: the other side could not be asked (network, 5xx, agent away). Core retries with jitter.
 * @TEESQL_ERROR_THROTTLED: as unavailable, after teesql_error_get_retry_after_ms() at the earliest.
 * @TEESQL_ERROR_PERMISSION: credentials missing, wrong or not entitled. The operator must act; not retried.
 * @TEESQL_ERROR_CONFIG: an option is missing or makes no sense. The operator must act.
 * @TEESQL_ERROR_NOT_FOUND: no such object, key or platform.
 * @TEESQL_ERROR_EXISTS: %TEESQL_STORAGE_PUT_IF_ABSENT met an object of that name.
 * @TEESQL_ERROR_NO_SPACE: quota or disk full. The operator must act; core pauses.
 * @TEESQL_ERROR_INTEGRITY: stored bytes differ from what was written (length or transport checksum).
 *
 * one code per thing a caller does differently.
 *
 * Cancellation and time are %G_IO_ERROR_CANCELLED and %G_IO_ERROR_TIMED_OUT of #G_IO_ERROR, as everywhere in GIO.
 * Message: lower case, no full stop, what was read, expected, found. A second line may begin with `hint: `.
 */
typedef enum {
  TEESQL_ERROR_FAILED,
  TEESQL_ERROR_REFUSED,
  TEESQL_ERROR_MALFORMED,
  TEESQL_ERROR_UNSUPPORTED,
  TEESQL_ERROR_UNAVAILABLE,
  TEESQL_ERROR_THROTTLED,
  TEESQL_ERROR_PERMISSION,
  TEESQL_ERROR_CONFIG,
  TEESQL_ERROR_NOT_FOUND,
  TEESQL_ERROR_EXISTS,
  TEESQL_ERROR_NO_SPACE,
  TEESQL_ERROR_INTEGRITY,
} TeesqlError;

/* The domain says who failed, the code what to do about it. All four are extended GError domains (GLib >= 2.68)
 * that carry a reason and a retry time, also across the storage host's process boundary. */
#define TEESQL_ATTESTER_ERROR (teesql_attester_error_quark ())
#define TEESQL_VERIFIER_ERROR (teesql_verifier_error_quark ())
#define TEESQL_KMS_ERROR      (teesql_kms_error_quark ())
#define TEESQL_STORAGE_ERROR  (teesql_storage_error_quark ())
TEESQL_API GQuark teesql_attester_error_quark (void);
TEESQL_API GQuark teesql_verifier_error_quark (void);
TEESQL_API GQuark teesql_kms_error_quark (void);
TEESQL_API GQuark teesql_storage_error_quark (void);

/**
 * teesql_error_new:
 * @domain: one of the four domains above
 * @reason: stable identifier `[a-z0-9-]{1,63}` that machines and the manual use, such as `qe-report-signature`
 * @retry_after_ms: earliest retry, 0 when not known
 *
 * Returns: (transfer full): for g_task_return_error() or g_propagate_error()
 */
TEESQL_API GError *teesql_error_new (GQuark domain, TeesqlError code, const char *reason, guint retry_after_ms,
                                     const char *format, ...) G_GNUC_PRINTF (5, 6) TEESQL_MUST_USE;

/**
 * teesql_error_get_reason:
 *
 * Returns: (transfer none): the reason; `unspecified` for errors of other domains
 */
TEESQL_API const char *teesql_error_get_reason (const GError *error);
TEESQL_API guint teesql_error_get_retry_after_ms (const GError *error);

G_END_DECLS
