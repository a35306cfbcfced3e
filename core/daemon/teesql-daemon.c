#include "daemon/teesql-daemon.h"

#include "attest/teesql-attest-service.h"
#include "base/teesql-clock.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "daemon/teesql-activation.h"
#include "daemon/teesql-daemon-backup.h"
#include "daemon/teesql-daemon-exposure.h"
#include "daemon/teesql-daemon-folders.h"
#include "daemon/teesql-daemon-keys.h"
#include "daemon/teesql-daemon-log.h"
#include "daemon/teesql-daemon-plugins.h"
#include "daemon/teesql-daemon-postgres.h"
#include "daemon/teesql-daemon-reload.h"
#include "daemon/teesql-notify.h"
#include "daemon/teesql-retry.h"
#include "http/teesql-http-server.h"
#include "proxy/teesql-proxy.h"
#include "teesql-build.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_RETRY_FIRST_MS 500
#define PLUGIN_RETRY_MAX_MS   10000

struct _TeesqlDaemon
{
  GObject parent_instance;
  TeesqlConfig *config;
  GMainLoop *loop;
  GCancellable *stopping;
  TeesqlStatus *status;
  TeesqlDaemonReload *reload;
  TeesqlDaemonFolders *folders;
  TeesqlClock *clock;
  TeesqlHttpServer *http;
  TeesqlDaemonPlugins *plugins;
  TeesqlRetry plugin_retry;
  TeesqlAttestService *attest;
  TeesqlDaemonKeys *keys;
  TeesqlManagedPostgres *managed; /* NULL: external */
  TeesqlDaemonPostgres *postgres;
  TeesqlDaemonBackup *backup;
  TeesqlProxy *proxy;
  guint signal_ids[3];
  guint8 digest[48]; /* of the configuration in force, as published */
  gboolean draining;
  int exit_status;
};

G_DEFINE_FINAL_TYPE (TeesqlDaemon, teesql_daemon, G_TYPE_OBJECT)

static void
end (TeesqlDaemon *self, int exit_status)
{
  self->exit_status = exit_status;
  g_cancellable_cancel (self->stopping);
  g_main_loop_quit (self->loop);
}

/* What waiting does not mend ends the program: a service manager and its operator should see it. */
static void
give_up (TeesqlDaemon *self, const GError *error, int exit_status)
{
  teesql_daemon_log_error ("daemon", error);
  teesql_notify_status ("%s", error->message);
  end (self, exit_status);
}

/* ---- the last stage: clients ---- */

static void
log_ready (TeesqlDaemon *self)
{
  teesql_status_set_component (self->status, TEESQL_COMPONENT_PROXY, TEESQL_HEALTH_OK, NULL, NULL);
  teesql_log_info ("daemon", "ready: clients come to port %u", teesql_proxy_get_port (self->proxy));
  teesql_notify_status ("clients come to port %u", teesql_proxy_get_port (self->proxy));
  teesql_notify_ready ();
}

static gboolean
listen_for_clients (TeesqlDaemon *self, GError **error)
{
  const TeesqlProxyOptions options = {
    .config = self->config,
    .attest = self->attest,
    .status = self->status,
    .backend = teesql_daemon_postgres_get_backend (self->postgres),
    .roles_key = teesql_daemon_keys_get_roles_key (self->keys),
  };
  guint n_activated = 0;
  g_autofree int *activated = teesql_activation_take ("proxy", &n_activated);

  self->proxy = teesql_proxy_new (&options, error);
  return self->proxy != NULL && teesql_proxy_listen (self->proxy, n_activated > 0 ? activated : NULL, n_activated, error);
}

static void
open_proxy (TeesqlDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (listen_for_clients (self, &error))
    log_ready (self);
  else
    give_up (self, error, TEESQL_EXIT_FAILED);
}

