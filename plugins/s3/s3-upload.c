/* Multipart uploads: their begin and their parts. A part's tag is `SIZE ETAG [CHECKSUM]`: what the end must repeat, and how much it was. */
#include "s3-storage.h"

#include "s3-answers.h"
#include "s3-digest.h"
#include "s3-upload-id.h"

#include <string.h>

#define ETAG_MAX ((gsize) 256)

typedef struct
{
  char *name;
  char *upload_id;
  guint number;
  GBytes *bytes;
  S3Digest *digest;
} Upload;

static void
upload_free (gpointer data)
{
  Upload *self = data;

  g_free (self->name);
  g_free (self->upload_id);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->digest, s3_digest_free);
  g_free (self);
}

static Upload *
upload_new (GTask *task, const char *name, const char *upload_id)
{
  Upload *self = g_new0 (Upload, 1);

  self->name = g_strdup (name);
  self->upload_id = g_strdup (upload_id);
  g_task_set_task_data (task, self, upload_free);
  return self;
}

static GError *
malformed (const char *what, const char *name, const char *text)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-answer", 0, "%s %s: %s", what, name, text);
}

GError *
s3_no_such_upload (const char *what, const char *name)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "s3-no-such-upload", 0, "%s %s: there is no such upload", what,
                           name);
}

/* ---- begin ---- */

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  GError *error = NULL;
  g_autofree char *id = answer != NULL ? s3_answer_read_upload_id (answer->body, &error) : NULL;

  if (id != NULL)
    g_task_return_pointer (task, s3_upload_id_new (id, g_task_get_task_data (task)), g_free);
  else if (answer != NULL)
    g_task_return_error (task, error);
}

void
s3_upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  S3Storage *self = S3_STORAGE (storage);
  S3Client *client = s3_storage_get_client (self);
  GTask *task = s3_storage_task (self, s3_upload_begin_async, cancellable, callback, user_data);
  S3Request *request = s3_request_new (client, SOUP_METHOD_POST, "begin", name);
  char *mark = s3_upload_id_new_mark ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0);

  g_task_set_task_data (task, mark, g_free);
  s3_request_query (request, "uploads", "");
  s3_request_header (request, S3_UPLOAD_MARK_HEADER, mark);
  s3_storage_describe_object (self, request);
  if (s3_client_get_options (client)->checksum == S3_CHECKSUM_SHA256)
    s3_request_header (request, "x-amz-checksum-algorithm", "SHA256");
  s3_client_send_async (client, request, cancellable, begun_cb, task);
}

/* ---- part ---- */

/* What goes into the tag comes back into the XML of the commit. */
gboolean
s3_is_etag (const char *etag)
{
  gsize size = etag != NULL ? strlen (etag) : 0;

  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isgraph (etag[i]) || strchr ("<>&", etag[i]) != NULL)
      return FALSE;
  return size > 0 && size <= ETAG_MAX;
}

static void
part_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  S3Storage *self = g_task_get_source_object (task);
  const Upload *upload = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  const char *etag = answer != NULL ? cloud_answer_get_header (answer, "ETag") : NULL;
  gboolean named = s3_client_get_options (s3_storage_get_client (self))->checksum == S3_CHECKSUM_SHA256;

  if (answer == NULL)
    return;
  if (!s3_is_etag (etag))
    g_task_return_error (task, malformed ("part of", upload->name, "the answer has no readable ETag"));
  else
    g_task_return_pointer (task,
                           g_strdup_printf ("%" G_GSIZE_FORMAT " %s%s%s", g_bytes_get_size (upload->bytes), etag, named ? " " : "",
                                            named ? upload->digest->checksum : ""),
                           g_free);
}

static void
part_hashed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  Upload *upload = g_task_get_task_data (task);
  const char *header = s3_digest_header (s3_client_get_options (client)->checksum);
  g_autofree char *number = g_strdup_printf ("%u", upload->number);
  S3Request *request = NULL;
  GError *error = NULL;

  upload->digest = s3_digest_finish (result, &error);
  if (upload->digest == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  request = s3_request_new (client, SOUP_METHOD_PUT, "part of", upload->name);
  s3_request_query (request, "partNumber", number);
  s3_request_query (request, "uploadId", s3_upload_id_get_store_id (upload->upload_id));
  if (header != NULL)
    s3_request_header (request, header, upload->digest->checksum);
  s3_request_body (request, upload->bytes, upload->digest->sha256_hex);
  s3_client_send_async (client, request, g_task_get_cancellable (task), part_cb, task);
}

void
s3_upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_upload_part_async, cancellable, callback, user_data);
  Upload *upload = upload_new (task, name, upload_id);

  if (!s3_upload_id_is_ours (upload_id))
    {
      g_task_return_error (task, s3_no_such_upload ("part of", name));
      g_object_unref (task);
      return;
    }
  upload->number = number;
  upload->bytes = g_bytes_ref (bytes);
  s3_digest_async (bytes, s3_client_get_options (s3_storage_get_client (S3_STORAGE (storage)))->checksum, cancellable, part_hashed_cb,
                   task);
}
