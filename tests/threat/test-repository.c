/* What a store can do to the objects of a small repository: each attack by its name. Every single byte: test-every-byte.c. */
#include "backup/teesql-catalog-recovery.h"
#include "backup/teesql-lineages.h"
#include "backup/teesql-retention.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "repository-world.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

typedef struct
{
  ThreatWorld world;
  LyingStorage *storage;
  Node *node;
  TeesqlCatalog *catalog;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  threat_world_begin (&f->world);
  f->storage = f->world.storage;
  f->node = &f->world.node;
  node_fill (f->node);
  f->catalog = node_open (f->node);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_object_unref (f->catalog);
  threat_world_end (&f->world);
}

static TeesqlVerifyReport *
verify (Fixture *f, gboolean deep)
{
  return threat_verify (f->catalog, deep);
}

static gboolean
has_finding (const TeesqlVerifyReport *report, const char *reason, const char *part)
{
  for (guint i = 0; i < report->findings->len; i++)
    {
      const TeesqlVerifyFinding *finding = g_ptr_array_index (report->findings, i);

      if (g_str_equal (finding->reason, reason) && strstr (finding->object, part) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* quick or deep, that very finding and the verdict */
static void
assert_found (Fixture *f, gboolean deep, const char *reason, const char *part)
{
  g_autoptr (TeesqlVerifyReport) report = verify (f, deep);

  threat_print (report);
  g_assert_true (has_finding (report, reason, part));
  g_assert_cmpuint (report->n_damages, >, 0);
}

static void
resize (Fixture *f, const char *name, gssize by)
{
  g_autoptr (GBytes) bytes = lying_storage_peek (f->storage, name);
  gsize size = g_bytes_get_size (bytes);
  gsize resized = (gsize) ((gssize) size + by);
  guint8 *data = g_malloc0 (resized);
  g_autoptr (GBytes) changed = g_bytes_new_take (data, resized);
  const guint8 *before = g_bytes_get_data (bytes, NULL);

  for (gsize i = 0; i < MIN (size, resized); i++)
    data[i] = before[i];
  lying_storage_set (f->storage, name, changed);
}

#define BASE_0  "/base/f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1/base.00000"
#define BASE_1  "/base/f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1/base.00001"
#define OTHER_0 "/base/f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2/base.00000"
#define SEG_1   "/wal/00000001/000000010000000000000001"
#define SEG_2   "/wal/00000001/000000010000000000000002"
#define SEG_3A  "/wal/00000001/000000010000000000000003"
#define SEG_3B  "/wal/00000002/000000020000000000000003"
#define PARTIAL "/wal/00000002/000000020000000000000005."

static void
an_honest_repository_is_found_intact (Fixture *f, gconstpointer unused)
{
  for (guint deep = 0; deep < 2; deep++)
    {
      g_autoptr (TeesqlVerifyReport) report = verify (f, deep == 1);

      threat_print (report);
      g_assert_cmpuint (report->n_damages, ==, 0);
      g_assert_cmpuint (report->n_notes, ==, 0);
      g_assert_cmpuint (report->n_backups, ==, 2);
      g_assert_cmpuint (report->n_segments, ==, 6);
    }
}

static void
a_piece_is_deleted (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, BASE_1);

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "object-missing", BASE_1);
}

static void
a_piece_is_cut_short (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, BASE_0);

  resize (f, name, -1);
  assert_found (f, FALSE, "object-truncated", BASE_0);
}

static void
a_piece_is_lengthened (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, BASE_0);

  resize (f, name, 1);
  assert_found (f, FALSE, "object-substituted", BASE_0);
}

static void
two_pieces_are_swapped (Fixture *f, gconstpointer unused)
{
  g_autofree char *one = lying_storage_find (f->storage, BASE_0);
  g_autofree char *other = lying_storage_find (f->storage, BASE_1);

  lying_storage_swap (f->storage, one, other);
  assert_found (f, FALSE, "object-substituted", BASE_0);
  assert_found (f, FALSE, "object-substituted", BASE_1);
}

