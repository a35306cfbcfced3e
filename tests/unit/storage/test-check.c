#include "store-world.h"
#include "storage/teesql-storage-check.h"

#include <glib/gstdio.h>

/* The contract suite against storages that keep the contract, and against one that breaks it in one way each: a check that cannot fail
 * checks nothing. */

static void
result_cb (const TeesqlStorageCheckResult *result, gpointer user_data)
{
  GHashTable *statuses = user_data;

  g_hash_table_insert (statuses, g_strdup (result->name), GUINT_TO_POINTER (1 + (guint) result->status));
  if (result->status == TEESQL_STORAGE_CHECK_FAILED)
    g_test_message ("%s: expected that %s; found: %s", result->name, result->expected, result->found);
}

static TeesqlStorageCheckStatus
status_of (GHashTable *statuses, const char *name)
{
  guint status = GPOINTER_TO_UINT (g_hash_table_lookup (statuses, name));

  g_assert_cmpuint (status, >, 0);
  return (TeesqlStorageCheckStatus) (status - 1);
}

static GHashTable *
run (TeesqlStore *store, const char *const *only, gboolean *out_passed)
{
  GHashTable *statuses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  TeesqlStorageCheckOptions options = { .n_names = 200, .quick = TRUE, .only = only, .result = result_cb, .user_data = statuses };
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_storage_check_run (store, &options, NULL, out_passed, &error));
  g_assert_no_error (error);
  return statuses;
}

static void
test_good (void)
{
  World world = { NULL };
  gboolean passed = FALSE;
  g_autoptr (GHashTable) statuses = NULL;

  world_begin (&world, ALL_FEATURES, 0, 20000);
  statuses = run (world.store, NULL, &passed);
  g_assert_true (passed);
  for (const char *const *name = teesql_storage_check_list (); *name != NULL; name++)
    g_assert_cmpint (status_of (statuses, *name), ==, TEESQL_STORAGE_CHECK_PASSED);
  g_assert_cmpuint (fake_storage_n_uploads (world.storage), ==, 0);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/check/a-good-storage-passes", test_good);
  return g_test_run ();
}
