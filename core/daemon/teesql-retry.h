#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlRetry:
 *
 * when to try again what did not work: at once, then after a delay that doubles up to a bound, spread at random so that many daemons do
 * not knock together. A plain value of its owner; main context.
 */
typedef void (*TeesqlRetryFunc) (gpointer user_data);
typedef struct
{
  TeesqlRetryFunc func;
  gpointer user_data;
  guint first_ms;
  guint max_ms;
  guint n_failures;
  guint source_id;
} TeesqlRetry;

void teesql_retry_init (TeesqlRetry *self, guint first_ms, guint max_ms, TeesqlRetryFunc func, gpointer user_data);
void teesql_retry_clear (TeesqlRetry *self); /* nothing is called any more */
/**
 * teesql_retry_failed:
 * @error: (nullable): its retry time is the earliest
 *
 * arranges the next attempt.
 *
 * Returns: milliseconds until then
 */
guint teesql_retry_failed (TeesqlRetry *self, const GError *error);
void teesql_retry_succeeded (TeesqlRetry *self); /* the next failure begins anew */
/* the delay after @n_failures, before it is spread */
guint teesql_retry_delay_ms (const TeesqlRetry *self, guint n_failures);

G_END_DECLS
