#include "daemon/teesql-key-checks.h"

#include <glib/gstdio.h>
#include <string.h>
#include <teesql/teesql-error.h>

typedef struct
{
  char *folder;
  char *file;
  TeesqlSecret *key;
  TeesqlSecret *other;
} Store;

static void
set_up (Store *store, gconstpointer data)
{
  static const guint8 a[32] = { 1, 2, 3 };
  static const guint8 b[32] = { 1, 2, 4 };

  store->folder = g_dir_make_tmp ("teesql-checks-XXXXXX", NULL);
  store->file = g_build_filename (store->folder, "key-checks", NULL);
  store->key = teesql_secret_new (a, sizeof a, NULL);
  store->other = teesql_secret_new (b, sizeof b, NULL);
}

static void
tear_down (Store *store, gconstpointer data)
{
  g_remove (store->file);
  g_rmdir (store->folder);
  g_free (store->folder);
  g_free (store->file);
  teesql_secret_unref (store->key);
  teesql_secret_unref (store->other);
}

static void
assert_same (Store *store, const char *path, TeesqlSecret *key)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_key_checks_compare (store->folder, path, key, &error));
  g_assert_no_error (error);
}

static void
assert_changed (Store *store, const char *path, TeesqlSecret *key)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_key_checks_compare (store->folder, path, key, &error));
  g_assert_error (error, TEESQL_KMS_ERROR, TEESQL_ERROR_INTEGRITY);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "kms-key-changed");
}

static void
test_notices (Store *store, gconstpointer data)
{
  assert_same (store, "pg/roles", store->key);
  assert_same (store, "pg/roles", store->key);
  assert_changed (store, "pg/roles", store->other);
  assert_same (store, "pg/roles", store->key);
  assert_same (store, "pg/other", store->other);
  assert_changed (store, "pg/other", store->key);
}

static void
test_removed (Store *store, gconstpointer data)
{
  assert_same (store, "pg/roles", store->key);
  g_assert_cmpint (g_remove (store->file), ==, 0);
  assert_same (store, "pg/roles", store->other);
}

static void
test_holds_no_key (Store *store, gconstpointer data)
{
  g_autofree char *text = NULL;

  assert_same (store, "pg/roles", store->key);
  g_assert_true (g_file_get_contents (store->file, &text, NULL, NULL));
  g_assert_cmpuint (strlen (text), ==, strlen ("pg/roles ") + 16 + 1);
}

static void
test_damaged (Store *store, gconstpointer data)
{
  static const struct
  {
    const char *text;
    gssize size;
  } damaged[] = { { "\0\xffgarbage", 9 }, { "pg/roles", 8 }, { "pg/roles xyz\n", 13 }, { "pg/roles 00112233445566\n", 24 }, { "\n\n", 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (damaged); i++)
    {
      g_assert_true (g_file_set_contents (store->file, damaged[i].text, damaged[i].size, NULL));
      assert_same (store, "pg/roles", store->key);
      assert_changed (store, "pg/roles", store->other);
    }
}

#define ADD(path, test) g_test_add (path, Store, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/daemon/key-checks/notice-another-key", test_notices);
  ADD ("/daemon/key-checks/begin-anew-when-removed", test_removed);
  ADD ("/daemon/key-checks/hold-no-key", test_holds_no_key);
  ADD ("/daemon/key-checks/survive-damage", test_damaged);
  return g_test_run ();
}
