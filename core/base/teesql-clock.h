#pragma once
#include <gio/gio.h>
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlClock:
 *
 * the only source of "now" for verification (SR-27). Floor = latest of build time, verified signing dates, highest time of an
 * earlier run (kept in a file). Time = anchor + CLOCK_BOOTTIME since; a wall clock that departs by over 30 s raises the
 * `moved` flag; a step back is never followed, a step forward is. Thread safe. Boxed, refcounted.
 */
typedef struct _TeesqlClock TeesqlClock;
#define TEESQL_TYPE_CLOCK (teesql_clock_get_type ())
TEESQL_API GType teesql_clock_get_type (void);

/**
 * TeesqlClockSource:
 *
 * where raw time comes from; %NULL members: the kernel. For tests.
 */
typedef struct {
  gint64 (*wall_unix) (gpointer user_data);
  gint64 (*boot_ms) (gpointer user_data);
  gpointer user_data;
} TeesqlClockSource;

/**
 * teesql_clock_new:
 * @floor_file: (nullable): path that keeps the highest time seen; need not exist yet
 * @source: (nullable): copied
 */
TEESQL_API TeesqlClock *teesql_clock_new (const char *floor_file, const TeesqlClockSource *source, GError **error) TEESQL_MUST_USE;
TEESQL_API TeesqlClock *teesql_clock_ref (TeesqlClock *self);
TEESQL_API void teesql_clock_unref (TeesqlClock *self);
/**
 * teesql_clock_now:
 *
 * Returns: Unix seconds, or -1 with %TEESQL_ERROR_REFUSED reason `clock-behind` in #TEESQL_ATTEST_ERROR while the clock is below the floor
 */
TEESQL_API gint64 teesql_clock_now (TeesqlClock *self, GError **error) TEESQL_MUST_USE;
TEESQL_API gint64 teesql_clock_get_floor (TeesqlClock *self);
TEESQL_API void teesql_clock_raise_floor (TeesqlClock *self, gint64 unix_seconds);
/**
 * teesql_clock_check:
 *
 * called every few seconds: compares wall and anchor, saves the floor now and then.
 *
 * Returns: %TRUE when time was found moved since the last call: the caller publishes `clock-moved` and judges sessions again
 */
TEESQL_API gboolean teesql_clock_check (TeesqlClock *self) TEESQL_MUST_USE;
/* plain durations: CLOCK_BOOTTIME in ms, for timers and caches; no date is compared with it */
TEESQL_API gint64 teesql_clock_boot_ms (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlClock, teesql_clock_unref)
G_END_DECLS
