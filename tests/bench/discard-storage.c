#include "discard-storage.h"

#define READ_SIZE (1024 * 1024)

struct _DiscardStorage
{
  GObject parent_instance;
  guint64 uploaded; /* one upload at a time */
};

static void discard_storage_iface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (DiscardStorage, discard_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, discard_storage_iface_init))

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  return TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
boolean_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
return_info (GTask *task, const char *name, guint64 size)
{
  g_task_return_pointer (task, teesql_object_info_new (name, size, -1, NULL), (GDestroyNotify) teesql_object_info_unref);
  g_object_unref (task);
}

typedef struct
{
  char *name;
  guint64 size;
} Put;

static void
put_free (gpointer data)
{
  g_free (((Put *) data)->name);
  g_free (data);
}

static void
put_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Put *put = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (bytes == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  put->size += g_bytes_get_size (bytes);
  if (g_bytes_get_size (bytes) == 0)
    return_info (task, put->name, put->size);
  else
    g_input_stream_read_bytes_async (G_INPUT_STREAM (source), READ_SIZE, G_PRIORITY_DEFAULT, NULL, put_read_cb, task);
}

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Put *put = g_new0 (Put, 1);

  put->name = g_strdup (name);
  g_task_set_task_data (task, put, put_free);
  g_input_stream_read_bytes_async (content, READ_SIZE, G_PRIORITY_DEFAULT, cancellable, put_read_cb, task);
}

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);

  DISCARD_STORAGE (storage)->uploaded = 0;
  g_task_return_pointer (task, g_strdup ("upload"), g_free);
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);

  DISCARD_STORAGE (storage)->uploaded += g_bytes_get_size (bytes);
  g_task_return_pointer (task, g_strdup ("part"), g_free);
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  return_info (g_task_new (storage, cancellable, callback, user_data), name, DISCARD_STORAGE (storage)->uploaded);
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *id, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static void
discard_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = get_features;
  iface->put_async = put_async;
  iface->put_finish = (TeesqlObjectInfo * (*) (TeesqlStorage *, GAsyncResult *, GError **) ) pointer_finish;
  iface->upload_begin_async = upload_begin_async;
  iface->upload_begin_finish = (char *(*) (TeesqlStorage *, GAsyncResult *, GError **) ) pointer_finish;
  iface->upload_part_async = upload_part_async;
  iface->upload_part_finish = (char *(*) (TeesqlStorage *, GAsyncResult *, GError **) ) pointer_finish;
  iface->upload_commit_async = upload_commit_async;
  iface->upload_commit_finish = (TeesqlObjectInfo * (*) (TeesqlStorage *, GAsyncResult *, GError **) ) pointer_finish;
  iface->upload_abort_async = upload_abort_async;
  iface->upload_abort_finish = boolean_finish;
}

static void
discard_storage_class_init (DiscardStorageClass *klass)
{
}

static void
discard_storage_init (DiscardStorage *self)
{
}

TeesqlStorage *
discard_storage_new (void)
{
  return g_object_new (DISCARD_TYPE_STORAGE, NULL);
}
