#include "daemon/teesql-daemon-backup.h"

#define MIB ((guint64) 1024 * 1024)

struct _TeesqlDaemonBackup
{
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlManagedPostgres *managed;
  TeesqlControlServer *control;
  TeesqlBackupService *service; /* NULL without storages, and before there are keys */
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

TeesqlDaemonBackup *
teesql_daemon_backup_new (TeesqlConfig *config, TeesqlStatus *status, TeesqlManagedPostgres *managed, GError **error)
{
  g_autoptr (TeesqlDaemonBackup) self = g_new0 (TeesqlDaemonBackup, 1);

  self->config = teesql_config_ref (config);
  self->status = g_object_ref (status);
  self->managed = managed != NULL ? g_object_ref (managed) : NULL;
  self->control = teesql_control_server_new (teesql_config_get_string (config, "teesql", "runtime-directory"), status, NULL, error);
  if (self->control == NULL)
    return NULL;
  give_settings (self);
  return g_steal_pointer (&self);
}

gboolean
teesql_daemon_backup_prepare (TeesqlDaemonBackup *self, TeesqlAttestService *attest, TeesqlKms *kms, GError **error)
{
  if (!has_storages (self->config))
    return TRUE;
  self->service = teesql_backup_service_new (self->config, self->status, attest, kms, error);
  if (self->service == NULL)
    return FALSE;
  teesql_control_server_set_backups (self->control, self->service);
  return TRUE;
}

void
teesql_daemon_backup_start (TeesqlDaemonBackup *self, TeesqlSecret *admin_password)
{
  if (self->service != NULL)
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
  g_clear_object (&self->managed);
  g_clear_object (&self->status);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_free (self);
}
