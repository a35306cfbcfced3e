#include "reactor/teesql-timer.h"

#define N 500

static void
test_due_in_order (void)
{
  TeesqlTimerHeap heap;
  TeesqlTimer timers[N] = { { 0 } };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  gint64 last = -1;
  guint popped = 0;
  TeesqlTimer *timer;

  teesql_timer_heap_init (&heap);
  for (guint i = 0; i < N; i++)
    teesql_timer_heap_start (&heap, &timers[i], g_rand_int_range (random, 0, 1000));
  while ((timer = teesql_timer_heap_pop_due (&heap, 1000)) != NULL)
    {
      g_assert_cmpint (timer->due_us, >=, last);
      g_assert_false (teesql_timer_is_running (timer));
      last = timer->due_us;
      popped++;
    }
  g_assert_cmpuint (popped, ==, N);
  g_assert_cmpint (teesql_timer_heap_get_due_us (&heap), ==, G_MAXINT64);
  teesql_timer_heap_clear (&heap);
}

static void
test_nothing_early (void)
{
  TeesqlTimerHeap heap;
  TeesqlTimer timer = { 0 };

  teesql_timer_heap_init (&heap);
  teesql_timer_heap_start (&heap, &timer, 100);
  g_assert_null (teesql_timer_heap_pop_due (&heap, 99));
  g_assert_true (teesql_timer_is_running (&timer));
  g_assert_true (teesql_timer_heap_pop_due (&heap, 100) == &timer);
  teesql_timer_heap_clear (&heap);
}

/* Starts, moves and stops at random, against a plain array. */
static void
test_like_an_array (void)
{
  TeesqlTimerHeap heap;
  TeesqlTimer timers[64] = { { 0 } };
  g_autoptr (GRand) random = g_rand_new_with_seed (11);

  teesql_timer_heap_init (&heap);
  for (guint step = 0; step < 20000; step++)
    {
      TeesqlTimer *timer = &timers[g_rand_int_range (random, 0, G_N_ELEMENTS (timers))];
      gint64 first = G_MAXINT64;

      if (g_rand_boolean (random))
        teesql_timer_heap_start (&heap, timer, g_rand_int_range (random, 0, 10000));
      else
        teesql_timer_heap_stop (&heap, timer);
      for (guint i = 0; i < G_N_ELEMENTS (timers); i++)
        {
          if (teesql_timer_is_running (&timers[i]))
            first = MIN (first, timers[i].due_us);
        }
      g_assert_cmpint (teesql_timer_heap_get_due_us (&heap), ==, first);
    }
  teesql_timer_heap_clear (&heap);
  for (guint i = 0; i < G_N_ELEMENTS (timers); i++)
    g_assert_false (teesql_timer_is_running (&timers[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/timer/comes-due-in-order", test_due_in_order);
  g_test_add_func ("/reactor/timer/never-comes-early", test_nothing_early);
  g_test_add_func ("/reactor/timer/agrees-with-a-plain-array", test_like_an_array);
  return g_test_run ();
}
