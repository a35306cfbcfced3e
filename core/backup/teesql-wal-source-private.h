#pragma once
#include "backup/teesql-wal-source.h"

G_BEGIN_DECLS

/* Between the source and restore. */
const GPtrArray *teesql_wal_source_get_views (TeesqlWalSource *self, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* (transfer none) (element-type TeesqlRestoreView) */
/* how far WAL without a hole leads from @from_lsn, in records and beyond them; *out_end_lsn is @from_lsn when it leads nowhere */
gboolean teesql_wal_source_reach (TeesqlWalSource *self, guint32 timeline, guint64 from_lsn, guint64 *out_end_lsn, GCancellable *cancellable,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *teesql_wal_source_fetch_now (TeesqlWalSource *self, const char *file, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* a segment, not what was fetched ahead */

/**
 * TeesqlWalAhead:
 *
 * segments that are fetched before recovery asks for them: recovery does one thing at a time, and a store answers slowly
 */
typedef struct _TeesqlWalAhead TeesqlWalAhead;
TeesqlWalAhead *teesql_wal_ahead_new (TeesqlWalSource *source) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_ahead_free (TeesqlWalAhead *self);
guint teesql_wal_ahead_depth (guint32 segment_size); /* so many that they stay within 64 MiB */
void teesql_wal_ahead_ask (TeesqlWalAhead *self, const char *file);
/* (transfer full) (nullable): waits while it is under way; %NULL when nobody asked for it, or it failed: who wants it learns why */
GBytes *teesql_wal_ahead_take (TeesqlWalAhead *self, const char *file, GCancellable *cancellable) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
