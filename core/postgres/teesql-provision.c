#include "postgres/teesql-provision-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-postgres-plan.h"

#define MAX_ATTEMPTS 5

static void job_next (GTask *task);

static void
remark_free (gpointer data)
{
  TeesqlRemark *remark = data;

  g_free (remark->reason);
  g_free (remark->key);
  g_free (remark->message);
  g_free (remark);
}

void
teesql_provisioned_free (TeesqlProvisioned *self)
{
  g_clear_pointer (&self->backend, teesql_backend_unref);
  g_clear_pointer (&self->changes, g_ptr_array_unref);
  g_clear_pointer (&self->remarks, g_ptr_array_unref);
  g_clear_pointer (&self->version, g_free);
  g_free (self);
}

static void
step_free (gpointer data)
{
  TeesqlProvisionStep *step = data;

  if (step == NULL)
    return;
  g_free (step->text);
  g_free (step->change);
  g_free (step);
}

static void
role_clear (gpointer data)
{
  TeesqlProvisionRole *role = data;

  g_clear_pointer (&role->stored, g_free);
  g_clear_pointer (&role->verifier, g_free);
}

static void
job_free (gpointer data)
{
  TeesqlProvisionJob *job = data;

  if (job->connection != NULL)
    teesql_pg_connection_close (job->connection);
  g_clear_object (&job->connection);
  g_queue_clear_full (&job->steps, step_free);
  g_clear_pointer (&job->step, step_free);
  g_clear_pointer (&job->roles, g_array_unref);
  g_clear_pointer (&job->databases, g_ptr_array_unref);
  g_clear_pointer (&job->role_keys, teesql_role_keys_unref);
  g_clear_pointer (&job->outcome, teesql_provisioned_free);
  g_clear_pointer (&job->admin_password, teesql_secret_unref);
  g_clear_pointer (&job->roles_key, teesql_secret_unref);
  g_clear_pointer (&job->config, teesql_config_unref);
  g_free (job->names);
  g_free (job->kinds);
  g_free (job->verifiers);
  g_free (job->database_array);
  g_free (job);
}

/* -- Steps ------------------------------------------------------------------------------------------------------ */

TeesqlProvisionStep *
teesql_provision_step_new (TeesqlProvisionStepKind kind, const char *sql)
{
  TeesqlProvisionStep *step = g_new0 (TeesqlProvisionStep, 1);

  step->kind = kind;
  step->sql = sql;
  return step;
}

static void
job_add (TeesqlProvisionJob *job, TeesqlProvisionStepKind kind, const char *sql)
{
  g_queue_push_tail (&job->steps, teesql_provision_step_new (kind, sql));
}

static void
job_add_begin (TeesqlProvisionJob *job)
{
  if (!job->writes)
    return;
  job_add (job, STEP_STATEMENT, "BEGIN");
  job_add (job, STEP_STATEMENT, TEESQL_PG_QUIET);
  job_add (job, STEP_STATEMENT, TEESQL_PG_LOCK);
}

static void
job_add_commit (TeesqlProvisionJob *job)
{
  if (job->writes)
    job_add (job, STEP_STATEMENT, TEESQL_PROVISION_COMMIT);
}

/* One database's share. Its plans stand together in one transaction, so that what they saw is what they change. */
static void
job_add_grants (TeesqlProvisionJob *job)
{
  job_add_begin (job);
  job_add (job, STEP_PLAN, teesql_pg_plan_grants_sql);
  job_add (job, STEP_PLAN, teesql_pg_plan_defaults_sql);
  job_add (job, STEP_PLAN, teesql_pg_plan_settings_sql);
  job_add_commit (job);
  job_add (job, STEP_REMARKS, teesql_pg_excess_sql);
}

/* What is left to do once the server is known to be one that we front. */
void
teesql_provision_add_work (TeesqlProvisionJob *job)
{
  job_add (job, STEP_HBA, teesql_pg_hba_sql);
  job_add_begin (job);
  job_add (job, STEP_VERIFIERS, teesql_pg_verifiers_sql);
  job_add (job, STEP_KEYS, NULL);
  job_add (job, STEP_PLAN, teesql_pg_plan_roles_sql);
  job_add_commit (job);
  for (guint i = 0; i < job->databases->len; i++)
    {
      if (i > 0)
        {
          TeesqlProvisionStep *open = teesql_provision_step_new (STEP_OPEN, NULL);

          open->text = g_strdup (g_ptr_array_index (job->databases, i));
          g_queue_push_tail (&job->steps, open);
        }
      job_add_grants (job);
    }
}

