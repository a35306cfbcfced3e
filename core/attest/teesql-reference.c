#include "attest/teesql-reference.h"
#include "base/teesql-domains.h"
#include "keys/teesql-keys.h"

#define KMS_PREFIX "kms:"

typedef struct
{
  TeesqlAttestService *service;
  TeesqlKms *kms;
} Call;

static void
call_free (gpointer data)
{
  Call *self = data;

  g_clear_object (&self->service);
  g_clear_object (&self->kms);
  g_free (self);
}

static void
publish (Call *self, const GError *error)
{
  TeesqlStatus *status = self->service != NULL ? teesql_attest_service_get_status (self->service) : NULL;

  if (status == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (error == NULL)
    teesql_status_set_component (status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_OK, NULL, NULL);
  else
    teesql_status_set_component (status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_FAILED, teesql_error_get_reason (error), error->message);
}

static void
key_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlSecret) key = teesql_kms_get_key_finish (self->kms, result, &error);

  /* an agent says only with its first answer that it is a simulator */
  if (key != NULL && self->service != NULL && !teesql_attest_service_check_kms (self->service, self->kms, &error))
    g_clear_pointer (&key, teesql_secret_unref);
  publish (self, error);
  if (key != NULL)
    g_task_return_pointer (task, g_steal_pointer (&key), (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, error);
}

void
teesql_attest_get_key_async (TeesqlAttestService *service, TeesqlKms *kms, const char *path, const char *purpose, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Call *self = g_new0 (Call, 1);

  self->service = service != NULL ? g_object_ref (service) : NULL;
  self->kms = g_object_ref (kms);
  g_task_set_source_tag (task, teesql_attest_get_key_async);
  g_task_set_task_data (task, self, call_free);
  teesql_kms_get_key_async (kms, path, purpose, cancellable, key_cb, task);
}

TeesqlSecret *
teesql_attest_get_key_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attest_get_key_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
is_reserved (const char *path)
{
  return g_str_equal (path, TEESQL_KEYS_PATH_ROLES) || g_str_has_prefix (path, "disk/") || g_str_has_prefix (path, "backup/");
}

static void
reference_key_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autoptr (TeesqlSecret) key = teesql_attest_get_key_finish (result, &error);
  TeesqlSecret *text = key != NULL ? teesql_keys_password_form (key, &error) : NULL;

  if (text != NULL)
    g_task_return_pointer (task, text, (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, error);
}

/* Takes the task. */
static void
resolve_kms (GTask *task, TeesqlAttestService *service, TeesqlKms *kms, const char *path)
{
  GError *error = NULL;

  if (kms == NULL)
    error = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "no-kms", 0, "kms:%s: no KMS is configured", path);
  else if (is_reserved (path))
    error = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "kms-path-reserved", 0,
                              "kms:%s: other keys are derived from this one, so it is no secret of its own", path);
  if (error == NULL)
    teesql_attest_get_key_async (service, kms, path, g_str_equal (path, TEESQL_KEYS_PATH_SUPERUSER) ? "superuser-password" : "reference",
                                 g_task_get_cancellable (task), reference_key_cb, task);
  else
    {
      g_task_return_error (task, error);
      g_object_unref (task);
    }
}

void
teesql_attest_resolve_reference_async (TeesqlAttestService *service, TeesqlKms *kms, const char *reference, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  GError *error = NULL;
  TeesqlSecret *secret = NULL;

  g_task_set_source_tag (task, teesql_attest_resolve_reference_async);
  if (g_str_has_prefix (reference, KMS_PREFIX))
    {
      resolve_kms (task, service, kms, reference + strlen (KMS_PREFIX));
      return;
    }
  secret = teesql_config_resolve_secret (reference, &error);
  if (secret != NULL)
    g_task_return_pointer (task, secret, (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, error);
  g_object_unref (task);
}

TeesqlSecret *
teesql_attest_resolve_reference_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_attest_resolve_reference_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
