#include "backup/teesql-wal-source-private.h"

#include "backup/teesql-timeline-history.h"
#include "backup/teesql-wal-request.h"
#include "backup/teesql-wal-source-object.h"
#include "base/teesql-domains.h"

#include <string.h>

#define TIMELINES_BEYOND 64u /* that no record knows of yet */
#define ATTEMPTS         10u /* at a segment that is being replaced */

#define integrity(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, reason, __VA_ARGS__)

struct _TeesqlWalSource
{
  TeesqlCatalog *catalog;
  TeesqlRepository *repository; /* borrowed from it */
  GMutex mutex;
  GPtrArray *views; /* under the mutex until it is there; never changes then */
  GError *problem;
  TeesqlWalAhead *ahead;
};

static GBytes *
not_archived (const char *file, GError **error)
{
  teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "wal-not-archived", "%s is not archived", file);
  return NULL;
}

/* ---- lineages ---- */

static gboolean
load_views (TeesqlWalSource *self, GCancellable *cancellable, GError **error)
{
  g_mutex_lock (&self->mutex);
  if (self->views == NULL)
    self->views = teesql_restore_lineages (self->catalog, &self->problem, cancellable, error);
  g_mutex_unlock (&self->mutex);
  return self->views != NULL;
}

const GPtrArray *
teesql_wal_source_get_views (TeesqlWalSource *self, GCancellable *cancellable, GError **error)
{
  return load_views (self, cancellable, error) ? self->views : NULL;
}

/* An ancestor would have to be asked, and cannot. */
static gboolean
check_problem (TeesqlWalSource *self, const char *file, GError **error)
{
  return self->problem == NULL ||
         integrity (error, "lineage-missing", "%s may lie in a lineage before this one, and that cannot be read: %s", file,
                    self->problem->message);
}

/* ---- segments ---- */

typedef struct
{
  const char *file;
  guint32 timeline;
  guint64 start;
  guint64 end;
} Wanted;

static gboolean
check_missing (const Wanted *wanted, TeesqlWalPlace place, guint64 to, guint64 found_to, GError **error)
{
  g_autofree char *lsn = teesql_lsn_to_string (to);

  if (place == TEESQL_WAL_PLACE_INSIDE && found_to < to)
    return integrity (error, "wal-missing", "%s must be there up to %s by the catalog, and is not: the storage lost it, or hides it",
                      wanted->file, lsn);
  return TRUE;
}

/* A child's WAL of a timeline begins where it left its parent: what the record puts before that is the parent's, the rest never. In a gap
 * that is known the archive ends: PostgreSQL reads ahead of what it replays, so it may ask for what lies behind its target. Whether the
 * target was reached it knows itself, and does not open before; a restore without one was refused by its plan.
 */
static gboolean
is_final (TeesqlWalPlace place)
{
  return place == TEESQL_WAL_PLACE_AFTER || place == TEESQL_WAL_PLACE_GAP;
}

