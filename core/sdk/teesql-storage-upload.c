#include <teesql/teesql-storage.h>
#include "sdk/teesql-call.h"
#include "sdk/teesql-storage-checks.h"
#include <string.h>

/* The four upload_* slots. They come together or not at all: teesql_storage_get_features() sees to that. */

#define DOMAIN        TEESQL_STORAGE_ERROR
#define UPLOAD_ID_MAX ((gsize) 2048)
#define TAG_MAX       ((gsize) 2048)
#define N_PARTS_MAX   10000

static GError *
check_upload (TeesqlStorage *self, const char *name, const char *upload_id)
{
  if ((teesql_storage_get_features (self) & TEESQL_STORAGE_FEATURE_UPLOAD) == 0)
    return teesql_call_unsupported (DOMAIN, self, "upload");
  if (upload_id != NULL && (upload_id[0] == '\0' || strlen (upload_id) > UPLOAD_ID_MAX))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "upload-id", 0, "an upload id has 1 to %" G_GSIZE_FORMAT " bytes", UPLOAD_ID_MAX);
  return teesql_storage_check_name (name);
}

static gboolean
is_short_text (const char *text, gsize max)
{
  return text[0] != '\0' && strlen (text) <= max;
}

/* ---- begin ---- */

static void
begin_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autofree char *id = TEESQL_STORAGE_GET_IFACE (self)->upload_begin_finish (self, result, &error);

  if (teesql_call_failed (task, id != NULL, error, DOMAIN, "upload_begin"))
    return;
  if (!is_short_text (id, UPLOAD_ID_MAX))
    g_task_return_error (task, teesql_call_broken (DOMAIN, "the storage's upload id is empty or too long"));
  else
    g_task_return_pointer (task, g_steal_pointer (&id), g_free);
}

void
teesql_storage_upload_begin_async (TeesqlStorage *self, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL);

  task = teesql_call_begin (self, teesql_storage_upload_begin_async, cancellable, callback, user_data);
  error = check_upload (self, name, NULL);
  if (error == NULL)
    error = teesql_storage_check_flags (self, flags);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->upload_begin_async (self, name, flags, cancellable, begin_ready_cb, task);
}

char *
teesql_storage_upload_begin_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_upload_begin_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- part ---- */

static void
part_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autofree char *tag = TEESQL_STORAGE_GET_IFACE (self)->upload_part_finish (self, result, &error);

  if (teesql_call_failed (task, tag != NULL, error, DOMAIN, "upload_part"))
    return;
  if (!is_short_text (tag, TAG_MAX))
    g_task_return_error (task, teesql_call_broken (DOMAIN, "the storage's tag of a part is empty or too long"));
  else
    g_task_return_pointer (task, g_steal_pointer (&tag), g_free);
}

void
teesql_storage_upload_part_async (TeesqlStorage *self, const char *name, const char *upload_id, guint number, GBytes *bytes,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL && upload_id != NULL && bytes != NULL);

  task = teesql_call_begin (self, teesql_storage_upload_part_async, cancellable, callback, user_data);
  error = check_upload (self, name, upload_id);
  if (error == NULL && (number < 1 || number > N_PARTS_MAX || g_bytes_get_size (bytes) == 0))
    error = teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "range", 0, "part %u, expected 1 to %d, or it is empty", number, N_PARTS_MAX);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->upload_part_async (self, name, upload_id, number, bytes, cancellable, part_ready_cb, task);
}

char *
teesql_storage_upload_part_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_upload_part_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- commit ---- */

static void
commit_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = TEESQL_STORAGE_GET_IFACE (self)->upload_commit_finish (self, result, &error);

  if (teesql_call_failed (task, info != NULL, error, DOMAIN, "upload_commit"))
    return;
  error = teesql_storage_check_info (info, g_task_get_task_data (task));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&info), (GDestroyNotify) teesql_object_info_unref);
}

void
teesql_storage_upload_commit_async (TeesqlStorage *self, const char *name, const char *upload_id, const char *const *tags,
                                    TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  GError *error = NULL;
  GTask *task = NULL;
  guint n_tags = 0;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL && upload_id != NULL && tags != NULL);

  task = teesql_call_begin (self, teesql_storage_upload_commit_async, cancellable, callback, user_data);
  g_task_set_task_data (task, g_strdup (name), g_free);
  n_tags = g_strv_length ((char **) tags);
  error = check_upload (self, name, upload_id);
  if (error == NULL && (n_tags == 0 || n_tags > N_PARTS_MAX))
    error = teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "range", 0, "%u parts, expected 1 to %d", n_tags, N_PARTS_MAX);
  if (error == NULL)
    error = teesql_storage_check_flags (self, flags);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->upload_commit_async (self, name, upload_id, tags, flags, cancellable, commit_ready_cb, task);
}

TeesqlObjectInfo *
teesql_storage_upload_commit_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_upload_commit_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- abort ---- */

static void
abort_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  gboolean aborted = TEESQL_STORAGE_GET_IFACE (self)->upload_abort_finish (self, result, &error);

  if (!teesql_call_failed (task, aborted, error, DOMAIN, "upload_abort"))
    g_task_return_boolean (task, TRUE);
}

void
teesql_storage_upload_abort_async (TeesqlStorage *self, const char *name, const char *upload_id, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL && upload_id != NULL);

  task = teesql_call_begin (self, teesql_storage_upload_abort_async, cancellable, callback, user_data);
  error = check_upload (self, name, upload_id);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->upload_abort_async (self, name, upload_id, cancellable, abort_ready_cb, task);
}

gboolean
teesql_storage_upload_abort_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_upload_abort_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
