#pragma once
#include "backup/teesql-catalog.h"

G_BEGIN_DECLS

/**
 * TeesqlRestoreView:
 *
 * a lineage as it was when its child left it; the child itself first. What its record says must be there is asked for by that name.
 */
typedef struct
{
  TeesqlLineage lineage;
  TeesqlCatalogRecord *record;
} TeesqlRestoreView;
void teesql_restore_view_free (TeesqlRestoreView *self);

/**
 * teesql_restore_lineages:
 * @out_problem: (transfer full) (nullable): why the line of ancestors ends before its first one: an ancestor's record is missing or not the
 *   one that its child names. What needs it must fail; what does not may go on
 *
 * Returns: (transfer full) (nullable) (element-type TeesqlRestoreView): @catalog's own first; %NULL when the store cannot be asked
 */
GPtrArray *teesql_restore_lineages (TeesqlCatalog *catalog, GError **out_problem, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

typedef enum
{
  TEESQL_WAL_PLACE_NONE,   /* nothing of that timeline is in the record */
  TEESQL_WAL_PLACE_BEFORE, /* the record's WAL of it begins later */
  TEESQL_WAL_PLACE_INSIDE, /* at least a part of it must be there */
  TEESQL_WAL_PLACE_GAP,    /* lost, and later WAL is there */
  TEESQL_WAL_PLACE_AFTER,
} TeesqlWalPlace;
/**
 * teesql_restore_view_place:
 * @out_from, @out_to: of INSIDE: what must be there of [start, end)
 */
TeesqlWalPlace teesql_restore_view_place (const TeesqlRestoreView *self, guint32 timeline, guint64 start, guint64 end, guint64 *out_from,
                                          guint64 *out_to);
/* 0 when the record has no WAL */
guint32 teesql_restore_view_newest_timeline (const TeesqlRestoreView *self);
/* end of the record's WAL on @timeline, 0 when there is none */
guint64 teesql_restore_view_end (const TeesqlRestoreView *self, guint32 timeline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestoreView, teesql_restore_view_free)
G_END_DECLS
