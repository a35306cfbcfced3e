#include <teesql/teesql-attester.h>
#include "sdk/teesql-call.h"
#include "sdk/teesql-quote.h"
#include <string.h>

#define DOMAIN          TEESQL_ATTESTER_ERROR
#define SUBJECT_MAX     256
#define N_ALT_NAMES_MAX 64
#define EVENT_NAME_MAX  256
#define PAYLOAD_MAX     ((gsize) 65536)
#define ALL_FEATURES    (TEESQL_ATTESTER_FEATURE_TLS_IDENTITY | TEESQL_ATTESTER_FEATURE_INFO | TEESQL_ATTESTER_FEATURE_EXTEND)

G_DEFINE_INTERFACE (TeesqlAttester, teesql_attester, G_TYPE_OBJECT)

static void
teesql_attester_default_init (TeesqlAttesterInterface *iface)
{
}

static TeesqlAttesterFeatures
features_of_slots (const TeesqlAttesterInterface *iface)
{
  TeesqlAttesterFeatures features = 0;

  if (iface->get_tls_identity_async != NULL && iface->get_tls_identity_finish != NULL)
    features |= TEESQL_ATTESTER_FEATURE_TLS_IDENTITY;
  if (iface->get_info_async != NULL && iface->get_info_finish != NULL)
    features |= TEESQL_ATTESTER_FEATURE_INFO;
  if (iface->extend_async != NULL && iface->extend_finish != NULL)
    features |= TEESQL_ATTESTER_FEATURE_EXTEND;
  return features;
}

TeesqlAttesterFeatures
teesql_attester_get_features (TeesqlAttester *self)
{
  TeesqlAttesterInterface *iface = NULL;

  g_return_val_if_fail (TEESQL_IS_ATTESTER (self), 0);

  iface = TEESQL_ATTESTER_GET_IFACE (self);
  return features_of_slots (iface) & (iface->get_features != NULL ? iface->get_features (self) : (TeesqlAttesterFeatures) ALL_FEATURES);
}

const char *
teesql_attester_get_taint (TeesqlAttester *self)
{
  TeesqlAttesterInterface *iface = NULL;

  g_return_val_if_fail (TEESQL_IS_ATTESTER (self), NULL);

  iface = TEESQL_ATTESTER_GET_IFACE (self);
  return iface->get_taint != NULL ? iface->get_taint (self) : NULL;
}

/* A quote over anything else than was asked for proves nothing about our key: it may be another's, or an old one. */
static GError *
check_report_data (TeesqlEvidence *evidence, const guint8 *report_data)
{
  GBytes *bytes = teesql_evidence_get_quote (evidence);
  GError *error = NULL;
  TeesqlQuote quote = { 0 };
  gsize size = 0;
  const guint8 *found = NULL;

  if (!teesql_quote_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &quote, &error))
    {
      GError *translated = teesql_error_new (DOMAIN, (TeesqlError) error->code, teesql_error_get_reason (error), 0,
                                             "the attester's evidence: %s", error->message);

      g_error_free (error);
      return translated;
    }
  found = teesql_quote_get_field (&quote, TEESQL_FIELD_REPORT_DATA, &size);
  if (found != NULL && size == TEESQL_REPORT_DATA_SIZE && memcmp (found, report_data, size) == 0)
    return NULL;
  return teesql_error_new (DOMAIN, TEESQL_ERROR_REFUSED, "report-data-mismatch", 0,
                           "the attester's quote is not over the report data that was asked for");
}

static void
evidence_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlAttester *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlEvidence) evidence = TEESQL_ATTESTER_GET_IFACE (self)->get_evidence_finish (self, result, &error);

  if (teesql_call_failed (task, evidence != NULL, error, DOMAIN, "get_evidence"))
    return;
  error = check_report_data (evidence, g_task_get_task_data (task));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&evidence), (GDestroyNotify) teesql_evidence_unref);
}

void
teesql_attester_get_evidence_async (TeesqlAttester *self, const guint8 *report_data, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlAttesterInterface *iface = NULL;
  guint8 *copy = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_ATTESTER (self));
  g_return_if_fail (report_data != NULL);

  iface = TEESQL_ATTESTER_GET_IFACE (self);
  task = teesql_call_begin (self, teesql_attester_get_evidence_async, cancellable, callback, user_data);
  copy = g_memdup2 (report_data, TEESQL_REPORT_DATA_SIZE);
  g_task_set_task_data (task, copy, g_free);
  if (iface->get_evidence_async == NULL || iface->get_evidence_finish == NULL)
    teesql_call_refuse (task, teesql_call_broken (DOMAIN, "%s lacks the required get_evidence", G_OBJECT_TYPE_NAME (self)));
  else
    iface->get_evidence_async (self, copy, cancellable, evidence_ready_cb, task);
}

