#include "backup/teesql-slot.h"
#include "base/teesql-domains.h"

gboolean
teesql_slot_read (TeesqlPgSession *session, const char *name, TeesqlSlot *out, GError **error)
{
  g_autofree char *quoted = teesql_pg_quote_name (name);
  g_autofree char *command = g_strdup_printf ("READ_REPLICATION_SLOT %s", quoted);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);
  TeesqlSlot slot = { .exists = FALSE };
  const char *kind = NULL;

  /* slot_type, restart_lsn, restart_tli; all NULL when there is none. A logical slot is an error of the server. */
  if (answer == NULL)
    {
      if (g_strcmp0 (teesql_pg_session_get_sqlstate (session), "55000") != 0)
        return FALSE;
      g_clear_error (error);
      return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "slot-logical",
                          "the replication slot '%s' is not a physical one\nhint: give the archiver a slot of its own", name);
    }
  slot.exists = !teesql_pg_answer_is_null (answer, 0, 0);
  if (slot.exists && !teesql_pg_answer_text (answer, 0, 0, &kind, error))
    return FALSE;
  if (slot.exists && !teesql_pg_answer_is_null (answer, 0, 1) && !teesql_pg_answer_lsn (answer, 0, 1, &slot.restart_lsn, error))
    return FALSE;
  *out = slot;
  return TRUE;
}

gboolean
teesql_slot_make (TeesqlPgSession *session, const char *name, TeesqlSlot *out, GError **error)
{
  g_autofree char *quoted = teesql_pg_quote_name (name);
  g_autofree char *command = g_strdup_printf ("CREATE_REPLICATION_SLOT %s PHYSICAL (RESERVE_WAL)", quoted);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);

  return answer != NULL && teesql_slot_read (session, name, out, error);
}

gboolean
teesql_slot_drop (TeesqlPgSession *session, const char *name, GError **error)
{
  g_autofree char *quoted = teesql_pg_quote_name (name);
  g_autofree char *command = g_strdup_printf ("DROP_REPLICATION_SLOT %s WAIT", quoted);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);

  return answer != NULL;
}
