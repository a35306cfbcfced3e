/* A history file: the first byte is the timeline, the rest is what the server says. */
#include "backup/teesql-timeline-history.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_entry (const GArray *history, guint i, guint32 timeline)
{
  const TeesqlTimelineEnd *entry = &g_array_index (history, TeesqlTimelineEnd, i);
  guint64 end = 0;

  g_assert_cmpuint (entry->timeline, <, timeline);
  g_assert_true (teesql_timeline_history_find (history, entry->timeline, &end));
  g_assert_true (end == entry->end_lsn);
  g_assert_cmpuint (teesql_timeline_history_next (history, entry->timeline, timeline), >, entry->timeline);
  if (i > 0)
    g_assert_cmpuint (entry[-1].end_lsn, <=, entry->end_lsn);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GArray) history = NULL;

  if (size == 0)
    return 0;
  history = teesql_timeline_history_parse (data[0], data + 1, size - 1, NULL);
  for (guint i = 0; history != NULL && i < history->len; i++)
    check_entry (history, i, data[0]);
  return 0;
}
