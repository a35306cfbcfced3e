#include <teesql/teesql-kms.h>
#include "sdk/teesql-call.h"
#include <string.h>

#define DOMAIN       TEESQL_KMS_ERROR
#define KEY_PATH_MAX 255
#define PURPOSE_MAX  255

G_DEFINE_INTERFACE (TeesqlKms, teesql_kms, G_TYPE_OBJECT)

static void
teesql_kms_default_init (TeesqlKmsInterface *iface)
{
}

const char *
teesql_kms_get_taint (TeesqlKms *self)
{
  TeesqlKmsInterface *iface = NULL;

  g_return_val_if_fail (TEESQL_IS_KMS (self), NULL);

  iface = TEESQL_KMS_GET_IFACE (self);
  return iface->get_taint != NULL ? iface->get_taint (self) : NULL;
}

static gboolean
path_is_sound (const char *path)
{
  gsize length = strspn (path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-");

  return length >= 1 && length <= KEY_PATH_MAX && path[length] == '\0';
}

static GError *
check_question (TeesqlKms *self, const char *path, const char *purpose)
{
  TeesqlKmsInterface *iface = TEESQL_KMS_GET_IFACE (self);

  if (iface->get_key_async == NULL || iface->get_key_finish == NULL)
    return teesql_call_broken (DOMAIN, "%s lacks the required get_key", G_OBJECT_TYPE_NAME (self));
  if (!path_is_sound (path))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "key-path", 0, "a key path has 1 to %d characters of A-Z a-z 0-9 / . _ -",
                             KEY_PATH_MAX);
  if (strnlen (purpose, PURPOSE_MAX + 1) > PURPOSE_MAX)
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "key-purpose", 0, "a key's purpose has at most %d bytes", PURPOSE_MAX);
  return NULL;
}

/* One byte over and over is what a key service answers that has none; looked at without a branch on any byte of it. */
static gboolean
is_one_byte_repeated (const guint8 *key, gsize size)
{
  guint8 difference = 0;

  for (gsize i = 1; i < size; i++)
    difference |= (guint8) (key[i] ^ key[0]);
  return difference == 0;
}

static GError *
check_key (const TeesqlSecret *key)
{
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (key, &size);

  if (size != TEESQL_KMS_KEY_SIZE)
    return teesql_error_new (DOMAIN, TEESQL_ERROR_REFUSED, "key-size", 0, "the key has %" G_GSIZE_FORMAT " bytes, expected %d", size,
                             TEESQL_KMS_KEY_SIZE);
  if (is_one_byte_repeated (bytes, size))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_REFUSED, "key-degenerate", 0, "the key is one byte repeated %d times",
                             TEESQL_KMS_KEY_SIZE);
  return NULL;
}

static void
key_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlKms *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlSecret) key = TEESQL_KMS_GET_IFACE (self)->get_key_finish (self, result, &error);

  if (teesql_call_failed (task, key != NULL, error, DOMAIN, "get_key"))
    return;
  error = check_key (key);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&key), (GDestroyNotify) teesql_secret_unref);
}

void
teesql_kms_get_key_async (TeesqlKms *self, const char *path, const char *purpose, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_KMS (self));
  g_return_if_fail (path != NULL && purpose != NULL);

  task = teesql_call_begin (self, teesql_kms_get_key_async, cancellable, callback, user_data);
  error = check_question (self, path, purpose);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_KMS_GET_IFACE (self)->get_key_async (self, path, purpose, cancellable, key_ready_cb, task);
}

TeesqlSecret *
teesql_kms_get_key_finish (TeesqlKms *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_kms_get_key_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
