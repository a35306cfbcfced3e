/* Parts become one object: 32 at a time, level by level, until one is left, which gets the name. */
#include "base/teesql-crc32c.h"
#include "gcs-parts.h"

#define FAN_IN 32 /* the store's limit */

typedef struct
{
  char *upload_id;
  char *name;
  gboolean if_absent;
  GPtrArray *parts; /* GcsPart, of this level */
  GPtrArray *above; /* of the next one */
  guint next;       /* of `parts` */
  guint level;
  GcsPart *expected; /* what the call under way must make */
  GError *problem;
  TeesqlObjectInfo *info;
} Compose;

static void go_on (GTask *task);

static void
compose_free (gpointer data)
{
  Compose *self = data;

  g_free (self->upload_id);
  g_free (self->name);
  g_ptr_array_unref (self->parts);
  g_ptr_array_unref (self->above);
  g_clear_pointer (&self->expected, gcs_part_free);
  g_clear_error (&self->problem);
  g_clear_pointer (&self->info, teesql_object_info_unref);
  g_free (self);
}

/* ---- the end ---- */

/* The object is there: what could not be cleaned up costs money, not data, and is found a week later. */
static void
swept_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Compose *self = g_task_get_task_data (task);
  g_autoptr (GError) ignored = NULL;

  if (!gcs_sweep_finish (GCS_STORAGE (source), result, &ignored))
    g_debug ("gcs: parts of %s stay: %s", self->name, ignored->message);
  g_task_return_pointer (task, g_steal_pointer (&self->info), (GDestroyNotify) teesql_object_info_unref);
}

static void
finish (GTask *task, const GcsObject *object)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Compose *self = g_task_get_task_data (task);
  g_autofree char *parts = g_strconcat (storage->prefix, GCS_PARTS, self->upload_id, "/", NULL);

  self->info = teesql_object_info_new (self->name, object->size, object->updated_unix, object->generation);
  gcs_sweep_async (storage, parts, G_MAXINT64, g_task_get_cancellable (task), swept_cb, g_object_ref (task));
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Compose *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!gcs_delete_finish (GCS_STORAGE (source), result, &error))
    g_prefix_error (&self->problem, "(it could not be removed: %s) ", error->message);
  g_task_return_error (task, g_steal_pointer (&self->problem));
}

/* ---- one call ---- */

static gboolean
is_last (const Compose *self)
{
  return self->parts->len <= FAN_IN;
}

static void
composed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *storage = GCS_STORAGE (source);
  Compose *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = gcs_send_finish (storage, result, &error);
  g_auto (GcsObject) object = { 0 };

  if (answer == NULL || !gcs_answer_read_object (answer->body, &object, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (object.size != self->expected->size || object.crc32c != self->expected->crc32c)
    {
      self->problem =
          teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "gcs-checksum", 0,
                            "compose %s: the parts have %" G_GUINT64_FORMAT " bytes with crc32c %08x, the store made %" G_GUINT64_FORMAT
                            " with %08x of them",
                            self->expected->full_name, self->expected->size, self->expected->crc32c, object.size, object.crc32c);
      gcs_delete_async (storage, self->expected->full_name, g_task_get_cancellable (task), removed_cb, g_object_ref (task));
      return;
    }
  if (is_last (self))
    {
      finish (task, &object);
      return;
    }
  self->expected->generation = g_steal_pointer (&object.generation);
  g_ptr_array_add (self->above, g_steal_pointer (&self->expected));
  go_on (task);
}

/* Names and generations hold nothing that JSON would have to escape. */
static GBytes *
describe_sources (const Compose *self, guint first, guint n)
{
  GString *json = g_string_new ("{\"destination\":{\"contentType\":\"application/octet-stream\"},\"sourceObjects\":[");

  for (guint i = first; i < first + n; i++)
    {
      const GcsPart *part = self->parts->pdata[i];

      g_string_append_printf (json, "%s{\"name\":\"%s\",\"generation\":\"%s\"}", i > first ? "," : "", part->full_name, part->generation);
    }
  g_string_append (json, "]}");
  return g_string_free_to_bytes (json);
}

static GcsPart *
expect (GcsStorage *storage, const Compose *self, guint first, guint n)
{
  GcsPart *sum = g_new0 (GcsPart, 1);

  sum->full_name = is_last (self)
                       ? gcs_full_name (storage, self->name)
                       : g_strdup_printf ("%s" GCS_PARTS "%s/l%u-%05u", storage->prefix, self->upload_id, self->level, self->above->len);
  for (guint i = first; i < first + n; i++)
    {
      const GcsPart *part = self->parts->pdata[i];

      sum->crc32c = teesql_crc32c_combine (sum->crc32c, part->crc32c, part->size);
      sum->size += part->size;
    }
  return sum;
}

static void
compose_some (GTask *task, guint first, guint n)
{
  GcsStorage *storage = g_task_get_source_object (task);
  Compose *self = g_task_get_task_data (task);
  g_autoptr (GBytes) body = describe_sources (self, first, n);
  g_autofree char *path = NULL;
  g_autofree char *object = NULL;
  g_autofree char *what = NULL;

  g_clear_pointer (&self->expected, gcs_part_free);
  self->expected = expect (storage, self, first, n);
  object = gcs_path_of (storage, self->expected->full_name, NULL);
  path = g_strconcat (object, "/compose?fields=" GCS_ONE_FIELDS, is_last (self) && self->if_absent ? "&ifGenerationMatch=0" : "", NULL);
  what = g_strconcat ("compose ", self->expected->full_name, NULL);
  const GcsCall call = { .method = "POST", .what = what, .path = path, .content_type = "application/json", .body = body };
  gcs_send_async (storage, &call, g_task_get_cancellable (task), composed_cb, g_object_ref (task));
}

static void
go_on (GTask *task)
{
  Compose *self = g_task_get_task_data (task);
  guint first = self->next;
  guint n = MIN (FAN_IN, self->parts->len - first);

  if (n == 0)
    {
      g_ptr_array_unref (self->parts);
      self->parts = g_steal_pointer (&self->above);
      self->above = g_ptr_array_new_with_free_func ((GDestroyNotify) gcs_part_free);
      self->level++;
      first = 0;
      n = MIN (FAN_IN, self->parts->len);
    }
  self->next = first + n;
  compose_some (task, first, n);
}

void
gcs_compose_async (GcsStorage *self, const char *upload_id, GPtrArray *parts, const char *name, gboolean if_absent,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Compose *compose = g_new0 (Compose, 1);

  compose->upload_id = g_strdup (upload_id);
  compose->name = g_strdup (name);
  compose->if_absent = if_absent;
  compose->parts = parts;
  compose->above = g_ptr_array_new_with_free_func ((GDestroyNotify) gcs_part_free);
  g_task_set_source_tag (task, gcs_compose_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, compose, compose_free);
  go_on (task);
}

TeesqlObjectInfo *
gcs_compose_finish (GcsStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
