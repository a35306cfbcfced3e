#include "postgres/teesql-managed-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-disk-watch.h"
#include "postgres/teesql-managed-probe.h"
#include "postgres/teesql-server-settings.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROBE_MS          100
#define RECOVERY_PROBE_MS 1000
#define REFUSED_FIRST_MS  1000
#define REFUSED_MAX_MS    10000
#define TICK_SECONDS      5

G_DEFINE_FINAL_TYPE (TeesqlManagedPostgres, teesql_managed_postgres, G_TYPE_OBJECT)

enum
{
  READY,
  AWAY,
  GAVE_UP,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static gboolean
is_running (const TeesqlManagedPostgres *self)
{
  return self->pid != 0;
}

static gboolean
is_ending (const TeesqlManagedPostgres *self)
{
  return self->state == TEESQL_MANAGED_STOPPING || self->state == TEESQL_MANAGED_STOPPED;
}

void
teesql_managed_enter (TeesqlManagedPostgres *self, TeesqlManagedState state)
{
  static const char *const names[] = { "idle",       "waiting", "filling",     "initializing", "starting",
                                       "recovering", "ready",   "backing-off", "stopping",     "stopped" };
  gboolean was_ready = self->state == TEESQL_MANAGED_READY;

  self->state = state;
  teesql_status_set_fact (self->status, "postgres_state", names[state]);
  if (was_ready && state != TEESQL_MANAGED_READY)
    g_signal_emit (self, signals[AWAY], 0);
}

/* Not yet, or no longer. */
TeesqlHealth
teesql_managed_health_when_waiting (const TeesqlManagedPostgres *self)
{
  return self->served ? TEESQL_HEALTH_FAILED : TEESQL_HEALTH_STARTING;
}

/* ---- one thing at a time ---- */

typedef struct
{
  TeesqlManagedPostgres *self;
  TeesqlManagedNext next;
} Timer;

static gboolean
timer_cb (gpointer data)
{
  Timer *timer = data;

  timer->self->timer_id = 0;
  timer->next (timer->self);
  return G_SOURCE_REMOVE;
}

void
teesql_managed_later (TeesqlManagedPostgres *self, guint ms, TeesqlManagedNext next)
{
  Timer *timer = g_new (Timer, 1);

  *timer = (Timer){ self, next };
  g_clear_handle_id (&self->timer_id, g_source_remove);
  self->timer_id = g_timeout_add_full (G_PRIORITY_DEFAULT, ms, timer_cb, timer, g_free);
}

static void
lose_launcher (TeesqlManagedPostgres *self)
{
  g_autoptr (GError) error = teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "postgres-launcher", 0,
                                               "the launcher of PostgreSQL has ended, so nothing can be started any more");

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_clear_handle_id (&self->socket_id, g_source_remove);
  self->pid = 0;
  teesql_managed_enter (self, TEESQL_MANAGED_STOPPED);
  if (self->stop_task != NULL)
    {
      g_autoptr (GTask) task = g_steal_pointer (&self->stop_task);
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_signal_emit (self, signals[GAVE_UP], 0, error);
}

/* @attached: taken; -1 for none */
void
teesql_managed_ask (TeesqlManagedPostgres *self, TeesqlLaunchVerb verb, gint32 number, int attached)
{
  TeesqlLaunchMessage message = { .verb = verb, .number = number, .serial = ++self->serial };
  gboolean sent = teesql_launch_message_send (self->socket, &message, attached);

  if (attached >= 0)
    close (attached);
  if (verb != TEESQL_LAUNCH_STOP && verb != TEESQL_LAUNCH_RELOAD)
    {
      self->awaited = message.serial;
      self->asked = verb;
    }
  if (!sent)
    lose_launcher (self);
}

/* Nothing was changed; somebody has to act, and then it goes on by itself. */
void
teesql_managed_refuse (TeesqlManagedPostgres *self, const char *reason, const char *message)
{
  guint delay = MIN (REFUSED_FIRST_MS << MIN (self->n_refused, 10u), REFUSED_MAX_MS);

  if (self->n_refused++ == 0 || g_strcmp0 (self->verdict.reason, reason) != 0)
    teesql_log_error ("postgres", "%s: %s", reason, message);
  teesql_managed_enter (self, TEESQL_MANAGED_BACKING_OFF);
  teesql_managed_verdict_set (&self->verdict, TEESQL_HEALTH_FAILED, reason, message);
  teesql_managed_later (self, delay, teesql_managed_look);
}

/* ---- the server runs ---- */

static gint32
stop_mode (TeesqlManagedPostgres *self)
{
  const char *word = teesql_config_get_string (self->config, "postgresql", "stop-mode");

  if (g_str_equal (word, "smart"))
    return TEESQL_LAUNCH_STOP_SMART;
  return g_str_equal (word, "immediate") ? TEESQL_LAUNCH_STOP_IMMEDIATE : TEESQL_LAUNCH_STOP_FAST;
}

static void probe (TeesqlManagedPostgres *self);
static void ended (TeesqlManagedPostgres *self, int wait_status);

static void
become_ready (TeesqlManagedPostgres *self)
{
  teesql_log_info ("postgres", "PostgreSQL answers, process %d", self->pid);
  self->served = TRUE;
  self->full_disk = FALSE;
  self->ready_since_us = g_get_monotonic_time ();
  teesql_managed_enter (self, TEESQL_MANAGED_READY);
  g_signal_emit (self, signals[READY], 0);
}

static void
show_recovery (TeesqlManagedPostgres *self)
{
  if (self->state == TEESQL_MANAGED_RECOVERING)
    return;
  teesql_managed_enter (self, TEESQL_MANAGED_RECOVERING);
  teesql_log_info ("postgres", "PostgreSQL is in recovery; roles are provisioned once it is promoted");
  teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), "in-recovery",
                              "PostgreSQL is in recovery; clients are let in once it is promoted");
}