static void
publish_exposure (TeesqlDaemon *self)
{
  g_autofree char *exposed = teesql_daemon_exposure_find (self->config);

  teesql_status_remove_notice (self->status, "agent-socket-exposed", "");
  if (exposed == NULL)
    return;
  teesql_log_warning ("daemon", "agent-socket-exposed: %s", exposed);
  teesql_status_add_notice (self->status, "agent-socket-exposed", "", exposed);
}

static void
backend_changed_cb (TeesqlDaemonPostgres *postgres, gpointer data)
{
  TeesqlDaemon *self = data;

  if (self->draining)
    return;
  publish_exposure (self);
  teesql_daemon_backup_start (self->backup, teesql_daemon_keys_get_admin_password (self->keys));
  if (self->proxy == NULL)
    open_proxy (self);
  else
    teesql_proxy_set_backend (self->proxy, teesql_daemon_postgres_get_backend (postgres));
}

/* ---- keys and PostgreSQL ---- */

static void
gave_up_cb (TeesqlDaemonPostgres *postgres, const GError *error, gpointer data)
{
  give_up (data, error, TEESQL_EXIT_CONFIG);
}

static void
start_postgres (TeesqlDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (!teesql_daemon_backup_prepare (self->backup, self->attest, teesql_daemon_plugins_get_kms (self->plugins), &error))
    {
      give_up (self, error, TEESQL_EXIT_FAILED);
      return;
    }
  self->keys = teesql_daemon_keys_new (self->attest, teesql_daemon_plugins_get_kms (self->plugins),
                                       teesql_config_get_string (self->config, "teesql", "state-directory"));
  self->postgres = teesql_daemon_postgres_new (self->config, self->keys, self->plugins, self->managed, self->status);
  g_signal_connect (self->postgres, "gave-up", G_CALLBACK (gave_up_cb), self);
  g_signal_connect (self->postgres, "backend-changed", G_CALLBACK (backend_changed_cb), self);
  teesql_daemon_postgres_start (self->postgres);
}

/* ---- identity ---- */

static void
identity_changed_cb (TeesqlAttestService *attest, gpointer data)
{
  TeesqlDaemon *self = data;
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (attest);

  if (identity != NULL && self->postgres == NULL && !self->draining)
    start_postgres (self);
}

/* A first attempt that fails is repeated by the service; what never works out is a mix of trust that the agent has just shown. */
static void
identity_started_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemon) self = data;
  g_autoptr (GError) error = NULL;

  if (teesql_attest_service_start_finish (TEESQL_ATTEST_SERVICE (source), result, &error) || g_cancellable_is_cancelled (self->stopping))
    return;
  if (error->domain == TEESQL_ATTEST_ERROR && error->code == TEESQL_ERROR_CONFIG)
    give_up (self, error, TEESQL_EXIT_CONFIG);
  else
    teesql_notify_status ("waiting for an identity: %s", error->message);
}

static void
publish_digest (TeesqlDaemon *self, const guint8 digest[48])
{
  g_autofree char *hex = teesql_hex_encode (digest, 48);

  if (memcmp (self->digest, digest, sizeof self->digest) == 0)
    return;
  memcpy (self->digest, digest, sizeof self->digest);
  teesql_status_set_fact (self->status, "config_digest", hex);
  teesql_log_info ("config", "configuration digest %s", hex);
}

static gboolean
make_attest_service (TeesqlDaemon *self, GError **error)
{
  const TeesqlAttestOptions base = {
    .config = self->config,
    .attester = teesql_daemon_plugins_get_attester (self->plugins),
    .verifier_names = teesql_config_get_list (self->config, "teesql", "verifiers"),
    .clock = self->clock,
    .status = self->status,
    .direction = TEESQL_DIRECTION_CLIENTS,
    .usage = TEESQL_TLS_USAGE_SERVER,
  };
  TeesqlAttestOptions options = base;
  guint8 digest[48];

  teesql_daemon_plugins_digest (self->plugins, self->config, digest);
  publish_digest (self, digest);
  options.config_digest = digest;
  options.verifiers = teesql_daemon_plugins_get_verifiers (self->plugins, &options.n_verifiers);
  self->attest = teesql_attest_service_new (&options, error);
  return self->attest != NULL;
}

