#pragma once
#include <glib.h>

G_BEGIN_DECLS

typedef void (*TeesqlTimerFunc) (gpointer user_data);

/**
 * TeesqlTimer:
 *
 * one deadline, embedded in what it guards: arming costs no allocation and no GSource. All zero is a valid, idle timer.
 */
typedef struct
{
  gint64 due_us; /* g_get_monotonic_time () */
  guint place;   /* 1-based in the heap; 0: idle */
  TeesqlTimerFunc func;
  gpointer user_data;
} TeesqlTimer;

/**
 * TeesqlTimerHeap:
 *
 * timers by due time, a binary heap that knows each timer's place, so that the usual fate of a deadline (to be stopped) is cheap.
 * Not thread safe.
 */
typedef struct
{
  GPtrArray *slots;
} TeesqlTimerHeap;

void teesql_timer_heap_init (TeesqlTimerHeap *self);
void teesql_timer_heap_clear (TeesqlTimerHeap *self);                                    /* what is still in it becomes idle */
void teesql_timer_heap_start (TeesqlTimerHeap *self, TeesqlTimer *timer, gint64 due_us); /* moves one that runs */
void teesql_timer_heap_stop (TeesqlTimerHeap *self, TeesqlTimer *timer);                 /* an idle one stays idle */
gboolean teesql_timer_is_running (const TeesqlTimer *timer);
/**
 * teesql_timer_heap_get_due_us:
 *
 * Returns: when the first one is due; %G_MAXINT64 for none
 */
gint64 teesql_timer_heap_get_due_us (const TeesqlTimerHeap *self);
/**
 * teesql_timer_heap_pop_due:
 *
 * Returns: (transfer none) (nullable): the first timer due at @now_us, idle now; the caller runs it
 */
TeesqlTimer *teesql_timer_heap_pop_due (TeesqlTimerHeap *self, gint64 now_us);

G_END_DECLS
