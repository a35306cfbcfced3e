#include "storage/teesql-store-call.h"

/* After it was told to stop, a call has this long to say so; then it is left behind. A cancelled caller is back within a second. */
#define GRACE_US ((gint64) 800 * 1000)
/* how often a wait looks whether content has moved: nobody wakes it for that */
#define LOOK_US ((gint64) G_USEC_PER_SEC / 2)

typedef struct
{
  gatomicrefcount refs;
  TeesqlStore *store; /* whose thread runs it: lives longer */
  TeesqlStoreRequest *request;
  GCancellable *cancellable; /* of this attempt alone; cancelled on the thread */
  TeesqlStorage *storage;    /* the thread's */
  GCond cond;

  /* under the store's lock */
  gboolean done;
  TeesqlStoreAnswer answer;
  GError *error; /* %NULL: it went well */
} Attempt;

static Attempt *
attempt_new (TeesqlStore *store, TeesqlStoreRequest *request)
{
  Attempt *self = g_new0 (Attempt, 1);

  g_atomic_ref_count_init (&self->refs);
  self->store = store;
  self->request = teesql_store_request_ref (request);
  self->cancellable = g_cancellable_new ();
  g_cond_init (&self->cond);
  return self;
}

static Attempt *
attempt_ref (Attempt *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static void
attempt_unref (gpointer data)
{
  Attempt *self = data;

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  teesql_store_answer_clear (&self->answer);
  g_clear_error (&self->error);
  g_clear_object (&self->storage);
  g_clear_object (&self->cancellable);
  teesql_store_request_unref (self->request);
  g_cond_clear (&self->cond);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Attempt, attempt_unref)

/* ---- on the thread ---- */

/* @error: (transfer full) (nullable). Only the first end counts: what was given up may answer late. */
static void
attempt_end (Attempt *self, TeesqlStoreAnswer *answer, GError *error)
{
  TeesqlStore *store = self->store;

  g_mutex_lock (&store->lock);
  if (!self->done)
    {
      self->done = TRUE;
      self->answer = *answer;
      *answer = (TeesqlStoreAnswer){ 0 };
      self->error = g_steal_pointer (&error);
      store->n_attempts--;
      g_cond_broadcast (&self->cond);
      g_cond_broadcast (&store->changed);
    }
  g_mutex_unlock (&store->lock);
  g_clear_error (&error);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Attempt) self = user_data;
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  GError *error = NULL;

  if (self->request->method->finish (self->storage, self->request, source, result, &answer, &error))
    self->store->n_restarts = 0;
  else if (error == NULL)
    error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "%s failed without a reason",
                              self->request->method->name);
  g_hash_table_remove (self->store->attempts, self);
  attempt_end (self, &answer, error);
}

static gboolean
start_cb (gpointer data)
{
  Attempt *self = data;
  TeesqlStoreAnswer none = { 0 };

  if (self->store->storage == NULL)
    {
      attempt_end (self, &none,
                   teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-host-broken", 0,
                                     "the host of storage %s is being restarted", self->store->instance));
      return G_SOURCE_REMOVE;
    }
  self->storage = g_object_ref (self->store->storage);
  g_hash_table_add (self->store->attempts, self);
  self->request->method->start (self->request, self->storage, self->cancellable, answered_cb, attempt_ref (self));
  return G_SOURCE_REMOVE;
}

static gboolean
cancel_cb (gpointer data)
{
  g_cancellable_cancel (((Attempt *) data)->cancellable);
  return G_SOURCE_REMOVE;
}

static gboolean
give_up_cb (gpointer data)
{
  Attempt *self = data;
  g_autoptr (GError) why = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-host-hung", 0,
                                             "storage %s neither answered %s in time nor stopped when told to", self->store->instance,
                                             self->request->method->name);

  if (!self->done && self->storage != NULL)
    teesql_store_give_up (self->store, self->storage, why);
  return G_SOURCE_REMOVE;
}

void
teesql_store_fail_attempts (TeesqlStore *self, TeesqlStorage *storage, const GError *why)
{
  GHashTableIter iter;
  gpointer key = NULL;

  g_hash_table_iter_init (&iter, self->attempts);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      Attempt *attempt = key;
      TeesqlStoreAnswer none = { 0 };

      if (attempt->storage == storage)
        attempt_end (attempt, &none,
                     teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, teesql_error_get_reason (why),
                                       teesql_error_get_retry_after_ms (why), "%s", why->message));
    }
}

/* ---- on the asking thread ---- */

static void
post (Attempt *self, GSourceFunc func)
{
  teesql_store_post (self->store->context, func, attempt_ref (self), attempt_unref);
}

static void
attempt_post (Attempt *self)
{
  g_mutex_lock (&self->store->lock);
  self->store->n_attempts++;
  g_mutex_unlock (&self->store->lock);
  post (self, start_cb);
}

