#include "backup/teesql-wal-archiver-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define STOP_TIMEOUT_US     (3 * G_USEC_PER_SEC)
#define WAIT_SLICE_US       100000
#define TELL_INTERVAL_US    100000
#define SLOW_REQUEST_US     (2 * G_USEC_PER_SEC)
#define DEFAULT_APPLICATION "teesql"

/* -- State ------------------------------------------------------------------------------------------------------ */

gboolean
teesql_wal_archiver_is_fatal (const GError *error)
{
  /* what the store or the server did wrong may be right the next time; what the repository holds will not change */
  return error->domain == TEESQL_BACKUP_ERROR &&
         (error->code == TEESQL_ERROR_REFUSED || error->code == TEESQL_ERROR_INTEGRITY || error->code == TEESQL_ERROR_MALFORMED);
}

static void
set_problem (TeesqlWalArchiver *self, char **slot, const GError *error)
{
  gboolean news = FALSE;

  g_mutex_lock (&self->mutex);
  news = error != NULL && g_strcmp0 (*slot, error->message) != 0;
  g_free (*slot);
  *slot = error != NULL ? g_strdup (error->message) : NULL;
  g_mutex_unlock (&self->mutex);
  if (news && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    teesql_log_warning ("backup", "WAL waits: %s", error->message);
  teesql_wal_queue_wake (self->queue);
}

void
teesql_wal_archiver_set_receive_problem (TeesqlWalArchiver *self, const GError *error)
{
  set_problem (self, &self->receive_problem, error);
}

void
teesql_wal_archiver_set_store_problem (TeesqlWalArchiver *self, const GError *error)
{
  set_problem (self, &self->store_problem, error);
}

void
teesql_wal_archiver_set_streaming (TeesqlWalArchiver *self, gboolean streaming)
{
  g_mutex_lock (&self->mutex);
  self->streaming = streaming;
  g_mutex_unlock (&self->mutex);
}

void
teesql_wal_archiver_set_proven (TeesqlWalArchiver *self, gboolean proven)
{
  g_mutex_lock (&self->mutex);
  self->proven = proven;
  g_mutex_unlock (&self->mutex);
}

void
teesql_wal_archiver_fail (TeesqlWalArchiver *self, GError *error)
{
  teesql_log_error ("backup", "WAL archiving stopped: %s", error->message);
  g_mutex_lock (&self->mutex);
  if (self->failure == NULL)
    self->failure = g_steal_pointer (&error);
  g_mutex_unlock (&self->mutex);
  g_clear_error (&error);
  teesql_wal_queue_end (self->queue, FALSE);
  g_cancellable_cancel (self->receive_cancellable);
  g_cancellable_cancel (self->store_cancellable);
}

void
teesql_wal_archiver_tell (TeesqlWalArchiver *self, TeesqlWalEvent event, const char *message)
{
  if (event == TEESQL_WAL_EVENT_GAP)
    {
      g_mutex_lock (&self->mutex);
      self->gaps++;
      g_mutex_unlock (&self->mutex);
      teesql_log_error ("backup", "%s", message);
    }
  else if (message != NULL)
    teesql_log_info ("backup", "%s", message);
  if (self->event != NULL)
    self->event (event, message, self->event_data);
}

void
teesql_wal_archiver_tell_facts (TeesqlWalArchiver *self)
{
  gint64 now_us = g_get_monotonic_time ();

  if (self->event == NULL || now_us - self->told_us < TELL_INTERVAL_US)
    return;
  self->told_us = now_us;
  self->event (TEESQL_WAL_EVENT_FACTS, NULL, self->event_data);
}

static TeesqlWalState
archiver_get_state (const TeesqlWalArchiver *self, const char *problem)
{
  if (self->failure != NULL || self->stopped)
    return TEESQL_WAL_STOPPED;
  if (problem != NULL)
    return TEESQL_WAL_WAITING;
  return self->streaming ? TEESQL_WAL_STREAMING : TEESQL_WAL_STARTING;
}

/* Retries within a request are the store's affair; one that takes long is ours to tell of. */
static char *
archiver_dup_problem (TeesqlWalArchiver *self)
{
  g_autoptr (GError) retried = NULL;
  char *problem = NULL;
  gboolean slow = FALSE;

  g_mutex_lock (&self->mutex);
  if (self->failure != NULL)
    problem = g_strdup (self->failure->message);
  else
    problem = g_strdup (self->store_problem != NULL ? self->store_problem : self->receive_problem);
  slow = self->put_since_us != 0 && g_get_monotonic_time () - self->put_since_us > SLOW_REQUEST_US;
  g_mutex_unlock (&self->mutex);
  if (problem == NULL && slow)
    retried = teesql_store_get_last_problem (teesql_repository_get_store (self->repository));
  return retried != NULL ? g_strdup (retried->message) : problem;
}

void
teesql_wal_archiver_set_pace (TeesqlWalArchiver *self, int level, guint partial_interval_ms)
{
  g_atomic_int_set (&self->level, level);
  teesql_wal_queue_set_interval (self->queue, partial_interval_ms);
}

void
teesql_wal_archiver_get_facts (TeesqlWalArchiver *self, TeesqlWalFacts *out)
{
  g_autofree char *problem = archiver_dup_problem (self);
  TeesqlWalQueueFacts facts;

  teesql_wal_queue_get_facts (self->queue, &facts);
  *out = (TeesqlWalFacts){ .timeline = facts.timeline,
                           .server_lsn = facts.server_lsn,
                           .durable_lsn = facts.durable_lsn,
                           .lag_bytes = facts.server_lsn > facts.durable_lsn ? facts.server_lsn - facts.durable_lsn : 0,
                           .lag_ms = facts.lag_ms,
                           .segments = facts.segments,
                           .bytes = facts.bytes };
  g_mutex_lock (&self->mutex);
  out->state = archiver_get_state (self, problem);
  out->gaps = self->gaps;
  out->proven = self->proven;
  g_mutex_unlock (&self->mutex);
  if (problem != NULL)
    g_strlcpy (out->problem, problem, sizeof out->problem);
}

/* -- Life ------------------------------------------------------------------------------------------------------- */

TeesqlWalArchiver *
teesql_wal_archiver_new (const TeesqlWalArchiverOptions *options)
{
  TeesqlWalArchiver *self = g_new0 (TeesqlWalArchiver, 1);
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (options->catalog);

  self->access =
      (TeesqlPgAccess){ .host = g_strdup (options->access->host), .port = options->access->port, .user = g_strdup (options->access->user) };
  if (options->access->password != NULL)
    self->access.password = teesql_secret_ref (options->access->password);
  self->catalog = g_object_ref (options->catalog);
  self->repository = g_object_ref (teesql_catalog_get_repository (options->catalog));
  self->slot = g_strdup (options->slot);
  self->application_name = g_strdup (options->application_name != NULL ? options->application_name : DEFAULT_APPLICATION);
  self->level = options->level;
  self->event = options->event;
  self->event_data = options->event_data;
  self->system_identifier = record->system_identifier;
  self->segment_size = record->segment_size;
  self->trail = teesql_wal_trail_new (record->segment_size);
  self->queue = teesql_wal_queue_new (record->segment_size, options->partial_interval_ms, options->synchronous);
  self->receive_cancellable = g_cancellable_new ();
  self->store_cancellable = g_cancellable_new ();
  self->tidy_cancellable = g_cancellable_new ();
  self->tidy_jobs = g_async_queue_new ();
  self->tidy_done = g_async_queue_new ();
  g_mutex_init (&self->mutex);
  self->store_thread = g_thread_new ("wal-store", teesql_wal_archiver_store_run, self);
  self->tidy_thread = g_thread_new ("wal-tidy", teesql_wal_archiver_tidy_run, self);
  self->receive_thread = g_thread_new ("wal-receive", teesql_wal_archiver_receive_run, self);
  return self;
}

GError *
teesql_wal_archiver_dup_failure (TeesqlWalArchiver *self)
{
  GError *failure = NULL;

  g_mutex_lock (&self->mutex);
  failure = self->failure != NULL ? g_error_copy (self->failure) : NULL;
  g_mutex_unlock (&self->mutex);
  return failure;
}

static gboolean
wait_fail (TeesqlWalArchiver *self, GError **error)
{
  GError *failure = teesql_wal_archiver_dup_failure (self);

  if (failure == NULL)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-stopped", "WAL archiving was stopped");
  g_propagate_error (error, failure);
  return FALSE;
}

static gboolean
wait_proven_time_over (TeesqlWalArchiver *self, GError **error)
{
  TeesqlWalFacts facts;

  teesql_wal_archiver_get_facts (self, &facts);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "it is not known yet whether the server goes on from what was archived%s%s",
               facts.problem[0] != '\0' ? ": " : "", facts.problem);
  return FALSE;
}

