#include "store-world.h"

static FakeStorage *to_make;
static guint n_to_fail;
static TeesqlError fail_code;
static int n_made; /* atomic */

static void
begin (World *self, guint call_timeout_ms, guint retry_deadline_ms, const TeesqlStoreMaker *maker)
{
  TeesqlStoreOptions options = { .instance = "fake", .call_timeout_ms = call_timeout_ms, .retry_deadline_ms = retry_deadline_ms };
  static const TeesqlStoreMaker none = { NULL, NULL };

  self->status = teesql_status_new ();
  options.status = self->status;
  if (maker == NULL)
    options.storage = TEESQL_STORAGE (self->storage);
  self->store = teesql_store_new_full (&options, maker != NULL ? maker : &none);
}

void
world_begin (World *self, TeesqlStorageFeatures features, guint call_timeout_ms, guint retry_deadline_ms)
{
  self->storage = fake_storage_new (features);
  begin (self, call_timeout_ms, retry_deadline_ms, NULL);
}

static void
make_async (TeesqlConfig *config, const char *instance, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_atomic_int_inc (&n_made);
  if (n_to_fail > 0)
    {
      n_to_fail--;
      g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, fail_code, "no-host", 0, "no host"));
    }
  else
    g_task_return_pointer (task, g_object_ref (to_make), g_object_unref);
}

static TeesqlStorage *
make_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
world_begin_made (World *self, guint n_failures, TeesqlError code, guint retry_deadline_ms)
{
  static const TeesqlStoreMaker maker = { make_async, make_finish };

  self->storage = fake_storage_new (ALL_FEATURES);
  to_make = self->storage;
  n_to_fail = n_failures;
  fail_code = code;
  g_atomic_int_set (&n_made, 0);
  begin (self, 500, retry_deadline_ms, &maker);
}

guint
world_n_made (void)
{
  return (guint) g_atomic_int_get (&n_made);
}

void
world_end (World *self)
{
  fake_storage_release_deaf (self->storage);
  teesql_store_close (self->store);
  g_clear_object (&self->store);
  g_clear_object (&self->status);
  g_clear_object (&self->storage);
}

GBytes *
test_bytes (gsize size, guint8 seed)
{
  guint8 *data = g_malloc (size);
  guint32 state = seed + 1u;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = (guint8) (state >> 24);
    }
  return g_bytes_new_take (data, size);
}

typedef struct
{
  GCancellable *cancellable;
  guint ms;
} Later;

static gpointer
cancel_later_run (gpointer data)
{
  Later *later = data;
  GPollFD none = { .fd = -1 };

  g_poll (&none, 0, (int) later->ms);
  g_cancellable_cancel (later->cancellable);
  g_object_unref (later->cancellable);
  g_free (later);
  return NULL;
}

GThread *
cancel_later (GCancellable *cancellable, guint ms)
{
  Later *later = g_new (Later, 1);

  *later = (Later){ g_object_ref (cancellable), ms };
  return g_thread_new ("cancel", cancel_later_run, later);
}

void
world_wait_no_uploads (World *self)
{
  gint64 until = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (fake_storage_n_uploads (self->storage) > 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until);
      g_thread_yield ();
    }
}
