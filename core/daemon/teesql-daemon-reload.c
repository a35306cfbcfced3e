#include "daemon/teesql-daemon-reload.h"

#include "base/teesql-log.h"
#include "daemon/teesql-daemon-log.h"

#define NOTICE_PENDING "pending-restart"
#define NOTICE_REFUSED "reload-refused"

struct _TeesqlDaemonReload
{
  char *path;
  TeesqlStatus *status;
  char **pending; /* of the last reload, to be taken back by the next */
};

TeesqlDaemonReload *
teesql_daemon_reload_new (const char *path, TeesqlStatus *status)
{
  TeesqlDaemonReload *self = g_new0 (TeesqlDaemonReload, 1);

  self->path = g_strdup (path);
  self->status = g_object_ref (status);
  return self;
}

void
teesql_daemon_reload_free (TeesqlDaemonReload *self)
{
  g_free (self->path);
  g_object_unref (self->status);
  g_strfreev (self->pending);
  g_free (self);
}

void
teesql_daemon_reload_refuse (TeesqlDaemonReload *self, const GError *error)
{
  teesql_log_error ("config", "reload refused, nothing has changed");
  teesql_daemon_log_error ("config", error);
  teesql_status_add_notice (self->status, NOTICE_REFUSED, "", error->message);
}

static void
publish_pending (TeesqlDaemonReload *self, char **pending)
{
  for (guint i = 0; self->pending != NULL && self->pending[i] != NULL; i++)
    teesql_status_remove_notice (self->status, NOTICE_PENDING, self->pending[i]);
  g_strfreev (self->pending);
  self->pending = pending;
  for (guint i = 0; pending[i] != NULL; i++)
    {
      teesql_log_warning ("config", "%s: the change waits for a restart", pending[i]);
      teesql_status_add_notice (self->status, NOTICE_PENDING, pending[i], "the change waits for a restart");
    }
}

TeesqlConfig *
teesql_daemon_reload_read (TeesqlDaemonReload *self, TeesqlConfig *running)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) next = teesql_config_load (TEESQL_CONFIG_DAEMON, self->path, &error);
  char **pending = NULL;
  TeesqlConfig *merged = NULL;

  if (next == NULL)
    {
      teesql_daemon_reload_refuse (self, error);
      return NULL;
    }
  merged = teesql_config_merge_reload (running, next, &pending);
  publish_pending (self, pending);
  teesql_status_remove_notice (self->status, NOTICE_REFUSED, "");
  return merged;
}
