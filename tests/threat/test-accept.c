/* What the operator decides about a repository that is at odds with us, and what comes of it. */
#include "base/teesql-domains.h"
#include "repository-world.h"

#include <glib/gstdio.h>

/* ---- what the operator decides ---- */

static void
accept (Node *node)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalog) reader = node_try_read (node, &error);
  TeesqlHead head;

  g_assert_no_error (error);
  teesql_catalog_get_head (reader, &head);
  g_assert_true (teesql_catalog_mark_restored (node->head_path, &head.lineage, head.sequence, head.digest, &error));
}

static void
an_accepted_repository_begins_a_lineage (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);
  g_autofree char *path = g_build_filename (f->node->folder, "accept", NULL);

  lying_storage_set (f->storage, newest, NULL);
  node_assert_refused (f->node, "repository-behind");
  accept (f->node);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TeesqlCatalog) catalog = node_open (f->node);
      g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);

      g_assert_cmpuint (teesql_lineage_get_generation (&record->lineage), ==, 2);
      g_assert_cmpuint (record->sequence, ==, 1);
      g_assert_cmpuint (record->parent_sequence, ==, 4);
      g_assert_cmpuint (record->backups->len, ==, 0);
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
}

/* SIGKILL between the first record and the end of the mark: no second lineage */
static void
a_mark_is_used_once (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);
  g_autofree char *path = g_build_filename (f->node->folder, "accept", NULL);
  g_autofree char *mark = NULL;
  gsize size = 0;

  lying_storage_set (f->storage, newest, NULL);
  accept (f->node);
  g_assert_true (g_file_get_contents (path, &mark, &size, NULL));
  g_assert_cmpuint (node_sequence (f->node), ==, 1);
  g_assert_true (g_file_set_contents_full (path, mark, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    g_assert_cmpuint (teesql_lineage_get_generation (teesql_catalog_get_lineage (catalog)), ==, 2);
  }
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
what_was_accepted_must_still_be_there (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);
  g_autofree char *fourth = lying_storage_find_record (f->storage, 4);

  lying_storage_set (f->storage, newest, NULL);
  accept (f->node);
  lying_storage_set (f->storage, fourth, NULL);
  node_assert_refused (f->node, "catalog-broken");
}

static void
the_node_that_was_replaced_is_told (ThreatFixture *f, gconstpointer unused)
{
  Node heir;

  node_begin (&heir, f->world.store, "orders-2", 1, 1);
  accept (&heir);
  g_assert_cmpuint (node_sequence (&heir), ==, 1);
  node_assert_refused (f->node, "repository-ahead"); /* lineage of generation 2 */
  node_end (&heir);
}

static void
two_heirs_of_one_state_are_told_apart (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) before = lying_storage_snapshot (f->storage);
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GHashTable) of_first = NULL;
  Node first;
  Node second;

  node_begin (&first, f->world.store, "orders-2", 1, 1);
  node_begin (&second, f->world.store, "orders-3", 1, 1);
  accept (&first);
  accept (&second);
  g_assert_cmpuint (node_sequence (&first), ==, 1);
  of_first = lying_storage_snapshot (f->storage);
  lying_storage_roll_back (f->storage, before);
  g_assert_cmpuint (node_sequence (&second), ==, 1);
  {
    GHashTableIter iter;
    gpointer name = NULL;
    gpointer bytes = NULL;

    g_hash_table_iter_init (&iter, of_first);
    while (g_hash_table_iter_next (&iter, &name, &bytes))
      lying_storage_set (f->storage, name, bytes);
  }
  node_assert_refused (&first, "repository-forked");
  node_assert_refused (&second, "repository-forked");
  node_assert_read_refused (f->node, "lineage-ambiguous");
  node_end (&first);
  node_end (&second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/accept/" name, ThreatFixture, NULL, threat_fixture_set_up, func, threat_fixture_tear_down)
  ADD ("an-accepted-repository-begins-a-lineage", an_accepted_repository_begins_a_lineage);
  ADD ("a-mark-is-used-once", a_mark_is_used_once);
  ADD ("what-was-accepted-must-still-be-there", what_was_accepted_must_still_be_there);
  ADD ("the-node-that-was-replaced-is-told", the_node_that_was_replaced_is_told);
  ADD ("two-heirs-of-one-state-are-told-apart", two_heirs_of_one_state_are_told_apart);
  return g_test_run ();
}
