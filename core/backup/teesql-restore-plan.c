#include "backup/teesql-restore-plan.h"

#include "backup/teesql-timeline-history.h"
#include "backup/teesql-wal-source-private.h"
#include "base/teesql-domains.h"

#include <string.h>

#define NAME_MAX_BYTES 63 /* MAXFNAMELEN - 1 */
#define CHAIN_MAX      1000u

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_##code, reason, __VA_ARGS__)

/* @history: (nullable): of the timeline to follow; nullable for timeline 1 */
typedef struct
{
  const TeesqlRestoreOptions *options;
  TeesqlWalSource *source;
  GCancellable *cancellable;
  const GPtrArray *views;
  GArray *history;
  TeesqlRestorePlan *plan;
} Planner;

void
teesql_restore_plan_free (TeesqlRestorePlan *self)
{
  g_clear_pointer (&self->chain, g_ptr_array_unref);
  g_clear_pointer (&self->steps, g_array_unref);
  g_free (self->target_text);
  g_free (self);
}

/* ---- the target ---- */

/* PostgreSQL would read a time without a zone in the server's own. `2026-03-01 12:00:00+00`, `2026-03-01T12:00:00.5Z` */
gboolean
teesql_restore_parse_time (const char *text, gint64 *out_unix, char **out_text, GError **error)
{
  g_autofree char *iso = g_strstrip (g_strdup (text));
  char *blank = strchr (iso, ' ');
  g_autoptr (GDateTime) time = NULL;
  g_autoptr (GDateTime) utc = NULL;

  if (blank != NULL)
    *blank = 'T';
  time = g_date_time_new_from_iso8601 (iso, NULL);
  utc = time != NULL ? g_date_time_to_utc (time) : NULL;
  if (utc == NULL)
    return fail (error, CONFIG, "restore-target", "`%s` is no instant\nhint: a date, a time and its zone, such as 2026-03-01 12:00:00+00",
                 text);
  *out_unix = g_date_time_to_unix (utc);
  *out_text = g_date_time_format (utc, "%Y-%m-%d %H:%M:%S.%f+00");
  return TRUE;
}

static gboolean
take_name (Planner *self, GError **error)
{
  const char *text = self->options->target_text;
  gsize size = strlen (text);

  for (gsize i = 0; i < size; i++)
    if ((guchar) text[i] < 0x20 || text[i] == 0x7f)
      size = 0;
  if (size == 0 || size > NAME_MAX_BYTES)
    return fail (error, CONFIG, "restore-target", "a restore point has a name of 1 to %d characters", NAME_MAX_BYTES);
  self->plan->target_text = g_strdup (text);
  return TRUE;
}

static gboolean
take_lsn (Planner *self, GError **error)
{
  if (!teesql_lsn_parse (self->options->target_text, &self->plan->target_lsn))
    return fail (error, CONFIG, "restore-target", "`%s` is no position in WAL, such as 0/16B3748", self->options->target_text);
  self->plan->target_text = teesql_lsn_to_string (self->plan->target_lsn);
  return TRUE;
}

static gboolean
take_target (Planner *self, GError **error)
{
  switch (self->options->target)
    {
    case TEESQL_RESTORE_TIME:
      return teesql_restore_parse_time (self->options->target_text, &self->plan->target_unix, &self->plan->target_text, error);
    case TEESQL_RESTORE_LSN:
      return take_lsn (self, error);
    case TEESQL_RESTORE_NAME:
      return take_name (self, error);
    case TEESQL_RESTORE_LATEST:
    case TEESQL_RESTORE_IMMEDIATE:
    default:
      return TRUE;
    }
}

/* ---- what the repository has ---- */