/* The application made or dropped a table meanwhile: the transaction of this database begins anew, a few times.
 * Returns: FALSE when it was not that, or happened too often */
static gboolean
job_try_again (TeesqlProvisionJob *job, const GError *error)
{
  GQueue rest = G_QUEUE_INIT;
  gboolean later = FALSE;

  if (!job->in_grants || job->attempts == MAX_ATTEMPTS || !g_str_equal (teesql_error_get_reason (error), "postgres-busy"))
    return FALSE;
  job->attempts++;
  teesql_log_info ("postgres", "trying again: %s", error->message);
  g_ptr_array_set_size (job->outcome->changes, (int) job->n_committed);
  for (TeesqlProvisionStep *step = g_queue_pop_head (&job->steps); step != NULL; step = g_queue_pop_head (&job->steps))
    {
      later |= step->kind == STEP_OPEN;
      if (later)
        g_queue_push_tail (&rest, step);
      else
        step_free (step);
    }
  job_add (job, STEP_STATEMENT, "ROLLBACK");
  job_add_grants (job);
  while (!g_queue_is_empty (&rest))
    g_queue_push_tail (&job->steps, g_queue_pop_head (&rest));
  return TRUE;
}

/* @out holds what $1 and on stand for */
static void
step_get_parameters (const TeesqlProvisionJob *job, const TeesqlProvisionStep *step, const char *out[5])
{
  guint n = 0;

  if (step->kind == STEP_STATEMENT || step->kind == STEP_FACTS || step->kind == STEP_SOCKETS)
    {
      out[0] = NULL;
      return;
    }
  out[n++] = job->names;
  if (step->kind != STEP_VERIFIERS)
    out[n++] = job->kinds;
  if (step->sql == teesql_pg_plan_roles_sql)
    out[n++] = job->verifiers;
  if (step->sql == teesql_pg_plan_defaults_sql)
    out[n++] = job->admin;
  if (step->kind == STEP_HBA)
    {
      out[n++] = job->database_array;
      out[n++] = job->address;
    }
  out[n] = NULL;
}

/* -- Running ---------------------------------------------------------------------------------------------------- */

static void
keys_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (teesql_provision_make_keys (task_data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_keys_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlProvisionJob *job = g_task_get_task_data (task);
  g_autofree const char **verifiers = g_new0 (const char *, job->roles->len + 1);
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < job->roles->len; i++)
    verifiers[i] = g_array_index (job->roles, TeesqlProvisionRole, i).verifier;
  job->verifiers = teesql_pg_array (verifiers, job->roles->len);
  job_next (task);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlProvisionJob *job = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlPgResult) answer = teesql_pg_connection_query_finish (TEESQL_PG_CONNECTION (source), result, &error);

  /* the one answer that may fail: without it, only literal addresses are believed */
  if (answer == NULL && job->step->kind == STEP_SOCKETS && error->domain == TEESQL_POSTGRES_ERROR &&
      teesql_pg_connection_is_usable (job->connection))
    g_clear_error (&error);
  if (error == NULL && teesql_provision_take (job, answer, &error))
    job_next (task);
  else if (job_try_again (job, error))
    {
      g_error_free (error);
      job_next (task);
    }
  else
    g_task_return_error (task, error);
}

static void
on_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlProvisionJob *job = g_task_get_task_data (task);
  GError *error = NULL;

  job->connection = teesql_pg_connection_open_finish (result, &error);
  job->attempts = 0;
  if (job->connection != NULL)
    {
      job_next (task);
      return;
    }
  g_prefix_error (&error, "database %s: ", job->step->text);
  g_task_return_error (task, error);
}

static void
job_run_keys (TeesqlProvisionJob *job, GTask *task)
{
  g_autoptr (GTask) work = g_task_new (NULL, g_task_get_cancellable (task), on_keys_made, g_object_ref (task));

  g_task_set_task_data (work, job, NULL); /* the outer task keeps it, and waits */
  g_task_run_in_thread (work, keys_thread);
}

