#include "storage/teesql-storage-client.h"
#include "storage/teesql-store-call.h"
#include "storage/teesql-storage-client.h"
#include "storage/teesql-store-private.h"

/* The thread on which the storage object lives, and its life: made, broken, made again with back-off. */

#define FAILED_REST_US ((gint64) G_USEC_PER_SEC) /* an operator's mistake is not looked at more often */
#define LAST_WORDS_US  ((gint64) G_USEC_PER_SEC)

static void start_making (TeesqlStore *self);

typedef struct
{
  GSourceFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Post;

static gboolean
post_cb (gpointer data)
{
  Post *post = data;

  if (post->func != NULL)
    post->func (post->data);
  return G_SOURCE_REMOVE;
}

static void
post_free (gpointer data)
{
  Post *post = data;

  if (post->destroy != NULL)
    post->destroy (post->data);
  g_free (post);
}

/* Not g_main_context_invoke(): before the thread runs, that would call @func here. */
void
teesql_store_post (GMainContext *context, GSourceFunc func, gpointer data, GDestroyNotify destroy)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Post *post = g_new (Post, 1);

  *post = (Post){ func, data, destroy };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, post_cb, post, post_free);
  g_source_attach (source, context);
}

static TeesqlStorageLender *
find_lender (TeesqlStorage *storage)
{
  TeesqlStorageLender *lender =
      TEESQL_IS_STORAGE_CLIENT (storage) ? teesql_storage_client_get_lender (TEESQL_STORAGE_CLIENT (storage)) : NULL;

  return lender != NULL ? teesql_storage_lender_ref (lender) : NULL;
}

TeesqlStorageLender *
teesql_store_dup_lender (TeesqlStore *self)
{
  TeesqlStorageLender *lender = NULL;

  g_mutex_lock (&self->lock);
  if (self->lender != NULL)
    lender = teesql_storage_lender_ref (self->lender);
  g_mutex_unlock (&self->lock);
  return lender;
}

static void
set_state (TeesqlStore *self, TeesqlStoreState state, const GError *failure)
{
  g_mutex_lock (&self->lock);
  self->state = state;
  self->features = state == TEESQL_STORE_READY ? teesql_storage_get_features (self->storage) : (TeesqlStorageFeatures) 0;
  self->failed_at_us = g_get_monotonic_time ();
  g_clear_pointer (&self->lender, teesql_storage_lender_unref);
  if (state == TEESQL_STORE_READY)
    self->lender = find_lender (self->storage);
  g_clear_error (&self->failure);
  g_clear_error (&self->problem);
  if (failure != NULL)
    {
      self->failure = g_error_copy (failure);
      self->problem = g_error_copy (failure);
    }
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static gboolean
restart_cb (gpointer data)
{
  TeesqlStore *self = data;

  g_clear_pointer (&self->restart, g_source_unref);
  start_making (self);
  return G_SOURCE_REMOVE;
}

static void
arrange_restart (TeesqlStore *self, const GError *why)
{
  TeesqlStorageRetry retry = { .deadline_us = G_MAXINT64, .n_failures = self->n_restarts };
  gint64 delay_us = 0;

  /* a host may die with any error there is: what it died of decides nothing, only how often does */
  if (!teesql_storage_retry_next (&retry, why, FALSE, g_get_monotonic_time (), g_random_double (), &delay_us))
    delay_us = (gint64) ((double) teesql_storage_retry_back_off_us (self->n_restarts) * g_random_double ());
  self->n_restarts++;
  set_state (self, TEESQL_STORE_MAKING, why);
  self->restart = g_timeout_source_new ((guint) (delay_us / 1000));
  g_source_set_callback (self->restart, restart_cb, self, NULL);
  g_source_attach (self->restart, self->context);
}

static void
broken_cb (TeesqlStorage *storage, const GError *why, gpointer user_data)
{
  teesql_store_give_up (user_data, storage, why);
}

/* What the kernel lacks of the confinement: an operator who looks must see it, not only who reads the log of the start. */
static const struct
{
  const char *reason;
  const char *message;
} lacking[] = {
  { "storage-unconfined-paths", "this kernel has no Landlock, so the host may open every file that its user may\n"
                                "hint: Linux 5.13 or newer, with landlock in /sys/kernel/security/lsm" },
  { "storage-unconfined-ports", "this kernel's Landlock knows no ports, so the host may connect to every port\n"
                                "hint: Linux 6.7 or newer, or a firewall" },
};

static void
note_confinement (TeesqlStore *self)
{
  const char *reason =
      TEESQL_IS_STORAGE_CLIENT (self->storage) ? teesql_storage_client_get_degradation (TEESQL_STORAGE_CLIENT (self->storage)) : NULL;

  if (self->status == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (lacking); i++)
    {
      g_autofree char *message = g_strdup_printf ("storage %s: %s", self->instance, lacking[i].message);

      teesql_status_remove_notice (self->status, lacking[i].reason, self->instance);
      if (g_strcmp0 (reason, lacking[i].reason) == 0)
        teesql_status_add_notice (self->status, reason, self->instance, message);
    }
}

static void
adopt (TeesqlStore *self, TeesqlStorage *storage)
{
  self->storage = storage;
  if (g_signal_lookup ("broken", G_OBJECT_TYPE (storage)) != 0)
    self->broken_id = g_signal_connect (storage, "broken", G_CALLBACK (broken_cb), self);
  if (self->made_once && self->status != NULL)
    teesql_status_count (self->status, TEESQL_COUNTER_STORAGE_RESTARTS, 1);
  self->made_once = TRUE;
  note_confinement (self);
  set_state (self, TEESQL_STORE_READY, NULL);
}

static void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStore *self = user_data;
  g_autoptr (GError) error = NULL;
  TeesqlStorage *storage = self->maker.make_finish (result, &error);

  g_clear_object (&self->making);
  if (storage != NULL)
    adopt (self, storage);
  else if (teesql_storage_retry_judge (error) == TEESQL_STORAGE_VERDICT_AGAIN)
    arrange_restart (self, error);
  else
    set_state (self, TEESQL_STORE_FAILED, error);
}

