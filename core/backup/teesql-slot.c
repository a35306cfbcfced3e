#include "backup/teesql-slot.h"
#include "base/teesql-domains.h"

/* slot_type, restart_lsn, restart_tli; all NULL when there is no slot, the latter two when it keeps nothing */
static gboolean
parse_slot (const TeesqlPgAnswer *answer, TeesqlSlot *out, GError **error)
{
  TeesqlSlot slot = { .exists = !teesql_pg_answer_is_null (answer, 0, 0) };
  guint64 timeline = 0;

  if (slot.exists && !teesql_pg_answer_is_null (answer, 0, 1) &&
      (!teesql_pg_answer_lsn (answer, 0, 1, &slot.restart_lsn, error) ||
       !teesql_pg_answer_number (answer, 0, 2, G_MAXUINT32, &timeline, error)))
    return FALSE;
  slot.restart_timeline = (guint32) timeline;
  *out = slot;
  return TRUE;
}

gboolean
teesql_slot_read (TeesqlPgSession *session, const char *name, TeesqlSlot *out, GError **error)
{
  g_autofree char *quoted = teesql_pg_quote_name (name);
  g_autofree char *command = g_strdup_printf ("READ_REPLICATION_SLOT %s", quoted);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);

  if (answer != NULL)
    return parse_slot (answer, out, error);
  /* the server's word for a logical one */
  if (g_strcmp0 (teesql_pg_session_get_sqlstate (session), "55000") != 0)
    return FALSE;
  g_clear_error (error);
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "slot-logical",
                      "the replication slot '%s' is not a physical one\nhint: give the archiver a slot of its own", name);
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
