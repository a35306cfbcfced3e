#include "backup/teesql-backup-service.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-pg-connection.h"

#define TICK_MS   1000
#define REMARK_US (30 * G_USEC_PER_SEC) /* the server's settings are looked at again */

static const char server_sql[] =
    "SELECT system_identifier::text, (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'),"
    " current_setting ('wal_level'), current_setting ('summarize_wal'),"
    " current_setting ('max_slot_wal_keep_size'), current_setting ('synchronous_standby_names')"
    " FROM pg_catalog.pg_control_system ()";
enum
{
  COLUMN_IDENTIFIER,
  COLUMN_SEGMENT_SIZE,
  COLUMN_WAL_LEVEL,
  COLUMN_SUMMARIZE,
  COLUMN_KEEP_SIZE,
  COLUMN_STANDBYS,
  N_COLUMNS
};

struct _TeesqlBackupService
{
  GObject parent_instance;
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlBackupKeys *keys;
  TeesqlSecret *password;
  TeesqlBackupTurn turn;
  GPtrArray *runners; /* TeesqlBackupRunner; empty until the server was asked */
  GPtrArray *ending;  /* those that were told to stop; none takes their place before they have */
  GCancellable *stopping;
  guint tick_id;
  gint64 asked_us;
  GHashTable *remarks; /* reasons that stand as notices */
  gboolean asking;
  gboolean warned;
};

G_DEFINE_FINAL_TYPE (TeesqlBackupService, teesql_backup_service, G_TYPE_OBJECT)

/* ---- the server is asked who it is ---- */

static void
remark (TeesqlBackupService *self, const char *reason, gboolean applies, const char *message)
{
  if (applies == g_hash_table_contains (self->remarks, reason))
    return;
  if (!applies)
    {
      g_hash_table_remove (self->remarks, reason);
      teesql_status_remove_notice (self->status, reason, "");
      return;
    }
  g_hash_table_add (self->remarks, (gpointer) reason);
  teesql_log_warning ("backup", "%s: %s", reason, message);
  teesql_status_add_notice (self->status, reason, "", message);
}

static void
remark_settings (TeesqlBackupService *self, const TeesqlPgResult *result)
{
  gboolean zero_loss = teesql_config_get_boolean (self->config, "backup", "zero-loss");

  remark (self, "summarize-wal-off", g_str_equal (PQgetvalue (result, 0, COLUMN_SUMMARIZE), "off"),
          "the server keeps no WAL summaries, so every backup is a full one\nhint: summarize_wal = on");
  remark (
      self, "slot-unlimited", g_str_equal (PQgetvalue (result, 0, COLUMN_KEEP_SIZE), "-1"),
      "max_slot_wal_keep_size is -1: while storage is away WAL can fill the server's disk, and teesqld does not set it on a server that "
      "it does not manage\n"
      "hint: ALTER SYSTEM SET max_slot_wal_keep_size = '8GB'; SELECT pg_reload_conf (); with as much as the disk can spare");
  remark (self, "zero-loss-off", zero_loss && PQgetvalue (result, 0, COLUMN_STANDBYS)[0] == '\0',
          "[backup] zero-loss is on, but the server waits for nobody\nhint: synchronous_standby_names (docs/backup.md)");
}

static void
start_runners (TeesqlBackupService *self, guint64 system_identifier, guint32 segment_size)
{
  const char *const *storages = teesql_config_get_list (self->config, "backup", "storages");

  for (guint i = 0; storages[i] != NULL; i++)
    {
      const TeesqlBackupRunnerOptions options = {
        .config = self->config,
        .status = self->status,
        .storage = storages[i],
        .keys = self->keys,
        .access = { .host = (char *) teesql_config_get_string (self->config, "postgresql", "host"),
                    .port = (guint) teesql_config_get_integer (self->config, "postgresql", "port"),
                    .user = (char *) teesql_config_get_string (self->config, "postgresql", "admin-user"),
                    .password = self->password },
        .system_identifier = system_identifier,
        .segment_size = segment_size,
        .turn = &self->turn,
      };
      g_ptr_array_add (self->runners, teesql_backup_runner_new (&options));
    }
}

static gboolean
take_answer (TeesqlBackupService *self, const TeesqlPgResult *result, GError **error)
{
  guint64 identifier = 0;
  guint64 segment_size = 0;

  if (PQntuples (result) != 1 || PQnfields (result) != N_COLUMNS ||
      !g_ascii_string_to_unsigned (PQgetvalue (result, 0, COLUMN_IDENTIFIER), 10, 1, G_MAXUINT64, &identifier, NULL) ||
      !g_ascii_string_to_unsigned (PQgetvalue (result, 0, COLUMN_SEGMENT_SIZE), 10, 1 << 20, 1 << 30, &segment_size, NULL))
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "postgres-query", "the server does not say who it is");
  if (g_str_equal (PQgetvalue (result, 0, COLUMN_WAL_LEVEL), "minimal"))
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "wal-level",
                        "wal_level is minimal: WAL cannot be archived\nhint: wal_level = replica, and a restart of the server");
  remark_settings (self, result);
  if (self->runners->len == 0 && self->ending->len == 0)
    start_runners (self, identifier, (guint32) segment_size);
  return TRUE;
}