static gboolean
load_history (Planner *self, guint32 timeline, GArray **out, GError **error)
{
  g_autofree char *file = g_strdup_printf ("%08X.history", timeline);
  g_autoptr (GBytes) bytes = NULL;

  *out = NULL;
  if (timeline <= 1)
    return TRUE;
  bytes = teesql_wal_source_fetch (self->source, file, self->cancellable, error);
  if (bytes == NULL)
    return FALSE;
  *out = teesql_timeline_history_parse (timeline, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
  return *out != NULL;
}

/* Position and timeline together: an old timeline may be longer than the newest one, and the newest may have left it before. */
static gboolean
is_covered (const Planner *self, const GArray *history, const TeesqlRestoreKnown *known)
{
  guint64 left = 0;

  if (known->timeline == 0 || known->timeline == self->plan->repository_timeline)
    return known->lsn <= self->plan->repository_lsn;
  return history != NULL && teesql_timeline_history_find (history, known->timeline, &left) && known->lsn <= left;
}

static gboolean
fail_known (const Planner *self, const GArray *history, const TeesqlRestoreKnown *known, GError **error)
{
  const TeesqlRestorePlan *plan = self->plan;
  guint32 size = ((const TeesqlRestoreView *) self->views->pdata[0])->record->segment_size;
  g_autofree char *file = teesql_wal_segment_name (plan->repository_timeline, plan->repository_lsn, size);
  g_autofree char *lsn = teesql_lsn_to_string (known->lsn);
  g_autofree char *offered = teesql_lsn_to_string (plan->repository_lsn);
  g_autofree char *where = known->timeline != 0 ? g_strdup_printf (" of timeline %u", known->timeline) : g_strdup ("");
  guint64 left = 0;
  g_autofree char *switched = NULL;

  if (known->timeline != 0 && history != NULL && teesql_timeline_history_find (history, known->timeline, &left))
    {
      switched = teesql_lsn_to_string (left);
      return fail (error, REFUSED, "repository-behind",
                   "the repository leads up to %s on timeline %u, which left timeline %u at %s, and %s%s is known to have been archived\n"
                   "hint: --accept-older restores what is there; what was written behind that on timeline %u is lost",
                   offered, plan->repository_timeline, known->timeline, switched, lsn, where, known->timeline);
    }
  return fail (
      error, REFUSED, "repository-behind",
      "the repository leads up to %s on timeline %u, and %s%s is known to have been archived: storage was rolled back, or lost WAL; "
      "the first that is not there is in %s\n"
      "hint: --accept-older restores what is there; what lies between is lost",
      offered, plan->repository_timeline, lsn, where, file);
}

/* SR-19: both are said, and the older one is refused. */
static gboolean
check_known (Planner *self, GError **error)
{
  const GArray *known = self->options->known;
  g_autoptr (GArray) history = NULL;

  if (known == NULL || known->len == 0 || self->options->accept_older)
    return TRUE;
  if (!load_history (self, self->plan->repository_timeline, &history, error))
    return FALSE;
  for (guint i = 0; i < known->len; i++)
    {
      const TeesqlRestoreKnown *one = &g_array_index (known, TeesqlRestoreKnown, i);

      if (!is_covered (self, history, one))
        return fail_known (self, history, one, error);
    }
  return TRUE;
}

static gboolean
find_repository (Planner *self, GError **error)
{
  TeesqlRestorePlan *plan = self->plan;

  self->views = teesql_wal_source_get_views (self->source, self->cancellable, error);
  if (self->views == NULL ||
      !teesql_wal_source_find_end (self->source, &plan->repository_timeline, &plan->repository_lsn, self->cancellable, error))
    return FALSE;
  plan->timeline = self->options->target_timeline != 0 ? self->options->target_timeline : plan->repository_timeline;
  return check_known (self, error) && load_history (self, plan->timeline, &self->history, error);
}

/* ---- the backup ---- */

/* Whether recovery that begins with it can reach the timeline to follow. */
static gboolean
is_ancestor (const Planner *self, const TeesqlBackup *backup)
{
  guint64 end = 0;

  if (backup->timeline == self->plan->timeline)
    return TRUE;
  return self->history != NULL && teesql_timeline_history_find (self->history, backup->timeline, &end) && backup->stop_lsn <= end;
}

static gboolean
is_before_target (const Planner *self, const TeesqlBackup *backup)
{
  if (self->options->target == TEESQL_RESTORE_LSN)
    return backup->stop_lsn <= self->plan->target_lsn;
  return self->options->target != TEESQL_RESTORE_TIME || backup->finished_unix <= self->plan->target_unix;
}

/* A backup's end is known in whole seconds. One that ended in the target's own second may have ended behind it, and recovery cannot stop
 * before a backup's end: it is taken only where no other is. */
static gboolean
is_surely_before_target (const Planner *self, const TeesqlBackup *backup)
{
  return is_before_target (self, backup) &&
         (self->options->target != TEESQL_RESTORE_TIME || backup->finished_unix < self->plan->target_unix);
}

static TeesqlBackup *
find_newest (const Planner *self, const TeesqlRestoreView *view, gboolean surely)
{
  TeesqlBackup *newest = NULL;

  for (guint i = 0; i < view->record->backups->len; i++)
    {
      TeesqlBackup *backup = view->record->backups->pdata[i];
      gboolean before = surely ? is_surely_before_target (self, backup) : is_before_target (self, backup);

      if (is_ancestor (self, backup) && before && (newest == NULL || backup->stop_lsn > newest->stop_lsn))
        newest = backup;
    }
  return newest;
}

static TeesqlBackup *
find_in_views (Planner *self, gboolean surely)
{
  const TeesqlBackup *asked = self->options->backup;
  TeesqlBackup *backup = NULL;

  for (guint i = 0; i < self->views->len && backup == NULL; i++)
    {
      self->plan->view = self->views->pdata[i];
      backup =
          asked != NULL ? teesql_catalog_record_find (self->plan->view->record, asked->id) : find_newest (self, self->plan->view, surely);
    }
  return backup;
}

static TeesqlBackup *
find_backup (Planner *self, GError **error)
{
  TeesqlBackup *backup = find_in_views (self, TRUE);

  if (backup == NULL)
    backup = find_in_views (self, FALSE);
  if (backup == NULL)
    fail (error, NOT_FOUND, "backup-none", "no backup of timeline %u or those it came from finished before the target",
          self->plan->timeline);
  else if (!is_before_target (self, backup))
    fail (error, REFUSED, "target-beyond", "the backup ended behind the target\nhint: choose an older one");
  else if (!is_ancestor (self, backup))
    fail (error, REFUSED, "target-beyond", "the backup is of timeline %u, which does not lead to timeline %u", backup->timeline,
          self->plan->timeline);
  else
    return backup;
  return NULL;
}

static gboolean
find_chain (Planner *self, TeesqlBackup *backup, GError **error)
{
  g_ptr_array_insert (self->plan->chain, 0, teesql_backup_ref (backup));
  while (backup->incremental)
    {
      g_autofree char *name = teesql_backup_dup_name (backup);

      backup = teesql_catalog_record_find (self->plan->view->record, backup->parent_id);
      if (backup == NULL || self->plan->chain->len >= CHAIN_MAX)
        return fail (error, INTEGRITY, "backup-parent", "%s is incremental, and what it is based upon is not in the catalog", name);
      g_ptr_array_insert (self->plan->chain, 0, teesql_backup_ref (backup));
    }
  return TRUE;
}

/* ---- the WAL behind it ---- */

static gboolean
fail_reach (GError **error, guint32 timeline, guint64 reached, guint64 wanted, const char *what)
{
  g_autofree char *from = teesql_lsn_to_string (reached);
  g_autofree char *to = teesql_lsn_to_string (wanted);

  return fail (error, INTEGRITY, "wal-missing", "WAL of timeline %u ends at %s, and %s needs it up to %s", timeline, from, what, to);
}

static void
add_step (TeesqlRestorePlan *plan, guint32 timeline, guint64 start, guint64 end)
{
  TeesqlRestoreStep step = { timeline, start, end };

  g_array_append_val (plan->steps, step);
}

/* Follows WAL from the backup to the end of the timeline to follow. */
static gboolean
follow (Planner *self, const TeesqlBackup *backup, guint64 *out_end, GError **error)
{
  guint32 timeline = backup->timeline;
  guint64 at = backup->start_lsn;
  guint64 reached = 0;
  guint64 switched = 0;

  for (;;)
    {
      if (!teesql_wal_source_reach (self->source, timeline, at, &reached, self->cancellable, error))
        return FALSE;
      if (timeline == backup->timeline && reached < backup->stop_lsn)
        return fail_reach (error, timeline, reached, backup->stop_lsn, "the backup");
      if (timeline == self->plan->timeline)
        break;
      if (!teesql_timeline_history_find (self->history, timeline, &switched))
        return fail (error, INTEGRITY, "wal-missing", "timeline %u does not lead to %u", timeline, self->plan->timeline);
      if (reached < switched)
        return fail_reach (error, timeline, reached, switched, "the next timeline");
      add_step (self->plan, timeline, at, switched);
      at = switched;
      timeline = teesql_timeline_history_next (self->history, timeline, self->plan->timeline);
    }
  add_step (self->plan, timeline, at, reached);
  *out_end = reached;
  return TRUE;
}

/* WAL leads from the backup up to @end, and there is more behind that: a gap. */
static gboolean
fail_at_end (const TeesqlRestorePlan *plan, guint64 end, GError **error)
{
  g_autofree char *reached = teesql_lsn_to_string (end);

  if (plan->timeline == plan->repository_timeline && end < plan->repository_lsn)
    return fail (error, INTEGRITY, "wal-gap",
                 "WAL behind the backup has a gap at %s\nhint: restore from a newer backup, or to a point before it", reached);
  return fail (error, REFUSED, "target-beyond", "WAL of timeline %u leads up to %s, and the target is %s", plan->timeline, reached,
               plan->target_text);
}

static gboolean
check_wal (Planner *self, const TeesqlBackup *backup, GError **error)
{
  const TeesqlRestorePlan *plan = self->plan;
  guint64 end = 0;

  if (!follow (self, backup, &end, error))
    return FALSE;
  if (self->options->target == TEESQL_RESTORE_LSN && plan->target_lsn > end)
    return fail_at_end (plan, end, error);
  /* of a time or a name only recovery knows whether it lies before the gap, and fails where it does not */
  if (self->options->target == TEESQL_RESTORE_LATEST && plan->timeline == plan->repository_timeline && end < plan->repository_lsn)
    return fail_at_end (plan, end, error);
  return TRUE;
}

TeesqlRestorePlan *
teesql_restore_plan_new (const TeesqlRestoreOptions *options, TeesqlWalSource *source, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlRestorePlan) plan = g_new0 (TeesqlRestorePlan, 1);
  Planner planner = { .options = options, .source = source, .cancellable = cancellable, .plan = plan };
  TeesqlBackup *backup = NULL;
  gboolean ok = FALSE;

  plan->steps = g_array_new (FALSE, FALSE, sizeof (TeesqlRestoreStep));
  plan->chain = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_backup_unref);
  ok = take_target (&planner, error) && find_repository (&planner, error) && (backup = find_backup (&planner, error)) != NULL &&
       find_chain (&planner, backup, error) && check_wal (&planner, backup, error);
  g_clear_pointer (&planner.history, g_array_unref);
  return ok ? g_steal_pointer (&plan) : NULL;
}
