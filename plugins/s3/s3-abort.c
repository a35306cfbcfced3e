/* Giving an upload up. Never while its end may be under way: Ceph 16 then says yes to both, and some seconds later the object has lost its
 * bytes. */
#include "s3-storage.h"

#include "s3-claim.h"
#include "s3-upload-id.h"

#define LOOK_AGAIN_MS 100

typedef struct
{
  char *name;
  char *id;
  GSource *timer;
} Abort;

static void
stop_timer (Abort *self)
{
  if (self->timer == NULL)
    return;
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
}

static void
abort_free (gpointer data)
{
  Abort *self = data;

  stop_timer (self);
  g_free (self->name);
  g_free (self->id);
  g_free (self);
}

/* ---- at the store ---- */

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
s3_upload_abort_at_store_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  S3Client *client = s3_storage_get_client (S3_STORAGE (storage));
  GTask *task = s3_storage_task (storage, s3_upload_abort_at_store_async, cancellable, callback, user_data);
  S3Request *request = s3_request_new (client, SOUP_METHOD_DELETE, "abort", name);

  s3_request_query (request, "uploadId", upload_id);
  s3_client_send_async (client, request, cancellable, aborted_cb, task);
}

/* ---- and here ---- */

static void
unclaimed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  s3_claim_drop_finish (S3_STORAGE (source), result);
  g_task_return_boolean (task, TRUE);
}

/* The claim goes behind the upload: as long as there is something to end, it may be needed. @task: (transfer full) */
static void
drop_claim (GTask *task)
{
  const Abort *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);

  if (s3_upload_id_is_conditional (self->id) && s3_storage_get_condition (storage) != S3_CONDITION_HONOURED)
    {
      s3_claim_drop_async (storage, self->name, self->id, -1, g_task_get_cancellable (task), unclaimed_cb, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
gone_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (s3_storage_finish_boolean (TEESQL_STORAGE (source), result, &error))
    {
      drop_claim (task);
      return;
    }
  g_task_return_error (task, error);
  g_object_unref (task);
}

static void look (GTask *task);

/* It runs for the cancellation as well. */
static gboolean
waited_cb (gpointer user_data)
{
  GTask *task = user_data;

  stop_timer (g_task_get_task_data (task));
  if (g_task_return_error_if_cancelled (task))
    g_object_unref (task);
  else
    look (task);
  return G_SOURCE_REMOVE;
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Abort *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (s3_storage_get_client (storage), result, NULL);

  if (answer != NULL && answer->status == SOUP_STATUS_NOT_FOUND)
    {
      s3_storage_set_open_until (storage, self->id, 0);
      drop_claim (task);
      return;
    }
  self->timer = g_timeout_source_new (LOOK_AGAIN_MS);
  s3_storage_attach_timer (self->timer, waited_cb, task);
}

static void
look (GTask *task)
{
  const Abort *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);
  S3Client *client = s3_storage_get_client (storage);
  GCancellable *cancellable = g_task_get_cancellable (task);
  const char *store_id = s3_upload_id_get_store_id (self->id);

  if (g_get_monotonic_time () < s3_storage_get_open_until (storage, self->id))
    {
      S3Request *request = s3_request_new (client, SOUP_METHOD_GET, "upload of", self->name);

      s3_request_query (request, "uploadId", store_id);
      s3_request_query (request, "max-parts", "1");
      s3_client_send_async (client, request, cancellable, asked_cb, task);
      return;
    }
  s3_storage_set_open_until (storage, self->id, 0);
  s3_upload_abort_at_store_async (TEESQL_STORAGE (storage), self->name, store_id, cancellable, gone_cb, task);
}

void
s3_upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_upload_abort_async, cancellable, callback, user_data);
  Abort *self = g_new0 (Abort, 1);

  self->name = g_strdup (name);
  self->id = g_strdup (upload_id);
  g_task_set_task_data (task, self, abort_free);
  if (s3_upload_id_is_ours (upload_id))
    {
      look (task);
      return;
    }
  g_task_return_boolean (task, TRUE); /* what never was is gone */
  g_object_unref (task);
}
