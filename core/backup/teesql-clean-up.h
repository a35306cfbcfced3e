#pragma once
/* Removing objects, after the catalog has let go of them. Only below the catalog's own lineage, and only what is known to be needed by no
 * record: the store's word on ages counts for nothing. */
#include "backup/teesql-catalog.h"

G_BEGIN_DECLS

/* Objects that one clean-up removes at most, of each kind; the next one goes on. Memory, and the time until something else gets its turn,
 * must not be for the store to choose. 50,000 segments of 16 MiB are 780 GiB of WAL. */
#define TEESQL_CLEAN_UP_MAX 50000u

#define TEESQL_LEFT_OVER_AGE_S ((gint64) 86400) /* by our clock, since a clean-up first saw it */

/* the objects of backups that left the catalog; @backups: (element-type TeesqlBackup) */
gboolean teesql_clean_up_backups (TeesqlCatalog *catalog, GPtrArray *backups, guint *removed, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* WAL before the oldest that the record still holds, and parts of segments that are there as a whole */
gboolean teesql_clean_up_wal (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* pieces of backups that no record names and that are not being made: gone a day after they were first seen (`STATE/…/left-overs`) */
gboolean teesql_clean_up_left_overs (TeesqlCatalog *catalog, gint64 now_unix, guint *removed, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* records older than the newest 1,000 */
gboolean teesql_clean_up_records (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