gboolean
teesql_wal_archiver_wait_proven (TeesqlWalArchiver *self, guint timeout_ms, GCancellable *cancellable, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  for (;;)
    {
      TeesqlWalFacts facts;

      teesql_wal_archiver_get_facts (self, &facts);
      if (facts.proven && facts.state != TEESQL_WAL_STOPPED)
        return TRUE;
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (g_get_monotonic_time () >= end_us)
        return wait_proven_time_over (self, error);
      if (facts.state == TEESQL_WAL_STOPPED || !teesql_wal_queue_pause (self->queue, WAIT_SLICE_US / 1000))
        return wait_fail (self, error);
    }
}

static gboolean
wait_time_over (TeesqlWalArchiver *self, guint64 lsn, GError **error)
{
  TeesqlWalFacts facts;

  teesql_wal_archiver_get_facts (self, &facts);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "WAL is durable in the store up to %X/%X, wanted %X/%X%s%s",
               (guint) (facts.durable_lsn >> 32), (guint) facts.durable_lsn, (guint) (lsn >> 32), (guint) lsn,
               facts.problem[0] != '\0' ? ": " : "", facts.problem);
  return FALSE;
}

gboolean
teesql_wal_archiver_wait (TeesqlWalArchiver *self, guint64 lsn, guint timeout_ms, GCancellable *cancellable, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  teesql_wal_queue_want (self->queue, lsn);
  for (;;)
    {
      gint64 now_us = g_get_monotonic_time ();

      switch (teesql_wal_queue_wait_durable (self->queue, lsn, MIN (end_us, now_us + WAIT_SLICE_US)))
        {
        case TEESQL_WAL_WAIT_DURABLE:
          return TRUE;
        case TEESQL_WAL_WAIT_ENDED:
          return wait_fail (self, error);
        case TEESQL_WAL_WAIT_TIME:
        default:
          if (g_cancellable_set_error_if_cancelled (cancellable, error))
            return FALSE;
          if (g_get_monotonic_time () >= end_us)
            return wait_time_over (self, lsn, error);
        }
    }
}

