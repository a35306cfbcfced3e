/* What a store and a disk can do to the catalog: each attack by its name, each with the reason an operator sees. */
#include "base/teesql-domains.h"
#include "repository-world.h"

#include "backup/teesql-catalog-private.h"

#include <glib/gstdio.h>

static void
flip (ThreatFixture *f, const char *name, gsize offset)
{
  g_autoptr (GBytes) bytes = lying_storage_peek (f->storage, name);
  gsize size = g_bytes_get_size (bytes);
  guint8 *data = g_memdup2 (g_bytes_get_data (bytes, NULL), size);
  g_autoptr (GBytes) changed = g_bytes_new_take (data, size);

  data[offset] ^= 0x04;
  lying_storage_set (f->storage, name, changed);
}

static void
write_more (Node *node, guint64 segment)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (node);

  put_segment (catalog, 2, segment * WORLD_SEGMENT);
  g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
}

/* ---- honest ---- */

static void
an_honest_store_is_opened_again_and_again (ThreatFixture *f, gconstpointer unused)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TeesqlCatalog) catalog = node_open (f->node);
      g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlCatalog) reader = node_try_read (f->node, &error);
      g_autoptr (TeesqlCatalogRecord) read = NULL;

      g_assert_no_error (error);
      read = teesql_catalog_dup_record (reader);
      g_assert_cmpuint (record->backups->len, ==, 2);
      g_assert_cmpuint (record->wal->len, ==, 2);
      g_assert_cmpuint (read->sequence, ==, record->sequence);
      g_assert_cmpuint (read->sequence, ==, 5);
      g_assert_cmpstr (read->node, ==, "orders-1");
    }
}

static void
a_store_without_conditions_serves_one_node (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (LyingStorage) plain = lying_storage_new (0);
  TeesqlStoreOptions options = { .instance = "plain", .call_timeout_ms = 10000, .retry_deadline_ms = 10000 };
  TeesqlStore *store = NULL;
  Node node;

  options.storage = TEESQL_STORAGE (plain);
  store = teesql_store_new (&options);
  node_begin (&node, store, "orders-1", 1, 1);
  node_fill (&node);
  g_assert_cmpuint (node_sequence (&node), ==, 5);
  node_end (&node);
  teesql_store_close (store);
  g_object_unref (store);
}

/* ---- rolled back ---- */

static void
the_newest_record_is_deleted (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 5);

  lying_storage_set (f->storage, name, NULL);
  node_assert_refused (f->node, "repository-behind");
}

static void
all_records_are_deleted (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) names = lying_storage_names (f->storage, "v1/");

  for (guint i = 0; i < names->len; i++)
    lying_storage_set (f->storage, g_ptr_array_index (names, i), NULL);
  node_assert_refused (f->node, "repository-behind");
}

static void
the_whole_repository_is_rolled_back (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) earlier = lying_storage_snapshot (f->storage);

  write_more (f->node, 6);
  lying_storage_roll_back (f->storage, earlier);
  node_assert_refused (f->node, "repository-behind");
}

static void
an_older_record_is_replayed_as_the_newest (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *older = lying_storage_find_record (f->storage, 4);
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);

  lying_storage_copy (f->storage, older, newest);
  node_assert_refused (f->node, "catalog-broken"); /* the seal binds its name */
  node_assert_read_refused (f->node, "catalog-broken");
}

static void
the_newest_record_is_hidden_from_listings (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 5);

  lying_storage_hide (f->storage, name);
  node_assert_refused (f->node, "catalog-broken");
}

static void
wal_of_the_head_alone_is_deleted (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = NULL;
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    put_segment (catalog, 2, 6 * WORLD_SEGMENT);
  }
  g_assert_cmpuint (node_sequence (f->node), ==, 5); /* in no record yet */
  name = lying_storage_find (f->storage, "000000020000000000000006");
  lying_storage_set (f->storage, name, NULL);
  node_assert_refused (f->node, "repository-behind");
}

/* ---- ahead ---- */

static void
our_volume_is_rolled_back (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) volume = node_save_volume (f->node);

  write_more (f->node, 6);
  write_more (f->node, 7);
  node_restore_volume (f->node, volume);
  node_assert_refused (f->node, "repository-ahead");
}

static void
our_volume_is_new (ThreatFixture *f, gconstpointer unused)
{
  node_restore_volume (f->node, NULL);
  node_assert_refused (f->node, "head-absent");
}

