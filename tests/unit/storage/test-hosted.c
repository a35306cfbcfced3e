#include "store-world.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The store over a real host that runs the file plugin, and is killed: whoever uploads or reads never notices. */

#define N_KILLS 5

typedef struct
{
  char *folder;
  TeesqlStatus *status;
  TeesqlStore *store;
} Hosted;

static void
set_up (Hosted *self, gconstpointer data)
{
  g_autofree char *plugins = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "plugins", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  TeesqlStoreOptions options = { .instance = "disk", .retry_deadline_ms = 60000 };

  self->folder = g_dir_make_tmp ("teesql-hosted-XXXXXX", NULL);
  if (geteuid () == 0)
    g_assert_cmpint (chown (self->folder, 65534, 65534), ==, 0); /* whom the host runs as */
  text =
      g_strdup_printf ("[teesql]\ncluster = test\nplugin-path = %s\n[backup]\nstorages = disk\n[storage:disk]\nplugin = file\npath = %s\n",
                       plugins, self->folder);
  config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);
  g_assert_no_error (error);
  self->status = teesql_status_new ();
  options.config = config;
  options.status = self->status;
  self->store = teesql_store_new (&options);
}

static int
remove_one (const char *path, const struct stat *info, int type, struct FTW *ftw)
{
  return remove (path);
}

static void
tear_down (Hosted *self, gconstpointer data)
{
  teesql_store_close (self->store);
  g_object_unref (self->store);
  g_object_unref (self->status);
  nftw (self->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (self->folder);
}

/* The host is our only child of that name. */
static gboolean
kill_host (void)
{
  g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
  const char *entry = NULL;

  while ((entry = g_dir_read_name (proc)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc", entry, "stat", NULL);
      g_autofree char *stat = NULL;
      const char *rest = NULL;

      if (!g_ascii_isdigit (entry[0]) || !g_file_get_contents (path, &stat, NULL, NULL))
        continue;
      rest = strrchr (stat, ')');
      if (strstr (stat, "(teesql-storage") == NULL || rest == NULL || strlen (rest) < 5 || atoi (rest + 4) != getpid ())
        continue;
      if (kill ((pid_t) atoi (entry), SIGKILL) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
test_works (Hosted *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (3 * MIB, 1);
  g_autoptr (GBytes) back = NULL;

  g_assert_true (teesql_store_open (self->store, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (teesql_store_put (self->store, "a/b", content, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  back = teesql_store_get (self->store, "a/b", 4 * MIB, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (back, content));
}

static void
read_back (Hosted *self, GBytes *content, gboolean killing)
{
  g_autoptr (GError) error = NULL;
  gsize size = g_bytes_get_size (content);
  g_autoptr (TeesqlStoreReader) reader = teesql_store_reader_new (self->store, "big", 0, size, 2 * MIB, NULL, &error);
  g_autofree guint8 *buffer = g_malloc (MIB);
  gsize at = 0;

  while (at < size)
    {
      gsize n = 0;

      if (killing && at % (8 * MIB) == 0)
        kill_host ();
      g_assert_true (teesql_store_reader_read (reader, buffer, MIN (MIB, size - at), &n, &error));
      g_assert_no_error (error);
      g_assert_true (n > 0 && memcmp (buffer, (const guint8 *) g_bytes_get_data (content, NULL) + at, n) == 0);
      at += n;
    }
}

static void
test_killed (Hosted *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (44 * MIB, 1);
  TeesqlStoreUpload *upload = teesql_store_upload_new (self->store, "big", TEESQL_STORAGE_PUT_IF_ABSENT, 3, NULL, &error);
  const guint8 *bytes = g_bytes_get_data (content, NULL);
  guint n_killed = 0;

  for (gsize at = 0; at < 44 * MIB; at += MIB)
    {
      g_assert_true (teesql_store_upload_write (upload, bytes + at, MIB, &error));
      g_assert_no_error (error);
      if (at % (8 * MIB) == 7 * MIB && n_killed < N_KILLS)
        n_killed += kill_host () ? 1 : 0;
    }
  g_assert_true (teesql_store_upload_commit (upload, NULL, &error));
  g_assert_no_error (error);
  teesql_store_upload_free (upload);
  g_assert_cmpuint (n_killed, >, 0);
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_STORAGE_RESTARTS), >, 0);
  read_back (self, content, FALSE);
  read_back (self, content, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/storage/hosted/keeps-and-gives-objects", Hosted, NULL, set_up, test_works, tear_down);
  g_test_add ("/storage/hosted/goes-on-while-the-host-is-killed", Hosted, NULL, set_up, test_killed, tear_down);
  return g_test_run ();
}
