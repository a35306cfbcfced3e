/* get, list, stat, remove */
#include "../cloud/cloud-uri.h"
#include "gcs-storage-private.h"

#include <string.h>

/* ---- get ---- */

typedef struct
{
  char *name;
  guint64 offset;
  guint64 length;
} Range;

static void
range_free (gpointer data)
{
  Range *self = data;

  g_free (self->name);
  g_free (self);
}

static char *
range_header (const Range *range)
{
  if (range->length != G_MAXUINT64)
    return g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, range->offset, range->offset + range->length - 1);
  return range->offset > 0 ? g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-", range->offset) : NULL;
}

static GError *
beyond_end (const Range *range)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range", 0, "get %s: it ends before byte %" G_GUINT64_FORMAT,
                           range->name, range->length != G_MAXUINT64 ? range->offset + range->length : range->offset);
}

/* 416 is also what an empty rest gets: `Content-Range: bytes` and `*` with the size behind the slash. */
static gboolean
is_at_end (const CloudAnswer *answer, const Range *range)
{
  const char *text = cloud_answer_get_header (answer, "Content-Range");
  const char *slash = text != NULL ? strchr (text, '/') : NULL;
  guint64 size = 0;

  return range->length == G_MAXUINT64 && slash != NULL && g_ascii_string_to_unsigned (slash + 1, 10, 0, G_MAXINT64, &size, NULL) &&
         size == range->offset;
}

static GInputStream *
take_stream (GcsStorage *self, CloudAnswer *answer, const Range *range, const char *what, GError **error)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (answer->message);
  const CloudRequest request = gcs_request_for (self, what);
  guint64 size = (guint64) soup_message_headers_get_content_length (headers);
  gboolean ranged = range->offset > 0 || range->length != G_MAXUINT64;

  if (answer->status == 416 || (range->length != G_MAXUINT64 && answer->stream != NULL && size < range->length))
    {
      if (answer->status == 416 && is_at_end (answer, range))
        return g_memory_input_stream_new ();
      g_propagate_error (error, beyond_end (range));
      return NULL;
    }
  if (answer->stream == NULL || answer->status != (ranged ? 206u : 200u) ||
      soup_message_headers_get_encoding (headers) != SOUP_ENCODING_CONTENT_LENGTH ||
      (range->length != G_MAXUINT64 && size != range->length))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-range", 0,
                                                  "%s: status %u with %" G_GUINT64_FORMAT " bytes is no answer to that range", what,
                                                  answer->status, size));
      return NULL;
    }
  return cloud_answer_take_stream (answer, &request, size, G_OBJECT (self));
}

static void
got_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = GCS_STORAGE (source);
  const Range *range = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (self, result, &error);
  g_autofree char *what = g_strconcat ("get ", range->name, NULL);
  GInputStream *stream = answer != NULL ? take_stream (self, answer, range, what, &error) : NULL;

  if (stream != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Range *range = g_new0 (Range, 1);
  g_autofree char *full = gcs_full_name (self, name);
  g_autofree char *path = gcs_path_of (self, full, "alt=media");
  g_autofree char *what = g_strconcat ("get ", name, NULL);
  g_autofree char *header = NULL;

  *range = (Range){ g_strdup (name), offset, length };
  header = range_header (range);
  const GcsCall call = { .method = "GET", .what = what, .path = path, .range = header, .stream = TRUE };
  g_task_set_source_tag (task, get_async);
  g_task_set_task_data (task, range, range_free);
  gcs_send_async (self, &call, cancellable, got_cb, task);
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, storage), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static GInputStream *
get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- list ---- */

typedef struct
{
  char *after; /* whole name; NULL on the first page */
  guint max;
} Listing;

static void
listing_free (gpointer data)
{
  Listing *self = data;

  g_free (self->after);
  g_free (self);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = GCS_STORAGE (source);
  const Listing *listing = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (self, result, &error);
  TeesqlObjectPage *page = answer != NULL ? gcs_answer_read_list (answer->body, self->prefix, listing->after, listing->max, &error) : NULL;

  if (page != NULL)
    g_task_return_pointer (task, page, (GDestroyNotify) teesql_object_page_unref);
  else
    g_task_return_error (task, error);
}

