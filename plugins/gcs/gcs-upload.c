/* The four upload slots. */
#include "gcs-parts.h"

#define STALE_S (7 * 24 * 3600) /* an upload that nobody finished */

static GError *
unknown_upload (const char *name)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "no-such-upload", 0, "upload %s: this id is none of ours", name);
}

/* ---- begin: an id and its mark, and once in the life of this process a look for what others left ---- */

static void
marked_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = GCS_STORAGE (source);
  const char *id = g_task_get_task_data (task);
  GError *error = NULL;
  g_auto (GcsObject) object = { 0 };

  if (!gcs_insert_finish (self, result, &object, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_hash_table_add (self->uploads, g_strdup (id));
  g_task_return_pointer (task, g_strdup (id), g_free);
}

static void
make_mark (GTask *task)
{
  GcsStorage *self = g_task_get_source_object (task);
  char *id = gcs_upload_id_new ();
  g_autofree char *mark = gcs_part_full_name (self, id, 0);
  g_autoptr (GBytes) nothing = g_bytes_new_static (NULL, 0);

  g_task_set_task_data (task, id, g_free);
  gcs_insert_async (self, mark, nothing, TRUE, g_task_get_cancellable (task), marked_cb, g_object_ref (task));
}

static void
swept_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (gcs_sweep_finish (GCS_STORAGE (source), result, &error))
    make_mark (task);
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
  g_task_set_check_cancellable (task, FALSE);
  self->swept = TRUE;
  if (swept)
    make_mark (task);
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

typedef struct
{
  char *name;
  char *upload_id;
  guint number;
  GBytes *bytes;
} Part;

static void
part_free (gpointer data)
{
  Part *self = data;

  g_free (self->name);
  g_free (self->upload_id);
  g_bytes_unref (self->bytes);
  g_free (self);
}

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
insert_part (GTask *task)
{
  GcsStorage *self = g_task_get_source_object (task);
  const Part *part = g_task_get_task_data (task);
  g_autofree char *full = gcs_part_full_name (self, part->upload_id, part->number);

  gcs_insert_async (self, full, part->bytes, FALSE, g_task_get_cancellable (task), inserted_cb, g_object_ref (task));
}

/* An upload of before our start: its mark tells whether it is still one. */
static void
looked_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = GCS_STORAGE (source);
  const Part *part = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (self, result, &error);

  if (answer != NULL)
    {
      g_hash_table_add (self->uploads, g_strdup (part->upload_id));
      insert_part (task);
    }
  else if (g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      g_error_free (error);
      g_task_return_error (task, unknown_upload (part->name));
    }
  else
    g_task_return_error (task, error);
}

static void
look_for_mark (GTask *task)
{
  GcsStorage *self = g_task_get_source_object (task);
  const Part *part = g_task_get_task_data (task);
  g_autofree char *mark = gcs_part_full_name (self, part->upload_id, 0);
  g_autofree char *path = gcs_path_of (self, mark, "fields=" GCS_ONE_FIELDS);
  const GcsCall call = { .method = "GET", .what = "look for the upload", .path = path };

  gcs_send_async (self, &call, g_task_get_cancellable (task), looked_cb, g_object_ref (task));
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Part *part = g_new0 (Part, 1);

  *part = (Part){ g_strdup (name), g_strdup (upload_id), number, g_bytes_ref (bytes) };
  g_task_set_source_tag (task, upload_part_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, part, part_free);
  if (!gcs_upload_id_is_valid (upload_id))
    g_task_return_error (task, unknown_upload (name));
  else if (g_hash_table_contains (self->uploads, upload_id))
    insert_part (task);
  else
    look_for_mark (task);
}

/* ---- commit ---- */

static void
composed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  TeesqlObjectInfo *info = gcs_compose_finish (GCS_STORAGE (source), result, &error);

  if (info != NULL)
    {
      g_hash_table_remove (GCS_STORAGE (source)->uploads, g_task_get_task_data (task));
      g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
    }
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
  g_task_set_task_data (task, g_strdup (upload_id), g_free);
  if (parts == NULL && gcs_upload_id_is_valid (upload_id) && !g_hash_table_contains (self->uploads, upload_id))
    {
      g_clear_error (&error); /* nobody who had parts of it would have such tags */
      error = unknown_upload (name);
    }
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
  g_hash_table_remove (self->uploads, upload_id);
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
