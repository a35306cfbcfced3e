#include "store-world.h"

#define DEADLINE_MS 20000

static GBytes *
text (const char *s)
{
  return g_bytes_new (s, strlen (s));
}

static void
assert_stored (World *world, const char *name, GBytes *expected)
{
  g_autoptr (GBytes) found = fake_storage_peek (world->storage, name);

  g_assert_nonnull (found);
  g_assert_true (g_bytes_equal (found, expected));
}

static void
test_round_trip (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (700 * 1024 + 3, 1);
  g_autoptr (GBytes) back = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;

  world_begin (&world, ALL_FEATURES, 0, 0);
  g_assert_cmpstr (teesql_store_get_instance (world.store), ==, "fake");
  g_assert_true (teesql_store_open (world.store, NULL, &error));
  g_assert_cmpint (teesql_store_get_features (world.store), ==, ALL_FEATURES);
  g_assert_true (teesql_store_put (world.store, "a/b", content, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  back = teesql_store_get (world.store, "a/b", MIB, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (content, back));
  info = teesql_store_stat (world.store, "a/b", NULL, &error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, g_bytes_get_size (content));
  g_assert_true (teesql_store_remove (world.store, "a/b", NULL, &error));
  g_assert_null (teesql_store_stat (world.store, "a/b", NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  world_end (&world);
}

static void
test_get_bound (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (1000, 1);
  g_autoptr (GBytes) exact = NULL;

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_set (world.storage, "o", content);
  exact = teesql_store_get (world.store, "o", 1000, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (teesql_store_get (world.store, "o", 999, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "object-too-large");
  world_end (&world);
}

static void
test_retries (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) problem = NULL;
  g_autoptr (GBytes) content = text ("x");

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_plan (world.storage, "put", FAKE_NOT_DONE, 0);
  fake_storage_plan (world.storage, "put", FAKE_THROTTLED, 150);
  g_assert_true (teesql_store_put (world.store, "o", content, TEESQL_STORAGE_PUT_NONE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_storage_count (world.storage, "put"), ==, 3);
  g_assert_cmpuint (teesql_status_get_counter (world.status, TEESQL_COUNTER_STORAGE_RETRIES), ==, 2);
  problem = teesql_store_get_last_problem (world.store);
  g_assert_no_error (problem);
  world_end (&world);
}

static void
test_retry_after (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_plan (world.storage, "remove", FAKE_THROTTLED, 700);
  g_assert_true (teesql_store_remove (world.store, "o", NULL, &error));
  g_assert_cmpint (fake_storage_last_call_us (world.storage) - begun, >=, 700 * 1000);
  world_end (&world);
}

static void
test_final (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = text ("x");

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_plan (world.storage, "put", FAKE_REFUSED, 0);
  g_assert_false (teesql_store_put (world.store, "o", content, TEESQL_STORAGE_PUT_NONE, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  g_assert_cmpuint (fake_storage_count (world.storage, "put"), ==, 1);
  world_end (&world);
}

static void
test_deadline (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) problem = NULL;
  gint64 begun = g_get_monotonic_time ();

  world_begin (&world, ALL_FEATURES, 0, 600);
  for (guint i = 0; i < 200; i++)
    fake_storage_plan (world.storage, "stat", FAKE_NOT_DONE, 0);
  g_assert_null (teesql_store_stat (world.store, "o", NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "not-served");
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 3 * G_USEC_PER_SEC);
  g_assert_cmpuint (fake_storage_count (world.storage, "stat"), >, 1);
  problem = teesql_store_get_last_problem (world.store);
  g_assert_error (problem, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  world_end (&world);
}

static void
test_lost_answer (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = text ("ours");

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_plan (world.storage, "put", FAKE_ANSWER_LOST, 0);
  g_assert_true (teesql_store_put (world.store, "o", content, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_storage_count (world.storage, "put"), ==, 2);
  g_assert_cmpuint (fake_storage_count (world.storage, "get"), ==, 1);
  world_end (&world);
}

static void
test_lost_race (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) ours = text ("ours");
  g_autoptr (GBytes) other = text ("else");
  g_autoptr (GBytes) empty = text ("");

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_set (world.storage, "o", other);
  fake_storage_plan (world.storage, "put", FAKE_NOT_DONE, 0);
  g_assert_false (teesql_store_put (world.store, "o", ours, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  g_clear_error (&error);
  /* nothing was lost: an equal object of somebody else's is no success */
  g_assert_false (teesql_store_put (world.store, "o", other, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  g_clear_error (&error);
  fake_storage_plan (world.storage, "put", FAKE_ANSWER_LOST, 0);
  g_assert_true (teesql_store_put (world.store, "e", empty, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  assert_stored (&world, "o", other);
  world_end (&world);
}

static void
test_corrupt_get (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (1000, 3);
  g_autoptr (GBytes) found = NULL;

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fake_storage_set (world.storage, "o", content);
  fake_storage_plan (world.storage, "get", FAKE_CORRUPT, 0);
  fake_storage_plan (world.storage, "get", FAKE_BREAK, 500);
  found = teesql_store_get (world.store, "o", 1000, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (found, content));
  fake_storage_plan (world.storage, "get", FAKE_CORRUPT, 0);
  fake_storage_plan (world.storage, "get", FAKE_CORRUPT, 0);
  g_assert_null (teesql_store_get (world.store, "o", 1000, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
  world_end (&world);
}

static void
test_timeout (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world_begin (&world, ALL_FEATURES, 100, DEADLINE_MS);
  fake_storage_plan (world.storage, "remove", FAKE_HANG, 0);
  g_assert_true (teesql_store_remove (world.store, "o", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_storage_count (world.storage, "remove"), ==, 2);
  world_end (&world);
}

static void
cancel_one (FakeFault fault)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gint64 begun = g_get_monotonic_time ();
  GThread *thread = NULL;

  world_begin (&world, ALL_FEATURES, 0, 0);
  fake_storage_plan (world.storage, "stat", fault, 30000);
  thread = cancel_later (cancellable, 50);
  g_assert_null (teesql_store_stat (world.store, "o", cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 1050 * 1000 + 200 * 1000);
  g_thread_join (thread);
  world_end (&world);
}

static void
test_cancel (void)
{
  cancel_one (FAKE_HANG);
  cancel_one (FAKE_DEAF);
  cancel_one (FAKE_THROTTLED); /* while it waits for the next attempt */
}

static gpointer
close_run (gpointer data)
{
  GPollFD none = { .fd = -1 };

  g_poll (&none, 0, 50);
  teesql_store_close (data);
  return NULL;
}

static void
test_close (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  GThread *thread = NULL;

  world_begin (&world, ALL_FEATURES, 0, 0);
  fake_storage_plan (world.storage, "stat", FAKE_HANG, 0);
  thread = g_thread_new ("close", close_run, world.store);
  g_assert_null (teesql_store_stat (world.store, "o", NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_thread_join (thread);
  g_assert_false (teesql_store_remove (world.store, "o", NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  world_end (&world);
}

static void
test_restart (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world_begin_made (&world, 2, TEESQL_ERROR_UNAVAILABLE, DEADLINE_MS);
  g_assert_true (teesql_store_open (world.store, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (world_n_made (), ==, 3);
  g_assert_cmpuint (teesql_status_get_counter (world.status, TEESQL_COUNTER_STORAGE_RESTARTS), ==, 0);
  fake_storage_plan (world.storage, "remove", FAKE_DIE, 0);
  g_assert_true (teesql_store_remove (world.store, "o", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (world_n_made (), ==, 4);
  g_assert_cmpuint (teesql_status_get_counter (world.status, TEESQL_COUNTER_STORAGE_RESTARTS), ==, 1);
  world_end (&world);
}

static void
test_hung_host (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world_begin_made (&world, 0, TEESQL_ERROR_UNAVAILABLE, DEADLINE_MS);
  fake_storage_plan (world.storage, "remove", FAKE_DEAF, 0);
  g_assert_true (teesql_store_remove (world.store, "o", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (world_n_made (), ==, 2);
  world_end (&world);
}

static void
test_operator (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world_begin_made (&world, 1, TEESQL_ERROR_CONFIG, DEADLINE_MS);
  g_assert_false (teesql_store_open (world.store, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpuint (world_n_made (), ==, 1);
  g_clear_error (&error);
  /* at once, it is the same; later he may have mended it */
  g_assert_false (teesql_store_open (world.store, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpuint (world_n_made (), ==, 1);
  world_end (&world);
}

static gboolean
collect (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  GPtrArray *names = user_data;

  g_ptr_array_add (names, g_strdup (teesql_object_info_get_name (info)));
  return names->len < 20;
}

static void
fill (World *world, guint n)
{
  g_autoptr (GBytes) content = text ("x");

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("p/%03u", i);

      fake_storage_set (world->storage, name, content);
    }
}

static void
test_list (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fill (&world, 50);
  fake_storage_plan (world.storage, "list", FAKE_NOT_DONE, 0);
  g_assert_true (teesql_store_list (world.store, "p/", 1000, collect, names, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 20); /* ended by the caller */
  for (guint i = 0; i < names->len; i++)
    g_assert_cmpuint (g_ascii_strtoull ((const char *) names->pdata[i] + 2, NULL, 10), ==, i);
  world_end (&world);
}

static void
test_list_bound (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fill (&world, 15);
  g_assert_true (teesql_store_list (world.store, "", 15, collect, names, NULL, &error));
  g_ptr_array_set_size (names, 0);
  g_assert_false (teesql_store_list (world.store, "", 14, collect, names, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "list-too-long");
  world_end (&world);
}

static void
test_list_order (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  fill (&world, 5);
  fake_storage_plan (world.storage, "list", FAKE_CUT, 0);
  fake_storage_plan (world.storage, "list", FAKE_CUT, 0);
  g_assert_false (teesql_store_list (world.store, "", 1000, collect, names, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "list-order");
  world_end (&world);
}

typedef struct
{
  World *world;
  guint number;
} Job;

static gpointer
many_run (gpointer data)
{
  Job *job = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("many/%u", job->number);
  g_autoptr (GBytes) content = test_bytes (300 * 1024, (guint8) job->number);
  g_autoptr (GBytes) back = NULL;

  g_assert_true (teesql_store_put (job->world->store, name, content, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  back = teesql_store_get (job->world->store, name, MIB, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (back, content));
  return NULL;
}

static void
test_many (void)
{
  World world = { NULL };
  Job jobs[64];
  GThread *threads[64];

  world_begin (&world, ALL_FEATURES, 0, DEADLINE_MS);
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      if (i % 8 == 0)
        fake_storage_plan (world.storage, "put", i % 16 == 0 ? FAKE_NOT_DONE : FAKE_ANSWER_LOST, 0);
      jobs[i] = (Job){ &world, i };
      threads[i] = g_thread_new ("many", many_run, &jobs[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    g_thread_join (threads[i]);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/store/keeps-gives-and-removes-objects", test_round_trip);
  g_test_add_func ("/storage/store/get-is-bounded", test_get_bound);
  g_test_add_func ("/storage/store/asks-again-what-was-not-served", test_retries);
  g_test_add_func ("/storage/store/waits-as-long-as-the-store-asks", test_retry_after);
  g_test_add_func ("/storage/store/does-not-repeat-what-an-operator-must-mend", test_final);
  g_test_add_func ("/storage/store/gives-up-at-the-deadline-with-the-last-failure", test_deadline);
  g_test_add_func ("/storage/store/settles-a-lost-answer-by-reading-back", test_lost_answer);
  g_test_add_func ("/storage/store/takes-no-other-object-for-its-own", test_lost_race);
  g_test_add_func ("/storage/store/looks-once-more-at-corrupt-bytes", test_corrupt_get);
  g_test_add_func ("/storage/store/ends-and-repeats-a-call-that-hangs", test_timeout);
  g_test_add_func ("/storage/store/cancelled-callers-are-back-within-a-second", test_cancel);
  g_test_add_func ("/storage/store/close-ends-what-runs", test_close);
  g_test_add_func ("/storage/store/makes-a-broken-storage-again", test_restart);
  g_test_add_func ("/storage/store/gives-up-a-host-that-does-not-obey", test_hung_host);
  g_test_add_func ("/storage/store/shows-an-operators-mistake-at-once", test_operator);
  g_test_add_func ("/storage/store/lists-over-pages-in-order", test_list);
  g_test_add_func ("/storage/store/lists-no-more-than-asked", test_list_bound);
  g_test_add_func ("/storage/store/refuses-a-listing-that-goes-back", test_list_order);
  g_test_add_func ("/storage/store/serves-many-threads-at-once", test_many);
  return g_test_run ();
}
