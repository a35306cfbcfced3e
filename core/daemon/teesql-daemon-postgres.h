#pragma once
#include "daemon/teesql-daemon-keys.h"
#include "daemon/teesql-daemon-plugins.h"
#include "postgres/teesql-managed-postgres.h"
#include "postgres/teesql-postgres.h"

G_BEGIN_DECLS

/**
 * TeesqlDaemonPostgres:
 *
 * keeps the server behind us usable: fetches what is needed to log in, provisions, looks at it every few seconds, and provisions
 * again when it was away or the configuration changed. A managed server is started as soon as its password is known. Never gives up;
 * waits longer each time. Main context.
 *
 * Signal `gave-up` (error): what no waiting mends: the trust in keys and evidence is mixed
 * Signal `backend-changed`: a provisioning succeeded: teesql_daemon_postgres_get_backend() is what new sessions use
 */
#define TEESQL_TYPE_DAEMON_POSTGRES (teesql_daemon_postgres_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlDaemonPostgres, teesql_daemon_postgres, TEESQL, DAEMON_POSTGRES, GObject)

/* @managed: (nullable): %NULL in external mode */
TeesqlDaemonPostgres *teesql_daemon_postgres_new (TeesqlConfig *config, TeesqlDaemonKeys *keys, TeesqlDaemonPlugins *plugins,
                                                  TeesqlManagedPostgres *managed, TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
void teesql_daemon_postgres_start (TeesqlDaemonPostgres *self);
void teesql_daemon_postgres_stop (TeesqlDaemonPostgres *self);                             /* no callback runs any more */
void teesql_daemon_postgres_set_config (TeesqlDaemonPostgres *self, TeesqlConfig *config); /* provisions again */
TeesqlBackend *teesql_daemon_postgres_get_backend (TeesqlDaemonPostgres *self);            /* (nullable) (transfer none) */

G_END_DECLS
