#include "daemon/teesql-daemon-keys.h"

#include "attest/teesql-reference.h"
#include "daemon/teesql-key-checks.h"
#include "keys/teesql-keys.h"

struct _TeesqlDaemonKeys
{
  GObject parent_instance;
  TeesqlAttestService *attest;
  TeesqlKms *kms;
  char *state_directory;
  TeesqlSecret *roles_key;
  TeesqlSecret *admin_password;
};

G_DEFINE_FINAL_TYPE (TeesqlDaemonKeys, teesql_daemon_keys, G_TYPE_OBJECT)

static void
resolved_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  TeesqlDaemonKeys *self = g_task_get_source_object (task);
  GError *error = NULL;
  TeesqlSecret *password = teesql_attest_resolve_reference_finish (result, &error);

  if (password == NULL)
    {
      g_prefix_error (&error, "[postgresql] admin-password: ");
      g_task_return_error (task, error);
      return;
    }
  g_clear_pointer (&self->admin_password, teesql_secret_unref);
  self->admin_password = password;
  g_task_return_boolean (task, TRUE);
}

/* The administrator's password: derived, or wherever the operator keeps it. */
static void
find_admin_password (GTask *task)
{
  TeesqlDaemonKeys *self = g_task_get_source_object (task);

  teesql_attest_resolve_reference_async (self->attest, self->kms, g_task_get_task_data (task), g_task_get_cancellable (task), resolved_cb,
                                         task);
}

static void
got_roles_key_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  TeesqlDaemonKeys *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlSecret) key = teesql_attest_get_key_finish (result, &error);

  if (key == NULL || !teesql_key_checks_compare (self->state_directory, TEESQL_KEYS_PATH_ROLES, key, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  self->roles_key = g_steal_pointer (&key);
  find_admin_password (g_steal_pointer (&task));
}

void
teesql_daemon_keys_fetch_async (TeesqlDaemonKeys *self, const TeesqlConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_daemon_keys_fetch_async);
  g_task_set_task_data (task, g_strdup (teesql_config_get_string (config, "postgresql", "admin-password")), g_free);
  if (self->roles_key != NULL)
    find_admin_password (task);
  else
    teesql_attest_get_key_async (self->attest, self->kms, TEESQL_KEYS_PATH_ROLES, "role-password", cancellable, got_roles_key_cb, task);
}

gboolean
teesql_daemon_keys_fetch_finish (TeesqlDaemonKeys *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

TeesqlSecret *
teesql_daemon_keys_get_roles_key (TeesqlDaemonKeys *self)
{
  return self->roles_key;
}

TeesqlSecret *
teesql_daemon_keys_get_admin_password (TeesqlDaemonKeys *self)
{
  return self->admin_password;
}

TeesqlDaemonKeys *
teesql_daemon_keys_new (TeesqlAttestService *attest, TeesqlKms *kms, const char *state_directory)
{
  TeesqlDaemonKeys *self = g_object_new (TEESQL_TYPE_DAEMON_KEYS, NULL);

  self->attest = g_object_ref (attest);
  self->kms = g_object_ref (kms);
  self->state_directory = g_strdup (state_directory);
  return self;
}

static void
teesql_daemon_keys_finalize (GObject *object)
{
  TeesqlDaemonKeys *self = TEESQL_DAEMON_KEYS (object);

  g_clear_object (&self->attest);
  g_clear_object (&self->kms);
  g_clear_pointer (&self->roles_key, teesql_secret_unref);
  g_clear_pointer (&self->admin_password, teesql_secret_unref);
  g_free (self->state_directory);
  G_OBJECT_CLASS (teesql_daemon_keys_parent_class)->finalize (object);
}

static void
teesql_daemon_keys_class_init (TeesqlDaemonKeysClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_daemon_keys_finalize;
}

static void
teesql_daemon_keys_init (TeesqlDaemonKeys *self)
{
}
