#pragma once
#include "backup/teesql-pg-access.h"
#include <gio/gio.h>
#include <libpq-fe.h>

G_BEGIN_DECLS

/**
 * TeesqlPgSession:
 *
 * one replication connection through libpq, for a thread that may block. Whatever waits ends within a second of the cancellation of the
 * session's cancellable. After time, cancellation or a broken connection nothing more can be asked of it. One thread at a time.
 */
typedef struct _TeesqlPgSession TeesqlPgSession;

typedef PGresult TeesqlPgAnswer;

/**
 * teesql_pg_session_open:
 *
 * Returns: (transfer full) (nullable): %NULL with #TEESQL_POSTGRES_ERROR (`postgres-login`, `postgres-unreachable`, …) or #G_IO_ERROR
 */
TeesqlPgSession *teesql_pg_session_open (const TeesqlPgAccess *access, const char *application_name, GCancellable *cancellable,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_pg_session_free (TeesqlPgSession *self);
guint32 teesql_pg_session_get_server_version (const TeesqlPgSession *self); /* 170011 */
/* (nullable): SQLSTATE of what failed last */
const char *teesql_pg_session_get_sqlstate (const TeesqlPgSession *self);
/* the server's warnings so far, one a line, bounded */
const char *teesql_pg_session_get_warnings (const TeesqlPgSession *self);

/**
 * teesql_pg_session_query:
 *
 * a short command with one answer, which may have no rows. Returns: (transfer full) (nullable)
 */
TeesqlPgAnswer *teesql_pg_session_query (TeesqlPgSession *self, const char *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_session_send (TeesqlPgSession *self, const char *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_pg_session_next:
 * @timeout_ms: 0: for ever
 * @expected: of any other status but an error: MALFORMED `replication-answer`
 *
 * Returns: (transfer full) (nullable): the next answer to the command that was sent
 */
TeesqlPgAnswer *teesql_pg_session_next (TeesqlPgSession *self, guint timeout_ms, ExecStatusType expected, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* nothing may follow to the command that was sent */
gboolean teesql_pg_session_finish (TeesqlPgSession *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum
{
  TEESQL_PG_COPY_FAILED,
  TEESQL_PG_COPY_MESSAGE,
  TEESQL_PG_COPY_EMPTY, /* nothing has come yet: teesql_pg_session_wait() */
  TEESQL_PG_COPY_END,
} TeesqlPgCopy;
/**
 * teesql_pg_session_take:
 * @out_data: (transfer none): valid until the next call
 *
 * does not block
 */
TeesqlPgCopy teesql_pg_session_take (TeesqlPgSession *self, const guint8 **out_data, gsize *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_pg_session_wait:
 * @input: whether what the server sends ends the wait; %FALSE leaves it in the socket, where it holds the server back
 * @wake_fd: readable ends the wait too; -1 for none
 * @timeout_ms: -1: for ever
 *
 * sends what is to be sent meanwhile. Returns: %FALSE when the connection broke or on cancellation; time is no error
 */
gboolean teesql_pg_session_wait (TeesqlPgSession *self, gboolean input, int wake_fd, int timeout_ms, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_session_put (TeesqlPgSession *self, const guint8 *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* queues one message of the COPY, sends what the socket takes */
gboolean teesql_pg_session_put_end (TeesqlPgSession *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* ends a COPY from our side, passes over what the server has sent meanwhile, and over its answers: another command may follow */
gboolean teesql_pg_session_end_copy (TeesqlPgSession *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_session_flush (TeesqlPgSession *self, guint timeout_ms, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* waits until everything is sent */

/* -- Fields of answers: the server's text, checked -- */

/* (transfer none): not NULL; MALFORMED `replication-answer` */
gboolean teesql_pg_answer_text (const TeesqlPgAnswer *answer, int row, int column, const char **out_text, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_answer_number (const TeesqlPgAnswer *answer, int row, int column, guint64 max, guint64 *out_number, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_answer_lsn (const TeesqlPgAnswer *answer, int row, int column, guint64 *out_lsn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_answer_is_null (const TeesqlPgAnswer *answer, int row, int column);
/* `'it''s'` as the replication grammar reads it; control characters, which would end up in backup_label, become spaces */
char *teesql_pg_quote_literal (const char *text) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_pg_quote_name (const char *name) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPgAnswer, PQclear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPgSession, teesql_pg_session_free)
G_END_DECLS