static void
job_next (GTask *task)
{
  TeesqlProvisionJob *job = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  const char *parameters[5];

  g_clear_pointer (&job->step, step_free);
  job->step = g_queue_pop_head (&job->steps);
  if (job->step == NULL)
    {
      g_task_return_pointer (task, g_steal_pointer (&job->outcome), (GDestroyNotify) teesql_provisioned_free);
      return;
    }
  if (job->step->kind == STEP_KEYS)
    {
      job_run_keys (job, task);
      return;
    }
  if (job->step->kind == STEP_OPEN)
    {
      if (job->connection != NULL)
        teesql_pg_connection_close (job->connection);
      g_clear_object (&job->connection);
      teesql_pg_connection_open_async (job->config, job->admin, job->step->text, job->admin_password, cancellable, on_open,
                                       g_object_ref (task));
      return;
    }
  step_get_parameters (job, job->step, parameters);
  teesql_pg_connection_query_async (job->connection, job->step->sql != NULL ? job->step->sql : job->step->text, parameters, cancellable,
                                    on_answer, g_object_ref (task));
}

/* -- Starting --------------------------------------------------------------------------------------------------- */

static void
job_collect_roles (TeesqlProvisionJob *job)
{
  g_autofree const char **names = teesql_config_list_instances (job->config, "role");
  guint n = g_strv_length ((char **) names);
  g_autofree const char **kinds = g_new0 (const char *, n + 1);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *group = g_strconcat ("role:", names[i], NULL);
      TeesqlProvisionRole role = { .name = names[i], .privileges = teesql_config_get_string (job->config, group, "privileges") };

      kinds[i] = role.privileges;
      g_array_append_val (job->roles, role);
    }
  job->names = teesql_pg_array (names, n);
  job->kinds = teesql_pg_array (kinds, n);
}

static void
job_collect_databases (TeesqlProvisionJob *job)
{
  const char *const *names = teesql_config_get_list (job->config, "postgresql", "databases");

  for (guint i = 0; names[i] != NULL; i++)
    if (!g_ptr_array_find_with_equal_func (job->databases, names[i], g_str_equal, NULL))
      g_ptr_array_add (job->databases, (gpointer) names[i]);
  if (job->databases->len == 0)
    g_ptr_array_add (job->databases, (gpointer) "postgres");
  job->database_array = teesql_pg_array ((const char *const *) job->databases->pdata, job->databases->len);
}

static TeesqlProvisionJob *
job_new (TeesqlConfig *config, TeesqlSecret *admin_password, TeesqlSecret *roles_key)
{
  TeesqlProvisionJob *job = g_new0 (TeesqlProvisionJob, 1);
  const char *host = teesql_config_get_string (config, "postgresql", "host");

  job->config = teesql_config_ref (config);
  job->admin_password = admin_password != NULL ? teesql_secret_ref (admin_password) : NULL;
  job->roles_key = teesql_secret_ref (roles_key);
  job->admin = teesql_config_get_string (config, "postgresql", "admin-user");
  job->address = host != NULL && !g_path_is_absolute (host) ? host : "";
  job->role_keys = teesql_role_keys_new ();
  job->roles = g_array_new (FALSE, TRUE, sizeof (TeesqlProvisionRole));
  g_array_set_clear_func (job->roles, role_clear);
  job->databases = g_ptr_array_new ();
  job->outcome = g_new0 (TeesqlProvisioned, 1);
  job->outcome->changes = g_ptr_array_new_with_free_func (g_free);
  job->outcome->remarks = g_ptr_array_new_with_free_func (remark_free);
  g_queue_init (&job->steps);
  return job;
}

void
teesql_provision_async (TeesqlConfig *config, TeesqlSecret *admin_password, TeesqlSecret *roles_key, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  TeesqlProvisionJob *job = job_new (config, admin_password, roles_key);
  TeesqlProvisionStep *open = NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, teesql_provision_async);
  g_task_set_task_data (task, job, job_free);
  job->outcome->backend = teesql_backend_new (config, job->role_keys, &error);
  if (job->outcome->backend == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  job_collect_roles (job);
  job_collect_databases (job);
  open = teesql_provision_step_new (STEP_OPEN, NULL);
  open->text = g_strdup (g_ptr_array_index (job->databases, 0));
  g_queue_push_tail (&job->steps, open);
  job_add (job, STEP_FACTS, teesql_pg_facts_sql);
  job_add (job, STEP_SOCKETS, teesql_pg_sockets_sql);
  job_next (task);
}

TeesqlProvisioned *
teesql_provision_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_provision_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