/* Asked again with the next tick: the server may have gone away just now. */
static void
asking_failed (TeesqlBackupService *self, const GError *error)
{
  self->asking = FALSE;
  if (g_cancellable_is_cancelled (self->stopping) || self->runners->len > 0) /* these say themselves what they wait for */
    return;
  if (!self->warned)
    teesql_log_warning ("backup", "backups wait for the server: %s", error->message);
  self->warned = TRUE;
  teesql_status_set_component (self->status, TEESQL_COMPONENT_BACKUP, TEESQL_HEALTH_DEGRADED, teesql_error_get_reason (error),
                               error->message);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlBackupService) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPgResult) answer = teesql_pg_connection_query_finish (TEESQL_PG_CONNECTION (source), result, &error);
  gboolean taken = answer != NULL && !g_cancellable_set_error_if_cancelled (self->stopping, &error) && take_answer (self, answer, &error);

  teesql_pg_connection_close (TEESQL_PG_CONNECTION (source));
  if (taken)
    self->asking = FALSE;
  else
    asking_failed (self, error);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlBackupService) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPgConnection) connection = teesql_pg_connection_open_finish (result, &error);

  if (connection == NULL)
    asking_failed (self, error);
  else
    teesql_pg_connection_query_async (connection, server_sql, NULL, self->stopping, answered_cb, g_object_ref (self));
}

static void
ask_server (TeesqlBackupService *self)
{
  if (self->asking || self->password == NULL)
    return;
  self->asking = TRUE;
  self->asked_us = g_get_monotonic_time ();
  teesql_pg_connection_open_async (self->config, teesql_config_get_string (self->config, "postgresql", "admin-user"), "postgres",
                                   self->password, self->stopping, opened_cb, g_object_ref (self));
}

/* They have WAL and a record on their way, and the loop does not wait for that. */
static void
end_runners (TeesqlBackupService *self)
{
  while (self->runners->len > 0)
    {
      TeesqlBackupRunner *runner = g_ptr_array_steal_index (self->runners, 0);

      teesql_backup_runner_stop (runner);
      g_ptr_array_add (self->ending, runner);
    }
}

/* %TRUE when nothing of them is left */
static gboolean
bury_runners (TeesqlBackupService *self)
{
  for (guint i = self->ending->len; i > 0; i--)
    if (teesql_backup_runner_has_ended (self->ending->pdata[i - 1]))
      g_ptr_array_remove_index_fast (self->ending, i - 1);
  return self->ending->len == 0;
}

/* ---- what is known, once a second ---- */

static void
publish (TeesqlBackupService *self)
{
  g_autoptr (GError) worst = NULL;

  for (guint i = 0; i < self->runners->len; i++)
    {
      GError *verdict = teesql_backup_runner_publish (self->runners->pdata[i]);

      if (worst == NULL)
        worst = verdict;
      else
        g_clear_error (&verdict);
    }
  if (worst != NULL)
    teesql_status_set_component (self->status, TEESQL_COMPONENT_BACKUP, TEESQL_HEALTH_DEGRADED, teesql_error_get_reason (worst),
                                 worst->message);
  else
    teesql_status_set_component (self->status, TEESQL_COMPONENT_BACKUP, TEESQL_HEALTH_OK, NULL, NULL);
}

static gboolean
tick_cb (gpointer data)
{
  TeesqlBackupService *self = data;

  if (!bury_runners (self))
    return G_SOURCE_CONTINUE;
  if (self->runners->len == 0 || g_get_monotonic_time () - self->asked_us > REMARK_US)
    ask_server (self);
  if (self->runners->len > 0)
    publish (self);
  return G_SOURCE_CONTINUE;
}

void
teesql_backup_service_start (TeesqlBackupService *self, TeesqlSecret *admin_password)
{
  if (self->password != NULL && teesql_secret_equal (self->password, admin_password))
    return;
  teesql_secret_ref (admin_password);
  g_clear_pointer (&self->password, teesql_secret_unref);
  self->password = admin_password;
  end_runners (self); /* they log in with the old one */
  if (self->tick_id == 0)
    self->tick_id = g_timeout_add (TICK_MS, tick_cb, self);
  if (bury_runners (self))
    ask_server (self);
}

