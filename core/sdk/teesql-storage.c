#include <teesql/teesql-storage.h>
#include "sdk/teesql-call.h"
#include "sdk/teesql-checked-stream.h"
#include "sdk/teesql-storage-checks.h"
#include <string.h>

#define DOMAIN     TEESQL_STORAGE_ERROR
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-"

G_DEFINE_INTERFACE (TeesqlStorage, teesql_storage, G_TYPE_OBJECT)

/* What was asked, for the answer to be held against. */
typedef struct
{
  char *name;
  char *token;
  guint64 size; /* put: as announced, G_MAXUINT64 when not known; get: the length */
  guint max;
  GInputStream *content; /* put: a TeesqlCheckedStream */
} Question;

static void
teesql_storage_default_init (TeesqlStorageInterface *iface)
{
}

static void
question_free (gpointer data)
{
  Question *self = data;

  g_free (self->name);
  g_free (self->token);
  g_clear_object (&self->content);
  g_free (self);
}

static Question *
ask (GTask *task, const char *name)
{
  Question *question = g_new0 (Question, 1);

  question->name = g_strdup (name);
  g_task_set_task_data (task, question, question_free);
  return question;
}

static TeesqlStorageFeatures
features_of_slots (const TeesqlStorageInterface *iface)
{
  gboolean upload = iface->upload_begin_async != NULL && iface->upload_begin_finish != NULL && iface->upload_part_async != NULL &&
                    iface->upload_part_finish != NULL && iface->upload_commit_async != NULL && iface->upload_commit_finish != NULL &&
                    iface->upload_abort_async != NULL && iface->upload_abort_finish != NULL;

  return upload ? TEESQL_STORAGE_FEATURE_UPLOAD : (TeesqlStorageFeatures) 0;
}

/* Features that stand on slots need the slots; parallel parts need parts. */
TeesqlStorageFeatures
teesql_storage_get_features (TeesqlStorage *self)
{
  TeesqlStorageInterface *iface = NULL;
  TeesqlStorageFeatures slots = 0;
  TeesqlStorageFeatures features = 0;

  g_return_val_if_fail (TEESQL_IS_STORAGE (self), 0);

  iface = TEESQL_STORAGE_GET_IFACE (self);
  slots = features_of_slots (iface);
  features = iface->get_features != NULL ? iface->get_features (self) : slots;
  features &= slots | TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_PARALLEL;
  if ((features & TEESQL_STORAGE_FEATURE_UPLOAD) == 0)
    features &= ~TEESQL_STORAGE_FEATURE_PARALLEL;
  return features;
}

static gboolean
segment_is_valid (const char *segment, gsize length)
{
  if (length == 0 || (length == 1 && segment[0] == '.') || (length == 2 && segment[0] == '.' && segment[1] == '.'))
    return FALSE;
  return strspn (segment, NAME_CHARS) >= length;
}

gboolean
teesql_storage_name_is_valid (const char *name)
{
  const char *segment = name;

  if (name == NULL || strnlen (name, TEESQL_STORAGE_NAME_MAX + 1) > TEESQL_STORAGE_NAME_MAX)
    return FALSE;
  while (TRUE)
    {
      gsize length = strcspn (segment, "/");

      if (!segment_is_valid (segment, length))
        return FALSE;
      if (segment[length] == '\0')
        return TRUE;
      segment += length + 1;
    }
}

GError *
teesql_storage_check_name (const char *name)
{
  if (teesql_storage_name_is_valid (name))
    return NULL;
  return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "object-name", 0,
                           "an object's name is 1 to %" G_GSIZE_FORMAT
                           " characters of A-Z a-z 0-9 . _ = - in segments between single slashes",
                           TEESQL_STORAGE_NAME_MAX);
}

GError *
teesql_storage_check_flags (TeesqlStorage *self, TeesqlStoragePutFlags flags)
{
  if (flags == TEESQL_STORAGE_PUT_NONE)
    return NULL;
  if (flags != TEESQL_STORAGE_PUT_IF_ABSENT || (teesql_storage_get_features (self) & TEESQL_STORAGE_FEATURE_IF_ABSENT) == 0)
    return teesql_error_new (DOMAIN, TEESQL_ERROR_UNSUPPORTED, "not-implemented", 0, "%s cannot store on a condition (flags 0x%x)",
                             G_OBJECT_TYPE_NAME (self), (guint) flags);
  return NULL;
}

GError *
teesql_storage_check_info (const TeesqlObjectInfo *info, const char *name)
{
  if (strcmp (teesql_object_info_get_name (info), name) == 0)
    return NULL;
  return teesql_call_broken (DOMAIN, "the storage answered about another object than %s", name);
}

/* ---- put ---- */

