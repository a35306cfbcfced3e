#include "file-storage.h"

#include "file-list.h"
#include "file-name.h"
#include "file-put.h"
#include "file-stream.h"
#include "file-upload.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct _FileStorage
{
  GObject parent_instance;
  char *path;
  FileRoot *root;
  gboolean force_named;
};

static void file_storage_iface_init (TeesqlStorageInterface *iface);
static void file_storage_initable_init (GAsyncInitableIface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FileStorage, file_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, file_storage_iface_init)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_INITABLE, file_storage_initable_init))

enum
{
  PROP_PATH = 1,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

/* What a thread needs, copied: nothing of the object is touched there. */
typedef struct
{
  FileRoot *root;
  char *name; /* list: the prefix */
  char *id;   /* of an upload; list: the token */
  char **tags;
  GBytes *bytes;
  TeesqlStoragePutFlags flags;
  guint number;
  guint64 offset;
  guint64 length;
  char *begun; /* the id of an upload that was begun, cancelled or not */
  TeesqlObjectInfo *committed;
} Job;

static void
job_free (gpointer data)
{
  Job *self = data;

  file_root_unref (self->root);
  g_free (self->name);
  g_free (self->id);
  g_strfreev (self->tags);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_free (self->begun);
  g_clear_pointer (&self->committed, teesql_object_info_unref);
  g_free (self);
}

static Job *
job_new (TeesqlStorage *storage, const char *name)
{
  Job *self = g_new0 (Job, 1);

  self->root = file_root_ref (FILE_STORAGE (storage)->root);
  self->name = g_strdup (name);
  return self;
}

/* Disks do not stop when told to: a cancelled caller does not wait for them, the thread comes to its end by itself and leaves nothing. */
static void
run (TeesqlStorage *storage, Job *job, GTaskThreadFunc func, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);

  g_task_set_source_tag (task, func);
  g_task_set_task_data (task, job, job_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, func);
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static TeesqlObjectInfo *
info_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static char *
text_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static gboolean
boolean_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
return_boolean (GTask *task, gboolean well, GError *error)
{
  if (well)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
return_pointer (GTask *task, gpointer result, GDestroyNotify destroy, GError *error)
{
  if (result != NULL)
    g_task_return_pointer (task, result, destroy);
  else
    g_task_return_error (task, error);
}

/* ---- put ---- */

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);

  g_task_set_source_tag (task, put_async);
  file_put (task, FILE_STORAGE (storage)->root, name, content, flags);
}

/* ---- get and stat ---- */

/* -1 with @error */
static int
open_object (const Job *job, struct stat *info, GError **error)
{
  g_autofree char *path = file_name_to_path (job->name);
  g_auto (FileFd) fd = file_root_open_at (job->root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);

  if (fd < 0 || fstat (fd, info) != 0)
    {
      file_fail (error, FILE_DOING_READ, errno, "%s", job->name);
      return -1;
    }
  if (S_ISREG (info->st_mode))
    return g_steal_fd (&fd);
  g_propagate_error (error,
                     teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, "not-a-file", 0, "%s is no regular file", job->name));
  return -1;
}

static void
get_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  struct stat info = { 0 };
  GError *error = NULL;
  g_auto (FileFd) fd = open_object (job, &info, &error);
  guint64 size = (guint64) info.st_size;

  if (fd < 0)
    g_task_return_error (task, error);
  else if (job->offset > size || (job->length != G_MAXUINT64 && job->length > size - job->offset))
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range", 0,
                                                 "%s has %" G_GUINT64_FORMAT " bytes, not what was asked from %" G_GUINT64_FORMAT " on",
                                                 job->name, size, job->offset));
  else
    g_task_return_pointer (task, file_stream_new (g_steal_fd (&fd), job->name, job->offset, MIN (job->length, size - job->offset)),
                           g_object_unref);
}

static void
get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = job_new (storage, name);

  job->offset = offset;
  job->length = length;
  run (storage, job, get_run, cancellable, callback, user_data);
}

