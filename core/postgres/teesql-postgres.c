#include "postgres/teesql-postgres.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-pg-connection.h"
#include "postgres/teesql-postgres-plan.h"
#include "postgres/teesql-provision.h"

struct _TeesqlPostgres
{
  GObject parent_instance;
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlSecret *admin_password;   /* of the last provisioning, for the state connection */
  GPtrArray *remarks;             /* TeesqlRemark*: what stands in status now */
  TeesqlPgConnection *connection; /* of the state; NULL until asked, or after it broke */
  GQueue readers;                 /* GTask*: all who wait for the state under way */
  gboolean reused;                /* the connection: may have broken since its last use */
  gboolean unreachable;
};

G_DEFINE_FINAL_TYPE (TeesqlPostgres, teesql_postgres, G_TYPE_OBJECT)

static void
teesql_postgres_dispose (GObject *object)
{
  TeesqlPostgres *self = TEESQL_POSTGRES (object);

  if (self->connection != NULL)
    teesql_pg_connection_close (self->connection);
  g_clear_object (&self->connection);
  g_clear_object (&self->status);
  g_clear_pointer (&self->admin_password, teesql_secret_unref);
  g_clear_pointer (&self->remarks, g_ptr_array_unref);
  g_clear_pointer (&self->config, teesql_config_unref);
  G_OBJECT_CLASS (teesql_postgres_parent_class)->dispose (object);
}

static void
teesql_postgres_class_init (TeesqlPostgresClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_postgres_dispose;
}

static void
teesql_postgres_init (TeesqlPostgres *self)
{
  g_queue_init (&self->readers);
}

TeesqlPostgres *
teesql_postgres_new (TeesqlConfig *config, TeesqlStatus *status)
{
  TeesqlPostgres *self = g_object_new (TEESQL_TYPE_POSTGRES, NULL);

  self->config = teesql_config_ref (config);
  self->status = g_object_ref (status);
  teesql_status_set_component (status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_STARTING, NULL, NULL);
  return self;
}

void
teesql_postgres_set_config (TeesqlPostgres *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = config;
  teesql_postgres_disconnect (self); /* the next question goes where the new configuration says */
}

/* A question under way ends where it began. */
void
teesql_postgres_disconnect (TeesqlPostgres *self)
{
  if (self->connection != NULL && g_queue_is_empty (&self->readers))
    teesql_pg_connection_close (self->connection);
}

/* -- Status ----------------------------------------------------------------------------------------------------- */

static void
postgres_publish_failure (TeesqlPostgres *self, const GError *error)
{
  const char *reason = teesql_error_get_reason (error);

  if (error->domain == G_IO_ERROR)
    reason = "postgres-unreachable";
  teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_FAILED, reason, error->message);
}

static void
postgres_publish_health (TeesqlPostgres *self)
{
  for (guint i = 0; self->remarks != NULL && i < self->remarks->len; i++)
    {
      const TeesqlRemark *remark = g_ptr_array_index (self->remarks, i);

      if (remark->degrades)
        {
          teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_DEGRADED, remark->reason, remark->message);
          return;
        }
    }
  teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_OK, NULL, NULL);
}

static void
postgres_publish_remarks (TeesqlPostgres *self, GPtrArray *remarks)
{
  for (guint i = 0; self->remarks != NULL && i < self->remarks->len; i++)
    {
      const TeesqlRemark *old = g_ptr_array_index (self->remarks, i);

      teesql_status_remove_notice (self->status, old->reason, old->key);
    }
  g_clear_pointer (&self->remarks, g_ptr_array_unref);
  self->remarks = g_ptr_array_ref (remarks);
  for (guint i = 0; i < remarks->len; i++)
    {
      const TeesqlRemark *remark = g_ptr_array_index (remarks, i);

      teesql_status_add_notice (self->status, remark->reason, remark->key, remark->message);
      teesql_log_warning ("postgres", "%s: %s", remark->reason, remark->message);
    }
}

/* -- Provisioning ----------------------------------------------------------------------------------------------- */

static void
on_provisioned (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlPostgres *self = g_task_get_source_object (task);
  GError *error = NULL;
  TeesqlProvisioned *outcome = teesql_provision_finish (result, &error);

  if (outcome == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        postgres_publish_failure (self, error);
      g_task_return_error (task, error);
      return;
    }
  postgres_publish_remarks (self, outcome->remarks);
  postgres_publish_health (self);
  self->unreachable = FALSE;
  teesql_status_set_fact (self->status, "postgres_version", outcome->version);
  teesql_log_info ("postgres", "PostgreSQL %s at %s: %u changes", outcome->version, teesql_backend_describe (outcome->backend),
                   outcome->changes->len);
  g_task_return_pointer (task, outcome, (GDestroyNotify) teesql_provisioned_free);
}

void
teesql_postgres_provision_async (TeesqlPostgres *self, TeesqlSecret *admin_password, TeesqlSecret *roles_key, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_postgres_provision_async);
  g_clear_pointer (&self->admin_password, teesql_secret_unref);
  self->admin_password = admin_password != NULL ? teesql_secret_ref (admin_password) : NULL;
  teesql_provision_async (self->config, admin_password, roles_key, cancellable, on_provisioned, task);
}