static void
probed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TeesqlManagedPostgres) self = data;
  gboolean cancelled = g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result)));
  TeesqlProbe found = teesql_managed_probe_finish (result);

  if (cancelled || (self->state != TEESQL_MANAGED_STARTING && self->state != TEESQL_MANAGED_RECOVERING))
    return;
  if (found == TEESQL_PROBE_ANSWERS)
    {
      become_ready (self);
      return;
    }
  if (found == TEESQL_PROBE_RECOVERING)
    show_recovery (self);
  teesql_managed_later (self, found == TEESQL_PROBE_RECOVERING ? RECOVERY_PROBE_MS : PROBE_MS, probe);
}

static void
probe (TeesqlManagedPostgres *self)
{
  teesql_managed_probe_async (self->config, self->password, self->probing, probed_cb, g_object_ref (self));
}

static void
started (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  if (message->number == 0 && self->stop_task != NULL)
    {
      ended (self, 0);
      return;
    }
  if (message->number == 0)
    {
      teesql_managed_refuse (self, message->reason, message->text);
      return;
    }
  self->pid = message->number;
  self->n_refused = 0;
  g_clear_object (&self->probing);
  self->probing = g_cancellable_new ();
  if (is_ending (self)) /* asked to stop between question and answer */
    {
      teesql_managed_ask (self, TEESQL_LAUNCH_STOP, stop_mode (self), -1);
      return;
    }
  teesql_managed_enter (self, TEESQL_MANAGED_STARTING);
  teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), "postgres-starting",
                              "PostgreSQL has been started and does not answer yet");
  probe (self);
}

static void
try_again (TeesqlManagedPostgres *self)
{
  guint64 room = teesql_disk_watch_free_bytes (self->place->data_directory);

  /* started on a full disk it would only end again */
  if (g_strcmp0 (self->verdict.reason, "disk-full") == 0 && room < TEESQL_DISK_ROOM_TO_START)
    teesql_managed_later (self, REFUSED_FIRST_MS, try_again);
  else
    teesql_managed_look (self);
}