static void
a_piece_of_another_backup_is_put_there (Fixture *f, gconstpointer unused)
{
  g_autofree char *one = lying_storage_find (f->storage, BASE_0);
  g_autofree char *other = lying_storage_find (f->storage, OTHER_0);

  lying_storage_copy (f->storage, other, one);
  assert_found (f, FALSE, "object-substituted", BASE_0);
}

/* genuine, of this very name, from an earlier run of the encoder: only the catalog's commitment tells */
static void
an_earlier_object_of_the_same_name_is_put_back (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, BASE_0);
  g_autoptr (GBytes) before = lying_storage_peek (f->storage, name);
  g_autoptr (TeesqlBackup) again = put_backup (f->catalog, 0xf1, 1, 2 * WORLD_SEGMENT + 0x28, NULL);
  g_autoptr (GBytes) after = lying_storage_peek (f->storage, name);

  g_assert_cmpuint (g_bytes_get_size (before), ==, g_bytes_get_size (after));
  assert_found (f, FALSE, "object-substituted", BASE_0);
}

static void
another_clusters_object_is_put_there (Fixture *f, gconstpointer unused)
{
  Node other;
  g_autofree char *ours = lying_storage_find (f->storage, BASE_0);
  g_autoptr (GPtrArray) names = NULL;

  node_begin (&other, f->world.store, "billing-1", 2, 1);
  node_fill (&other);
  names = lying_storage_names (f->storage, "v1/02");
  for (guint i = 0; i < names->len; i++)
    if (g_str_has_suffix (g_ptr_array_index (names, i), BASE_0))
      lying_storage_copy (f->storage, g_ptr_array_index (names, i), ours);
  assert_found (f, FALSE, "object-substituted", BASE_0);
  node_end (&other);
}

static void
a_segment_is_deleted (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, SEG_2);

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "wal-gap", "timeline 1");
}

static void
a_part_of_a_segment_is_deleted (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, PARTIAL);

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "wal-gap", "timeline 2");
}

static void
a_part_claims_to_be_longer (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, PARTIAL);
  g_autofree char *longer = g_strdup (name);

  longer[strlen (longer) - 4] = '5';
  lying_storage_copy (f->storage, name, longer);
  lying_storage_set (f->storage, name, NULL);
  assert_found (f, TRUE, "object-substituted", PARTIAL);
}

static void
two_segments_are_swapped (Fixture *f, gconstpointer unused)
{
  g_autofree char *one = lying_storage_find (f->storage, SEG_1);
  g_autofree char *other = lying_storage_find (f->storage, SEG_2);

  lying_storage_swap (f->storage, one, other);
  assert_found (f, TRUE, "object-substituted", SEG_1);
}

static void
a_segment_of_another_timeline_is_put_there (Fixture *f, gconstpointer unused)
{
  g_autofree char *one = lying_storage_find (f->storage, SEG_3A);
  g_autofree char *other = lying_storage_find (f->storage, SEG_3B);

  lying_storage_copy (f->storage, one, other);
  assert_found (f, TRUE, "object-substituted", SEG_3B);
}

static void
segments_of_two_objects_are_spliced (Fixture *f, gconstpointer unused)
{
  g_autofree char *one = lying_storage_find (f->storage, SEG_1);
  g_autofree char *other = lying_storage_find (f->storage, SEG_2);
  g_autoptr (GBytes) head = lying_storage_peek (f->storage, one);
  g_autoptr (GBytes) tail = lying_storage_peek (f->storage, other);
  gsize size = MIN (g_bytes_get_size (head), g_bytes_get_size (tail));
  guint8 *data = g_malloc (g_bytes_get_size (tail));
  g_autoptr (GBytes) spliced = g_bytes_new_take (data, g_bytes_get_size (tail));
  const guint8 *from_head = g_bytes_get_data (head, NULL);
  const guint8 *from_tail = g_bytes_get_data (tail, NULL);

  for (gsize i = 0; i < g_bytes_get_size (tail); i++)
    data[i] = i < MIN (size, 140 + strlen (one)) ? from_head[i] : from_tail[i]; /* one's header, the other's content */
  lying_storage_set (f->storage, one, spliced);
  assert_found (f, TRUE, "seal-tag", SEG_1);
}

static void
a_history_is_deleted (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, "00000002.history");

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "object-missing", "00000002.history");
}

