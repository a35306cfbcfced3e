#include "reactor/teesql-timer.h"

static TeesqlTimer *
heap_at (const TeesqlTimerHeap *self, guint place)
{
  return g_ptr_array_index (self->slots, place - 1);
}

static void
heap_put (TeesqlTimerHeap *self, guint place, TeesqlTimer *timer)
{
  g_ptr_array_index (self->slots, place - 1) = timer;
  timer->place = place;
}

static void
heap_sift_up (TeesqlTimerHeap *self, TeesqlTimer *timer)
{
  guint place = timer->place;

  while (place > 1 && heap_at (self, place / 2)->due_us > timer->due_us)
    {
      heap_put (self, place, heap_at (self, place / 2));
      place /= 2;
    }
  heap_put (self, place, timer);
}

static void
heap_sift_down (TeesqlTimerHeap *self, TeesqlTimer *timer)
{
  guint place = timer->place;

  while (place * 2 <= self->slots->len)
    {
      guint child = place * 2;

      if (child < self->slots->len && heap_at (self, child + 1)->due_us < heap_at (self, child)->due_us)
        child++;
      if (heap_at (self, child)->due_us >= timer->due_us)
        break;
      heap_put (self, place, heap_at (self, child));
      place = child;
    }
  heap_put (self, place, timer);
}

void
teesql_timer_heap_init (TeesqlTimerHeap *self)
{
  self->slots = g_ptr_array_new ();
}

void
teesql_timer_heap_clear (TeesqlTimerHeap *self)
{
  for (guint place = 1; place <= self->slots->len; place++)
    heap_at (self, place)->place = 0;
  g_clear_pointer (&self->slots, g_ptr_array_unref);
}

void
teesql_timer_heap_start (TeesqlTimerHeap *self, TeesqlTimer *timer, gint64 due_us)
{
  timer->due_us = due_us;
  if (timer->place == 0)
    {
      g_ptr_array_add (self->slots, timer);
      timer->place = self->slots->len;
    }
  heap_sift_up (self, timer);
  heap_sift_down (self, timer);
}

void
teesql_timer_heap_stop (TeesqlTimerHeap *self, TeesqlTimer *timer)
{
  TeesqlTimer *last;
  guint place = timer->place;

  if (place == 0)
    return;
  last = g_ptr_array_steal_index_fast (self->slots, self->slots->len - 1);
  timer->place = 0;
  if (last == timer)
    return;
  heap_put (self, place, last);
  heap_sift_up (self, last);
  heap_sift_down (self, last);
}

gboolean
teesql_timer_is_running (const TeesqlTimer *timer)
{
  return timer->place != 0;
}

gint64
teesql_timer_heap_get_due_us (const TeesqlTimerHeap *self)
{
  return self->slots->len > 0 ? heap_at (self, 1)->due_us : G_MAXINT64;
}

TeesqlTimer *
teesql_timer_heap_pop_due (TeesqlTimerHeap *self, gint64 now_us)
{
  TeesqlTimer *first;

  if (teesql_timer_heap_get_due_us (self) > now_us)
    return NULL;
  first = heap_at (self, 1);
  teesql_timer_heap_stop (self, first);
  return first;
}
