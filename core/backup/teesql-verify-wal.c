#include "backup/teesql-verify-private.h"

#define HISTORY_MAX ((gsize) 1024 * 1024)

static gboolean
check_segment (TeesqlVerifyRun *run, const TeesqlWalObject *object, GError **error)
{
  g_autofree char *name =
      teesql_wal_object_dup_name (run->repository, teesql_catalog_get_lineage (run->catalog), object, run->record->segment_size);
  const TeesqlObjectId id = { .name = name, .system_identifier = run->record->system_identifier, .timeline = object->timeline };
  gsize expected = (gsize) (object->end_lsn - object->start_lsn);
  GError *problem = NULL;
  g_autoptr (GBytes) plain = NULL;

  run->report->n_objects++;
  run->report->n_segments++;
  if (!run->deep)
    return TRUE;
  plain = teesql_repository_get (run->repository, &id, TEESQL_REPOSITORY_COMPRESS, expected, NULL, NULL, run->cancellable, &problem);
  if (plain == NULL)
    return teesql_verify_take (run, name, problem, error);
  if (g_bytes_get_size (plain) != expected)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "object-truncated", name, "%" G_GSIZE_FORMAT " bytes of WAL, expected %" G_GSIZE_FORMAT,
                        g_bytes_get_size (plain), expected);
  run->report->n_bytes += expected;
  teesql_verify_tell (run, 0, "wal");
  return TRUE;
}

static void
find_gap (TeesqlVerifyRun *run, TeesqlVerifySeverity severity, guint32 timeline, guint64 from, guint64 to, const char *what)
{
  g_autofree char *object = g_strdup_printf ("timeline %u", timeline);
  g_autofree char *start = teesql_lsn_to_string (from);
  g_autofree char *end = teesql_lsn_to_string (to);

  teesql_verify_find (run, severity, "wal-gap", object, "%s: from %s to %s", what, start, end);
}

/* The listing against the ranges of the record: every byte of them must be in some object. Names come by timeline, then segment, a whole
 * one before its parts and these by their beginning, so that nothing of the listing is kept. */

static void
end_range (TeesqlVerifyRun *run, guint i)
{
  const TeesqlWalRange *range = &g_array_index (run->record->wal, TeesqlWalRange, i);
  guint64 reach = g_array_index (run->reach, guint64, i);

  if (reach < range->end_lsn)
    find_gap (run, TEESQL_VERIFY_DAMAGE, range->timeline, reach, range->end_lsn, "WAL that the catalog names is missing");
}

static void
extend_range (TeesqlVerifyRun *run, guint i, const TeesqlWalObject *object)
{
  const TeesqlWalRange *range = &g_array_index (run->record->wal, TeesqlWalRange, i);
  guint64 *reach = &g_array_index (run->reach, guint64, i);

  if (object->end_lsn <= *reach)
    return;
  if (object->start_lsn > *reach)
    find_gap (run, TEESQL_VERIFY_DAMAGE, range->timeline, *reach, MIN (object->start_lsn, range->end_lsn),
              "WAL that the catalog names is missing");
  *reach = object->end_lsn;
}

static gboolean
is_behind (const TeesqlVerifyRun *run, const TeesqlWalObject *object)
{
  const TeesqlWalRange *range = &g_array_index (run->record->wal, TeesqlWalRange, run->n_closed);
  guint64 segment = object->start_lsn - object->start_lsn % run->record->segment_size;

  return range->timeline < object->timeline || (range->timeline == object->timeline && range->end_lsn <= segment);
}

void
teesql_verify_begin_wal (TeesqlVerifyRun *run)
{
  run->reach = g_array_new (FALSE, FALSE, sizeof (guint64));
  for (guint i = 0; i < run->record->wal->len; i++)
    g_array_append_val (run->reach, g_array_index (run->record->wal, TeesqlWalRange, i).start_lsn);
}

gboolean
teesql_verify_take_wal (TeesqlVerifyRun *run, const TeesqlWalObject *object, GError **error)
{
  const GArray *ranges = run->record->wal;
  gboolean promised = FALSE; /* what reaches beyond the record came while we looked, or was never noted */

  while (run->n_closed < ranges->len && is_behind (run, object))
    end_range (run, run->n_closed++);
  for (guint i = run->n_closed; i < ranges->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (ranges, TeesqlWalRange, i);

      if (range->timeline != object->timeline || range->start_lsn >= object->end_lsn)
        break;
      if (object->start_lsn >= range->end_lsn)
        continue;
      promised = TRUE;
      extend_range (run, i, object);
    }
  return !promised || check_segment (run, object, error);
}

static gboolean
check_history (TeesqlVerifyRun *run, guint32 timeline, GError **error)
{
  g_autofree char *name =
      teesql_layout_history (teesql_repository_get_cluster_id (run->repository), teesql_catalog_get_lineage (run->catalog), timeline);
  const TeesqlObjectId id = { .name = name, .system_identifier = run->record->system_identifier, .timeline = timeline };
  GError *problem = NULL;
  g_autoptr (GBytes) plain = NULL;

  run->report->n_objects++;
  plain = teesql_repository_get (run->repository, &id, TEESQL_REPOSITORY_COMPRESS, HISTORY_MAX, NULL, NULL, run->cancellable, &problem);
  return plain != NULL || teesql_verify_take (run, name, problem, error);
}

gboolean
teesql_verify_end_wal (TeesqlVerifyRun *run, GError **error)
{
  while (run->n_closed < run->record->wal->len)
    end_range (run, run->n_closed++);
  for (guint i = 0; i < run->record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (run->record->wal, TeesqlWalRange, i);
      const TeesqlWalRange *before = i > 0 ? range - 1 : NULL;

      if (before != NULL && before->timeline == range->timeline)
        find_gap (run, TEESQL_VERIFY_NOTE, range->timeline, before->end_lsn, range->start_lsn, "WAL that was never archived");
      else if (range->timeline > 1 && !check_history (run, range->timeline, error))
        return FALSE;
    }
  return TRUE;
}