static void
our_head_is_changed (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  gsize size = 0;
  g_autofree guint8 *data = g_memdup2 (g_bytes_get_data (volume, &size), g_bytes_get_size (volume));
  g_autoptr (GBytes) changed = NULL;

  size = g_bytes_get_size (volume);
  data[100] ^= 1;
  data[4096 + 100] ^= 1;
  changed = g_bytes_new (data, size);
  node_restore_volume (f->node, changed);
  node_assert_refused (f->node, "head-mac");
}

/* ---- forked ---- */

static void
two_nodes_write_at_once (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  Node twin; /* a copy of the volume, in another machine */
  g_autoptr (TeesqlCatalog) first = NULL;
  g_autoptr (TeesqlCatalog) second = NULL;
  g_autoptr (GError) error = NULL;

  node_begin (&twin, f->world.store, "orders-1", 1, 1);
  node_restore_volume (&twin, volume);
  first = node_open (f->node);
  second = node_open (&twin);
  put_segment (first, 2, 6 * WORLD_SEGMENT);
  g_assert_true (teesql_catalog_flush (first, NULL, NULL));
  put_segment (second, 2, 7 * WORLD_SEGMENT);
  g_assert_false (teesql_catalog_flush (second, NULL, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "repository-taken");
  g_clear_error (&error);
  /* and it stays so: nothing is merged, nothing more is acknowledged */
  g_assert_false (teesql_catalog_note_wal (second, 2, 7 * WORLD_SEGMENT, 9 * WORLD_SEGMENT, NULL, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "repository-taken");
  put_segment (first, 2, 8 * WORLD_SEGMENT);
  g_assert_true (teesql_catalog_flush (first, NULL, NULL));
  node_assert_refused (&twin, "repository-ahead");
  node_end (&twin);
}

static void
the_repository_is_forked (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) earlier = lying_storage_snapshot (f->storage);
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  g_autoptr (GBytes) ours = NULL;

  write_more (f->node, 6);
  write_more (f->node, 7);
  ours = node_save_volume (f->node);
  lying_storage_roll_back (f->storage, earlier); /* shown to a twin with the older volume */
  node_restore_volume (f->node, volume);
  write_more (f->node, 8);
  write_more (f->node, 9);
  node_restore_volume (f->node, ours);
  node_assert_refused (f->node, "repository-forked");
}

static void
a_longer_fork_is_still_a_fork (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) earlier = lying_storage_snapshot (f->storage);
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  g_autoptr (GBytes) ours = NULL;

  write_more (f->node, 6);
  ours = node_save_volume (f->node);
  lying_storage_roll_back (f->storage, earlier);
  node_restore_volume (f->node, volume);
  for (guint i = 8; i < 12; i++)
    write_more (f->node, i);
  node_restore_volume (f->node, ours);
  node_assert_refused (f->node, "repository-forked");
}

/* A reader has no head: it must not put two histories together. */
static void
records_of_two_forks_are_mixed (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) earlier = lying_storage_snapshot (f->storage);
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  g_autofree char *sixth = NULL;
  g_autoptr (GBytes) ours = NULL;

  write_more (f->node, 6);
  sixth = lying_storage_find_record (f->storage, 6);
  ours = lying_storage_peek (f->storage, sixth);
  lying_storage_roll_back (f->storage, earlier);
  node_restore_volume (f->node, volume);
  write_more (f->node, 8);
  write_more (f->node, 9);
  lying_storage_set (f->storage, sixth, ours);
  node_assert_read_refused (f->node, "catalog-broken");
}

/* ---- broken ---- */

static void
the_middle_of_the_chain_is_deleted (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 3);

  lying_storage_set (f->storage, name, NULL);
  node_assert_refused (f->node, "catalog-broken");
  node_assert_read_refused (f->node, "catalog-broken");
}

static void
a_record_in_the_middle_is_changed (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 3);

  flip (f, name, 300);
  node_assert_read_refused (f->node, "catalog-broken");
}

static void
the_newest_record_is_changed (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 5);

  flip (f, name, 300);
  node_assert_refused (f->node, "catalog-broken");
  node_assert_read_refused (f->node, "catalog-broken");
}

