#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* What provisioning asks the server. A *plan* is a query whose rows are (statement, what it changes): PostgreSQL itself compares what is
 * with what should be and quotes every name, and a server that is as it should be answers without rows. */

/* Nodes wait for each other here, cluster-wide and to the end of the transaction. Not an advisory lock: any client may take one of
 * those and keep it, and a start would wait for it. This one stops nobody from logging in. */
#define TEESQL_PG_LOCK "LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE"

/* roles travel as verifiers; they still do not belong into the server's log, whatever `log_statement` says there */
#define TEESQL_PG_QUIET                                                                                                            \
  "SELECT set_config ('log_statement', 'none', true), set_config ('log_min_duration_statement', '-1', true),"                      \
  " set_config ('log_min_duration_sample', '-1', true), set_config ('log_transaction_sample_rate', '0', true),"                    \
  " set_config ('log_min_error_statement', 'panic', true)"

extern const char teesql_pg_facts_sql[];       /* version number, version, listen_addresses, port, in recovery, superuser */
extern const char teesql_pg_sockets_sql[];     /* uid, rows: superusers only */
extern const char teesql_pg_hba_sql[];         /* (notice, key, message); $1 roles, $2 privileges, $3 databases, $4 our address, empty for a socket */
extern const char teesql_pg_verifiers_sql[];   /* (role, stored password, superuser); $1 roles */
extern const char teesql_pg_plan_roles_sql[];  /* plan; $1 roles, $2 privileges, $3 verifiers or NULL */
extern const char teesql_pg_plan_grants_sql[]; /* plan; $1 roles, $2 privileges */
extern const char teesql_pg_plan_defaults_sql[]; /* plan; $1 roles, $2 privileges, $3 administrator */
extern const char teesql_pg_plan_settings_sql[]; /* plan; $1 roles, $2 privileges */
extern const char teesql_pg_excess_sql[];      /* (notice, key, message): rights that come from elsewhere; $1 roles, $2 privileges */
extern const char teesql_pg_state_sql[];       /* LSN, version, system identifier, in recovery */

/**
 * teesql_pg_array:
 * @items: %NULL elements become NULL
 *
 * Returns: (transfer full): the text form of a text[], every element quoted
 */
char *teesql_pg_array (const char *const *items, guint n_items) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