TeesqlBackend *
teesql_postgres_provision_finish (TeesqlPostgres *self, GAsyncResult *result, char ***out_changes, GError **error)
{
  g_autoptr (TeesqlProvisioned) outcome = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  outcome = g_task_propagate_pointer (G_TASK (result), error);
  if (outcome == NULL)
    return NULL;
  if (out_changes != NULL)
    {
      *out_changes = g_new0 (char *, outcome->changes->len + 1);
      for (guint i = 0; i < outcome->changes->len; i++)
        (*out_changes)[i] = g_strdup (g_ptr_array_index (outcome->changes, i));
    }
  return g_steal_pointer (&outcome->backend);
}

/* -- State ------------------------------------------------------------------------------------------------------ */

void
teesql_postgres_state_free (TeesqlPostgresState *self)
{
  g_free (self->wal_lsn);
  g_free (self->version);
  g_free (self);
}

static TeesqlPostgresState *
state_new (const TeesqlPgResult *result, GError **error)
{
  TeesqlPostgresState *self = NULL;
  guint64 identifier = 0;

  if (PQntuples (result) != 1 || PQnfields (result) != 4 ||
      !g_ascii_string_to_unsigned (PQgetvalue (result, 0, 2), 10, 0, G_MAXUINT64, &identifier, NULL))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "postgres-query", 0,
                                                  "PostgreSQL's answer about its state has not the expected form"));
      return NULL;
    }
  self = g_new0 (TeesqlPostgresState, 1);
  self->wal_lsn = PQgetisnull (result, 0, 0) ? NULL : g_strdup (PQgetvalue (result, 0, 0));
  self->version = g_strdup (PQgetvalue (result, 0, 1));
  self->system_identifier = identifier;
  self->in_recovery = PQgetvalue (result, 0, 3)[0] == 't';
  return self;
}

static TeesqlPostgresState *
state_copy (const TeesqlPostgresState *state)
{
  TeesqlPostgresState *self = g_memdup2 (state, sizeof *state);

  self->wal_lsn = g_strdup (state->wal_lsn);
  self->version = g_strdup (state->version);
  return self;
}

/* One answer for all who waited; @error or @state. */
static void
postgres_answer_readers (TeesqlPostgres *self, const TeesqlPostgresState *state, const GError *error)
{
  GQueue readers = self->readers;

  g_queue_init (&self->readers); /* a callback may ask again */
  for (GTask *task = g_queue_pop_head (&readers); task != NULL; task = g_queue_pop_head (&readers))
    {
      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_pointer (task, state_copy (state), (GDestroyNotify) teesql_postgres_state_free);
      g_object_unref (task);
    }
}

static void postgres_open_state (TeesqlPostgres *self);

static void
postgres_state_failed (TeesqlPostgres *self, const GError *error)
{
  if (self->connection != NULL)
    teesql_pg_connection_close (self->connection);
  g_clear_object (&self->connection);
  if (!self->unreachable)
    postgres_publish_failure (self, error);
  self->unreachable = TRUE;
  postgres_answer_readers (self, NULL, error);
}

static void
on_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (TeesqlPostgres) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPgResult) answer = teesql_pg_connection_query_finish (TEESQL_PG_CONNECTION (source), result, &error);
  g_autoptr (TeesqlPostgresState) state = answer != NULL ? state_new (answer, &error) : NULL;

  if (state == NULL && self->reused)
    {
      teesql_log_debug ("postgres", "connecting again: %s", error->message);
      postgres_open_state (self);
      return;
    }
  if (state == NULL)
    {
      postgres_state_failed (self, error);
      return;
    }
  self->reused = TRUE;
  if (self->unreachable)
    postgres_publish_health (self);
  self->unreachable = FALSE;
  postgres_answer_readers (self, state, NULL);
}

static void
postgres_ask_state (TeesqlPostgres *self)
{
  teesql_pg_connection_query_async (self->connection, teesql_pg_state_sql, NULL, NULL, on_state, g_object_ref (self));
}

static void
on_state_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (TeesqlPostgres) self = user_data;
  g_autoptr (GError) error = NULL;

  self->connection = teesql_pg_connection_open_finish (result, &error);
  if (self->connection != NULL)
    postgres_ask_state (self);
  else
    postgres_state_failed (self, error);
}

static void
postgres_open_state (TeesqlPostgres *self)
{
  const char *const *databases = teesql_config_get_list (self->config, "postgresql", "databases");

  g_clear_object (&self->connection);
  self->reused = FALSE;
  teesql_pg_connection_open_async (self->config, teesql_config_get_string (self->config, "postgresql", "admin-user"),
                                   databases[0] != NULL ? databases[0] : "postgres", self->admin_password, NULL, on_state_open,
                                   g_object_ref (self));
}

void
teesql_postgres_read_state_async (TeesqlPostgres *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  gboolean under_way = !g_queue_is_empty (&self->readers);

  g_task_set_source_tag (task, teesql_postgres_read_state_async);
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  g_queue_push_tail (&self->readers, task);
  if (under_way)
    return;
  if (self->connection != NULL && teesql_pg_connection_is_usable (self->connection))
    postgres_ask_state (self);
  else
    postgres_open_state (self);
}

TeesqlPostgresState *
teesql_postgres_read_state_finish (TeesqlPostgres *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
