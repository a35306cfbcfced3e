#include "store-world.h"

#define PART TEESQL_STORE_PART_SIZE

/* Writes in odd pieces. */
static gboolean
write_all (TeesqlStoreUpload *upload, GBytes *content, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (content, &size);

  for (gsize at = 0; at < size; at += 1234567)
    if (!teesql_store_upload_write (upload, data + at, MIN (1234567, size - at), error))
      return FALSE;
  return TRUE;
}

static gboolean
upload (World *world, const char *name, GBytes *content, TeesqlStoragePutFlags flags, guint parallel, GError **error)
{
  g_autoptr (TeesqlStoreUpload) up = teesql_store_upload_new (world->store, name, flags, parallel, NULL, error);
  guint64 size = 0;

  g_assert_nonnull (up);
  if (!write_all (up, content, error) || !teesql_store_upload_commit (up, &size, error))
    return FALSE;
  g_assert_cmpuint (size, ==, g_bytes_get_size (content));
  return TRUE;
}

static void
assert_stored (World *world, const char *name, GBytes *expected)
{
  g_autoptr (GBytes) found = fake_storage_peek (world->storage, name);

  g_assert_nonnull (found);
  g_assert_true (g_bytes_equal (found, expected));
}

static void
test_sizes (void)
{
  const gsize sizes[] = { 0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 12345, 3 * PART };
  const TeesqlStorageFeatures features[] = { ALL_FEATURES, TEESQL_STORAGE_FEATURE_UPLOAD, TEESQL_STORAGE_FEATURE_IF_ABSENT };

  for (gsize f = 0; f < G_N_ELEMENTS (features); f++)
    {
      World world = { NULL };

      world_begin (&world, features[f], 0, 20000);
      for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (GBytes) content = test_bytes (sizes[i], (guint8) i);

          g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 3, &error));
          g_assert_no_error (error);
          assert_stored (&world, "o", content);
        }
      g_assert_cmpuint (fake_storage_n_uploads (world.storage), ==, 0);
      if ((features[f] & TEESQL_STORAGE_FEATURE_UPLOAD) != 0)
        g_assert_cmpuint (fake_storage_count (world.storage, "put"), ==, 4); /* what fits a part needs no upload */
      world_end (&world);
    }
}

static void
test_parallel (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (6 * PART, 1);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_hold_parts (world.storage, 4); /* nothing moves unless four are there at once */
  g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 4, &error));
  g_assert_no_error (error);
  assert_stored (&world, "o", content);
  g_assert_cmpuint (fake_storage_max_parts (world.storage), ==, 4);
  world_end (&world);
}

static void
test_parts_retried (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (5 * PART + 5, 2);

  world_begin (&world, ALL_FEATURES, 500, 20000);
  fake_storage_plan (world.storage, "upload_begin", FAKE_NOT_DONE, 0);
  fake_storage_plan (world.storage, "upload_part", FAKE_NOT_DONE, 0);
  fake_storage_plan (world.storage, "upload_part", FAKE_ANSWER_LOST, 0);
  fake_storage_plan (world.storage, "upload_part", FAKE_THROTTLED, 50);
  fake_storage_plan (world.storage, "upload_part", FAKE_HANG, 0);
  fake_storage_plan (world.storage, "upload_commit", FAKE_NOT_DONE, 0);
  g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_IF_ABSENT, 2, &error));
  g_assert_no_error (error);
  assert_stored (&world, "o", content);
  g_assert_cmpuint (teesql_status_get_counter (world.status, TEESQL_COUNTER_STORAGE_RETRIES), >=, 6); /* more where the machine is slow */
  world_end (&world);
}

static void
test_commit_lost (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (2 * PART + 5, 3);
  g_autoptr (GBytes) other = test_bytes (2 * PART + 5, 4);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_plan (world.storage, "upload_commit", FAKE_ANSWER_LOST, 0);
  g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_IF_ABSENT, 2, &error));
  g_assert_no_error (error);
  /* it was not ours that appeared, although its size is */
  fake_storage_set (world.storage, "p", other);
  fake_storage_plan (world.storage, "upload_commit", FAKE_NOT_DONE, 0);
  g_assert_false (upload (&world, "p", content, TEESQL_STORAGE_PUT_IF_ABSENT, 2, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  world_wait_no_uploads (&world);
  assert_stored (&world, "p", other);
  world_end (&world);
}

static void
test_upload_lost (void)
{
  const char *const methods[] = { "upload_part", "upload_commit" };

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      World world = { NULL };
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) content = test_bytes (2 * PART + 5, 3);

      world_begin (&world, ALL_FEATURES, 0, 20000);
      fake_storage_plan (world.storage, methods[i], FAKE_FORGET, 0);
      g_assert_false (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 2, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "upload-lost");
      g_assert_null (fake_storage_peek (world.storage, "o"));
      world_end (&world);
    }
}

