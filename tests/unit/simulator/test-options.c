/* Flags over a file, and what neither may leave out. */
#include "sim-test.h"
#include "simulator/teesql-sim-options.h"
#include <glib/gstdio.h>
#include <string.h>

#define SEED "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a"

typedef struct
{
  char *directory;
  char *seed;
  char *file;
} Files;

static void
write_private (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

static void
files_set_up (Files *files, gconstpointer data)
{
  files->directory = g_dir_make_tmp ("sim-XXXXXX", NULL);
  files->seed = g_build_filename (files->directory, "seed", NULL);
  files->file = g_build_filename (files->directory, "simulator.conf", NULL);
  write_private (files->seed, SEED "\n");
}

static void
files_tear_down (Files *files, gconstpointer data)
{
  g_unlink (files->seed);
  g_unlink (files->file);
  g_assert_cmpint (g_rmdir (files->directory), ==, 0);
  g_free (files->directory);
  g_free (files->seed);
  g_free (files->file);
}

/* @flags: with blanks between them */
static TeesqlSimOptions *
parse (const char *flags)
{
  g_autofree char *line = g_strconcat ("teesql-simulator ", flags, NULL);
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  g_autofree char **arguments = g_memdup2 (words, (g_strv_length (words) + 1) * sizeof (char *)); /* the parser takes words out */
  int n = (int) g_strv_length (words);
  char **argv = arguments;
  g_autoptr (GError) error = NULL;
  TeesqlSimOptions *options = teesql_sim_options_parse (&n, &argv, &error);

  g_assert_no_error (error);
  return options;
}

static void
test_flags (Files *files, gconstpointer data)
{
  g_autofree char *flags =
      g_strdup_printf ("--platform-seed=file:%s --machine=m --app=/a --listen=/s --pccs-listen=none --misbehave=hang;close", files->seed);
  g_autoptr (TeesqlSimOptions) options = parse (flags);
  TeesqlSimulatorSettings settings;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_sim_options_get_settings (options, TRUE, &settings, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_secret_get_size (settings.platform_seed), ==, 32);
  g_assert_cmpstr (settings.machine, ==, "m");
  g_assert_null (settings.pccs_listen);
  g_assert_null (settings.control_socket);
  g_assert_cmpstr (settings.quote_version, ==, "4");
  g_assert_cmpstr (settings.tcb_status, ==, "UpToDate");
  g_assert_cmpstr (settings.misbehave[1], ==, "close");
}

static void
test_flags_over_file (Files *files, gconstpointer data)
{
  g_autofree char *text =
      g_strdup_printf ("[simulator]\nplatform-seed = file:%s\nmachine = server\napp = /a\nlisten = /s\nquote-version = 5.1\n"
                       "pccs-listen = 127.0.0.1:0\nmisbehave = debug-td;pccs-slow=20ms\n",
                       files->seed);
  g_autofree char *flags = g_strdup_printf ("--config=%s --machine=client --pccs-listen=none", files->file);
  g_autoptr (TeesqlSimOptions) options = NULL;
  TeesqlSimulatorSettings settings;
  g_autoptr (GError) error = NULL;

  write_private (files->file, text);
  options = parse (flags);
  g_assert_true (teesql_sim_options_get_settings (options, TRUE, &settings, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (settings.machine, ==, "client");
  g_assert_cmpstr (settings.listen, ==, "/s");
  g_assert_cmpstr (settings.quote_version, ==, "5.1");
  g_assert_null (settings.pccs_listen);
  g_assert_cmpuint (g_strv_length ((char **) settings.misbehave), ==, 2);
}

static void
assert_refused (const char *flags, gboolean for_serving)
{
  g_autoptr (TeesqlSimOptions) options = parse (flags);
  TeesqlSimulatorSettings settings;
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_sim_options_get_settings (options, for_serving, &settings, &error));
  g_assert_nonnull (error);
}

static void
test_required (Files *files, gconstpointer data)
{
  g_autofree char *no_machine = g_strdup_printf ("--platform-seed=file:%s --app=/a --listen=/s", files->seed);
  g_autofree char *no_app = g_strdup_printf ("--platform-seed=file:%s --machine=m --listen=/s", files->seed);
  g_autofree char *no_listen = g_strdup_printf ("--platform-seed=file:%s --machine=m --app=/a", files->seed);
  g_autoptr (TeesqlSimOptions) describe = parse (no_listen);
  TeesqlSimulatorSettings settings;
  g_autoptr (GError) error = NULL;

  assert_refused ("--machine=m --app=/a --listen=/s", TRUE);
  assert_refused (no_machine, TRUE);
  assert_refused (no_app, TRUE);
  assert_refused (no_listen, TRUE);
  g_assert_true (teesql_sim_options_get_settings (describe, FALSE, &settings, &error)); /* which listens nowhere */
}

static void
test_seeds (Files *files, gconstpointer data)
{
  static const char *const bad[] = { "", "2a2a\n", (SEED "2a\n"), ("zz" SEED) };
  g_autofree char *flags = g_strdup_printf ("--platform-seed=file:%s --machine=m --app=/a --listen=/s", files->seed);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      write_private (files->seed, bad[i]);
      assert_refused (flags, TRUE);
    }
  write_private (files->seed, SEED);
  g_assert_cmpint (g_chmod (files->seed, 0644), ==, 0); /* readable by others */
  assert_refused (flags, TRUE);
}

#define ADD(path, test) g_test_add (path, Files, NULL, files_set_up, test, files_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/simulator/options/flags-alone-are-enough", test_flags);
  ADD ("/simulator/options/flags-lie-over-the-file", test_flags_over_file);
  ADD ("/simulator/options/what-has-no-default-is-required", test_required);
  ADD ("/simulator/options/seeds-are-64-digits-in-a-private-file", test_seeds);
  return g_test_run ();
}
