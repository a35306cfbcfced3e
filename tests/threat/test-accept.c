/* What the operator decides about a repository that is at odds with us, and what comes of it. */
#include "base/teesql-domains.h"
#include "repository-world.h"

#include <glib/gstdio.h>

typedef struct
{
  ThreatWorld world;
  LyingStorage *storage;
  Node *node;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  threat_world_begin (&f->world);
  f->storage = f->world.storage;
  f->node = &f->world.node;
  node_fill (f->node);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  threat_world_end (&f->world);
}

static char *
find_name (Fixture *f, const char *part)
{
  g_autoptr (GPtrArray) names = lying_storage_names (f->storage, "v1/");

  for (guint i = 0; i < names->len; i++)
    if (strstr (g_ptr_array_index (names, i), part) != NULL)
      return g_strdup (g_ptr_array_index (names, i));
  g_error ("no object %s", part);
}

static char *
record_name (Fixture *f, guint64 sequence)
{
  g_autofree char *part = g_strdup_printf ("/catalog/%016" G_GINT64_MODIFIER "x", sequence);

  return find_name (f, part);
}

static void
erase (Fixture *f, const char *name)
{
  lying_storage_set (f->storage, name, NULL);
}

static void
assert_read_refused (Fixture *f, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalog) catalog = node_try_read (f->node, &error);

  g_assert_null (catalog);
  g_test_message ("%s", error->message);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static guint64
sequence_of (Node *node)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (node);
  TeesqlHead head;

  teesql_catalog_get_head (catalog, &head);
  return head.sequence;
}

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
an_accepted_repository_begins_a_lineage (Fixture *f, gconstpointer unused)
{
  g_autofree char *newest = record_name (f, 5);
  g_autofree char *path = g_build_filename (f->node->folder, "accept", NULL);

  erase (f, newest);
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
a_mark_is_used_once (Fixture *f, gconstpointer unused)
{
  g_autofree char *newest = record_name (f, 5);
  g_autofree char *path = g_build_filename (f->node->folder, "accept", NULL);
  g_autofree char *mark = NULL;
  gsize size = 0;

  erase (f, newest);
  accept (f->node);
  g_assert_true (g_file_get_contents (path, &mark, &size, NULL));
  g_assert_cmpuint (sequence_of (f->node), ==, 1);
  g_assert_true (g_file_set_contents_full (path, mark, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    g_assert_cmpuint (teesql_lineage_get_generation (teesql_catalog_get_lineage (catalog)), ==, 2);
  }
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
what_was_accepted_must_still_be_there (Fixture *f, gconstpointer unused)
{
  g_autofree char *newest = record_name (f, 5);
  g_autofree char *fourth = record_name (f, 4);

  erase (f, newest);
  accept (f->node);
  erase (f, fourth);
  node_assert_refused (f->node, "catalog-broken");
}

static void
the_node_that_was_replaced_is_told (Fixture *f, gconstpointer unused)
{
  Node heir;

  node_begin (&heir, f->world.store, "orders-2", 1, 1);
  accept (&heir);
  g_assert_cmpuint (sequence_of (&heir), ==, 1);
  node_assert_refused (f->node, "repository-ahead"); /* lineage of generation 2 */
  node_end (&heir);
}

static void
two_heirs_of_one_state_are_told_apart (Fixture *f, gconstpointer unused)
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
  g_assert_cmpuint (sequence_of (&first), ==, 1);
  of_first = lying_storage_snapshot (f->storage);
  lying_storage_roll_back (f->storage, before);
  g_assert_cmpuint (sequence_of (&second), ==, 1);
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
  assert_read_refused (f, "lineage-ambiguous");
  node_end (&first);
  node_end (&second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/accept/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("an-accepted-repository-begins-a-lineage", an_accepted_repository_begins_a_lineage);
  ADD ("a-mark-is-used-once", a_mark_is_used_once);
  ADD ("what-was-accepted-must-still-be-there", what_was_accepted_must_still_be_there);
  ADD ("the-node-that-was-replaced-is-told", the_node_that_was_replaced_is_told);
  ADD ("two-heirs-of-one-state-are-told-apart", two_heirs_of_one_state_are_told_apart);
  return g_test_run ();
}
