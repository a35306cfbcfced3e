#pragma once
/* WAL as the objects of one lineage have it. */
#include "backup/teesql-restore-lineage.h"

G_BEGIN_DECLS

/**
 * teesql_wal_source_read_segment:
 * @from: offset that must be there; what lies before it is zeros where no object has it
 * @out_end: offset up to which there is WAL; zeros behind
 *
 * Returns: (transfer full) (nullable): a whole segment; %NULL without an error when no object of it is there
 */
GBytes *teesql_wal_source_read_segment (TeesqlRepository *repository, const TeesqlRestoreView *view, const char *segment, guint32 from,
                                        guint32 *out_end, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* %NULL without an error when it is not there */
GBytes *teesql_wal_source_read_history (TeesqlRepository *repository, const TeesqlRestoreView *view, guint32 timeline,
                                        GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