/* ... and the operator settles for the one before */
static void
an_older_record_is_chosen (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find_record (f->storage, 5);
  const TeesqlCatalogOptions options = { .repository = f->node->repository };
  TeesqlLineage lineage;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalog) catalog = NULL;
  g_autoptr (TeesqlCatalogRecord) record = NULL;

  {
    g_autoptr (TeesqlCatalog) writer = node_open (f->node);

    lineage = *teesql_catalog_get_lineage (writer);
  }
  flip (f, name, 300);
  catalog = teesql_catalog_read_at (&options, &lineage, 4, NULL, &error);
  g_assert_no_error (error);
  record = teesql_catalog_dup_record (catalog);
  g_assert_cmpuint (record->sequence, ==, 4);
  g_assert_cmpuint (record->backups->len, ==, 2);
  g_assert_false (teesql_catalog_flush (catalog, NULL, NULL) && teesql_catalog_note_wal (catalog, 1, 1, 2, NULL, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "catalog-read-only");
}

static void
two_records_are_swapped (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *third = lying_storage_find_record (f->storage, 3);
  g_autofree char *fourth = lying_storage_find_record (f->storage, 4);
  g_autoptr (GBytes) bytes = lying_storage_peek (f->storage, third);

  lying_storage_copy (f->storage, fourth, third);
  lying_storage_set (f->storage, fourth, bytes);
  node_assert_read_refused (f->node, "catalog-broken");
}

static void
rubbish_stands_behind_the_newest (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);
  g_autofree char *next = g_strdup (newest);

  next[strlen (next) - 1] = '6';
  lying_storage_copy (f->storage, newest, next);
  node_assert_refused (f->node, "catalog-broken");
  node_assert_read_refused (f->node, "catalog-broken");
}

static void
odd_names_are_not_read (ThreatFixture *f, gconstpointer unused)
{
  static const char *const odd[] = { "000000000000000A",  "0000000000000006.tmp", "6", "0000000000000000", "ffffffffffffffff",
                                     "00000000000000006", "-000000000000006" };
  g_autofree char *newest = lying_storage_find_record (f->storage, 5);

  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      g_autofree char *folder = g_path_get_dirname (newest);
      g_autofree char *name = g_strconcat (folder, "/", odd[i], NULL);

      lying_storage_copy (f->storage, newest, name);
    }
  g_assert_cmpuint (node_sequence (f->node), ==, 5);
}

/* ---- foreign ---- */

static void
another_clusters_records_are_moved_here (ThreatFixture *f, gconstpointer unused)
{
  Node other;
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *ours = lying_storage_find_record (f->storage, 5);
  g_autofree char *theirs = NULL;

  node_begin (&other, f->world.store, "billing-1", 2, 1);
  node_fill (&other);
  names = lying_storage_names (f->storage, "v1/02");
  for (guint i = 0; i < names->len; i++)
    if (g_str_has_suffix (g_ptr_array_index (names, i), "/catalog/0000000000000005"))
      theirs = g_strdup (g_ptr_array_index (names, i));
  g_assert_nonnull (theirs);
  lying_storage_copy (f->storage, theirs, ours);
  node_assert_refused (f->node, "catalog-broken");
  node_assert_read_refused (f->node, "catalog-broken");
  g_assert_cmpuint (node_sequence (&other), ==, 5); /* neighbours do not disturb each other */
  node_end (&other);
}

static void
another_server_has_our_volume (ThreatFixture *f, gconstpointer unused)
{
  f->node->system_identifier = 42;
  node_assert_refused (f->node, "foreign-cluster");
}

static void
a_made_up_lineage_is_ignored (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *mark = lying_storage_find (f->storage, "v1/lineages/");
  g_autofree char *record = lying_storage_find_record (f->storage, 5);
  g_autoptr (GString) high_mark = g_string_new (mark);
  g_autoptr (GString) high_record = g_string_new (record);

  g_string_replace (high_mark, "/00000001-", "/fffffffe-", 0);
  g_string_replace (high_record, "/00000001-", "/fffffffe-", 0);
  lying_storage_copy (f->storage, mark, high_mark->str);
  lying_storage_copy (f->storage, record, high_record->str);
  g_assert_cmpuint (node_sequence (f->node), ==, 5);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (TeesqlCatalog) reader = node_try_read (f->node, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (teesql_lineage_get_generation (teesql_catalog_get_lineage (reader)), ==, 1);
  }
}