static GInputStream *
get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static void
stat_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  struct stat info = { 0 };
  GError *error = NULL;
  g_auto (FileFd) fd = open_object (job, &info, &error);
  g_autofree char *tag = NULL;

  if (fd < 0)
    {
      g_task_return_error (task, error);
      return;
    }
  tag = file_list_tag (&info);
  g_task_return_pointer (task, teesql_object_info_new (job->name, (guint64) info.st_size, info.st_mtim.tv_sec, tag),
                         (GDestroyNotify) teesql_object_info_unref);
}

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  run (storage, job_new (storage, name), stat_run, cancellable, callback, user_data);
}

/* ---- list ---- */

static void
list_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  TeesqlObjectPage *page = file_list (job->root, job->name, job->id, job->number, cancellable, &error);

  return_pointer (task, page, (GDestroyNotify) teesql_object_page_unref, error);
}

static void
list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = job_new (storage, prefix);

  job->id = g_strdup (token);
  job->number = max;
  run (storage, job, list_run, cancellable, callback, user_data);
}

static TeesqlObjectPage *
list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- remove ---- */

static gboolean
remove_object (const Job *job, GError **error)
{
  g_autofree char *path = file_name_to_path (job->name);
  g_auto (FileFd) parent = file_root_open_parent (job->root, path, FALSE);

  if (parent < 0 || unlinkat (parent, file_root_get_leaf (path), 0) != 0)
    return errno == ENOENT || file_fail (error, FILE_DOING_WRITE, errno, "removing %s", job->name);
  if (fsync (parent) != 0)
    return file_fail (error, FILE_DOING_WRITE, errno, "removing %s", job->name);
  file_root_prune_parents (job->root, path);
  return TRUE;
}

static void
remove_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (g_task_set_return_on_cancel (task, FALSE))
    {
      gboolean well = remove_object (data, &error);

      return_boolean (task, well, error);
    }
}

static void
remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  run (storage, job_new (storage, name), remove_run, cancellable, callback, user_data);
}

/* ---- uploads ---- */

static void
begin_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  char *id = NULL;

  if (!g_task_set_return_on_cancel (task, FALSE))
    return;
  id = file_upload_begin (job->root, job->name, &error);
  job->begun = g_strdup (id);
  return_pointer (task, id, g_free, error);
}

/* An upload that was begun before the cancellation was seen must be told of, or nobody could give it up. */
static char *
upload_begin_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  char *id = text_finish (storage, result, error);
  Job *job = g_task_get_task_data (G_TASK (result));

  if (id != NULL || job->begun == NULL)
    return id;
  g_clear_error (error);
  return g_steal_pointer (&job->begun);
}

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  run (storage, job_new (storage, name), begin_run, cancellable, callback, user_data);
}

static void
part_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  char *tag = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;
  tag = file_upload_part (job->root, job->name, job->id, job->number, job->bytes, &error);
  return_pointer (task, tag, g_free, error);
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = job_new (storage, name);

  job->id = g_strdup (upload_id);
  job->number = number;
  job->bytes = g_bytes_ref (bytes);
  run (storage, job, part_run, cancellable, callback, user_data);
}

static void
commit_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  guint64 size = 0;
  TeesqlObjectInfo *info = NULL;

  if (file_upload_commit (job->root, job->name, job->id, (const char *const *) job->tags, job->flags, task, &size, &error))
    info = teesql_object_info_new (job->name, size, -1, NULL);
  if (info != NULL)
    job->committed = teesql_object_info_ref (info);
  if (info != NULL || error != NULL)
    return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref, error);
}

/* So must an object that appeared. */
static TeesqlObjectInfo *
upload_commit_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  TeesqlObjectInfo *info = info_finish (storage, result, error);
  Job *job = g_task_get_task_data (G_TASK (result));

  if (info != NULL || job->committed == NULL)
    return info;
  g_clear_error (error);
  return g_steal_pointer (&job->committed);
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = job_new (storage, name);

  job->id = g_strdup (upload_id);
  job->tags = g_strdupv ((char **) tags);
  job->flags = flags;
  run (storage, job, commit_run, cancellable, callback, user_data);
}