static void
a_record_in_the_middle_is_deleted (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, "/catalog/0000000000000002");

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "catalog-broken", "00000001-");
}

static void
the_catalog_is_rolled_back_while_we_run (Fixture *f, gconstpointer unused)
{
  g_autofree char *name = lying_storage_find (f->storage, "/catalog/0000000000000005");

  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "catalog-broken", "00000001-");
}

static void
what_is_foreign_is_named_and_harms_nobody (Fixture *f, gconstpointer unused)
{
  g_autofree char *piece = lying_storage_find (f->storage, BASE_0);
  static const char *const odd[] = { "/base/f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1/base.00009",
                                     "/base/f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9/base.00000" };
  g_autofree char *lineage = g_strndup (piece, strlen (piece) - strlen (BASE_0));
  g_autofree char *stranger = g_strconcat (lineage, "/notes.txt", NULL);
  g_autoptr (TeesqlVerifyReport) report = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      g_autofree char *name = g_strconcat (lineage, odd[i], NULL);

      lying_storage_copy (f->storage, piece, name);
    }
  lying_storage_copy (f->storage, piece, stranger);
  report = verify (f, TRUE);
  g_assert_cmpuint (report->n_damages, ==, 0);
  g_assert_cmpuint (report->n_notes, ==, 3);
  g_assert_true (has_finding (report, "object-stray", "f9f9f9f9"));
  g_assert_true (has_finding (report, "object-stray", "base.00009"));
  g_assert_true (has_finding (report, "object-foreign", "notes.txt"));
}

/* ---- retention and what it leaves ---- */

