#include "daemon/teesql-daemon-backup.h"

#include "backup/teesql-refill.h"
#include "base/teesql-log.h"
#include "seal/teesql-seal.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define WAL_SOCKET "wal.sock"
#define MIB        ((guint64) 1024 * 1024)

struct _TeesqlDaemonBackup
{
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlManagedPostgres *managed;
  TeesqlControlServer *control;
  TeesqlAttestService *attest; /* NULL before there is an identity, and without storages */
  TeesqlKms *kms;
  char *wal_socket;
  TeesqlWalService *wal; /* while the server recovers what was restored */
  GCancellable *stopping;
  TeesqlBackupService *service; /* NULL until the server takes writes: only then is it known which cluster this is */
};

static gboolean
has_storages (const TeesqlConfig *config)
{
  return teesql_config_get_list (config, "backup", "storages")[0] != NULL;
}

/* `FIRST 2 (teesql_paris, teesql_oslo)`: a commit waits for all of them, by the names that the archivers give themselves. */
static char *
name_standbys (const TeesqlConfig *config)
{
  const char *const *storages = teesql_config_get_list (config, "backup", "storages");
  g_autoptr (GString) names = g_string_new (NULL);
  guint n = 0;

  for (; storages[n] != NULL; n++)
    g_string_append_printf (names, "%s%s_%s", n > 0 ? ", " : "", teesql_config_get_string (config, "backup", "slot"), storages[n]);
  g_strdelimit (names->str, "-", '_');
  return g_strdup_printf ("FIRST %u (%s)", n, names->str);
}

/* A slot that storage keeps back must not fill the disk: the server itself knows when to let it go. */
static void
give_settings (TeesqlDaemonBackup *self)
{
  gboolean zero_loss = has_storages (self->config) && teesql_config_get_boolean (self->config, "backup", "zero-loss");
  g_autofree char *standbys = zero_loss ? name_standbys (self->config) : NULL;
  g_autofree char *limit = g_strdup_printf ("%" G_GUINT64_FORMAT "MB", teesql_config_get_size (self->config, "backup", "slot-limit") / MIB);

  if (self->managed == NULL)
    return;
  teesql_managed_postgres_set_setting (self->managed, "max_slot_wal_keep_size", has_storages (self->config) ? limit : NULL);
  teesql_managed_postgres_set_setting (self->managed, "synchronous_standby_names", standbys);
}

/* ---- what was restored, and by whom it is read ---- */

static gboolean
is_restored (const TeesqlManagedPlace *place)
{
  g_autofree char *signal = g_build_filename (place->data_directory, "recovery.signal", NULL);

  return g_file_test (signal, G_FILE_TEST_EXISTS);
}

static TeesqlRefillOptions
refill_options (TeesqlDaemonBackup *self, const TeesqlManagedPlace *place)
{
  return (TeesqlRefillOptions){
    .config = self->config,
    .status = self->status,
    .attest = self->attest,
    .kms = self->kms,
    .directory = place->data_directory,
    .uid = place->uid,
    .gid = place->gid,
    .socket = self->wal_socket,
  };
}

/* PostgreSQL passes through our folder to this one socket and can list nothing (teesql_wal_server_new() lets its user in). */
static void
serve_wal (TeesqlDaemonBackup *self)
{
  const TeesqlManagedPlace *place = teesql_managed_postgres_get_place (self->managed);
  TeesqlRefillOptions options = refill_options (self, place);

  if (self->wal == NULL && is_restored (place))
    self->wal = teesql_wal_service_new (&options);
}

static void
ready_cb (TeesqlManagedPostgres *managed, gpointer data)
{
  TeesqlDaemonBackup *self = data;

  g_clear_pointer (&self->wal, teesql_wal_service_free);
}

/* ---- an empty volume ---- */

typedef struct
{
  TeesqlDaemonBackup *owner; /* borrowed: looked at only while nothing was cancelled */
  TeesqlRefillOptions options;
} Refill;

static void
refill_free (gpointer data)
{
  Refill *self = data;

  teesql_config_unref (self->options.config);
  g_object_unref (self->options.status);
  g_object_unref (self->options.attest);
  g_object_unref (self->options.kms);
  g_free ((char *) self->options.directory);
  g_free ((char *) self->options.socket);
  g_free (self);
}

static void
refill_thread (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  const Refill *self = data;
  GError *error = NULL;
  gboolean filled = FALSE;

  if (teesql_refill_run (&self->options, &filled, cancellable, &error))
    g_task_return_boolean (task, filled);
  else
    g_task_return_error (task, error);
}

