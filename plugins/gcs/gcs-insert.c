/* One object of bytes that are at hand, and the proof that the store has them. */
#include "../cloud/cloud-uri.h"
#include "base/teesql-crc32c.h"
#include "gcs-storage-private.h"

typedef struct
{
  char *full_name;
  guint64 size;
  guint32 crc32c;
  GcsObject object;
  GError *problem; /* while what is wrong is being removed */
} Insert;

static void
insert_free (gpointer data)
{
  Insert *self = data;

  g_free (self->full_name);
  gcs_object_clear (&self->object);
  g_clear_error (&self->problem);
  g_free (self);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Insert *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!gcs_delete_finish (GCS_STORAGE (source), result, &error))
    g_prefix_error (&self->problem, "(it could not be removed: %s) ", error->message);
  g_task_return_error (task, g_steal_pointer (&self->problem));
}

static void
inserted_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *storage = GCS_STORAGE (source);
  Insert *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (storage, result, &error);

  if (answer == NULL || !gcs_answer_read_object (answer->body, &self->object, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->object.size == self->size && self->object.crc32c == self->crc32c)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  self->problem =
      teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "gcs-checksum", 0,
                        "put %s: sent %" G_GUINT64_FORMAT " bytes with crc32c %08x, the store has %" G_GUINT64_FORMAT " with %08x",
                        self->full_name, self->size, self->crc32c, self->object.size, self->object.crc32c);
  gcs_delete_async (storage, self->full_name, g_task_get_cancellable (task), removed_cb, g_object_ref (task));
}

/* @task: (transfer full). The sum is over megabytes, so it was made on a thread. */
static void
send (GTask *task, GBytes *content, gboolean if_absent)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Insert *self = g_task_get_task_data (task);
  g_autofree char *encoded = cloud_percent_encode (self->full_name, NULL);
  g_autofree char *what = g_strconcat ("put ", self->full_name, NULL);
  g_autofree char *path = g_strdup_printf ("/upload/storage/v1/b/%s/o?uploadType=media&name=%s&fields=" GCS_ONE_FIELDS "%s",
                                           storage->bucket, encoded, if_absent ? "&ifGenerationMatch=0" : "");
  const GcsCall call = { .method = "POST", .what = what, .path = path, .content_type = "application/octet-stream", .body = content };

  gcs_send_async (storage, &call, g_task_get_cancellable (task), inserted_cb, task);
}

typedef struct
{
  GTask *insert;
  GBytes *content;
  gboolean if_absent;
} Summing;

static void
summing_free (gpointer data)
{
  Summing *self = data;

  g_clear_object (&self->insert);
  g_bytes_unref (self->content);
  g_free (self);
}

static void
sum_thread (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  Summing *self = data;
  Insert *insert = g_task_get_task_data (self->insert);
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (self->content, &size);

  insert->crc32c = teesql_crc32c (0, bytes, size);
  g_task_return_boolean (task, TRUE);
}

static void
summed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Summing *self = g_task_get_task_data (G_TASK (result));

  send (g_steal_pointer (&self->insert), self->content, self->if_absent);
}

void
gcs_insert_async (GcsStorage *self, const char *full_name, GBytes *content, gboolean if_absent, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  Summing *summing = g_new0 (Summing, 1);
  Insert *insert = g_new0 (Insert, 1);
  g_autoptr (GTask) sum = g_task_new (self, NULL, summed_cb, NULL);

  insert->full_name = g_strdup (full_name);
  insert->size = g_bytes_get_size (content);
  summing->insert = g_task_new (self, cancellable, callback, user_data);
  summing->content = g_bytes_ref (content);
  summing->if_absent = if_absent;
  g_task_set_source_tag (summing->insert, gcs_insert_async);
  g_task_set_check_cancellable (summing->insert, FALSE);
  g_task_set_task_data (summing->insert, insert, insert_free);
  g_task_set_task_data (sum, summing, summing_free);
  g_task_run_in_thread (sum, sum_thread);
}

gboolean
gcs_insert_finish (GcsStorage *self, GAsyncResult *result, GcsObject *out, GError **error)
{
  Insert *insert = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  insert = g_task_get_task_data (G_TASK (result));
  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;
  *out = insert->object;
  insert->object.generation = NULL;
  return TRUE;
}
