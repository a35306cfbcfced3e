#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* What one attempt of a call did, as far as a caller acts differently. */
typedef enum
{
  TEESQL_STORAGE_VERDICT_FINAL,   /* another attempt would end the same */
  TEESQL_STORAGE_VERDICT_AGAIN,   /* not served: may be asked again */
  TEESQL_STORAGE_VERDICT_CORRUPT, /* other bytes than were stored: worth one more look, and no more */
} TeesqlStorageVerdict;

TeesqlStorageVerdict teesql_storage_retry_judge (const GError *error);

/**
 * TeesqlStorageRetry:
 *
 * when a call to a storage is made again: the one place that decides it. A plain value of its owner; time and chance are arguments.
 */
typedef struct
{
  gint64 deadline_us; /* monotonic; no attempt begins after it */
  guint n_failures;
  gboolean looked_again; /* the one look that CORRUPT gets is spent */
} TeesqlStorageRetry;

void teesql_storage_retry_init (TeesqlStorageRetry *self, gint64 now_us, guint deadline_ms);
/**
 * teesql_storage_retry_next:
 * @corrupt_too: the call reads, so that CORRUPT may be an accident of the way
 * @chance: 0 <= chance < 1, how much of the back-off is waited
 *
 * full jitter: anything from nothing to 100 ms, doubled with every failure up to 30 s; never less than the store's own retry time.
 *
 * Returns: %FALSE when the call has failed for good, by its error or because the deadline comes before the next attempt
 */
gboolean teesql_storage_retry_next (TeesqlStorageRetry *self, const GError *error, gboolean corrupt_too, gint64 now_us, double chance,
                                    gint64 *out_delay_us) G_GNUC_WARN_UNUSED_RESULT;
gint64 teesql_storage_retry_back_off_us (guint n_failures); /* at most */
/* something went well: the next failure begins anew, with all the time there is */
void teesql_storage_retry_progress (TeesqlStorageRetry *self, gint64 now_us, guint deadline_ms);

G_END_DECLS