/* The storing thread gets a moment for what was received. */
static void
stop_storing (TeesqlWalArchiver *self)
{
  gint64 end_us = g_get_monotonic_time () + STOP_TIMEOUT_US;

  teesql_wal_queue_end (self->queue, TRUE);
  /* no LSN is that high: only the end of the queue, which the thread declares when it has done its work, ends the wait early */
  if (teesql_wal_queue_wait_durable (self->queue, G_MAXUINT64, end_us) == TEESQL_WAL_WAIT_TIME)
    g_cancellable_cancel (self->store_cancellable);
  g_thread_join (g_steal_pointer (&self->store_thread));
}

/* The catalog's last record is worth a moment, too; the next start makes up for it if the store is away. */
static gpointer
tidy_limit_run (gpointer user_data)
{
  TeesqlWalArchiver *self = user_data;

  g_async_queue_timeout_pop (self->tidy_done, STOP_TIMEOUT_US);
  g_cancellable_cancel (self->tidy_cancellable);
  return NULL;
}

static void
stop_tidying (TeesqlWalArchiver *self)
{
  GThread *limit = g_thread_new ("wal-stop", tidy_limit_run, self);

  teesql_wal_archiver_tidy_end (self);
  g_thread_join (g_steal_pointer (&self->tidy_thread));
  g_async_queue_push (self->tidy_done, self);
  g_thread_join (limit);
}

void
teesql_wal_archiver_stop (TeesqlWalArchiver *self)
{
  GThread *receive = NULL;

  g_mutex_lock (&self->mutex);
  receive = g_steal_pointer (&self->receive_thread);
  self->stopped = TRUE;
  g_mutex_unlock (&self->mutex);
  if (receive == NULL)
    return;
  g_cancellable_cancel (self->receive_cancellable);
  teesql_wal_queue_end (self->queue, TRUE);
  g_thread_join (receive);
  stop_storing (self);
  stop_tidying (self);
}

void
teesql_wal_archiver_free (TeesqlWalArchiver *self)
{
  if (self == NULL)
    return;
  teesql_wal_archiver_stop (self);
  g_async_queue_unref (self->tidy_jobs);
  g_async_queue_unref (self->tidy_done);
  teesql_wal_queue_unref (self->queue);
  teesql_wal_trail_free (self->trail);
  g_object_unref (self->receive_cancellable);
  g_object_unref (self->store_cancellable);
  g_object_unref (self->tidy_cancellable);
  g_object_unref (self->repository);
  g_object_unref (self->catalog);
  g_clear_pointer (&self->access.password, teesql_secret_unref);
  g_free (self->access.host);
  g_free (self->access.user);
  g_free (self->slot);
  g_free (self->application_name);
  g_free (self->receive_problem);
  g_free (self->store_problem);
  g_clear_error (&self->failure);
  g_mutex_clear (&self->mutex);
  g_free (self);
}