static void
abort_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;

  if (g_task_set_return_on_cancel (task, FALSE))
    {
      gboolean well = file_upload_abort (job->root, job->name, job->id, &error);

      return_boolean (task, well, error);
    }
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = job_new (storage, name);

  job->id = g_strdup (upload_id);
  run (storage, job, abort_run, cancellable, callback, user_data);
}

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  return TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;
}

static void
file_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = get_features;
  iface->put_async = put_async;
  iface->put_finish = info_finish;
  iface->get_async = get_async;
  iface->get_finish = get_finish;
  iface->list_async = list_async;
  iface->list_finish = list_finish;
  iface->stat_async = stat_async;
  iface->stat_finish = info_finish;
  iface->remove_async = remove_async;
  iface->remove_finish = boolean_finish;
  iface->upload_begin_async = upload_begin_async;
  iface->upload_begin_finish = upload_begin_finish;
  iface->upload_part_async = upload_part_async;
  iface->upload_part_finish = text_finish;
  iface->upload_commit_async = upload_commit_async;
  iface->upload_commit_finish = upload_commit_finish;
  iface->upload_abort_async = upload_abort_async;
  iface->upload_abort_finish = boolean_finish;
}

/* ---- construction ---- */

/* A folder that may be read but not written still serves a restore: what cannot be written says so when it is. */
static void
init_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const char *path = data;
  GError *error = NULL;
  FileRoot *root = NULL;
  g_auto (FileFd) fd = -1;

  if (path == NULL || !g_path_is_absolute (path))
    error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "path", 0,
                              "path = %s\nhint: the absolute path of a folder is expected", path != NULL ? path : "");
  else
    root = file_root_open (path, &error);
  if (root != NULL)
    fd = file_root_open_at (root, "", O_RDONLY | O_DIRECTORY);
  if (root != NULL && fd < 0)
    {
      error = file_error_new (FILE_DOING_READ, errno, "path = %s", path);
      g_clear_pointer (&root, file_root_unref);
    }
  if (root != NULL)
    file_root_clean (root);
  return_pointer (task, root, (GDestroyNotify) file_root_unref, error);
}

static void
init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (initable, cancellable, callback, user_data);

  g_task_set_source_tag (task, init_async);
  g_task_set_task_data (task, g_strdup (FILE_STORAGE (initable)->path), g_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, init_run);
}

static gboolean
init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  FileStorage *self = FILE_STORAGE (initable);

  g_return_val_if_fail (g_task_is_valid (result, initable), FALSE);

  g_clear_pointer (&self->root, file_root_unref);
  self->root = g_task_propagate_pointer (G_TASK (result), error);
  if (self->root != NULL && self->force_named)
    file_root_force_named (self->root);
  return self->root != NULL;
}

static void
file_storage_initable_init (GAsyncInitableIface *iface)
{
  iface->init_async = init_async;
  iface->init_finish = init_finish;
}

static void
file_storage_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_PATH)
    FILE_STORAGE (object)->path = g_value_dup_string (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
file_storage_finalize (GObject *object)
{
  FileStorage *self = FILE_STORAGE (object);

  g_clear_pointer (&self->root, file_root_unref);
  g_free (self->path);
  G_OBJECT_CLASS (file_storage_parent_class)->finalize (object);
}

static void
file_storage_class_init (FileStorageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = file_storage_set_property;
  object_class->finalize = file_storage_finalize;
  props[PROP_PATH] = g_param_spec_string ("path", NULL, "Folder that holds the objects (absolute)", NULL,
                                          G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
file_storage_init (FileStorage *self)
{
}

void
file_storage_force_named (FileStorage *self)
{
  self->force_named = TRUE;
}
