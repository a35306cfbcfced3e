#include "backup/teesql-restore-lineage.h"

#include "backup/teesql-catalog-io.h"
#include "base/teesql-domains.h"

#include <string.h>

#define ANCESTORS_MAX 1000u

void
teesql_restore_view_free (TeesqlRestoreView *self)
{
  g_clear_pointer (&self->record, teesql_catalog_record_free);
  g_free (self);
}

static TeesqlRestoreView *
view_new (const TeesqlLineage *lineage, TeesqlCatalogRecord *record)
{
  TeesqlRestoreView *self = g_new0 (TeesqlRestoreView, 1);

  self->lineage = *lineage;
  self->record = record;
  return self;
}

/* The child's record is authentic and names its parent's by digest, so the parent needs no chain of its own here. */
static TeesqlRestoreView *
load_parent (TeesqlRepository *repository, const TeesqlCatalogRecord *child, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) loaded = { 0 };

  if (!teesql_catalog_load (repository, &child->parent_lineage, child->parent_sequence, &loaded, cancellable, error))
    return NULL;
  if (memcmp (loaded.digest, child->parent_digest, sizeof loaded.digest) != 0)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "catalog-broken",
                   "record %" G_GUINT64_FORMAT " of lineage %s is not the one that lineage %s came from", child->parent_sequence,
                   child->parent_lineage.text, child->lineage.text);
      return NULL;
    }
  return view_new (&child->parent_lineage, g_steal_pointer (&loaded.record));
}

GPtrArray *
teesql_restore_lineages (TeesqlCatalog *catalog, GError **out_problem, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) views = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_restore_view_free);
  TeesqlRepository *repository = teesql_catalog_get_repository (catalog);
  TeesqlRestoreView *last = view_new (teesql_catalog_get_lineage (catalog), teesql_catalog_dup_record (catalog));

  *out_problem = NULL;
  g_ptr_array_add (views, last);
  while (last->record->parent_lineage.text[0] != '\0' && views->len < ANCESTORS_MAX)
    {
      g_autoptr (GError) local_error = NULL;

      last = load_parent (repository, last->record, cancellable, &local_error);
      if (last == NULL && !teesql_catalog_is_damage (local_error) &&
          !g_error_matches (local_error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (last == NULL)
        {
          *out_problem = g_steal_pointer (&local_error);
          break;
        }
      g_ptr_array_add (views, last);
    }
  return g_steal_pointer (&views);
}

TeesqlWalPlace
teesql_restore_view_place (const TeesqlRestoreView *self, guint32 timeline, guint64 start, guint64 end, guint64 *out_from, guint64 *out_to)
{
  gboolean has_earlier = FALSE;
  gboolean has_later = FALSE;

  for (guint i = 0; i < self->record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (self->record->wal, TeesqlWalRange, i);

      if (range->timeline != timeline)
        continue;
      if (range->start_lsn < end && range->end_lsn > start)
        {
          *out_from = MAX (start, range->start_lsn);
          *out_to = MIN (end, range->end_lsn);
          return TEESQL_WAL_PLACE_INSIDE;
        }
      has_earlier = has_earlier || range->end_lsn <= start;
      has_later = has_later || range->start_lsn >= end;
    }
  if (has_earlier)
    return has_later ? TEESQL_WAL_PLACE_GAP : TEESQL_WAL_PLACE_AFTER;
  return has_later ? TEESQL_WAL_PLACE_BEFORE : TEESQL_WAL_PLACE_NONE;
}

guint32
teesql_restore_view_newest_timeline (const TeesqlRestoreView *self)
{
  guint32 newest = 0;

  for (guint i = 0; i < self->record->wal->len; i++)
    newest = MAX (newest, g_array_index (self->record->wal, TeesqlWalRange, i).timeline);
  return newest;
}

guint64
teesql_restore_view_end (const TeesqlRestoreView *self, guint32 timeline)
{
  guint64 end = 0;

  for (guint i = 0; i < self->record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (self->record->wal, TeesqlWalRange, i);

      if (range->timeline == timeline)
        end = MAX (end, range->end_lsn);
    }
  return end;
}
