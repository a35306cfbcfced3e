#include "daemon/teesql-daemon-postgres.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "daemon/teesql-notify.h"
#include "daemon/teesql-retry.h"

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS   10000
#define WATCH_SECONDS  5

struct _TeesqlDaemonPostgres
{
  GObject parent_instance;
  TeesqlConfig *config;
  TeesqlDaemonKeys *keys;
  TeesqlDaemonPlugins *plugins;
  TeesqlManagedPostgres *managed; /* NULL: external */
  gulong ready_id;
  TeesqlStatus *status;
  TeesqlPostgres *postgres;
  TeesqlBackend *backend;
  GCancellable *stopping;
  TeesqlRetry retry;
  guint watch_id;
  gboolean busy;  /* a provisioning runs */
  gboolean again; /* and the configuration has changed meanwhile */
  gboolean away;  /* the last look failed */
};

G_DEFINE_FINAL_TYPE (TeesqlDaemonPostgres, teesql_daemon_postgres, G_TYPE_OBJECT)

enum
{
  BACKEND_CHANGED,
  GAVE_UP,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void begin (gpointer data);

static gboolean
is_stopped (TeesqlDaemonPostgres *self)
{
  return g_cancellable_is_cancelled (self->stopping);
}

/* While a managed server is not, what its own part says of it stands in health. */
static gboolean
is_there (TeesqlDaemonPostgres *self)
{
  return self->managed == NULL || teesql_managed_postgres_get_state (self->managed) == TEESQL_MANAGED_READY;
}

static void
publish_absence (TeesqlDaemonPostgres *self)
{
  if (self->managed != NULL)
    teesql_managed_postgres_publish (self->managed);
}

/* A component that has served once is failed, not starting: faces tell "not yet" from "no longer" by that. */
static TeesqlHealth
health_when_waiting (TeesqlDaemonPostgres *self)
{
  return self->backend == NULL ? TEESQL_HEALTH_STARTING : TEESQL_HEALTH_FAILED;
}

static void
wait_and_try_again (TeesqlDaemonPostgres *self, TeesqlComponent component, const char *area, const GError *error)
{
  guint delay = teesql_retry_failed (&self->retry, error);

  self->busy = FALSE;
  teesql_status_set_component (self->status, component, health_when_waiting (self), teesql_error_get_reason (error), error->message);
  publish_absence (self);
  teesql_log_warning (area, "waiting: %s; next try in %u ms", error->message, delay);
  teesql_notify_status ("waiting: %s", error->message);
}

static void
provisioned_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemonPostgres) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) changes = NULL;
  TeesqlBackend *backend = teesql_postgres_provision_finish (TEESQL_POSTGRES (source), result, &changes, &error);

  if (is_stopped (self))
    {
      g_clear_pointer (&backend, teesql_backend_unref);
      return;
    }
  if (backend == NULL)
    {
      wait_and_try_again (self, TEESQL_COMPONENT_POSTGRES, "postgres", error);
      return;
    }
  self->busy = FALSE;
  self->away = FALSE;
  teesql_retry_succeeded (&self->retry);
  g_clear_pointer (&self->backend, teesql_backend_unref);
  self->backend = backend;
  publish_absence (self);
  g_signal_emit (self, signals[BACKEND_CHANGED], 0);
  if (self->again)
    begin (self);
}

static void
keys_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemonPostgres) self = data;
  g_autoptr (GError) error = NULL;
  /* the agent has answered by now and so has said what it is (SR-7) */
  gboolean usable =
      teesql_daemon_keys_fetch_finish (self->keys, result, &error) && teesql_daemon_plugins_check_agent (self->plugins, &error);

  if (is_stopped (self))
    return;
  if (!usable && error->domain == TEESQL_ATTEST_ERROR && error->code == TEESQL_ERROR_CONFIG)
    {
      g_signal_emit (self, signals[GAVE_UP], 0, error);
      return;
    }
  if (!usable)
    {
      wait_and_try_again (self, TEESQL_COMPONENT_KMS, "kms", error);
      return;
    }
  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_OK, NULL, NULL);
  if (self->managed != NULL)
    teesql_managed_postgres_start (self->managed, teesql_daemon_keys_get_admin_password (self->keys));
  if (!is_there (self))
    {
      self->busy = FALSE; /* it will say when it is */
      return;
    }
  teesql_postgres_provision_async (self->postgres, teesql_daemon_keys_get_admin_password (self->keys),
                                   teesql_daemon_keys_get_roles_key (self->keys), self->stopping, provisioned_cb, g_object_ref (self));
}

static void
begin (gpointer data)
{
  TeesqlDaemonPostgres *self = data;

  self->busy = TRUE;
  self->again = FALSE;
  teesql_daemon_keys_fetch_async (self->keys, self->config, self->stopping, keys_cb, g_object_ref (self));
}

