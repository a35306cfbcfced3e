#include "postgres/teesql-managed-verdict.h"
#include "base/teesql-log.h"

#include <sys/wait.h>

#define LOOP_FROM     3
#define FIRST_MS      500
#define STABLE_US     (30 * G_TIME_SPAN_SECOND)
#define FORGOTTEN_US  G_TIME_SPAN_HOUR
#define NOTICE_REASON "postgres-restarted"

void
teesql_managed_verdict_clear (TeesqlManagedVerdict *self)
{
  g_clear_pointer (&self->reason, g_free);
  g_clear_pointer (&self->message, g_free);
}

void
teesql_managed_verdict_publish (const TeesqlManagedVerdict *self)
{
  teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, self->health, self->reason, self->message);
}

void
teesql_managed_verdict_set (TeesqlManagedVerdict *self, TeesqlHealth health, const char *reason, const char *message)
{
  g_autofree char *old = g_steal_pointer (&self->message);

  g_free (self->reason);
  self->health = health;
  self->reason = g_strdup (reason);
  self->message = g_strdup (message);
  teesql_managed_verdict_publish (self);
}

/* At once after the first end, then longer each time. */
guint
teesql_managed_verdict_delay_ms (guint n_in_a_row, guint max_ms)
{
  if (n_in_a_row <= 1)
    return 0;
  return (guint) MIN ((guint64) FIRST_MS << MIN (n_in_a_row - 2, 20u), (guint64) max_ms);
}

static char *
describe_end (int wait_status)
{
  if (WIFSIGNALED (wait_status))
    return g_strdup_printf ("PostgreSQL was ended by signal %d", WTERMSIG (wait_status));
  return g_strdup_printf ("PostgreSQL ended by itself with status %d", WEXITSTATUS (wait_status));
}

static void
notice (TeesqlManagedVerdict *self, const char *end)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *when = g_date_time_format_iso8601 (now);
  g_autofree char *text = g_strdup_printf ("%s, %u times since this daemon started, last at %s", end, self->n_in_all, when);

  teesql_status_remove_notice (self->status, NOTICE_REASON, "");
  teesql_status_add_notice (self->status, NOTICE_REASON, "", text);
  self->noticed = TRUE;
}

static const char *
hint_of (const char *reason)
{
  if (g_str_equal (reason, "disk-full"))
    return "\nhint: make room on the volume of [postgresql] data-directory; nothing is deleted here, and it is started again once there is "
           "room";
  if (g_str_equal (reason, "postgres-crash-loop"))
    return "\nhint: the lines of postgres in the log say why; it is tried again";
  return "";
}

guint
teesql_managed_verdict_ended (TeesqlManagedVerdict *self, int wait_status, const char *problem, gboolean full_disk, gboolean served,
                              guint max_ms)
{
  g_autofree char *end = describe_end (wait_status);
  g_autofree char *message = NULL;
  const char *reason = "postgres-crashed";
  guint delay = 0;

  self->n_in_a_row++;
  self->n_in_all++;
  self->last_end_us = g_get_monotonic_time ();
  delay = teesql_managed_verdict_delay_ms (self->n_in_a_row, max_ms);
  if (full_disk)
    reason = "disk-full";
  else if (self->n_in_a_row >= LOOP_FROM)
    reason = "postgres-crash-loop";
  message = g_strdup_printf ("%s, %u times in a row%s%s%s", end, self->n_in_a_row, problem != NULL ? ": " : "",
                             problem != NULL ? problem : "", hint_of (reason));
  teesql_log_error ("postgres", "%s: %s", reason, message);
  notice (self, end);
  teesql_managed_verdict_set (self, served || self->n_in_a_row >= LOOP_FROM || full_disk ? TEESQL_HEALTH_FAILED : TEESQL_HEALTH_STARTING,
                              reason, message);
  return delay;
}

void
teesql_managed_verdict_runs (TeesqlManagedVerdict *self, gint64 up_us)
{
  if (up_us > STABLE_US)
    self->n_in_a_row = 0;
  if (self->noticed && g_get_monotonic_time () - self->last_end_us > FORGOTTEN_US)
    {
      teesql_status_remove_notice (self->status, NOTICE_REASON, "");
      self->noticed = FALSE;
    }
}