static void
lost_marks_of_lineages_are_found_by_listing (ThreatFixture *f, gconstpointer unused)
{
  g_autofree char *mark = lying_storage_find (f->storage, "v1/lineages/");

  lying_storage_set (f->storage, mark, NULL);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (TeesqlCatalog) reader = node_try_read (f->node, &error);

    g_assert_no_error (error);
  }
  g_assert_cmpuint (node_sequence (f->node), ==, 5);
  g_free (g_steal_pointer (&mark));
  mark = lying_storage_find (f->storage, "v1/lineages/"); /* put back */
}

/* ---- keys ---- */

static void
the_kms_answers_other_keys (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) volume = node_save_volume (f->node);
  Node other;

  node_begin (&other, f->world.store, "orders-1", 1, 2);
  node_restore_volume (&other, volume);
  node_assert_refused (&other, "kms-key-changed");
  g_assert_cmpint (g_unlink (other.head_path), ==, 0);
  node_assert_refused (&other, "kms-key-changed");
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (TeesqlCatalog) reader = node_try_read (&other, &error);

    g_assert_null (reader);
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "kms-key-changed");
  }
  node_end (&other);
}

static TeesqlSecret *
kms_key (guint8 mark)
{
  guint8 bytes[32] = { mark };

  return teesql_secret_new (bytes, sizeof bytes, NULL);
}

static void
a_later_epochs_key_is_another (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlSecret) key = kms_key (9);
  g_autoptr (TeesqlSecret) other_key = kms_key (10);
  g_autoptr (GBytes) volume = NULL;
  Node other;
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    g_assert_true (teesql_epoch_keys_add_kms (f->node->keys, 1, key, NULL));
    g_assert_true (teesql_catalog_add_epoch (catalog, 1, NULL, NULL));
    g_assert_cmpuint (teesql_repository_get_epoch (f->node->repository), ==, 1);
    put_segment (catalog, 2, 6 * WORLD_SEGMENT);
    g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
  }
  volume = node_save_volume (f->node);
  node_begin (&other, f->world.store, "orders-1", 1, 1);
  node_restore_volume (&other, volume);
  node_assert_refused (&other, "key-epoch-absent");
  g_assert_true (teesql_epoch_keys_add_kms (other.keys, 1, other_key, NULL));
  node_assert_refused (&other, "kms-key-changed");
  node_end (&other);
  g_assert_cmpuint (node_sequence (f->node), ==, 7);
}

/* ---- crashes ---- */

static void
a_record_whose_answer_was_lost_is_adopted (ThreatFixture *f, gconstpointer unused)
{
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    put_segment (catalog, 2, 6 * WORLD_SEGMENT);
    lying_storage_plan (f->storage, LYING_LOSES_ANSWER, "v1/");
    g_assert_false (teesql_catalog_flush (catalog, NULL, NULL));
  } /* and then the power went */
  g_assert_cmpuint (node_sequence (f->node), ==, 6);
  write_more (f->node, 7);
  g_assert_cmpuint (node_sequence (f->node), ==, 7);
}

static void
a_record_that_never_arrived_is_no_rollback (ThreatFixture *f, gconstpointer unused)
{
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);

    put_segment (catalog, 2, 6 * WORLD_SEGMENT);
    lying_storage_plan (f->storage, LYING_LOSES_PUT, "v1/");
    g_assert_false (teesql_catalog_flush (catalog, NULL, NULL));
  }
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (f->node);
    g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);

    g_assert_cmpuint (record->sequence, ==, 5);
    g_assert_true (teesql_catalog_record_covers (record, 2, 6 * WORLD_SEGMENT, NULL)); /* the head remembered */
    g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
  }
  g_assert_cmpuint (node_sequence (f->node), ==, 6);
}

/* the same, without a restart: what was given up and arrived after all is ours */
static void
a_record_that_was_given_up_arrives_late (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (f->node);
  g_autoptr (TeesqlCatalogRecord) record = NULL;

  put_segment (catalog, 2, 6 * WORLD_SEGMENT);
  lying_storage_plan (f->storage, LYING_LOSES_ANSWER, "v1/");
  g_assert_false (teesql_catalog_flush (catalog, NULL, NULL));
  put_segment (catalog, 2, 7 * WORLD_SEGMENT);
  g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
  record = teesql_catalog_dup_record (catalog);
  g_assert_cmpuint (record->sequence, ==, 7);
  g_assert_true (teesql_catalog_record_covers (record, 2, 7 * WORLD_SEGMENT, NULL));
}

