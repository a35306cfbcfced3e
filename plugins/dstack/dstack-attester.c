#include "dstack-attester.h"
#include "dstack-agent.h"
#include "dstack-answers.h"
#include "dstack-json.h"
#include "dstack-properties.h"
#include "base/teesql-hex.h"

struct _DstackAttester
{
  GObject parent_instance;
  char *endpoint;
  guint timeout_ms;
  guint identity_timeout_ms;
  DstackAgent *agent;
};

static void dstack_attester_iface_init (TeesqlAttesterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (DstackAttester, dstack_attester, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_ATTESTER, dstack_attester_iface_init))

enum
{
  PROP_ENDPOINT = 1,
  PROP_TIMEOUT,
  PROP_IDENTITY_TIMEOUT,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

static TeesqlAttesterFeatures
get_features (TeesqlAttester *attester)
{
  /* not EXTEND: EmitEvent is gone from the agent */
  return TEESQL_ATTESTER_FEATURE_TLS_IDENTITY | TEESQL_ATTESTER_FEATURE_INFO;
}

static const char *
get_taint (TeesqlAttester *attester)
{
  return dstack_agent_get_taint (DSTACK_ATTESTER (attester)->agent);
}

/* Returns: (nullable): the answer of the call that @task waits for; else @task has its error */
static DstackAnswer *
take_answer (GTask *task, GAsyncResult *result)
{
  DstackAttester *self = g_task_get_source_object (task);
  GError *error = NULL;
  DstackAnswer *answer = dstack_agent_call_finish (self->agent, result, &error);

  if (answer == NULL)
    g_task_return_error (task, error);
  return answer;
}

static void
return_value (GTask *task, gpointer value, GDestroyNotify destroy, GError *error)
{
  DstackAttester *self = g_task_get_source_object (task);

  if (value != NULL)
    g_task_return_pointer (task, value, destroy);
  else
    g_task_return_error (task, dstack_agent_take_error (self->agent, error));
}

static void
quote_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (DstackAnswer) answer = take_answer (task, result);
  GError *error = NULL;
  TeesqlEvidence *evidence = NULL;

  if (answer == NULL)
    return;
  evidence = dstack_answer_quote (answer->body.data, answer->body.size, g_task_get_task_data (task), &error);
  return_value (task, evidence, (GDestroyNotify) teesql_evidence_unref, error);
}

static void
get_evidence_async (TeesqlAttester *attester, const guint8 *report_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  DstackAttester *self = DSTACK_ATTESTER (attester);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *hex = teesql_hex_encode (report_data, TEESQL_REPORT_DATA_SIZE);
  g_autofree char *json = g_strdup_printf ("{\"report_data\":\"%s\"}", hex);

  g_task_set_source_tag (task, get_evidence_async);
  g_task_set_task_data (task, g_memdup2 (report_data, TEESQL_REPORT_DATA_SIZE), g_free);
  dstack_agent_call_async (self->agent, "GetQuote", json, FALSE, self->timeout_ms, cancellable, quote_cb, task);
}

static TeesqlEvidence *
get_evidence_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, attester), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* What of the request is needed when the answer comes: the caller's strings are its own. */
static TeesqlTlsRequest *
request_keep (const TeesqlTlsRequest *request)
{
  TeesqlTlsRequest *kept = g_new0 (TeesqlTlsRequest, 1);

  kept->usage = request->usage;
  kept->not_before_unix = request->not_before_unix;
  kept->not_after_unix = request->not_after_unix;
  return kept;
}

