#include "postgres/teesql-data-directory.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *top;
  char *data;
} Place;

static void
put (const Place *place, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (place->data, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static char *
path_in (const Place *place, const char *name)
{
  return g_build_filename (place->data, name, NULL);
}

static void
set_up (Place *place, gconstpointer data)
{
  place->top = g_dir_make_tmp ("teesql-data-XXXXXX", NULL);
  place->data = g_build_filename (place->top, "data", NULL);
  g_assert_cmpint (g_mkdir (place->data, 0700), ==, 0);
}

static void
tear_down (Place *place, gconstpointer data)
{
  g_assert_true (teesql_data_directory_empty (place->top));
  g_assert_cmpint (g_rmdir (place->top), ==, 0);
  g_free (place->top);
  g_free (place->data);
}

static void
judge (const Place *place, TeesqlDataState state, const char *reason)
{
  TeesqlDataJudgement found;

  teesql_data_directory_judge (place->data, geteuid (), &found);
  g_test_message ("%s", found.message);
  g_assert_cmpint (found.state, ==, state);
  g_assert_cmpstr (found.reason, ==, reason);
  if (state == TEESQL_DATA_REFUSED)
    g_assert_nonnull (strstr (found.message, place->data));
}

static void
test_empty (Place *place, gconstpointer data)
{
  judge (place, TEESQL_DATA_EMPTY, NULL);
  g_rmdir (place->data);
  judge (place, TEESQL_DATA_EMPTY, NULL);
}

static void
test_foreign (Place *place, gconstpointer data)
{
  put (place, ".hidden", "");
  judge (place, TEESQL_DATA_REFUSED, "data-directory-foreign");
  g_assert_true (teesql_data_directory_empty (place->data));
  g_rmdir (place->data);
  g_assert_true (g_file_set_contents (place->data, "a file", -1, NULL));
  judge (place, TEESQL_DATA_REFUSED, "data-directory-foreign");
}

static void
test_symlink (Place *place, gconstpointer data)
{
  g_autofree char *real = g_build_filename (place->top, "real", NULL);

  g_assert_cmpint (rename (place->data, real), ==, 0);
  g_assert_cmpint (symlink (real, place->data), ==, 0);
  judge (place, TEESQL_DATA_REFUSED, "data-directory-symlink");
}

static void
test_version (Place *place, gconstpointer data)
{
  static const char *const others[] = { "16\n", "18\n", "", "9.6\n", "17.1\n", "seventeen", "-17\n" };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      put (place, "PG_VERSION", others[i]);
      judge (place, TEESQL_DATA_REFUSED, "data-directory-version");
    }
}

static void
test_mode (Place *place, gconstpointer data)
{
  put (place, "PG_VERSION", "17\n");
  g_chmod (place->data, 0755);
  judge (place, TEESQL_DATA_REFUSED, "data-directory-mode");
  g_chmod (place->data, 0770);
  judge (place, TEESQL_DATA_REFUSED, "data-directory-mode");
  g_chmod (place->data, 0750); /* PostgreSQL's own other choice */
  judge (place, TEESQL_DATA_REFUSED, "data-directory-control");
}

static void
test_owner (Place *place, gconstpointer data)
{
  TeesqlDataJudgement found;

  put (place, "PG_VERSION", "17\n");
  teesql_data_directory_judge (place->data, geteuid () + 1, &found);
  g_assert_cmpint (found.state, ==, TEESQL_DATA_REFUSED);
  g_assert_cmpstr (found.reason, ==, "data-directory-owner");
}

static void
test_control (Place *place, gconstpointer data)
{
  g_autofree char *global = path_in (place, "global");

  put (place, "PG_VERSION", "17\n");
  judge (place, TEESQL_DATA_REFUSED, "data-directory-control");
  g_assert_cmpint (g_mkdir (global, 0700), ==, 0);
  put (place, "global/pg_control", "short");
  judge (place, TEESQL_DATA_REFUSED, "data-directory-control");
}

/* A process of the server's name that stands in it, as all of PostgreSQL's do. */
static void
test_running (Place *place, gconstpointer data)
{
  int ready[2] = { -1, -1 };
  char byte = 0;
  pid_t child = -1;

  put (place, "PG_VERSION", "17\n");
  g_assert_cmpint (pipe (ready), ==, 0);
  child = fork ();
  if (child == 0)
    {
      if (chdir (place->data) != 0 || prctl (PR_SET_NAME, "postgres", 0, 0, 0) != 0 || write (ready[1], "r", 1) != 1)
        _exit (1);
      for (;;)
        pause ();
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  judge (place, TEESQL_DATA_RUNNING, "data-directory-in-use");
  kill (child, SIGKILL);
  waitpid (child, NULL, 0);
  judge (place, TEESQL_DATA_REFUSED, "data-directory-control");
  close (ready[0]);
  close (ready[1]);
}

static void
test_forget (Place *place, gconstpointer data)
{
  g_autofree char *socket = g_build_filename (place->top, ".s.PGSQL.5432", NULL);
  g_autofree char *lock = g_strconcat (socket, ".lock", NULL);
  g_autofree char *ours = g_strdup_printf ("1\n%s\n0\n5432\n", place->data);
  g_autofree char *pid_file = path_in (place, "postmaster.pid");

  put (place, "postmaster.pid", "1\n");
  g_assert_true (g_file_set_contents (lock, "1\n/another/data\n0\n", -1, NULL));
  teesql_data_directory_forget_server (place->data, socket);
  g_assert_false (g_file_test (pid_file, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (lock, G_FILE_TEST_EXISTS)); /* another server's */
  g_assert_true (g_file_set_contents (lock, ours, -1, NULL));
  teesql_data_directory_forget_server (place->data, socket);
  g_assert_false (g_file_test (lock, G_FILE_TEST_EXISTS));
}

static void
test_emptying_follows_no_link (Place *place, gconstpointer data)
{
  g_autofree char *outside = g_build_filename (place->top, "outside", NULL);
  g_autofree char *kept = g_build_filename (outside, "kept", NULL);
  g_autofree char *link = path_in (place, "link");
  g_autofree char *deep = path_in (place, "a/b/c");

  g_assert_cmpint (g_mkdir (outside, 0700), ==, 0);
  g_assert_true (g_file_set_contents (kept, "kept", -1, NULL));
  g_assert_cmpint (symlink (outside, link), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (deep, 0700), ==, 0);
  put (place, "a/b/c/file", "");
  g_assert_true (teesql_data_directory_empty (place->data));
  judge (place, TEESQL_DATA_EMPTY, NULL);
  g_assert_true (g_file_test (kept, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_rmdir (place->data), ==, 0);
  g_assert_cmpint (symlink (outside, place->data), ==, 0);
  g_assert_false (teesql_data_directory_empty (place->data));
  g_assert_true (g_file_test (kept, G_FILE_TEST_EXISTS));
}

#define ADD(path, func) g_test_add ("/postgres/data-directory/" path, Place, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("empty-or-absent-is-empty", test_empty);
  ADD ("what-is-not-ours-is-foreign", test_foreign);
  ADD ("a-link-is-refused", test_symlink);
  ADD ("another-version-is-refused", test_version);
  ADD ("what-others-can-read-is-refused", test_mode);
  ADD ("another-owner-is-refused", test_owner);
  ADD ("a-control-file-that-is-missing-or-short-is-refused", test_control);
  ADD ("a-server-that-stands-in-it-is-seen", test_running);
  ADD ("lock-files-of-others-are-left", test_forget);
  ADD ("emptying-follows-no-link", test_emptying_follows_no_link);
  return g_test_run ();
}
