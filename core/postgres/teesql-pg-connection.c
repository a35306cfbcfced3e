#include "postgres/teesql-pg-connection.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-pg-start.h"
#include <glib-unix.h>
#include <string.h>

#define OPEN_TIMEOUT_S  10
#define QUERY_TIMEOUT_S 45 /* past the server's own limit below, which leaves a better message */
#define MAX_PARAMETERS  8
/* The rest of the session is as plain as it can be: nothing an object in the database does may steer it. What
 * teesqld itself writes it can write again, and it must not wait for the standbys that it only starts later (zero loss): commits are local.
 */
#define SESSION_OPTIONS                                                                                                                    \
  "-c search_path= -c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s "                               \
  "-c standard_conforming_strings=on -c row_security=off -c client_min_messages=warning -c default_transaction_read_only=off "             \
  "-c synchronous_commit=local"

struct _TeesqlPgConnection
{
  GObject parent_instance;
  PGconn *conn; /* NULL once closed */
  GTask *task;  /* the call under way */
  GSource *wait;
  GSource *deadline;
  GSource *cancelled;
  TeesqlPgResult *result;
};

G_DEFINE_FINAL_TYPE (TeesqlPgConnection, teesql_pg_connection, G_TYPE_OBJECT)

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
connection_stop_waiting (TeesqlPgConnection *self)
{
  clear_source (&self->wait);
  clear_source (&self->deadline);
  clear_source (&self->cancelled);
}

void
teesql_pg_connection_close (TeesqlPgConnection *self)
{
  connection_stop_waiting (self);
  g_clear_pointer (&self->result, PQclear);
  g_clear_pointer (&self->conn, PQfinish);
}

static void
teesql_pg_connection_dispose (GObject *object)
{
  teesql_pg_connection_close (TEESQL_PG_CONNECTION (object));
  G_OBJECT_CLASS (teesql_pg_connection_parent_class)->dispose (object);
}

static void
teesql_pg_connection_class_init (TeesqlPgConnectionClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_pg_connection_dispose;
}

static void
teesql_pg_connection_init (TeesqlPgConnection *self)
{
}

gboolean
teesql_pg_connection_is_usable (TeesqlPgConnection *self)
{
  return self->conn != NULL && self->task == NULL && PQstatus (self->conn) == CONNECTION_OK &&
         PQtransactionStatus (self->conn) == PQTRANS_IDLE;
}

/* -- Errors ----------------------------------------------------------------------------------------------------- */

typedef struct
{
  const char *sqlstate; /* or its class */
  TeesqlError code;
  const char *reason;
} SqlstateMeaning;

