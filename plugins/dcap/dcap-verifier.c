#include "dcap-verifier.h"

#include "dcap-error.h"
#include "dcap-fetcher.h"
#include "dcap-options.h"

#define MAX_THREADS 4

struct _DcapVerifier
{
  GObject parent_instance;

  DcapOptions options;
  char *taint;
  DcapPool *pool;
  DcapMemory *memory; /* NULL until initialized */
  DcapStore *store;
  DcapFetcher *fetcher; /* NULL when nothing is to be fetched */
};

static void verifier_iface_init (TeesqlVerifierInterface *iface);
static void async_initable_iface_init (GAsyncInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (DcapVerifier, dcap_verifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_VERIFIER, verifier_iface_init)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_INITABLE, async_initable_iface_init))

/* one question, handed between the caller's thread and the workers; never in both at once */
typedef struct
{
  GTask *task; /* borrowed: the step that runs owns it */
  DcapVerifier *verifier;
  DcapMemory *memory;
  DcapStore *store;
  const char *collateral_file;
  GBytes *quote;
  DcapRules rules;
  DcapEvidence *evidence;
  DcapStoreAnswer answer;
  TeesqlClaims *claims;
  GError *error;
  GError *fetch_error;
} Question;

static void
question_free (gpointer data)
{
  Question *self = data;

  dcap_memory_unref (self->memory);
  g_clear_pointer (&self->store, dcap_store_unref);
  g_bytes_unref (self->quote);
  g_clear_pointer (&self->evidence, dcap_evidence_free);
  dcap_store_answer_clear (&self->answer);
  g_clear_pointer (&self->claims, teesql_claims_unref);
  g_clear_error (&self->error);
  g_clear_error (&self->fetch_error);
  g_free (self);
}

/* in a worker: everything from a file, nothing is ever fetched */
static void
question_answer_from_file (gpointer data)
{
  Question *self = data;
  g_autoptr (DcapCollateral) collateral = dcap_collateral_load (self->collateral_file, &self->error);

  if (collateral != NULL)
    self->claims = dcap_verify (self->quote, collateral, self->memory, &self->rules, &self->error);
}

/* in a worker */
static void
question_evaluate (gpointer data)
{
  Question *self = data;

  dcap_store_answer_clear (&self->answer);
  dcap_store_lookup (self->store, self->evidence->platform, &self->rules, &self->answer);
  if (self->answer.complete)
    self->claims =
        dcap_evidence_evaluate (self->evidence, self->answer.facts, dcap_memory_get_trust (self->memory), &self->rules, &self->error);
}

/* in a worker: what is kept already answers most questions in this one step */
static void
question_prove (gpointer data)
{
  Question *self = data;

  self->evidence = dcap_evidence_prove (self->quote, NULL, self->memory, &self->rules, &self->error);
  if (self->evidence != NULL)
    question_evaluate (self);
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
  else if (self->fetch_error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->fetch_error));
  else
    g_task_return_new_error (task, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "collateral ended while it was being used");
}

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *self = user_data;

  if (!dcap_fetcher_fetch_finish (result, &self->fetch_error) && g_cancellable_is_cancelled (g_task_get_cancellable (self->task)))
    {
      question_return (self);
      return;
    }
  /* even then: another one's fetch may have brought what is needed */
  dcap_pool_run (self->verifier->pool, question_evaluate, question_return, self);
}

static void
question_proved (gpointer data)
{
  Question *self = data;
  DcapFetcher *fetcher = self->verifier->fetcher;

  if (self->claims != NULL && self->answer.wanted != 0 && fetcher != NULL)
    dcap_fetcher_refresh (fetcher, self->evidence->platform, self->answer.wanted, &self->rules);
  if (self->claims != NULL || self->error != NULL || g_cancellable_is_cancelled (g_task_get_cancellable (self->task)))
    {
      question_return (self);
      return;
    }
  if (fetcher != NULL)
    {
      dcap_fetcher_fetch_async (fetcher, self->evidence->platform, self->answer.wanted, &self->rules, g_task_get_cancellable (self->task),
                                fetched_cb, self);
      return;
    }
  dcap_fail (&self->error, TEESQL_ERROR_CONFIG, "collateral-none",
             "no collateral for this platform is cached, and none may be fetched\nhint: set collateral-url or collateral-file");
  question_return (self);
}

static Question *
question_new (DcapVerifier *verifier, GTask *task, TeesqlEvidence *evidence, gint64 now_unix)
{
  Question *self = g_new0 (Question, 1);

  self->task = task;
  self->verifier = verifier;
  self->memory = dcap_memory_ref (verifier->memory);
  self->store = dcap_store_ref (verifier->store);
  self->collateral_file = verifier->options.collateral_file;
  self->quote = g_bytes_ref (teesql_evidence_get_quote (evidence));
  self->rules.now = now_unix;
  self->rules.future_issue_date = verifier->options.future_issue_date_ms / 1000;
  return self;
}

