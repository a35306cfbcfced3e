#include "dcap-pool.h"

struct _DcapPool
{
  GThreadPool *threads;
};

typedef struct
{
  DcapPoolWork work;
  DcapPoolDone done;
  gpointer data;
  GMainContext *context;
} Job;

static void
job_free (gpointer data)
{
  Job *self = data;
  g_main_context_unref (self->context);
  g_free (self);
}

static gboolean
job_done (gpointer data)
{
  Job *self = data;
  self->done (self->data);
  return G_SOURCE_REMOVE;
}

/* The result travels as a source, so that the last reference to whoever waits is dropped in its own thread. */
static void
job_run (gpointer data, gpointer user_data)
{
  Job *self = data;
  g_autoptr (GSource) source = g_idle_source_new ();

  self->work (self->data);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, job_done, self, job_free);
  g_source_set_static_name (source, "dcap verification done");
  g_source_attach (source, self->context);
}

DcapPool *
dcap_pool_new (guint max_threads)
{
  DcapPool *self = g_new0 (DcapPool, 1);
  self->threads = g_thread_pool_new (job_run, NULL, (int) max_threads, FALSE, NULL);
  return self;
}

void
dcap_pool_free (DcapPool *self)
{
  g_thread_pool_free (self->threads, FALSE, FALSE);
  g_free (self);
}

void
dcap_pool_run (DcapPool *self, DcapPoolWork work, DcapPoolDone done, gpointer data)
{
  Job *job = g_new0 (Job, 1);

  job->work = work;
  job->done = done;
  job->data = data;
  job->context = g_main_context_ref_thread_default ();
  g_thread_pool_push (self->threads, job, NULL);
}
