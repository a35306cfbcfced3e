/* What the server's answers mean for a provisioning run. */
#include "postgres/teesql-provision-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-postgres-facts.h"
#include "postgres/teesql-postgres-plan.h"

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
job_remark (TeesqlProvisionJob *job, const char *reason, const char *key, const char *message, gboolean degrades)
{
  TeesqlRemark *remark = g_new0 (TeesqlRemark, 1);

  remark->reason = g_strdup (reason);
  remark->key = g_strdup (key);
  remark->message = g_strdup (message);
  remark->degrades = degrades;
  g_ptr_array_add (job->outcome->remarks, remark);
}

static gboolean
take_facts (TeesqlProvisionJob *job, const TeesqlPgResult *result, GError **error)
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
take_sockets (TeesqlProvisionJob *job, const TeesqlPgResult *result, GError **error)
{
  guint64 uid = 0;
  const char *text = result != NULL ? cell (result, 0, 0) : NULL;
  const char *rows = result != NULL ? cell (result, 0, 1) : NULL;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &uid, NULL))
    rows = NULL;
  if (!teesql_postgres_check_sockets (rows, job->port, (guint) uid, job->named, error))
    return FALSE;
  teesql_provision_add_work (job);
  return TRUE;
}

static TeesqlProvisionRole *
job_find_role (TeesqlProvisionJob *job, const char *name)
{
  for (guint i = 0; i < job->roles->len; i++)
    {
      TeesqlProvisionRole *role = &g_array_index (job->roles, TeesqlProvisionRole, i);

      if (g_str_equal (role->name, name))
        return role;
    }
  return NULL;
}

static gboolean
take_verifiers (TeesqlProvisionJob *job, const TeesqlPgResult *result, GError **error)
{
  for (int i = 0; i < PQntuples (result); i++)
    {
      TeesqlProvisionRole *role = job_find_role (job, cell (result, i, 0));

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
take_plan (TeesqlProvisionJob *job, const TeesqlPgResult *result)
{
  if (job->step->sql == teesql_pg_plan_grants_sql)
    job->in_grants = TRUE;
  for (int i = PQntuples (result) - 1; i >= 0; i--)
    {
      TeesqlProvisionStep *step = NULL;

      if (!job->writes)
        {
          job_remark (job, "postgres-not-provisioned", cell (result, i, 1), cell (result, i, 1), TRUE);
          continue;
        }
      step = teesql_provision_step_new (STEP_STATEMENT, NULL);
      step->text = g_strdup (cell (result, i, 0));
      step->change = g_strdup (cell (result, i, 1));
      g_queue_push_head (&job->steps, step);
    }
}

static void
take_remarks (TeesqlProvisionJob *job, const TeesqlPgResult *result, gboolean degrades)
{
  for (int i = 0; i < PQntuples (result); i++)
    job_remark (job, cell (result, i, 0), cell (result, i, 1), cell (result, i, 2), degrades);
}

static void
take_done (TeesqlProvisionJob *job)
{
  GPtrArray *changes = job->outcome->changes;

  if (job->step->change != NULL)
    g_ptr_array_add (changes, g_steal_pointer (&job->step->change));
  if (g_strcmp0 (job->step->sql, TEESQL_PROVISION_COMMIT) != 0)
    return;
  for (; job->n_committed < changes->len; job->n_committed++)
    teesql_log_info ("postgres", "%s", (const char *) g_ptr_array_index (changes, job->n_committed));
}

gboolean
teesql_provision_take (TeesqlProvisionJob *job, const TeesqlPgResult *result, GError **error)
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
