#include "s3-storage.h"

#include "s3-answers.h"

#include <string.h>

struct _S3Storage
{
  GObject parent_instance;
  S3Options options;
  S3Client *client;
  S3Condition condition;
  GHashTable *open_ends; /* by id of the upload: gint64, monotonic */
};

static void s3_storage_iface_init (TeesqlStorageInterface *iface);
static void s3_storage_initable_init (GAsyncInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (S3Storage, s3_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, s3_storage_iface_init)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_INITABLE, s3_storage_initable_init))

S3Client *
s3_storage_get_client (S3Storage *self)
{
  return self->client;
}

S3Condition
s3_storage_get_condition (S3Storage *self)
{
  return self->condition;
}

void
s3_storage_set_condition (S3Storage *self, S3Condition condition)
{
  self->condition = condition;
}

gint64
s3_storage_get_open_until (S3Storage *self, const char *upload_id)
{
  const gint64 *until_us = g_hash_table_lookup (self->open_ends, upload_id);

  return until_us != NULL ? *until_us : 0;
}

static gboolean
is_past (gpointer key, gpointer value, gpointer user_data)
{
  return *(const gint64 *) value < g_get_monotonic_time ();
}

void
s3_storage_set_open_until (S3Storage *self, const char *upload_id, gint64 until_us)
{
  gint64 *value = NULL;

  g_hash_table_foreach_remove (self->open_ends, is_past, NULL);
  g_hash_table_remove (self->open_ends, upload_id);
  if (until_us == 0)
    return;
  value = g_new (gint64, 1);
  *value = until_us;
  g_hash_table_insert (self->open_ends, g_strdup (upload_id), value);
}

void
s3_storage_attach_timer (GSource *timer, GSourceFunc func, GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);

  g_source_set_callback (timer, func, task, NULL);
  if (cancellable != NULL)
    {
      g_autoptr (GSource) cancelled = g_cancellable_source_new (cancellable);

      g_source_set_dummy_callback (cancelled);
      g_source_add_child_source (timer, cancelled);
    }
  g_source_attach (timer, g_main_context_get_thread_default ());
}

GTask *
s3_storage_task (gpointer storage, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE); /* a success that won the race counts */
  return task;
}

gpointer
s3_storage_finish_pointer (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

TeesqlObjectInfo *
s3_storage_finish_info (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return s3_storage_finish_pointer (storage, result, error);
}

char *
s3_storage_finish_text (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return s3_storage_finish_pointer (storage, result, error);
}

gboolean
s3_storage_finish_boolean (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

CloudAnswer *
s3_storage_expect (GTask *task, GAsyncResult *result, guint expected, gboolean conditional)
{
  S3Storage *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (self->client, result, &error);

  if (answer != NULL && answer->status == expected)
    return g_steal_pointer (&answer);
  g_task_return_error (task, answer != NULL ? s3_client_refusal (result, answer, conditional) : error);
  return NULL;
}

void
s3_storage_describe_object (S3Storage *self, S3Request *request)
{
  if (self->options.storage_class != NULL)
    s3_request_header (request, "x-amz-storage-class", self->options.storage_class);
  if (self->options.encryption != NULL)
    s3_request_header (request, "x-amz-server-side-encryption", self->options.encryption);
}

/* ---- stat ---- */

TeesqlObjectInfo *
s3_storage_read_head (const char *name, const CloudAnswer *answer, GError **error)
{
  const char *length = cloud_answer_get_header (answer, "Content-Length");
  const char *modified = cloud_answer_get_header (answer, "Last-Modified");
  g_autoptr (GDateTime) time = modified != NULL ? soup_date_time_new_from_http_string (modified) : NULL;
  guint64 size = 0;

  if (length != NULL && g_ascii_string_to_unsigned (length, 10, 0, G_MAXINT64, &size, NULL))
    return teesql_object_info_new (name, size, time != NULL ? MAX (g_date_time_to_unix (time), -1) : -1,
                                   cloud_answer_get_header (answer, "ETag"));
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-answer", 0,
                                              "stat %s: the answer has no Content-Length", name));
  return NULL;
}

static void
stat_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  GError *error = NULL;
  TeesqlObjectInfo *info = answer != NULL ? s3_storage_read_head (g_task_get_task_data (task), answer, &error) : NULL;

  if (info != NULL)
    g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
  else if (answer != NULL)
    g_task_return_error (task, error);
}

