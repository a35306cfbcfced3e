#include "lying-storage.h"

#include <malloc.h>
#include <string.h>

#define FLOOD_TOKEN "flood:"

struct _LyingStorage
{
  GObject parent_instance;
  TeesqlStorageFeatures features;
  GMutex lock;
  GHashTable *objects; /* name -> GBytes */
  char *hidden;
  LyingFault fault;
  char *fault_prefix;
  char *flood_prefix;
  LyingNameFunc flood_make;
  guint64 flood_n;
  gsize held; /* when it began */
  gsize peak;
};

static void lying_storage_iface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (LyingStorage, lying_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, lying_storage_iface_init))

static GHashTable *
new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
}

/* ---- what its owner does ---- */

LyingStorage *
lying_storage_new (TeesqlStorageFeatures features)
{
  LyingStorage *self = g_object_new (LYING_TYPE_STORAGE, NULL);

  self->features = features;
  return self;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
lying_storage_names (LyingStorage *self, const char *prefix)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer name = NULL;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (g_str_has_prefix (name, prefix))
      g_ptr_array_add (names, g_strdup (name));
  g_mutex_unlock (&self->lock);
  g_ptr_array_sort (names, compare_names);
  return names;
}

GBytes *
lying_storage_peek (LyingStorage *self, const char *name)
{
  GBytes *bytes = NULL;

  g_mutex_lock (&self->lock);
  bytes = g_hash_table_lookup (self->objects, name);
  if (bytes != NULL)
    g_bytes_ref (bytes);
  g_mutex_unlock (&self->lock);
  return bytes;
}

void
lying_storage_set (LyingStorage *self, const char *name, GBytes *bytes)
{
  g_mutex_lock (&self->lock);
  if (bytes == NULL)
    g_hash_table_remove (self->objects, name);
  else
    g_hash_table_replace (self->objects, g_strdup (name), g_bytes_ref (bytes));
  g_mutex_unlock (&self->lock);
}

static GHashTable *
copy_table (GHashTable *from)
{
  GHashTable *copy = new_table ();
  GHashTableIter iter;
  gpointer name = NULL;
  gpointer bytes = NULL;

  g_hash_table_iter_init (&iter, from);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    g_hash_table_insert (copy, g_strdup (name), g_bytes_ref (bytes));
  return copy;
}

char *
lying_storage_find (LyingStorage *self, const char *part)
{
  g_autoptr (GPtrArray) names = lying_storage_names (self, "v1/");

  for (guint i = 0; i < names->len; i++)
    if (strstr (g_ptr_array_index (names, i), part) != NULL)
      return g_strdup (g_ptr_array_index (names, i));
  g_error ("no object %s", part);
}

char *
lying_storage_find_record (LyingStorage *self, guint64 sequence)
{
  g_autofree char *part = g_strdup_printf ("/catalog/%016" G_GINT64_MODIFIER "x", sequence);

  return lying_storage_find (self, part);
}

void
lying_storage_copy (LyingStorage *self, const char *from, const char *to)
{
  g_autoptr (GBytes) bytes = lying_storage_peek (self, from);

  lying_storage_set (self, to, bytes);
}

void
lying_storage_swap (LyingStorage *self, const char *one, const char *other)
{
  g_autoptr (GBytes) bytes = lying_storage_peek (self, one);

  lying_storage_copy (self, other, one);
  lying_storage_set (self, other, bytes);
}

GHashTable *
lying_storage_snapshot (LyingStorage *self)
{
  GHashTable *copy = NULL;

  g_mutex_lock (&self->lock);
  copy = copy_table (self->objects);
  g_mutex_unlock (&self->lock);
  return copy;
}

void
lying_storage_roll_back (LyingStorage *self, GHashTable *snapshot)
{
  g_mutex_lock (&self->lock);
  g_hash_table_unref (self->objects);
  self->objects = copy_table (snapshot);
  g_mutex_unlock (&self->lock);
}

