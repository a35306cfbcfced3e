#pragma once
/* One provisioning run, shared by the files that make it up. */
#include "postgres/teesql-pg-connection.h"
#include "postgres/teesql-provision.h"

G_BEGIN_DECLS

#define TEESQL_PROVISION_COMMIT "COMMIT"

typedef enum {
  STEP_OPEN,      /* text: the database */
  STEP_STATEMENT, /* text: SQL whose result does not matter; change: what it did, once it is committed */
  STEP_FACTS,
  STEP_SOCKETS,
  STEP_HBA,
  STEP_VERIFIERS,
  STEP_KEYS, /* PBKDF2, on a thread */
  STEP_PLAN, /* text: a plan; its rows become statements, run before what else is in the queue */
  STEP_REMARKS,
} TeesqlProvisionStepKind;

typedef struct {
  TeesqlProvisionStepKind kind;
  const char *sql; /* static */
  char *text;      /* owned, instead */
  char *change;
} TeesqlProvisionStep;

typedef struct {
  const char *name; /* of the configuration */
  const char *privileges;
  char *stored;   /* password of pg_authid */
  char *verifier; /* to be set; NULL: the stored one is right */
} TeesqlProvisionRole;

typedef struct {
  TeesqlConfig *config;
  TeesqlSecret *admin_password;
  TeesqlSecret *roles_key;
  const char *admin;
  TeesqlPgConnection *connection;
  GQueue steps;              /* TeesqlProvisionStep* */
  TeesqlProvisionStep *step; /* under way */
  GArray *roles;             /* TeesqlProvisionRole */
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
} TeesqlProvisionJob;

TeesqlProvisionStep *teesql_provision_step_new (TeesqlProvisionStepKind kind, const char *sql) G_GNUC_WARN_UNUSED_RESULT;
/* what is left to do once the server is known to be one that we front */
void teesql_provision_add_work (TeesqlProvisionJob *job);
/**
 * teesql_provision_take:
 * @result: (nullable): answer to the step under way; only the sockets may be missing
 *
 * Returns: %FALSE with @error when the server must not be fronted
 */
gboolean teesql_provision_take (TeesqlProvisionJob *job, const TeesqlPgResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* blocks for the rounds of PBKDF2: on a thread, while the job waits */
gboolean teesql_provision_make_keys (TeesqlProvisionJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
