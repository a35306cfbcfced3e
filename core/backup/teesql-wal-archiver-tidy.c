#include "backup/teesql-wal-archiver-private.h"
#include "base/teesql-log.h"
#include <string.h>

#define FLUSH_INTERVAL_US (60 * G_USEC_PER_SEC)
#define MAX_PARTIALS      10000u /* of one segment, where an archiver leaves some dozens; retention takes what a store invents */

typedef struct
{
  gboolean flush;
  gboolean end;
  gboolean look;
  TeesqlWalSegment *whole; /* (nullable): to be stored first */
  guint32 timeline;
  guint64 start_lsn;
  GPtrArray *names;
} TidyJob;

static void
job_free (TidyJob *self)
{
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_clear_pointer (&self->whole, teesql_wal_segment_unref);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TidyJob, job_free)

static void
tidy_push (TeesqlWalArchiver *self, const TidyJob *job)
{
  g_async_queue_push (self->tidy_jobs, g_memdup2 (job, sizeof *job));
}

void
teesql_wal_archiver_tidy_segment (TeesqlWalArchiver *self, guint32 timeline, guint64 start_lsn, gboolean look, GPtrArray *names)
{
  tidy_push (self, &(TidyJob){ .look = look, .timeline = timeline, .start_lsn = start_lsn, .names = names });
}

void
teesql_wal_archiver_tidy_whole (TeesqlWalArchiver *self, TeesqlWalSegment *segment, GPtrArray *names)
{
  tidy_push (self, &(TidyJob){ .whole = teesql_wal_segment_ref (segment),
                               .look = segment->was_cut,
                               .timeline = segment->timeline,
                               .start_lsn = segment->start_lsn,
                               .names = names });
}

void
teesql_wal_archiver_tidy_flush (TeesqlWalArchiver *self)
{
  tidy_push (self, &(TidyJob){ .flush = TRUE });
}

void
teesql_wal_archiver_tidy_end (TeesqlWalArchiver *self)
{
  tidy_push (self, &(TidyJob){ .flush = TRUE, .end = TRUE });
}

static gboolean
collect_name (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  GPtrArray *names = user_data;

  g_ptr_array_add (names, g_strdup (teesql_object_info_get_name (info)));
  return names->len < MAX_PARTIALS;
}

/* Partial objects of runs before this one: `SEGMENT.FROM-TO`, and the whole one has no dot. */
static gboolean
find_partials (TeesqlWalArchiver *self, TidyJob *job, GError **error)
{
  g_autofree char *segment = teesql_wal_segment_name (job->timeline, job->start_lsn, self->segment_size);
  g_autofree char *name = teesql_layout_segment (teesql_repository_get_cluster_id (self->repository),
                                                 teesql_catalog_get_lineage (self->catalog), job->timeline, segment);
  g_autofree char *prefix = g_strconcat (name, ".", NULL);

  g_ptr_array_set_size (job->names, 0);
  return teesql_store_list (teesql_repository_get_store (self->repository), prefix, MAX_PARTIALS, collect_name, job->names,
                            self->tidy_cancellable, error);
}

static gboolean
remove_names (TeesqlWalArchiver *self, const GPtrArray *names, GError **error)
{
  for (guint i = 0; i < names->len; i++)
    if (!teesql_store_remove (teesql_repository_get_store (self->repository), g_ptr_array_index (names, i), self->tidy_cancellable, error))
      return FALSE;
  return TRUE;
}

/* What stays is harmless: recovery takes the whole segment where there is one and the parts where there is none, and retention removes
 * both. */
static void
tidy_partials (TeesqlWalArchiver *self, TidyJob *job)
{
  g_autoptr (GError) error = NULL;

  if ((job->whole == NULL || teesql_wal_archiver_put_whole (self, job->whole, self->tidy_cancellable, &error)) &&
      (!job->look || find_partials (self, job, &error)) && remove_names (self, job->names, &error))
    return;
  if (teesql_wal_archiver_is_fatal (error))
    teesql_wal_archiver_fail (self, g_steal_pointer (&error));
  else
    teesql_log_debug ("backup", "partial WAL objects stay for now: %s", error->message);
}

static void
tidy_catalog (TeesqlWalArchiver *self)
{
  g_autoptr (GError) error = NULL;

  if (teesql_catalog_flush (self->catalog, self->tidy_cancellable, &error))
    return;
  if (teesql_wal_archiver_is_fatal (error))
    teesql_wal_archiver_fail (self, g_steal_pointer (&error));
  else
    teesql_log_debug ("backup", "the catalog's record waits: %s", error->message);
}

gpointer
teesql_wal_archiver_tidy_run (gpointer archiver)
{
  TeesqlWalArchiver *self = archiver;
  gint64 flush_us = g_get_monotonic_time () + FLUSH_INTERVAL_US;
  gboolean end = FALSE;

  while (!end)
    {
      gint64 left = MAX (flush_us - g_get_monotonic_time (), 0);
      g_autoptr (TidyJob) job = g_async_queue_timeout_pop (self->tidy_jobs, (guint64) left);

      if (job != NULL && job->names != NULL)
        tidy_partials (self, job);
      if (job == NULL || job->flush || g_get_monotonic_time () >= flush_us)
        {
          tidy_catalog (self);
          flush_us = g_get_monotonic_time () + FLUSH_INTERVAL_US;
        }
      end = job != NULL && job->end;
    }
  return NULL;
}
