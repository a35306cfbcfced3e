#include "ita-verifier.h"

#include "../dcap/dcap-pool.h"
#include "../dcap/dcap-verify.h"
#include "ita-error.h"
#include "ita-service.h"
#include "sdk/teesql-quote.h"
#include <string.h>

#define MAX_THREADS 2

struct _ItaVerifier
{
  GObject parent_instance;

  ItaOptions options;
  DcapPool *pool;
  DcapMemory *memory; /* NULL until initialized */
  ItaService *service;
};

static void verifier_iface_init (TeesqlVerifierInterface *iface);
static void async_initable_iface_init (GAsyncInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ItaVerifier, ita_verifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_VERIFIER, verifier_iface_init)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_INITABLE, async_initable_iface_init))

/* one question, handed between the caller's thread and the workers; never in both at once */
typedef struct
{
  GTask *task; /* borrowed: the step that runs owns it */
  ItaVerifier *verifier;
  DcapMemory *memory;
  GBytes *quote; /* without what stands behind its end */
  ItaRules rules;
  char *text; /* of the token */
  ItaToken *token;
  ItaKeys *keys;
  gboolean renewed;
  gboolean key_is_unknown;
  TeesqlClaims *claims;
  GError *error;
} Question;

static void
question_free (gpointer data)
{
  Question *self = data;

  dcap_memory_unref (self->memory);
  g_clear_pointer (&self->quote, g_bytes_unref);
  g_clear_pointer (&self->token, ita_token_free);
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->keys, ita_keys_unref);
  g_clear_pointer (&self->claims, teesql_claims_unref);
  g_clear_error (&self->error);
  g_free (self);
}

static void
question_return (gpointer data)
{
  Question *self = data;
  g_autoptr (GTask) task = self->task;

  if (self->claims != NULL)
    g_task_return_pointer (task, g_steal_pointer (&self->claims), (GDestroyNotify) teesql_claims_unref);
  else if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else
    g_task_return_new_error (task, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "the token gave neither claims nor error");
}

static gboolean
question_is_over (const Question *self)
{
  return self->claims != NULL || self->error != NULL || g_cancellable_is_cancelled (g_task_get_cancellable (self->task));
}

/* --- the token ----------------------------------------------------------------------------------------------------- */

static void get_keys (Question *self);

/* in a worker */
static void
question_check (gpointer data)
{
  Question *self = data;
  g_autoptr (GError) error = NULL;
  const ItaKey *key = ita_keys_find (self->keys, self->token->kid, &error);

  self->key_is_unknown = key == NULL;
  if (key == NULL)
    self->error = g_steal_pointer (&error);
  else
    self->claims = ita_token_check (self->token, key, self->quote, &self->rules, &self->error);
}

/* The keys may have been changed between the fetch of the set and this token. */
static void
question_checked (gpointer data)
{
  Question *self = data;

  if (self->key_is_unknown && !self->renewed && ita_service_renew_keys (self->verifier->service, self->keys))
    {
      self->renewed = TRUE;
      g_clear_error (&self->error);
      g_clear_pointer (&self->keys, ita_keys_unref);
      get_keys (self);
      return;
    }
  question_return (self);
}

static void
keys_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *self = user_data;

  self->keys = ita_service_get_keys_finish (self->verifier->service, result, &self->error);
  if (question_is_over (self))
    question_return (self);
  else
    dcap_pool_run (self->verifier->pool, question_check, question_checked, self);
}

static void
get_keys (Question *self)
{
  ita_service_get_keys_async (self->verifier->service, g_task_get_cancellable (self->task), keys_cb, self);
}

/* --- asking the authority ------------------------------------------------------------------------------------------ */

/* `{"token":"…"}`; anything else is no answer about the evidence, such as a page of a front end */
static char *
token_of (GBytes *body, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (body, &size);
  g_autoptr (DcapJson) json = size > 0 ? dcap_json_parse ("answer", data, size, NULL) : NULL;
  char *text = json != NULL ? dcap_json_get_text (dcap_json_root (json), "token", size, NULL) : NULL;

  if (text == NULL)
    ita_fail (error, TEESQL_ERROR_UNAVAILABLE, "ita-answer", "attest: the answer is no JSON object with a token");
  return text;
}

static void
question_parse (Question *self, GBytes *body)
{
  self->text = token_of (body, &self->error);
  if (self->text != NULL)
    self->token = ita_token_parse (self->text, strlen (self->text), &self->rules.token, &self->error);
}

static void
attested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *self = user_data;
  g_autoptr (GBytes) body = ita_service_attest_finish (self->verifier->service, result, &self->error);

  if (body != NULL)
    question_parse (self, body);
  if (question_is_over (self))
    question_return (self);
  else
    get_keys (self);
}

