#include "dstack-agent.h"
#include "dstack-json.h"
#include "base/teesql-domains.h"
#include <string.h>

#define VERSION_TIMEOUT_MS 10000
#define VERSION_MAX        ((gsize) 128)

struct _DstackAgent
{
  grefcount refs;
  GQuark domain;
  char *configured;
  DstackEndpoint *endpoint; /* (nullable): not found yet */
  char *taint;
  char *version;
  gboolean asked; /* the version */
};

typedef struct
{
  DstackAgent *agent;
  char *method;
  char *json;
  gboolean secret;
  guint timeout_ms;
} Call;

static void
call_free (gpointer data)
{
  Call *self = data;

  dstack_agent_unref (self->agent);
  g_free (self->method);
  g_free (self->json);
  g_free (self);
}

/* Looks only where a socket may be and opens none. The agent may start after us: asked again at each call until it is found. */
static gboolean
find_endpoint (DstackAgent *self, GError **error)
{
  if (self->endpoint != NULL)
    return TRUE;
  self->endpoint = dstack_endpoint_new (self->configured, NULL, self->domain, error);
  if (self->endpoint == NULL)
    return FALSE;
  self->taint = g_strdup (self->endpoint->taint);
  return TRUE;
}

DstackAgent *
dstack_agent_new (const char *endpoint, GQuark domain)
{
  DstackAgent *self = g_new0 (DstackAgent, 1);

  g_ref_count_init (&self->refs);
  self->domain = domain;
  self->configured = g_strdup (endpoint);
  /* for the taint; whether it can be used is the first call's question */
  (void) find_endpoint (self, NULL);
  return self;
}

DstackAgent *
dstack_agent_ref (DstackAgent *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
dstack_agent_unref (DstackAgent *self)
{
  if (!g_ref_count_dec (&self->refs))
    return;
  g_clear_pointer (&self->endpoint, dstack_endpoint_free);
  g_free (self->configured);
  g_free (self->taint);
  g_free (self->version);
  g_free (self);
}

const char *
dstack_agent_get_taint (DstackAgent *self)
{
  return self->taint;
}

const char *
dstack_agent_get_version (DstackAgent *self)
{
  return self->version;
}

GError *
dstack_agent_take_error (DstackAgent *self, GError *error)
{
  GError *translated = NULL;

  if (error->domain != TEESQL_PARSE_ERROR)
    return error;
  translated = teesql_error_new (self->domain, (TeesqlError) error->code, teesql_error_get_reason (error), 0, "%s", error->message);
  g_error_free (error);
  return translated;
}

static gboolean
says_simulator (const char *text)
{
  g_autofree char *lower = text != NULL ? g_ascii_strdown (text, -1) : NULL;

  return lower != NULL && strstr (lower, "simulator") != NULL;
}

gboolean
dstack_agent_describes_simulator (const char *version, const char *revision)
{
  return says_simulator (version) || says_simulator (revision);
}

/* 400 is what the agent's procedures answer for every refusal, and its body need not be JSON. */
static GError *
refusal (DstackAgent *self, const char *method, const DstackAnswer *answer)
{
  g_autofree char *text = dstack_answer_error_text (answer->body.data, answer->body.size);
  const gboolean unknown = answer->status == 404 || (answer->status == 400 && strstr (text, "NotFound") != NULL);
  TeesqlError code = TEESQL_ERROR_FAILED;

  if (unknown)
    return teesql_error_new (self->domain, TEESQL_ERROR_UNSUPPORTED, "agent-method", 0,
                             "guest agent at %s: it has no %s\nhint: the agent is too old, or something else answers there",
                             self->endpoint->name, method);
  /* GetTlsKey asks the KMS behind the agent, which may come back */
  if (answer->status >= 500 || (answer->status == 400 && g_str_equal (method, "GetTlsKey")))
    code = TEESQL_ERROR_UNAVAILABLE;
  else if (answer->status == 429)
    code = TEESQL_ERROR_THROTTLED;
  return teesql_error_new (self->domain, code, answer->status == 400 ? "agent-error" : "agent-status", 0,
                           "guest agent at %s: %s answered %u: %s", self->endpoint->name, method, answer->status, text);
}

static void
called_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (DstackAnswer) answer = NULL;
  GError *error = NULL;

  answer = dstack_http_post_finish (result, &error);
  if (answer == NULL)
    g_task_return_error (task, dstack_agent_take_error (call->agent, error));
  else if (answer->status != 200)
    g_task_return_error (task, refusal (call->agent, call->method, answer));
  else
    g_task_return_pointer (task, g_steal_pointer (&answer), (GDestroyNotify) dstack_answer_free);
}