static void
dcap_verifier_verify_async (TeesqlVerifier *verifier, TeesqlEvidence *evidence, gint64 now_unix, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  DcapVerifier *self = DCAP_VERIFIER (verifier);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Question *question = NULL;

  g_task_set_source_tag (task, dcap_verifier_verify_async);
  if (self->memory == NULL)
    {
      g_task_return_new_error (task, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "dcap verifier was not initialized");
      g_object_unref (task);
      return;
    }
  question = question_new (self, task, evidence, now_unix);
  g_task_set_task_data (task, question, question_free);
  if (question->collateral_file != NULL)
    dcap_pool_run (self->pool, question_answer_from_file, question_return, question);
  else
    dcap_pool_run (self->pool, question_prove, question_proved, question);
}

static TeesqlClaims *
dcap_verifier_verify_finish (TeesqlVerifier *verifier, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, verifier), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
dcap_verifier_get_taint (TeesqlVerifier *verifier)
{
  return DCAP_VERIFIER (verifier)->taint;
}

static void
verifier_iface_init (TeesqlVerifierInterface *iface)
{
  iface->verify_async = dcap_verifier_verify_async;
  iface->verify_finish = dcap_verifier_verify_finish;
  iface->get_taint = dcap_verifier_get_taint;
}

static void
resolve_options (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  DcapVerifier *self = source;
  GError *error = NULL;

  if (dcap_options_resolve (&self->options, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
make_parts (DcapVerifier *self, GError **error)
{
  const DcapOptions *options = &self->options;
  const DcapPccsOptions pccs_options = {
    .base_url = options->collateral_url,
    .root_crl_url = options->root_crl_url,
    .ca = options->ca,
    .early = options->early,
    .timeout_ms = options->fetch_timeout_ms,
  };
  const DcapStoreOptions store_options = {
    .directory = options->cache_directory,
    .early = options->early,
    .refresh_after_ms = options->refresh_after_ms,
  };
  DcapPccs *pccs = NULL;

  if (options->collateral_url != NULL && options->collateral_file == NULL)
    {
      pccs = dcap_pccs_new (&pccs_options, error);
      if (pccs == NULL)
        return FALSE;
    }
  self->memory = dcap_memory_new (&options->trust);
  self->store = dcap_store_new (self->memory, &store_options);
  if (pccs != NULL)
    self->fetcher = dcap_fetcher_new (pccs, self->store, self->pool);
  if (!options->trust.is_intel)
    self->taint = g_strconcat ("trusted-root ", options->trusted_root, NULL);
  return TRUE;
}

static void
resolved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error) && make_parts (DCAP_VERIFIER (source), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
dcap_verifier_init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  GTask *task = g_task_new (initable, cancellable, callback, user_data);
  g_autoptr (GTask) worker = g_task_new (initable, cancellable, resolved_cb, task);

  g_task_set_source_tag (task, dcap_verifier_init_async);
  g_task_set_source_tag (worker, resolve_options);
  g_task_run_in_thread (worker, resolve_options);
}

static gboolean
dcap_verifier_init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, initable), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
async_initable_iface_init (GAsyncInitableIface *iface)
{
  iface->init_async = dcap_verifier_init_async;
  iface->init_finish = dcap_verifier_init_finish;
}

static void
dcap_verifier_set_property (GObject *object, guint property_id, const GValue *value, GParamSpec *pspec)
{
  if (dcap_options_is_property (property_id))
    dcap_options_set (&DCAP_VERIFIER (object)->options, property_id, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
}

static void
dcap_verifier_finalize (GObject *object)
{
  DcapVerifier *self = DCAP_VERIFIER (object);

  g_clear_pointer (&self->fetcher, dcap_fetcher_free);
  g_clear_pointer (&self->store, dcap_store_unref);
  g_clear_pointer (&self->memory, dcap_memory_unref);
  g_clear_pointer (&self->pool, dcap_pool_free);
  g_free (self->taint);
  dcap_options_clear (&self->options);
  G_OBJECT_CLASS (dcap_verifier_parent_class)->finalize (object);
}

static void
dcap_verifier_class_init (DcapVerifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = dcap_verifier_set_property;
  object_class->finalize = dcap_verifier_finalize;
  dcap_options_install (object_class);
}

static void
dcap_verifier_init (DcapVerifier *self)
{
  self->pool = dcap_pool_new (CLAMP (g_get_num_processors (), 1, MAX_THREADS));
}
