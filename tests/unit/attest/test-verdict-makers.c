/* SR-1: there is one way to an accepted peer. A call added anywhere else must make this fail. */
#include <glib.h>
#include <string.h>

static const char *const makers[] = { "teesql_verdict_new", "teesql-verdict-private.h", "teesql_judgement_of_", "TeesqlVerdictFields" };
static const char *const folders[] = { "core", "plugins" };
static guint n_files;
static guint n_inside;

static gboolean
is_source (const char *name)
{
  return g_str_has_suffix (name, ".c") || g_str_has_suffix (name, ".h");
}

static void
check_file (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  const gboolean inside = strstr (path, "/core/attest/") != NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  n_files++;
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      const gboolean found = strstr (text, makers[i]) != NULL;

      n_inside += inside && found;
      if (found && !inside)
        g_error ("%s: %s belongs to the attestation service alone", path, makers[i]);
    }
}

static void
check_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name = NULL;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        check_folder (child);
      else if (is_source (name))
        check_file (child);
    }
}

static void
test_makers (void)
{
  const char *source = g_getenv ("TEESQL_TEST_SOURCE");

  if (source == NULL)
    {
      g_test_skip ("TEESQL_TEST_SOURCE is not set");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (source, folders[i], NULL);

      check_folder (path);
    }
  /* the search itself works: it sees the tree, and the makers where they belong */
  g_assert_cmpuint (n_files, >, 50);
  g_assert_cmpuint (n_inside, >=, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attest/SR-1/only-the-service-makes-verdicts", test_makers);
  return g_test_run ();
}
