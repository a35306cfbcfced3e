#include "base/teesql-domains.h"
#include "config/teesql-config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
  char *reference;
} Place;

static void
put (const char *path, const char *text, gsize size, int mode)
{
  g_remove (path);
  g_assert_true (g_file_set_contents_full (path, text, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, mode, NULL));
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
}

static void
set_up (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("teesql-secret-XXXXXX", NULL);
  place->path = g_build_filename (place->folder, "secret", NULL);
  place->reference = g_strconcat ("file:", place->path, NULL);
  put (place->path, "hunter2\n", 8, 0600);
}

static void
tear_down (Place *place, gconstpointer data)
{
  g_remove (place->path);
  g_rmdir (place->folder);
  g_free (place->folder);
  g_free (place->path);
  g_free (place->reference);
}

static void
assert_is (const char *reference, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = teesql_config_resolve_secret (reference, &error);
  const guint8 *bytes = NULL;
  gsize size = 0;
  gsize expected_size = strlen (expected);

  g_assert_no_error (error);
  bytes = teesql_secret_peek (secret, &size);
  g_assert_cmpuint (size, ==, expected_size);
  g_assert_cmpint (memcmp (bytes, expected, size), ==, 0);
}

static void
assert_refused (const char *reference, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = teesql_config_resolve_secret (reference, &error);

  g_assert_null (secret);
  g_assert_error (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_null (strstr (error->message, "hunter2"));
}

static void
test_newline (Place *place, gconstpointer data)
{
  assert_is (place->reference, "hunter2");
  put (place->path, "hunter2\n\n", 9, 0400);
  assert_is (place->reference, "hunter2\n");
  put (place->path, "hunter2", 7, 0600);
  assert_is (place->reference, "hunter2");
}

static void
test_modes (Place *place, gconstpointer data)
{
  static const int modes[] = { 0640, 0604, 0660, 0700, 0644 };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpint (g_chmod (place->path, modes[i]), ==, 0);
      assert_refused (place->reference, "secret-file");
    }
}

static void
test_links (Place *place, gconstpointer data)
{
  g_autofree char *other = g_build_filename (place->folder, "other", NULL);
  g_autofree char *other_reference = g_strconcat ("file:", other, NULL);

  g_assert_cmpint (symlink (place->path, other), ==, 0);
  assert_refused (other_reference, "secret-file");
  g_assert_cmpint (g_remove (other), ==, 0);
  g_assert_cmpint (link (place->path, other), ==, 0);
  assert_refused (place->reference, "secret-file");
  g_assert_cmpint (g_remove (other), ==, 0);
  assert_is (place->reference, "hunter2");
}

static void
test_sizes (Place *place, gconstpointer data)
{
  g_autofree char *huge = g_strnfill (TEESQL_SECRET_MAX_SIZE + 2, 'x');

  put (place->path, "\n", 1, 0600);
  assert_refused (place->reference, "secret-empty");
  put (place->path, "", 0, 0600);
  assert_refused (place->reference, "secret-empty");
  put (place->path, huge, TEESQL_SECRET_MAX_SIZE + 2, 0600);
  assert_refused (place->reference, "secret-size");
  g_remove (place->path);
  assert_refused (place->reference, "secret-file");
  assert_refused ("file:/", "secret-file");
}

static void
test_credential (Place *place, gconstpointer data)
{
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  assert_refused ("credential:secret", "secret-credential");
  g_setenv ("CREDENTIALS_DIRECTORY", place->folder, TRUE);
  assert_is ("credential:secret", "hunter2");
  g_assert_cmpint (g_chmod (place->path, 0440), ==, 0); /* how systemd's access list shows */
  assert_is ("credential:secret", "hunter2");
  g_assert_cmpint (g_chmod (place->path, 0444), ==, 0);
  assert_refused ("credential:secret", "secret-file");
  assert_refused ("credential:../secret", "invalid-configuration");
  assert_refused ("credential:.secret", "invalid-configuration");
  assert_refused ("credential:", "invalid-configuration");
  g_unsetenv ("CREDENTIALS_DIRECTORY");
}

static void
test_environment (Place *place, gconstpointer data)
{
  g_unsetenv ("INVOCATION_ID");
  g_setenv ("TEESQL_TEST_SECRET", "hunter2", TRUE);
  assert_is ("env:TEESQL_TEST_SECRET", "hunter2");
  g_assert_null (g_getenv ("TEESQL_TEST_SECRET"));
  assert_is ("env:TEESQL_TEST_SECRET", "hunter2"); /* a reload resolves again */
  assert_refused ("env:TEESQL_TEST_NOT_SET", "secret-env");
  assert_refused ("env:1X", "invalid-configuration");
}

static void
test_other_places (Place *place, gconstpointer data)
{
  assert_refused ("kms:pg/superuser", "secret-kms");
  assert_refused ("hunter2", "invalid-configuration");
  assert_refused ("file:relative", "invalid-configuration");
  assert_refused ("", "invalid-configuration");
}

/* A text key may stand behind a reference; the dump shows the reference, and an error never shows what was read. */
static void
test_indirect_text (Place *place, gconstpointer data)
{
  g_autofree char *good = g_strdup_printf ("[teesql]\ncluster = %s\n", place->reference);
  g_autofree char *bad = g_strdup_printf ("[teesql]\ncluster = a\n[auth]\nscram-salt = %s\n", place->reference);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", good, strlen (good), &error);
  g_autoptr (TeesqlConfig) none = NULL;
  g_autofree char *dump = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (teesql_config_get_string (config, "teesql", "cluster"), ==, "hunter2");
  dump = teesql_config_dump (config, TRUE);
  g_assert_nonnull (strstr (dump, place->reference));
  g_assert_null (strstr (dump, "hunter2"));
  none = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", bad, strlen (bad), &error);
  g_assert_null (none);
  g_assert_nonnull (strstr (error->message, place->reference));
  g_assert_null (strstr (error->message, "hunter2"));
}

#define ADD(path, test) g_test_add (path, Place, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/config/secret/one-newline-at-the-end-is-cut", test_newline);
  ADD ("/config/secret/files-are-the-owners-alone", test_modes);
  ADD ("/config/secret/files-have-one-name", test_links);
  ADD ("/config/secret/files-have-a-size", test_sizes);
  ADD ("/config/secret/credentials-come-from-the-service-manager", test_credential);
  ADD ("/config/secret/variables-are-taken-once", test_environment);
  ADD ("/config/secret/other-places-are-refused", test_other_places);
  ADD ("/config/secret/text-behind-a-reference-is-not-shown", test_indirect_text);
  return g_test_run ();
}
