#include "store-world.h"

#include <string.h>

static GBytes *
read_all (TeesqlStoreReader *reader, gsize piece, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree guint8 *buffer = g_malloc (piece);
  gsize n = 0;

  do
    {
      if (!teesql_store_reader_read (reader, buffer, piece, &n, error))
        return NULL;
      g_byte_array_append (bytes, buffer, (guint) n);
    }
  while (n == piece);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static GBytes *
read_range (World *world, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (TeesqlStoreReader) reader = teesql_store_reader_new (world->store, "o", offset, length, MIB, NULL, error);

  g_assert_nonnull (reader);
  return read_all (reader, 100003, error);
}

static void
assert_range (World *world, GBytes *content, guint64 offset, guint64 length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) found = read_range (world, offset, length, &error);
  gsize n = (gsize) MIN (length, g_bytes_get_size (content) - offset);
  g_autoptr (GBytes) expected = g_bytes_new_from_bytes (content, (gsize) offset, n);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (found, expected));
}

static void
test_ranges (void)
{
  World world = { NULL };
  g_autoptr (GBytes) content = test_bytes (5 * MIB + 17, 1);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_set (world.storage, "o", content);
  assert_range (&world, content, 0, G_MAXUINT64);
  assert_range (&world, content, 0, 5 * MIB + 17);
  assert_range (&world, content, 3 * MIB, 1);
  assert_range (&world, content, 12345, 2 * MIB);
  assert_range (&world, content, 5 * MIB, G_MAXUINT64);
  assert_range (&world, content, 5 * MIB, 0);
  world_end (&world);
}

static void
test_broken (void)
{
  World world = { NULL };
  g_autoptr (GBytes) content = test_bytes (5 * MIB + 17, 1);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_set (world.storage, "o", content);
  fake_storage_plan (world.storage, "get", FAKE_NOT_DONE, 0);
  fake_storage_plan (world.storage, "get", FAKE_BREAK, 1000000);
  fake_storage_plan (world.storage, "get", FAKE_BREAK, 0);
  fake_storage_plan (world.storage, "get", FAKE_THROTTLED, 10);
  fake_storage_plan (world.storage, "get", FAKE_BREAK, 3 * MIB);
  fake_storage_plan (world.storage, "get", FAKE_CUT, 100); /* ends early: once that is an accident */
  assert_range (&world, content, 0, 5 * MIB + 17);
  g_assert_cmpuint (fake_storage_count (world.storage, "get"), ==, 7);
  g_assert_cmpuint (fake_storage_n_read (world.storage), ==, 5 * MIB + 17); /* nothing twice */
  world_end (&world);
}

/* An open end: after the last byte a store may not know the offset any more. */
static void
test_broken_at_end (void)
{
  World world = { NULL };
  g_autoptr (GBytes) content = test_bytes (MIB, 1);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_set (world.storage, "o", content);
  fake_storage_plan (world.storage, "get", FAKE_BREAK, MIB);
  assert_range (&world, content, 0, G_MAXUINT64);
  world_end (&world);
}

static void
test_cut (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (3 * MIB, 1);

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_set (world.storage, "o", content);
  for (guint i = 0; i < 10; i++)
    fake_storage_plan (world.storage, "get", FAKE_CUT, 1000);
  g_assert_null (read_range (&world, 0, 3 * MIB, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
  g_assert_cmpuint (fake_storage_count (world.storage, "get"), ==, 2);
  world_end (&world);
}

static void
test_absent (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world_begin (&world, ALL_FEATURES, 0, 20000);
  g_assert_null (read_range (&world, 0, G_MAXUINT64, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  world_end (&world);
}

/* A store that always breaks before it has given anything ends at the deadline. */
static void
test_deadline (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (MIB, 1);

  world_begin (&world, ALL_FEATURES, 0, 500);
  fake_storage_set (world.storage, "o", content);
  for (guint i = 0; i < 500; i++)
    fake_storage_plan (world.storage, "get", FAKE_BREAK, 0);
  g_assert_null (read_range (&world, 0, G_MAXUINT64, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  world_end (&world);
}

static void
wait_read (World *world, guint64 n)
{
  gint64 until = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (fake_storage_n_read (world->storage) < n)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until);
      g_thread_yield ();
    }
}

static void
test_memory (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (40 * MIB, 1);
  TeesqlStoreReader *reader = NULL;
  GPollFD none = { .fd = -1 };
  guint8 buffer[1000];
  gsize n = 0;

  world_begin (&world, ALL_FEATURES, 0, 20000);
  fake_storage_set (world.storage, "o", content);
  reader = teesql_store_reader_new (world.store, "o", 0, 40 * MIB, 4 * MIB, NULL, &error);
  g_assert_true (teesql_store_reader_read (reader, buffer, sizeof buffer, &n, &error));
  wait_read (&world, 4 * MIB); /* it does read ahead */
  g_poll (&none, 0, 200);
  g_assert_cmpuint (fake_storage_n_read (world.storage), <=, 5 * MIB);
  teesql_store_reader_free (reader);
  world_end (&world);
}

static void
test_cancelled (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (MIB, 1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (TeesqlStoreReader) reader = NULL;
  GThread *thread = NULL;
  gint64 begun = g_get_monotonic_time ();
  guint8 buffer[1000];
  gsize n = 0;

  world_begin (&world, ALL_FEATURES, 0, 0);
  fake_storage_set (world.storage, "o", content);
  fake_storage_plan (world.storage, "get", FAKE_HANG, 0);
  reader = teesql_store_reader_new (world.store, "o", 0, MIB, 0, cancellable, &error);
  thread = cancel_later (cancellable, 50);
  g_assert_false (teesql_store_reader_read (reader, buffer, sizeof buffer, &n, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 1200 * 1000);
  g_thread_join (thread);
  teesql_store_reader_free (g_steal_pointer (&reader));
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/reader/gives-every-range", test_ranges);
  g_test_add_func ("/storage/reader/takes-up-a-broken-stream-where-it-broke", test_broken);
  g_test_add_func ("/storage/reader/takes-up-an-open-end", test_broken_at_end);
  g_test_add_func ("/storage/reader/refuses-an-object-that-ends-early", test_cut);
  g_test_add_func ("/storage/reader/says-that-there-is-no-object", test_absent);
  g_test_add_func ("/storage/reader/gives-up-at-the-deadline", test_deadline);
  g_test_add_func ("/storage/reader/holds-no-more-than-promised", test_memory);
  g_test_add_func ("/storage/reader/ends-within-a-second-of-cancellation", test_cancelled);
  return g_test_run ();
}
