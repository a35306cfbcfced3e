#include "backup/teesql-pg-session.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-pg-start.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

#define OPEN_TIMEOUT_MS  10000
#define QUERY_TIMEOUT_MS 60000
#define MESSAGE_MAX      ((gsize) 1024 * 1024) /* the server's are 32 KiB (base backup) and 128 KiB (WAL) at most */
#define WARNINGS_MAX     2048
#define SQLSTATE_SIZE    5
/* warnings name broken pages; the connection of a walsender has no other setting that could matter */
#define SESSION_OPTIONS "-c client_min_messages=warning"

struct _TeesqlPgSession
{
  PGconn *conn;
  GCancellable *cancellable;
  GPollFD cancel_fd; /* -1 without one */
  char *message;     /* of libpq, lent out by take () */
  GString *warnings;
  char sqlstate[SQLSTATE_SIZE + 1];
  gboolean unsent;
};

/* -- Errors ----------------------------------------------------------------------------------------------------- */

typedef struct
{
  const char *sqlstate; /* or its class */
  TeesqlError code;
  const char *reason;
  const char *hint;
} SqlstateMeaning;

/* PostgreSQL's appendix A; the first line that fits counts */
static const SqlstateMeaning meanings[] = {
  { "28", TEESQL_ERROR_PERMISSION, "postgres-login", "the role needs LOGIN and REPLICATION, and pg_hba.conf a line for replication" },
  { "42501", TEESQL_ERROR_PERMISSION, "postgres-rights", "the role needs REPLICATION" },
  { "53300", TEESQL_ERROR_UNAVAILABLE, "postgres-connections", "raise max_wal_senders or max_connections" },
  { "53400", TEESQL_ERROR_UNAVAILABLE, "postgres-slots", "raise max_replication_slots, or drop a slot that nobody uses" },
  { "53100", TEESQL_ERROR_NO_SPACE, "postgres-disk-full", NULL },
  { "55006", TEESQL_ERROR_UNAVAILABLE, "slot-in-use", "another archiver uses the slot; each needs one of its own" },
  { "58P01", TEESQL_ERROR_NOT_FOUND, "wal-removed", NULL },
  { "57P0", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", NULL },
  { "08", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", NULL },
};

static const SqlstateMeaning *
find_meaning (const char *sqlstate, const SqlstateMeaning *otherwise)
{
  for (guint i = 0; sqlstate[0] != '\0' && i < G_N_ELEMENTS (meanings); i++)
    if (g_str_has_prefix (sqlstate, meanings[i].sqlstate))
      return &meanings[i];
  return otherwise;
}

static void
session_set_error (TeesqlPgSession *self, const char *sqlstate, const char *what, const char *message, const SqlstateMeaning *otherwise,
                   GError **error)
{
  g_autofree char *line = g_strndup (message, strcspn (message, "\n"));
  const SqlstateMeaning *meaning = NULL;

  g_strlcpy (self->sqlstate, sqlstate != NULL ? sqlstate : "", sizeof self->sqlstate);
  meaning = find_meaning (self->sqlstate, otherwise);
  teesql_fail (error, TEESQL_POSTGRES_ERROR, meaning->code, meaning->reason, "%s: %s%s%s%s%s", what, line,
               self->sqlstate[0] != '\0' ? ", SQLSTATE " : "", self->sqlstate, meaning->hint != NULL ? "\nhint: " : "",
               meaning->hint != NULL ? meaning->hint : "");
}

static gboolean
session_open_error (TeesqlPgSession *self, GError **error)
{
  static const SqlstateMeaning unreachable = { "", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", NULL };
  static const SqlstateMeaning login = { "", TEESQL_ERROR_PERMISSION, "postgres-login", NULL };
  const char *text = NULL;
  g_autofree char *sqlstate = teesql_pg_find_sqlstate (PQerrorMessage (self->conn), &text);

  session_set_error (self, sqlstate, "connecting to PostgreSQL", text, PQconnectionNeedsPassword (self->conn) ? &login : &unreachable,
                     error);
  return FALSE;
}

/* Returns: FALSE */
static gboolean
session_error (TeesqlPgSession *self, const TeesqlPgAnswer *answer, GError **error)
{
  static const SqlstateMeaning failed = { "", TEESQL_ERROR_FAILED, "postgres-query", NULL };
  static const SqlstateMeaning broken = { "", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", NULL };
  const char *sqlstate = answer != NULL ? PQresultErrorField (answer, PG_DIAG_SQLSTATE) : NULL;
  const char *message = answer != NULL ? PQresultErrorField (answer, PG_DIAG_MESSAGE_PRIMARY) : NULL;

  if (message == NULL)
    message = PQerrorMessage (self->conn);
  if (message[0] == '\0')
    message = "the connection ended";
  session_set_error (self, sqlstate, "PostgreSQL", message, PQstatus (self->conn) == CONNECTION_OK ? &failed : &broken, error);
  return FALSE;
}

static void
on_notice (void *user_data, const PGresult *notice)
{
  TeesqlPgSession *self = user_data;
  const char *text = PQresultErrorField (notice, PG_DIAG_MESSAGE_PRIMARY);

  if (text == NULL)
    return;
  teesql_log_warning ("backup", "PostgreSQL: %.*s", (int) strcspn (text, "\n"), text);
  if (self->warnings->len < WARNINGS_MAX)
    g_string_append_printf (self->warnings, "%s%.*s", self->warnings->len > 0 ? "\n" : "", (int) MIN (strcspn (text, "\n"), 512), text);
}

/* -- Waiting ---------------------------------------------------------------------------------------------------- */

/* Returns: FALSE on cancellation; *out_events of the socket, 0 when nothing happened on it */
static gboolean
session_poll (TeesqlPgSession *self, short events, int wake_fd, int timeout_ms, short *out_events, GError **error)
{
  struct pollfd fds[3] = { { .fd = PQsocket (self->conn), .events = events },
                           { .fd = self->cancel_fd.fd, .events = POLLIN },
                           { .fd = wake_fd, .events = POLLIN } }; /* poll () passes over negative ones */
  int n = 0;

  do
    n = poll (fds, G_N_ELEMENTS (fds), timeout_ms);
  while (n < 0 && errno == EINTR && !g_cancellable_is_cancelled (self->cancellable));
  *out_events = n > 0 ? fds[0].revents : 0;
  return !g_cancellable_set_error_if_cancelled (self->cancellable, error);
}

static int
time_left_ms (gint64 end_us)
{
  gint64 left = (end_us - g_get_monotonic_time () + 999) / 1000;

  return end_us == 0 ? -1 : (int) CLAMP (left, 0, G_MAXINT);
}

static gint64
deadline_us (guint timeout_ms)
{
  return timeout_ms == 0 ? 0 : g_get_monotonic_time () + (gint64) timeout_ms * 1000;
}

static gboolean
fail_for_time (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "PostgreSQL did not answer in time");
  return FALSE;
}

static gboolean
session_send_some (TeesqlPgSession *self, GError **error)
{
  int unsent = PQflush (self->conn);

  if (unsent < 0)
    return session_error (self, NULL, error);
  self->unsent = unsent > 0;
  return TRUE;
}

gboolean
teesql_pg_session_wait (TeesqlPgSession *self, gboolean input, int wake_fd, int timeout_ms, GError **error)
{
  short events = (short) ((input ? POLLIN : 0) | (self->unsent ? POLLOUT : 0));
  short found = 0;

  if (!session_poll (self, events, wake_fd, timeout_ms, &found, error))
    return FALSE;
  if ((found & POLLOUT) != 0 && !session_send_some (self, error))
    return FALSE;
  /* an end that is not read would be found again at once, for ever */
  if ((input && found != 0) || (found & (POLLHUP | POLLERR)) != 0)
    return PQconsumeInput (self->conn) != 0 || session_error (self, NULL, error);
  return TRUE;
}

gboolean
teesql_pg_session_flush (TeesqlPgSession *self, guint timeout_ms, GError **error)
{
  gint64 end = deadline_us (timeout_ms);

  while (self->unsent)
    {
      int left = time_left_ms (end);

      if (left == 0)
        return fail_for_time (error);
      /* the server may stop reading because of what it has to say: libpq takes that in, too */
      if (!teesql_pg_session_wait (self, TRUE, -1, left, error))
        return FALSE;
    }
  return TRUE;
}

/* -- Opening ---------------------------------------------------------------------------------------------------- */

static gboolean
session_connect (TeesqlPgSession *self, GError **error)
{
  gint64 end = deadline_us (OPEN_TIMEOUT_MS);
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;

  while (state != PGRES_POLLING_OK)
    {
      int left = time_left_ms (end);
      short found = 0;

      if (state == PGRES_POLLING_FAILED || PQstatus (self->conn) == CONNECTION_BAD)
        return session_open_error (self, error);
      if (!session_poll (self, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, -1, left, &found, error))
        return FALSE;
      if (left == 0)
        return fail_for_time (error);
      state = PQconnectPoll (self->conn);
    }
  PQsetErrorVerbosity (self->conn, PQERRORS_DEFAULT);
  return PQsetnonblocking (self->conn, 1) == 0 || session_open_error (self, error);
}

TeesqlPgSession *
teesql_pg_session_open (const TeesqlPgAccess *access, const char *application_name, GCancellable *cancellable, GError **error)
{
  const char *names[] = { "user", "dbname", "replication", "application_name", "options", NULL };
  const char *values[] = { access->user, "replication", "true", application_name, SESSION_OPTIONS, NULL };
  g_autoptr (TeesqlPgSession) self = g_new0 (TeesqlPgSession, 1);

  self->warnings = g_string_new (NULL);
  self->cancel_fd.fd = -1;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (cancellable != NULL)
    {
      self->cancellable = g_object_ref (cancellable);
      if (!g_cancellable_make_pollfd (cancellable, &self->cancel_fd))
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES, "no descriptor to wait for cancellation with");
          g_clear_object (&self->cancellable);
          return NULL;
        }
    }
  self->conn = teesql_pg_start (access->host, access->port, names, values, access->password, error);
  if (self->conn == NULL)
    return NULL;
  PQsetNoticeReceiver (self->conn, on_notice, self);
  PQsetErrorVerbosity (self->conn, PQERRORS_VERBOSE);
  return session_connect (self, error) ? g_steal_pointer (&self) : NULL;
}

void
teesql_pg_session_free (TeesqlPgSession *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->message, PQfreemem);
  g_clear_pointer (&self->conn, PQfinish);
  if (self->cancellable != NULL)
    g_cancellable_release_fd (self->cancellable);
  g_clear_object (&self->cancellable);
  g_string_free (self->warnings, TRUE);
  g_free (self);
}

