#include "base/teesql-domains.h"
#include "daemon/teesql-daemon-folders.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *top;
  char *state;
  char *runtime;
  TeesqlConfig *config;
} Place;

static void
set_up (Place *place, gconstpointer data)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  place->top = g_dir_make_tmp ("teesql-folders-XXXXXX", NULL);
  place->state = g_build_filename (place->top, "state", NULL);
  place->runtime = g_build_filename (place->top, "run", NULL);
  text = g_strdup_printf ("[teesql]\ncluster = a\nstate-directory = %s\nruntime-directory = %s\n", place->state, place->runtime);
  place->config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", text, strlen (text), &error);
  g_assert_no_error (error);
}

static void
tear_down (Place *place, gconstpointer data)
{
  g_autofree char *lock = g_build_filename (place->runtime, "teesqld.lock", NULL);

  g_remove (lock);
  g_rmdir (place->runtime);
  g_rmdir (place->state);
  g_rmdir (place->top);
  g_free (place->top);
  g_free (place->state);
  g_free (place->runtime);
  teesql_config_unref (place->config);
}

static void
assert_refused (Place *place, int code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlDaemonFolders) folders = teesql_daemon_folders_new (place->config, &error);

  g_assert_null (folders);
  g_assert_error (error, TEESQL_CONFIG_ERROR, code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static TeesqlDaemonFolders *
take (Place *place)
{
  g_autoptr (GError) error = NULL;
  TeesqlDaemonFolders *folders = teesql_daemon_folders_new (place->config, &error);

  g_assert_no_error (error);
  return folders;
}

static void
test_makes (Place *place, gconstpointer data)
{
  g_autoptr (TeesqlDaemonFolders) folders = take (place);
  struct stat st;

  g_assert_cmpint (stat (place->state, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 07777, ==, 0700);
  g_assert_cmpint (stat (place->runtime, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 07777, ==, 0700);
}

static void
test_second (Place *place, gconstpointer data)
{
  TeesqlDaemonFolders *first = take (place);
  g_autoptr (TeesqlDaemonFolders) third = NULL;

  assert_refused (place, TEESQL_ERROR_EXISTS, "already-running");
  teesql_daemon_folders_free (first);
  third = take (place);
}

/* The lock ends with its holder, whatever ended that; the file stays and harms nobody. */
static void
test_killed (Place *place, gconstpointer data)
{
  int ready[2];
  char byte = 0;
  int status = 0;
  pid_t child = 0;
  g_autoptr (TeesqlDaemonFolders) folders = NULL;

  g_assert_cmpint (pipe (ready), ==, 0);
  child = fork ();
  if (child == 0)
    {
      TeesqlDaemonFolders *held = teesql_daemon_folders_new (place->config, NULL);

      if (held == NULL || write (ready[1], "x", 1) != 1)
        _exit (1);
      for (;;)
        pause ();
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  assert_refused (place, TEESQL_ERROR_EXISTS, "already-running");
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  folders = take (place);
  close (ready[0]);
  close (ready[1]);
}

static void
test_modes (Place *place, gconstpointer data)
{
  g_assert_cmpint (g_mkdir (place->state, 0700), ==, 0);
  g_assert_cmpint (g_chmod (place->state, 0770), ==, 0);
  assert_refused (place, TEESQL_ERROR_CONFIG, "folder-unusable");
  g_assert_cmpint (g_chmod (place->state, 0700), ==, 0);
  g_assert_true (g_file_set_contents (place->runtime, "", 0, NULL));
  assert_refused (place, TEESQL_ERROR_CONFIG, "folder-unusable");
  g_assert_cmpint (g_remove (place->runtime), ==, 0);
}

static void
test_link (Place *place, gconstpointer data)
{
  g_autofree char *lock = g_build_filename (place->runtime, "teesqld.lock", NULL);
  g_autofree char *victim = g_build_filename (place->top, "victim", NULL);
  g_autofree char *text = NULL;

  g_assert_cmpint (g_mkdir (place->runtime, 0700), ==, 0);
  g_assert_true (g_file_set_contents (victim, "precious", -1, NULL));
  g_assert_cmpint (symlink (victim, lock), ==, 0);
  assert_refused (place, TEESQL_ERROR_CONFIG, "folder-unusable");
  g_assert_true (g_file_get_contents (victim, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "precious");
  g_assert_cmpint (g_remove (victim), ==, 0);
}

#define ADD(path, test) g_test_add (path, Place, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/daemon/folders/are-made-for-the-owner-alone", test_makes);
  ADD ("/daemon/folders/a-second-daemon-is-refused", test_second);
  ADD ("/daemon/folders/a-killed-daemon-leaves-no-lock", test_killed);
  ADD ("/daemon/folders/what-others-can-write-is-refused", test_modes);
  ADD ("/daemon/folders/a-link-in-place-of-the-lock-is-refused", test_link);
  return g_test_run ();
}
