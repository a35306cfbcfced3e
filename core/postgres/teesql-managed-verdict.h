#pragma once
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * TeesqlManagedVerdict:
 *
 * what is the matter with a managed server, in the words of health, and how often it ended by itself. A plain value of its owner.
 */
typedef struct
{
  TeesqlStatus *status; /* borrowed */
  TeesqlHealth health;
  char *reason;
  char *message;
  guint n_in_a_row; /* ends since it last ran for a while */
  guint n_in_all;
  gint64 last_end_us; /* monotonic */
  gboolean noticed;
} TeesqlManagedVerdict;

void teesql_managed_verdict_clear (TeesqlManagedVerdict *self);
/* @reason: (nullable): with @message. Published at once. */
void teesql_managed_verdict_set (TeesqlManagedVerdict *self, TeesqlHealth health, const char *reason, const char *message);
void teesql_managed_verdict_publish (const TeesqlManagedVerdict *self);
/**
 * teesql_managed_verdict_ended:
 * @wait_status: of the process
 * @problem: (nullable): its last words
 * @served: whether it was ever ready
 *
 * counts an end that nobody asked for, and judges it: `postgres-crashed`, `postgres-crash-loop`, `disk-full`
 *
 * Returns: milliseconds until it should be started again, at most @max_ms
 */
guint teesql_managed_verdict_ended (TeesqlManagedVerdict *self, int wait_status, const char *problem, gboolean full_disk, gboolean served,
                                    guint max_ms);
/* from time to time while it runs, @up_us after its start: forgets what is long ago */
void teesql_managed_verdict_runs (TeesqlManagedVerdict *self, gint64 up_us);
guint teesql_managed_verdict_delay_ms (guint n_in_a_row, guint max_ms);

G_END_DECLS