guint32
teesql_pg_session_get_server_version (const TeesqlPgSession *self)
{
  return (guint32) PQserverVersion (self->conn);
}

const char *
teesql_pg_session_get_sqlstate (const TeesqlPgSession *self)
{
  return self->sqlstate[0] != '\0' ? self->sqlstate : NULL;
}

const char *
teesql_pg_session_get_warnings (const TeesqlPgSession *self)
{
  return self->warnings->str;
}

/* -- Asking ----------------------------------------------------------------------------------------------------- */

gboolean
teesql_pg_session_send (TeesqlPgSession *self, const char *command, GError **error)
{
  self->sqlstate[0] = '\0';
  teesql_log_debug ("backup", "to PostgreSQL: %s", command);
  if (PQsendQuery (self->conn, command) == 0)
    return session_error (self, NULL, error);
  return session_send_some (self, error) && teesql_pg_session_flush (self, QUERY_TIMEOUT_MS, error);
}

/* Returns: FALSE on errors of the connection; *out_answer may be NULL: no more */
static gboolean
session_get (TeesqlPgSession *self, guint timeout_ms, TeesqlPgAnswer **out_answer, GError **error)
{
  gint64 end = deadline_us (timeout_ms);

  while (PQisBusy (self->conn) != 0)
    {
      int left = time_left_ms (end);

      if (left == 0)
        return fail_for_time (error);
      if (!teesql_pg_session_wait (self, TRUE, -1, left, error))
        return FALSE;
    }
  *out_answer = PQgetResult (self->conn);
  return TRUE;
}