static void
age_state (Fixture *f, const char *from, const char *to)
{
  g_autofree char *path = g_build_filename (f->node->folder, "left-overs", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GString) changed = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  changed = g_string_new (text);
  g_assert_cmpuint (g_string_replace (changed, from, to, 0), >, 0);
  g_assert_true (g_file_set_contents_full (path, changed->str, (gssize) changed->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static guint
expire (Fixture *f, guint full_count, gint64 now_unix)
{
  const TeesqlRetention retention = { full_count, 0 };
  guint removed = 0;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_retention_run (f->catalog, &retention, now_unix, &removed, NULL, &error));
  g_assert_no_error (error);
  return removed;
}

static void
retention_leaves_an_intact_repository (Fixture *f, gconstpointer unused)
{
  g_autoptr (TeesqlBackup) newer = put_backup (f->catalog, 0xf3, 2, 5 * WORLD_SEGMENT + 0x28, NULL);
  g_autoptr (TeesqlVerifyReport) report = NULL;
  g_autoptr (GPtrArray) old = NULL;
  g_autoptr (TeesqlCatalogRecord) record = NULL;

  g_assert_true (teesql_catalog_add_backup (f->catalog, newer, NULL, NULL));
  put_segment (f->catalog, 2, 5 * WORLD_SEGMENT); /* whole now: its part is superfluous */
  /* 2 backups of 3 objects, 5 segments before 0/500000, 1 part */
  g_assert_cmpuint (expire (f, 1, 1800000000), ==, 12);
  report = verify (f, TRUE);
  threat_print (report);
  g_assert_cmpuint (report->n_damages + report->n_notes, ==, 0);
  old = lying_storage_names (f->storage, "v1/01c1");
  for (guint i = 0; i < old->len; i++)
    g_assert_null (strstr (g_ptr_array_index (old, i), "/base/f1"));
  record = teesql_catalog_dup_record (f->catalog);
  g_assert_cmpuint (record->backups->len, ==, 1);
  g_assert_cmpuint (expire (f, 1, 1800000000), ==, 0);
}

static void
what_a_broken_backup_left_goes_after_a_day (Fixture *f, gconstpointer unused)
{
  const gint64 now = 1800000000;
  g_autoptr (TeesqlBackup) broken = NULL;

  g_assert_cmpuint (expire (f, 9, now), ==, 1); /* WAL before the first backup */
  broken = put_backup (f->catalog, 0xf7, 2, 5 * WORLD_SEGMENT, NULL);
  teesql_catalog_set_running (f->catalog, broken->id);
  g_assert_cmpuint (expire (f, 9, now), ==, 0);
  g_assert_cmpuint (expire (f, 9, now + 10 * 86400), ==, 0); /* it may take its time */
  teesql_catalog_set_running (f->catalog, NULL);
  g_assert_cmpuint (expire (f, 9, now + 20 * 86400), ==, 0); /* first seen now, whatever the clock */
  g_assert_cmpuint (expire (f, 9, now + 20 * 86400 + 86399), ==, 0);
  g_assert_cmpuint (expire (f, 9, now + 20 * 86400 + 86400), ==, 3);
  g_assert_cmpuint (expire (f, 9, now + 30 * 86400), ==, 0);
}

static void
a_left_over_that_became_a_backup_stays (Fixture *f, gconstpointer unused)
{
  const gint64 now = 1800000000;
  g_autoptr (TeesqlBackup) late = put_backup (f->catalog, 0xf7, 2, 5 * WORLD_SEGMENT, NULL);

  g_assert_cmpuint (expire (f, 9, now), ==, 1);
  age_state (f, "1800000000", "1700000000");
  g_assert_true (teesql_catalog_add_backup (f->catalog, late, NULL, NULL));
  g_assert_cmpuint (expire (f, 9, now), ==, 0);
}

static void
old_records_go_and_the_chain_stays (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (TeesqlVerifyReport) report = NULL;
  guint n_records = 0;

  g_assert_cmpuint (expire (f, 9, 1800000000), ==, 1); /* WAL before the first backup, and record 6 */
  for (guint i = 0; i < 1010; i++)
    {
      g_assert_true (teesql_catalog_note_wal (f->catalog, 3, (i + 1) * 2 * WORLD_SEGMENT, (i * 2 + 3) * WORLD_SEGMENT, NULL, NULL));
      g_assert_true (teesql_catalog_flush (f->catalog, NULL, NULL));
    }
  g_assert_cmpuint (expire (f, 9, 1800000000), ==, 16);
  names = lying_storage_names (f->storage, "v1/01c1");
  for (guint i = 0; i < names->len; i++)
    if (strstr (g_ptr_array_index (names, i), "/catalog/") != NULL && n_records++ == 0)
      g_assert_true (g_str_has_suffix (g_ptr_array_index (names, i), "/catalog/0000000000000011"));
  g_assert_cmpuint (n_records, ==, 1000);
  g_clear_object (&f->catalog);
  f->catalog = node_open (f->node);
  report = verify (f, TRUE);
  g_assert_false (has_finding (report, "catalog-broken", ""));
}

/* ---- recovery recipients ---- */

static TeesqlSecret *
make_pair (TeesqlRecipient **out_recipient)
{
  gnutls_privkey_t key = NULL;
  gnutls_pubkey_t public_key = NULL;
  gnutls_x509_privkey_t x509 = NULL;
  gnutls_datum_t pem = { NULL, 0 };
  gnutls_datum_t public_pem = { NULL, 0 };
  TeesqlSecret *secret = NULL;

  g_assert_cmpint (gnutls_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_init (&public_key), ==, 0);
  g_assert_cmpint (gnutls_pubkey_import_privkey (public_key, key, 0, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_export2 (public_key, GNUTLS_X509_FMT_PEM, &public_pem), ==, 0);
  g_assert_cmpint (gnutls_privkey_export_x509 (key, &x509), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (x509, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem), ==, 0);
  *out_recipient = teesql_recipient_new_from_pem ((const char *) public_pem.data, public_pem.size, NULL);
  g_assert_nonnull (*out_recipient);
  secret = teesql_secret_new (pem.data, pem.size, NULL);
  gnutls_free (pem.data);
  gnutls_free (public_pem.data);
  gnutls_x509_privkey_deinit (x509);
  gnutls_pubkey_deinit (public_key);
  gnutls_privkey_deinit (key);
  return secret;
}

typedef struct
{
  GPtrArray *recipients;
  TeesqlSecret *pem;
} Offline;

static void
offline_begin (Offline *self)
{
  TeesqlRecipient *recipient = NULL;

  self->pem = make_pair (&recipient);
  self->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_recipient_free);
  g_ptr_array_add (self->recipients, recipient);
}

static void
offline_end (Offline *self)
{
  teesql_secret_unref (self->pem);
  g_ptr_array_unref (self->recipients);
}

static void
publish (Fixture *f, Offline *offline)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_catalog_publish_recovery (f->catalog, offline->recipients, NULL, &error));
  g_assert_no_error (error);
}

