#include "test-world.h"

#include "file-name.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

static void
result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  g_assert_null (*out);
  *out = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

FileStorage *
world_open (const char *folder, gboolean named, GError **error)
{
  g_autoptr (FileStorage) file = g_object_new (FILE_TYPE_STORAGE, "path", folder, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  if (named)
    file_storage_force_named (file);
  g_async_initable_init_async (G_ASYNC_INITABLE (file), G_PRIORITY_DEFAULT, NULL, result_cb, &result);
  if (!g_async_initable_init_finish (G_ASYNC_INITABLE (file), wait_for (&result), error))
    return NULL;
  return g_steal_pointer (&file);
}

void
world_begin_at (World *self, const char *folder)
{
  g_autoptr (GError) error = NULL;

  self->folder = g_strdup (folder);
  self->file = world_open (folder, FALSE, &error);
  g_assert_no_error (error);
  self->storage = TEESQL_STORAGE (self->file);
}

void
world_begin (World *self, gboolean named)
{
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("teesql-file-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->file = world_open (self->folder, named, &error);
  g_assert_no_error (error);
  self->storage = TEESQL_STORAGE (self->file);
}

static int
remove_one (const char *path, const struct stat *info, int type, struct FTW *ftw)
{
  return remove (path);
}

void
world_end (World *self)
{
  g_clear_object (&self->file);
  g_assert_cmpint (nftw (self->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
  g_clear_pointer (&self->folder, g_free);
}

char *
world_path (World *self, const char *path)
{
  return g_build_filename (self->folder, path, NULL);
}

guint
world_n_work (World *self)
{
  g_autofree char *path = world_path (self, FILE_WORK_FOLDER);
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (folder != NULL && g_dir_read_name (folder) != NULL)
    n++;
  return n;
}

TeesqlObjectInfo *
world_put (World *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_bytes (bytes);
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_put_async (self->storage, name, content, -1, flags, NULL, result_cb, &result);
  return teesql_storage_put_finish (self->storage, wait_for (&result), error);
}

static GInputStream *
open_range (World *self, const char *name, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_get_async (self->storage, name, offset, length, NULL, result_cb, &result);
  return teesql_storage_get_finish (self->storage, wait_for (&result), error);
}

GInputStream *
world_open_object (World *self, const char *name, GError **error)
{
  return open_range (self, name, 0, G_MAXUINT64, error);
}

GBytes *
world_read (GInputStream *stream, GError **error)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  guint8 buffer[10000];
  gssize n = 0;

  while ((n = g_input_stream_read (stream, buffer, sizeof buffer, NULL, error)) > 0)
    g_byte_array_append (all, buffer, (guint) n);
  return n == 0 ? g_byte_array_free_to_bytes (g_steal_pointer (&all)) : NULL;
}

GBytes *
world_get (World *self, const char *name, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (GInputStream) stream = open_range (self, name, offset, length, error);

  return stream != NULL ? world_read (stream, error) : NULL;
}

TeesqlObjectInfo *
world_stat (World *self, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_stat_async (self->storage, name, NULL, result_cb, &result);
  return teesql_storage_stat_finish (self->storage, wait_for (&result), error);
}

gboolean
world_remove (World *self, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_remove_async (self->storage, name, NULL, result_cb, &result);
  return teesql_storage_remove_finish (self->storage, wait_for (&result), error);
}

GPtrArray *
world_list (World *self, const char *prefix, guint page)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *token = NULL;

  do
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectPage) answer = NULL;

      teesql_storage_list_async (self->storage, prefix, token, page, NULL, result_cb, &result);
      answer = teesql_storage_list_finish (self->storage, wait_for (&result), &error);
      g_assert_no_error (error);
      for (guint i = 0; i < teesql_object_page_get_n_objects (answer); i++)
        g_ptr_array_add (names, g_strdup (teesql_object_info_get_name (teesql_object_page_get_object (answer, i))));
      g_free (token);
      token = g_strdup (teesql_object_page_get_next_token (answer));
    }
  while (token != NULL);
  return names;
}

char *
world_upload_begin (World *self, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_begin_async (self->storage, name, TEESQL_STORAGE_PUT_NONE, NULL, result_cb, &result);
  return teesql_storage_upload_begin_finish (self->storage, wait_for (&result), error);
}

char *
world_upload_part (World *self, const char *name, const char *id, guint number, GBytes *bytes, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_part_async (self->storage, name, id, number, bytes, NULL, result_cb, &result);
  return teesql_storage_upload_part_finish (self->storage, wait_for (&result), error);
}

TeesqlObjectInfo *
world_upload_commit (World *self, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_commit_async (self->storage, name, id, tags, flags, NULL, result_cb, &result);
  return teesql_storage_upload_commit_finish (self->storage, wait_for (&result), error);
}

gboolean
world_upload_abort (World *self, const char *name, const char *id, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_abort_async (self->storage, name, id, NULL, result_cb, &result);
  return teesql_storage_upload_abort_finish (self->storage, wait_for (&result), error);
}

GBytes *
world_bytes (gsize size, guint8 seed)
{
  guint8 *data = g_malloc (size + 1);
  guint32 state = seed + 1u;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = (guint8) (state >> 24);
    }
  return g_bytes_new_take (data, size);
}