static void
ended (TeesqlManagedPostgres *self, int wait_status)
{
  guint delay = 0;

  self->pid = 0;
  g_cancellable_cancel (self->probing);
  if (self->stop_task != NULL)
    {
      g_autoptr (GTask) task = g_steal_pointer (&self->stop_task);

      teesql_log_info ("postgres", "PostgreSQL has ended");
      teesql_managed_enter (self, TEESQL_MANAGED_STOPPED);
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (self->restarting)
    {
      self->restarting = FALSE;
      teesql_managed_enter (self, TEESQL_MANAGED_WAITING);
      teesql_managed_look (self);
      return;
    }
  teesql_managed_enter (self, TEESQL_MANAGED_BACKING_OFF);
  delay = teesql_managed_verdict_ended (&self->verdict, wait_status, teesql_server_log_get_problem (self->log),
                                        teesql_server_log_saw_full_disk (self->log), self->served,
                                        teesql_config_get_duration_ms (self->config, "postgresql", "restart-backoff-max"));
  teesql_managed_later (self, delay, try_again);
}

/* ---- settings ---- */

static int
make_file (const char *text)
{
  int fd = memfd_create ("postgresql.conf", MFD_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) != (gssize) strlen (text))
    teesql_log_error ("postgres", "the settings cannot be passed on: %s", g_strerror (errno));
  return fd;
}

void
teesql_managed_configure (TeesqlManagedPostgres *self)
{
  g_free (self->written);
  self->written = teesql_server_settings_write (self->config, self->core_settings);
  self->settings_changed = FALSE;
  teesql_managed_ask (self, TEESQL_LAUNCH_CONFIGURE, 0, make_file (self->written));
}

/* A server that is not there yet gets them when it is started. */
static void
apply_settings (TeesqlManagedPostgres *self)
{
  g_autofree char *text = NULL;

  if (!is_running (self) || is_ending (self))
    return;
  if (self->awaited != 0)
    {
      self->settings_changed = TRUE;
      return;
    }
  text = teesql_server_settings_write (self->config, self->core_settings);
  if (g_strcmp0 (text, self->written) != 0)
    teesql_managed_configure (self);
}

static void
configured (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  if (message->reason[0] != '\0' && is_running (self))
    {
      teesql_log_error ("postgres", "%s: %s; the server keeps its settings", message->reason, message->text);
      g_clear_pointer (&self->written, g_free);
    }
  else if (message->reason[0] != '\0')
    teesql_managed_refuse (self, message->reason, message->text);
  else if (is_running (self))
    {
      teesql_log_info ("postgres", "the settings have changed, PostgreSQL is reloaded");
      teesql_managed_ask (self, TEESQL_LAUNCH_RELOAD, 0, -1);
    }
  else
    {
      teesql_server_log_forget (self->log);
      teesql_managed_ask (self, TEESQL_LAUNCH_START, 0, -1);
    }
}

void
teesql_managed_look (TeesqlManagedPostgres *self)
{
  if (self->state != TEESQL_MANAGED_BACKING_OFF)
    teesql_managed_enter (self, TEESQL_MANAGED_WAITING);
  teesql_managed_ask (self, TEESQL_LAUNCH_JUDGE, 0, -1);
}

/* ---- the launcher speaks ---- */

/* Where a stop was asked for meanwhile, the answer begins nothing new. */
static void
answered (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  TeesqlLaunchVerb asked = self->asked;

  self->awaited = 0;
  if (asked == TEESQL_LAUNCH_START)
    started (self, message);
  else if (is_ending (self))
    return;
  else if (asked == TEESQL_LAUNCH_JUDGE)
    teesql_managed_judged (self, message);
  else if (asked == TEESQL_LAUNCH_INITDB)
    teesql_managed_initialized (self, message);
  else if (asked == TEESQL_LAUNCH_CONFIGURE)
    configured (self, message);
  if (self->settings_changed && self->awaited == 0)
    {
      self->settings_changed = FALSE;
      apply_settings (self);
    }
}

