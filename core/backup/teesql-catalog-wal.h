#pragma once
/* What WAL objects are there, by their names. */
#include "backup/teesql-catalog-record.h"
#include "backup/teesql-layout.h"
#include "backup/teesql-repository.h"

G_BEGIN_DECLS

/**
 * TeesqlWalObject:
 * @partial: part of the segment that holds @start_lsn
 * @stored_size: of the object, as the store lists it; 0 when made from a name alone
 */
typedef struct
{
  guint32 timeline;
  guint64 start_lsn;
  guint64 end_lsn;
  gboolean partial;
  guint64 stored_size;
} TeesqlWalObject;

/* @name: whole; %FALSE for what is no segment or part of one under @lineage, histories too */
gboolean teesql_wal_object_parse (TeesqlRepository *repository, const TeesqlLineage *lineage, const char *name, guint32 segment_size,
                                  TeesqlWalObject *out) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_wal_object_dup_name (TeesqlRepository *repository, const TeesqlLineage *lineage, const TeesqlWalObject *object,
                                  guint32 segment_size) G_GNUC_WARN_UNUSED_RESULT;
typedef gboolean (*TeesqlWalObjectFunc) (const TeesqlWalObject *object, gpointer user_data, GError **error);
/**
 * teesql_wal_find_reach:
 * @func: (nullable): is shown every object that leads further
 * @out_reach: how far the objects lead from the beginning of @range without a hole
 */
gboolean teesql_wal_find_reach (TeesqlRepository *repository, const TeesqlLineage *lineage, guint32 segment_size,
                                const TeesqlWalRange *range, TeesqlWalObjectFunc func, gpointer user_data, guint64 *out_reach,
                                GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_wal_list:
 * @from, @to: only what touches this range
 *
 * Returns: (transfer full) (nullable) (element-type TeesqlWalObject): by segment, a whole one before its parts, these by their beginning;
 *   REFUSED `list-too-long` for more than a million
 */
GArray *teesql_wal_list (TeesqlRepository *repository, const TeesqlLineage *lineage, guint32 timeline, guint32 segment_size, guint64 from,
                         guint64 to, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* how far the objects lead from @from without a hole */
guint64 teesql_wal_reach (const GArray *objects, guint64 from);

G_END_DECLS
