#include "backup/teesql-wal-source.h"

#include "backup/teesql-recovery-end.h"
#include "backup/teesql-restore-plan.h"
#include "backup/teesql-wal-fetch.h"
#include "backup/teesql-wal-source-private.h"
#include "base/teesql-domains.h"
#include "repository-world.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SEGMENT  ((guint32) 1024 * 1024)
#define IDENTITY G_GUINT64_CONSTANT (7398121212121212121)

typedef struct
{
  RepositoryWorld world;
  char *folder;
  char *head_path;
  TeesqlSecret *head_key;
  TeesqlCatalog *catalog;
} Place;

/* ---- a lineage ---- */

static TeesqlCatalog *
open_catalog (Place *self)
{
  TeesqlCatalogOptions options = { .repository = self->world.repository,
                                   .head_path = self->head_path,
                                   .head_key = self->head_key,
                                   .cluster = "test",
                                   .node = "test-1",
                                   .system_identifier = IDENTITY,
                                   .segment_size = SEGMENT };
  GError *error = NULL;
  TeesqlCatalog *catalog = teesql_catalog_open (&options, NULL, &error);

  g_assert_no_error (error);
  return catalog;
}

static void
place_begin (Place *self)
{
  const guint8 key[32] = { 9 };

  *self = (Place){ 0 };
  repository_world_begin (&self->world);
  self->folder = g_dir_make_tmp ("teesql-wal-XXXXXX", NULL);
  self->head_path = g_build_filename (self->folder, "head", NULL);
  self->head_key = teesql_secret_new (key, sizeof key, NULL);
  self->catalog = open_catalog (self);
}

static void
place_end (Place *self)
{
  g_clear_object (&self->catalog);
  repository_world_end (&self->world);
  for (guint i = 0; i < 4; i++)
    {
      static const char *const names[] = { "head", "accept", "recovery", "wal.sock" };
      g_autofree char *path = g_build_filename (self->folder, names[i], NULL);

      g_unlink (path);
    }
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  teesql_secret_unref (self->head_key);
  g_free (self->head_path);
  g_free (self->folder);
}

static char *
name_of (Place *self, guint32 timeline, guint64 start, guint32 from, guint32 to)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (self->world.repository);
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (self->catalog);
  g_autofree char *file = teesql_wal_segment_name (timeline, start, SEGMENT);

  return from == 0 && to == SEGMENT ? teesql_layout_segment (cluster_id, lineage, timeline, file)
                                    : teesql_layout_partial (cluster_id, lineage, timeline, file, from, to);
}

static guint8
byte_at (guint64 lsn)
{
  return (guint8) (1 + lsn / 1000 % 251);
}

