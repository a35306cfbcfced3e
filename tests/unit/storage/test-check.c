#include "store-world.h"
#include "storage/teesql-storage-check.h"

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

static void
test_flaws (void)
{
  static const struct
  {
    FakeFlaw flaw;
    const char *found_by[6];
  } cases[] = {
    { FAKE_SHOWS_EARLY, { "atomic-put", "atomic-overwrite" } },
    { FAKE_KEEPS_PARTS, { "atomic-put", "truncated-content", "broken-content" } },
    { FAKE_NO_CONDITION, { "if-absent", "if-absent-race", "upload-if-absent", "upload-race" } },
    { FAKE_WRONG_RANGE, { "ranges" } },
    { FAKE_SKIPS_NAMES, { "list", "odd-names", "list-changes" } },
    { FAKE_FOLDS_CASE, { "odd-names" } },
    { FAKE_NEVER_REPLACES, { "overwrite", "upload-overwrite" } },
    { FAKE_NEVER_REMOVES, { "remove", "list-changes", "cleanup" } },
    { FAKE_KEEPS_UPLOADS, { "upload-abort" } },
    { FAKE_SHUFFLES_PARTS, { "upload-disorder" } },
    { FAKE_IGNORES_CANCEL, { "atomic-put" } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      World world = { NULL };
      gboolean passed = TRUE;
      g_autoptr (GHashTable) statuses = NULL;

      world_begin (&world, ALL_FEATURES, 2000, 2000);
      fake_storage_set_flaw (world.storage, cases[i].flaw);
      statuses = run (world.store, cases[i].found_by, &passed);
      g_assert_false (passed);
      for (const char *const *name = cases[i].found_by; *name != NULL; name++)
        {
          g_test_message ("flaw %d, %s", (int) cases[i].flaw, *name);
          g_assert_cmpint (status_of (statuses, *name), ==, TEESQL_STORAGE_CHECK_FAILED);
        }
      world_end (&world);
    }
}

static void
test_skips (void)
{
  World world = { NULL };
  gboolean passed = FALSE;
  g_autoptr (GHashTable) statuses = NULL;

  world_begin (&world, (TeesqlStorageFeatures) 0, 0, 20000);
  statuses = run (world.store, NULL, &passed);
  g_assert_true (passed);
  g_assert_cmpint (status_of (statuses, "if-absent"), ==, TEESQL_STORAGE_CHECK_SKIPPED);
  g_assert_cmpint (status_of (statuses, "upload"), ==, TEESQL_STORAGE_CHECK_SKIPPED);
  g_assert_cmpint (status_of (statuses, "list"), ==, TEESQL_STORAGE_CHECK_PASSED);
  world_end (&world);
}

static void
test_unreachable (void)
{
  World world = { NULL };
  gboolean passed = FALSE;
  TeesqlStorageCheckOptions options = { .quick = TRUE };
  g_autoptr (GError) error = NULL;

  world_begin_made (&world, 100, TEESQL_ERROR_PERMISSION, 1000);
  g_assert_false (teesql_storage_check_run (world.store, &options, NULL, &passed, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/check/a-good-storage-passes", test_good);
  g_test_add_func ("/storage/check/every-flaw-is-found", test_flaws);
  g_test_add_func ("/storage/check/skips-what-is-not-claimed", test_skips);
  g_test_add_func ("/storage/check/says-that-it-could-not-check", test_unreachable);
  return g_test_run ();
}
