/* The four upload slots. */
#include "gcs-parts.h"

#define STALE_S (7 * 24 * 3600) /* an upload that nobody finished */

static GError *
unknown_upload (const char *name)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "no-such-upload", 0, "upload %s: this id is none of ours", name);
}

/* ---- begin: an id, and once in the life of this process a look for what others left ---- */

static void
swept_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (gcs_sweep_finish (GCS_STORAGE (source), result, &error))
    g_task_return_pointer (task, gcs_upload_id_new (), g_free);
  else
    g_task_return_error (task, error);
}

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *parts = g_strconcat (self->prefix, GCS_PARTS, NULL);
  gboolean swept = self->swept;

  g_task_set_source_tag (task, upload_begin_async);
  self->swept = TRUE;
  if (swept)
    g_task_return_pointer (task, gcs_upload_id_new (), g_free);
  else
    gcs_sweep_async (self, parts, g_get_real_time () / G_USEC_PER_SEC - STALE_S, cancellable, swept_cb, g_steal_pointer (&task));
}

static char *
text_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- part ---- */

static void
inserted_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_auto (GcsObject) object = { 0 };

  if (gcs_insert_finish (GCS_STORAGE (source), result, &object, &error))
    g_task_return_pointer (task, gcs_part_to_tag (&object), g_free);
  else
    g_task_return_error (task, error);
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *full = gcs_part_full_name (self, upload_id, number);

  g_task_set_source_tag (task, upload_part_async);
  if (gcs_upload_id_is_valid (upload_id))
    gcs_insert_async (self, full, bytes, FALSE, cancellable, inserted_cb, g_steal_pointer (&task));
  else
    g_task_return_error (task, unknown_upload (name));
}

/* ---- commit ---- */

static void
composed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  TeesqlObjectInfo *info = gcs_compose_finish (GCS_STORAGE (source), result, &error);

  if (info != NULL)
    g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
  else
    g_task_return_error (task, error);
}

static GPtrArray *
read_tags (const GcsStorage *self, const char *upload_id, const char *const *tags, GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func ((GDestroyNotify) gcs_part_free);

  for (guint i = 0; tags[i] != NULL; i++)
    {
      GcsPart *part = gcs_part_from_tag (self, upload_id, i + 1, tags[i], error);

      if (part == NULL)
        return NULL;
      g_ptr_array_add (parts, part);
    }
  return g_steal_pointer (&parts);
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = gcs_upload_id_is_valid (upload_id) ? NULL : unknown_upload (name);
  GPtrArray *parts = error == NULL ? read_tags (self, upload_id, tags, &error) : NULL;

  g_task_set_source_tag (task, upload_commit_async);
  if (parts == NULL)
    g_task_return_error (task, error);
  else
    gcs_compose_async (self, upload_id, parts, name, (flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0, cancellable, composed_cb,
                       g_steal_pointer (&task));
}

static TeesqlObjectInfo *
upload_commit_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- abort ---- */

static void
aborted_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (gcs_sweep_finish (GCS_STORAGE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *parts = g_strconcat (self->prefix, GCS_PARTS, upload_id, "/", NULL);

  g_task_set_source_tag (task, upload_abort_async);
  if (gcs_upload_id_is_valid (upload_id))
    gcs_sweep_async (self, parts, G_MAXINT64, cancellable, aborted_cb, g_steal_pointer (&task));
  else
    g_task_return_boolean (task, TRUE); /* nothing of it can be left */
}

static gboolean
upload_abort_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
gcs_upload_init_interface (TeesqlStorageInterface *iface)
{
  iface->upload_begin_async = upload_begin_async;
  iface->upload_begin_finish = text_finish;
  iface->upload_part_async = upload_part_async;
  iface->upload_part_finish = text_finish;
  iface->upload_commit_async = upload_commit_async;
  iface->upload_commit_finish = upload_commit_finish;
  iface->upload_abort_async = upload_abort_async;
  iface->upload_abort_finish = upload_abort_finish;
}
