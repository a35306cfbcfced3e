#pragma once
#include "backup/teesql-wal-source.h"

G_BEGIN_DECLS

/**
 * teesql_recovery_end_check:
 * @end_lsn: where recovery ended on @timeline
 * @offered_lsn: how far the WAL of @source leads there
 *
 * whether recovery went through all of it. PostgreSQL ends where it finds no further record, whatever the reason, and opens the database;
 * so what begins at @end_lsn must not be a record that is there as a whole. A part of one may be: WAL is archived as it is written.
 *
 * Returns: %FALSE with INTEGRITY `recovery-short`, or what kept the WAL from being read
 */
gboolean teesql_recovery_end_check (TeesqlWalSource *source, guint32 timeline, guint32 segment_size, guint64 end_lsn, guint64 offered_lsn,
                                    GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_recovery_record_end:
 * @lsn: of the record's first byte, behind the header of its page
 * @size: its xl_tot_len
 *
 * pure: where the record ends, with the headers of the pages that it goes over
 */
guint64 teesql_recovery_record_end (guint64 lsn, guint32 size, guint32 segment_size);
guint64 teesql_recovery_record_start (guint64 lsn,
                                      guint32 segment_size); /* pure: of the record that begins at @lsn, behind a page's header */

G_END_DECLS
