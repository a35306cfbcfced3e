#pragma once
#include "plugin/teesql-plugin-info.h"
#include "plugin/teesql-plugin-loader.h"
#include "base/teesql-domains.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <teesql/teesql.h>

/* A folder of its own with copies of the modules under tests/plugin/example, so that a test may change modes and bytes. */
typedef struct
{
  char *folder;
} Folder;

static inline void
folder_copy (Folder *self, const char *name)
{
  g_autofree char *file = g_strdup_printf ("lib%s.so", name);
  g_autofree char *from = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "tests", "plugin", "example", file, NULL);
  g_autofree char *to = g_build_filename (self->folder, file, NULL);
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (from, &data, &size, &error));
  g_assert_true (g_file_set_contents_full (to, data, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0644, &error));
}

static inline char *
folder_module (Folder *self, const char *name)
{
  g_autofree char *file = g_strdup_printf ("lib%s.so", name);

  return g_build_filename (self->folder, file, NULL);
}

static inline void
folder_set_up (Folder *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("teesql-plugin-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
}

static inline void
folder_tear_down (Folder *self, gconstpointer data)
{
  g_autoptr (GDir) dir = NULL;
  const char *name = NULL;

  g_assert_cmpint (g_chmod (self->folder, 0700), ==, 0);
  dir = g_dir_open (self->folder, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->folder);
}

/* A configuration whose [kms:@instance] is @lines; the group begins in line 6 */
static inline TeesqlConfig *
folder_config (Folder *self, const char *instance, const char *lines)
{
  g_autofree char *text =
      g_strdup_printf ("[teesql]\ncluster = orders\nkms = %s\nplugin-path = %s\n\n[kms:%s]\n%s", instance, self->folder, instance, lines);
  g_autoptr (GError) error = NULL;
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  return config;
}

static inline void
result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  g_assert_null (*out);
  *out = g_object_ref (result);
}

static inline GObject *
create (TeesqlPluginLoader *loader, const char *kind, const char *instance, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_plugin_loader_create_async (loader, kind, instance, NULL, result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return teesql_plugin_loader_create_finish (loader, result, error);
}

static inline GObject *
create_kms (Folder *self, const char *instance, const char *lines, GError **error)
{
  g_autoptr (TeesqlConfig) config = folder_config (self, instance, lines);
  g_autoptr (TeesqlPluginLoader) loader = teesql_plugin_loader_new (config);

  return create (loader, "kms", instance, error);
}