void
teesql_backup_service_set_config (TeesqlBackupService *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  teesql_config_unref (self->config);
  self->config = config;
  for (guint i = 0; i < self->runners->len; i++)
    teesql_backup_runner_set_config (self->runners->pdata[i], config);
}

void
teesql_backup_service_stop (TeesqlBackupService *self)
{
  g_cancellable_cancel (self->stopping);
  g_clear_handle_id (&self->tick_id, g_source_remove);
  end_runners (self);
  /* the daemon ends, and nobody needs the loop any more: what is on its way was cancelled, and is waited for */
  g_ptr_array_set_size (self->ending, 0);
}

/* ---- tasks ---- */

static TeesqlBackupRunner *
find_runner (TeesqlBackupService *self, const char *storage, GError **error)
{
  g_autofree char *names = NULL;

  if (self->runners->len == 0)
    {
      teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "backup-starting",
                   "backups have not started: PostgreSQL is not ready");
      return NULL;
    }
  if (storage == NULL && self->runners->len == 1)
    return self->runners->pdata[0];
  for (guint i = 0; storage != NULL && i < self->runners->len; i++)
    if (g_str_equal (teesql_backup_runner_get_storage (self->runners->pdata[i]), storage))
      return self->runners->pdata[i];
  names = g_strjoinv (", ", (char **) teesql_config_get_list (self->config, "backup", "storages"));
  if (storage == NULL)
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_CONFIG, "storage-ambiguous",
                 "there are several storages\nhint: --storage NAME, one of %s", names);
  else
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "storage-unknown",
                 "[backup] storages does not name “%s”\nhint: it names %s", storage, names);
  return NULL;
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  char *text = teesql_backup_runner_do_finish (result, &error);

  if (text != NULL)
    g_task_return_pointer (task, text, g_free);
  else
    g_task_return_error (task, error);
}

void
teesql_backup_service_do_async (TeesqlBackupService *self, const char *storage, const TeesqlBackupTask *what, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  TeesqlBackupRunner *runner = find_runner (self, storage, &error);

  g_task_set_source_tag (task, teesql_backup_service_do_async);
  if (runner == NULL)
    g_task_return_error (task, error);
  else
    teesql_backup_runner_do_async (runner, what, cancellable, done_cb, g_steal_pointer (&task));
}

char *
teesql_backup_service_do_finish (TeesqlBackupService *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

gboolean
teesql_backup_service_get_progress (TeesqlBackupService *self, const char *storage, guint64 *out_done, guint64 *out_total, char **out_phase)
{
  TeesqlBackupRunner *runner = find_runner (self, storage, NULL);

  *out_phase = NULL;
  if (runner != NULL)
    teesql_backup_runner_get_progress (runner, out_done, out_total, out_phase);
  return *out_phase != NULL;
}

/* ---- object ---- */

TeesqlBackupService *
teesql_backup_service_new (TeesqlConfig *config, TeesqlStatus *status, TeesqlAttestService *attest, TeesqlKms *kms, GError **error)
{
  g_autoptr (TeesqlBackupService) self = NULL;
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];

  if (!teesql_cluster_id_load_or_make (teesql_config_get_string (config, "teesql", "state-directory"), cluster_id, error))
    return NULL;
  self = g_object_new (TEESQL_TYPE_BACKUP_SERVICE, NULL);
  self->config = teesql_config_ref (config);
  self->status = g_object_ref (status);
  self->keys = teesql_backup_keys_new (attest, kms, cluster_id, teesql_config_get_string (config, "teesql", "node"));
  return g_steal_pointer (&self);
}

static void
teesql_backup_service_finalize (GObject *object)
{
  TeesqlBackupService *self = TEESQL_BACKUP_SERVICE (object);

  teesql_backup_service_stop (self);
  g_ptr_array_unref (self->runners);
  g_hash_table_unref (self->remarks);
  g_ptr_array_unref (self->ending);
  g_clear_object (&self->keys);
  g_clear_object (&self->status);
  g_clear_object (&self->stopping);
  g_clear_pointer (&self->password, teesql_secret_unref);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_mutex_clear (&self->turn.lock);
  g_cond_clear (&self->turn.free);
  G_OBJECT_CLASS (teesql_backup_service_parent_class)->finalize (object);
}

static void
teesql_backup_service_class_init (TeesqlBackupServiceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_backup_service_finalize;
}

static void
teesql_backup_service_init (TeesqlBackupService *self)
{
  self->stopping = g_cancellable_new ();
  self->remarks = g_hash_table_new (g_str_hash, g_str_equal);
  self->runners = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_backup_runner_free);
  self->ending = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_backup_runner_free);
  g_mutex_init (&self->turn.lock);
  g_cond_init (&self->turn.free);
}
