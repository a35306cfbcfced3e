#include "cloud-tokens.h"

#include "base/teesql-clock.h"

#define AHEAD_MS ((gint64) 5 * 60 * 1000)
#define AGAIN_MS ((gint64) 30 * 1000)

struct _CloudTokens
{
  CloudTokenSource source;
  gpointer user_data;
  gpointer token; /* NULL before the first */
  gint64 due_ms;
  gint64 end_ms;
  GPtrArray *waiters;     /* of Waiter */
  GCancellable *fetching; /* NULL while nothing is under way */
};

typedef struct
{
  CloudTokens *tokens;
  GTask *task; /* NULL once answered */
  GCancellable *cancellable;
  GSource *cancelled;
} Waiter;

static void
waiter_free (gpointer data)
{
  Waiter *self = data;

  if (self->cancelled != NULL)
    {
      g_source_destroy (self->cancelled);
      g_source_unref (self->cancelled);
    }
  g_clear_object (&self->task);
  g_free (self);
}

CloudTokens *
cloud_tokens_new (const CloudTokenSource *source, gpointer user_data)
{
  CloudTokens *self = g_rc_box_new0 (CloudTokens);

  self->source = *source;
  self->user_data = user_data;
  self->waiters = g_ptr_array_new_with_free_func (waiter_free);
  return self;
}

CloudTokens *
cloud_tokens_ref (CloudTokens *self)
{
  return g_rc_box_acquire (self);
}

static void
cloud_tokens_clear (gpointer data)
{
  CloudTokens *self = data;

  g_ptr_array_unref (self->waiters);
  if (self->token != NULL)
    self->source.unref (self->token);
  if (self->source.destroy != NULL)
    self->source.destroy (self->user_data);
}

void
cloud_tokens_unref (CloudTokens *self)
{
  g_rc_box_release_full (self, cloud_tokens_clear);
}

static gboolean
is_good (const CloudTokens *self)
{
  return self->token != NULL && teesql_clock_boot_ms () < self->end_ms;
}

static void
keep (CloudTokens *self, gpointer token, gint64 lifetime_ms)
{
  gint64 now = teesql_clock_boot_ms ();
  gint64 life = CLAMP (lifetime_ms, 0, G_MAXINT64 / 4);

  if (self->token != NULL)
    self->source.unref (self->token);
  self->token = token;
  self->end_ms = now + life;
  self->due_ms = now + life - MIN (AHEAD_MS, life / 3);
}

static void
answer_all (CloudTokens *self, const GError *error)
{
  g_autoptr (GPtrArray) waiters = g_steal_pointer (&self->waiters);

  self->waiters = g_ptr_array_new_with_free_func (waiter_free);
  for (guint i = 0; i < waiters->len; i++)
    {
      Waiter *waiter = waiters->pdata[i];

      if (error != NULL)
        g_task_return_error (waiter->task, g_error_copy (error));
      else
        g_task_return_pointer (waiter->task, self->source.ref (self->token), self->source.unref);
    }
}

static void start_fetch (CloudTokens *self);

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (CloudTokens) self = user_data;
  g_autoptr (GError) error = NULL;
  gint64 lifetime_ms = 0;
  gboolean abandoned = g_cancellable_is_cancelled (self->fetching);
  gpointer token = self->source.fetch_finish (self->user_data, result, &lifetime_ms, &error);

  g_clear_object (&self->fetching);
  if (token != NULL)
    keep (self, token, lifetime_ms);
  else if (is_good (self))
    self->due_ms = teesql_clock_boot_ms () + AGAIN_MS;
  /* everybody had gone, and somebody came again before this was heard of */
  if (token == NULL && abandoned && self->waiters->len > 0)
    start_fetch (self);
  else
    answer_all (self, token != NULL || is_good (self) ? NULL : error);
}

static void
start_fetch (CloudTokens *self)
{
  self->fetching = g_cancellable_new ();
  self->source.fetch_async (self->user_data, self->fetching, fetched_cb, cloud_tokens_ref (self));
}

static gboolean
waiter_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Waiter *waiter = user_data;
  g_autoptr (CloudTokens) self = cloud_tokens_ref (waiter->tokens);

  g_task_return_new_error (waiter->task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled while waiting for credentials");
  g_ptr_array_remove_fast (self->waiters, waiter);
  if (self->waiters->len == 0 && self->fetching != NULL)
    g_cancellable_cancel (self->fetching);
  return G_SOURCE_REMOVE;
}

static void
add_waiter (CloudTokens *self, GTask *task, GCancellable *cancellable)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  waiter->tokens = self;
  waiter->task = task;
  g_ptr_array_add (self->waiters, waiter);
  if (cancellable == NULL)
    return;
  waiter->cancelled = g_cancellable_source_new (cancellable);
  g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (waiter_cancelled_cb), waiter, NULL);
  g_source_attach (waiter->cancelled, g_main_context_get_thread_default ());
}

void
cloud_tokens_get_async (CloudTokens *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, cloud_tokens_get_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, cloud_tokens_ref (self), (GDestroyNotify) cloud_tokens_unref);
  if (is_good (self) && teesql_clock_boot_ms () < self->due_ms)
    {
      g_task_return_pointer (task, self->source.ref (self->token), self->source.unref);
      g_object_unref (task);
      return;
    }
  add_waiter (self, task, cancellable);
  if (self->fetching == NULL)
    start_fetch (self);
}

gpointer
cloud_tokens_get_finish (CloudTokens *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
cloud_tokens_forget (CloudTokens *self, gconstpointer token)
{
  if (self->token == token)
    self->end_ms = self->due_ms = 0;
}
