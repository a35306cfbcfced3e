#pragma once
#include <teesql/teesql-error.h>
#include <teesql/teesql-evidence.h>
#include <teesql/teesql-tls-identity.h>

G_BEGIN_DECLS

typedef enum {
  TEESQL_ATTESTER_FEATURE_TLS_IDENTITY = 1 << 0, /* else core builds a self-signed identity from get_evidence */
  TEESQL_ATTESTER_FEATURE_INFO         = 1 << 1, /* else the fields stay empty in /attestation */
  TEESQL_ATTESTER_FEATURE_EXTEND       = 1 << 2, /* else plugin hashes are logged and not measured */
} TeesqlAttesterFeatures;

#define TEESQL_TYPE_ATTESTER (teesql_attester_get_type ())
TEESQL_API G_DECLARE_INTERFACE (TeesqlAttester, teesql_attester, TEESQL, ATTESTER, GObject)

/**
 * TeesqlAttesterInterface:
 * @get_features: optional; narrows what the filled slots promise (an agent too old for a method). Must not block.
 *   Default: every optional slot that is not %NULL.
 * @get_evidence_async: required; a quote over exactly @report_data, with the event log. @report_data is copied before return.
 *   Core keeps one call in flight per object, get_tls_identity included, and orders its queue (session, renewal, report): hardware
 *   makes one quote at a time.
 * @get_tls_identity_async: optional; a fresh key and a chain whose leaf carries evidence for that key
 * @get_info_async: optional; unsigned facts for display, `a{sv}` with `app_id`, `instance_id`, `compose_hash` (s, lower hex),
 *   `app_name`, `os_image_hash`, `key_provider`, `agent_version` (s). Never used for a decision.
 * @extend_async: optional; extends RTMR3 by a named event; @payload at most 64 KiB
 * @get_taint: optional; why this object is no production trust (`simulator at …`, `agent over http://…`), %NULL when it is.
 *   One line for status and log; core taints by it. Must not block; may change after a call.
 *
 * Errors: #TEESQL_ATTESTER_ERROR, %G_IO_ERROR_CANCELLED.
 */
struct _TeesqlAttesterInterface {
  GTypeInterface parent_iface;

  TeesqlAttesterFeatures (*get_features) (TeesqlAttester *self);

  void (*get_evidence_async) (TeesqlAttester *self, const guint8 *report_data,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlEvidence *(*get_evidence_finish) (TeesqlAttester *self, GAsyncResult *result, GError **error);

  void (*get_tls_identity_async) (TeesqlAttester *self, const TeesqlTlsRequest *request,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlTlsIdentity *(*get_tls_identity_finish) (TeesqlAttester *self, GAsyncResult *result, GError **error);

  void (*get_info_async) (TeesqlAttester *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GVariant *(*get_info_finish) (TeesqlAttester *self, GAsyncResult *result, GError **error);

  void (*extend_async) (TeesqlAttester *self, const char *event, GBytes *payload,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*extend_finish) (TeesqlAttester *self, GAsyncResult *result, GError **error);

  const char *(*get_taint) (TeesqlAttester *self);

  /*< private >*/
  gpointer padding[TEESQL_PADDING];
};

TEESQL_API TeesqlAttesterFeatures teesql_attester_get_features (TeesqlAttester *self);
TEESQL_API const char *teesql_attester_get_taint (TeesqlAttester *self);

/**
 * teesql_attester_get_evidence_async:
 * @report_data: (array fixed-size=64) (transfer none): 64 bytes, copied before this returns
 * @callback: (scope async): runs once, in the thread-default context of the caller, never before this returns
 */
TEESQL_API void teesql_attester_get_evidence_async (TeesqlAttester *self, const guint8 *report_data,
                                                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_attester_get_evidence_finish:
 *
 * Returns: (transfer full) (nullable): core has checked that the quote's REPORTDATA is what was asked for; a mismatch is
 *   %TEESQL_ERROR_REFUSED
 */
TEESQL_API TeesqlEvidence *teesql_attester_get_evidence_finish (TeesqlAttester *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_attester_get_tls_identity_async (TeesqlAttester *self, const TeesqlTlsRequest *request,
                                                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API TeesqlTlsIdentity *teesql_attester_get_tls_identity_finish (TeesqlAttester *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_attester_get_info_async (TeesqlAttester *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API GVariant *teesql_attester_get_info_finish (TeesqlAttester *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_attester_extend_async (TeesqlAttester *self, const char *event, GBytes *payload,
                                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API gboolean teesql_attester_extend_finish (TeesqlAttester *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;

G_END_DECLS
