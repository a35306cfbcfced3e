#include "storage/teesql-store-private.h"

static void
wake_cb (GCancellable *cancellable, gpointer user_data)
{
  TeesqlStoreWatch *self = user_data;

  g_mutex_lock (&self->store->lock);
  g_cond_broadcast (self->cond);
  g_mutex_unlock (&self->store->lock);
}

void
teesql_store_watch_begin (TeesqlStoreWatch *self, TeesqlStore *store, GCond *cond, GCancellable *cancellable)
{
  *self = (TeesqlStoreWatch){ .store = store, .cond = cond, .cancellable = cancellable };
  g_mutex_lock (&store->lock);
  if (cond != &store->changed)
    g_hash_table_add (store->waiting, cond);
  g_mutex_unlock (&store->lock);
  if (cancellable != NULL)
    self->id = g_cancellable_connect (cancellable, G_CALLBACK (wake_cb), self, NULL);
}

void
teesql_store_watch_end (TeesqlStoreWatch *self)
{
  if (self->id != 0)
    g_cancellable_disconnect (self->cancellable, self->id);
  g_mutex_lock (&self->store->lock);
  g_hash_table_remove (self->store->waiting, self->cond);
  g_mutex_unlock (&self->store->lock);
}

gboolean
teesql_store_check_stop (TeesqlStore *self, GCancellable *cancellable, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (!self->closed)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "storage %s was closed", self->instance);
  return FALSE;
}

gboolean
teesql_store_sleep (TeesqlStore *self, gint64 until_us, GCancellable *cancellable, GError **error)
{
  GCond cond;
  TeesqlStoreWatch watch;
  gboolean going = TRUE;

  g_cond_init (&cond);
  teesql_store_watch_begin (&watch, self, &cond, cancellable);
  g_mutex_lock (&self->lock);
  while (going && g_get_monotonic_time () < until_us)
    {
      going = teesql_store_check_stop (self, cancellable, error);
      if (going)
        g_cond_wait_until (&cond, &self->lock, until_us);
    }
  g_mutex_unlock (&self->lock);
  teesql_store_watch_end (&watch);
  g_cond_clear (&cond);
  return going;
}

void
teesql_store_note_problem (TeesqlStore *self, const GError *error)
{
  g_mutex_lock (&self->lock);
  g_clear_error (&self->problem);
  if (error != NULL)
    self->problem = g_error_copy (error);
  g_mutex_unlock (&self->lock);
}
