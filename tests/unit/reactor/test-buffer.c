#include "reactor/teesql-buffer.h"

static void
test_queue_keeps_order (void)
{
  TeesqlMemory memory = { .limit_bytes = 1 << 20 };
  TeesqlBufferPool pool;
  TeesqlBufferQueue queue = { NULL };
  g_autoptr (GRand) random = g_rand_new_with_seed (3);
  guint64 written = 0;
  guint64 seen = 0;

  teesql_buffer_pool_init (&pool, &memory);
  for (guint step = 0; step < 3000; step++)
    {
      guint8 bytes[5000];
      gsize size = (gsize) g_rand_int_range (random, 0, sizeof bytes);

      for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8) ((written + i) * 31 % 251);
      teesql_buffer_queue_append (&queue, &pool, bytes, size);
      written += size;
      for (gsize drop = (gsize) g_rand_int_range (random, 0, 5200); drop > 0 && queue.size > 0;)
        {
          gsize part = MIN (drop, queue.head->end - queue.head->start);

          for (gsize i = 0; i < part; i++)
            g_assert_cmpuint (queue.head->data[queue.head->start + i], ==, (seen + i) * 31 % 251);
          seen += part;
          drop -= part;
          teesql_buffer_queue_drop (&queue, &pool, part);
        }
      g_assert_cmpuint (queue.size, ==, written - seen);
    }
  teesql_buffer_queue_clear (&queue, &pool);
  g_assert_cmpuint (teesql_memory_get_used (&memory), ==, 0);
  teesql_buffer_pool_clear (&pool);
}

static void
test_empty_holds_nothing (void)
{
  TeesqlMemory memory = { .limit_bytes = 2 * sizeof (TeesqlBuffer) };
  TeesqlBufferPool pool;
  TeesqlBufferQueue queue = { NULL };
  g_autofree guint8 *bytes = g_malloc0 (TEESQL_BUFFER_SIZE + 1);

  teesql_buffer_pool_init (&pool, &memory);
  teesql_buffer_queue_append (&queue, &pool, bytes, TEESQL_BUFFER_SIZE);
  g_assert_false (teesql_memory_is_tight (&memory));
  teesql_buffer_queue_append (&queue, &pool, bytes, 1);
  g_assert_true (teesql_memory_is_tight (&memory));
  g_assert_cmpuint (teesql_memory_get_used (&memory), ==, 2 * sizeof (TeesqlBuffer));
  teesql_buffer_queue_drop (&queue, &pool, TEESQL_BUFFER_SIZE + 1);
  g_assert_null (queue.head);
  g_assert_null (queue.tail);
  g_assert_cmpuint (teesql_memory_get_used (&memory), ==, 0);
  teesql_buffer_pool_clear (&pool);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/buffer/queue-keeps-bytes-in-order", test_queue_keeps_order);
  g_test_add_func ("/reactor/buffer/empty-queue-holds-no-memory", test_empty_holds_nothing);
  return g_test_run ();
}
