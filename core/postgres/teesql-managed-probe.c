#include "postgres/teesql-managed-probe.h"
#include "base/teesql-domains.h"
#include "postgres/teesql-pg-connection.h"

#define DATABASE "postgres" /* initdb makes it */

static TeesqlProbe
meaning_of (const GError *error)
{
  if (error->domain == TEESQL_POSTGRES_ERROR && error->code != TEESQL_ERROR_UNAVAILABLE)
    return TEESQL_PROBE_ANSWERS;
  return TEESQL_PROBE_NOT_YET;
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (TeesqlPgConnection) connection = TEESQL_PG_CONNECTION (g_object_ref (source));
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPgResult) answer = teesql_pg_connection_query_finish (connection, result, &error);

  teesql_pg_connection_close (connection);
  if (answer == NULL || PQntuples (answer) != 1)
    g_task_return_int (task, TEESQL_PROBE_NOT_YET);
  else
    g_task_return_int (task, PQgetvalue (answer, 0, 0)[0] == 't' ? TEESQL_PROBE_RECOVERING : TEESQL_PROBE_ANSWERS);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPgConnection) connection = teesql_pg_connection_open_finish (result, &error);
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (connection == NULL)
    g_task_return_int (task, meaning_of (error));
  else
    teesql_pg_connection_query_async (connection, "SELECT pg_is_in_recovery ()", NULL, cancellable, asked_cb, g_steal_pointer (&task));
}

void
teesql_managed_probe_async (const TeesqlConfig *config, TeesqlSecret *password, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_managed_probe_async);
  teesql_pg_connection_open_async (config, teesql_config_get_string (config, "postgresql", "admin-user"), DATABASE, password, cancellable,
                                   opened_cb, task);
}

TeesqlProbe
teesql_managed_probe_finish (GAsyncResult *result)
{
  gssize probe = g_task_propagate_int (G_TASK (result), NULL);

  return probe < 0 ? TEESQL_PROBE_NOT_YET : (TeesqlProbe) probe;
}
