#include "backup/teesql-layout.h"
#include "backup/teesql-pg-session.h"
#include "base/teesql-domains.h"

static gboolean
answer_fail (GError **error, int row, int column, const char *expected)
{
  return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "replication-answer",
                      "answer of the server, row %d, column %d: expected %s", row + 1, column + 1, expected);
}

gboolean
teesql_pg_answer_is_null (const TeesqlPgAnswer *answer, int row, int column)
{
  return row >= PQntuples (answer) || column >= PQnfields (answer) || PQgetisnull (answer, row, column) != 0;
}

gboolean
teesql_pg_answer_text (const TeesqlPgAnswer *answer, int row, int column, const char **out_text, GError **error)
{
  if (teesql_pg_answer_is_null (answer, row, column))
    return answer_fail (error, row, column, "a value");
  *out_text = PQgetvalue (answer, row, column);
  return TRUE;
}

gboolean
teesql_pg_answer_number (const TeesqlPgAnswer *answer, int row, int column, guint64 max, guint64 *out_number, GError **error)
{
  const char *text = NULL;

  if (!teesql_pg_answer_text (answer, row, column, &text, error))
    return FALSE;
  return g_ascii_string_to_unsigned (text, 10, 0, max, out_number, NULL) || answer_fail (error, row, column, "a number");
}

gboolean
teesql_pg_answer_lsn (const TeesqlPgAnswer *answer, int row, int column, guint64 *out_lsn, GError **error)
{
  const char *text = NULL;

  if (!teesql_pg_answer_text (answer, row, column, &text, error))
    return FALSE;
  return teesql_lsn_parse (text, out_lsn) || answer_fail (error, row, column, "an LSN");
}

static char *
quote (const char *text, char mark)
{
  GString *out = g_string_new (NULL);

  g_string_append_c (out, mark);
  for (const char *at = text; *at != '\0'; at++)
    {
      if (*at == mark)
        g_string_append_c (out, mark);
      g_string_append_c (out, g_ascii_iscntrl (*at) ? ' ' : *at);
    }
  g_string_append_c (out, mark);
  return g_string_free (out, FALSE);
}

char *
teesql_pg_quote_literal (const char *text)
{
  return quote (text, '\'');
}

char *
teesql_pg_quote_name (const char *name)
{
  return quote (name, '"');
}