/* stores [from, to) of the segment at @start, and notes it */
static void
archive (Place *self, guint32 timeline, guint64 start, guint32 from, guint32 to, gboolean noted)
{
  g_autofree char *name = name_of (self, timeline, start, from, to);
  TeesqlObjectId id = { .name = name, .system_identifier = IDENTITY, .timeline = timeline };
  guint8 *data = g_malloc (to - from);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, to - from);
  GError *error = NULL;

  for (guint32 i = from; i < to; i++)
    data[i - from] = byte_at (start + i);
  g_assert_true (teesql_repository_put (self->world.repository, &id, bytes, TEESQL_REPOSITORY_COMPRESS, 3, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  if (noted)
    g_assert_true (teesql_catalog_note_wal (self->catalog, timeline, start + from, start + to, NULL, &error));
  g_assert_no_error (error);
}

static void
archive_history (Place *self, guint32 timeline, const char *text)
{
  g_autofree char *name = teesql_layout_history (teesql_repository_get_cluster_id (self->world.repository),
                                                 teesql_catalog_get_lineage (self->catalog), timeline);
  TeesqlObjectId id = { .name = name, .system_identifier = IDENTITY, .timeline = timeline };
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  g_assert_true (teesql_repository_put (self->world.repository, &id, bytes, TEESQL_REPOSITORY_COMPRESS, 3, NULL, NULL, NULL, NULL));
}

static void
expect (Place *self, const char *file, guint64 start, guint32 end)
{
  g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (self->catalog);
  GError *error = NULL;
  g_autoptr (GBytes) bytes = teesql_wal_source_fetch (source, file, NULL, &error);
  gsize size = 0;
  const guint8 *data = NULL;

  g_assert_no_error (error);
  data = g_bytes_get_data (bytes, &size);
  g_assert_cmpuint (size, ==, SEGMENT);
  for (guint32 i = 0; i < SEGMENT; i++)
    if (data[i] != (i < end ? byte_at (start + i) : 0))
      g_error ("byte %u is %u", i, data[i]);
}

static void
expect_error (Place *self, const char *file, int code, const char *reason)
{
  g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (self->catalog);
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_wal_source_fetch (source, file, NULL, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
expect_end (Place *self, guint32 timeline, guint64 lsn)
{
  g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (self->catalog);
  GError *error = NULL;
  guint32 found_timeline = 0;
  guint64 found = 0;

  g_assert_true (teesql_wal_source_find_end (source, &found_timeline, &found, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (found_timeline, ==, timeline);
  g_assert_cmpuint (found, ==, lsn);
}

static void
lose (Place *self, guint32 timeline, guint64 start)
{
  g_autofree char *name = name_of (self, timeline, start, 0, SEGMENT);

  g_assert_true (teesql_store_remove (self->world.world.store, name, NULL, NULL));
}

/* ---- cases ---- */

static void
test_whole (void)
{
  Place place;

  place_begin (&place);
  for (guint i = 1; i <= 6; i++)
    archive (&place, 1, (guint64) i * SEGMENT, 0, SEGMENT, TRUE);
  expect (&place, "000000010000000000000001", SEGMENT, SEGMENT);
  expect (&place, "000000010000000000000006", 6 * (guint64) SEGMENT, SEGMENT);
  expect_error (&place, "000000010000000000000007", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_error (&place, "000000020000000000000001", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_error (&place, "00000002.history", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_error (&place, "../../etc/passwd", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_end (&place, 1, 7 * (guint64) SEGMENT);
  place_end (&place);
}

static void
test_ahead (void)
{
  Place place;
  g_autoptr (TeesqlWalSource) source = NULL;

  place_begin (&place);
  for (guint i = 1; i <= 20; i++)
    archive (&place, 1, (guint64) i * SEGMENT, 0, SEGMENT, TRUE);
  source = teesql_wal_source_new (place.catalog);
  for (guint i = 1; i <= 20; i++)
    {
      g_autofree char *file = teesql_wal_segment_name (1, (guint64) i * SEGMENT, SEGMENT);
      g_autoptr (GBytes) bytes = teesql_wal_source_fetch (source, file, NULL, NULL);

      g_assert_nonnull (bytes);
      g_assert_cmpuint (((const guint8 *) g_bytes_get_data (bytes, NULL))[0], ==, byte_at ((guint64) i * SEGMENT));
    }
  g_clear_pointer (&source, teesql_wal_source_free);
  place_end (&place);
}

static void
test_parts (void)
{
  const guint64 start = 2 * (guint64) SEGMENT;
  Place place;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, start, 0, 1000, TRUE);
  archive (&place, 1, start, 0, 3000, TRUE);
  archive (&place, 1, start, 3000, 5000, TRUE);
  archive (&place, 1, start, 4000, 6000, FALSE); /* stored, and no record knows of it yet */
  archive (&place, 1, start, 9000, 9500, FALSE); /* behind a hole */
  expect (&place, "000000010000000000000002", start, 6000);
  expect_end (&place, 1, start + 6000);
  place_end (&place);
}

static void
test_missing (void)
{
  const guint64 start = 3 * (guint64) SEGMENT;
  Place place;
  g_autofree char *part = NULL;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, 2 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, start, 0, 3000, TRUE);
  archive (&place, 1, start, 3000, 5000, TRUE);
  lose (&place, 1, SEGMENT);
  expect_error (&place, "000000010000000000000001", TEESQL_ERROR_INTEGRITY, "wal-missing");
  part = name_of (&place, 1, start, 3000, 5000);
  g_assert_true (teesql_store_remove (place.world.world.store, part, NULL, NULL));
  expect_error (&place, "000000010000000000000003", TEESQL_ERROR_INTEGRITY, "wal-missing");
  place_end (&place);
}

static void
test_gap (void)
{
  Place place;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, 4 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  expect_error (&place, "000000010000000000000002", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_error (&place, "000000010000000000000000", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  place_end (&place);
}

static void
test_damaged (void)
{
  Place place;
  g_autofree char *name = NULL;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  name = name_of (&place, 1, SEGMENT, 0, SEGMENT);
  repository_world_flip (&place.world, name, 300);
  {
    g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (place.catalog);
    g_autoptr (GError) error = NULL;

    g_assert_null (teesql_wal_source_fetch (source, "000000010000000000000001", NULL, &error));
    g_assert_false (g_error_matches (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND));
  }
  place_end (&place);
}

static void
test_timelines (void)
{
  static const char history[] = "1\t0/200800\tno recovery target specified\n";
  Place place;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, 2 * (guint64) SEGMENT, 0, 2048, TRUE);
  archive_history (&place, 2, history);
  archive (&place, 2, 2 * (guint64) SEGMENT, 0, SEGMENT, FALSE); /* no record knows of the promotion yet */
  expect (&place, "000000020000000000000002", 2 * (guint64) SEGMENT, SEGMENT);
  expect (&place, "000000010000000000000002", 2 * (guint64) SEGMENT, 2048);
  expect_error (&place, "000000020000000000000001", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_end (&place, 2, 3 * (guint64) SEGMENT);
  place_end (&place);
}

static void
test_lost_history (void)
{
  Place place;

  place_begin (&place);
  archive (&place, 2, 2 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  expect_error (&place, "00000002.history", TEESQL_ERROR_INTEGRITY, "wal-missing");
  place_end (&place);
}

/* The parent went on after its child left: what it wrote then is another future. */
static void
test_lineages (void)
{
  Place place;
  TeesqlHead parent;
  g_autoptr (TeesqlCatalog) old = NULL;
  GError *error = NULL;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, 2 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  g_assert_true (teesql_catalog_flush (place.catalog, NULL, &error));
  g_assert_no_error (error);
  teesql_catalog_get_head (place.catalog, &parent);
  archive_history (&place, 3, "1\t0/300000\tno recovery target specified\n");
  g_assert_true (teesql_catalog_mark_restored (place.head_path, &parent.lineage, parent.sequence, parent.digest, &error));
  old = g_steal_pointer (&place.catalog);
  place.catalog = open_catalog (&place);
  g_assert_cmpstr (teesql_catalog_get_lineage (place.catalog)->text, !=, parent.lineage.text);
  archive_history (&place, 2, "1\t0/280000\tno recovery target specified\n");
  archive (&place, 2, 2 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  expect (&place, "000000010000000000000001", SEGMENT, SEGMENT);
  expect (&place, "000000020000000000000002", 2 * (guint64) SEGMENT, SEGMENT);
  expect_error (&place, "00000003.history", TEESQL_ERROR_NOT_FOUND, "wal-not-archived");
  expect_end (&place, 2, 3 * (guint64) SEGMENT);
  g_clear_object (&old);
  place_end (&place);
}

/* ---- over the socket ---- */

static int
fetch (const char *socket, const char *file, const char *destination)
{
  TeesqlWalFetchOptions options = { socket, file, destination, 0 };

  return teesql_wal_fetch_run (&options);
}

static void
test_socket (void)
{
  Place place;
  g_autoptr (TeesqlWalSource) source = NULL;
  g_autoptr (TeesqlWalServer) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *socket = NULL;
  g_autofree char *destination = NULL;
  g_autofree char *data = NULL;
  gsize size = 0;

  place_begin (&place);
  archive (&place, 1, SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 1, 2 * (guint64) SEGMENT, 0, SEGMENT, TRUE);
  lose (&place, 1, 2 * (guint64) SEGMENT);
  socket = g_build_filename (place.folder, "wal.sock", NULL);
  destination = g_build_filename (place.folder, "RECOVERYXLOG", NULL);
  source = teesql_wal_source_new (place.catalog);
  g_assert_cmpint (fetch (socket, "000000010000000000000001", destination), ==, TEESQL_WAL_FETCH_FATAL); /* nobody listens */
  server = teesql_wal_server_new (source, socket, G_MAXUINT, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fetch (socket, "000000010000000000000001", destination), ==, TEESQL_WAL_FETCH_OK);
  g_assert_true (g_file_get_contents (destination, &data, &size, NULL));
  g_assert_cmpuint (size, ==, SEGMENT);
  g_unlink (destination);
  g_assert_cmpint (fetch (socket, "000000010000000000000003", destination), ==, TEESQL_WAL_FETCH_NOT_ARCHIVED);
  g_assert_null (teesql_wal_server_get_failure (server));
  g_assert_cmpint (fetch (socket, "000000010000000000000002", destination), ==, TEESQL_WAL_FETCH_FATAL);
  g_assert_false (g_file_test (destination, G_FILE_TEST_EXISTS));
  error = teesql_wal_server_get_failure (server);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "wal-missing");
  g_clear_pointer (&server, teesql_wal_server_free);
  g_assert_false (g_file_test (socket, G_FILE_TEST_EXISTS));
  g_clear_pointer (&source, teesql_wal_source_free);
  place_end (&place);
}

/* ---- the end of a recovery ---- */

static void
test_record_end (void)
{
  const guint64 page = 8192;

  g_assert_cmphex (teesql_recovery_record_start (SEGMENT, SEGMENT), ==, SEGMENT + 40);
  g_assert_cmphex (teesql_recovery_record_start (SEGMENT + page, SEGMENT), ==, SEGMENT + page + 24);
  g_assert_cmphex (teesql_recovery_record_start (SEGMENT + 48, SEGMENT), ==, SEGMENT + 48);
  g_assert_cmphex (teesql_recovery_record_end (SEGMENT + 48, 100, SEGMENT), ==, SEGMENT + 148);
  g_assert_cmphex (teesql_recovery_record_end (SEGMENT + page - 8, 8, SEGMENT), ==, SEGMENT + page);
  g_assert_cmphex (teesql_recovery_record_end (SEGMENT + page - 8, 9, SEGMENT), ==, SEGMENT + page + 24 + 1);
  g_assert_cmphex (teesql_recovery_record_end (2 * SEGMENT - 8, 9, SEGMENT), ==, 2 * SEGMENT + 40 + 1);
  g_assert_cmphex (teesql_recovery_record_end (SEGMENT + 40, 8152 + 8168 + 1, SEGMENT), ==, SEGMENT + 2 * page + 24 + 1);
}

/* A segment of zeros that has a record of @length bytes at @offset, as far as its length. */
static void
archive_record (Place *self, guint64 start, guint32 offset, guint32 length)
{
  g_autofree char *name = name_of (self, 1, start, 0, SEGMENT);
  TeesqlObjectId id = { .name = name, .system_identifier = IDENTITY, .timeline = 1 };
  guint8 *data = g_malloc0 (SEGMENT);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, SEGMENT);

  for (guint i = 0; i < 4; i++)
    data[offset + i] = (guint8) (length >> (8 * i));
  g_assert_true (teesql_repository_put (self->world.repository, &id, bytes, TEESQL_REPOSITORY_COMPRESS, 3, NULL, NULL, NULL, NULL));
  g_assert_true (teesql_catalog_note_wal (self->catalog, 1, start, start + SEGMENT, NULL, NULL));
}

static void
expect_recovered (Place *self, guint64 end, guint64 offered, const char *reason)
{
  g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (self->catalog);
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_recovery_end_check (source, 1, SEGMENT, end, offered, NULL, &error) == (reason == NULL));
  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
}

static void
test_recovery_short (void)
{
  Place place;

  place_begin (&place);
  archive_record (&place, SEGMENT, 8192 + 24, 500);
  expect_recovered (&place, SEGMENT + 8192, 2 * SEGMENT, "recovery-short");
  expect_recovered (&place, SEGMENT + 8192, SEGMENT + 8192 + 24 + 500, "recovery-short");
  expect_recovered (&place, SEGMENT + 8192, SEGMENT + 8192 + 24 + 499, NULL); /* a part of it was archived */
  expect_recovered (&place, SEGMENT + 8192, SEGMENT + 8192 + 24, NULL);
  expect_recovered (&place, SEGMENT + 16384, 2 * SEGMENT, NULL); /* nothing but zeros */
  expect_recovered (&place, 2 * SEGMENT, 2 * SEGMENT, NULL);
  expect_recovered (&place, 2 * SEGMENT, 3 * SEGMENT, "wal-not-archived"); /* was offered, and is not there */
  place_end (&place);
}

/* ---- what is known ---- */

/* A plan over it ends with the first thing that is wrong: no backup, where what is known is all there. */
static void
expect_known (Place *self, guint32 timeline, guint64 lsn, const char *reason)
{
  g_autoptr (TeesqlWalSource) source = teesql_wal_source_new (self->catalog);
  TeesqlRestoreKnown known = { timeline, lsn };
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof known);
  TeesqlRestoreOptions options = { .catalog = self->catalog, .known = all };
  g_autoptr (GError) error = NULL;

  g_array_append_val (all, known);
  g_assert_null (teesql_restore_plan_new (&options, source, NULL, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

/* Timeline 1 goes up to 6 MiB, timeline 2 left it at 3 MiB and goes up to 5 MiB. */
static void
test_known (void)
{
  Place place;

  place_begin (&place);
  for (guint64 i = 1; i < 6; i++)
    archive (&place, 1, i * SEGMENT, 0, SEGMENT, TRUE);
  expect_known (&place, 0, 6 * SEGMENT, "backup-none");
  expect_known (&place, 1, 6 * SEGMENT, "backup-none");
  expect_known (&place, 1, 6 * SEGMENT + 1, "repository-behind");
  expect_known (&place, 2, 2 * SEGMENT, "repository-behind"); /* shorter, on a timeline that is not there */
  archive_history (&place, 2, "1\t0/300000\tno recovery target specified\n");
  archive (&place, 2, 3 * SEGMENT, 0, SEGMENT, TRUE);
  archive (&place, 2, 4 * SEGMENT, 0, SEGMENT, TRUE);
  expect_known (&place, 2, 5 * SEGMENT, "backup-none");
  expect_known (&place, 2, 5 * SEGMENT + 1, "repository-behind");
  expect_known (&place, 1, 3 * SEGMENT, "backup-none");
  expect_known (&place, 1, 3 * SEGMENT + 1, "repository-behind"); /* timeline 2 does not go through it */
  expect_known (&place, 0, 5 * SEGMENT, "backup-none");
  expect_known (&place, 0, 6 * SEGMENT, "repository-behind");
  place_end (&place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wal-source/whole segments, and nothing behind the end", test_whole);
  g_test_add_func ("/wal-source/what was fetched ahead is what was asked for", test_ahead);
  g_test_add_func ("/wal-source/the newest segment is put together from its parts", test_parts);
  g_test_add_func ("/wal-source/what the catalog knows of must be there", test_missing);
  g_test_add_func ("/wal-source/the archive ends at a gap that is known", test_gap);
  g_test_add_func ("/wal-source/a damaged segment is no end", test_damaged);
  g_test_add_func ("/wal-source/a promotion that no record knows of is followed", test_timelines);
  g_test_add_func ("/wal-source/the history of a known timeline must be there", test_lost_history);
  g_test_add_func ("/wal-source/a child sees its parent as it left it", test_lineages);
  g_test_add_func ("/restore-plan/what is known is a position on a timeline", test_known);
  g_test_add_func ("/recovery-end/a record goes over the headers of pages and segments", test_record_end);
  g_test_add_func ("/recovery-end/a whole record behind the end of recovery is no end", test_recovery_short);
  g_test_add_func ("/wal-source/teesql-wal-fetch says by its status what PostgreSQL must do", test_socket);
  return g_test_run ();
}