/* The server was away: roles may be gone with a restored copy, so it is provisioned again, which changes nothing when all is right. */
static void
looked_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlDaemonPostgres) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPostgresState) state = teesql_postgres_read_state_finish (TEESQL_POSTGRES (source), result, &error);

  if (is_stopped (self) || self->busy)
    return;
  if (!is_there (self))
    {
      publish_absence (self);
      return;
    }
  if (state == NULL && !self->away)
    {
      self->away = TRUE;
      teesql_log_warning ("postgres", "the server does not answer: %s", error->message);
    }
  if (state == NULL)
    teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_FAILED, teesql_error_get_reason (error),
                                 error->message);
  else if (self->away)
    {
      teesql_log_info ("postgres", "the server answers again");
      begin (self);
    }
}

static gboolean
watch_cb (gpointer data)
{
  TeesqlDaemonPostgres *self = data;

  if (!self->busy && self->backend != NULL && self->retry.source_id == 0 && is_there (self))
    teesql_postgres_read_state_async (self->postgres, self->stopping, looked_cb, g_object_ref (self));
  return G_SOURCE_CONTINUE;
}

/* Another process, so it is provisioned again: it may have another past, as after a restore. */
static void
managed_ready_cb (TeesqlManagedPostgres *managed, gpointer data)
{
  TeesqlDaemonPostgres *self = data;

  if (is_stopped (self))
    return;
  if (self->busy)
    {
      self->again = TRUE;
      return;
    }
  teesql_retry_succeeded (&self->retry);
  begin (self);
}

void
teesql_daemon_postgres_start (TeesqlDaemonPostgres *self)
{
  self->watch_id = g_timeout_add_seconds (WATCH_SECONDS, watch_cb, self);
  begin (self);
}

void
teesql_daemon_postgres_stop (TeesqlDaemonPostgres *self)
{
  g_cancellable_cancel (self->stopping);
  teesql_postgres_disconnect (self->postgres); /* or a smart shutdown would wait for it */
  teesql_retry_clear (&self->retry);
  g_clear_handle_id (&self->watch_id, g_source_remove);
}

void
teesql_daemon_postgres_set_config (TeesqlDaemonPostgres *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = config;
  teesql_postgres_set_config (self->postgres, config);
  if (self->managed != NULL)
    teesql_managed_postgres_set_config (self->managed, config);
  if (self->busy)
    {
      self->again = TRUE;
      return;
    }
  teesql_retry_succeeded (&self->retry);
  begin (self);
}

TeesqlBackend *
teesql_daemon_postgres_get_backend (TeesqlDaemonPostgres *self)
{
  return self->backend;
}

TeesqlDaemonPostgres *
teesql_daemon_postgres_new (TeesqlConfig *config, TeesqlDaemonKeys *keys, TeesqlDaemonPlugins *plugins, TeesqlManagedPostgres *managed,
                            TeesqlStatus *status)
{
  TeesqlDaemonPostgres *self = g_object_new (TEESQL_TYPE_DAEMON_POSTGRES, NULL);

  self->config = teesql_config_ref (config);
  self->keys = g_object_ref (keys);
  self->plugins = g_object_ref (plugins);
  self->status = g_object_ref (status);
  self->postgres = teesql_postgres_new (config, status);
  if (managed != NULL)
    {
      self->managed = g_object_ref (managed);
      self->ready_id = g_signal_connect (managed, "ready", G_CALLBACK (managed_ready_cb), self);
    }
  return self;
}

static void
teesql_daemon_postgres_finalize (GObject *object)
{
  TeesqlDaemonPostgres *self = TEESQL_DAEMON_POSTGRES (object);

  teesql_daemon_postgres_stop (self);
  if (self->managed != NULL)
    g_clear_signal_handler (&self->ready_id, self->managed);
  g_clear_object (&self->managed);
  g_clear_object (&self->postgres);
  g_clear_object (&self->keys);
  g_clear_object (&self->plugins);
  g_clear_object (&self->status);
  g_clear_object (&self->stopping);
  g_clear_pointer (&self->backend, teesql_backend_unref);
  g_clear_pointer (&self->config, teesql_config_unref);
  G_OBJECT_CLASS (teesql_daemon_postgres_parent_class)->finalize (object);
}

static void
teesql_daemon_postgres_class_init (TeesqlDaemonPostgresClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_daemon_postgres_finalize;
  signals[BACKEND_CHANGED] =
      g_signal_new ("backend-changed", TEESQL_TYPE_DAEMON_POSTGRES, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[GAVE_UP] =
      g_signal_new ("gave-up", TEESQL_TYPE_DAEMON_POSTGRES, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
teesql_daemon_postgres_init (TeesqlDaemonPostgres *self)
{
  self->stopping = g_cancellable_new ();
  teesql_retry_init (&self->retry, RETRY_FIRST_MS, RETRY_MAX_MS, begin, self);
}
