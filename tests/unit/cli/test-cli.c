#include "base/teesql-domains.h"
#include "cli/teesql-cli.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  int argc;
  char *argv[16];
  char *owned[16]; /* argv loses what is taken out of it */
} Words;

static Words
words_of (const char *line)
{
  Words words = { 0 };
  g_auto (GStrv) split = g_strsplit (line, " ", -1);

  for (; split[words.argc] != NULL; words.argc++)
    words.argv[words.argc] = words.owned[words.argc] = g_strdup (split[words.argc]);
  return words;
}

static void
words_clear (Words *words)
{
  for (guint i = 0; i < G_N_ELEMENTS (words->owned); i++)
    g_free (words->owned[i]);
}

static char *
rest_of (const Words *words)
{
  return g_strjoinv (" ", (char **) words->argv);
}

static void
global_options_stand_anywhere (void)
{
  Words words = words_of ("teesql --json verify --config a.conf quote FILE --plugin-path=/p --quiet --at 5");
  TeesqlCliGlobals globals = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *rest = NULL;

  g_assert_true (teesql_cli_split_globals (&words.argc, words.argv, &globals, &error));
  g_assert_no_error (error);
  rest = rest_of (&words);
  g_assert_cmpstr (rest, ==, "teesql verify quote FILE --at 5");
  g_assert_cmpint (words.argc, ==, 6);
  g_assert_cmpstr (globals.config_path, ==, "a.conf");
  g_assert_cmpstr (globals.plugin_path, ==, "/p");
  g_assert_true (globals.json && globals.quiet && !globals.verbose);
  words_clear (&words);
}

/* What `connect --exec` runs may have options of the same names. */
static void
nothing_is_taken_behind_two_hyphens (void)
{
  Words words = words_of ("teesql connect --exec -- psql --config x --json");
  TeesqlCliGlobals globals = { 0 };
  g_autofree char *rest = NULL;

  g_assert_true (teesql_cli_split_globals (&words.argc, words.argv, &globals, NULL));
  rest = rest_of (&words);
  g_assert_cmpstr (rest, ==, "teesql connect --exec -- psql --config x --json");
  g_assert_null (globals.config_path);
  g_assert_false (globals.json);
  words_clear (&words);
}

static void
similar_options_are_left_alone (void)
{
  Words words = words_of ("teesql x --configuration a --jsonish");
  TeesqlCliGlobals globals = { 0 };
  g_autofree char *rest = NULL;

  g_assert_true (teesql_cli_split_globals (&words.argc, words.argv, &globals, NULL));
  rest = rest_of (&words);
  g_assert_cmpstr (rest, ==, "teesql x --configuration a --jsonish");
  words_clear (&words);
}

static void
option_without_value_is_an_error (void)
{
  Words words = words_of ("teesql verify --config");
  TeesqlCliGlobals globals = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_cli_split_globals (&words.argc, words.argv, &globals, &error));
  g_assert_cmpint (teesql_cli_exit_code (error), ==, TEESQL_EXIT_USAGE);
  words_clear (&words);
}

static void
assert_code (GError *error, int code)
{
  g_assert_cmpint (teesql_cli_exit_code (error), ==, code);
  g_error_free (error);
}

static void
errors_have_their_exit_codes (void)
{
  assert_code (teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_REFUSED, "r", 0, "x"), TEESQL_EXIT_REFUSED);
  assert_code (teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE, "r", 0, "x"), TEESQL_EXIT_UNREACHABLE);
  assert_code (teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_THROTTLED, "r", 0, "x"), TEESQL_EXIT_UNREACHABLE);
  assert_code (teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "r", 0, "x"), TEESQL_EXIT_USAGE);
  assert_code (teesql_error_new (TEESQL_PLUGIN_ERROR, TEESQL_ERROR_REFUSED, "r", 0, "x"), TEESQL_EXIT_USAGE);
  assert_code (teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "r", 0, "x"), TEESQL_EXIT_REFUSED);
  assert_code (g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x"), TEESQL_EXIT_UNREACHABLE);
  assert_code (g_error_new (G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "x"), TEESQL_EXIT_USAGE);
  assert_code (g_error_new (G_FILE_ERROR, G_FILE_ERROR_ACCES, "x"), TEESQL_EXIT_USAGE);
  /* a number that means `unavailable` in our domains means something else in others */
  assert_code (g_error_new (G_SPAWN_ERROR, (int) TEESQL_ERROR_UNAVAILABLE, "x"), TEESQL_EXIT_REFUSED);
}

static void
private_files_are_new_and_private (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("teesql-cli-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "secret", NULL);
  g_autofree char *link = g_build_filename (folder, "link", NULL);
  g_autofree char *found = NULL;
  struct stat st;

  g_assert_true (teesql_cli_write_private (path, (const guint8 *) "abc", 3, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_stat (path, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 07777, ==, 0600);
  g_assert_true (g_file_get_contents (path, &found, NULL, NULL));
  g_assert_cmpstr (found, ==, "abc");
  g_assert_false (teesql_cli_write_private (path, (const guint8 *) "xyz", 3, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST);
  g_clear_error (&error);
  g_assert_cmpint (symlink ("elsewhere", link), ==, 0);
  g_assert_false (teesql_cli_write_private (link, (const guint8 *) "xyz", 3, &error));
  g_assert_nonnull (error);
  g_unlink (path);
  g_unlink (link);
  g_rmdir (folder);
}

static void
files_are_read_up_to_their_bound (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("teesql-cli-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "file", NULL);
  g_autoptr (GBytes) fits = NULL;

  g_assert_true (g_file_set_contents (path, "12345", 5, NULL));
  fits = teesql_cli_read_file (path, 5, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (fits), ==, 5);
  g_assert_null (teesql_cli_read_file (path, 4, &error));
  g_assert_cmpint (teesql_cli_exit_code (error), ==, TEESQL_EXIT_USAGE);
  g_unlink (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/global-options-stand-anywhere", global_options_stand_anywhere);
  g_test_add_func ("/cli/nothing-is-taken-behind-two-hyphens", nothing_is_taken_behind_two_hyphens);
  g_test_add_func ("/cli/similar-options-are-left-alone", similar_options_are_left_alone);
  g_test_add_func ("/cli/option-without-value-is-an-error", option_without_value_is_an_error);
  g_test_add_func ("/cli/errors-have-their-exit-codes", errors_have_their_exit_codes);
  g_test_add_func ("/cli/private-files-are-new-and-private", private_files_are_new_and_private);
  g_test_add_func ("/cli/files-are-read-up-to-their-bound", files_are_read_up_to_their_bound);
  return g_test_run ();
}
