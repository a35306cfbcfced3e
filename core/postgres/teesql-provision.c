#include "postgres/teesql-provision.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "keys/teesql-keys.h"
#include "postgres/teesql-pg-connection.h"
#include "postgres/teesql-postgres-facts.h"
#include "postgres/teesql-postgres-plan.h"
#include <gnutls/crypto.h>
#include <string.h>

#define COMMIT       "COMMIT"
#define MAX_ATTEMPTS 5

typedef enum
{
  STEP_OPEN,      /* text: the database */
  STEP_STATEMENT, /* text: SQL whose result does not matter; change: what it did, once it is committed */
  STEP_FACTS,
  STEP_SOCKETS,
  STEP_HBA,
  STEP_VERIFIERS,
  STEP_KEYS, /* PBKDF2, on a thread */
  STEP_PLAN, /* text: a plan; its rows become statements, run before what else is in the queue */
  STEP_REMARKS,
} StepKind;

typedef struct
{
  StepKind kind;
  const char *sql; /* static */
  char *text;      /* owned, instead */
  char *change;
} Step;

typedef struct
{
  const char *name; /* of the configuration */
  const char *privileges;
  char *stored;   /* password of pg_authid */
  char *verifier; /* to be set; NULL: the stored one is right */
} Role;

typedef struct
{
  TeesqlConfig *config;
  TeesqlSecret *admin_password;
  TeesqlSecret *roles_key;
  const char *admin;
  TeesqlPgConnection *connection;
  GQueue steps;  /* Step* */
  Step *step;    /* under way */
  GArray *roles; /* Role */
  GPtrArray *databases;
  char *names;     /* text[] of the roles, in their order */
  char *kinds;     /* text[] */
  char *verifiers; /* text[], once made */
  char *database_array;
  const char *address; /* ours, empty for a unix socket */
  gboolean named;      /* listen_addresses holds a name */
  guint port;
  gboolean writes; /* FALSE: look, and tell what is missing */
  TeesqlRoleKeys *role_keys;
  TeesqlProvisioned *outcome;
  guint n_committed;  /* of the changes */
  gboolean in_grants; /* the roles are done */
  guint attempts;     /* at the database under way */
} Job;

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
  Step *step = data;

  if (step == NULL)
    return;
  g_free (step->text);
  g_free (step->change);
  g_free (step);
}

static void
role_clear (gpointer data)
{
  Role *role = data;

  g_clear_pointer (&role->stored, g_free);
  g_clear_pointer (&role->verifier, g_free);
}

static void
job_free (gpointer data)
{
  Job *job = data;

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

static Step *
step_new (StepKind kind, const char *sql)
{
  Step *step = g_new0 (Step, 1);

  step->kind = kind;
  step->sql = sql;
  return step;
}

static void
job_add (Job *job, StepKind kind, const char *sql)
{
  g_queue_push_tail (&job->steps, step_new (kind, sql));
}

static void
job_add_begin (Job *job)
{
  if (!job->writes)
    return;
  job_add (job, STEP_STATEMENT, "BEGIN");
  job_add (job, STEP_STATEMENT, TEESQL_PG_QUIET);
  job_add (job, STEP_STATEMENT, TEESQL_PG_LOCK);
}

static void
job_add_commit (Job *job)
{
  if (job->writes)
    job_add (job, STEP_STATEMENT, COMMIT);
}

/* One database's share. Its plans stand together in one transaction, so that what they saw is what they change. */
static void
job_add_grants (Job *job)
{
  job_add_begin (job);
  job_add (job, STEP_PLAN, teesql_pg_plan_grants_sql);
  job_add (job, STEP_PLAN, teesql_pg_plan_defaults_sql);
  job_add (job, STEP_PLAN, teesql_pg_plan_settings_sql);
  job_add_commit (job);
  job_add (job, STEP_REMARKS, teesql_pg_excess_sql);
}

/* What is left to do once the server is known to be one that we front. */
static void
job_add_work (Job *job)
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
          Step *open = step_new (STEP_OPEN, NULL);

          open->text = g_strdup (g_ptr_array_index (job->databases, i));
          g_queue_push_tail (&job->steps, open);
        }
      job_add_grants (job);
    }
}

