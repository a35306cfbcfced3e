#include "repository-world.h"

#include <glib/gstdio.h>

#define FEATURES TEESQL_STORAGE_FEATURE_IF_ABSENT

static TeesqlSecret *
make_kms_key (guint8 mark)
{
  guint8 bytes[32] = { mark, 0x5a };
  g_autoptr (GError) error = NULL;
  TeesqlSecret *key = teesql_secret_new (bytes, sizeof bytes, &error);

  g_assert_no_error (error);
  return key;
}

/* where the tests' long programs write, too: a head is made safe each time, and this disk is not what is looked at */
static char *
make_folder (void)
{
  const char *parent = g_getenv ("TEESQL_TEST_FOLDER");
  char *path = g_build_filename (parent != NULL ? parent : g_get_tmp_dir (), "teesql-threat-XXXXXX", NULL);

  g_assert_nonnull (g_mkdtemp (path));
  return path;
}

void
node_begin (Node *self, TeesqlStore *store, const char *name, guint8 cluster, guint8 kms)
{
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE] = { cluster, 0xc1 };
  g_autoptr (TeesqlSecret) key = make_kms_key (kms);
  g_autoptr (GError) error = NULL;

  *self = (Node){ .name = name, .system_identifier = WORLD_SYSTEM };
  self->folder = make_folder ();
  self->head_path = g_build_filename (self->folder, "head", NULL);
  self->head_key = teesql_head_derive_key (key, name, &error);
  g_assert_no_error (error);
  self->keys = teesql_epoch_keys_new (cluster_id);
  g_assert_true (teesql_epoch_keys_add_kms (self->keys, 0, key, &error));
  self->repository = teesql_repository_new (store, self->keys, FALSE);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      (void) g_unlink (file);
    }
  (void) g_rmdir (path);
}

void
node_end (Node *self)
{
  remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->head_path);
  teesql_secret_unref (self->head_key);
  teesql_epoch_keys_unref (self->keys);
  g_object_unref (self->repository);
}

void
threat_world_begin (ThreatWorld *self)
{
  TeesqlStoreOptions options = { .instance = "liar", .call_timeout_ms = 10000, .retry_deadline_ms = 10000 };

  self->storage = lying_storage_new (FEATURES);
  options.storage = TEESQL_STORAGE (self->storage);
  self->store = teesql_store_new (&options);
  node_begin (&self->node, self->store, "orders-1", 1, 1);
}

void
threat_world_end (ThreatWorld *self)
{
  node_end (&self->node);
  teesql_store_close (self->store);
  g_object_unref (self->store);
  g_object_unref (self->storage);
}

static TeesqlCatalogOptions
options_of (Node *self)
{
  return (TeesqlCatalogOptions){
    .repository = self->repository,
    .head_path = self->head_path,
    .head_key = self->head_key,
    .cluster = "orders",
    .node = self->name,
    .system_identifier = self->system_identifier,
    .segment_size = WORLD_SEGMENT,
  };
}

TeesqlCatalog *
node_try_open (Node *self, GError **error)
{
  TeesqlCatalogOptions options = options_of (self);

  return teesql_catalog_open (&options, NULL, error);
}

TeesqlCatalog *
node_open (Node *self)
{
  g_autoptr (GError) error = NULL;
  TeesqlCatalog *catalog = node_try_open (self, &error);

  g_assert_no_error (error);
  return catalog;
}

TeesqlCatalog *
node_try_read (Node *self, GError **error)
{
  TeesqlCatalogOptions options = { .repository = self->repository };

  return teesql_catalog_read (&options, NULL, NULL, error);
}

void
node_assert_refused (Node *self, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalog) catalog = node_try_open (self, &error);

  g_assert_null (catalog);
  g_test_message ("%s", error->message);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

void
node_assert_read_refused (Node *self, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalog) catalog = node_try_read (self, &error);

  g_assert_null (catalog);
  g_test_message ("%s", error->message);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

guint64
node_sequence (Node *self)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (self);
  TeesqlHead head;

  teesql_catalog_get_head (catalog, &head);
  return head.sequence;
}