static gboolean
answer_fail (GError **error, const char *format, const char *detail)
{
  return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "replication-answer", format, detail);
}

TeesqlPgAnswer *
teesql_pg_session_next (TeesqlPgSession *self, guint timeout_ms, ExecStatusType expected, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = NULL;
  ExecStatusType status = PGRES_FATAL_ERROR;

  if (!session_get (self, timeout_ms, &answer, error))
    return NULL;
  status = PQresultStatus (answer);
  if (answer != NULL && status == expected)
    return g_steal_pointer (&answer);
  if (answer != NULL && status != PGRES_FATAL_ERROR)
    answer_fail (error, "the server answers with %s, which was not asked for", PQresStatus (status));
  else
    session_error (self, answer, error);
  return NULL;
}

gboolean
teesql_pg_session_finish (TeesqlPgSession *self, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = NULL;

  if (!session_get (self, QUERY_TIMEOUT_MS, &answer, error))
    return FALSE;
  if (answer == NULL)
    return TRUE;
  return PQresultStatus (answer) == PGRES_FATAL_ERROR
             ? session_error (self, answer, error)
             : answer_fail (error, "the server answers with %s, which was not asked for", PQresStatus (PQresultStatus (answer)));
}

/* SHOW, CREATE_REPLICATION_SLOT and their kind answer rows, DROP_REPLICATION_SLOT answers none. */
TeesqlPgAnswer *
teesql_pg_session_query (TeesqlPgSession *self, const char *command, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = NULL;

  if (!teesql_pg_session_send (self, command, error) || !session_get (self, QUERY_TIMEOUT_MS, &answer, error))
    return NULL;
  if (PQresultStatus (answer) != PGRES_TUPLES_OK && PQresultStatus (answer) != PGRES_COMMAND_OK)
    {
      session_error (self, answer, error);
      while (answer != NULL && PQstatus (self->conn) == CONNECTION_OK)
        {
          g_clear_pointer (&answer, PQclear);
          if (!session_get (self, QUERY_TIMEOUT_MS, &answer, NULL))
            break;
        }
      return NULL;
    }
  return teesql_pg_session_finish (self, error) ? g_steal_pointer (&answer) : NULL;
}