void
s3_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (storage);
  GTask *task = s3_storage_task (self, s3_stat_async, cancellable, callback, user_data);

  g_task_set_task_data (task, g_strdup (name), g_free);
  s3_client_send_async (self->client, s3_request_new (self->client, SOUP_METHOD_HEAD, "stat", name), cancellable, stat_cb, task);
}

/* ---- remove ---- */

static void
remove_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  S3Storage *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (self->client, result, &error);

  if (answer != NULL && answer->status != SOUP_STATUS_OK && answer->status != SOUP_STATUS_NO_CONTENT)
    error = s3_client_refusal (result, answer, FALSE);
  if (error != NULL && !g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

void
s3_remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (storage);
  GTask *task = s3_storage_task (self, s3_remove_async, cancellable, callback, user_data);

  s3_client_send_async (self->client, s3_request_new (self->client, SOUP_METHOD_DELETE, "remove", name), cancellable, remove_cb, task);
}

/* ---- get ---- */

typedef struct
{
  char *name;
  guint64 offset;
  guint64 length;
} Get;

static void
get_free (gpointer data)
{
  Get *self = data;

  g_free (self->name);
  g_free (self);
}

static gboolean
fail_range (GError **error, const Get *self, TeesqlError code, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, code, code == TEESQL_ERROR_FAILED ? "range" : "s3-range", 0,
                                              "get %s from %" G_GUINT64_FORMAT ": %s", self->name, self->offset, text));
  return FALSE;
}

/* Does the head of the answer promise what was asked for? The stream then holds the body to it. */
static gboolean
check_promise (const Get *self, const CloudAnswer *answer, guint64 *out_expected, GError **error)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (answer->message);
  gboolean whole = self->offset == 0 && self->length == G_MAXUINT64;
  goffset size = soup_message_headers_get_content_length (headers);
  goffset start = 0;
  goffset end = 0;
  goffset total = 0;

  if (soup_message_headers_get_encoding (headers) != SOUP_ENCODING_CONTENT_LENGTH || size < 0)
    return fail_range (error, self, TEESQL_ERROR_MALFORMED, "the answer does not say how long it is");
  *out_expected = (guint64) size;
  if (whole != (answer->status == SOUP_STATUS_OK))
    return fail_range (error, self, TEESQL_ERROR_MALFORMED, "the store does not answer the range that was asked for");
  if (whole)
    return TRUE;
  if (!soup_message_headers_get_content_range (headers, &start, &end, &total) || start < 0 || (guint64) start != self->offset ||
      end < start || end - start + 1 != size || total <= end)
    return fail_range (error, self, TEESQL_ERROR_MALFORMED, "the store answers another range than was asked for");
  if (self->length == G_MAXUINT64 ? end != total - 1 : *out_expected != self->length)
    return fail_range (error, self, TEESQL_ERROR_FAILED, "the object is shorter than what was asked for");
  return TRUE;
}

static void
get_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  S3Storage *self = g_task_get_source_object (task);
  Get *get = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (self->client, result, &error);
  guint64 expected = 0;

  if (answer == NULL)
    g_task_return_error (task, error);
  else if (answer->stream == NULL)
    g_task_return_error (task, s3_client_refusal (result, answer, FALSE));
  else if (!check_promise (get, answer, &expected, &error))
    {
      g_cancellable_cancel (answer->drop); /* what nobody will read must not come */
      g_task_return_error (task, error);
    }
  else
    g_task_return_pointer (task, s3_client_take_stream (result, answer, expected, G_OBJECT (self)), g_object_unref);
}

static void
s3_get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
              GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (storage);
  GTask *task = s3_storage_task (self, s3_get_async, cancellable, callback, user_data);
  S3Request *request = s3_request_new (self->client, SOUP_METHOD_GET, "get", name);
  Get *get = g_new0 (Get, 1);
  g_autofree char *range = NULL;

  *get = (Get){ g_strdup (name), offset, length };
  g_task_set_task_data (task, get, get_free);
  if (length != G_MAXUINT64)
    range = g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, offset, offset + length - 1);
  else if (offset > 0)
    range = g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-", offset);
  if (range != NULL)
    s3_request_header (request, "range", range);
  request->stream = TRUE;
  s3_client_send_async (self->client, request, cancellable, get_cb, task);
}

/* ---- list ---- */

typedef struct
{
  GBytes *body;
  char *below;  /* our prefix: cut off */
  char *prefix; /* with the caller's behind it */
  char *after;
  guint max;
} List;

static void
list_free (gpointer data)
{
  List *self = data;

  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self->below);
  g_free (self->prefix);
  g_free (self->after);
  g_free (self);
}

