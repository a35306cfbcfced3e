#include "file-put.h"

#include "file-temp.h"

/* read a chunk here, write it there, and again; at the end sync and publish there */

#define CHUNK ((gsize) 1024 * 1024)

/* Refcounted: a write that was left behind by cancellation still has it. */
typedef struct
{
  gatomicrefcount refs;
  FileRoot *root;
  char *name;
  GInputStream *content; /* the calling context's */
  TeesqlStoragePutFlags flags;
  FileTemp *temp; /* of one write at a time */
  GBytes *chunk;
  gboolean published;
} Put;

static Put *
put_ref (Put *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static void
put_unref (gpointer data)
{
  Put *self = data;

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_clear_pointer (&self->temp, file_temp_free);
  g_clear_pointer (&self->chunk, g_bytes_unref);
  g_clear_object (&self->content);
  file_root_unref (self->root);
  g_free (self->name);
  g_free (self);
}

static void read_chunk (GTask *task);

static void
put_step (GTask *task, GTaskThreadFunc step, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) inner = g_task_new (NULL, g_task_get_cancellable (task), callback, g_object_ref (task));

  g_task_set_task_data (inner, put_ref (g_task_get_task_data (task)), put_unref);
  g_task_set_return_on_cancel (inner, TRUE);
  g_task_run_in_thread (inner, step);
}

static void
write_chunk (GTask *inner, gpointer source, gpointer data, GCancellable *cancellable)
{
  Put *self = data;
  GError *error = NULL;

  if (self->temp == NULL)
    self->temp = file_temp_new (self->root, &error);
  if (self->temp == NULL || !file_temp_write (self->temp, self->chunk, &error))
    g_task_return_error (inner, error);
  else
    g_task_return_boolean (inner, TRUE);
}

/* Once it is about to be seen, cancellation comes too late. */
static void
publish (GTask *inner, gpointer source, gpointer data, GCancellable *cancellable)
{
  Put *self = data;
  GError *error = NULL;

  if (self->temp == NULL)
    self->temp = file_temp_new (self->root, &error);
  if (self->temp != NULL && file_temp_sync (self->temp, &error))
    {
      if (!g_task_set_return_on_cancel (inner, FALSE))
        return; /* cancelled, and said so */
      self->published = file_temp_publish (self->temp, self->name, self->flags, &error);
      if (self->published)
        {
          g_task_return_boolean (inner, TRUE);
          return;
        }
    }
  g_task_return_error (inner, error);
}

static void
published_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;

  /* the answer of a step that was cancelled says so even when it was too late */
  if (!g_task_propagate_boolean (G_TASK (result), &error) && !self->published)
    {
      g_task_return_error (task, error);
      return;
    }
  g_clear_error (&error);
  g_task_return_pointer (task, teesql_object_info_new (self->name, self->temp->size, -1, NULL), (GDestroyNotify) teesql_object_info_unref);
}

static void
chunk_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_clear_pointer (&self->chunk, g_bytes_unref);
  read_chunk (g_steal_pointer (&task));
}

static void
chunk_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;
  GBytes *chunk = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (chunk == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->chunk = chunk;
  if (g_bytes_get_size (chunk) > 0)
    put_step (task, write_chunk, chunk_written_cb);
  else
    put_step (task, publish, published_cb);
}

/* takes @task */
static void
read_chunk (GTask *task)
{
  Put *self = g_task_get_task_data (task);

  g_input_stream_read_bytes_async (self->content, CHUNK, G_PRIORITY_DEFAULT, g_task_get_cancellable (task), chunk_read_cb, task);
}

void
file_put (GTask *task, FileRoot *root, const char *name, GInputStream *content, TeesqlStoragePutFlags flags)
{
  Put *self = g_new0 (Put, 1);

  g_atomic_ref_count_init (&self->refs);
  self->root = file_root_ref (root);
  self->name = g_strdup (name);
  self->content = g_object_ref (content);
  self->flags = flags;
  g_task_set_task_data (task, self, put_unref);
  g_task_set_check_cancellable (task, FALSE); /* a success that won the race counts */
  read_chunk (task);
}
