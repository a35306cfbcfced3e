/* Multipart uploads. A part's tag is `SIZE ETAG [CHECKSUM]`: what the end of the upload must repeat, and how much it was. */
#include "s3-storage.h"

#include "s3-answers.h"
#include "s3-digest.h"
#include "s3-error.h"

#include <string.h>

#define COMMIT_FACTOR 5 /* stores copy thousands of parts together before they answer */
#define ETAG_MAX      ((gsize) 256)

typedef struct
{
  char *name;
  char *upload_id;
  guint number;
  GBytes *bytes;
  S3Digest *digest;
  char *manifest; /* body of the commit */
  guint64 size;
  TeesqlStoragePutFlags flags;
} Upload;

static void
upload_free (gpointer data)
{
  Upload *self = data;

  g_free (self->name);
  g_free (self->upload_id);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->digest, s3_digest_free);
  g_free (self->manifest);
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

/* ---- begin ---- */

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  GError *error = NULL;
  char *id = answer != NULL ? s3_answer_read_upload_id (answer->body, &error) : NULL;

  if (id != NULL)
    g_task_return_pointer (task, id, g_free);
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

  s3_request_query (request, "uploads", "");
  s3_storage_describe_object (self, request);
  if (s3_client_get_options (client)->checksum == S3_CHECKSUM_SHA256)
    s3_request_header (request, "x-amz-checksum-algorithm", "SHA256");
  s3_client_send_async (client, request, cancellable, begun_cb, task);
}

/* ---- part ---- */

/* What goes into the tag comes back into the XML of the commit. */
static gboolean
is_etag (const char *etag)
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
  if (!is_etag (etag))
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
  s3_request_query (request, "uploadId", upload->upload_id);
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

  upload->number = number;
  upload->bytes = g_bytes_ref (bytes);
  s3_digest_async (bytes, s3_client_get_options (s3_storage_get_client (S3_STORAGE (storage)))->checksum, cancellable, part_hashed_cb,
                   task);
}

/* ---- commit ---- */

/* One tag as XML; its size is added to @size. */
static gboolean
append_part (GString *xml, guint number, const char *tag, guint64 *size)
{
  g_auto (GStrv) words = g_strsplit (tag, " ", 3);
  guint n = g_strv_length (words);
  guint64 part = 0;

  if (n < 2 || !g_ascii_string_to_unsigned (words[0], 10, 0, G_MAXINT64, &part, NULL) || !is_etag (words[1]) ||
      (n == 3 && !is_etag (words[2])))
    return FALSE;
  *size += part;
  g_string_append_printf (xml, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>", number, words[1]);
  if (n == 3)
    g_string_append_printf (xml, "<ChecksumSHA256>%s</ChecksumSHA256>", words[2]);
  g_string_append (xml, "</Part>");
  return TRUE;
}

static gboolean
build_manifest (Upload *self, const char *const *tags)
{
  g_autoptr (GString) xml = g_string_new ("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");

  for (guint i = 0; tags[i] != NULL; i++)
    if (!append_part (xml, i + 1, tags[i], &self->size))
      return FALSE;
  g_string_append (xml, "</CompleteMultipartUpload>");
  self->manifest = g_string_free (g_steal_pointer (&xml), FALSE);
  return TRUE;
}

/* Status 200 was sent before the store knew: what it says then stands in the body. Without any of both the end is open, and stat tells. */
static GError *
late_refusal (const Upload *self, const S3Problem *problem, GError *error)
{
  g_autofree char *what = g_strdup_printf ("commit %s", self->name);
  S3Refusal refusal = { .what = what, .status = 500, .problem = problem };

  refusal.conditional = (self->flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0;
  if (refusal.conditional && strcmp (problem->code, "ConditionalRequestConflict") == 0)
    refusal.status = 409;
  if (error == NULL)
    return s3_error_new (&refusal);
  g_error_free (error);
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-commit", 0,
                           "commit %s: the store's answer says neither yes nor no", self->name);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Upload *upload = g_task_get_task_data (task);
  gboolean conditional = (upload->flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, conditional);
  g_auto (S3Problem) problem = { 0 };
  g_autofree char *etag = NULL;
  GError *error = NULL;

  if (answer == NULL)
    return;
  etag = s3_answer_read_complete (answer->body, &problem, &error);
  if (etag == NULL)
    g_task_return_error (task, late_refusal (upload, &problem, error));
  else
    g_task_return_pointer (task, teesql_object_info_new (upload->name, upload->size, -1, etag[0] != '\0' ? etag : NULL),
                           (GDestroyNotify) teesql_object_info_unref);
}

/* @task: (transfer full) */
static void
commit (GTask *task)
{
  const Upload *upload = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  S3Request *request = s3_request_new (client, SOUP_METHOD_POST, "commit", upload->name);
  g_autoptr (GBytes) body = g_bytes_new (upload->manifest, strlen (upload->manifest));

  s3_request_query (request, "uploadId", upload->upload_id);
  if ((upload->flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0)
    s3_request_header (request, "if-none-match", "*");
  s3_request_body (request, body, NULL);
  request->timeout_factor = COMMIT_FACTOR;
  s3_client_send_async (client, request, g_task_get_cancellable (task), committed_cb, task);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Upload *upload = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = s3_storage_finish_info (TEESQL_STORAGE (source), result, &error);

  if (info != NULL)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "object-exists", 0,
                                                 "commit %s: there is an object of that name", upload->name));
  else if (!g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    commit (g_steal_pointer (&task));
}

/* Older stores (Ceph before 19) take the condition of a commit without a word and ignore it, so there it is asked first as well. */
void
s3_upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags,
                        TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_upload_commit_async, cancellable, callback, user_data);
  Upload *upload = upload_new (task, name, upload_id);

  upload->flags = flags;
  if (!build_manifest (upload, tags))
    {
      g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "s3-parts", 0,
                                                   "commit %s: a part's tag is none of ours", name));
      g_object_unref (task);
    }
  else if ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0)
    s3_stat_async (storage, name, cancellable, looked_cb, task);
  else
    commit (task);
}

/* ---- abort ---- */

static void
aborted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  S3Storage *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (s3_storage_get_client (self), result, &error);

  if (answer != NULL && answer->status != SOUP_STATUS_OK && answer->status != SOUP_STATUS_NO_CONTENT)
    error = s3_client_refusal (result, answer, FALSE);
  if (error != NULL && !g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

void
s3_upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  S3Client *client = s3_storage_get_client (S3_STORAGE (storage));
  GTask *task = s3_storage_task (storage, s3_upload_abort_async, cancellable, callback, user_data);
  S3Request *request = s3_request_new (client, SOUP_METHOD_DELETE, "abort", name);

  s3_request_query (request, "uploadId", upload_id);
  s3_client_send_async (client, request, cancellable, aborted_cb, task);
}
