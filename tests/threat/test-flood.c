/* A store that names objects without end: whoever lists takes constant memory, and comes back. */
#include "repository-world.h"

#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-clean-up.h"
#include "backup/teesql-lineages.h"
#include "backup/teesql-verify.h"

#define N_NAMES  ((guint64) 200000)
#define PEAK_MAX ((gsize) 10 * 1024 * 1024) /* so many names of a hundred characters are 25 MiB */

typedef struct
{
  ThreatWorld world;
  TeesqlCatalog *catalog;
  char *lineage; /* `v1/CLUSTER/LINEAGE/` */
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autofree char *cluster = NULL;

  threat_world_begin (&f->world);
  node_fill (&f->world.node);
  f->catalog = node_open (&f->world.node);
  cluster = teesql_layout_cluster (teesql_repository_get_cluster_id (f->world.node.repository));
  f->lineage = g_strconcat (cluster, teesql_catalog_get_lineage (f->catalog)->text, "/", NULL);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_free (f->lineage);
  g_object_unref (f->catalog);
  threat_world_end (&f->world);
}

static void
flood (Fixture *f, const char *below, LyingNameFunc make)
{
  g_autofree char *prefix = g_strconcat (f->lineage, below, NULL);

  lying_storage_flood (f->world.storage, prefix, make, N_NAMES);
}

static void
assert_held_little (Fixture *f)
{
  g_test_message ("%" G_GSIZE_FORMAT " KiB at most", lying_storage_get_peak (f->world.storage) / 1024);
  g_assert_cmpuint (lying_storage_get_peak (f->world.storage), <, PEAK_MAX);
}

static char *
make_number (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%s%016" G_GINT64_MODIFIER "x", prefix, i + 4096);
}

static char *
make_foreign (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%scatalog/x%08u", prefix, (guint) i);
}

static char *
make_stray (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%sffffffffffffffff%016" G_GINT64_MODIFIER "x/base.00000", prefix, i);
}

/* @prefix: a whole segment's */
static char *
make_part (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%s.%08x-%08x", prefix, (guint) (i >> 10), 1024 + (guint) (i & 1023));
}

/* behind the part that there is */
static char *
make_late_part (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%s.%08x-%08x", prefix, 1 + (guint) (i >> 10), 1024 + (guint) (i & 1023));
}

static char *
make_lineage (const char *prefix, guint64 i)
{
  return g_strdup_printf ("%sffffffff-%016" G_GINT64_MODIFIER "x/catalog/0000000000000001", prefix, i);
}