static void
start_making (TeesqlStore *self)
{
  self->making = g_cancellable_new ();
  self->maker.make_async (self->config, self->instance, self->making, made_cb, self);
}

static gboolean
ensure_cb (gpointer data)
{
  TeesqlStore *self = data;

  if (self->storage == NULL && self->making == NULL && self->restart == NULL)
    start_making (self);
  return G_SOURCE_REMOVE;
}

void
teesql_store_give_up (TeesqlStore *self, TeesqlStorage *storage, const GError *why)
{
  g_autoptr (TeesqlStorage) doomed = NULL;

  if (self->in_process || self->storage != storage)
    return;
  doomed = g_steal_pointer (&self->storage);
  g_clear_signal_handler (&self->broken_id, doomed);
  arrange_restart (self, why);
  teesql_store_fail_attempts (self, doomed, why);
  g_object_run_dispose (G_OBJECT (doomed)); /* calls that it still holds keep a reference each */
}

/* lock held */
static gboolean
needs_making (TeesqlStore *self)
{
  if (self->state == TEESQL_STORE_FAILED)
    return g_get_monotonic_time () - self->failed_at_us > FAILED_REST_US;
  return self->state == TEESQL_STORE_IDLE;
}

/* lock held */
static gboolean
check_ready (TeesqlStore *self, gint64 until_us, GError **error)
{
  if (self->state == TEESQL_STORE_FAILED)
    {
      g_propagate_error (error, g_error_copy (self->failure));
      return FALSE;
    }
  if (g_get_monotonic_time () < until_us)
    return TRUE;
  if (self->failure != NULL)
    g_propagate_error (error, g_error_copy (self->failure));
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "storage %s was not there in time", self->instance);
  return FALSE;
}

/* lock held */
static gboolean
wait_while_making (TeesqlStore *self, gint64 until_us, GCancellable *cancellable, GError **error)
{
  if (needs_making (self))
    {
      self->state = TEESQL_STORE_MAKING;
      teesql_store_post (self->context, ensure_cb, self, NULL);
    }
  while (self->state != TEESQL_STORE_READY)
    {
      if (!teesql_store_check_stop (self, cancellable, error) || !check_ready (self, until_us, error))
        return FALSE;
      g_cond_wait_until (&self->changed, &self->lock, until_us);
    }
  return TRUE;
}

gboolean
teesql_store_wait_ready (TeesqlStore *self, gint64 until_us, GCancellable *cancellable, GError **error)
{
  TeesqlStoreWatch watch;
  gboolean ready = FALSE;

  g_mutex_lock (&self->lock);
  ready = self->state == TEESQL_STORE_READY && !self->closed;
  g_mutex_unlock (&self->lock);
  if (ready)
    return TRUE;
  teesql_store_watch_begin (&watch, self, &self->changed, cancellable);
  g_mutex_lock (&self->lock);
  ready = wait_while_making (self, until_us, cancellable, error);
  g_mutex_unlock (&self->lock);
  teesql_store_watch_end (&watch);
  return ready;
}

static gboolean
wake_up_cb (gpointer data)
{
  return G_SOURCE_REMOVE;
}

static void
end_making (TeesqlStore *self)
{
  gint64 until_us = g_get_monotonic_time () + LAST_WORDS_US;

  if (self->making == NULL)
    return;
  g_cancellable_cancel (self->making);
  while (self->making != NULL && g_get_monotonic_time () < until_us)
    {
      g_autoptr (GSource) alarm = g_timeout_source_new (10);

      g_source_set_callback (alarm, wake_up_cb, NULL, NULL);
      g_source_attach (alarm, self->context);
      g_main_context_iteration (self->context, TRUE);
      g_source_destroy (alarm);
    }
  g_clear_object (&self->making);
}

static void
drop_storage (TeesqlStore *self)
{
  if (self->restart != NULL)
    g_source_destroy (self->restart);
  g_clear_pointer (&self->restart, g_source_unref);
  if (self->storage == NULL)
    return;
  g_clear_signal_handler (&self->broken_id, self->storage);
  if (!self->in_process)
    g_object_run_dispose (G_OBJECT (self->storage));
  g_clear_object (&self->storage);
}

gpointer
teesql_store_thread_run (gpointer data)
{
  TeesqlStore *self = data;

  g_main_context_push_thread_default (self->context);
  if (self->storage != NULL)
    adopt (self, self->storage);
  while (!self->quit)
    g_main_context_iteration (self->context, TRUE);
  end_making (self);
  drop_storage (self);
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_main_context_pop_thread_default (self->context);
  return NULL;
}
