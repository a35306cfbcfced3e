#include "store-world.h"

#include <errno.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The store over a real host that runs the file plugin, and is killed: whoever uploads or reads never notices. */

#define N_KILLS   5
#define N_READERS 24 /* whose windows are more than all slots together */

typedef struct
{
  char *folder;
  TeesqlStatus *status;
  TeesqlStore *store;
} Hosted;

/* @lines: of the storage's group */
static void
open_store (Hosted *self, const char *plugins, const char *lines)
{
  g_autofree char *text =
      g_strdup_printf ("[teesql]\ncluster = test\nplugin-path = %s\n[backup]\nstorages = disk\n[storage:disk]\n%s", plugins, lines);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);
  TeesqlStoreOptions options = { .instance = "disk", .retry_deadline_ms = 60000 };

  g_assert_no_error (error);
  self->status = teesql_status_new ();
  options.config = config;
  options.status = self->status;
  self->store = teesql_store_new (&options);
}

static void
set_up (Hosted *self, gconstpointer data)
{
  g_autofree char *plugins = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "plugins", NULL);
  g_autofree char *lines = NULL;

  self->folder = g_dir_make_tmp ("teesql-hosted-XXXXXX", NULL);
  if (geteuid () == 0)
    g_assert_cmpint (chown (self->folder, 65534, 65534), ==, 0); /* whom the host runs as */
  lines = g_strdup_printf ("plugin = file\npath = %s\n", self->folder);
  open_store (self, plugins, lines);
}

/* A plugin that keeps everything in memory: so also each part's bytes, for as long as the upload lasts. */
static void
set_up_keeper (Hosted *self, gconstpointer data)
{
  g_autofree char *plugins = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "tests", "plugin", "example", NULL);

  self->folder = g_dir_make_tmp ("teesql-hosted-XXXXXX", NULL);
  open_store (self, plugins, "plugin = example\n");
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

/* More parts than there are runs, so that each is filled again while its earlier bytes are held. */
static void
test_kept (Hosted *self, gconstpointer data)
{
  const gsize size = (2 * TEESQL_STORAGE_N_RUNS - 1) * TEESQL_STORAGE_RUN_SIZE + 12345;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (size, 7);
  g_autoptr (TeesqlStoreUpload) upload = teesql_store_upload_new (self->store, "big", TEESQL_STORAGE_PUT_NONE, 3, NULL, &error);

  g_assert_true (teesql_store_open (self->store, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (teesql_store_upload_write (upload, g_bytes_get_data (content, NULL), size, &error));
  g_assert_true (teesql_store_upload_commit (upload, NULL, &error));
  g_assert_no_error (error);
  read_back (self, content, FALSE);
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

static void
read_to_end (TeesqlStoreReader *reader, const guint8 *expected, gsize at, gsize size)
{
  g_autofree guint8 *buffer = g_malloc (MIB);
  g_autoptr (GError) error = NULL;
  gsize n = 0;

  for (; at < size; at += n)
    {
      g_assert_true (teesql_store_reader_read (reader, buffer, MIB, &n, &error));
      g_assert_no_error (error);
      g_assert_true (n > 0 && memcmp (buffer, expected + at, n) == 0);
    }
}

/* Readers who have begun and then sit there hold slots: some as a loan, which cannot be called in. Others go on, and what is on loan
 * outlives the host that filled it. */
static void
test_idle_readers (Hosted *self, gconstpointer data)
{
  const gsize size = 6 * MIB + 77;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (size, 3);
  g_autoptr (GBytes) back = NULL;
  const guint8 *bytes = g_bytes_get_data (content, NULL);
  TeesqlStoreReader *readers[N_READERS] = { NULL };

  g_assert_true (teesql_store_open (self->store, NULL, &error));
  g_assert_true (teesql_store_put (self->store, "big", content, TEESQL_STORAGE_PUT_NONE, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < N_READERS; i++)
    {
      readers[i] = teesql_store_reader_new (self->store, "big", 0, size, 4 * MIB, NULL, &error);
      g_assert_no_error (error);
      read_to_end (readers[i], bytes, 0, MIB);
    }
  g_assert_true (teesql_store_put (self->store, "other", content, TEESQL_STORAGE_PUT_NONE, NULL, &error));
  g_assert_no_error (error);
  back = teesql_store_get (self->store, "other", size, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (back, content));
  g_assert_true (kill_host ());
  for (guint i = 0; i < N_READERS; i++)
    {
      read_to_end (readers[i], bytes, MIB, i % 2 == 0 ? size : 2 * MIB); /* some are given up with slots in their hands */
      teesql_store_reader_free (readers[i]);
    }
}

static guint
count (const char *text, const char *part)
{
  guint n = 0;

  for (text = strstr (text, part); text != NULL; text = strstr (text + 1, part))
    n++;
  return n;
}

static void
test_named_once (Hosted *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = test_bytes (100, 1);

  g_assert_true (teesql_store_open (self->store, NULL, &error));
  g_assert_no_error (error);
  if (geteuid () != 0)
    g_assert_cmpint (chmod (self->folder, 0500), ==, 0);
  else
    g_assert_cmpint (chown (self->folder, 0, 0), ==, 0);
  g_assert_false (teesql_store_put (self->store, "wal/000000010000000000000007", content, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  g_assert_cmpuint (count (error->message, "wal/000000010000000000000007"), ==, 1);
  g_assert_nonnull (strstr (error->message, "\nhint: "));
  g_assert_cmpint (chmod (self->folder, 0700), ==, 0);
}

/* For us and all we start: a kernel of before 5.13. */
static void
lose_landlock (void)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = { G_N_ELEMENTS (code), code };

  g_assert_cmpint (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
  g_assert_cmpint (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==, 0);
}

static void
test_unconfined (void)
{
  Hosted self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      return;
    }
  lose_landlock ();
  set_up (&self, NULL);
  g_assert_true (teesql_store_open (self.store, NULL, &error));
  g_assert_no_error (error);
  json = teesql_status_render_json (self.status);
  g_assert_nonnull (
      strstr (json, "{\"reason\":\"storage-unconfined-paths\",\"key\":\"disk\",\"message\":\"storage disk: this kernel has no Landlock"));
  g_assert_cmpuint (count (json, "storage-unconfined"), ==, 1);
  tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/storage/hosted/keeps-and-gives-objects", Hosted, NULL, set_up, test_works, tear_down);
  g_test_add ("/storage/hosted/leaves-to-a-plugin-the-bytes-it-keeps", Hosted, NULL, set_up_keeper, test_kept, tear_down);
  g_test_add ("/storage/hosted/goes-on-while-the-host-is-killed", Hosted, NULL, set_up, test_killed, tear_down);
  g_test_add ("/storage/hosted/readers-who-do-not-read-hold-up-nobody", Hosted, NULL, set_up, test_idle_readers, tear_down);
  g_test_add ("/storage/hosted/an error names the object once", Hosted, NULL, set_up, test_named_once, tear_down);
  g_test_add_func ("/storage/hosted/a kernel without Landlock is a notice", test_unconfined);
  return g_test_run ();
}