TeesqlEvidence *
teesql_attester_get_evidence_finish (TeesqlAttester *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attester_get_evidence_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
request_is_sound (const TeesqlTlsRequest *request)
{
  const guint usages = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT;
  guint n_names = 0;

  if (request->subject == NULL || strnlen (request->subject, SUBJECT_MAX + 1) > SUBJECT_MAX)
    return FALSE;
  while (request->alt_names != NULL && request->alt_names[n_names] != NULL)
    n_names++;
  return n_names <= N_ALT_NAMES_MAX && request->usage != 0 && ((guint) request->usage & ~usages) == 0 &&
         request->not_before_unix < request->not_after_unix;
}

static void
tls_identity_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlAttester *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = TEESQL_ATTESTER_GET_IFACE (self)->get_tls_identity_finish (self, result, &error);

  if (!teesql_call_failed (task, identity != NULL, error, DOMAIN, "get_tls_identity"))
    g_task_return_pointer (task, g_steal_pointer (&identity), (GDestroyNotify) teesql_tls_identity_unref);
}

void
teesql_attester_get_tls_identity_async (TeesqlAttester *self, const TeesqlTlsRequest *request, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_ATTESTER (self));
  g_return_if_fail (request != NULL);

  task = teesql_call_begin (self, teesql_attester_get_tls_identity_async, cancellable, callback, user_data);
  if ((teesql_attester_get_features (self) & TEESQL_ATTESTER_FEATURE_TLS_IDENTITY) == 0)
    teesql_call_refuse (task, teesql_call_unsupported (DOMAIN, self, "get_tls_identity"));
  else if (!request_is_sound (request))
    teesql_call_refuse (task, teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "tls-request", 0,
                                                "the TLS request lacks a usage, or its subject, names or dates make no sense"));
  else
    TEESQL_ATTESTER_GET_IFACE (self)->get_tls_identity_async (self, request, cancellable, tls_identity_ready_cb, task);
}

TeesqlTlsIdentity *
teesql_attester_get_tls_identity_finish (TeesqlAttester *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attester_get_tls_identity_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
info_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlAttester *self = g_task_get_source_object (task);
  GError *error = NULL;
  GVariant *raw = TEESQL_ATTESTER_GET_IFACE (self)->get_info_finish (self, result, &error);
  g_autoptr (GVariant) info = raw != NULL ? g_variant_take_ref (raw) : NULL;

  if (teesql_call_failed (task, info != NULL, error, DOMAIN, "get_info"))
    return;
  if (!g_variant_is_of_type (info, G_VARIANT_TYPE_VARDICT) || !g_variant_is_normal_form (info))
    g_task_return_error (task, teesql_call_broken (DOMAIN, "get_info of %s gave a %s, expected a{sv}", G_OBJECT_TYPE_NAME (self),
                                                   g_variant_get_type_string (info)));
  else
    g_task_return_pointer (task, g_steal_pointer (&info), (GDestroyNotify) g_variant_unref);
}

void
teesql_attester_get_info_async (TeesqlAttester *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_ATTESTER (self));

  task = teesql_call_begin (self, teesql_attester_get_info_async, cancellable, callback, user_data);
  if ((teesql_attester_get_features (self) & TEESQL_ATTESTER_FEATURE_INFO) == 0)
    teesql_call_refuse (task, teesql_call_unsupported (DOMAIN, self, "get_info"));
  else
    TEESQL_ATTESTER_GET_IFACE (self)->get_info_async (self, cancellable, info_ready_cb, task);
}

GVariant *
teesql_attester_get_info_finish (TeesqlAttester *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attester_get_info_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
event_is_sound (const char *event, GBytes *payload)
{
  gsize length = strnlen (event, EVENT_NAME_MAX + 1);

  if (length == 0 || length > EVENT_NAME_MAX || strchr (event, ':') != NULL || g_bytes_get_size (payload) > PAYLOAD_MAX)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    {
      if (event[i] < 0x20 || event[i] > 0x7e)
        return FALSE;
    }
  return TRUE;
}

static void
extend_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlAttester *self = g_task_get_source_object (task);
  GError *error = NULL;
  gboolean extended = TEESQL_ATTESTER_GET_IFACE (self)->extend_finish (self, result, &error);

  if (!teesql_call_failed (task, extended, error, DOMAIN, "extend"))
    g_task_return_boolean (task, TRUE);
}

void
teesql_attester_extend_async (TeesqlAttester *self, const char *event, GBytes *payload, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_ATTESTER (self));
  g_return_if_fail (event != NULL && payload != NULL);

  task = teesql_call_begin (self, teesql_attester_extend_async, cancellable, callback, user_data);
  if ((teesql_attester_get_features (self) & TEESQL_ATTESTER_FEATURE_EXTEND) == 0)
    teesql_call_refuse (task, teesql_call_unsupported (DOMAIN, self, "extend"));
  else if (!event_is_sound (event, payload))
    teesql_call_refuse (task, teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "event-name", 0,
                                                "the event's name is not printable ASCII without a colon, or its payload is too large"));
  else
    TEESQL_ATTESTER_GET_IFACE (self)->extend_async (self, event, payload, cancellable, extend_ready_cb, task);
}

gboolean
teesql_attester_extend_finish (TeesqlAttester *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attester_extend_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