static void
an_offline_key_opens_all_epochs (Fixture *f, gconstpointer unused)
{
  Offline offline;
  guint8 second[32] = { 2, 0x5a };
  g_autoptr (TeesqlSecret) key = teesql_secret_new (second, sizeof second, NULL);
  g_autoptr (TeesqlEpochKeys) keys = NULL;
  g_autoptr (TeesqlRepository) repository = NULL;
  g_autoptr (TeesqlCatalog) reader = NULL;
  g_autoptr (GError) error = NULL;

  offline_begin (&offline);
  g_assert_true (teesql_epoch_keys_add_kms (f->node->keys, 1, key, NULL));
  g_assert_true (teesql_catalog_add_epoch (f->catalog, 1, NULL, NULL));
  publish (f, &offline);
  keys = teesql_recovery_collect (f->world.store, offline.pem, NULL, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_epoch_keys_get_newest (keys), ==, 1);
  repository = teesql_repository_new (f->world.store, keys, FALSE);
  {
    const TeesqlCatalogOptions options = { .repository = repository };

    reader = teesql_catalog_read (&options, NULL, NULL, &error);
  }
  g_assert_no_error (error);
  offline_end (&offline);
}

static void
a_key_object_that_was_exchanged_is_written_anew (Fixture *f, gconstpointer unused)
{
  Offline offline;
  Offline other;
  g_autofree char *name = NULL;
  g_autoptr (GBytes) before = NULL;

  offline_begin (&offline);
  offline_begin (&other);
  publish (f, &offline);
  name = lying_storage_find (f->storage, "/keys/");
  before = lying_storage_peek (f->storage, name);
  publish (f, &offline);
  {
    g_autoptr (GBytes) same = lying_storage_peek (f->storage, name);

    g_assert_true (g_bytes_equal (before, same)); /* not made again without need */
  }
  resize (f, name, -1);
  publish (f, &offline);
  {
    g_autoptr (TeesqlEpochKeys) keys = teesql_recovery_collect (f->world.store, offline.pem, NULL, FALSE, NULL, NULL);

    g_assert_nonnull (keys);
  }
  {
    g_autoptr (GError) error = NULL;

    g_assert_null (teesql_recovery_collect (f->world.store, other.pem, NULL, FALSE, NULL, &error));
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "recovery-absent");
    g_clear_error (&error);
    g_assert_null (teesql_recovery_collect (f->world.store, offline.pem, NULL, TRUE, NULL, &error));
  }
  offline_end (&offline);
  offline_end (&other);
}

static void
several_clusters_need_a_choice (Fixture *f, gconstpointer unused)
{
  Offline offline;
  Node other;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) entries = NULL;

  offline_begin (&offline);
  node_begin (&other, f->world.store, "billing-1", 2, 1);
  node_fill (&other);
  publish (f, &offline);
  {
    g_autoptr (TeesqlCatalog) catalog = node_open (&other);
    g_autoptr (TeesqlEpochKeys) keys = NULL;

    g_assert_true (teesql_catalog_publish_recovery (catalog, offline.recipients, NULL, NULL));
    g_assert_null (teesql_recovery_collect (f->world.store, offline.pem, NULL, FALSE, NULL, &error));
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "cluster-ambiguous");
    keys = teesql_recovery_collect (f->world.store, offline.pem, teesql_epoch_keys_get_cluster_id (other.keys), FALSE, NULL, NULL);
    g_assert_nonnull (keys);
  }
  entries = teesql_repository_discover (f->world.store, NULL, NULL, NULL);
  g_assert_cmpuint (entries->len, ==, 2);
  g_assert_cmpuint (g_array_index (entries, TeesqlLineageEntry, 0).cluster_id[0], ==, 1);
  g_assert_cmpuint (g_array_index (entries, TeesqlLineageEntry, 1).cluster_id[0], ==, 2);
  node_end (&other);
  offline_end (&offline);
}