static GBytes *
try_from (TeesqlWalSource *self, guint index, const Wanted *wanted, TeesqlWalPlace *out_place, guint64 *out_end, GCancellable *cancellable,
          GError **error)
{
  const TeesqlRestoreView *view = self->views->pdata[index];
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  guint64 from = wanted->start;
  guint64 to = wanted->start;
  guint32 end = 0;

  *out_place = teesql_restore_view_place (view, wanted->timeline, wanted->start, wanted->end, &from, &to);
  /* what an ancestor got after its child left is another future, but for the timeline that they share */
  if (*out_place == TEESQL_WAL_PLACE_BEFORE || (*out_place == TEESQL_WAL_PLACE_NONE && index > 0))
    return NULL;
  if (*out_place != TEESQL_WAL_PLACE_GAP)
    bytes = teesql_wal_source_read_segment (self->repository, view, wanted->file, (guint32) (from - wanted->start), &end, cancellable,
                                            &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (!check_missing (wanted, *out_place, to, bytes != NULL ? wanted->start + end : 0, error))
    return NULL;
  *out_end = wanted->start + end;
  return g_steal_pointer (&bytes);
}

/* While it is read an archiver may put a larger object in the place of small ones: what was listed is gone then, and what replaced it is
 * there. */
static GBytes *
fetch_from (TeesqlWalSource *self, guint index, const Wanted *wanted, TeesqlWalPlace *out_place, guint64 *out_end,
            GCancellable *cancellable, GError **error)
{
  for (guint left = ATTEMPTS;; left--)
    {
      g_autoptr (GError) local_error = NULL;
      GBytes *bytes = try_from (self, index, wanted, out_place, out_end, cancellable, &local_error);

      if (bytes != NULL || local_error == NULL)
        return bytes;
      if (left > 1 && g_str_equal (teesql_error_get_reason (local_error), "wal-missing"))
        continue;
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
}

static GBytes *
fetch_segment (TeesqlWalSource *self, const Wanted *wanted, guint64 *out_end, GCancellable *cancellable, GError **error)
{
  TeesqlWalPlace place = TEESQL_WAL_PLACE_NONE;

  for (guint i = 0; i < self->views->len; i++)
    {
      g_autoptr (GError) local_error = NULL;
      GBytes *bytes = fetch_from (self, i, wanted, &place, out_end, cancellable, &local_error);

      if (bytes != NULL)
        return bytes;
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (is_final (place))
        return not_archived (wanted->file, error);
    }
  /* a timeline that begins in the last view we have is not older than it */
  if (place == TEESQL_WAL_PLACE_BEFORE || wanted->timeline < teesql_restore_view_newest_timeline (self->views->pdata[0]))
    if (!check_problem (self, wanted->file, error))
      return NULL;
  return not_archived (wanted->file, error);
}

static gboolean
parse_wanted (TeesqlWalSource *self, const char *file, Wanted *out)
{
  const TeesqlRestoreView *view = self->views->pdata[0];

  out->file = file;
  if (!teesql_wal_segment_parse (file, view->record->segment_size, &out->timeline, &out->start))
    return FALSE;
  out->end = out->start + view->record->segment_size;
  return TRUE;
}

GBytes *
teesql_wal_source_fetch_now (TeesqlWalSource *self, const char *file, GCancellable *cancellable, GError **error)
{
  Wanted wanted;
  guint64 end = 0;

  return parse_wanted (self, file, &wanted) ? fetch_segment (self, &wanted, &end, cancellable, error) : not_archived (file, error);
}

/* ---- history ---- */

static GBytes *
fetch_history (TeesqlWalSource *self, const char *file, guint32 timeline, GCancellable *cancellable, GError **error)
{
  gboolean expected = FALSE;

  for (guint i = 0; i < self->views->len; i++)
    {
      const TeesqlRestoreView *view = self->views->pdata[i];
      gboolean known = teesql_restore_view_end (view, timeline) > 0;
      g_autoptr (GError) local_error = NULL;
      GBytes *bytes = i == 0 || known ? teesql_wal_source_read_history (self->repository, view, timeline, cancellable, &local_error) : NULL;

      if (bytes != NULL)
        return bytes;
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      expected = expected || known;
    }
  if (expected && timeline > 1)
    {
      integrity (error, "wal-missing", "%s must be there by the catalog, and is not: the storage lost it, or hides it", file);
      return NULL;
    }
  if (timeline < teesql_restore_view_newest_timeline (self->views->pdata[0]) && !check_problem (self, file, error))
    return NULL;
  return not_archived (file, error);
}

/* ---- ahead of recovery ---- */

/* The next segments are wanted soon: those that a record says are whole. */
static void
look_ahead (TeesqlWalSource *self, const Wanted *wanted)
{
  const TeesqlRestoreView *view = self->views->pdata[0];
  guint32 size = view->record->segment_size;
  guint64 from = 0;
  guint64 to = 0;

  for (guint i = 1; i <= teesql_wal_ahead_depth (size); i++)
    {
      guint64 start = wanted->start + (guint64) i * size;
      g_autofree char *name = NULL;

      if (teesql_restore_view_place (view, wanted->timeline, start, start + size, &from, &to) != TEESQL_WAL_PLACE_INSIDE ||
          to - from != size)
        return;
      name = teesql_wal_segment_name (wanted->timeline, start, size);
      teesql_wal_ahead_ask (self->ahead, name);
    }
}

TeesqlWalSource *
teesql_wal_source_new (TeesqlCatalog *catalog)
{
  TeesqlWalSource *self = g_new0 (TeesqlWalSource, 1);

  self->catalog = g_object_ref (catalog);
  self->repository = teesql_catalog_get_repository (catalog);
  g_mutex_init (&self->mutex);
  self->ahead = teesql_wal_ahead_new (self);
  return self;
}

void
teesql_wal_source_free (TeesqlWalSource *self)
{
  teesql_wal_ahead_free (self->ahead);
  g_clear_pointer (&self->views, g_ptr_array_unref);
  g_clear_error (&self->problem);
  g_mutex_clear (&self->mutex);
  g_object_unref (self->catalog);
  g_free (self);
}

GBytes *
teesql_wal_source_fetch (TeesqlWalSource *self, const char *file, GCancellable *cancellable, GError **error)
{
  TeesqlWalNameKind kind = TEESQL_WAL_NAME_SEGMENT;
  guint32 timeline = 0;
  Wanted wanted;
  GBytes *bytes = NULL;

  if (!teesql_wal_name_parse (file, &kind, &timeline))
    return not_archived (file, error);
  if (!load_views (self, cancellable, error))
    return NULL;
  if (kind == TEESQL_WAL_NAME_HISTORY)
    return fetch_history (self, file, timeline, cancellable, error);
  if (!parse_wanted (self, file, &wanted))
    return not_archived (file, error);
  bytes = teesql_wal_ahead_take (self->ahead, file, cancellable);
  if (bytes != NULL)
    look_ahead (self, &wanted);
  else if ((bytes = teesql_wal_source_fetch_now (self, file, cancellable, error)) != NULL)
    look_ahead (self, &wanted);
  return bytes;
}

/* ---- the end ---- */

gboolean
teesql_wal_source_reach (TeesqlWalSource *self, guint32 timeline, guint64 from_lsn, guint64 *out_end_lsn, GCancellable *cancellable,
                         GError **error)
{
  guint32 size = 0;
  guint64 at = from_lsn;

  if (!load_views (self, cancellable, error))
    return FALSE;
  size = ((const TeesqlRestoreView *) self->views->pdata[0])->record->segment_size;
  for (guint i = 0; i < self->views->len; i++)
    {
      guint64 end = 0;

      if (teesql_catalog_record_covers (((const TeesqlRestoreView *) self->views->pdata[i])->record, timeline, at, &end))
        at = MAX (at, end);
    }
  for (;;)
    {
      Wanted wanted = { .timeline = timeline, .start = at - at % size, .end = at - at % size + size };
      g_autofree char *file = teesql_wal_segment_name (timeline, at, size);
      g_autoptr (GError) local_error = NULL;
      g_autoptr (GBytes) bytes = NULL;
      guint64 end = 0;

      wanted.file = file;
      bytes = fetch_segment (self, &wanted, &end, cancellable, &local_error);
      if (bytes == NULL && !g_error_matches (local_error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (bytes == NULL || end <= at)
        break;
      at = end;
    }
  *out_end_lsn = at;
  return TRUE;
}

/* The newest timeline: of the first record that has WAL, and those that began since. Where such a one begins is in its history. */
static gboolean
find_timeline (TeesqlWalSource *self, guint32 *out_timeline, guint64 *out_from, GCancellable *cancellable, GError **error)
{
  guint32 timeline = 0;

  for (guint i = 0; i < self->views->len && timeline == 0; i++)
    {
      timeline = teesql_restore_view_newest_timeline (self->views->pdata[i]);
      *out_from = teesql_restore_view_end (self->views->pdata[i], timeline);
    }
  for (guint i = 0; i < TIMELINES_BEYOND; i++)
    {
      g_autoptr (GError) local_error = NULL;
      g_autoptr (GBytes) bytes =
          teesql_wal_source_read_history (self->repository, self->views->pdata[0], timeline + 1, cancellable, &local_error);
      g_autoptr (GArray) history = NULL;

      if (local_error != NULL)
        g_propagate_error (error, g_steal_pointer (&local_error));
      if (bytes == NULL)
        break;
      history = teesql_timeline_history_parse (timeline + 1, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
      if (history == NULL)
        return FALSE;
      timeline++;
      if (history->len > 0)
        *out_from = g_array_index (history, TeesqlTimelineEnd, history->len - 1).end_lsn;
    }
  *out_timeline = timeline;
  return error == NULL || *error == NULL;
}

gboolean
teesql_wal_source_find_end (TeesqlWalSource *self, guint32 *out_timeline, guint64 *out_lsn, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  guint32 timeline = 0;
  guint64 from = 0;
  guint64 end = 0;

  if (!load_views (self, cancellable, error))
    return FALSE;
  if (!find_timeline (self, &timeline, &from, cancellable, &local_error) ||
      (timeline > 0 && !teesql_wal_source_reach (self, timeline, from, &end, cancellable, &local_error)))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (timeline == 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "wal-not-archived",
                        "the repository has no WAL of this lineage");
  *out_timeline = timeline;
  *out_lsn = end;
  return TRUE;
}
