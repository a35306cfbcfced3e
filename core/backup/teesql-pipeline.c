#include "backup/teesql-pipeline.h"

#define THREADS_DEFAULT_MAX 4u
#define THREADS_MAX         32u

static void
outer_cancelled_cb (GCancellable *outer, gpointer user_data)
{
  GError *error = NULL;

  g_cancellable_set_error_if_cancelled (outer, &error);
  teesql_pipeline_fail (user_data, error);
}

void
teesql_pipeline_init (TeesqlPipeline *self, GCancellable *outer)
{
  *self = (TeesqlPipeline){ .stopped = FALSE };
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->threads = g_ptr_array_new ();
  self->cancellable = g_cancellable_new ();
  if (outer == NULL)
    return;
  self->outer = g_object_ref (outer);
  self->outer_id = g_cancellable_connect (outer, G_CALLBACK (outer_cancelled_cb), self, NULL);
}

void
teesql_pipeline_start (TeesqlPipeline *self, const char *name, GThreadFunc run, gpointer data)
{
  g_ptr_array_add (self->threads, g_thread_new (name, run, data));
}

gboolean
teesql_pipeline_wait (TeesqlPipeline *self)
{
  if (!self->stopped)
    g_cond_wait (&self->changed, &self->lock);
  return !self->stopped;
}

void
teesql_pipeline_changed (TeesqlPipeline *self)
{
  g_cond_broadcast (&self->changed);
}

static void
stop (TeesqlPipeline *self, GError *error)
{
  g_mutex_lock (&self->lock);
  /* what a stage says because it was stopped is no news */
  if (!self->stopped && error != NULL)
    self->error = g_steal_pointer (&error);
  self->stopped = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  g_clear_error (&error);
  g_cancellable_cancel (self->cancellable);
}

void
teesql_pipeline_fail (TeesqlPipeline *self, GError *error)
{
  stop (self, error);
}

gboolean
teesql_pipeline_check (TeesqlPipeline *self, GError **error)
{
  gboolean well = TRUE;

  g_mutex_lock (&self->lock);
  well = self->error == NULL;
  if (!well)
    g_propagate_error (error, g_error_copy (self->error));
  g_mutex_unlock (&self->lock);
  return well;
}

void
teesql_pipeline_end (TeesqlPipeline *self)
{
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_clear_object (&self->outer);
  stop (self, NULL);
  for (guint i = 0; i < self->threads->len; i++)
    g_thread_join (self->threads->pdata[i]);
  g_ptr_array_set_size (self->threads, 0);
}

void
teesql_pipeline_clear (TeesqlPipeline *self)
{
  g_ptr_array_unref (self->threads);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
}

guint
teesql_pipeline_threads (guint wanted)
{
  return wanted == 0 ? CLAMP (g_get_num_processors (), 1, THREADS_DEFAULT_MAX) : MIN (wanted, THREADS_MAX);
}
