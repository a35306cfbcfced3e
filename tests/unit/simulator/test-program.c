/* The program itself: verbs, exit codes, what it prints and leaves behind. */
#include "sim-test.h"
#include "simulator/teesql-sim-json.h"
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

typedef struct
{
  char *program;
  char *directory;
  char *seed;
  char *app;
} Files;

static void
files_set_up (Files *files, gconstpointer data)
{
  static const char app[] = "{\"name\":\"orders\",\"image\":\"teesql-guest\",\"compose\":\"services: {}\\n\"}";

  files->program = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "core", "simulator", "teesql-simulator", NULL);
  files->directory = g_dir_make_tmp ("sim-XXXXXX", NULL);
  files->seed = g_build_filename (files->directory, "seed", NULL);
  files->app = g_build_filename (files->directory, "app.json", NULL);
  g_assert_true (g_file_set_contents (files->app, app, -1, NULL));
}

static void
files_tear_down (Files *files, gconstpointer data)
{
  g_unlink (files->seed);
  g_unlink (files->app);
  g_assert_cmpint (g_rmdir (files->directory), ==, 0);
  g_free (files->program);
  g_free (files->directory);
  g_free (files->seed);
  g_free (files->app);
}

/* Returns: exit code */
static int
run (Files *files, char **out_text, ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GError) error = NULL;
  const char *argument;
  va_list list;

  g_ptr_array_add (arguments, files->program);
  va_start (list, out_text);
  while ((argument = va_arg (list, const char *)) != NULL)
    g_ptr_array_add (arguments, (char *) argument);
  va_end (list);
  g_ptr_array_add (arguments, NULL);
  child = g_subprocess_newv ((const char *const *) arguments->pdata, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                             &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (child, NULL, NULL, out_text, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (child));
  return g_subprocess_get_exit_status (child);
}

static void
test_init (Files *files, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  GStatBuf status;
  gsize size = 0;

  g_assert_cmpint (run (files, NULL, "init", files->directory, NULL), ==, 0);
  g_assert_cmpint (g_stat (files->seed, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0600);
  g_assert_true (g_file_get_contents (files->seed, &first, &size, NULL));
  g_assert_cmpuint (size, ==, 65);
  g_assert_cmpint (run (files, NULL, "init", files->directory, NULL), ==, 2); /* a platform is never replaced */
  g_assert_true (g_file_get_contents (files->seed, &second, NULL, NULL));
  g_assert_cmpstr (first, ==, second);
  g_unlink (files->seed);
  g_assert_cmpint (run (files, NULL, "init", files->directory, NULL), ==, 0);
  g_clear_pointer (&second, g_free);
  g_assert_true (g_file_get_contents (files->seed, &second, NULL, NULL));
  g_assert_cmpstr (first, !=, second);
}

static void
test_usage (Files *files, gconstpointer data)
{
  g_assert_cmpint (run (files, NULL, "--version", NULL), ==, 0);
  g_assert_cmpint (run (files, NULL, NULL), ==, 2);
  g_assert_cmpint (run (files, NULL, "dance", NULL), ==, 2);
  g_assert_cmpint (run (files, NULL, "--dance", NULL), ==, 2);
  g_assert_cmpint (run (files, NULL, "init", NULL), ==, 2);
  g_assert_cmpint (run (files, NULL, "--config", "/nonexistent.conf", NULL), ==, 2);
}

static void
test_describe (Files *files, gconstpointer data)
{
  g_autofree char *reference = g_strconcat ("file:", files->seed, NULL);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (JsonObject) object = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (run (files, NULL, "init", files->directory, NULL), ==, 0);
  g_assert_cmpint (run (files, &first, "describe", "--platform-seed", reference, "--machine", "m", "--app", files->app, NULL), ==, 0);
  g_assert_cmpint (run (files, &second, "describe", "--platform-seed", reference, "--machine", "m", "--app", files->app, NULL), ==, 0);
  g_assert_cmpstr (first, ==, second);
  object = teesql_sim_json_parse_object (first, strlen (first), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (sim_json_string (object, "mrtd")), ==, 96);
}

static void
test_serve (Files *files, gconstpointer data)
{
  g_autofree char *reference = g_strconcat ("file:", files->seed, NULL);
  g_autofree char *socket = g_build_filename (files->directory, "agent.sock", NULL);
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GDataInputStream) output = NULL;
  g_autofree char *ready = NULL;
  g_autoptr (SimAnswer) answer = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (run (files, NULL, "init", files->directory, NULL), ==, 0);
  child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, files->program, "--platform-seed",
                            reference, "--machine", "m", "--app", files->app, "--listen", socket, NULL);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (child));
  ready = g_data_input_stream_read_line_utf8 (output, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (ready, "{\"ready\":true,\"agent\":\""));
  answer = sim_get (socket, "/Version");
  g_assert_cmpuint (answer->status, ==, 200);
  g_subprocess_send_signal (child, SIGTERM);
  g_assert_true (g_subprocess_wait (child, NULL, &error));
  g_assert_cmpint (g_subprocess_get_exit_status (child), ==, 0);
  g_assert_false (g_file_test (socket, G_FILE_TEST_EXISTS));
}

#define ADD(path, test) g_test_add (path, Files, NULL, files_set_up, test, files_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/simulator/program/init-draws-a-private-seed-once", test_init);
  ADD ("/simulator/program/mistakes-give-2", test_usage);
  ADD ("/simulator/program/describe-is-stable", test_describe);
  ADD ("/simulator/program/serves-until-it-is-told-to-end", test_serve);
  return g_test_run ();
}