void
lying_storage_hide (LyingStorage *self, const char *prefix)
{
  g_mutex_lock (&self->lock);
  g_free (self->hidden);
  self->hidden = g_strdup (prefix);
  g_mutex_unlock (&self->lock);
}

static gsize
count_allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

void
lying_storage_flood (LyingStorage *self, const char *prefix, LyingNameFunc make, guint64 n)
{
  g_mutex_lock (&self->lock);
  g_free (self->flood_prefix);
  self->flood_prefix = g_strdup (prefix);
  self->flood_make = make;
  self->flood_n = n;
  self->held = count_allocated ();
  self->peak = self->held;
  g_mutex_unlock (&self->lock);
}

gsize
lying_storage_get_peak (LyingStorage *self)
{
  return self->peak - self->held;
}

void
lying_storage_plan (LyingStorage *self, LyingFault fault, const char *prefix)
{
  g_mutex_lock (&self->lock);
  self->fault = fault;
  g_free (self->fault_prefix);
  self->fault_prefix = g_strdup (prefix);
  g_mutex_unlock (&self->lock);
}

/* ---- what its customers see ---- */

static TeesqlStorageFeatures
lying_get_features (TeesqlStorage *storage)
{
  return LYING_STORAGE (storage)->features;
}

static LyingFault
take_fault (LyingStorage *self, const char *name)
{
  LyingFault fault = LYING_HONEST;

  if (self->fault != LYING_HONEST && g_str_has_prefix (name, self->fault_prefix))
    {
      fault = self->fault;
      self->fault = LYING_HONEST;
    }
  return fault;
}

static GError *
keep (LyingStorage *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags)
{
  GError *error = NULL;
  LyingFault fault;

  g_mutex_lock (&self->lock);
  fault = take_fault (self, name);
  if ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0 && g_hash_table_contains (self->objects, name))
    error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "exists", 0, "%s is there", name);
  else if (fault != LYING_LOSES_PUT)
    g_hash_table_replace (self->objects, g_strdup (name), g_bytes_ref (bytes));
  if (error == NULL && fault != LYING_HONEST)
    error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "lying", 0, "%s: an answer that settles nothing", name);
  g_mutex_unlock (&self->lock);
  return error;
}

static void
put_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  LyingStorage *self = LYING_STORAGE (g_task_get_source_object (task));
  const char *name = g_task_get_task_data (task);
  GOutputStream *sink = G_OUTPUT_STREAM (source);
  g_autoptr (GBytes) bytes = NULL;
  GError *error = NULL;

  if (g_output_stream_splice_finish (sink, result, &error) >= 0)
    {
      bytes = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (sink));
      error = keep (self, name, bytes, GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (task), "flags")));
    }
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL),
                           (GDestroyNotify) teesql_object_info_unref);
}

static void
lying_put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (GOutputStream) sink = g_memory_output_stream_new_resizable ();

  g_task_set_task_data (task, g_strdup (name), g_free);
  g_object_set_data (G_OBJECT (task), "flags", GUINT_TO_POINTER (flags));
  g_output_stream_splice_async (sink, content, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, G_PRIORITY_DEFAULT, cancellable, put_read_cb, task);
}

static TeesqlObjectInfo *
lying_put_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static GError *
absent (const char *name)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "absent", 0, "%s is not there", name);
}

static void
lying_get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (GBytes) bytes = lying_storage_peek (LYING_STORAGE (storage), name);
  g_autoptr (GBytes) part = NULL;
  gsize size = bytes != NULL ? g_bytes_get_size (bytes) : 0;

  if (bytes == NULL)
    {
      g_task_return_error (task, absent (name));
      return;
    }
  if (offset > size)
    {
      g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range", 0, "%s: behind its end", name));
      return;
    }
  part = g_bytes_new_from_bytes (bytes, (gsize) offset, (gsize) MIN (length, size - offset));
  g_task_return_pointer (task, g_memory_input_stream_new_from_bytes (part), g_object_unref);
}

