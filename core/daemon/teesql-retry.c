#include "daemon/teesql-retry.h"

#include <teesql/teesql-error.h>

void
teesql_retry_init (TeesqlRetry *self, guint first_ms, guint max_ms, TeesqlRetryFunc func, gpointer user_data)
{
  *self = (TeesqlRetry){ .func = func, .user_data = user_data, .first_ms = first_ms, .max_ms = max_ms };
}

void
teesql_retry_clear (TeesqlRetry *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
}

static gboolean
again_cb (gpointer data)
{
  TeesqlRetry *self = data;

  self->source_id = 0;
  self->func (self->user_data);
  return G_SOURCE_REMOVE;
}

guint
teesql_retry_delay_ms (const TeesqlRetry *self, guint n_failures)
{
  guint64 delay = (guint64) self->first_ms << MIN (n_failures > 0 ? n_failures - 1 : 0, 20u);

  return (guint) MIN (delay, (guint64) self->max_ms);
}

guint
teesql_retry_failed (TeesqlRetry *self, const GError *error)
{
  guint delay = 0;
  guint least = error != NULL ? teesql_error_get_retry_after_ms (error) : 0;

  self->n_failures++;
  delay = teesql_retry_delay_ms (self, self->n_failures);
  delay = MAX (delay - delay / 4 + (guint) g_random_int_range (0, (gint32) (delay / 2) + 1), least);
  teesql_retry_clear (self);
  self->source_id = g_timeout_add (delay, again_cb, self);
  return delay;
}

void
teesql_retry_succeeded (TeesqlRetry *self)
{
  teesql_retry_clear (self);
  self->n_failures = 0;
}