static char *
list_path (const GcsStorage *self, const char *prefix, const char *token, guint max)
{
  g_autofree char *full = gcs_full_name (self, prefix);
  g_autofree char *prefix_encoded = cloud_percent_encode (full, NULL);
  g_autofree char *token_encoded = token != NULL ? cloud_percent_encode (token, NULL) : NULL;

  return g_strdup_printf ("/storage/v1/b/%s/o?prefix=%s&maxResults=%u&fields=" GCS_LIST_FIELDS "%s%s", self->bucket, prefix_encoded, max,
                          token != NULL ? "&pageToken=" : "", token != NULL ? token_encoded : "");
}

static void
list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  const char *bar = token != NULL ? strchr (token, '|') : NULL;
  g_autofree char *path = list_path (self, prefix, bar != NULL ? bar + 1 : NULL, max);
  const GcsCall call = { .method = "GET", .what = "list", .path = path, .max_answer = GCS_LIST_MAX };
  Listing *listing = g_new0 (Listing, 1);

  listing->max = max;
  if (bar != NULL && bar > token)
    listing->after = g_strndup (token, (gsize) (bar - token));
  g_task_set_source_tag (task, list_async);
  g_task_set_task_data (task, listing, listing_free);
  if (token != NULL && bar == NULL)
    g_task_return_error (task,
                         teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "gcs-page-token", 0, "list: this token is not ours"));
  else
    gcs_send_async (self, &call, cancellable, listed_cb, g_steal_pointer (&task));
}

static TeesqlObjectPage *
list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- stat ---- */

static void
stated_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (GCS_STORAGE (source), result, &error);
  g_auto (GcsObject) object = { 0 };

  if (answer != NULL && gcs_answer_read_object (answer->body, &object, &error))
    g_task_return_pointer (task, teesql_object_info_new (g_task_get_task_data (task), object.size, object.updated_unix, object.generation),
                           (GDestroyNotify) teesql_object_info_unref);
  else
    g_task_return_error (task, error);
}

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *full = gcs_full_name (self, name);
  g_autofree char *path = gcs_path_of (self, full, "fields=" GCS_ONE_FIELDS);
  g_autofree char *what = g_strconcat ("stat ", name, NULL);
  const GcsCall call = { .method = "GET", .what = what, .path = path };

  g_task_set_source_tag (task, stat_async);
  g_task_set_task_data (task, g_strdup (name), g_free);
  gcs_send_async (self, &call, cancellable, stated_cb, task);
}

static TeesqlObjectInfo *
stat_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- remove ---- */

static void
deleted_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (GCS_STORAGE (source), result, &error);

  if (answer == NULL && g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    g_clear_error (&error);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

void
gcs_delete_async (GcsStorage *self, const char *full_name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *path = gcs_path_of (self, full_name, NULL);
  g_autofree char *what = g_strconcat ("remove ", full_name, NULL);
  const GcsCall call = { .method = "DELETE", .what = what, .path = path };

  g_task_set_source_tag (task, gcs_delete_async);
  gcs_send_async (self, &call, cancellable, deleted_cb, task);
}

gboolean
gcs_delete_finish (GcsStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GcsStorage *self = GCS_STORAGE (storage);
  g_autofree char *full = gcs_full_name (self, name);

  gcs_delete_async (self, full, cancellable, callback, user_data);
}

static gboolean
remove_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return gcs_delete_finish (GCS_STORAGE (storage), result, error);
}

void
gcs_objects_init_interface (TeesqlStorageInterface *iface)
{
  iface->get_async = get_async;
  iface->get_finish = get_finish;
  iface->list_async = list_async;
  iface->list_finish = list_finish;
  iface->stat_async = stat_async;
  iface->stat_finish = stat_finish;
  iface->remove_async = remove_async;
  iface->remove_finish = remove_finish;
}
