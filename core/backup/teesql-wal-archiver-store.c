#include "backup/teesql-wal-archiver-private.h"
#include "backup/teesql-timeline-history.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 15000

/* -- Objects ---------------------------------------------------------------------------------------------------- */

static TeesqlObjectId
object_id (const TeesqlWalArchiver *self, const char *name, guint32 timeline)
{
  return (TeesqlObjectId){ .name = name, .system_identifier = self->system_identifier, .timeline = timeline };
}

/* An object of that name is there: after a crash it is ours. Anything else is a fork of history that nobody may paper over. */
static gboolean
compare_stored (TeesqlWalArchiver *self, const TeesqlObjectId *id, GBytes *plain, GCancellable *cancellable, GError **error)
{
  g_autoptr (GBytes) found = teesql_repository_get (self->repository, id, TEESQL_REPOSITORY_COMPRESS, MAX (g_bytes_get_size (plain), 1),
                                                    NULL, NULL, cancellable, error);

  if (found == NULL)
    return FALSE;
  return g_bytes_equal (found, plain) ||
         teesql_fail (
             error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-differs",
             "'%s' is stored already and holds other bytes than the server sends\n"
             "hint: two servers write to one repository, or the server's WAL was rewritten; give the server a repository of its own",
             id->name);
}

static gboolean
put_wal (TeesqlWalArchiver *self, const char *name, guint32 timeline, GBytes *plain, GCancellable *cancellable, GError **error)
{
  TeesqlObjectId id = object_id (self, name, timeline);
  g_autoptr (GError) local_error = NULL;

  if (teesql_repository_put (self->repository, &id, plain, TEESQL_REPOSITORY_COMPRESS | TEESQL_REPOSITORY_IF_ABSENT,
                             g_atomic_int_get (&self->level), NULL, NULL, cancellable, &local_error))
    return TRUE;
  if (g_error_matches (local_error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
    return compare_stored (self, &id, plain, cancellable, error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

static char *
dup_name (const TeesqlWalArchiver *self, const TeesqlWalJob *job)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (self->repository);
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (self->catalog);
  const TeesqlWalSegment *segment = job->segment;
  g_autofree char *file = teesql_wal_segment_name (segment->timeline, segment->start_lsn, segment->size);

  return job->whole ? teesql_layout_segment (cluster_id, lineage, segment->timeline, file)
                    : teesql_layout_partial (cluster_id, lineage, segment->timeline, file, job->from, job->to);
}

/* Without its history file nobody can follow WAL of a timeline back to where it came from, so the file goes first. */
static gboolean
put_history (TeesqlWalArchiver *self, TeesqlWalSegment *segment, GError **error)
{
  g_autofree char *name = teesql_layout_history (teesql_repository_get_cluster_id (self->repository),
                                                 teesql_catalog_get_lineage (self->catalog), segment->timeline);

  if (segment->history == NULL)
    return TRUE;
  if (!put_wal (self, name, segment->timeline, segment->history, self->store_cancellable, error))
    return FALSE;
  g_clear_pointer (&segment->history, g_bytes_unref);
  return TRUE;
}

/* -- Jobs ------------------------------------------------------------------------------------------------------- */

/* Durable in the store, then in the head, and only then may the server hear of it. */
static gboolean
store_job (TeesqlWalArchiver *self, const TeesqlWalJob *job, const char *name, GError **error)
{
  TeesqlWalSegment *segment = job->segment;
  g_autoptr (GBytes) plain = teesql_wal_segment_get_bytes (segment, job->from, job->to);

  return put_history (self, segment, error) && put_wal (self, name, segment->timeline, plain, self->store_cancellable, error) &&
         teesql_catalog_note_wal (self->catalog, segment->timeline, segment->start_lsn + job->from, segment->start_lsn + job->to,
                                  self->store_cancellable, error);
}

gboolean
teesql_wal_archiver_put_whole (TeesqlWalArchiver *self, TeesqlWalSegment *segment, GCancellable *cancellable, GError **error)
{
  const TeesqlWalJob job = { .segment = segment, .whole = TRUE, .to = segment->size };
  g_autofree char *name = dup_name (self, &job);
  g_autoptr (GBytes) plain = teesql_wal_segment_get_bytes (segment, 0, segment->size);

  return put_wal (self, name, segment->timeline, plain, cancellable, error);
}

/* Everything of it is durable in parts: the whole object, which replaces them, is nothing that a commit should wait for. */
static void
store_leave_whole (TeesqlWalArchiver *self, TeesqlWalSegment *segment, const char *name)
{
  GPtrArray *names = g_steal_pointer (&segment->partials);

  g_ptr_array_add (names, g_strdup (name));
  segment->partials = g_ptr_array_new_with_free_func (g_free);
  teesql_wal_archiver_tidy_whole (self, segment, names);
}

/* Hands over what the job's object made superfluous. */
static void
store_tidy (TeesqlWalArchiver *self, const TeesqlWalJob *job, const char *name)
{
  TeesqlWalSegment *segment = job->segment;
  gboolean replaces = job->whole || (job->from == 0 && segment->partials->len > 0);

  if (!job->whole && job->to == segment->size)
    {
      store_leave_whole (self, segment, name);
      return;
    }
  if (replaces && (segment->partials->len > 0 || segment->was_cut))
    {
      teesql_wal_archiver_tidy_segment (self, segment->timeline, segment->start_lsn, job->whole && segment->was_cut,
                                        g_steal_pointer (&segment->partials));
      segment->partials = g_ptr_array_new_with_free_func (g_free);
    }
  if (!job->whole)
    g_ptr_array_add (segment->partials, g_strdup (name));
}

static void
note_request (TeesqlWalArchiver *self, gboolean begins)
{
  g_mutex_lock (&self->mutex);
  self->put_since_us = begins ? g_get_monotonic_time () : 0;
  g_mutex_unlock (&self->mutex);
}

/* Returns: FALSE when there is no sense in more jobs: stopped, or failed for good */
static gboolean
store_until_durable (TeesqlWalArchiver *self, const TeesqlWalJob *job, const char *name)
{
  guint pause_ms = PAUSE_MIN_MS;

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok = FALSE;

      note_request (self, TRUE);
      ok = store_job (self, job, name, &error);
      note_request (self, FALSE);
      teesql_wal_archiver_set_store_problem (self, error);
      if (ok)
        return TRUE;
      if (g_cancellable_is_cancelled (self->store_cancellable))
        return FALSE;
      if (teesql_wal_archiver_is_fatal (error))
        {
          teesql_wal_archiver_fail (self, g_steal_pointer (&error));
          return FALSE;
        }
      if (!teesql_wal_queue_pause (self->queue, pause_ms / 2 + (guint) g_random_int_range (0, (gint32) pause_ms)))
        return FALSE;
      pause_ms = MIN (pause_ms * 2, PAUSE_MAX_MS);
    }
}

gpointer
teesql_wal_archiver_store_run (gpointer archiver)
{
  TeesqlWalArchiver *self = archiver;
  TeesqlWalJob job;
  gboolean ok = TRUE;

  while (ok && teesql_wal_queue_next (self->queue, &job))
    {
      g_autoptr (TeesqlWalSegment) segment = job.segment;
      g_autofree char *name = dup_name (self, &job);
      gboolean begins = segment->history != NULL || segment->is_new;

      ok = store_until_durable (self, &job, name);
      if (!ok)
        break;
      store_tidy (self, &job, name);
      teesql_wal_queue_done (self->queue, &job);
      if (begins)
        teesql_wal_archiver_tidy_flush (self);
      segment->is_new = FALSE;
    }
  teesql_wal_queue_end (self->queue, FALSE);
  return NULL;
}
