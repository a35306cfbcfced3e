#include "fault-storage.h"

struct _FaultStorage
{
  GObject parent_instance;
  TeesqlStorage *inner;
  char *control_path;
};

typedef enum
{
  CALL_PUT,
  CALL_GET,
  CALL_LIST,
  CALL_STAT,
  CALL_REMOVE
} CallKind;

typedef struct
{
  CallKind kind;
  char *name;
  char *token;
  GInputStream *content;
  gint64 size;
  TeesqlStoragePutFlags flags;
  guint64 offset;
  guint64 length;
  guint max;
  gulong cancelled;
} Call;

static void fault_storage_interface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FaultStorage, fault_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, fault_storage_interface_init))

static void
call_free (Call *self)
{
  g_free (self->name);
  g_free (self->token);
  g_clear_object (&self->content);
  g_free (self);
}

/* -- The other storage ------------------------------------------------------------------------------------------ */

static void
return_object (GTask *task, gpointer object, GError *error)
{
  if (object != NULL)
    g_task_return_pointer (task, object, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
on_inner_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *inner = TEESQL_STORAGE (source);
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;

  switch (call->kind)
    {
    case CALL_PUT:
      {
        TeesqlObjectInfo *info = teesql_storage_put_finish (inner, result, &error);

        if (info != NULL)
          g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
        else
          g_task_return_error (task, error);
        break;
      }
    case CALL_STAT:
      {
        TeesqlObjectInfo *info = teesql_storage_stat_finish (inner, result, &error);

        if (info != NULL)
          g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
        else
          g_task_return_error (task, error);
        break;
      }
    case CALL_LIST:
      {
        TeesqlObjectPage *page = teesql_storage_list_finish (inner, result, &error);

        if (page != NULL)
          g_task_return_pointer (task, page, (GDestroyNotify) teesql_object_page_unref);
        else
          g_task_return_error (task, error);
        break;
      }
    case CALL_GET:
      {
        gpointer stream = teesql_storage_get_finish (inner, result, &error); /* before @error is read */

        return_object (task, stream, error);
        break;
      }
    case CALL_REMOVE:
    default:
      if (teesql_storage_remove_finish (inner, result, &error))
        g_task_return_boolean (task, TRUE);
      else
        g_task_return_error (task, error);
      break;
    }
}

static void
call_inner (GTask *task)
{
  FaultStorage *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  switch (call->kind)
    {
    case CALL_PUT:
      teesql_storage_put_async (self->inner, call->name, call->content, call->size, call->flags, cancellable, on_inner_done, task);
      break;
    case CALL_GET:
      teesql_storage_get_async (self->inner, call->name, call->offset, call->length, cancellable, on_inner_done, task);
      break;
    case CALL_LIST:
      teesql_storage_list_async (self->inner, call->name, call->token, call->max, cancellable, on_inner_done, task);
      break;
    case CALL_STAT:
      teesql_storage_stat_async (self->inner, call->name, cancellable, on_inner_done, task);
      break;
    case CALL_REMOVE:
    default:
      teesql_storage_remove_async (self->inner, call->name, cancellable, on_inner_done, task);
      break;
    }
}

/* -- Faults ----------------------------------------------------------------------------------------------------- */

static gboolean
on_slow_over (gpointer task)
{
  call_inner (task);
  return G_SOURCE_REMOVE;
}

static gboolean
on_hang_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
attach (GTask *task, GSource *source, GSourceFunc func)
{
  g_source_set_callback (source, func, task, NULL);
  g_source_attach (source, g_task_get_context (task));
  g_source_unref (source);
}

static void
fault_start (FaultStorage *self, Call *call, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *fault = NULL;

  g_task_set_task_data (task, call, (GDestroyNotify) call_free);
  if (!g_file_get_contents (self->control_path, &fault, NULL, NULL))
    fault = g_strdup ("");
  g_strstrip (fault);
  if (g_str_has_prefix (fault, "slow "))
    attach (task, g_timeout_source_new ((guint) g_ascii_strtoull (fault + 5, NULL, 10)), on_slow_over);
  else if (g_str_equal (fault, "hang") && cancellable != NULL)
    attach (task, g_cancellable_source_new (cancellable), G_SOURCE_FUNC (on_hang_cancelled));
  else if (fault[0] == '\0')
    call_inner (task);
  else
    {
      g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "fault", 0, "the store is away"));
      g_object_unref (task);
    }
}

/* -- The interface ---------------------------------------------------------------------------------------------- */

static TeesqlStorageFeatures
fault_get_features (TeesqlStorage *storage)
{
  return teesql_storage_get_features (FAULT_STORAGE (storage)->inner) & TEESQL_STORAGE_FEATURE_IF_ABSENT;
}

static Call *
call_new (CallKind kind, const char *name)
{
  Call *call = g_new0 (Call, 1);

  call->kind = kind;
  call->name = g_strdup (name);
  return call;
}

static void
fault_put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Call *call = call_new (CALL_PUT, name);

  call->content = g_object_ref (content);
  call->size = size;
  call->flags = flags;
  fault_start (FAULT_STORAGE (storage), call, cancellable, callback, user_data);
}

static void
fault_get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
                 GAsyncReadyCallback callback, gpointer user_data)
{
  Call *call = call_new (CALL_GET, name);

  call->offset = offset;
  call->length = length;
  fault_start (FAULT_STORAGE (storage), call, cancellable, callback, user_data);
}

static void
fault_list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  Call *call = call_new (CALL_LIST, prefix);

  call->token = g_strdup (token);
  call->max = max;
  fault_start (FAULT_STORAGE (storage), call, cancellable, callback, user_data);
}

static void
fault_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  fault_start (FAULT_STORAGE (storage), call_new (CALL_STAT, name), cancellable, callback, user_data);
}

static void
fault_remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  fault_start (FAULT_STORAGE (storage), call_new (CALL_REMOVE, name), cancellable, callback, user_data);
}

static gpointer
finish_pointer (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static TeesqlObjectInfo *
fault_info_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return finish_pointer (result, error);
}

static GInputStream *
fault_get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return finish_pointer (result, error);
}

static TeesqlObjectPage *
fault_list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return finish_pointer (result, error);
}

static gboolean
fault_remove_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
fault_storage_interface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = fault_get_features;
  iface->put_async = fault_put_async;
  iface->put_finish = fault_info_finish;
  iface->get_async = fault_get_async;
  iface->get_finish = fault_get_finish;
  iface->list_async = fault_list_async;
  iface->list_finish = fault_list_finish;
  iface->stat_async = fault_stat_async;
  iface->stat_finish = fault_info_finish;
  iface->remove_async = fault_remove_async;
  iface->remove_finish = fault_remove_finish;
}

static void
fault_storage_finalize (GObject *object)
{
  FaultStorage *self = FAULT_STORAGE (object);

  g_clear_object (&self->inner);
  g_free (self->control_path);
  G_OBJECT_CLASS (fault_storage_parent_class)->finalize (object);
}

static void
fault_storage_class_init (FaultStorageClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fault_storage_finalize;
}

static void
fault_storage_init (FaultStorage *self)
{
}

TeesqlStorage *
fault_storage_new (TeesqlStorage *inner, const char *control_path)
{
  FaultStorage *self = g_object_new (FAULT_TYPE_STORAGE, NULL);

  self->inner = g_object_ref (inner);
  self->control_path = g_strdup (control_path);
  return TEESQL_STORAGE (self);
}