static void
refilled_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  const Refill *self = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gboolean filled = g_task_propagate_boolean (G_TASK (result), &error);

  if (g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result))))
    return;
  if (filled)
    serve_wal (self->owner);
  teesql_managed_postgres_filled (TEESQL_MANAGED_POSTGRES (source), filled, error);
}

static void
fill_cb (TeesqlManagedPostgres *managed, const TeesqlManagedPlace *place, gpointer data)
{
  TeesqlDaemonBackup *self = data;
  g_autoptr (GTask) task = g_task_new (managed, self->stopping, refilled_cb, NULL);
  Refill *refill = g_new0 (Refill, 1);

  refill->owner = self;
  refill->options = refill_options (self, place);
  refill->options.config = teesql_config_ref (self->config);
  g_object_ref (self->status);
  g_object_ref (self->attest);
  g_object_ref (self->kms);
  refill->options.directory = g_strdup (place->data_directory);
  refill->options.socket = g_strdup (self->wal_socket);
  g_task_set_source_tag (task, fill_cb);
  g_task_set_task_data (task, refill, refill_free);
  g_task_run_in_thread (task, refill_thread);
}

/* ---- outside ---- */

TeesqlDaemonBackup *
teesql_daemon_backup_new (TeesqlConfig *config, TeesqlStatus *status, TeesqlManagedPostgres *managed, GError **error)
{
  g_autoptr (TeesqlDaemonBackup) self = g_new0 (TeesqlDaemonBackup, 1);
  const char *runtime_directory = teesql_config_get_string (config, "teesql", "runtime-directory");

  self->config = teesql_config_ref (config);
  self->status = g_object_ref (status);
  self->managed = managed != NULL ? g_object_ref (managed) : NULL;
  self->stopping = g_cancellable_new ();
  self->wal_socket = g_build_filename (runtime_directory, WAL_SOCKET, NULL);
  self->control = teesql_control_server_new (runtime_directory, status, NULL, error);
  if (self->control == NULL)
    return NULL;
  give_settings (self);
  if (managed != NULL)
    g_signal_connect (managed, "ready", G_CALLBACK (ready_cb), self);
  return g_steal_pointer (&self);
}

gboolean
teesql_daemon_backup_prepare (TeesqlDaemonBackup *self, TeesqlAttestService *attest, TeesqlKms *kms, GError **error)
{
  if (!has_storages (self->config))
    return TRUE;
  if (!teesql_seal_self_test (error))
    return FALSE;
  self->attest = g_object_ref (attest);
  self->kms = g_object_ref (kms);
  if (self->managed == NULL)
    return TRUE;
  if (teesql_config_get_boolean (self->config, "backup", "restore-empty"))
    teesql_managed_postgres_set_filler (self->managed, fill_cb, self);
  serve_wal (self);
  return TRUE;
}

void
teesql_daemon_backup_start (TeesqlDaemonBackup *self, TeesqlSecret *admin_password)
{
  g_autoptr (GError) error = NULL;

  if (self->attest == NULL)
    return;
  if (self->service == NULL)
    self->service = teesql_backup_service_new (self->config, self->status, self->attest, self->kms, &error);
  if (self->service == NULL)
    {
      teesql_log_error ("backup", "there are no backups: %s", error->message);
      teesql_status_set_component (self->status, TEESQL_COMPONENT_BACKUP, TEESQL_HEALTH_DEGRADED, teesql_error_get_reason (error),
                                   error->message);
      return;
    }
  teesql_control_server_set_backups (self->control, self->service);
  teesql_backup_service_start (self->service, admin_password);
}

void
teesql_daemon_backup_set_config (TeesqlDaemonBackup *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  teesql_config_unref (self->config);
  self->config = config;
  give_settings (self);
  if (self->service != NULL)
    teesql_backup_service_set_config (self->service, config);
}

void
teesql_daemon_backup_stop (TeesqlDaemonBackup *self)
{
  g_cancellable_cancel (self->stopping);
  g_clear_pointer (&self->wal, teesql_wal_service_free);
  if (self->service != NULL)
    teesql_backup_service_stop (self->service);
}

void
teesql_daemon_backup_free (TeesqlDaemonBackup *self)
{
  teesql_daemon_backup_stop (self);
  if (self->control != NULL)
    teesql_control_server_stop (self->control);
  g_clear_object (&self->control);
  g_clear_object (&self->service);
  if (self->managed != NULL)
    {
      teesql_managed_postgres_set_filler (self->managed, NULL, NULL);
      g_signal_handlers_disconnect_by_data (self->managed, self);
    }
  g_clear_object (&self->managed);
  g_clear_object (&self->attest);
  g_clear_object (&self->kms);
  g_clear_object (&self->stopping);
  g_free (self->wal_socket);
  g_clear_object (&self->status);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_free (self);
}