static GInputStream *
lying_get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
is_shown (LyingStorage *self, const char *name, const char *token)
{
  if (token != NULL && g_str_has_prefix (token, FLOOD_TOKEN))
    return FALSE;
  return (token == NULL || strcmp (name, token) > 0) && (self->hidden == NULL || !g_str_has_prefix (name, self->hidden));
}

/* one page of what is not there */
static char *
add_flood (LyingStorage *self, const char *prefix, const char *token, guint max, GPtrArray *page)
{
  guint64 i = token != NULL && g_str_has_prefix (token, FLOOD_TOKEN) ? g_ascii_strtoull (token + strlen (FLOOD_TOKEN), NULL, 10) : 0;

  self->peak = MAX (self->peak, count_allocated ());
  for (; i < self->flood_n && page->len < max; i++)
    {
      g_autofree char *name = self->flood_make (self->flood_prefix, i);

      if (g_str_has_prefix (name, prefix))
        g_ptr_array_add (page, teesql_object_info_new (name, 1, -1, NULL));
    }
  return i < self->flood_n ? g_strdup_printf (FLOOD_TOKEN "%" G_GUINT64_FORMAT, i) : NULL;
}

static gboolean
can_hold_flood (const LyingStorage *self, const char *prefix)
{
  return self->flood_n > 0 && (g_str_has_prefix (self->flood_prefix, prefix) || g_str_has_prefix (prefix, self->flood_prefix));
}

static void
lying_list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  LyingStorage *self = LYING_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (GPtrArray) names = lying_storage_names (self, prefix);
  g_autoptr (GPtrArray) page = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  g_autofree char *flood = NULL;
  const char *next = NULL;

  for (guint i = 0; i < names->len && next == NULL; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autoptr (GBytes) bytes = lying_storage_peek (self, name);

      if (bytes != NULL && is_shown (self, name, token))
        g_ptr_array_add (page, teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL));
      if (page->len == max)
        next = name;
    }
  if (next == NULL && can_hold_flood (self, prefix))
    next = flood = add_flood (self, prefix, token, max, page);
  g_task_return_pointer (task, teesql_object_page_new (page, next), (GDestroyNotify) teesql_object_page_unref);
}

static TeesqlObjectPage *
lying_list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
lying_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (GBytes) bytes = lying_storage_peek (LYING_STORAGE (storage), name);

  if (bytes == NULL)
    g_task_return_error (task, absent (name));
  else
    g_task_return_pointer (task, teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL),
                           (GDestroyNotify) teesql_object_info_unref);
}

static TeesqlObjectInfo *
lying_stat_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
lying_remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);

  lying_storage_set (LYING_STORAGE (storage), name, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
lying_remove_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
lying_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = lying_get_features;
  iface->put_async = lying_put_async;
  iface->put_finish = lying_put_finish;
  iface->get_async = lying_get_async;
  iface->get_finish = lying_get_finish;
  iface->list_async = lying_list_async;
  iface->list_finish = lying_list_finish;
  iface->stat_async = lying_stat_async;
  iface->stat_finish = lying_stat_finish;
  iface->remove_async = lying_remove_async;
  iface->remove_finish = lying_remove_finish;
}

static void
lying_storage_finalize (GObject *object)
{
  LyingStorage *self = LYING_STORAGE (object);

  g_hash_table_unref (self->objects);
  g_free (self->hidden);
  g_free (self->fault_prefix);
  g_free (self->flood_prefix);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (lying_storage_parent_class)->finalize (object);
}

static void
lying_storage_class_init (LyingStorageClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lying_storage_finalize;
}

static void
lying_storage_init (LyingStorage *self)
{
  g_mutex_init (&self->lock);
  self->objects = new_table ();
}
