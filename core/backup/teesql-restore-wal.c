#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-restore-run.h"
#include "backup/teesql-wal-source-private.h"
#include "base/teesql-domains.h"
#include "seal/teesql-seal.h"

#define ATTEMPTS     3u /* at a listing while an archiver puts whole segments in the place of their parts */
#define HEADER_FIXED ((guint64) 140)
#define SEALED_MIN   (HEADER_FIXED + TEESQL_SEAL_TAG_SIZE)
/* what does not compress grows a little, and each of its segments by a tag */
#define SEALED_MAX(size) (TEESQL_SEAL_HEADER_MAX + (size) + (size) / 16 + 4096)

#define integrity(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, reason, __VA_ARGS__)

/* ---- how much of it ---- */

/* Where recovery stops reading on @step; of a time or a name nobody knows before. Up to the end of the target's segment: that of the record
 * which is there lies behind it. */
static guint64
needed_end (const TeesqlRestoreRun *self, const TeesqlRestoreStep *step)
{
  const TeesqlBackup *backup = self->plan->chain->pdata[self->plan->chain->len - 1];
  guint32 size = self->plan->view->record->segment_size;
  guint64 last = 0;

  switch (self->options->target)
    {
    case TEESQL_RESTORE_IMMEDIATE:
      last = step->timeline == backup->timeline ? backup->stop_lsn : 0;
      break;
    case TEESQL_RESTORE_LSN:
      last = self->plan->target_lsn - self->plan->target_lsn % size + size;
      break;
    case TEESQL_RESTORE_LATEST:
    case TEESQL_RESTORE_TIME:
    case TEESQL_RESTORE_NAME:
    default:
      return step->end_lsn;
    }
  return MIN (last, step->end_lsn);
}

guint64
teesql_restore_run_count_wal (TeesqlRestoreRun *self)
{
  guint64 bytes = 0;

  for (guint i = 0; i < self->plan->steps->len; i++)
    {
      const TeesqlRestoreStep *step = &g_array_index (self->plan->steps, TeesqlRestoreStep, i);
      guint64 end = needed_end (self, step);

      bytes += end > step->start_lsn ? end - step->start_lsn : 0;
    }
  return bytes;
}

/* ---- by name and size ---- */

static const TeesqlRestoreView *
find_view (const GPtrArray *views, guint32 timeline, guint64 at, guint64 *out_end)
{
  for (guint i = 0; i < views->len; i++)
    {
      const TeesqlRestoreView *view = views->pdata[i];

      if (teesql_catalog_record_covers (view->record, timeline, at, out_end))
        return view;
    }
  return NULL;
}

static gboolean
fail_missing (const TeesqlRestoreView *view, guint32 timeline, guint64 reached, guint64 end, gboolean unknown, GError **error)
{
  g_autofree char *file = teesql_wal_segment_name (timeline, reached, view->record->segment_size);
  g_autofree char *from = teesql_lsn_to_string (reached);
  g_autofree char *to = teesql_lsn_to_string (end);

  return integrity (error, "wal-missing",
                    "%s is not there, or not all of it: WAL of timeline %u from %s to %s is promised by the catalog, and %s%s", file,
                    timeline, from, to, "the storage lost it, or hides it",
                    unknown ? "\nhint: whether the target lies before it only recovery finds out: --recover tries" : "");
}

/* What is sealed has a size that it cannot be smaller or larger than; the rest is found when it is opened. */
static gboolean
check_size (const TeesqlWalObject *object, gpointer view, GError **error)
{
  guint64 plain = object->end_lsn - object->start_lsn;
  g_autofree char *file = NULL;

  if (object->stored_size >= SEALED_MIN && object->stored_size <= SEALED_MAX (plain))
    return TRUE;
  file = teesql_wal_segment_name (object->timeline, object->start_lsn, ((const TeesqlRestoreView *) view)->record->segment_size);
  return integrity (error, "wal-size", "%s has an object of %" G_GUINT64_FORMAT " bytes, which cannot hold %" G_GUINT64_FORMAT " of WAL",
                    file, object->stored_size, plain);
}

static gboolean
check_listed (TeesqlRestoreRun *self, const TeesqlRestoreView *view, guint32 timeline, guint64 start, guint64 end, GError **error)
{
  gboolean unknown = self->options->target == TEESQL_RESTORE_TIME || self->options->target == TEESQL_RESTORE_NAME;
  const TeesqlWalRange range = { .timeline = timeline, .start_lsn = start, .end_lsn = end };
  guint64 reached = start;

  for (guint left = ATTEMPTS; left > 0; left--)
    {
      if (!teesql_wal_find_reach (teesql_catalog_get_repository (self->options->catalog), &view->lineage, view->record->segment_size,
                                  &range, check_size, (gpointer) view, &reached, self->cancellable, error))
        return FALSE;
      if (reached >= end)
        return TRUE;
    }
  return fail_missing (view, timeline, reached, end, unknown, error);
}

static gboolean
check_step (TeesqlRestoreRun *self, const GPtrArray *views, const TeesqlRestoreStep *step, GError **error)
{
  guint64 end = needed_end (self, step);
  guint64 covered = 0;

  for (guint64 at = step->start_lsn; at < end; at = covered)
    {
      const TeesqlRestoreView *view = find_view (views, step->timeline, at, &covered);

      if (view == NULL)
        return TRUE; /* behind every record: the plan opened it to know where it ends */
      covered = MIN (covered, end);
      if (!check_listed (self, view, step->timeline, at, covered, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
teesql_restore_run_check_wal (TeesqlRestoreRun *self, GError **error)
{
  const GPtrArray *views = teesql_wal_source_get_views (self->source, self->cancellable, error);
  gboolean unknown = self->options->target == TEESQL_RESTORE_TIME || self->options->target == TEESQL_RESTORE_NAME;

  if (views == NULL)
    return FALSE;
  if (self->options->recover && unknown)
    return TRUE; /* what is missing may lie behind the target */
  for (guint i = 0; i < self->plan->steps->len; i++)
    if (!check_step (self, views, &g_array_index (self->plan->steps, TeesqlRestoreStep, i), error))
      return FALSE;
  return TRUE;
}

/* ---- by every byte ---- */

static gboolean
read_step (TeesqlRestoreRun *self, const TeesqlRestoreStep *step, GError **error)
{
  guint32 size = self->plan->view->record->segment_size;
  guint64 end = needed_end (self, step);

  for (guint64 at = step->start_lsn - step->start_lsn % size; at < end; at += size)
    {
      g_autofree char *file = teesql_wal_segment_name (step->timeline, at, size);
      g_autoptr (GBytes) bytes = teesql_wal_source_fetch (self->source, file, self->cancellable, error);

      if (bytes == NULL)
        return FALSE;
      self->report->bytes += g_bytes_get_size (bytes);
      teesql_restore_run_tell (self, "verify-wal", MIN (at + size, end) - MAX (at, step->start_lsn));
    }
  return TRUE;
}

gboolean
teesql_restore_run_read_wal (TeesqlRestoreRun *self, GError **error)
{
  for (guint i = 0; i < self->plan->steps->len; i++)
    if (!read_step (self, &g_array_index (self->plan->steps, TeesqlRestoreStep, i), error))
      return FALSE;
  return TRUE;
}
