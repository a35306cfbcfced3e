#pragma once
#include "backup/teesql-pg-session.h"

G_BEGIN_DECLS

#define TEESQL_TIMELINE_HISTORY_MAX ((gsize) 1024 * 1024)

/**
 * TeesqlTimelineEnd:
 *
 * a timeline that another one came from, and where it left
 */
typedef struct
{
  guint32 timeline;
  guint64 end_lsn;
} TeesqlTimelineEnd;

/**
 * teesql_timeline_history_parse:
 * @timeline: whose file it is: every ancestor is smaller
 *
 * Returns: (transfer full) (element-type TeesqlTimelineEnd) (nullable): oldest first; %NULL with MALFORMED `timeline-history`
 */
GArray *teesql_timeline_history_parse (guint32 timeline, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* where @timeline ended on the way to the one whose history it is; %FALSE when it is no ancestor */
gboolean teesql_timeline_history_find (const GArray *history, guint32 timeline, guint64 *out_end_lsn);
/* the one that left @timeline; 0 when it is no ancestor; @newest: the one whose history it is */
guint32 teesql_timeline_history_next (const GArray *history, guint32 timeline, guint32 newest);
/**
 * teesql_timeline_history_fetch:
 *
 * the file as the server has it, for a timeline above 1
 */
GBytes *teesql_timeline_history_fetch (TeesqlPgSession *session, guint32 timeline, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
