#include "s3-probe.h"

#include "s3-answers.h"

#include <string.h>

#define FOLDER "!probe/" /* no name of ours has a `!` in it, so it is never listed */

typedef struct
{
  char *name;
  char *upload_id;
  S3Condition found;
} Probe;

static void
probe_free (gpointer data)
{
  Probe *self = data;

  g_free (self->name);
  g_free (self->upload_id);
  g_free (self);
}

static void
send (GTask *task, S3Request *request, GAsyncReadyCallback callback)
{
  S3Storage *storage = g_task_get_source_object (task);

  s3_client_send_async (s3_storage_get_client (storage), request, g_task_get_cancellable (task), callback, task);
}

static S3Request *
probe_request (GTask *task, const char *method)
{
  const Probe *self = g_task_get_task_data (task);
  S3Request *request = s3_request_new (s3_storage_get_client (g_task_get_source_object (task)), method, "probe", self->name);

  if (self->upload_id != NULL)
    s3_request_query (request, "uploadId", self->upload_id);
  return request;
}

/* ---- tidying up, which decides nothing ---- */

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Probe *self = g_task_get_task_data (task);

  s3_storage_finish_boolean (TEESQL_STORAGE (source), result, NULL);
  g_task_return_int (task, self->found);
}

static void
aborted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Probe *self = g_task_get_task_data (task);

  s3_storage_finish_boolean (TEESQL_STORAGE (source), result, NULL);
  s3_remove_async (TEESQL_STORAGE (source), self->name, g_task_get_cancellable (task), removed_cb, task);
}

/* ---- the end with a condition that does not hold ---- */

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Probe *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (s3_storage_get_client (storage), result, &error);
  g_auto (S3Problem) problem = { 0 };
  g_autofree char *etag = NULL;

  if (answer != NULL && answer->status == SOUP_STATUS_OK)
    etag = s3_answer_read_complete (answer->body, &problem, NULL);
  if (etag != NULL)
    self->found = S3_CONDITION_IGNORED;
  else if (answer != NULL && (answer->status == SOUP_STATUS_PRECONDITION_FAILED || g_strcmp0 (problem.code, "PreconditionFailed") == 0))
    self->found = S3_CONDITION_HONOURED;
  else
    {
      g_task_return_error (task, answer != NULL ? s3_client_refusal (result, answer, FALSE) : error);
      return;
    }
  s3_upload_abort_at_store_async (TEESQL_STORAGE (storage), self->name, self->upload_id, cancellable, aborted_cb, g_steal_pointer (&task));
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  const char *etag = answer != NULL ? cloud_answer_get_header (answer, "ETag") : NULL;
  g_autofree char *tag = NULL;
  g_autoptr (GBytes) manifest = NULL;
  S3Request *request = NULL;

  if (answer == NULL)
    return;
  tag = g_strdup_printf ("1 %s", etag != NULL ? etag : "");
  manifest = s3_commit_manifest ((const char *const[]){ tag, NULL }, NULL);
  if (manifest == NULL)
    {
      g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-answer", 0,
                                                   "probe: the answer has no readable ETag"));
      return;
    }
  request = probe_request (task, SOUP_METHOD_POST);
  s3_request_header (request, "if-none-match", "*");
  s3_request_body (request, manifest, NULL);
  send (g_steal_pointer (&task), request, ended_cb);
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Probe *self = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  g_autoptr (GBytes) content = g_bytes_new_static ("?", 1);
  GError *error = NULL;
  S3Request *request = NULL;

  if (answer == NULL)
    return;
  self->upload_id = s3_answer_read_upload_id (answer->body, &error);
  if (self->upload_id == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  request = probe_request (task, SOUP_METHOD_PUT);
  s3_request_query (request, "partNumber", "1");
  s3_request_body (request, content, NULL);
  send (g_steal_pointer (&task), request, sent_cb);
}

static void
put_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, FALSE);
  S3Request *request = NULL;

  if (answer == NULL)
    return;
  request = probe_request (task, SOUP_METHOD_POST);
  s3_request_query (request, "uploads", "");
  s3_storage_describe_object (g_task_get_source_object (task), request);
  send (g_steal_pointer (&task), request, begun_cb);
}

void
s3_probe_async (S3Storage *storage, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_probe_async, cancellable, callback, user_data);
  Probe *self = g_new0 (Probe, 1);
  g_autoptr (GBytes) content = g_bytes_new_static ("!", 1);
  S3Request *request = NULL;

  self->name = g_strdup_printf (FOLDER "%08x%08x", g_random_int (), g_random_int ());
  g_task_set_task_data (task, self, probe_free);
  request = probe_request (task, SOUP_METHOD_PUT);
  s3_storage_describe_object (storage, request);
  s3_request_body (request, content, NULL);
  send (task, request, put_cb);
}

S3Condition
s3_probe_finish (S3Storage *storage, GAsyncResult *result, GError **error)
{
  gssize found = 0;

  g_return_val_if_fail (g_task_is_valid (result, storage), S3_CONDITION_UNKNOWN);
  found = g_task_propagate_int (G_TASK (result), error);
  return found > 0 ? (S3Condition) found : S3_CONDITION_UNKNOWN;
}