/* The application made or dropped a table meanwhile: the transaction of this database begins anew, a few times.
 * Returns: FALSE when it was not that, or happened too often */
static gboolean
job_try_again (Job *job, const GError *error)
{
  GQueue rest = G_QUEUE_INIT;
  gboolean later = FALSE;

  if (!job->in_grants || job->attempts == MAX_ATTEMPTS || !g_str_equal (teesql_error_get_reason (error), "postgres-busy"))
    return FALSE;
  job->attempts++;
  teesql_log_info ("postgres", "trying again: %s", error->message);
  g_ptr_array_set_size (job->outcome->changes, (int) job->n_committed);
  for (Step *step = g_queue_pop_head (&job->steps); step != NULL; step = g_queue_pop_head (&job->steps))
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
step_get_parameters (const Job *job, const Step *step, const char *out[5])
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

/* -- What answers mean ------------------------------------------------------------------------------------------ */

static const char *
cell (const TeesqlPgResult *result, int row, int column)
{
  return PQgetisnull (result, row, column) ? NULL : PQgetvalue (result, row, column);
}

static gboolean
row_is_complete (const TeesqlPgResult *result, int row)
{
  for (int i = 0; i < PQnfields (result); i++)
    if (PQgetisnull (result, row, i))
      return FALSE;
  return TRUE;
}

static void
job_remark (Job *job, const char *reason, const char *key, const char *message, gboolean degrades)
{
  TeesqlRemark *remark = g_new0 (TeesqlRemark, 1);

  remark->reason = g_strdup (reason);
  remark->key = g_strdup (key);
  remark->message = g_strdup (message);
  remark->degrades = degrades;
  g_ptr_array_add (job->outcome->remarks, remark);
}

static gboolean
take_facts (Job *job, const TeesqlPgResult *result, GError **error)
{
  guint64 port = 0;
  gboolean superuser = FALSE;
  gboolean recovers = FALSE;

  if (PQntuples (result) != 1 || !row_is_complete (result, 0))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "postgres-query", 0,
                                                  "PostgreSQL's answer about itself has not the expected form"));
      return FALSE;
    }
  superuser = cell (result, 0, 5)[0] == 't';
  recovers = cell (result, 0, 4)[0] == 't';
  if (!teesql_postgres_check_version (cell (result, 0, 0), cell (result, 0, 1), error) ||
      !teesql_postgres_check_addresses (cell (result, 0, 2), &job->named, error))
    return FALSE;
  if (!superuser)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_PERMISSION, "postgres-rights", 0,
                                           "role %s is not a superuser\nhint: [postgresql] admin-user names the superuser", job->admin));
      return FALSE;
    }
  if (!g_ascii_string_to_unsigned (cell (result, 0, 3), 10, 1, G_MAXUINT16, &port, error))
    return FALSE;
  job->port = (guint) port;
  job->outcome->version = g_strdup (cell (result, 0, 1));
  /* a standby repeats its primary's roles and takes no statement of ours */
  job->writes = !recovers && teesql_config_get_boolean (job->config, "postgresql", "provision");
  return TRUE;
}

static gboolean
take_sockets (Job *job, const TeesqlPgResult *result, GError **error)
{
  guint64 uid = 0;
  const char *text = result != NULL ? cell (result, 0, 0) : NULL;
  const char *rows = result != NULL ? cell (result, 0, 1) : NULL;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &uid, NULL))
    rows = NULL;
  if (!teesql_postgres_check_sockets (rows, job->port, (guint) uid, job->named, error))
    return FALSE;
  job_add_work (job);
  return TRUE;
}

static Role *
job_find_role (Job *job, const char *name)
{
  for (guint i = 0; i < job->roles->len; i++)
    {
      Role *role = &g_array_index (job->roles, Role, i);

      if (g_str_equal (role->name, name))
        return role;
    }
  return NULL;
}

static gboolean
take_verifiers (Job *job, const TeesqlPgResult *result, GError **error)
{
  for (int i = 0; i < PQntuples (result); i++)
    {
      Role *role = job_find_role (job, cell (result, i, 0));

      if (role == NULL)
        continue;
      role->stored = g_strdup (cell (result, i, 1));
      if (g_strcmp0 (cell (result, i, 2), "t") != 0)
        continue;
      /* taking its rights away may leave nobody who has them; leaving them would give a client's secret all */
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_REFUSED, "postgres-role-superuser", 0,
                                                  "[role:%s]: this role is a superuser of PostgreSQL\n"
                                                  "hint: choose another name, or ALTER ROLE … NOSUPERUSER if it is a mistake",
                                                  role->name));
      return FALSE;
    }
  return TRUE;
}