GBytes *
node_save_volume (Node *self)
{
  char *data = NULL;
  gsize size = 0;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_get_contents (self->head_path, &data, &size, &error));
  return g_bytes_new_take (data, size);
}

void
node_restore_volume (Node *self, GBytes *head)
{
  gsize size = 0;
  const char *data = head != NULL ? g_bytes_get_data (head, &size) : NULL;

  if (head == NULL)
    g_assert_cmpint (g_unlink (self->head_path), ==, 0);
  else
    g_assert_true (g_file_set_contents_full (self->head_path, data, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static GBytes *
random_bytes (gsize size, guint8 mark)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (mark + (i < 64 ? i * 37 : 0));
  return g_bytes_new_take (data, size);
}

static void
put_wal_object (TeesqlCatalog *catalog, const char *name, guint32 timeline, GBytes *plain, TeesqlRepositoryFlags flags)
{
  const TeesqlObjectId id = { .name = name, .system_identifier = WORLD_SYSTEM, .timeline = timeline };
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_repository_put (teesql_catalog_get_repository (catalog), &id, plain, flags, 1, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
}

static void
note (TeesqlCatalog *catalog, guint32 timeline, guint64 start_lsn, guint64 end_lsn)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_catalog_note_wal (catalog, timeline, start_lsn, end_lsn, NULL, &error));
  g_assert_no_error (error);
}

static const guint8 *
cluster_of (TeesqlCatalog *catalog)
{
  return teesql_repository_get_cluster_id (teesql_catalog_get_repository (catalog));
}

void
put_segment (TeesqlCatalog *catalog, guint32 timeline, guint64 start_lsn)
{
  g_autofree char *segment = teesql_wal_segment_name (timeline, start_lsn, WORLD_SEGMENT);
  g_autofree char *name = teesql_layout_segment (cluster_of (catalog), teesql_catalog_get_lineage (catalog), timeline, segment);
  g_autoptr (GBytes) plain = random_bytes (WORLD_SEGMENT, (guint8) (start_lsn / WORLD_SEGMENT));

  put_wal_object (catalog, name, timeline, plain, TEESQL_REPOSITORY_COMPRESS);
  note (catalog, timeline, start_lsn, start_lsn + WORLD_SEGMENT);
}

void
put_partial (TeesqlCatalog *catalog, guint32 timeline, guint64 start_lsn, guint64 end_lsn)
{
  g_autofree char *segment = teesql_wal_segment_name (timeline, start_lsn, WORLD_SEGMENT);
  g_autofree char *name = teesql_layout_partial (cluster_of (catalog), teesql_catalog_get_lineage (catalog), timeline, segment,
                                                 (guint32) (start_lsn % WORLD_SEGMENT), (guint32) ((end_lsn - 1) % WORLD_SEGMENT + 1));
  g_autoptr (GBytes) plain = random_bytes (end_lsn - start_lsn, 0x77);

  put_wal_object (catalog, name, timeline, plain, TEESQL_REPOSITORY_COMPRESS);
  note (catalog, timeline, start_lsn, end_lsn);
}

void
put_history (TeesqlCatalog *catalog, guint32 timeline)
{
  g_autofree char *name = teesql_layout_history (cluster_of (catalog), teesql_catalog_get_lineage (catalog), timeline);
  g_autoptr (GBytes) plain = g_bytes_new_static ("1\t0/500000\tno recovery target specified\n", 40);

  put_wal_object (catalog, name, timeline, plain, TEESQL_REPOSITORY_COMPRESS);
}

static void
put_archive (TeesqlCatalog *catalog, TeesqlBackup *backup, const char *archive_name, guint n_pieces)
{
  TeesqlArchive *archive = teesql_archive_new (archive_name);
  TeesqlRepository *repository = teesql_catalog_get_repository (catalog);
  TeesqlStore *store = teesql_repository_get_store (repository);

  for (guint i = 0; i < n_pieces; i++)
    {
      g_autofree char *name = teesql_layout_piece (cluster_of (catalog), teesql_catalog_get_lineage (catalog), backup->id, archive_name, i);
      TeesqlObjectId id = { .name = name, .system_identifier = WORLD_SYSTEM, .timeline = backup->timeline };
      g_autoptr (GBytes) plain = random_bytes (300, (guint8) (i + 1));
      g_autoptr (TeesqlObjectInfo) info = NULL;
      TeesqlPiece piece = { 0 };

      memcpy (id.backup_id, backup->id, sizeof id.backup_id);
      g_assert_true (teesql_repository_put (repository, &id, plain, TEESQL_REPOSITORY_COMPRESS, 1, piece.commitment, NULL, NULL, NULL));
      info = teesql_store_stat (store, name, NULL, NULL);
      piece.stored_size = teesql_object_info_get_size (info);
      g_array_append_val (archive->pieces, piece);
      archive->plain_size += 300;
    }
  g_ptr_array_add (backup->archives, archive);
}

TeesqlBackup *
put_backup (TeesqlCatalog *catalog, guint8 mark, guint32 timeline, guint64 start_lsn, const TeesqlBackup *parent)
{
  TeesqlBackup *backup = teesql_backup_new ();

  memset (backup->id, mark, sizeof backup->id);
  if (parent != NULL)
    {
      backup->incremental = TRUE;
      memcpy (backup->parent_id, parent->id, sizeof backup->parent_id);
    }
  backup->started_unix = 1767225600 + mark;
  backup->finished_unix = backup->started_unix + 60;
  backup->start_lsn = start_lsn;
  backup->stop_lsn = start_lsn + 0x138;
  backup->timeline = timeline;
  backup->system_identifier = WORLD_SYSTEM;
  backup->server_version = 170011;
  put_archive (catalog, backup, "base", 2);
  put_archive (catalog, backup, "manifest", 1);
  return backup;
}

static void
add (TeesqlCatalog *catalog, TeesqlBackup *backup)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_catalog_add_backup (catalog, backup, NULL, &error));
  g_assert_no_error (error);
}

