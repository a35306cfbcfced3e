#include "dstack-kms.h"
#include "dstack-agent.h"
#include "dstack-answers.h"
#include "dstack-json.h"
#include "dstack-properties.h"

struct _DstackKms
{
  GObject parent_instance;
  char *endpoint;
  guint timeout_ms;
  DstackAgent *agent;
};

static void dstack_kms_iface_init (TeesqlKmsInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (DstackKms, dstack_kms, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (TEESQL_TYPE_KMS, dstack_kms_iface_init))

enum
{
  PROP_ENDPOINT = 1,
  PROP_TIMEOUT,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

static const char *
get_taint (TeesqlKms *kms)
{
  return dstack_agent_get_taint (DSTACK_KMS (kms)->agent);
}

static void
key_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  DstackKms *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (DstackAnswer) answer = dstack_agent_call_finish (self->agent, result, &error);
  TeesqlSecret *key = answer != NULL ? dstack_answer_key (answer->body.data, answer->body.size, &error) : NULL;

  if (key != NULL)
    g_task_return_pointer (task, key, (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, dstack_agent_take_error (self->agent, error));
}

static void
get_key_async (TeesqlKms *kms, const char *path, const char *purpose, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer user_data)
{
  DstackKms *self = DSTACK_KMS (kms);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GString) json = g_string_new ("{\"path\":");

  g_task_set_source_tag (task, get_key_async);
  dstack_json_write_string (json, path);
  g_string_append (json, ",\"purpose\":");
  dstack_json_write_string (json, purpose != NULL ? purpose : "");
  g_string_append_c (json, '}');
  dstack_agent_call_async (self->agent, "GetKey", json->str, TRUE, self->timeout_ms, cancellable, key_cb, task);
}

static TeesqlSecret *
get_key_finish (TeesqlKms *kms, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, kms), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
dstack_kms_iface_init (TeesqlKmsInterface *iface)
{
  iface->get_key_async = get_key_async;
  iface->get_key_finish = get_key_finish;
  iface->get_taint = get_taint;
}

static void
dstack_kms_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  DstackKms *self = DSTACK_KMS (object);

  switch (id)
    {
    case PROP_ENDPOINT:
      g_free (self->endpoint);
      self->endpoint = g_value_dup_string (value);
      break;
    case PROP_TIMEOUT:
      self->timeout_ms = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
dstack_kms_constructed (GObject *object)
{
  DstackKms *self = DSTACK_KMS (object);

  G_OBJECT_CLASS (dstack_kms_parent_class)->constructed (object);
  self->agent = dstack_agent_new (self->endpoint, TEESQL_KMS_ERROR);
}

static void
dstack_kms_finalize (GObject *object)
{
  DstackKms *self = DSTACK_KMS (object);

  g_clear_pointer (&self->agent, dstack_agent_unref);
  g_free (self->endpoint);
  G_OBJECT_CLASS (dstack_kms_parent_class)->finalize (object);
}

static void
dstack_kms_class_init (DstackKmsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = dstack_kms_set_property;
  object_class->constructed = dstack_kms_constructed;
  object_class->finalize = dstack_kms_finalize;
  props[PROP_ENDPOINT] = dstack_property_endpoint ();
  props[PROP_TIMEOUT] = dstack_property_timeout ("timeout", "Deadline of one call", 60000);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
dstack_kms_init (DstackKms *self)
{
}