static void
start_identity (TeesqlDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (!make_attest_service (self, &error))
    {
      give_up (self, error, TEESQL_EXIT_CONFIG);
      return;
    }
  g_signal_connect (self->attest, "identity-changed", G_CALLBACK (identity_changed_cb), self);
  teesql_attest_service_start_async (self->attest, self->stopping, identity_started_cb, g_object_ref (self));
}

/* ---- plugins ---- */

static void
plugins_created_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemon) self = data;
  g_autoptr (GError) error = NULL;
  gboolean created = teesql_daemon_plugins_create_finish (TEESQL_DAEMON_PLUGINS (source), result, &error);

  if (g_cancellable_is_cancelled (self->stopping))
    return;
  if (created)
    {
      start_identity (self);
      return;
    }
  if (teesql_daemon_plugins_is_final (error))
    {
      give_up (self, error, TEESQL_EXIT_CONFIG);
      return;
    }
  teesql_log_warning ("plugin", "waiting: %s; next try in %u ms", error->message, teesql_retry_failed (&self->plugin_retry, error));
  teesql_status_set_component (self->status, TEESQL_COMPONENT_IDENTITY, TEESQL_HEALTH_STARTING, teesql_error_get_reason (error),
                               error->message);
}

static void
create_plugins (gpointer data)
{
  TeesqlDaemon *self = data;

  teesql_daemon_plugins_create_async (self->plugins, self->stopping, plugins_created_cb, g_object_ref (self));
}

/* ---- reload ---- */

static gboolean
judge_by (TeesqlDaemon *self, TeesqlConfig *config, GError **error)
{
  guint8 digest[48];

  teesql_daemon_plugins_digest (self->plugins, config, digest);
  if (!teesql_attest_service_reload (self->attest, config, digest, error))
    return FALSE;
  publish_digest (self, digest);
  return TRUE;
}

/* Where one of the two that can refuse does, the other gets back what it had: a refused reload changes nothing. */
static gboolean
put_in_force (TeesqlDaemon *self, TeesqlConfig *next, GError **error)
{
  if (self->attest != NULL && !judge_by (self, next, error))
    return FALSE;
  if (self->proxy != NULL && !teesql_proxy_set_config (self->proxy, next, error))
    {
      if (!judge_by (self, self->config, NULL))
        teesql_log_error ("config", "the policy of before cannot be put back");
      return FALSE;
    }
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = teesql_config_ref (next);
  teesql_daemon_log_reload (next);
  teesql_http_server_set_config (self->http, next);
  if (self->postgres != NULL)
    teesql_daemon_postgres_set_config (self->postgres, next);
  teesql_daemon_backup_set_config (self->backup, next);
  return TRUE;
}

static gboolean
reload_cb (gpointer data)
{
  TeesqlDaemon *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) next = NULL;

  if (self->draining)
    return G_SOURCE_CONTINUE;
  teesql_notify_reloading ();
  teesql_log_info ("config", "reload");
  next = teesql_daemon_reload_read (self->reload, self->config);
  if (next != NULL && !put_in_force (self, next, &error))
    teesql_daemon_reload_refuse (self->reload, error);
  else if (next != NULL)
    teesql_log_info ("config", "reload done");
  if (self->proxy != NULL)
    teesql_notify_ready ();
  return G_SOURCE_CONTINUE;
}

/* ---- the end ---- */

static void
server_stopped_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemon) self = data;

  (void) teesql_managed_postgres_stop_finish (TEESQL_MANAGED_POSTGRES (source), result, NULL);
  end (self, TEESQL_EXIT_DONE);
}

