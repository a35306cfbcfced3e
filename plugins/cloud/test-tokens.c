/* One fetch at a time, whoever asks; the old token while it lasts. */
#include "cloud-tokens.h"
#include "test-store.h"

typedef struct
{
  GPtrArray *tasks; /* fetches under way */
  guint n_fetches;
  gint64 lifetime_ms;
} Issuer;

static void
fetch_async (gpointer user_data, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data)
{
  Issuer *self = user_data;

  self->n_fetches++;
  g_ptr_array_add (self->tasks, g_task_new (NULL, cancellable, callback, callback_data));
}

static gpointer
fetch_finish (gpointer user_data, GAsyncResult *result, gint64 *out_lifetime_ms, GError **error)
{
  Issuer *self = user_data;

  *out_lifetime_ms = self->lifetime_ms;
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
issue (Issuer *self, const char *text)
{
  g_autoptr (GTask) task = g_object_ref (self->tasks->pdata[0]);

  g_ptr_array_remove_index (self->tasks, 0);
  if (text != NULL)
    g_task_return_pointer (task, g_ref_string_new (text), (GDestroyNotify) g_ref_string_release);
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "the issuer is away");
}

static gpointer
ref_text (gpointer text)
{
  return g_ref_string_acquire (text);
}

static CloudTokens *
tokens_new (Issuer *issuer, gint64 lifetime_ms)
{
  const CloudTokenSource source = { fetch_async, fetch_finish, ref_text, (GDestroyNotify) g_ref_string_release, NULL };

  issuer->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  issuer->lifetime_ms = lifetime_ms;
  return cloud_tokens_new (&source, issuer);
}

static void
check_answer (CloudTokens *tokens, GAsyncResult **place, const char *expected)
{
  g_autoptr (GAsyncResult) result = test_wait (place);
  g_autoptr (GError) error = NULL;
  char *text = cloud_tokens_get_finish (tokens, result, &error);

  *place = NULL;
  g_assert_cmpstr (text, ==, expected);
  g_assert_true ((error == NULL) == (expected != NULL));
  g_clear_pointer (&text, g_ref_string_release);
}

static void
test_single_flight (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 3600 * 1000);
  GAsyncResult *results[5] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    cloud_tokens_get_async (tokens, NULL, test_keep, &results[i]);
  g_assert_cmpuint (issuer.tasks->len, ==, 1);
  issue (&issuer, "one");
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    check_answer (tokens, &results[i], "one");
  cloud_tokens_get_async (tokens, NULL, test_keep, &results[0]);
  check_answer (tokens, &results[0], "one");
  g_assert_cmpuint (issuer.n_fetches, ==, 1);
  g_ptr_array_unref (issuer.tasks);
}

static void
test_short_life (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 0);
  GAsyncResult *result = NULL;

  for (guint i = 0; i < 3; i++)
    {
      cloud_tokens_get_async (tokens, NULL, test_keep, &result);
      issue (&issuer, "brief");
      check_answer (tokens, &result, "brief");
    }
  g_assert_cmpuint (issuer.n_fetches, ==, 3);
  g_ptr_array_unref (issuer.tasks);
}

static gboolean
never_due (gpointer data)
{
  const gint64 *until = data;

  return g_get_monotonic_time () > *until;
}

static gboolean
turn (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Two thirds of a life of 600 ms have passed: a new one is due, and the old one still good. */
static void
test_failed_refresh (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 6000);
  GAsyncResult *result = NULL;
  gint64 until = 0;
  guint id = 0;

  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  issue (&issuer, "old");
  check_answer (tokens, &result, "old");
  until = g_get_monotonic_time () + 4100 * 1000;
  id = g_timeout_add (50, turn, NULL);
  test_until (never_due, &until);
  g_source_remove (id);
  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  g_assert_cmpuint (issuer.n_fetches, ==, 2);
  issue (&issuer, NULL);
  check_answer (tokens, &result, "old");
  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  check_answer (tokens, &result, "old");
  g_assert_cmpuint (issuer.n_fetches, ==, 2);
  g_ptr_array_unref (issuer.tasks);
}

static void
test_failure (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 3600 * 1000);
  GAsyncResult *first = NULL;
  GAsyncResult *second = NULL;

  cloud_tokens_get_async (tokens, NULL, test_keep, &first);
  cloud_tokens_get_async (tokens, NULL, test_keep, &second);
  issue (&issuer, NULL);
  check_answer (tokens, &first, NULL);
  check_answer (tokens, &second, NULL);
  cloud_tokens_get_async (tokens, NULL, test_keep, &first);
  issue (&issuer, "now");
  check_answer (tokens, &first, "now");
  g_ptr_array_unref (issuer.tasks);
}

static void
test_cancelled (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 3600 * 1000);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *gone = NULL;
  GAsyncResult *stays = NULL;

  cloud_tokens_get_async (tokens, cancellable, test_keep, &gone);
  cloud_tokens_get_async (tokens, NULL, test_keep, &stays);
  g_cancellable_cancel (cancellable);
  check_answer (tokens, &gone, NULL);
  g_assert_false (g_cancellable_is_cancelled (g_task_get_cancellable (issuer.tasks->pdata[0])));
  issue (&issuer, "kept");
  check_answer (tokens, &stays, "kept");
  g_ptr_array_unref (issuer.tasks);
}

/* Nobody waits any more, so the fetch ends too; and who comes while it is ending gets one of his own. */
static void
test_abandoned (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, 3600 * 1000);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *gone = NULL;
  GAsyncResult *late = NULL;

  cloud_tokens_get_async (tokens, cancellable, test_keep, &gone);
  g_cancellable_cancel (cancellable);
  check_answer (tokens, &gone, NULL);
  g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (issuer.tasks->pdata[0])));
  cloud_tokens_get_async (tokens, NULL, test_keep, &late);
  g_assert_cmpuint (issuer.n_fetches, ==, 1);
  issue (&issuer, NULL);
  while (issuer.tasks->len == 0)
    g_main_context_iteration (NULL, TRUE);
  issue (&issuer, "fresh");
  check_answer (tokens, &late, "fresh");
  g_ptr_array_unref (issuer.tasks);
}

static void
test_forgotten (void)
{
  Issuer issuer = { 0 };
  g_autoptr (CloudTokens) tokens = tokens_new (&issuer, G_MAXINT64);
  GAsyncResult *result = NULL;
  char *text = NULL;

  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  issue (&issuer, "refused");
  text = cloud_tokens_get_finish (tokens, test_wait (&result), NULL);
  g_clear_object (&result);
  cloud_tokens_forget (tokens, text);
  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  issue (&issuer, "better");
  check_answer (tokens, &result, "better");
  cloud_tokens_forget (tokens, text); /* not the one that is kept */
  g_ref_string_release (text);
  cloud_tokens_get_async (tokens, NULL, test_keep, &result);
  check_answer (tokens, &result, "better");
  g_assert_cmpuint (issuer.n_fetches, ==, 2);
  g_ptr_array_unref (issuer.tasks);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokens/one fetch for all who wait", test_single_flight);
  g_test_add_func ("/tokens/one without life is used once", test_short_life);
  g_test_add_func ("/tokens/a failed refresh leaves the old one", test_failed_refresh);
  g_test_add_func ("/tokens/a failure reaches all who wait", test_failure);
  g_test_add_func ("/tokens/one of two cancelled", test_cancelled);
  g_test_add_func ("/tokens/all cancelled", test_abandoned);
  g_test_add_func ("/tokens/refused by the store", test_forgotten);
  return g_test_run ();
}
