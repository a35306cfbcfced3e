#include "attest/teesql-quote-queue.h"
#include <string.h>

struct _TeesqlQuoteQueue
{
  GObject parent_instance;
  TeesqlAttester *attester;
  GQueue waiting[TEESQL_QUOTE_N_PRIORITIES]; /* GTask, owned */
  gboolean busy;
};

G_DEFINE_FINAL_TYPE (TeesqlQuoteQueue, teesql_quote_queue, G_TYPE_OBJECT)

/* Task data: what is asked for. */
typedef struct
{
  TeesqlQuotePriority priority;
  gboolean wants_identity;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  TeesqlTlsRequest request;
  char *subject;
  char **alt_names;
  GSource *cancelled; /* while it waits */
} Job;

static void
job_stop_watching (Job *self)
{
  if (self->cancelled != NULL)
    g_source_destroy (self->cancelled);
  g_clear_pointer (&self->cancelled, g_source_unref);
}

static void
job_free (gpointer data)
{
  Job *self = data;

  job_stop_watching (self);
  g_free (self->subject);
  g_strfreev (self->alt_names);
  g_free (self);
}

static GTask *
pop (TeesqlQuoteQueue *self)
{
  for (guint i = 0; i < TEESQL_QUOTE_N_PRIORITIES; i++)
    if (!g_queue_is_empty (&self->waiting[i]))
      return g_queue_pop_head (&self->waiting[i]);
  return NULL;
}

static void start_next (TeesqlQuoteQueue *self);

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (TeesqlQuoteQueue) self = g_object_ref (g_task_get_source_object (task));
  Job *job = g_task_get_task_data (task);
  GDestroyNotify destroy = job->wants_identity ? (GDestroyNotify) teesql_tls_identity_unref : (GDestroyNotify) teesql_evidence_unref;
  gpointer value = NULL;
  GError *error = NULL;

  if (job->wants_identity)
    value = teesql_attester_get_tls_identity_finish (self->attester, result, &error);
  else
    value = teesql_attester_get_evidence_finish (self->attester, result, &error);
  self->busy = FALSE;
  if (value != NULL)
    g_task_return_pointer (task, value, destroy);
  else
    g_task_return_error (task, error);
  start_next (self);
}

static void
start_next (TeesqlQuoteQueue *self)
{
  GTask *task = self->busy ? NULL : pop (self);
  Job *job = NULL;

  if (task == NULL)
    return;
  job = g_task_get_task_data (task);
  job_stop_watching (job);
  self->busy = TRUE;
  if (job->wants_identity)
    teesql_attester_get_tls_identity_async (self->attester, &job->request, g_task_get_cancellable (task), done_cb, task);
  else
    teesql_attester_get_evidence_async (self->attester, job->report_data, g_task_get_cancellable (task), done_cb, task);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  g_autoptr (GTask) task = data; /* the queue's reference */
  TeesqlQuoteQueue *self = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);

  g_queue_remove (&self->waiting[job->priority], task);
  job_stop_watching (job);
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
enqueue (GTask *task)
{
  TeesqlQuoteQueue *self = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  g_queue_push_tail (&self->waiting[job->priority], task);
  if (cancellable != NULL)
    {
      job->cancelled = g_cancellable_source_new (cancellable);
      g_source_set_callback (job->cancelled, G_SOURCE_FUNC (cancelled_cb), task, NULL);
      g_source_attach (job->cancelled, g_main_context_get_thread_default ());
    }
  start_next (self);
}

TeesqlQuoteQueue *
teesql_quote_queue_new (TeesqlAttester *attester)
{
  TeesqlQuoteQueue *self = g_object_new (TEESQL_TYPE_QUOTE_QUEUE, NULL);

  self->attester = g_object_ref (attester);
  return self;
}

TeesqlAttester *
teesql_quote_queue_get_attester (TeesqlQuoteQueue *self)
{
  return self->attester;
}

guint
teesql_quote_queue_get_n_waiting (TeesqlQuoteQueue *self, TeesqlQuotePriority priority)
{
  return self->waiting[priority].length;
}

static GTask *
task_new (TeesqlQuoteQueue *self, TeesqlQuotePriority priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data,
          Job **out_job)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  job->priority = priority;
  g_task_set_task_data (task, job, job_free);
  *out_job = job;
  return task;
}

void
teesql_quote_queue_get_evidence_async (TeesqlQuoteQueue *self, TeesqlQuotePriority priority, const guint8 *report_data,
                                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = NULL;
  GTask *task = task_new (self, priority, cancellable, callback, user_data, &job);

  g_task_set_source_tag (task, teesql_quote_queue_get_evidence_async);
  memcpy (job->report_data, report_data, sizeof job->report_data);
  enqueue (task);
}

TeesqlEvidence *
teesql_quote_queue_get_evidence_finish (TeesqlQuoteQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_quote_queue_get_evidence_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
teesql_quote_queue_get_tls_identity_async (TeesqlQuoteQueue *self, TeesqlQuotePriority priority, const TeesqlTlsRequest *request,
                                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = NULL;
  GTask *task = task_new (self, priority, cancellable, callback, user_data, &job);

  g_task_set_source_tag (task, teesql_quote_queue_get_tls_identity_async);
  job->wants_identity = TRUE;
  job->subject = g_strdup (request->subject);
  job->alt_names = g_strdupv ((char **) request->alt_names);
  job->request.subject = job->subject;
  job->request.alt_names = (const char *const *) job->alt_names;
  job->request.usage = request->usage;
  job->request.not_before_unix = request->not_before_unix;
  job->request.not_after_unix = request->not_after_unix;
  enqueue (task);
}

TeesqlTlsIdentity *
teesql_quote_queue_get_tls_identity_finish (TeesqlQuoteQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_quote_queue_get_tls_identity_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
teesql_quote_queue_finalize (GObject *object)
{
  TeesqlQuoteQueue *self = TEESQL_QUOTE_QUEUE (object);

  g_clear_object (&self->attester);
  G_OBJECT_CLASS (teesql_quote_queue_parent_class)->finalize (object);
}

static void
teesql_quote_queue_class_init (TeesqlQuoteQueueClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_quote_queue_finalize;
}

static void
teesql_quote_queue_init (TeesqlQuoteQueue *self)
{
  for (guint i = 0; i < TEESQL_QUOTE_N_PRIORITIES; i++)
    g_queue_init (&self->waiting[i]);
}
