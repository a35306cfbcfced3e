#pragma once
#include "backup/teesql-catalog.h"

G_BEGIN_DECLS

/**
 * TeesqlRetention:
 * @full_count: full backups that stay, at least 1
 * @age_s: and what finished less than this many seconds ago; 0: only the count decides
 *
 * a backup goes when both let it go and nothing that stays needs it. WAL goes when no backup that stays needs it.
 */
typedef struct
{
  guint full_count;
  gint64 age_s;
} TeesqlRetention;

/**
 * teesql_retention_plan:
 * @out_backups: (transfer full) (element-type TeesqlBackup)
 * @out_wal_before: (transfer full) (element-type TeesqlWalRange): per timeline, start_lsn unused
 *
 * pure
 */
void teesql_retention_plan (const TeesqlCatalogRecord *record, const TeesqlRetention *retention, gint64 now_unix, GPtrArray **out_backups,
                            GArray **out_wal_before);
/**
 * teesql_retention_run:
 *
 * catalog first, then objects, then what no record names (left-overs of broken backups older than a day, records beyond the newest 1,000
 * that the head does not need). Only under the catalog's own lineage.
 */
gboolean teesql_retention_run (TeesqlCatalog *catalog, const TeesqlRetention *retention, gint64 now_unix, guint *out_removed,
                               GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