static gboolean
heard_cb (int fd, GIOCondition condition, gpointer data)
{
  g_autoptr (TeesqlManagedPostgres) self = g_object_ref (data);
  TeesqlLaunchMessage message = { 0 };
  int attached = -1;

  switch (teesql_launch_message_receive (fd, &message, &attached))
    {
    case TEESQL_LAUNCH_NOTHING:
      return G_SOURCE_CONTINUE;
    case TEESQL_LAUNCH_GONE:
      self->socket_id = 0;
      lose_launcher (self);
      return G_SOURCE_REMOVE;
    case TEESQL_LAUNCH_GOT:
    default:
      break;
    }
  if (attached >= 0)
    close (attached);
  if (message.verb == TEESQL_LAUNCH_EXITED)
    ended (self, message.number);
  else if (self->awaited != 0 && message.serial == self->awaited)
    answered (self, &message);
  return self->socket_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- what others ask ---- */

/* It runs, and what wants to write fails. Who provisions says how it is afterwards. */
static void
show_full_disk (TeesqlManagedPostgres *self)
{
  guint64 room = teesql_disk_watch_free_bytes (self->place->data_directory);

  if (room < TEESQL_DISK_FULL && !self->full_disk)
    {
      self->full_disk = TRUE;
      teesql_log_error ("postgres", "disk-full: nothing can be written where %s is", self->place->data_directory);
      teesql_status_set_component (self->status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_DEGRADED, "disk-full",
                                   "nothing can be written where the data are\nhint: make room; nothing is deleted here");
    }
  else if (room >= TEESQL_DISK_ROOM_TO_START && self->full_disk)
    {
      self->full_disk = FALSE;
      g_signal_emit (self, signals[READY], 0);
    }
}

static gboolean
tick_cb (gpointer data)
{
  TeesqlManagedPostgres *self = data;

  self->low_disk = teesql_disk_watch_look (self->status, self->place->data_directory, self->low_disk);
  if (self->state == TEESQL_MANAGED_READY)
    {
      teesql_managed_verdict_runs (&self->verdict, g_get_monotonic_time () - self->ready_since_us);
      show_full_disk (self);
    }
  return G_SOURCE_CONTINUE;
}

static void
warn_of_shared_user (TeesqlManagedPostgres *self)
{
  g_autofree char *text = NULL;

  if (self->place->switches)
    return;
  text = g_strdup_printf ("PostgreSQL runs as the daemon's own user, %s: what runs in it reaches the daemon's files and the guest agent\n"
                          "hint: start the daemon as root, or with the capabilities of its unit for managed mode",
                          self->place->user);
  teesql_log_warning ("postgres", "postgres-shares-user: %s", text);
  teesql_status_add_notice (self->status, "postgres-shares-user", "", text);
}

void
teesql_managed_postgres_start (TeesqlManagedPostgres *self, TeesqlSecret *admin_password)
{
  teesql_secret_ref (admin_password);
  g_clear_pointer (&self->password, teesql_secret_unref);
  self->password = admin_password;
  if (self->state != TEESQL_MANAGED_IDLE)
    return;
  warn_of_shared_user (self);
  self->tick_id = g_timeout_add_seconds (TICK_SECONDS, tick_cb, self);
  teesql_managed_look (self);
}

void
teesql_managed_postgres_set_filler (TeesqlManagedPostgres *self, TeesqlManagedFiller filler, gpointer user_data)
{
  self->filler = filler;
  self->filler_data = user_data;
}

void
teesql_managed_postgres_set_setting (TeesqlManagedPostgres *self, const char *name, const char *value)
{
  TeesqlServerSetting *setting = NULL;

  for (guint i = 0; i < self->core_settings->len; i++)
    if (g_str_equal (((TeesqlServerSetting *) self->core_settings->pdata[i])->name, name))
      g_ptr_array_remove_index (self->core_settings, i--);
  if (value != NULL)
    {
      setting = g_new0 (TeesqlServerSetting, 1);
      setting->name = g_strdup (name);
      setting->value = g_strdup (value);
      g_ptr_array_add (self->core_settings, setting);
    }
  apply_settings (self);
}

void
teesql_managed_postgres_set_config (TeesqlManagedPostgres *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = config;
  apply_settings (self);
}

void
teesql_managed_postgres_restart (TeesqlManagedPostgres *self)
{
  if (!is_running (self) || is_ending (self))
    return;
  teesql_log_info ("postgres", "PostgreSQL is started again");
  self->restarting = TRUE;
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_cancellable_cancel (self->probing);
  teesql_managed_enter (self, TEESQL_MANAGED_WAITING);
  teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), "postgres-restarting",
                              "PostgreSQL is started again, as it was asked to be");
  teesql_managed_ask (self, TEESQL_LAUNCH_STOP, stop_mode (self), -1);
}

