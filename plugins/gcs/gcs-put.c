/* put: what fits one part goes up as it is; a longer stream part by part, one of them in memory. */
#include "gcs-parts.h"

typedef struct
{
  char *name;
  gboolean if_absent;
  GInputStream *content;
  guint64 total;
  GByteArray *buffer;
  gsize used;
  gboolean ended;
  char *upload_id; /* once it is known to be long */
  GPtrArray *parts;
  GError *error; /* while parts are being removed */
} Put;

static void read_more (GTask *task);

static void
put_free (gpointer data)
{
  Put *self = data;

  g_free (self->name);
  g_clear_object (&self->content);
  g_byte_array_unref (self->buffer);
  g_free (self->upload_id);
  g_clear_pointer (&self->parts, g_ptr_array_unref);
  g_clear_error (&self->error);
  g_free (self);
}

/* ---- failure leaves nothing ---- */

static void
swept_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Put *self = g_task_get_task_data (task);

  if (!gcs_sweep_finish (GCS_STORAGE (source), result, NULL))
    g_debug ("gcs: parts of %s stay", self->name);
  g_task_return_error (task, g_steal_pointer (&self->error));
}

/* @error: (transfer full) */
static void
fail (GTask *task, GError *error)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Put *self = g_task_get_task_data (task);
  g_autofree char *parts = NULL;

  if (self->upload_id == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->error = error;
  parts = g_strconcat (storage->prefix, GCS_PARTS, self->upload_id, "/", NULL);
  gcs_sweep_async (storage, parts, G_MAXINT64, NULL, swept_cb, g_object_ref (task));
}

/* ---- short ---- */

static void
whole_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  const Put *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_auto (GcsObject) object = { 0 };

  if (gcs_insert_finish (GCS_STORAGE (source), result, &object, &error))
    g_task_return_pointer (task, teesql_object_info_new (self->name, object.size, object.updated_unix, object.generation),
                           (GDestroyNotify) teesql_object_info_unref);
  else
    g_task_return_error (task, error);
}

/* ---- long ---- */

static void
composed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  TeesqlObjectInfo *info = gcs_compose_finish (GCS_STORAGE (source), result, &error);

  if (info != NULL)
    g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
  else
    fail (task, error);
}

static void
part_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *storage = GCS_STORAGE (source);
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_auto (GcsObject) object = { 0 };
  GcsPart *part = NULL;

  if (!gcs_insert_finish (storage, result, &object, &error))
    {
      fail (task, error);
      return;
    }
  part = g_new0 (GcsPart, 1);
  *part = (GcsPart){ gcs_part_full_name (storage, self->upload_id, self->parts->len + 1), g_steal_pointer (&object.generation), object.size,
                     object.crc32c };
  g_ptr_array_add (self->parts, part);
  self->used = 0;
  if (self->ended)
    gcs_compose_async (storage, self->upload_id, g_steal_pointer (&self->parts), self->name, self->if_absent, g_task_get_cancellable (task),
                       composed_cb, g_object_ref (task));
  else
    read_more (task);
}

static void
send_part (GTask *task)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Put *self = g_task_get_task_data (task);
  g_autoptr (GBytes) bytes = g_bytes_new_static (self->buffer->data, self->used); /* the buffer waits for the answer */
  g_autofree char *full = NULL;

  if (self->upload_id == NULL)
    {
      self->upload_id = gcs_upload_id_new ();
      self->parts = g_ptr_array_new_with_free_func ((GDestroyNotify) gcs_part_free);
    }
  full = gcs_part_full_name (storage, self->upload_id, self->parts->len + 1);
  gcs_insert_async (storage, full, bytes, FALSE, g_task_get_cancellable (task), part_cb, g_object_ref (task));
}

static void
send_whole (GTask *task)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Put *self = g_task_get_task_data (task);
  g_autoptr (GBytes) bytes = g_bytes_new_static (self->buffer->data, self->used);
  g_autofree char *full = gcs_full_name (storage, self->name);

  gcs_insert_async (storage, full, bytes, self->if_absent, g_task_get_cancellable (task), whole_cb, g_object_ref (task));
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n < 0)
    {
      fail (task, error);
      return;
    }
  self->used += (gsize) n;
  self->ended = n == 0;
  if (self->ended && self->upload_id == NULL)
    send_whole (task);
  else if (self->used == GCS_PART_BYTES || (self->ended && self->used > 0))
    send_part (task);
  else if (self->ended)
    gcs_compose_async (g_task_get_source_object (task), self->upload_id, g_steal_pointer (&self->parts), self->name, self->if_absent,
                       g_task_get_cancellable (task), composed_cb, g_object_ref (task));
  else
    read_more (task);
}

static void
read_more (GTask *task)
{
  Put *self = g_task_get_task_data (task);

  g_input_stream_read_async (self->content, self->buffer->data + self->used, GCS_PART_BYTES - self->used, G_PRIORITY_DEFAULT,
                             g_task_get_cancellable (task), read_cb, g_object_ref (task));
}

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  Put *put = g_new0 (Put, 1);

  put->name = g_strdup (name);
  put->if_absent = (flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0;
  put->content = g_object_ref (content);
  put->buffer = g_byte_array_sized_new (0);
  g_byte_array_set_size (put->buffer, (guint) GCS_PART_BYTES);
  g_task_set_source_tag (task, put_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, put, put_free);
  read_more (task);
}

static TeesqlObjectInfo *
put_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
gcs_put_init_interface (TeesqlStorageInterface *iface)
{
  iface->put_async = put_async;
  iface->put_finish = put_finish;
}