static void
a_beginning_that_was_cut_short_begins_again (ThreatFixture *f, gconstpointer unused)
{
  static const LyingFault faults[] = { LYING_LOSES_PUT, LYING_LOSES_ANSWER };

  for (guint i = 0; i < 4; i++)
    {
      guint8 cluster = (guint8) (0x10 + i);
      g_autofree char *record = g_strdup_printf ("v1/%02x", cluster);
      Node node;

      node_begin (&node, f->world.store, "fresh-1", cluster, 1);
      lying_storage_plan (f->storage, faults[i % 2], i < 2 ? "v1/lineages/" : record);
      g_assert_null (node_try_open (&node, NULL));
      g_assert_cmpuint (node_sequence (&node), ==, 1);
      node_end (&node);
    }
}

/* ---- at once ---- */

#define N_NOTES 400u

static gpointer
note_thread (gpointer data)
{
  TeesqlCatalog *catalog = data;

  for (guint64 i = 0; i < N_NOTES; i++)
    {
      guint64 start = 16 * WORLD_SEGMENT + i * 4096;

      g_assert_true (teesql_catalog_note_wal (catalog, 2, start, start + 4096, NULL, NULL));
      /* now and then a gap and a timeline, so that the head's places run out */
      if (i % 20 == 0)
        g_assert_true (teesql_catalog_note_wal (catalog, 3 + (guint32) (i % 3), (i + 1) * 2 * 4096, (i + 1) * 2 * 4096 + 4096, NULL, NULL));
    }
  return NULL;
}

static gpointer
flush_thread (gpointer data)
{
  for (guint i = 0; i < 60; i++)
    g_assert_true (teesql_catalog_flush (data, NULL, NULL));
  return NULL;
}

static void
wal_is_noted_while_records_are_stored (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (f->node);
  GThread *noting = g_thread_new ("note", note_thread, catalog);
  GThread *flushing = g_thread_new ("flush", flush_thread, catalog);
  g_autoptr (TeesqlCatalogRecord) noted = NULL;
  g_autoptr (TeesqlCatalogRecord) stored = NULL;
  g_autoptr (TeesqlCatalog) reader = NULL;
  guint64 end = 0;

  g_thread_join (noting);
  g_thread_join (flushing);
  noted = teesql_catalog_dup_record (catalog);
  g_assert_true (teesql_catalog_record_covers (noted, 2, 16 * WORLD_SEGMENT, &end));
  g_assert_cmpuint (end, ==, 16 * WORLD_SEGMENT + (guint64) N_NOTES * 4096);
  g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
  reader = node_try_read (f->node, NULL);
  stored = teesql_catalog_dup_record (reader);
  /* nothing that was noted while a record was on its way is in none */
  g_assert_cmpuint (stored->wal->len, ==, noted->wal->len);
  for (guint i = 0; i < stored->wal->len; i++)
    g_assert_cmpuint (g_array_index (stored->wal, TeesqlWalRange, i).end_lsn, ==, g_array_index (noted->wal, TeesqlWalRange, i).end_lsn);
}

/* The head is being written when the main loop asks: with the very lock held that a slow fsync holds. */
static void
what_the_faces_show_waits_for_no_disk (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlCatalog) catalog = NULL;
  g_autoptr (TeesqlCatalogRecord) record = NULL;
  TeesqlCatalogFacts facts = { 0 };
  TeesqlHead head;

  catalog = node_open (f->node);
  put_segment (catalog, 2, 6 * WORLD_SEGMENT);
  record = teesql_catalog_dup_record (catalog);
  teesql_catalog_get_head (catalog, &head);
  g_mutex_lock (&catalog->lock);
  teesql_catalog_get_facts (catalog, &facts);
  g_mutex_unlock (&catalog->lock);
  g_assert_cmpuint (facts.n_backups, ==, record->backups->len);
  g_assert_cmpstr (facts.lineage.text, ==, record->lineage.text);
  g_assert_cmpuint (facts.head.sequence, ==, head.sequence);
  g_assert_cmpuint (facts.head.lsn, ==, 7 * WORLD_SEGMENT);
  g_assert_cmpint (facts.last_full_unix, >, 0);
  g_assert_cmpint (facts.last_backup_unix, >, facts.last_full_unix);
  g_assert_cmpint (facts.oldest_restorable_unix, >, 0);
}