static void
take_plan (Job *job, const TeesqlPgResult *result)
{
  if (job->step->sql == teesql_pg_plan_grants_sql)
    job->in_grants = TRUE;
  for (int i = PQntuples (result) - 1; i >= 0; i--)
    {
      Step *step = NULL;

      if (!job->writes)
        {
          job_remark (job, "postgres-not-provisioned", cell (result, i, 1), cell (result, i, 1), TRUE);
          continue;
        }
      step = step_new (STEP_STATEMENT, NULL);
      step->text = g_strdup (cell (result, i, 0));
      step->change = g_strdup (cell (result, i, 1));
      g_queue_push_head (&job->steps, step);
    }
}

static void
take_remarks (Job *job, const TeesqlPgResult *result, gboolean degrades)
{
  for (int i = 0; i < PQntuples (result); i++)
    job_remark (job, cell (result, i, 0), cell (result, i, 1), cell (result, i, 2), degrades);
}

static void
take_done (Job *job)
{
  GPtrArray *changes = job->outcome->changes;

  if (job->step->change != NULL)
    g_ptr_array_add (changes, g_steal_pointer (&job->step->change));
  if (g_strcmp0 (job->step->sql, COMMIT) != 0)
    return;
  for (; job->n_committed < changes->len; job->n_committed++)
    teesql_log_info ("postgres", "%s", (const char *) g_ptr_array_index (changes, job->n_committed));
}

static gboolean
job_take (Job *job, const TeesqlPgResult *result, GError **error)
{
  switch (job->step->kind)
    {
    case STEP_FACTS:
      return take_facts (job, result, error);
    case STEP_SOCKETS:
      return take_sockets (job, result, error);
    case STEP_VERIFIERS:
      return take_verifiers (job, result, error);
    case STEP_PLAN:
      take_plan (job, result);
      return TRUE;
    case STEP_HBA:
      take_remarks (job, result, TRUE);
      return TRUE;
    case STEP_REMARKS:
      take_remarks (job, result, FALSE);
      return TRUE;
    case STEP_STATEMENT:
      take_done (job);
      return TRUE;
    case STEP_OPEN:
    case STEP_KEYS:
      break;
    }
  g_return_val_if_reached (FALSE);
}

/* -- Keys ------------------------------------------------------------------------------------------------------- */

/* The verifier in the catalogue stays when it was made from our password: a second run changes nothing, and two nodes agree. */
static gboolean
role_is_right (Job *job, const Role *role, gboolean *out_right, GError **error)
{
  TeesqlScramVerifier stored;
  g_autoptr (TeesqlSecret) keys = NULL;

  *out_right = FALSE;
  if (role->stored == NULL || !teesql_scram_verifier_parse (role->stored, &stored, NULL) || stored.iterations > TEESQL_SCRAM_MAX_FOREIGN)
    return TRUE;
  keys = teesql_role_keys_get (job->role_keys, role->name, stored.salt, stored.salt_size, stored.iterations, error);
  if (keys == NULL)
    return FALSE;
  *out_right = teesql_scram_keys_match (keys, &stored);
  return TRUE;
}

static gboolean
role_make_verifier (Job *job, Role *role, GError **error)
{
  TeesqlScramVerifier verifier;
  guint8 salt[TEESQL_SCRAM_SALT_SIZE];
  g_autoptr (TeesqlSecret) keys = NULL;
  int result = gnutls_rnd (GNUTLS_RND_NONCE, salt, sizeof salt);

  if (result < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "random", 0, "%s", gnutls_strerror (result)));
      return FALSE;
    }
  keys = teesql_role_keys_get (job->role_keys, role->name, salt, sizeof salt, TEESQL_SCRAM_MIN_ITERATIONS, error);
  if (keys == NULL)
    return FALSE;
  teesql_scram_keys_to_verifier (keys, salt, sizeof salt, TEESQL_SCRAM_MIN_ITERATIONS, &verifier);
  role->verifier = teesql_scram_verifier_format (&verifier);
  return TRUE;
}