void
node_fill (Node *self)
{
  g_autoptr (TeesqlCatalog) catalog = node_open (self);
  g_autoptr (TeesqlBackup) full = NULL;
  g_autoptr (TeesqlBackup) incremental = NULL;

  put_segment (catalog, 1, 1 * WORLD_SEGMENT);
  put_segment (catalog, 1, 2 * WORLD_SEGMENT);
  full = put_backup (catalog, 0xf1, 1, 2 * WORLD_SEGMENT + 0x28, NULL);
  add (catalog, full);
  put_segment (catalog, 1, 3 * WORLD_SEGMENT);
  g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
  put_history (catalog, 2);
  put_segment (catalog, 2, 3 * WORLD_SEGMENT);
  put_segment (catalog, 2, 4 * WORLD_SEGMENT);
  incremental = put_backup (catalog, 0xf2, 2, 4 * WORLD_SEGMENT + 0x28, full);
  add (catalog, incremental);
  put_partial (catalog, 2, 5 * WORLD_SEGMENT, 5 * WORLD_SEGMENT + 0x4000);
  g_assert_true (teesql_catalog_flush (catalog, NULL, NULL));
}

void
threat_fixture_set_up (ThreatFixture *f, gconstpointer unused)
{
  threat_world_begin (&f->world);
  f->storage = f->world.storage;
  f->node = &f->world.node;
  node_fill (f->node);
}

void
threat_fixture_tear_down (ThreatFixture *f, gconstpointer unused)
{
  threat_world_end (&f->world);
}

TeesqlVerifyReport *
threat_verify (TeesqlCatalog *catalog, gboolean deep)
{
  g_autoptr (GError) error = NULL;
  TeesqlVerifyReport *report = teesql_repository_verify_run (catalog, deep, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  return report;
}

void
threat_print (const TeesqlVerifyReport *report)
{
  for (guint i = 0; i < report->findings->len; i++)
    {
      const TeesqlVerifyFinding *finding = g_ptr_array_index (report->findings, i);

      g_test_message ("%s %s: %s", finding->reason, finding->object, finding->message);
    }
}
