#include "storage/teesql-storage-client.h"
#include "storage/teesql-store-private.h"

#define CALL_TIMEOUT_MS   (60 * 1000)
#define RETRY_DEADLINE_MS (10 * 60 * 1000)
#define LAST_WORDS_US     ((gint64) G_USEC_PER_SEC)

G_DEFINE_FINAL_TYPE (TeesqlStore, teesql_store, G_TYPE_OBJECT)

static void
teesql_store_dispose (GObject *object)
{
  teesql_store_close (TEESQL_STORE (object));
  G_OBJECT_CLASS (teesql_store_parent_class)->dispose (object);
}

static void
teesql_store_finalize (GObject *object)
{
  TeesqlStore *self = TEESQL_STORE (object);

  while (g_main_context_iteration (self->context, FALSE)) /* what was posted after the thread had ended */
    ;
  g_clear_object (&self->storage);
  g_clear_pointer (&self->lender, teesql_storage_lender_unref);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->waiting);
  g_hash_table_unref (self->attempts);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_object (&self->status);
  g_clear_error (&self->failure);
  g_clear_error (&self->problem);
  g_free (self->instance);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (teesql_store_parent_class)->finalize (object);
}

static void
teesql_store_class_init (TeesqlStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_store_dispose;
  G_OBJECT_CLASS (klass)->finalize = teesql_store_finalize;
}

static void
teesql_store_init (TeesqlStore *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->context = g_main_context_new ();
  self->waiting = g_hash_table_new (NULL, NULL);
  self->attempts = g_hash_table_new (NULL, NULL);
}

guint
teesql_store_get_retry_deadline (TeesqlStore *self)
{
  return (guint) g_atomic_int_get (&self->retry_deadline_ms);
}

void
teesql_store_set_retry_deadline (TeesqlStore *self, guint retry_deadline_ms)
{
  g_return_if_fail (TEESQL_IS_STORE (self));
  g_atomic_int_set (&self->retry_deadline_ms, (gint) (retry_deadline_ms != 0 ? retry_deadline_ms : RETRY_DEADLINE_MS));
}

TeesqlStore *
teesql_store_new_full (const TeesqlStoreOptions *options, const TeesqlStoreMaker *maker)
{
  TeesqlStore *self = g_object_new (TEESQL_TYPE_STORE, NULL);

  self->config = options->config != NULL ? teesql_config_ref (options->config) : NULL;
  self->instance = g_strdup (options->instance != NULL ? options->instance : "(unnamed)");
  self->status = options->status != NULL ? g_object_ref (options->status) : NULL;
  self->call_timeout_ms = options->call_timeout_ms != 0 ? options->call_timeout_ms : CALL_TIMEOUT_MS;
  teesql_store_set_retry_deadline (self, options->retry_deadline_ms);
  self->maker = *maker;
  self->in_process = options->storage != NULL;
  if (self->in_process)
    {
      self->storage = g_object_ref (options->storage);
      self->state = TEESQL_STORE_MAKING; /* the thread's first act is to look at it */
    }
  self->thread = g_thread_new ("teesql-store", teesql_store_thread_run, self);
  return self;
}

/* lock held */
static void
wait_idle (TeesqlStore *self)
{
  gint64 until_us = g_get_monotonic_time () + LAST_WORDS_US;

  while (self->n_attempts > 0 && g_get_monotonic_time () < until_us)
    g_cond_wait_until (&self->changed, &self->lock, until_us);
}

static gboolean
quit_cb (gpointer data)
{
  ((TeesqlStore *) data)->quit = TRUE;
  return G_SOURCE_REMOVE;
}

void
teesql_store_close (TeesqlStore *self)
{
  GHashTableIter iter;
  gpointer cond = NULL;
  GThread *thread = NULL;

  g_return_if_fail (TEESQL_IS_STORE (self));

  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  g_hash_table_iter_init (&iter, self->waiting);
  while (g_hash_table_iter_next (&iter, &cond, NULL))
    g_cond_broadcast (cond);
  g_cond_broadcast (&self->changed);
  wait_idle (self);
  thread = g_steal_pointer (&self->thread);
  g_mutex_unlock (&self->lock);
  if (thread == NULL)
    return;
  teesql_store_post (self->context, quit_cb, self, NULL);
  g_thread_join (thread);
}

const char *
teesql_store_get_instance (TeesqlStore *self)
{
  g_return_val_if_fail (TEESQL_IS_STORE (self), NULL);
  return self->instance;
}

gboolean
teesql_store_open (TeesqlStore *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (TEESQL_IS_STORE (self), FALSE);
  return teesql_store_wait_ready (self, g_get_monotonic_time () + (gint64) teesql_store_get_retry_deadline (self) * 1000, cancellable,
                                  error);
}

TeesqlStorageFeatures
teesql_store_get_features (TeesqlStore *self)
{
  TeesqlStorageFeatures features = 0;

  g_return_val_if_fail (TEESQL_IS_STORE (self), 0);

  g_mutex_lock (&self->lock);
  features = self->features;
  g_mutex_unlock (&self->lock);
  return features;
}

GError *
teesql_store_get_last_problem (TeesqlStore *self)
{
  GError *problem = NULL;

  g_return_val_if_fail (TEESQL_IS_STORE (self), NULL);

  g_mutex_lock (&self->lock);
  problem = self->problem != NULL ? g_error_copy (self->problem) : NULL;
  g_mutex_unlock (&self->lock);
  return problem;
}

static TeesqlStorage *
client_finish (GAsyncResult *result, GError **error)
{
  TeesqlStorageClient *client = teesql_storage_client_new_finish (result, error);

  return client != NULL ? TEESQL_STORAGE (client) : NULL;
}

TeesqlStore *
teesql_store_new (const TeesqlStoreOptions *options)
{
  static const TeesqlStoreMaker hosted = { teesql_storage_client_new_async, client_finish };

  g_return_val_if_fail (options != NULL, NULL);
  g_return_val_if_fail (options->storage != NULL || (options->config != NULL && options->instance != NULL), NULL);

  return teesql_store_new_full (options, &hosted);
}