/* Nobody reads these objects until the day when nothing else is left. */
static void
verify_looks_at_the_keys_too (Fixture *f, gconstpointer unused)
{
  Offline offline;
  g_autofree char *name = NULL;
  g_autofree char *stray = NULL;
  g_autofree char *odd = NULL;
  g_autoptr (GBytes) genuine = NULL;

  offline_begin (&offline);
  publish (f, &offline);
  name = lying_storage_find (f->storage, "/keys/");
  genuine = lying_storage_peek (f->storage, name);
  for (guint deep = 0; deep < 2; deep++)
    {
      g_autoptr (TeesqlVerifyReport) report = verify (f, deep == 1);

      g_assert_cmpuint (report->n_damages + report->n_notes, ==, 0);
    }
  lying_storage_set (f->storage, name, NULL);
  assert_found (f, FALSE, "object-missing", name);
  lying_storage_set (f->storage, name, genuine);
  resize (f, name, -1);
  assert_found (f, FALSE, "object-substituted", name);
  lying_storage_set (f->storage, name, genuine);
  stray = g_strdup_printf ("%.*s0123456789abcdef", (int) strlen (name) - 16, name);
  odd = g_strconcat (name, ".old", NULL);
  lying_storage_copy (f->storage, name, stray);
  lying_storage_copy (f->storage, name, odd);
  {
    g_autoptr (TeesqlVerifyReport) report = verify (f, FALSE);

    threat_print (report);
    g_assert_cmpuint (report->n_damages, ==, 0);
    g_assert_cmpuint (report->n_notes, ==, 2);
    g_assert_true (has_finding (report, "object-stray", stray));
    g_assert_true (has_finding (report, "object-foreign", odd));
  }
  offline_end (&offline);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/repository/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("an-honest-repository-is-found-intact", an_honest_repository_is_found_intact);
  ADD ("a-piece-is-deleted", a_piece_is_deleted);
  ADD ("a-piece-is-cut-short", a_piece_is_cut_short);
  ADD ("a-piece-is-lengthened", a_piece_is_lengthened);
  ADD ("two-pieces-are-swapped", two_pieces_are_swapped);
  ADD ("a-piece-of-another-backup-is-put-there", a_piece_of_another_backup_is_put_there);
  ADD ("an-earlier-object-of-the-same-name-is-put-back", an_earlier_object_of_the_same_name_is_put_back);
  ADD ("another-clusters-object-is-put-there", another_clusters_object_is_put_there);
  ADD ("a-segment-is-deleted", a_segment_is_deleted);
  ADD ("a-part-of-a-segment-is-deleted", a_part_of_a_segment_is_deleted);
  ADD ("a-part-claims-to-be-longer", a_part_claims_to_be_longer);
  ADD ("two-segments-are-swapped", two_segments_are_swapped);
  ADD ("a-segment-of-another-timeline-is-put-there", a_segment_of_another_timeline_is_put_there);
  ADD ("segments-of-two-objects-are-spliced", segments_of_two_objects_are_spliced);
  ADD ("a-history-is-deleted", a_history_is_deleted);
  ADD ("a-record-in-the-middle-is-deleted", a_record_in_the_middle_is_deleted);
  ADD ("the-catalog-is-rolled-back-while-we-run", the_catalog_is_rolled_back_while_we_run);
  ADD ("what-is-foreign-is-named-and-harms-nobody", what_is_foreign_is_named_and_harms_nobody);
  ADD ("retention-leaves-an-intact-repository", retention_leaves_an_intact_repository);
  ADD ("what-a-broken-backup-left-goes-after-a-day", what_a_broken_backup_left_goes_after_a_day);
  ADD ("a-left-over-that-became-a-backup-stays", a_left_over_that_became_a_backup_stays);
  ADD ("old-records-go-and-the-chain-stays", old_records_go_and_the_chain_stays);
  ADD ("an-offline-key-opens-all-epochs", an_offline_key_opens_all_epochs);
  ADD ("a-key-object-that-was-exchanged-is-written-anew", a_key_object_that_was_exchanged_is_written_anew);
  ADD ("several-clusters-need-a-choice", several_clusters_need_a_choice);
  ADD ("verify-looks-at-the-recovery-keys-too", verify_looks_at_the_keys_too);
  return g_test_run ();
}