static char *
request_json (const TeesqlTlsRequest *request)
{
  GString *json = g_string_new ("{\"subject\":");

  dstack_json_write_string (json, request->subject != NULL ? request->subject : "");
  g_string_append (json, ",\"alt_names\":[");
  for (guint i = 0; request->alt_names != NULL && request->alt_names[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (json, ',');
      dstack_json_write_string (json, request->alt_names[i]);
    }
  g_string_append_printf (json,
                          "],\"usage_ra_tls\":true,\"usage_server_auth\":%s,\"usage_client_auth\":%s,\"not_before\":%" G_GINT64_FORMAT
                          ",\"not_after\":%" G_GINT64_FORMAT ",\"with_app_info\":false}",
                          (request->usage & TEESQL_TLS_USAGE_SERVER) != 0 ? "true" : "false",
                          (request->usage & TEESQL_TLS_USAGE_CLIENT) != 0 ? "true" : "false", request->not_before_unix,
                          request->not_after_unix);
  return g_string_free (json, FALSE);
}

static void
tls_key_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (DstackAnswer) answer = take_answer (task, result);
  GError *error = NULL;
  TeesqlTlsIdentity *identity = NULL;

  if (answer == NULL)
    return;
  identity = dstack_answer_tls_identity (answer->body.data, answer->body.size, g_task_get_task_data (task), &error);
  return_value (task, identity, (GDestroyNotify) teesql_tls_identity_unref, error);
}

static void
get_tls_identity_async (TeesqlAttester *attester, const TeesqlTlsRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  DstackAttester *self = DSTACK_ATTESTER (attester);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *json = request_json (request);

  g_task_set_source_tag (task, get_tls_identity_async);
  g_task_set_task_data (task, request_keep (request), g_free);
  dstack_agent_call_async (self->agent, "GetTlsKey", json, TRUE, self->identity_timeout_ms, cancellable, tls_key_cb, task);
}

static TeesqlTlsIdentity *
get_tls_identity_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, attester), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
info_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  DstackAttester *self = g_task_get_source_object (task);
  g_autoptr (DstackAnswer) answer = take_answer (task, result);
  GError *error = NULL;
  GVariant *info = NULL;

  if (answer == NULL)
    return;
  info = dstack_answer_info (answer->body.data, answer->body.size, dstack_agent_get_version (self->agent), &error);
  return_value (task, info, (GDestroyNotify) g_variant_unref, error);
}

static void
get_info_async (TeesqlAttester *attester, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  DstackAttester *self = DSTACK_ATTESTER (attester);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, get_info_async);
  dstack_agent_call_async (self->agent, "Info", "{}", FALSE, self->timeout_ms, cancellable, info_cb, task);
}

static GVariant *
get_info_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, attester), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
dstack_attester_iface_init (TeesqlAttesterInterface *iface)
{
  iface->get_features = get_features;
  iface->get_evidence_async = get_evidence_async;
  iface->get_evidence_finish = get_evidence_finish;
  iface->get_tls_identity_async = get_tls_identity_async;
  iface->get_tls_identity_finish = get_tls_identity_finish;
  iface->get_info_async = get_info_async;
  iface->get_info_finish = get_info_finish;
  iface->get_taint = get_taint;
}

static void
dstack_attester_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  DstackAttester *self = DSTACK_ATTESTER (object);

  switch (id)
    {
    case PROP_ENDPOINT:
      g_free (self->endpoint);
      self->endpoint = g_value_dup_string (value);
      break;
    case PROP_TIMEOUT:
      self->timeout_ms = g_value_get_uint (value);
      break;
    case PROP_IDENTITY_TIMEOUT:
      self->identity_timeout_ms = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
dstack_attester_constructed (GObject *object)
{
  DstackAttester *self = DSTACK_ATTESTER (object);

  G_OBJECT_CLASS (dstack_attester_parent_class)->constructed (object);
  self->agent = dstack_agent_new (self->endpoint, TEESQL_ATTESTER_ERROR);
}

static void
dstack_attester_finalize (GObject *object)
{
  DstackAttester *self = DSTACK_ATTESTER (object);

  g_clear_pointer (&self->agent, dstack_agent_unref);
  g_free (self->endpoint);
  G_OBJECT_CLASS (dstack_attester_parent_class)->finalize (object);
}

static void
dstack_attester_class_init (DstackAttesterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = dstack_attester_set_property;
  object_class->constructed = dstack_attester_constructed;
  object_class->finalize = dstack_attester_finalize;
  props[PROP_ENDPOINT] = dstack_property_endpoint ();
  props[PROP_TIMEOUT] = dstack_property_timeout ("timeout", "Deadline of one call", 10000);
  props[PROP_IDENTITY_TIMEOUT] =
      dstack_property_timeout ("identity-timeout", "Deadline of GetTlsKey, where a cold agent asks its KMS", 60000);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
dstack_attester_init (DstackAttester *self)
{
}