static GError *
check_put (const Question *question, const TeesqlObjectInfo *info)
{
  TeesqlCheckedStream *content = TEESQL_CHECKED_STREAM (question->content);
  guint64 count = teesql_checked_stream_get_count (content);
  gboolean whole = question->size != G_MAXUINT64 ? count == question->size : teesql_checked_stream_has_ended (content);

  if (!whole || teesql_checked_stream_has_failed (content))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                             "%s was reported as stored after %" G_GUINT64_FORMAT " bytes, before the end of its content", question->name,
                             count);
  if (teesql_object_info_get_size (info) != count)
    return teesql_error_new (DOMAIN, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                             "%s: %" G_GUINT64_FORMAT " bytes were read and %" G_GUINT64_FORMAT " stored", question->name, count,
                             teesql_object_info_get_size (info));
  return teesql_storage_check_info (info, question->name);
}

static void
put_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = TEESQL_STORAGE_GET_IFACE (self)->put_finish (self, result, &error);

  teesql_checked_stream_cut (TEESQL_CHECKED_STREAM (question->content)); /* to the finish and no longer */
  if (teesql_call_failed (task, info != NULL, error, DOMAIN, "put"))
    return;
  error = check_put (question, info);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&info), (GDestroyNotify) teesql_object_info_unref);
}

static GError *
prepare_put (TeesqlStorage *self, const char *name, gint64 size, TeesqlStoragePutFlags flags)
{
  TeesqlStorageInterface *iface = TEESQL_STORAGE_GET_IFACE (self);
  GError *error = teesql_storage_check_name (name);

  if (error == NULL && (iface->put_async == NULL || iface->put_finish == NULL))
    error = teesql_call_broken (DOMAIN, "%s lacks the required put", G_OBJECT_TYPE_NAME (self));
  if (error == NULL && size < -1)
    error = teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "range", 0, "a size of %" G_GINT64_FORMAT " bytes makes no sense", size);
  return error != NULL ? error : teesql_storage_check_flags (self, flags);
}

void
teesql_storage_put_async (TeesqlStorage *self, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Question *question = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (G_IS_INPUT_STREAM (content));

  task = teesql_call_begin (self, teesql_storage_put_async, cancellable, callback, user_data);
  question = ask (task, name);
  question->size = size < 0 ? G_MAXUINT64 : (guint64) size;
  question->content = teesql_checked_stream_new (content, question->size, FALSE);
  error = prepare_put (self, name, size, flags);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->put_async (self, question->name, question->content, size, flags, cancellable, put_ready_cb, task);
}

TeesqlObjectInfo *
teesql_storage_put_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_put_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- get ---- */

static void
get_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GInputStream) stream = TEESQL_STORAGE_GET_IFACE (self)->get_finish (self, result, &error);

  if (!teesql_call_failed (task, stream != NULL, error, DOMAIN, "get"))
    g_task_return_pointer (task, teesql_checked_stream_new (stream, question->size, TRUE), g_object_unref);
}

static GError *
prepare_get (TeesqlStorage *self, const char *name, guint64 offset, guint64 length)
{
  TeesqlStorageInterface *iface = TEESQL_STORAGE_GET_IFACE (self);
  GError *error = teesql_storage_check_name (name);

  if (error == NULL && (iface->get_async == NULL || iface->get_finish == NULL))
    error = teesql_call_broken (DOMAIN, "%s lacks the required get", G_OBJECT_TYPE_NAME (self));
  if (error == NULL && (length == 0 || (length != G_MAXUINT64 && offset > G_MAXINT64 - MIN (length, G_MAXINT64))))
    error = teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "range", 0,
                              "%" G_GUINT64_FORMAT " bytes from offset %" G_GUINT64_FORMAT " are no range", length, offset);
  return error;
}

void
teesql_storage_get_async (TeesqlStorage *self, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  Question *question = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL);

  task = teesql_call_begin (self, teesql_storage_get_async, cancellable, callback, user_data);
  question = ask (task, name);
  question->size = length;
  error = prepare_get (self, name, offset, length);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->get_async (self, question->name, offset, length, cancellable, get_ready_cb, task);
}

GInputStream *
teesql_storage_get_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_get_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- list ---- */

static gboolean
prefix_is_sound (const char *prefix)
{
  return strspn (prefix, NAME_CHARS "/") == strlen (prefix) && strlen (prefix) <= TEESQL_STORAGE_NAME_MAX;
}