/* PostgreSQL's appendix A; the first line that fits counts */
static const SqlstateMeaning meanings[] = {
  { "28", TEESQL_ERROR_PERMISSION, "postgres-login" },
  { "3D000", TEESQL_ERROR_NOT_FOUND, "postgres-database" },
  { "42501", TEESQL_ERROR_PERMISSION, "postgres-rights" },
  { "57014", TEESQL_ERROR_UNAVAILABLE, "postgres-busy" },
  { "55P03", TEESQL_ERROR_UNAVAILABLE, "postgres-busy" },
  { "40", TEESQL_ERROR_UNAVAILABLE, "postgres-busy" },
  { "57P0", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable" },
  { "53300", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable" },
  { "08", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable" },
  /* a table went away, or its row was changed, between our looking and our granting */
  { "42P01", TEESQL_ERROR_UNAVAILABLE, "postgres-busy" },
  { "XX000", TEESQL_ERROR_UNAVAILABLE, "postgres-busy" },
};

static GError *
error_from_sqlstate (const char *sqlstate, const char *what, const char *message, const SqlstateMeaning *otherwise)
{
  g_autofree char *line = g_strndup (message, strcspn (message, "\n"));
  const SqlstateMeaning *meaning = otherwise;

  for (guint i = 0; sqlstate != NULL && i < G_N_ELEMENTS (meanings); i++)
    if (g_str_has_prefix (sqlstate, meanings[i].sqlstate))
      {
        meaning = &meanings[i];
        break;
      }
  return teesql_error_new (TEESQL_POSTGRES_ERROR, meaning->code, meaning->reason, 0, "%s: %s%s%s", what, line,
                           sqlstate != NULL ? ", SQLSTATE " : "", sqlstate != NULL ? sqlstate : "");
}

static GError *
open_error (PGconn *conn)
{
  static const SqlstateMeaning unreachable = { "", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable" };
  static const SqlstateMeaning login = { "", TEESQL_ERROR_PERMISSION, "postgres-login" };
  const char *text = NULL;
  g_autofree char *sqlstate = teesql_pg_find_sqlstate (PQerrorMessage (conn), &text);

  return error_from_sqlstate (sqlstate, "connecting to PostgreSQL", text, PQconnectionNeedsPassword (conn) ? &login : &unreachable);
}

static GError *
query_error (PGconn *conn, const TeesqlPgResult *result)
{
  static const SqlstateMeaning failed = { "", TEESQL_ERROR_FAILED, "postgres-query" };
  static const SqlstateMeaning broken = { "", TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable" };
  const char *sqlstate = result != NULL ? PQresultErrorField (result, PG_DIAG_SQLSTATE) : NULL;
  const char *message = result != NULL ? PQresultErrorField (result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

  if (message == NULL)
    message = PQerrorMessage (conn);
  return error_from_sqlstate (sqlstate, "PostgreSQL", message, PQstatus (conn) == CONNECTION_OK ? &failed : &broken);
}

/* -- Waiting ---------------------------------------------------------------------------------------------------- */

static GTask *
connection_end_call (TeesqlPgConnection *self)
{
  connection_stop_waiting (self);
  return g_steal_pointer (&self->task);
}

static void
connection_fail (TeesqlPgConnection *self, GError *error)
{
  g_autoptr (GTask) task = connection_end_call (self);

  g_clear_pointer (&self->result, PQclear);
  g_task_return_error (task, error);
}

static gboolean
on_deadline (gpointer user_data)
{
  g_autoptr (TeesqlPgConnection) self = g_object_ref (user_data);
  GTask *task = connection_end_call (self);

  teesql_pg_connection_close (self);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "PostgreSQL did not answer in time");
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (TeesqlPgConnection) self = g_object_ref (user_data);
  GTask *task = connection_end_call (self);

  teesql_pg_connection_close (self);
  g_task_return_error_if_cancelled (task);
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static void
connection_begin_call (TeesqlPgConnection *self, GTask *task, guint timeout_s)
{
  GCancellable *cancellable = g_task_get_cancellable (task);

  self->task = g_object_ref (task);
  self->deadline = g_timeout_source_new_seconds (timeout_s);
  g_source_set_callback (self->deadline, on_deadline, self, NULL);
  g_source_attach (self->deadline, g_task_get_context (task));
  if (cancellable == NULL)
    return;
  self->cancelled = g_cancellable_source_new (cancellable);
  g_source_set_callback (self->cancelled, G_SOURCE_FUNC (on_cancelled), self, NULL);
  g_source_attach (self->cancelled, g_task_get_context (task));
}

/* libpq may open another socket between two steps, so each wait has a source of its own. */
static void
connection_wait (TeesqlPgConnection *self, GIOCondition condition, GUnixFDSourceFunc callback)
{
  clear_source (&self->wait);
  self->wait = g_unix_fd_source_new (PQsocket (self->conn), condition);
  g_source_set_callback (self->wait, G_SOURCE_FUNC (callback), self, NULL);
  g_source_attach (self->wait, g_task_get_context (self->task));
}

/* -- Opening ---------------------------------------------------------------------------------------------------- */

static void
on_notice (void *user_data, const char *message)
{
  teesql_log_debug ("postgres", "notice: %.*s", (int) strcspn (message, "\n"), message);
}

static gboolean
on_open_ready (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TeesqlPgConnection) self = g_object_ref (user_data);
  GTask *task = NULL;

  switch (PQconnectPoll (self->conn))
    {
    case PGRES_POLLING_READING:
      connection_wait (self, G_IO_IN, on_open_ready);
      break;
    case PGRES_POLLING_WRITING:
      connection_wait (self, G_IO_OUT, on_open_ready);
      break;
    case PGRES_POLLING_OK:
      task = connection_end_call (self);
      PQsetErrorVerbosity (self->conn, PQERRORS_DEFAULT);
      if (PQsetnonblocking (self->conn, 1) != 0)
        g_task_return_error (task, open_error (self->conn));
      else
        g_task_return_pointer (task, g_object_ref (self), g_object_unref);
      g_object_unref (task);
      break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE: /* unused by libpq since long */
    default:
      connection_fail (self, open_error (self->conn));
      break;
    }
  return G_SOURCE_REMOVE;
}

static PGconn *
open_start (const TeesqlConfig *config, const char *user, const char *database, TeesqlSecret *password, GError **error)
{
  const char *names[] = { "user", "dbname", "application_name", "options", NULL };
  const char *values[] = { user, database, "teesqld", SESSION_OPTIONS, NULL };

  return teesql_pg_start (teesql_config_get_string (config, "postgresql", "host"),
                          (guint) teesql_config_get_integer (config, "postgresql", "port"), names, values, password, error);
}

void
teesql_pg_connection_open_async (const TeesqlConfig *config, const char *user, const char *database, TeesqlSecret *password,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (TeesqlPgConnection) self = g_object_new (TEESQL_TYPE_PG_CONNECTION, NULL);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, teesql_pg_connection_open_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  self->conn = open_start (config, user, database, password, &error);
  if (self->conn == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  PQsetNoticeProcessor (self->conn, on_notice, NULL);
  PQsetErrorVerbosity (self->conn, PQERRORS_VERBOSE);
  if (PQstatus (self->conn) == CONNECTION_BAD)
    {
      g_task_return_error (task, open_error (self->conn));
      return;
    }
  connection_begin_call (self, task, OPEN_TIMEOUT_S);
  connection_wait (self, G_IO_OUT, on_open_ready);
}

TeesqlPgConnection *
teesql_pg_connection_open_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_pg_connection_open_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* -- Asking ----------------------------------------------------------------------------------------------------- */

static void
query_done (TeesqlPgConnection *self)
{
  GTask *task = connection_end_call (self);
  TeesqlPgResult *result = g_steal_pointer (&self->result);
  ExecStatusType status = PQresultStatus (result); /* PGRES_FATAL_ERROR for NULL */

  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
    g_task_return_pointer (task, result, (GDestroyNotify) PQclear);
  else
    {
      g_task_return_error (task, query_error (self->conn, result));
      PQclear (result);
    }
  g_object_unref (task);
}

/* Takes what has come. Returns: FALSE when the call has ended */
static gboolean
query_take_results (TeesqlPgConnection *self)
{
  while (PQisBusy (self->conn) == 0)
    {
      TeesqlPgResult *next = PQgetResult (self->conn);

      if (next == NULL)
        {
          query_done (self);
          return FALSE;
        }
      g_clear_pointer (&self->result, PQclear);
      self->result = next;
    }
  return TRUE;
}

static gboolean
on_query_ready (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TeesqlPgConnection) self = g_object_ref (user_data);
  int unsent = 0;

  if (PQconsumeInput (self->conn) == 0 || (unsent = PQflush (self->conn)) < 0)
    {
      connection_fail (self, query_error (self->conn, NULL));
      return G_SOURCE_REMOVE;
    }
  if (query_take_results (self))
    connection_wait (self, unsent > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN, on_query_ready);
  return G_SOURCE_REMOVE;
}

void
teesql_pg_connection_query_async (TeesqlPgConnection *self, const char *sql, const char *const *parameters, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  guint n = parameters != NULL ? g_strv_length ((char **) parameters) : 0;

  g_return_if_fail (self->task == NULL && n <= MAX_PARAMETERS);

  g_task_set_source_tag (task, teesql_pg_connection_query_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->conn == NULL)
    {
      g_task_return_error (task, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", 0,
                                                   "the connection to PostgreSQL is closed"));
      return;
    }
  if (PQsendQueryParams (self->conn, sql, (int) n, NULL, parameters, NULL, NULL, 0) == 0)
    {
      g_task_return_error (task, query_error (self->conn, NULL));
      return;
    }
  connection_begin_call (self, task, QUERY_TIMEOUT_S);
  connection_wait (self, G_IO_IN | G_IO_OUT, on_query_ready);
}

TeesqlPgResult *
teesql_pg_connection_query_finish (TeesqlPgConnection *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