/* A put that is fed may take as long as it moves. */
static gint64
attempt_deadline_us (const Attempt *self, gint64 begun_us, gint64 until_us)
{
  gint64 timeout_us = (gint64) self->store->call_timeout_ms * 1000;
  gint64 moved_us = 0;

  if (self->request->content == NULL)
    return MIN (begun_us + timeout_us, until_us);
  moved_us = self->request->last_move_us (self->request->content);
  return moved_us == G_MAXINT64 ? G_MAXINT64 : MAX (moved_us, begun_us) + timeout_us;
}

/* lock held; %FALSE: the wait ended before the attempt did */
static gboolean
wait_done (Attempt *self, gint64 until_us, GCancellable *cancellable, GError **error)
{
  gint64 begun_us = g_get_monotonic_time ();

  while (!self->done)
    {
      gint64 now_us = g_get_monotonic_time ();
      gint64 deadline_us = attempt_deadline_us (self, begun_us, until_us);

      if (!teesql_store_check_stop (self->store, cancellable, error))
        return FALSE;
      if (now_us >= deadline_us)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "storage %s did not answer %s within %u ms", self->store->instance,
                       self->request->method->name, (guint) ((now_us - begun_us) / 1000));
          return FALSE;
        }
      if (self->request->content != NULL)
        deadline_us = MIN (deadline_us, now_us + LOOK_US);
      g_cond_wait_until (&self->cond, &self->store->lock, deadline_us);
    }
  return TRUE;
}

/* lock held. Told to stop, a call may still win the race: then it counts. */
static void
wait_stopped (Attempt *self)
{
  gint64 until_us = g_get_monotonic_time () + GRACE_US;

  post (self, cancel_cb);
  while (!self->done && g_get_monotonic_time () < until_us)
    g_cond_wait_until (&self->cond, &self->store->lock, until_us);
  if (!self->done)
    post (self, give_up_cb);
}

/* @stopped: (transfer full) (nullable): why the wait ended before the attempt did */
static gboolean
attempt_take (Attempt *self, GError *stopped, TeesqlStoreAnswer *out, GError **error)
{
  gboolean well = self->done && self->error == NULL;

  if (self->done)
    {
      *out = self->answer;
      self->answer = (TeesqlStoreAnswer){ 0 };
    }
  if (!well)
    g_propagate_error (error, stopped != NULL ? g_steal_pointer (&stopped) : g_steal_pointer (&self->error));
  g_clear_error (&stopped);
  return well;
}

gboolean
teesql_store_ask_once (TeesqlStore *self, TeesqlStoreRequest *request, gint64 until_us, GCancellable *cancellable, TeesqlStoreAnswer *out,
                       GError **error)
{
  g_autoptr (Attempt) attempt = NULL;
  TeesqlStoreWatch watch;
  GError *stopped = NULL;
  gboolean well = FALSE;

  if (!teesql_store_wait_ready (self, until_us, cancellable, error))
    return FALSE;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  attempt = attempt_new (self, request);
  teesql_store_watch_begin (&watch, self, &attempt->cond, cancellable);
  attempt_post (attempt);
  g_mutex_lock (&self->lock);
  if (!wait_done (attempt, until_us, cancellable, &stopped))
    wait_stopped (attempt);
  well = attempt_take (attempt, stopped, out, error);
  g_mutex_unlock (&self->lock);
  teesql_store_watch_end (&watch);
  return well;
}

void
teesql_store_tell (TeesqlStore *self, TeesqlStoreRequest *request)
{
  g_autoptr (Attempt) attempt = attempt_new (self, request);

  attempt_post (attempt);
}

gboolean
teesql_store_back_off (TeesqlStore *self, TeesqlStorageRetry *retry, GError *failure, gboolean reads, GCancellable *cancellable,
                       GError **error)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 delay_us = 0;

  if (!teesql_storage_retry_next (retry, failure, reads, now_us, g_random_double (), &delay_us))
    {
      if (retry->n_failures > 0)
        g_prefix_error (&failure, "after %u attempts: ", retry->n_failures + 1);
      g_propagate_error (error, failure);
      return FALSE;
    }
  teesql_store_note_problem (self, failure);
  g_error_free (failure);
  if (self->status != NULL)
    teesql_status_count (self->status, TEESQL_COUNTER_STORAGE_RETRIES, 1);
  return teesql_store_sleep (self, now_us + delay_us, cancellable, error);
}

gboolean
teesql_store_ask (TeesqlStore *self, TeesqlStoreRequest *request, GCancellable *cancellable, TeesqlStoreAnswer *out, gboolean *out_lost,
                  GError **error)
{
  TeesqlStorageRetry retry;

  teesql_storage_retry_init (&retry, g_get_monotonic_time (), teesql_store_get_retry_deadline (self));
  while (TRUE)
    {
      GError *failure = NULL;

      if (teesql_store_ask_once (self, request, retry.deadline_us, cancellable, out, &failure))
        {
          teesql_store_note_problem (self, NULL);
          return TRUE;
        }
      if (g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND) ||
          g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
        teesql_store_note_problem (self, NULL);
      else if (out_lost != NULL)
        *out_lost = TRUE;
      teesql_store_answer_clear (out);
      if (!teesql_store_back_off (self, &retry, failure, request->method->reads, cancellable, error))
        return FALSE;
    }
}
