/* Removes everything with a prefix, page by page, several at a time. */
#include "../cloud/cloud-uri.h"
#include "gcs-parts.h"

#define PARALLEL 8

typedef struct
{
  char *full_prefix;
  gint64 older_than_unix;
  char *next_token;
  GPtrArray *found; /* GcsLeftover, of the page */
  guint next;
  guint under_way;
  GError *error;
} Sweep;

static void list_page (GTask *task);
static void remove_more (GTask *task);

static void
sweep_free (gpointer data)
{
  Sweep *self = data;

  g_free (self->full_prefix);
  g_free (self->next_token);
  g_clear_pointer (&self->found, g_ptr_array_unref);
  g_clear_error (&self->error);
  g_free (self);
}

static void
end_of_page (GTask *task)
{
  Sweep *self = g_task_get_task_data (task);

  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else if (self->next_token != NULL)
    list_page (task);
  else
    g_task_return_boolean (task, TRUE);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Sweep *self = g_task_get_task_data (task);

  self->under_way--;
  if (self->error != NULL)
    {
      if (!gcs_delete_finish (GCS_STORAGE (source), result, NULL))
        self->next = self->found->len;
    }
  else if (!gcs_delete_finish (GCS_STORAGE (source), result, &self->error))
    self->next = self->found->len; /* nothing new begins */
  remove_more (task);
}

static void
remove_more (GTask *task)
{
  Sweep *self = g_task_get_task_data (task);

  while (self->under_way < PARALLEL && self->next < self->found->len)
    {
      const GcsLeftover *leftover = self->found->pdata[self->next++];

      if (leftover->updated_unix >= self->older_than_unix)
        continue;
      self->under_way++;
      gcs_delete_async (g_task_get_source_object (task), leftover->name, g_task_get_cancellable (task), removed_cb, g_object_ref (task));
    }
  if (self->under_way == 0)
    end_of_page (task);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Sweep *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (GCS_STORAGE (source), result, &error);

  g_clear_pointer (&self->next_token, g_free);
  g_clear_pointer (&self->found, g_ptr_array_unref);
  self->found = answer != NULL ? gcs_answer_read_parts (answer->body, &self->next_token, &error) : NULL;
  self->next = 0;
  if (self->found == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  /* what a lying store lists is not removed in our name */
  for (guint i = 0; i < self->found->len;)
    if (g_str_has_prefix (((GcsLeftover *) self->found->pdata[i])->name, self->full_prefix))
      i++;
    else
      g_ptr_array_remove_index_fast (self->found, i);
  remove_more (task);
}

static void
list_page (GTask *task)
{
  GcsStorage *storage = g_task_get_source_object (task);
  const Sweep *self = g_task_get_task_data (task);
  g_autofree char *prefix = cloud_percent_encode (self->full_prefix, NULL);
  g_autofree char *token = self->next_token != NULL ? cloud_percent_encode (self->next_token, NULL) : NULL;
  g_autofree char *path = g_strdup_printf ("/storage/v1/b/%s/o?prefix=%s&maxResults=1000&fields=" GCS_LIST_FIELDS "%s%s", storage->bucket,
                                           prefix, token != NULL ? "&pageToken=" : "", token != NULL ? token : "");
  const GcsCall call = { .method = "GET", .what = "list parts", .path = path, .max_answer = GCS_LIST_MAX };

  gcs_send_async (storage, &call, g_task_get_cancellable (task), listed_cb, g_object_ref (task));
}

void
gcs_sweep_async (GcsStorage *self, const char *full_prefix, gint64 older_than_unix, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Sweep *sweep = g_new0 (Sweep, 1);

  sweep->full_prefix = g_strdup (full_prefix);
  sweep->older_than_unix = older_than_unix;
  g_task_set_source_tag (task, gcs_sweep_async);
  g_task_set_task_data (task, sweep, sweep_free);
  list_page (task);
}

gboolean
gcs_sweep_finish (GcsStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
