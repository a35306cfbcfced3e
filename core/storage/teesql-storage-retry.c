#include "storage/teesql-storage-retry.h"

#include "base/teesql-domains.h"

#define FIRST_US ((gint64) 100 * 1000)
#define MAX_US   ((gint64) 30 * G_USEC_PER_SEC)

TeesqlStorageVerdict
teesql_storage_retry_judge (const GError *error)
{
  if (error->domain == G_IO_ERROR)
    return error->code == G_IO_ERROR_TIMED_OUT ? TEESQL_STORAGE_VERDICT_AGAIN : TEESQL_STORAGE_VERDICT_FINAL;
  if (error->domain != TEESQL_STORAGE_ERROR && error->domain != TEESQL_PLUGIN_ERROR)
    return TEESQL_STORAGE_VERDICT_FINAL;
  if (error->code == TEESQL_ERROR_UNAVAILABLE || error->code == TEESQL_ERROR_THROTTLED)
    return TEESQL_STORAGE_VERDICT_AGAIN;
  return error->code == TEESQL_ERROR_INTEGRITY ? TEESQL_STORAGE_VERDICT_CORRUPT : TEESQL_STORAGE_VERDICT_FINAL;
}

void
teesql_storage_retry_init (TeesqlStorageRetry *self, gint64 now_us, guint deadline_ms)
{
  *self = (TeesqlStorageRetry){ .deadline_us = now_us + (gint64) deadline_ms * 1000 };
}

void
teesql_storage_retry_progress (TeesqlStorageRetry *self, gint64 now_us, guint deadline_ms)
{
  teesql_storage_retry_init (self, now_us, deadline_ms);
}

gint64
teesql_storage_retry_back_off_us (guint n_failures)
{
  return MIN (FIRST_US << MIN (n_failures, 10u), MAX_US);
}

gboolean
teesql_storage_retry_next (TeesqlStorageRetry *self, const GError *error, gboolean corrupt_too, gint64 now_us, double chance,
                           gint64 *out_delay_us)
{
  TeesqlStorageVerdict verdict = teesql_storage_retry_judge (error);
  gint64 delay_us = 0;

  if (verdict == TEESQL_STORAGE_VERDICT_CORRUPT && corrupt_too && !self->looked_again)
    {
      self->looked_again = TRUE;
      verdict = TEESQL_STORAGE_VERDICT_AGAIN;
    }
  if (verdict != TEESQL_STORAGE_VERDICT_AGAIN)
    return FALSE;
  delay_us = (gint64) ((double) teesql_storage_retry_back_off_us (self->n_failures) * chance);
  delay_us = MAX (delay_us, (gint64) teesql_error_get_retry_after_ms (error) * 1000);
  if (now_us + delay_us >= self->deadline_us)
    return FALSE;
  self->n_failures++;
  *out_delay_us = delay_us;
  return TRUE;
}