/* The last thing that ends, since everybody else may still need it. */
static void
stop_server (TeesqlDaemon *self)
{
  teesql_daemon_backup_stop (self->backup);
  if (self->postgres != NULL)
    teesql_daemon_postgres_stop (self->postgres);
  if (self->managed == NULL)
    end (self, TEESQL_EXIT_DONE);
  else
    teesql_managed_postgres_stop_async (self->managed, server_stopped_cb, g_object_ref (self));
}

static void
drained_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemon) self = data;
  g_autoptr (GError) error = NULL;

  if (teesql_proxy_drain_finish (TEESQL_PROXY (source), result, &error))
    teesql_log_info ("daemon", "drained");
  stop_server (self);
}

static gboolean
terminate_cb (gpointer data)
{
  TeesqlDaemon *self = data;

  if (self->draining || (self->proxy == NULL && self->managed == NULL))
    {
      /* a managed server is then stopped by its launcher */
      teesql_log_info ("daemon", "ends at once");
      end (self, TEESQL_EXIT_DONE);
      return G_SOURCE_CONTINUE;
    }
  self->draining = TRUE;
  teesql_notify_stopping ();
  if (self->proxy == NULL)
    {
      stop_server (self);
      return G_SOURCE_CONTINUE;
    }
  teesql_log_info ("daemon", "drains: no new session, running ones have %u ms",
                   teesql_config_get_duration_ms (self->config, "proxy", "drain-timeout"));
  teesql_proxy_drain_async (self->proxy, self->stopping, drained_cb, g_object_ref (self));
  return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static void
publish_facts (TeesqlDaemon *self)
{
  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    if (i != TEESQL_COMPONENT_BACKUP || teesql_config_get_list (self->config, "backup", "storages")[0] != NULL)
      teesql_status_set_component (self->status, i, TEESQL_HEALTH_STARTING, NULL, NULL);
  teesql_status_set_component (self->status, TEESQL_COMPONENT_CONFIG, TEESQL_HEALTH_OK, NULL, NULL);
  teesql_status_set_fact (self->status, "cluster", teesql_config_get_string (self->config, "teesql", "cluster"));
  teesql_status_set_fact (self->status, "node", teesql_config_get_string (self->config, "teesql", "node"));
  teesql_status_set_fact (self->status, "version", TEESQL_VERSION);
}

/* Sockets of the service manager, else those of the configuration. */
static gboolean
open_http (TeesqlDaemon *self, GError **error)
{
  guint n_activated = 0;
  g_autofree int *activated = teesql_activation_take ("http", &n_activated);

  if (n_activated == 0)
    {
      self->http = teesql_http_server_new_from_config (self->config, self->status, error);
      return self->http != NULL;
    }
  self->http = teesql_http_server_new (self->status);
  teesql_http_server_set_config (self->http, self->config);
  for (guint i = 0; i < n_activated; i++)
    if (!teesql_http_server_adopt (self->http, activated[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
prepare (TeesqlDaemon *self, GError **error)
{
  g_autofree char *floor_file =
      g_build_filename (teesql_config_get_string (self->config, "teesql", "state-directory"), "clock-floor", NULL);

  self->folders = teesql_daemon_folders_new (self->config, error);
  if (self->folders == NULL)
    return FALSE;
  publish_facts (self);
  self->clock = teesql_clock_new (floor_file, NULL, error);
  if (self->clock == NULL)
    return FALSE;
  self->plugins = teesql_daemon_plugins_new (self->config);
  self->backup = teesql_daemon_backup_new (self->config, self->status, self->managed, error);
  if (self->backup == NULL || !open_http (self, error))
    return FALSE;
  if (teesql_http_server_get_port (self->http) != 0)
    teesql_log_info ("http", "health is shown at port %u", teesql_http_server_get_port (self->http));
  return TRUE;
}

int
teesql_daemon_run (TeesqlDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (!prepare (self, &error))
    {
      teesql_daemon_log_error ("daemon", error);
      return g_str_equal (teesql_error_get_reason (error), "folder-unusable") ? TEESQL_EXIT_CONFIG : TEESQL_EXIT_FAILED;
    }
  self->signal_ids[0] = g_unix_signal_add (SIGTERM, terminate_cb, self);
  self->signal_ids[1] = g_unix_signal_add (SIGINT, terminate_cb, self);
  self->signal_ids[2] = g_unix_signal_add (SIGHUP, reload_cb, self);
  teesql_notify_start_watchdog ();
  create_plugins (self);
  g_main_loop_run (self->loop);
  return self->exit_status;
}

static void
launcher_gave_up_cb (TeesqlManagedPostgres *managed, const GError *error, gpointer data)
{
  give_up (data, error, TEESQL_EXIT_FAILED);
}

void
teesql_daemon_take_launcher (TeesqlDaemon *self, TeesqlManagedPlace *place, const TeesqlLauncherEnds *ends)
{
  self->managed = teesql_managed_postgres_new (place, ends, self->config, self->status);
  g_signal_connect (self->managed, "gave-up", G_CALLBACK (launcher_gave_up_cb), self);
}

TeesqlDaemon *
teesql_daemon_new (TeesqlConfig *config, const char *config_path)
{
  TeesqlDaemon *self = g_object_new (TEESQL_TYPE_DAEMON, NULL);

  self->config = teesql_config_ref (config);
  self->reload = teesql_daemon_reload_new (config_path, self->status);
  return self;
}

static void
teesql_daemon_dispose (GObject *object)
{
  TeesqlDaemon *self = TEESQL_DAEMON (object);

  g_cancellable_cancel (self->stopping);
  for (guint i = 0; i < G_N_ELEMENTS (self->signal_ids); i++)
    g_clear_handle_id (&self->signal_ids[i], g_source_remove);
  teesql_retry_clear (&self->plugin_retry);
  if (self->postgres != NULL)
    teesql_daemon_postgres_stop (self->postgres);
  if (self->attest != NULL)
    teesql_attest_service_stop (self->attest);
  g_clear_object (&self->proxy);
  g_clear_pointer (&self->backup, teesql_daemon_backup_free);
  if (self->http != NULL)
    teesql_http_server_stop (self->http);
  g_clear_object (&self->http);
  g_clear_object (&self->postgres);
  if (self->managed != NULL)
    g_signal_handlers_disconnect_by_data (self->managed, self);
  g_clear_object (&self->managed);
  g_clear_object (&self->keys);
  g_clear_object (&self->attest);
  g_clear_object (&self->plugins);
  G_OBJECT_CLASS (teesql_daemon_parent_class)->dispose (object);
}

static void
teesql_daemon_finalize (GObject *object)
{
  TeesqlDaemon *self = TEESQL_DAEMON (object);

  g_clear_pointer (&self->clock, teesql_clock_unref);
  g_clear_pointer (&self->folders, teesql_daemon_folders_free); /* last: the lock covers all that was here */
  g_clear_pointer (&self->reload, teesql_daemon_reload_free);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_object (&self->status);
  g_clear_object (&self->stopping);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  G_OBJECT_CLASS (teesql_daemon_parent_class)->finalize (object);
}

static void
teesql_daemon_class_init (TeesqlDaemonClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_daemon_dispose;
  G_OBJECT_CLASS (klass)->finalize = teesql_daemon_finalize;
}

static void
teesql_daemon_init (TeesqlDaemon *self)
{
  self->loop = g_main_loop_new (NULL, FALSE);
  self->stopping = g_cancellable_new ();
  self->status = teesql_status_new ();
  teesql_retry_init (&self->plugin_retry, PLUGIN_RETRY_FIRST_MS, PLUGIN_RETRY_MAX_MS, create_plugins, self);
}