/* in a worker: a stranger's quote that no platform signed never makes us ask anybody */
static void
question_prove (gpointer data)
{
  Question *self = data;
  const DcapRules rules = { .now = self->rules.now };
  g_autoptr (DcapEvidence) evidence = dcap_evidence_prove (self->quote, NULL, self->memory, &rules, &self->error);
}

static void
question_proved (gpointer data)
{
  Question *self = data;

  if (question_is_over (self))
    question_return (self);
  else
    ita_service_attest_async (self->verifier->service, self->quote, g_task_get_cancellable (self->task), attested_cb, self);
}

/* --- verifier ------------------------------------------------------------------------------------------------------ */

/* What stands behind the quote's end is signed by nobody and leaves the house with nobody. */
static GBytes *
cut_quote (GBytes *bytes, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  TeesqlQuote quote;

  if (!teesql_quote_parse (data, size, &quote, error))
    return NULL;
  return g_bytes_new_from_bytes (bytes, 0, (gsize) (quote.auth.data - data) + quote.auth.size);
}

static Question *
question_new (ItaVerifier *verifier, GTask *task, gint64 now_unix)
{
  const ItaOptions *options = &verifier->options;
  Question *self = g_new0 (Question, 1);

  self->task = task;
  self->verifier = verifier;
  self->memory = dcap_memory_ref (verifier->memory);
  self->rules = (ItaRules){
    .token = { .allow_rs256 = options->allow_rs256, .key_set_url = options->key_set_url },
    .now = now_unix,
    .max_age = options->max_token_age_ms / 1000,
    .issuer = options->issuer,
    .pinned_root = options->has_pinned_root ? options->pinned_root : NULL,
    .policy_ids = (const char *const *) options->policy_ids,
  };
  return self;
}

static void
ita_verifier_verify_async (TeesqlVerifier *verifier, TeesqlEvidence *evidence, gint64 now_unix, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  ItaVerifier *self = ITA_VERIFIER (verifier);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Question *question = NULL;

  g_task_set_source_tag (task, ita_verifier_verify_async);
  if (self->memory == NULL)
    {
      g_task_return_new_error (task, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "ita verifier was not initialized");
      g_object_unref (task);
      return;
    }
  question = question_new (self, task, now_unix);
  g_task_set_task_data (task, question, question_free);
  question->quote = cut_quote (teesql_evidence_get_quote (evidence), &question->error);
  if (question->quote == NULL)
    question_return (question);
  else
    dcap_pool_run (self->pool, question_prove, question_proved, question);
}

static TeesqlClaims *
ita_verifier_verify_finish (TeesqlVerifier *verifier, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, verifier), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
ita_verifier_get_taint (TeesqlVerifier *verifier)
{
  return ITA_VERIFIER (verifier)->options.taint;
}

static void
verifier_iface_init (TeesqlVerifierInterface *iface)
{
  iface->verify_async = ita_verifier_verify_async;
  iface->verify_finish = ita_verifier_verify_finish;
  iface->get_taint = ita_verifier_get_taint;
}

static void
resolve_options (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  ItaVerifier *self = source;
  GError *error = NULL;

  if (ita_options_resolve (&self->options, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
resolved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  ItaVerifier *self = ITA_VERIFIER (source);
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  self->memory = dcap_memory_new (&self->options.trust);
  self->service = ita_service_new (&self->options);
  g_task_return_boolean (task, TRUE);
}

static void
ita_verifier_init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  GTask *task = g_task_new (initable, cancellable, callback, user_data);
  g_autoptr (GTask) worker = g_task_new (initable, cancellable, resolved_cb, task);

  g_task_set_source_tag (task, ita_verifier_init_async);
  g_task_set_source_tag (worker, resolve_options);
  g_task_run_in_thread (worker, resolve_options);
}

static gboolean
ita_verifier_init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, initable), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
async_initable_iface_init (GAsyncInitableIface *iface)
{
  iface->init_async = ita_verifier_init_async;
  iface->init_finish = ita_verifier_init_finish;
}

static void
ita_verifier_set_property (GObject *object, guint property_id, const GValue *value, GParamSpec *pspec)
{
  if (ita_options_is_property (property_id))
    ita_options_set (&ITA_VERIFIER (object)->options, property_id, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
}

static void
ita_verifier_finalize (GObject *object)
{
  ItaVerifier *self = ITA_VERIFIER (object);

  g_clear_pointer (&self->service, ita_service_free);
  g_clear_pointer (&self->memory, dcap_memory_unref);
  g_clear_pointer (&self->pool, dcap_pool_free);
  ita_options_clear (&self->options);
  G_OBJECT_CLASS (ita_verifier_parent_class)->finalize (object);
}

static void
ita_verifier_class_init (ItaVerifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = ita_verifier_set_property;
  object_class->finalize = ita_verifier_finalize;
  ita_options_install (object_class);
}

static void
ita_verifier_init (ItaVerifier *self)
{
  self->pool = dcap_pool_new (CLAMP (g_get_num_processors (), 1, MAX_THREADS));
}