/* With all places in the head taken a record has to be stored, and a store may take its time for that. */
static void
noting_wal_is_given_up_at_the_end (ThreatFixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlCatalog) catalog = NULL;
  g_autoptr (GCancellable) over = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint64 start = 100 * WORLD_SEGMENT;

  catalog = node_open (f->node);
  g_cancellable_cancel (over);
  for (guint i = 0; i < TEESQL_HEAD_NOTED_MAX; i++, start += 2 * WORLD_SEGMENT)
    g_assert_true (teesql_catalog_note_wal (catalog, 2, start, start + WORLD_SEGMENT, over, NULL));
  g_assert_false (teesql_catalog_note_wal (catalog, 2, start, start + WORLD_SEGMENT, over, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (teesql_catalog_note_wal (catalog, 2, start, start + WORLD_SEGMENT, NULL, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/catalog/" name, ThreatFixture, NULL, threat_fixture_set_up, func, threat_fixture_tear_down)
  ADD ("an-honest-store-is-opened-again-and-again", an_honest_store_is_opened_again_and_again);
  ADD ("a-store-without-conditions-serves-one-node", a_store_without_conditions_serves_one_node);
  ADD ("the-newest-record-is-deleted", the_newest_record_is_deleted);
  ADD ("all-records-are-deleted", all_records_are_deleted);
  ADD ("the-whole-repository-is-rolled-back", the_whole_repository_is_rolled_back);
  ADD ("an-older-record-is-replayed-as-the-newest", an_older_record_is_replayed_as_the_newest);
  ADD ("the-newest-record-is-hidden-from-listings", the_newest_record_is_hidden_from_listings);
  ADD ("wal-of-the-head-alone-is-deleted", wal_of_the_head_alone_is_deleted);
  ADD ("our-volume-is-rolled-back", our_volume_is_rolled_back);
  ADD ("our-volume-is-new", our_volume_is_new);
  ADD ("our-head-is-changed", our_head_is_changed);
  ADD ("two-nodes-write-at-once", two_nodes_write_at_once);
  ADD ("the-repository-is-forked", the_repository_is_forked);
  ADD ("a-longer-fork-is-still-a-fork", a_longer_fork_is_still_a_fork);
  ADD ("records-of-two-forks-are-mixed", records_of_two_forks_are_mixed);
  ADD ("the-middle-of-the-chain-is-deleted", the_middle_of_the_chain_is_deleted);
  ADD ("a-record-in-the-middle-is-changed", a_record_in_the_middle_is_changed);
  ADD ("the-newest-record-is-changed", the_newest_record_is_changed);
  ADD ("an-older-record-is-chosen", an_older_record_is_chosen);
  ADD ("two-records-are-swapped", two_records_are_swapped);
  ADD ("rubbish-stands-behind-the-newest", rubbish_stands_behind_the_newest);
  ADD ("odd-names-are-not-read", odd_names_are_not_read);
  ADD ("another-clusters-records-are-moved-here", another_clusters_records_are_moved_here);
  ADD ("another-server-has-our-volume", another_server_has_our_volume);
  ADD ("a-made-up-lineage-is-ignored", a_made_up_lineage_is_ignored);
  ADD ("lost-marks-of-lineages-are-found-by-listing", lost_marks_of_lineages_are_found_by_listing);
  ADD ("the-kms-answers-other-keys", the_kms_answers_other_keys);
  ADD ("a-later-epochs-key-is-another", a_later_epochs_key_is_another);
  ADD ("a-record-whose-answer-was-lost-is-adopted", a_record_whose_answer_was_lost_is_adopted);
  ADD ("a-record-that-never-arrived-is-no-rollback", a_record_that_never_arrived_is_no_rollback);
  ADD ("a-record-that-was-given-up-arrives-late", a_record_that_was_given_up_arrives_late);
  ADD ("a-beginning-that-was-cut-short-begins-again", a_beginning_that_was_cut_short_begins_again);
  ADD ("wal-is-noted-while-records-are-stored", wal_is_noted_while_records_are_stored);
  ADD ("what-the-faces-show-waits-for-no-disk", what_the_faces_show_waits_for_no_disk);
  ADD ("noting-wal-is-given-up-at-the-end", noting_wal_is_given_up_at_the_end);
  return g_test_run ();
}