static gboolean
job_make_keys (Job *job, GError **error)
{
  for (guint i = 0; i < job->roles->len; i++)
    {
      Role *role = &g_array_index (job->roles, Role, i);
      g_autoptr (TeesqlSecret) password = teesql_keys_role_password (job->roles_key, role->name, error);
      gboolean right = FALSE;

      if (password == NULL || !teesql_role_keys_add (job->role_keys, role->name, password, error) ||
          !role_is_right (job, role, &right, error) || (!right && !role_make_verifier (job, role, error)))
        return FALSE;
    }
  return TRUE;
}

static void
keys_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (job_make_keys (task_data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_keys_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Job *job = g_task_get_task_data (task);
  g_autofree const char **verifiers = g_new0 (const char *, job->roles->len + 1);
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < job->roles->len; i++)
    verifiers[i] = g_array_index (job->roles, Role, i).verifier;
  job->verifiers = teesql_pg_array (verifiers, job->roles->len);
  job_next (task);
}

/* -- Running ---------------------------------------------------------------------------------------------------- */

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Job *job = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlPgResult) answer = teesql_pg_connection_query_finish (TEESQL_PG_CONNECTION (source), result, &error);

  /* the one answer that may fail: without it, only literal addresses are believed */
  if (answer == NULL && job->step->kind == STEP_SOCKETS && error->domain == TEESQL_POSTGRES_ERROR &&
      teesql_pg_connection_is_usable (job->connection))
    g_clear_error (&error);
  if (error == NULL && job_take (job, answer, &error))
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
  Job *job = g_task_get_task_data (task);
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
job_run_keys (Job *job, GTask *task)
{
  g_autoptr (GTask) work = g_task_new (NULL, g_task_get_cancellable (task), on_keys_made, g_object_ref (task));

  g_task_set_task_data (work, job, NULL); /* the outer task keeps it, and waits */
  g_task_run_in_thread (work, keys_thread);
}

static void
job_next (GTask *task)
{
  Job *job = g_task_get_task_data (task);
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
job_collect_roles (Job *job)
{
  g_autofree const char **names = teesql_config_list_instances (job->config, "role");
  guint n = g_strv_length ((char **) names);
  g_autofree const char **kinds = g_new0 (const char *, n + 1);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *group = g_strconcat ("role:", names[i], NULL);
      Role role = { .name = names[i], .privileges = teesql_config_get_string (job->config, group, "privileges") };

      kinds[i] = role.privileges;
      g_array_append_val (job->roles, role);
    }
  job->names = teesql_pg_array (names, n);
  job->kinds = teesql_pg_array (kinds, n);
}

static void
job_collect_databases (Job *job)
{
  const char *const *names = teesql_config_get_list (job->config, "postgresql", "databases");

  for (guint i = 0; names[i] != NULL; i++)
    if (!g_ptr_array_find_with_equal_func (job->databases, names[i], g_str_equal, NULL))
      g_ptr_array_add (job->databases, (gpointer) names[i]);
  if (job->databases->len == 0)
    g_ptr_array_add (job->databases, (gpointer) "postgres");
  job->database_array = teesql_pg_array ((const char *const *) job->databases->pdata, job->databases->len);
}

static Job *
job_new (TeesqlConfig *config, TeesqlSecret *admin_password, TeesqlSecret *roles_key)
{
  Job *job = g_new0 (Job, 1);
  const char *host = teesql_config_get_string (config, "postgresql", "host");

  job->config = teesql_config_ref (config);
  job->admin_password = admin_password != NULL ? teesql_secret_ref (admin_password) : NULL;
  job->roles_key = teesql_secret_ref (roles_key);
  job->admin = teesql_config_get_string (config, "postgresql", "admin-user");
  job->address = host != NULL && !g_path_is_absolute (host) ? host : "";
  job->role_keys = teesql_role_keys_new ();
  job->roles = g_array_new (FALSE, TRUE, sizeof (Role));
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
  Job *job = job_new (config, admin_password, roles_key);
  Step *open = NULL;
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
  open = step_new (STEP_OPEN, NULL);
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