static void
records_without_end (Fixture *f, gconstpointer unused)
{
  TeesqlChainListing listing = { 0 };
  g_autoptr (GError) error = NULL;

  flood (f, "catalog/", make_number);
  g_assert_true (teesql_catalog_list (f->world.node.repository, teesql_catalog_get_lineage (f->catalog), &listing, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (listing.first, ==, 1);
  g_assert_cmpuint (listing.newest, ==, 4095 + N_NAMES);
  g_assert_cmpuint (listing.first_missing, ==, 0); /* not among the newest thousand */
  assert_held_little (f);
}

static void
foreign_names_do_not_fill_the_log (Fixture *f, gconstpointer unused)
{
  TeesqlChainListing listing = { 0 };

  if (g_test_subprocess ())
    {
      lying_storage_flood (f->world.storage, f->lineage, make_foreign, 5000);
      g_assert_true (teesql_catalog_list (f->world.node.repository, teesql_catalog_get_lineage (f->catalog), &listing, NULL, NULL));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*foreign-object: *catalog/x00000000 is no name of ours*");
  g_test_trap_assert_stderr ("*foreign-object: 4980 more below *");
  g_test_trap_assert_stderr_unmatched ("*catalog/x00000020*");
}

static void
assert_verified (Fixture *f, guint64 n_notes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlVerifyReport) report = teesql_repository_verify_run (f->catalog, FALSE, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (report->n_damages, ==, 0);
  g_assert_cmpuint (report->n_notes, >=, n_notes);
  g_assert_cmpuint (report->findings->len, <=, TEESQL_VERIFY_FINDINGS_MAX);
  assert_held_little (f);
}

static void
strays_do_not_fill_a_report (Fixture *f, gconstpointer unused)
{
  flood (f, "zzz/", make_number);
  assert_verified (f, N_NAMES);
}

/* of a segment that the catalog promises in part */
static void
parts_do_not_fill_a_report (Fixture *f, gconstpointer unused)
{
  g_autofree char *segment = teesql_wal_segment_name (2, 5 * WORLD_SEGMENT, WORLD_SEGMENT);
  g_autofree char *below = g_strdup_printf ("wal/00000002/%s", segment);

  flood (f, below, make_late_part);
  assert_verified (f, 0);
}

static void
damage_is_not_hidden_among_strays (Fixture *f, gconstpointer unused)
{
  g_autofree char *base = g_strconcat (f->lineage, "base/", NULL);
  g_autoptr (GPtrArray) names = lying_storage_names (f->world.storage, base);
  g_autoptr (TeesqlVerifyReport) report = NULL;
  const TeesqlVerifyFinding *first = NULL;

  flood (f, "zzz/", make_number);
  lying_storage_set (f->world.storage, g_ptr_array_index (names, names->len - 1), NULL);
  report = teesql_repository_verify_run (f->catalog, FALSE, NULL, NULL, NULL, NULL);
  g_assert_nonnull (report);
  g_assert_cmpuint (report->n_damages, ==, 1);
  for (guint i = 0; i < report->findings->len && first == NULL; i++)
    if (((const TeesqlVerifyFinding *) g_ptr_array_index (report->findings, i))->severity == TEESQL_VERIFY_DAMAGE)
      first = g_ptr_array_index (report->findings, i);
  g_assert_nonnull (first);
  g_assert_cmpstr (first->reason, ==, "object-missing");
}

static void
clean_up_takes_parts_a_batch_at_a_time (Fixture *f, gconstpointer unused)
{
  guint removed = 0;
  g_autofree char *segment = teesql_wal_segment_name (2, 6 * WORLD_SEGMENT, WORLD_SEGMENT);
  g_autofree char *below = g_strdup_printf ("wal/00000002/%s", segment);
  g_autoptr (GError) error = NULL;

  put_segment (f->catalog, 2, 6 * WORLD_SEGMENT);
  flood (f, below, make_part);
  g_assert_true (teesql_clean_up_wal (f->catalog, &removed, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (removed, ==, TEESQL_CLEAN_UP_MAX);
  assert_held_little (f);
}

static void
strays_are_remembered_up_to_a_limit (Fixture *f, gconstpointer unused)
{
  guint removed = 0;
  g_autoptr (GError) error = NULL;

  flood (f, "base/", make_stray);
  g_assert_true (teesql_clean_up_left_overs (f->catalog, 1800000000, &removed, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (removed, ==, 0);
  assert_held_little (f);
  g_assert_true (teesql_clean_up_left_overs (f->catalog, 1800000000 + TEESQL_LEFT_OVER_AGE_S, &removed, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (removed, >, 0);
  g_assert_cmpuint (removed, <=, TEESQL_CLEAN_UP_MAX);
}

static void
lineages_without_end_are_refused (Fixture *f, gconstpointer unused)
{
  g_autofree char *cluster = teesql_layout_cluster (teesql_repository_get_cluster_id (f->world.node.repository));
  g_autoptr (GArray) entries = NULL;
  g_autoptr (GError) error = NULL;

  lying_storage_hide (f->world.storage, "v1/lineages/");
  lying_storage_flood (f->world.storage, cluster, make_lineage, N_NAMES);
  entries = teesql_repository_discover (f->world.store, teesql_repository_get_cluster_id (f->world.node.repository), NULL, &error);
  g_assert_null (entries);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "list-too-long");
  assert_held_little (f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/flood/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("records-without-end", records_without_end);
  ADD ("foreign-names-do-not-fill-the-log", foreign_names_do_not_fill_the_log);
  ADD ("strays-do-not-fill-a-report", strays_do_not_fill_a_report);
  ADD ("parts-do-not-fill-a-report", parts_do_not_fill_a_report);
  ADD ("damage-is-not-hidden-among-strays", damage_is_not_hidden_among_strays);
  ADD ("clean-up-takes-parts-a-batch-at-a-time", clean_up_takes_parts_a_batch_at_a_time);
  ADD ("strays-are-remembered-up-to-a-limit", strays_are_remembered_up_to_a_limit);
  ADD ("lineages-without-end-are-refused", lineages_without_end_are_refused);
  return g_test_run ();
}
