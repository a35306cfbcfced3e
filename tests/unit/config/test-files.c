#include "base/teesql-domains.h"
#include "config/teesql-config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE "[teesql]\ncluster = orders\n"

typedef struct
{
  char *folder;
  char *path;
  char *drop_ins;
} Files;

static void
put (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents_full (path, text, (gssize) strlen (text), G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static void
set_up (Files *files, gconstpointer data)
{
  files->folder = g_dir_make_tmp ("teesql-config-XXXXXX", NULL);
  files->path = g_build_filename (files->folder, "teesqld.conf", NULL);
  files->drop_ins = g_strconcat (files->path, ".d", NULL);
  g_assert_cmpint (g_mkdir (files->drop_ins, 0700), ==, 0);
  put (files->folder, "teesqld.conf", BASE);
}

static void
clean (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_remove (path);
    }
  g_rmdir (folder);
}

static void
tear_down (Files *files, gconstpointer data)
{
  clean (files->drop_ins);
  clean (files->folder);
  g_free (files->folder);
  g_free (files->path);
  g_free (files->drop_ins);
}

static void
assert_refused (Files *files, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, files->path, &error);

  g_assert_null (config);
  g_assert_error (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_drop_ins (Files *files, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  g_autofree char *place = NULL;

  put (files->drop_ins, "20-b.conf", "[proxy]\nlisten = 127.0.0.1:3\n");
  put (files->drop_ins, "10-a.conf", "[proxy]\nlisten = 127.0.0.1:1;127.0.0.1:2\nworkers = 5\n");
  put (files->drop_ins, "30-c.conf~", "nonsense\n");
  put (files->drop_ins, ".hidden.conf", "nonsense\n");
  config = teesql_config_load (TEESQL_CONFIG_DAEMON, files->path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (teesql_config_get_integer (config, "proxy", "workers"), ==, 5);
  g_assert_cmpstr (teesql_config_get_list (config, "proxy", "listen")[0], ==, "127.0.0.1:3");
  g_assert_null (teesql_config_get_list (config, "proxy", "listen")[1]);
  place = teesql_config_describe (config, "proxy", "listen");
  g_assert_cmpstr (place, ==, "teesqld.conf.d/20-b.conf:2: [proxy] listen");
}

static void
test_findings_of_all_files (Files *files, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;

  put (files->folder, "teesqld.conf", BASE "log-level = loud\n");
  put (files->drop_ins, "10-a.conf", "[proxy]\nworkers = many\n");
  config = teesql_config_load (TEESQL_CONFIG_DAEMON, files->path, &error);
  g_assert_null (config);
  g_assert_cmpstr (error->message, ==,
                   "teesqld.conf:3: [teesql] log-level: “loud” is not what stands here, expected error, warning, info, debug\n"
                   "teesqld.conf.d/10-a.conf:2: [proxy] workers: “many” is not what stands here, expected integer, 1..256, or auto");
}

static void
test_modes (Files *files, gconstpointer data)
{
  g_assert_cmpint (g_chmod (files->path, 0620), ==, 0);
  assert_refused (files, "config-file-mode");
  g_assert_cmpint (g_chmod (files->path, 0602), ==, 0);
  assert_refused (files, "config-file-mode");
  g_assert_cmpint (g_chmod (files->path, 0644), ==, 0);
  g_assert_cmpint (g_chmod (files->drop_ins, 0770), ==, 0);
  assert_refused (files, "config-file-mode");
}

static void
test_types (Files *files, gconstpointer data)
{
  g_assert_cmpint (g_remove (files->path), ==, 0);
  assert_refused (files, "config-file-missing");
  g_assert_cmpint (mkfifo (files->path, 0600), ==, 0);
  assert_refused (files, "config-file-type"); /* and it does not wait for a writer */
  g_assert_cmpint (g_remove (files->path), ==, 0);
  g_assert_cmpint (g_mkdir (files->path, 0700), ==, 0);
  assert_refused (files, "config-file-type");
}

static void
test_size (Files *files, gconstpointer data)
{
  g_assert_cmpint (truncate (files->path, (1 << 20) + 1), ==, 0);
  assert_refused (files, "config-file-size");
}

static void
test_owner (Files *files, gconstpointer data)
{
  if (geteuid () != 0)
    {
      g_test_skip ("only root can give a file away");
      return;
    }
  g_assert_cmpint (chown (files->path, 12345, 12345), ==, 0);
  assert_refused (files, "config-file-owner");
}

#define ADD(path, test) g_test_add (path, Files, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/config/files/drop-ins-replace-values-in-byte-order", test_drop_ins);
  ADD ("/config/files/findings-of-all-files-come-together", test_findings_of_all_files);
  ADD ("/config/files/refuses-what-others-may-write", test_modes);
  ADD ("/config/files/refuses-what-is-no-regular-file", test_types);
  ADD ("/config/files/refuses-what-is-too-large", test_size);
  ADD ("/config/files/refuses-a-foreign-owner", test_owner);
  return g_test_run ();
}