static void
list_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const List *self = task_data;
  GError *error = NULL;
  TeesqlObjectPage *page = s3_answer_read_list (self->body, self->below, self->prefix, self->after, self->max, &error);

  if (page != NULL)
    g_task_return_pointer (task, page, (GDestroyNotify) teesql_object_page_unref);
  else
    g_task_return_error (task, error);
}

static void
list_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  List *list = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);

  if (answer == NULL)
    return;
  list->body = g_steal_pointer (&answer->body);
  g_task_run_in_thread (task, list_thread);
}

static List *
list_new (const S3Options *options, const char *prefix, const char *token, guint max)
{
  List *self = g_new0 (List, 1);

  self->below = g_strdup (options->prefix);
  self->prefix = g_strconcat (options->prefix, prefix, NULL);
  self->after = g_strdup (token != NULL && token[0] == 'k' ? token + 1 : "");
  self->max = max;
  return self;
}

static void
s3_list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (storage);
  GTask *task = s3_storage_task (self, s3_list_async, cancellable, callback, user_data);
  S3Request *request = s3_request_new (self->client, SOUP_METHOD_GET, "list", NULL);
  List *list = list_new (&self->options, prefix, token, max);
  g_autofree char *number = g_strdup_printf ("%u", max);

  g_task_set_task_data (task, list, list_free);
  s3_request_query (request, "list-type", "2");
  s3_request_query (request, "encoding-type", "url");
  s3_request_query (request, "max-keys", number);
  s3_request_query (request, "prefix", list->prefix);
  if (list->after[0] != '\0')
    s3_request_query (request, "start-after", list->after);
  else if (token != NULL && token[0] == 'c')
    s3_request_query (request, "continuation-token", token + 1);
  request->max_answer = S3_LIST_MAX;
  s3_client_send_async (self->client, request, cancellable, list_cb, task);
}

/* ---- the object ---- */

static TeesqlStorageFeatures
s3_get_features (TeesqlStorage *storage)
{
  TeesqlStorageFeatures features = TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;

  return S3_STORAGE (storage)->options.conditional ? features | TEESQL_STORAGE_FEATURE_IF_ABSENT : features;
}

static void
s3_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = s3_get_features;
  iface->put_async = s3_put_async;
  iface->put_finish = s3_storage_finish_info;
  iface->get_async = s3_get_async;
  iface->get_finish = (GInputStream * (*) (TeesqlStorage *, GAsyncResult *, GError **) ) s3_storage_finish_pointer;
  iface->list_async = s3_list_async;
  iface->list_finish = (TeesqlObjectPage * (*) (TeesqlStorage *, GAsyncResult *, GError **) ) s3_storage_finish_pointer;
  iface->stat_async = s3_stat_async;
  iface->stat_finish = s3_storage_finish_info;
  iface->remove_async = s3_remove_async;
  iface->remove_finish = s3_storage_finish_boolean;
  iface->upload_begin_async = s3_upload_begin_async;
  iface->upload_begin_finish = s3_storage_finish_text;
  iface->upload_part_async = s3_upload_part_async;
  iface->upload_part_finish = s3_storage_finish_text;
  iface->upload_commit_async = s3_upload_commit_async;
  iface->upload_commit_finish = s3_storage_finish_info;
  iface->upload_abort_async = s3_upload_abort_async;
  iface->upload_abort_finish = s3_storage_finish_boolean;
}

static void
s3_storage_init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (initable);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, s3_storage_init_async);
  if (!s3_options_resolve (&self->options, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  self->client = s3_client_new (&self->options);
  g_task_return_boolean (task, TRUE);
}

static gboolean
s3_storage_init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, initable), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
s3_storage_initable_init (GAsyncInitableIface *iface)
{
  iface->init_async = s3_storage_init_async;
  iface->init_finish = s3_storage_init_finish;
}

static void
s3_storage_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (s3_options_is_property (id))
    s3_options_set (&S3_STORAGE (object)->options, id, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
s3_storage_finalize (GObject *object)
{
  S3Storage *self = S3_STORAGE (object);

  g_clear_pointer (&self->client, s3_client_free);
  s3_options_clear (&self->options);
  g_hash_table_unref (self->open_ends);
  G_OBJECT_CLASS (s3_storage_parent_class)->finalize (object);
}

static void
s3_storage_class_init (S3StorageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = s3_storage_set_property;
  object_class->finalize = s3_storage_finalize;
  s3_options_install (object_class);
}

static void
s3_storage_init (S3Storage *self)
{
  self->open_ends = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}