static GError *
check_page (const Question *question, const TeesqlObjectPage *page)
{
  const char *next = teesql_object_page_get_next_token (page);
  guint n = teesql_object_page_get_n_objects (page);
  const char *before = "";

  if (n > question->max)
    return teesql_call_broken (DOMAIN, "the storage listed %u objects on a page of at most %u", n, question->max);
  for (guint i = 0; i < n; i++)
    {
      const char *name = teesql_object_info_get_name (teesql_object_page_get_object (page, i));

      if (!teesql_storage_name_is_valid (name) || !g_str_has_prefix (name, question->name) || strcmp (before, name) >= 0)
        return teesql_call_broken (DOMAIN, "object %u of the storage's page is no valid name behind the last one under \"%s\"", i,
                                   question->name);
      before = name;
    }
  /* the same token again would have core ask for the same page for ever */
  if (next != NULL && (next[0] == '\0' || strlen (next) > TEESQL_STORAGE_TOKEN_MAX || g_strcmp0 (next, question->token) == 0))
    return teesql_call_broken (DOMAIN, "the storage's next token is empty, too long or the same again");
  return NULL;
}

static void
list_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlObjectPage) page = TEESQL_STORAGE_GET_IFACE (self)->list_finish (self, result, &error);

  if (teesql_call_failed (task, page != NULL, error, DOMAIN, "list"))
    return;
  error = check_page (g_task_get_task_data (task), page);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&page), (GDestroyNotify) teesql_object_page_unref);
}

static GError *
prepare_list (TeesqlStorage *self, const char *prefix, const char *token, guint max)
{
  TeesqlStorageInterface *iface = TEESQL_STORAGE_GET_IFACE (self);

  if (iface->list_async == NULL || iface->list_finish == NULL)
    return teesql_call_broken (DOMAIN, "%s lacks the required list", G_OBJECT_TYPE_NAME (self));
  if (!prefix_is_sound (prefix))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "object-name", 0, "the prefix cannot begin an object's name");
  if (max == 0 || max > TEESQL_STORAGE_PAGE_MAX || (token != NULL && strlen (token) > TEESQL_STORAGE_TOKEN_MAX))
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "range", 0, "a page of %u objects, expected 1 to %d, or the token is too long",
                             max, TEESQL_STORAGE_PAGE_MAX);
  return NULL;
}

void
teesql_storage_list_async (TeesqlStorage *self, const char *prefix, const char *token, guint max, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  Question *question = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (prefix != NULL);

  task = teesql_call_begin (self, teesql_storage_list_async, cancellable, callback, user_data);
  question = ask (task, prefix);
  question->token = g_strdup (token);
  question->max = max;
  error = prepare_list (self, prefix, token, max);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    TEESQL_STORAGE_GET_IFACE (self)->list_async (self, question->name, question->token, max, cancellable, list_ready_cb, task);
}

TeesqlObjectPage *
teesql_storage_list_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_list_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- stat ---- */

static void
stat_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = TEESQL_STORAGE_GET_IFACE (self)->stat_finish (self, result, &error);

  if (teesql_call_failed (task, info != NULL, error, DOMAIN, "stat"))
    return;
  error = teesql_storage_check_info (info, question->name);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&info), (GDestroyNotify) teesql_object_info_unref);
}

void
teesql_storage_stat_async (TeesqlStorage *self, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  TeesqlStorageInterface *iface = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL);

  iface = TEESQL_STORAGE_GET_IFACE (self);
  task = teesql_call_begin (self, teesql_storage_stat_async, cancellable, callback, user_data);
  error = teesql_storage_check_name (name);
  if (error == NULL && (iface->stat_async == NULL || iface->stat_finish == NULL))
    error = teesql_call_broken (DOMAIN, "%s lacks the required stat", G_OBJECT_TYPE_NAME (self));
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    iface->stat_async (self, ask (task, name)->name, cancellable, stat_ready_cb, task);
}

TeesqlObjectInfo *
teesql_storage_stat_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_stat_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- remove ---- */

static void
remove_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorage *self = g_task_get_source_object (task);
  GError *error = NULL;
  gboolean removed = TEESQL_STORAGE_GET_IFACE (self)->remove_finish (self, result, &error);

  if (!teesql_call_failed (task, removed, error, DOMAIN, "remove"))
    g_task_return_boolean (task, TRUE);
}

void
teesql_storage_remove_async (TeesqlStorage *self, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  TeesqlStorageInterface *iface = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_STORAGE (self));
  g_return_if_fail (name != NULL);

  iface = TEESQL_STORAGE_GET_IFACE (self);
  task = teesql_call_begin (self, teesql_storage_remove_async, cancellable, callback, user_data);
  error = teesql_storage_check_name (name);
  if (error == NULL && (iface->remove_async == NULL || iface->remove_finish == NULL))
    error = teesql_call_broken (DOMAIN, "%s lacks the required remove", G_OBJECT_TYPE_NAME (self));
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    iface->remove_async (self, ask (task, name)->name, cancellable, remove_ready_cb, task);
}

gboolean
teesql_storage_remove_finish (TeesqlStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_remove_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