static void
test_wrong_size (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (PART + 5, 3);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_plan (world.storage, "upload_commit", FAKE_WRONG_SIZE, 0);
  g_assert_false (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 2, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
  world_end (&world);
}

static void
test_hole (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (PART + 5, 3);
  TeesqlStoreUpload *up = NULL;

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_plan (world.storage, "upload_begin", FAKE_REFUSED, 0);
  up = teesql_store_upload_new (world.store, "o", TEESQL_STORAGE_PUT_NONE, 2, NULL, &error);
  g_assert_false (write_all (up, content, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  g_clear_error (&error);
  g_assert_false (teesql_store_upload_write (up, (const guint8 *) "x", 1, &error));
  g_clear_error (&error);
  g_assert_false (teesql_store_upload_commit (up, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  teesql_store_upload_free (up);
  g_assert_null (fake_storage_peek (world.storage, "o"));
  world_end (&world);
}

static void
given_up (TeesqlStorageFeatures features, gsize size)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (size, 3);
  TeesqlStoreUpload *up = NULL;

  world_begin (&world, features, 0, 20000);
  up = teesql_store_upload_new (world.store, "o", TEESQL_STORAGE_PUT_NONE, 2, NULL, &error);
  g_assert_true (write_all (up, content, &error));
  teesql_store_upload_free (up);
  world_wait_no_uploads (&world);
  g_assert_null (fake_storage_peek (world.storage, "o"));
  world_end (&world);
}

static void
test_given_up (void)
{
  given_up (ALL_FEATURES, PART / 2);
  given_up (ALL_FEATURES, 2 * PART + 1);
  given_up (TEESQL_STORAGE_FEATURE_IF_ABSENT, 2 * PART + 1);
}

static void
cancelled (TeesqlStorageFeatures features, const char *method)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (5 * PART, 3);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GThread *thread = NULL;
  gint64 begun = 0;
  TeesqlStoreUpload *up = NULL;

  world_begin (&world, features, 0, 0);
  fake_storage_plan (world.storage, method, FAKE_HANG, 0);
  up = teesql_store_upload_new (world.store, "o", TEESQL_STORAGE_PUT_NONE, 1, cancellable, &error);
  begun = g_get_monotonic_time ();
  thread = cancel_later (cancellable, 300);
  g_assert_false (write_all (up, content, &error) && teesql_store_upload_commit (up, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 1500 * 1000);
  g_thread_join (thread);
  teesql_store_upload_free (up);
  world_wait_no_uploads (&world);
  g_assert_null (fake_storage_peek (world.storage, "o"));
  world_end (&world);
}

static void
test_cancelled (void)
{
  cancelled (ALL_FEATURES, "upload_begin");
  cancelled (ALL_FEATURES, "upload_part");
  cancelled (ALL_FEATURES, "upload_commit");
  cancelled (TEESQL_STORAGE_FEATURE_IF_ABSENT, "put");
}

static void
test_feed_broken (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (3 * PART + 5, 3);

  world_begin (&world, TEESQL_STORAGE_FEATURE_IF_ABSENT, 0, 20000);
  fake_storage_plan (world.storage, "put", FAKE_BREAK, PART + 7);
  g_assert_false (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 2, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpuint (fake_storage_count (world.storage, "put"), ==, 1);
  g_clear_error (&error);
  /* the answer alone was lost */
  fake_storage_plan (world.storage, "put", FAKE_ANSWER_LOST, 0);
  g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_IF_ABSENT, 2, &error));
  g_assert_no_error (error);
  world_end (&world);
}

/* Content that comes slower than a call may take is no fault of the store. */
static void
test_slow_content (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (2 * PART + 5, 3);
  g_autoptr (GBytes) tail = test_bytes (100, 3);
  GPollFD none = { .fd = -1 };
  TeesqlStoreUpload *up = NULL;

  world_begin (&world, TEESQL_STORAGE_FEATURE_IF_ABSENT, 300, 20000);
  up = teesql_store_upload_new (world.store, "o", TEESQL_STORAGE_PUT_NONE, 2, NULL, &error);
  g_assert_true (write_all (up, content, &error));
  g_poll (&none, 0, 1300);
  g_assert_true (write_all (up, tail, &error));
  g_assert_true (teesql_store_upload_commit (up, NULL, &error));
  g_assert_no_error (error);
  teesql_store_upload_free (up);
  world_end (&world);
}

static void
test_host_dies (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (4 * PART + 5, 3);

  world_begin_made (&world, 0, TEESQL_ERROR_UNAVAILABLE, 20000);
  fake_storage_plan (world.storage, "upload_part", FAKE_DIE, 0);
  fake_storage_plan (world.storage, "upload_commit", FAKE_DIE, 0);
  g_assert_true (upload (&world, "o", content, TEESQL_STORAGE_PUT_NONE, 2, &error));
  g_assert_no_error (error);
  assert_stored (&world, "o", content);
  g_assert_cmpuint (teesql_status_get_counter (world.status, TEESQL_COUNTER_STORAGE_RESTARTS), ==, 2);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/upload/stores-every-size-whatever-the-store-can-do", test_sizes);
  g_test_add_func ("/storage/upload/sends-parts-side-by-side", test_parallel);
  g_test_add_func ("/storage/upload/resends-parts-that-were-not-served", test_parts_retried);
  g_test_add_func ("/storage/upload/settles-a-lost-commit-by-looking", test_commit_lost);
  g_test_add_func ("/storage/upload/says-that-the-store-lost-it", test_upload_lost);
  g_test_add_func ("/storage/upload/refuses-a-wrong-size", test_wrong_size);
  g_test_add_func ("/storage/upload/stores-nothing-with-a-hole", test_hole);
  g_test_add_func ("/storage/upload/leaves-nothing-when-given-up", test_given_up);
  g_test_add_func ("/storage/upload/ends-within-a-second-of-cancellation", test_cancelled);
  g_test_add_func ("/storage/upload/does-not-repeat-content-that-was-read-in-part", test_feed_broken);
  g_test_add_func ("/storage/upload/waits-for-slow-content", test_slow_content);
  g_test_add_func ("/storage/upload/goes-on-after-the-host-died", test_host_dies);
  return g_test_run ();
}