static void
call (GTask *task)
{
  Call *self = g_task_get_task_data (task);

  dstack_http_post_async (self->agent->endpoint, self->method, self->json, self->secret, self->timeout_ms, self->agent->domain,
                          g_task_get_cancellable (task), called_cb, task);
}

/* Returns: (nullable): text of a member that may be absent */
static char *
dup_member (const DstackJsonValue *object, const char *name, GError **error)
{
  DstackJsonValue value;
  gboolean found = FALSE;

  if (!dstack_json_member (object, name, DSTACK_JSON_STRING, &found, &value, error) || !found)
    return NULL;
  return dstack_json_dup_text (&value, VERSION_MAX, error);
}

/* `"simulator": true`, as teesql-simulator answers beside its revision */
static gboolean
member_is_true (const DstackJsonValue *object, const char *name, gboolean *out_true, GError **error)
{
  DstackJsonValue value;
  gboolean found = FALSE;

  if (!dstack_json_member (object, name, DSTACK_JSON_LITERAL, &found, &value, error))
    return FALSE;
  *out_true = found && dstack_json_is (&value, "true");
  return TRUE;
}

static gboolean
learn_version (DstackAgent *self, const DstackAnswer *answer, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *version = NULL;
  g_autofree char *revision = NULL;
  DstackJsonValue object;
  gboolean admitted = FALSE;

  if (dstack_json_parse (answer->body.data, answer->body.size, &object, &local_error) &&
      member_is_true (&object, "simulator", &admitted, &local_error))
    version = dup_member (&object, "version", &local_error);
  if (local_error == NULL)
    revision = dup_member (&object, "rev", &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (self->taint == NULL && (admitted || dstack_agent_describes_simulator (version, revision)))
    self->taint = g_strdup_printf ("simulator at %s", self->endpoint->name);
  g_free (self->version);
  self->version = g_steal_pointer (&version);
  return TRUE;
}

static void
version_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Call *self = g_task_get_task_data (task);
  g_autoptr (DstackAnswer) answer = NULL;
  GError *error = NULL;

  answer = dstack_http_post_finish (result, &error);
  if (answer != NULL && answer->status == 200 && !learn_version (self->agent, answer, &error))
    g_clear_pointer (&answer, dstack_answer_free);
  else if (answer != NULL && answer->status >= 500)
    {
      error = refusal (self->agent, "Version", answer);
      g_clear_pointer (&answer, dstack_answer_free);
    }
  if (answer == NULL)
    {
      g_task_return_error (task, dstack_agent_take_error (self->agent, error));
      g_object_unref (task);
      return;
    }
  /* agents before 0.5.7 have no Version and refuse it: nothing to learn from them */
  self->agent->asked = TRUE;
  call (task);
}

void
dstack_agent_call_async (DstackAgent *self, const char *method, const char *json, gboolean secret, guint timeout_ms,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Call *data = g_new0 (Call, 1);
  GError *error = NULL;

  *data = (Call){ dstack_agent_ref (self), g_strdup (method), g_strdup (json), secret, timeout_ms };
  g_task_set_source_tag (task, dstack_agent_call_async);
  g_task_set_task_data (task, data, call_free);
  if (!find_endpoint (self, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
    }
  else if (self->asked)
    call (task);
  else
    dstack_http_post_async (self->endpoint, "Version", "{}", FALSE, MIN (timeout_ms, VERSION_TIMEOUT_MS), self->domain, cancellable,
                            version_cb, task);
}

DstackAnswer *
dstack_agent_call_finish (DstackAgent *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
