#pragma once
#include "base/teesql-domains.h"
#include "storage/teesql-storage-client.h"
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <teesql/teesql.h>
#include <unistd.h>

#define MIB ((gsize) 1 << 20)

/* A folder of its own with the module, and a client of a real host that runs it. */
typedef struct
{
  char *folder;
  TeesqlConfig *config;
  TeesqlStorageClient *client;
  TeesqlStorage *storage;
  guint n_broken;
  char *broken_reason;
} Hosted;

static inline void
hosted_copy (Hosted *self, const char *module_folder, const char *file)
{
  g_autofree char *from = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "tests", "plugin", module_folder, file, NULL);
  g_autofree char *to = g_build_filename (self->folder, file, NULL);
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (from, &data, &size, &error));
  g_assert_true (g_file_set_contents_full (to, data, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0644, &error));
}

static inline void
hosted_write (Hosted *self, const char *file, const char *text)
{
  g_autofree char *path = g_build_filename (self->folder, file, NULL);

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

/* @lines: of [storage:@instance] */
static inline void
hosted_configure (Hosted *self, const char *instance, const char *lines)
{
  g_autofree char *text = g_strdup_printf ("[teesql]\ncluster = orders\nplugin-path = %s\n\n[backup]\nstorages = %s\n\n[storage:%s]\n%s",
                                           self->folder, instance, instance, lines);
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);
  g_assert_no_error (error);
}

static inline void
hosted_result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  g_assert_null (*out);
  *out = g_object_ref (result);
}

static inline GAsyncResult *
hosted_wait (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static inline void
hosted_broken_cb (TeesqlStorageClient *client, const GError *error, gpointer user_data)
{
  Hosted *self = user_data;

  self->n_broken++;
  g_free (self->broken_reason);
  self->broken_reason = g_strdup (teesql_error_get_reason (error));
}

static inline gboolean
hosted_start (Hosted *self, const char *instance, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_client_new_async (self->config, instance, NULL, hosted_result_cb, &result);
  self->client = teesql_storage_client_new_finish (hosted_wait (&result), error);
  if (self->client == NULL)
    return FALSE;
  g_signal_connect (self->client, "broken", G_CALLBACK (hosted_broken_cb), self);
  self->storage = TEESQL_STORAGE (self->client);
  return TRUE;
}

static inline void
hosted_folder (Hosted *self)
{
  self->folder = g_dir_make_tmp ("teesql-storage-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
}

static inline void
hosted_set_up (Hosted *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  hosted_folder (self);
  hosted_copy (self, "example", "libexample.so");
  hosted_copy (self, "example", "example.plugin");
  hosted_configure (self, "example", "");
  hosted_start (self, "example", &error);
  g_assert_no_error (error);
}

static inline void
hosted_wait_gone (pid_t pid)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (kill (pid, 0) == 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_main_context_iteration (NULL, FALSE);
      g_thread_yield ();
    }
}

static inline void
hosted_tear_down (Hosted *self, gconstpointer data)
{
  pid_t pid = self->client != NULL ? teesql_storage_client_get_pid (self->client) : 0;
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name = NULL;

  if (self->client != NULL)
    g_object_add_weak_pointer (G_OBJECT (self->client), (gpointer *) &self->client);
  if (self->client != NULL)
    g_object_unref (self->client);
  while (self->client != NULL) /* answers that nobody has heard yet hold it */
    g_main_context_iteration (NULL, TRUE);
  if (pid != 0)
    hosted_wait_gone (pid); /* and no zombie: kill () would still find one */
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_free (self->folder);
  g_free (self->broken_reason);
}

/* ---- the calls, one at a time ---- */

static inline GBytes *
hosted_pattern (gsize size)
{
  guint8 *data = g_malloc (size);
  guint32 state = 12345;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = (guint8) (state >> 24);
    }
  return g_bytes_new_take (data, size);
}

static inline TeesqlObjectInfo *
hosted_put (Hosted *self, const char *name, GBytes *bytes, gint64 size, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_bytes (bytes);
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_put_async (self->storage, name, content, size, flags, NULL, hosted_result_cb, &result);
  return teesql_storage_put_finish (self->storage, hosted_wait (&result), error);
}

static inline GInputStream *
hosted_open (Hosted *self, const char *name, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_get_async (self->storage, name, offset, length, NULL, hosted_result_cb, &result);
  return teesql_storage_get_finish (self->storage, hosted_wait (&result), error);
}

/* Reads @stream to its end in pieces of @piece. */
static inline GBytes *
hosted_read (GInputStream *stream, gsize piece, GError **error)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autofree guint8 *buffer = g_malloc (piece);

  while (TRUE)
    {
      g_autoptr (GAsyncResult) result = NULL;
      gssize n = 0;

      g_input_stream_read_async (stream, buffer, piece, G_PRIORITY_DEFAULT, NULL, hosted_result_cb, &result);
      n = g_input_stream_read_finish (stream, hosted_wait (&result), error);
      if (n < 0)
        return NULL;
      if (n == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&all));
      g_byte_array_append (all, buffer, (guint) n);
    }
}

static inline GBytes *
hosted_get (Hosted *self, const char *name, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (GInputStream) stream = hosted_open (self, name, offset, length, error);

  return stream != NULL ? hosted_read (stream, 100000, error) : NULL;
}

static inline TeesqlObjectInfo *
hosted_stat (Hosted *self, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_stat_async (self->storage, name, NULL, hosted_result_cb, &result);
  return teesql_storage_stat_finish (self->storage, hosted_wait (&result), error);
}