void
teesql_managed_postgres_stop_async (TeesqlManagedPostgres *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  gboolean starts = self->awaited != 0 && self->asked == TEESQL_LAUNCH_START;

  g_task_set_source_tag (task, teesql_managed_postgres_stop_async);
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_cancellable_cancel (self->probing);
  if (self->state == TEESQL_MANAGED_STOPPED || (!is_running (self) && !starts))
    {
      teesql_managed_enter (self, TEESQL_MANAGED_STOPPED);
      g_task_return_boolean (task, TRUE);
      return;
    }
  teesql_managed_enter (self, TEESQL_MANAGED_STOPPING);
  teesql_log_info ("postgres", "PostgreSQL is stopped, %s", teesql_config_get_string (self->config, "postgresql", "stop-mode"));
  self->stop_task = g_steal_pointer (&task);
  if (!starts)
    teesql_managed_ask (self, TEESQL_LAUNCH_STOP, stop_mode (self), -1);
}

gboolean
teesql_managed_postgres_stop_finish (TeesqlManagedPostgres *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

TeesqlManagedState
teesql_managed_postgres_get_state (TeesqlManagedPostgres *self)
{
  return self->state;
}

const TeesqlManagedPlace *
teesql_managed_postgres_get_place (TeesqlManagedPostgres *self)
{
  return self->place;
}

gint
teesql_managed_postgres_get_pid (TeesqlManagedPostgres *self)
{
  return self->pid;
}

guint64
teesql_managed_postgres_get_system_identifier (TeesqlManagedPostgres *self)
{
  return self->system_identifier;
}

void
teesql_managed_postgres_publish (TeesqlManagedPostgres *self)
{
  if (self->state != TEESQL_MANAGED_READY && self->state != TEESQL_MANAGED_IDLE)
    teesql_managed_verdict_publish (&self->verdict);
}

/* ---- life ---- */

TeesqlManagedPostgres *
teesql_managed_postgres_new (TeesqlManagedPlace *place, const TeesqlLauncherEnds *ends, TeesqlConfig *config, TeesqlStatus *status)
{
  TeesqlManagedPostgres *self = g_object_new (TEESQL_TYPE_MANAGED_POSTGRES, NULL);

  self->place = place;
  self->config = teesql_config_ref (config);
  self->status = g_object_ref (status);
  self->verdict.status = status;
  self->verdict.health = TEESQL_HEALTH_STARTING;
  self->log = teesql_server_log_new (ends->log);
  self->socket = ends->socket;
  self->socket_id = g_unix_fd_add (self->socket, G_IO_IN | G_IO_HUP | G_IO_ERR, heard_cb, self);
  return self;
}

static void
teesql_managed_postgres_finalize (GObject *object)
{
  TeesqlManagedPostgres *self = TEESQL_MANAGED_POSTGRES (object);

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_clear_handle_id (&self->tick_id, g_source_remove);
  g_clear_handle_id (&self->socket_id, g_source_remove);
  g_cancellable_cancel (self->probing);
  g_clear_object (&self->probing);
  close (self->socket); /* the launcher stops what still runs */
  g_clear_pointer (&self->log, teesql_server_log_free);
  teesql_managed_verdict_clear (&self->verdict);
  g_clear_pointer (&self->core_settings, g_ptr_array_unref);
  g_clear_pointer (&self->password, teesql_secret_unref);
  g_clear_pointer (&self->written, g_free);
  g_clear_pointer (&self->place, teesql_managed_place_free);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_object (&self->status);
  G_OBJECT_CLASS (teesql_managed_postgres_parent_class)->finalize (object);
}

static void
teesql_managed_postgres_class_init (TeesqlManagedPostgresClass *klass)
{
  GType type = TEESQL_TYPE_MANAGED_POSTGRES;

  G_OBJECT_CLASS (klass)->finalize = teesql_managed_postgres_finalize;
  signals[READY] = g_signal_new ("ready", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[AWAY] = g_signal_new ("away", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[GAVE_UP] = g_signal_new ("gave-up", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
teesql_managed_postgres_init (TeesqlManagedPostgres *self)
{
  self->socket = -1;
  self->probing = g_cancellable_new ();
  self->core_settings = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_server_setting_free);
}