/* -- COPY ------------------------------------------------------------------------------------------------------- */

TeesqlPgCopy
teesql_pg_session_take (TeesqlPgSession *self, const guint8 **out_data, gsize *out_size, GError **error)
{
  int size = 0;

  g_clear_pointer (&self->message, PQfreemem);
  size = PQgetCopyData (self->conn, &self->message, 1);
  if (size == 0)
    return TEESQL_PG_COPY_EMPTY;
  if (size == -1)
    return TEESQL_PG_COPY_END;
  if (size < 0)
    {
      session_error (self, NULL, error);
      return TEESQL_PG_COPY_FAILED;
    }
  if ((gsize) size > MESSAGE_MAX)
    {
      answer_fail (error, "%s", "the server sends a message of more than 1 MiB");
      return TEESQL_PG_COPY_FAILED;
    }
  *out_data = (const guint8 *) self->message;
  *out_size = (gsize) size;
  return TEESQL_PG_COPY_MESSAGE;
}

gboolean
teesql_pg_session_put (TeesqlPgSession *self, const guint8 *data, gsize size, GError **error)
{
  g_return_val_if_fail (size <= MESSAGE_MAX, FALSE);

  if (PQputCopyData (self->conn, (const char *) data, (int) size) != 1)
    return session_error (self, NULL, error);
  return session_send_some (self, error);
}

gboolean
teesql_pg_session_put_end (TeesqlPgSession *self, GError **error)
{
  if (PQputCopyEnd (self->conn, NULL) != 1)
    return session_error (self, NULL, error);
  return session_send_some (self, error) && teesql_pg_session_flush (self, QUERY_TIMEOUT_MS, error);
}

static gboolean
session_pass_messages (TeesqlPgSession *self, GError **error)
{
  gint64 end = deadline_us (QUERY_TIMEOUT_MS);
  const guint8 *data = NULL;
  gsize size = 0;

  for (;;)
    {
      int left = time_left_ms (end);

      switch (teesql_pg_session_take (self, &data, &size, error))
        {
        case TEESQL_PG_COPY_END:
          return TRUE;
        case TEESQL_PG_COPY_MESSAGE:
          break;
        case TEESQL_PG_COPY_EMPTY:
          if (left == 0)
            return fail_for_time (error);
          if (!teesql_pg_session_wait (self, TRUE, -1, left, error))
            return FALSE;
          break;
        case TEESQL_PG_COPY_FAILED:
        default:
          return FALSE;
        }
    }
}

gboolean
teesql_pg_session_end_copy (TeesqlPgSession *self, GError **error)
{
  if (!teesql_pg_session_put_end (self, error) || !session_pass_messages (self, error))
    return FALSE;
  for (;;)
    {
      g_autoptr (TeesqlPgAnswer) answer = NULL;

      if (!session_get (self, QUERY_TIMEOUT_MS, &answer, error))
        return FALSE;
      if (answer == NULL)
        return TRUE;
      if (PQresultStatus (answer) == PGRES_FATAL_ERROR)
        return session_error (self, answer, error);
    }
}
