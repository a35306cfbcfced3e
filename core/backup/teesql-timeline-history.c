#include "backup/teesql-timeline-history.h"
#include "backup/teesql-layout.h"
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include <string.h>

#define MAX_TIMELINES 10000

static gboolean
history_fail (GError **error, guint line, const char *what)
{
  return teesql_fail (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "timeline-history", "timeline history, line %u: %s", line, what);
}

static gboolean
take_line (TeesqlCursor *cursor, const guint8 **out_line, gsize *out_size, GError **error)
{
  const guint8 *start = teesql_cursor_peek (cursor);
  gsize left = teesql_cursor_remaining (cursor);
  const guint8 *end = memchr (start, '\n', left);

  *out_size = end != NULL ? (gsize) (end - start) : left;
  return teesql_cursor_take (cursor, "line", *out_size, out_line, error) && (end == NULL || teesql_cursor_skip (cursor, "end", 1, error));
}

/* `1<tab>0/2000000<tab>no recovery target specified`; readTimeLineHistory () passes over empty lines and comments */
static gboolean
parse_line (const guint8 *line, gsize size, guint number, TeesqlTimelineEnd *out, gboolean *out_empty, GError **error)
{
  g_autofree char *text = g_strndup ((const char *) line, size);
  g_auto (GStrv) fields = NULL;
  guint64 timeline = 0;

  g_strstrip (text);
  *out_empty = text[0] == '\0' || text[0] == '#';
  if (*out_empty)
    return TRUE;
  if (memchr (line, '\0', size) != NULL)
    return history_fail (error, number, "a NUL");
  fields = g_strsplit_set (text, " \t", 3);
  if (fields[1] == NULL || !g_ascii_string_to_unsigned (fields[0], 10, 1, G_MAXUINT32, &timeline, NULL))
    return history_fail (error, number, "expected a timeline");
  out->timeline = (guint32) timeline;
  return teesql_lsn_parse (fields[1], &out->end_lsn) || history_fail (error, number, "expected an LSN");
}

static gboolean
check_order (const GArray *history, const TeesqlTimelineEnd *entry, guint32 timeline, guint number, GError **error)
{
  const TeesqlTimelineEnd *before = history->len > 0 ? &g_array_index (history, TeesqlTimelineEnd, history->len - 1) : NULL;

  if (entry->timeline >= timeline)
    return history_fail (error, number, "an ancestor that is not older");
  if (before != NULL && (entry->timeline <= before->timeline || entry->end_lsn < before->end_lsn))
    return history_fail (error, number, "timelines that do not ascend");
  return history->len < MAX_TIMELINES || history_fail (error, number, "too many timelines");
}

GArray *
teesql_timeline_history_parse (guint32 timeline, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (GArray) history = g_array_new (FALSE, FALSE, sizeof (TeesqlTimelineEnd));
  TeesqlCursor cursor;

  if (size > TEESQL_TIMELINE_HISTORY_MAX)
    {
      history_fail (error, 1, "more than 1 MiB");
      return NULL;
    }
  teesql_cursor_init (&cursor, "timeline history", data, size);
  for (guint number = 1; teesql_cursor_remaining (&cursor) > 0; number++)
    {
      TeesqlTimelineEnd entry = { .timeline = 0 };
      const guint8 *line = NULL;
      gsize length = 0;
      gboolean empty = FALSE;

      if (!take_line (&cursor, &line, &length, error) || !parse_line (line, length, number, &entry, &empty, error))
        return NULL;
      if (empty)
        continue;
      if (!check_order (history, &entry, timeline, number, error))
        return NULL;
      g_array_append_val (history, entry);
    }
  return g_steal_pointer (&history);
}

gboolean
teesql_timeline_history_find (const GArray *history, guint32 timeline, guint64 *out_end_lsn)
{
  for (guint i = 0; i < history->len; i++)
    {
      const TeesqlTimelineEnd *entry = &g_array_index (history, TeesqlTimelineEnd, i);

      if (entry->timeline != timeline)
        continue;
      *out_end_lsn = entry->end_lsn;
      return TRUE;
    }
  return FALSE;
}

guint32
teesql_timeline_history_next (const GArray *history, guint32 timeline, guint32 newest)
{
  for (guint i = 0; i < history->len; i++)
    if (g_array_index (history, TeesqlTimelineEnd, i).timeline == timeline)
      return i + 1 < history->len ? g_array_index (history, TeesqlTimelineEnd, i + 1).timeline : newest;
  return 0;
}

/* `filename` text, `content` bytea: sent as it is, so the field's own length counts */
GBytes *
teesql_timeline_history_fetch (TeesqlPgSession *session, guint32 timeline, GError **error)
{
  g_autofree char *command = g_strdup_printf ("TIMELINE_HISTORY %u", timeline);
  g_autofree char *name = g_strdup_printf ("%08X.history", timeline);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);
  const char *found = NULL;
  const char *content = NULL;

  if (answer == NULL || !teesql_pg_answer_text (answer, 0, 0, &found, error) || !teesql_pg_answer_text (answer, 0, 1, &content, error))
    return NULL;
  if (!g_str_equal (found, name))
    {
      teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "replication-answer", "expected '%s' of the server, found '%s'",
                   name, found);
      return NULL;
    }
  return g_bytes_new (content, (gsize) PQgetlength (answer, 0, 1));
}
