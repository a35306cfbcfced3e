#pragma once
#include "config/teesql-config.h"
#include "postgres/teesql-launcher.h"
#include "status/teesql-status.h"
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

typedef enum
{
  TEESQL_MANAGED_IDLE,         /* teesql_managed_postgres_start() was not called */
  TEESQL_MANAGED_WAITING,      /* looks at the data directory, or waits for the server of before to be gone */
  TEESQL_MANAGED_FILLING,      /* the filler is at work */
  TEESQL_MANAGED_INITIALIZING, /* initdb */
  TEESQL_MANAGED_STARTING,     /* the process runs and does not answer yet; after a crash this takes what WAL there is */
  TEESQL_MANAGED_RECOVERING,   /* answers, and is in recovery: a restore, or a standby */
  TEESQL_MANAGED_READY,
  TEESQL_MANAGED_BACKING_OFF, /* crashed, or refused: tried again later */
  TEESQL_MANAGED_STOPPING,
  TEESQL_MANAGED_STOPPED,
} TeesqlManagedState;

/**
 * TeesqlManagedPostgres:
 *
 * the PostgreSQL that is ours (`mode = managed`): made where there is none, started, watched, started again, stopped. Speaks to the
 * launcher and never blocks. Main context. While it is not ready it is the one that publishes %TEESQL_COMPONENT_POSTGRES; then who
 * provisions does.
 *
 * Signal `ready`: it answers and takes writes: after each start, and after a promotion
 * Signal `away`: it does so no longer
 * Signal `gave-up` (error): the launcher is gone, and with it every way to start anything
 */
#define TEESQL_TYPE_MANAGED_POSTGRES (teesql_managed_postgres_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlManagedPostgres, teesql_managed_postgres, TEESQL, MANAGED_POSTGRES, GObject)

/**
 * teesql_managed_postgres_new:
 * @place: (transfer full)
 * @ends: both descriptors are taken
 */
TeesqlManagedPostgres *teesql_managed_postgres_new (TeesqlManagedPlace *place, const TeesqlLauncherEnds *ends, TeesqlConfig *config,
                                                    TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlManagedFiller:
 * @place: where: `data_directory` is empty or not there, and what is put there belongs to `uid` and `gid`
 *
 * fills an empty data directory, as from a backup, and says so with teesql_managed_postgres_filled(), once, on the main context; not from
 * within this call. It is asked each time the directory is found empty.
 */
typedef void (*TeesqlManagedFiller) (TeesqlManagedPostgres *self, const TeesqlManagedPlace *place, gpointer user_data);
void teesql_managed_postgres_set_filler (TeesqlManagedPostgres *self, TeesqlManagedFiller filler, gpointer user_data);
/**
 * teesql_managed_postgres_filled:
 * @filled: whether there is a cluster now; it is judged as any other. %FALSE without @error: there is nothing to fill it with, initdb may go
 *   on
 * @error: (nullable): why not; it is shown, and tried again later. initdb never takes the place of a backup that could not be read
 */
void teesql_managed_postgres_filled (TeesqlManagedPostgres *self, gboolean filled, const GError *error);
/**
 * teesql_managed_postgres_set_setting:
 * @value: (nullable): %NULL takes it back
 *
 * a setting that core needs (`synchronous_standby_names`, `max_slot_wal_keep_size`); wins over the operator's. A running server is
 * reloaded. Not checked against the operator's allow-list.
 */
void teesql_managed_postgres_set_setting (TeesqlManagedPostgres *self, const char *name, const char *value);
/**
 * teesql_managed_postgres_start:
 * @admin_password: what initdb gives the superuser, and what asks whether the server answers
 *
 * goes on until it is stopped: nothing that can mend itself or be mended is given up. Called again it only takes the password.
 */
void teesql_managed_postgres_start (TeesqlManagedPostgres *self, TeesqlSecret *admin_password);
/* the settings that a reload can change are taken up */
void teesql_managed_postgres_set_config (TeesqlManagedPostgres *self, TeesqlConfig *config);
/* in order, by `stop-mode`, then as after a start */
void teesql_managed_postgres_restart (TeesqlManagedPostgres *self);
/**
 * teesql_managed_postgres_stop_async:
 *
 * by `stop-mode`; after `stop-timeout` harder. Nothing is started any more. Ends when the last process is gone; cannot fail.
 */
void teesql_managed_postgres_stop_async (TeesqlManagedPostgres *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean teesql_managed_postgres_stop_finish (TeesqlManagedPostgres *self, GAsyncResult *result, GError **error);

TeesqlManagedState teesql_managed_postgres_get_state (TeesqlManagedPostgres *self);
const TeesqlManagedPlace *teesql_managed_postgres_get_place (TeesqlManagedPostgres *self);
gint teesql_managed_postgres_get_pid (TeesqlManagedPostgres *self);                   /* of the postmaster, 0 when there is none */
guint64 teesql_managed_postgres_get_system_identifier (TeesqlManagedPostgres *self); /* 0 until the directory was read */
/* says again what is the matter, where somebody else has published over it; nothing while it is ready */
void teesql_managed_postgres_publish (TeesqlManagedPostgres *self);

G_END_DECLS
