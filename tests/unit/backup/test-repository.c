#include "repository-world.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include <zstd.h>

#define COMPRESS TEESQL_REPOSITORY_COMPRESS
#define PLAIN    TEESQL_REPOSITORY_PLAIN

static const TeesqlObjectId wal = { .name = "v1/wal/one", .system_identifier = 77, .timeline = 2 };

static gboolean
put (RepositoryWorld *w, const TeesqlObjectId *id, GBytes *plain, TeesqlRepositoryFlags flags, GError **error)
{
  return teesql_repository_put (w->repository, id, plain, flags, 3, NULL, NULL, NULL, error);
}

static void
assert_get_fails (RepositoryWorld *w, const TeesqlObjectId *id, TeesqlRepositoryFlags flags, gsize max, TeesqlError code,
                  const char *reason)
{
  GError *error = NULL;
  guint8 commitment[32] = { 7 };
  g_autoptr (GBytes) plain = teesql_repository_get (w->repository, id, flags, max, commitment, NULL, NULL, &error);

  g_assert_null (plain);
  g_assert_cmpuint (commitment[0], ==, 7); /* out-parameters are left alone */
  repository_world_assert (&error, (int) code, reason);
}

static void
what_was_put_is_got (void)
{
  const gsize sizes[] = { 0, 1, 5000, MIB, 16 * MIB };
  RepositoryWorld w;

  repository_world_begin (&w);
  for (guint i = 0; i < 2 * G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      TeesqlRepositoryFlags flags = i % 2 == 0 ? PLAIN : COMPRESS;
      g_autoptr (GBytes) plain = repository_world_text (sizes[i / 2]);
      guint8 commitments[2][32];
      guint8 digests[2][32];
      guint8 digest[32];

      g_assert_true (teesql_repository_put (w.repository, &wal, plain, flags, 3, commitments[0], digests[0], NULL, &error));
      g_assert_no_error (error);
      g_autoptr (GBytes) got = teesql_repository_get (w.repository, &wal, flags, sizes[i / 2], commitments[1], digests[1], NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (plain, got));
      g_assert_cmpmem (commitments[0], 32, commitments[1], 32);
      g_assert_cmpmem (digests[0], 32, digests[1], 32);
      g_autoptr (GBytes) stored = fake_storage_peek (w.world.storage, wal.name);
      teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (stored, NULL), g_bytes_get_size (stored));
      g_assert_cmpmem (digest, 32, digests[0], 32);
    }
  repository_world_end (&w);
}

/* SR-17 */
static void
nothing_readable_is_stored (void)
{
  RepositoryWorld w;
  g_autoptr (GBytes) plain = repository_world_text (100000);

  repository_world_begin (&w);
  g_assert_true (put (&w, &wal, plain, PLAIN, NULL));
  g_autoptr (GBytes) stored = fake_storage_peek (w.world.storage, wal.name);
  g_assert_null (memmem (g_bytes_get_data (stored, NULL), g_bytes_get_size (stored), "account", 7));
  repository_world_end (&w);
}

static void
an_epoch_that_is_not_there_stores_nothing (void)
{
  RepositoryWorld w;
  GError *error = NULL;
  g_autoptr (GBytes) plain = repository_world_text (10);

  repository_world_begin (&w);
  g_assert_cmpuint (teesql_repository_get_epoch (w.repository), ==, 1); /* the newest */
  teesql_repository_set_epoch (w.repository, 0);
  g_assert_cmpuint (teesql_repository_get_epoch (w.repository), ==, 0);
  teesql_repository_set_epoch (w.repository, 9);
  g_assert_false (put (&w, &wal, plain, PLAIN, &error));
  repository_world_assert (&error, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent");
  g_assert_cmpuint (fake_storage_count (w.world.storage, "put"), ==, 0);
  repository_world_end (&w);
}

static void
only_new_ones_with_if_absent (void)
{
  RepositoryWorld w;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) plain = repository_world_text (10);

  repository_world_begin (&w);
  g_assert_true (put (&w, &wal, plain, TEESQL_REPOSITORY_IF_ABSENT, &error));
  g_assert_false (put (&w, &wal, plain, TEESQL_REPOSITORY_IF_ABSENT, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  repository_world_end (&w);
}

static void
every_byte_counts (void)
{
  RepositoryWorld w;
  g_autoptr (GBytes) plain = repository_world_text (300);

  repository_world_begin (&w);
  g_assert_true (put (&w, &wal, plain, COMPRESS, NULL));
  g_autoptr (GBytes) stored = fake_storage_peek (w.world.storage, wal.name);
  for (gsize i = 0; i < g_bytes_get_size (stored); i++)
    {
      g_autoptr (GError) error = NULL;

      repository_world_flip (&w, wal.name, i);
      g_assert_null (teesql_repository_get (w.repository, &wal, COMPRESS, 300, NULL, NULL, NULL, &error));
      g_assert_true (error->domain == TEESQL_BACKUP_ERROR);
      fake_storage_set (w.world.storage, wal.name, stored);
    }
  repository_world_end (&w);
}

static void
somebody_elses_object (void)
{
  TeesqlObjectId two = { .name = "v1/wal/two", .system_identifier = 77, .timeline = 2 };
  TeesqlObjectId timeline = { .name = "v1/wal/one", .system_identifier = 77, .timeline = 3 };
  TeesqlObjectId absent = { .name = "v1/wal/three" };
  RepositoryWorld w;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) plain = repository_world_text (300);

  repository_world_begin (&w);
  g_assert_true (put (&w, &wal, plain, PLAIN, NULL));
  repository_world_copy (&w, wal.name, two.name);
  assert_get_fails (&w, &two, PLAIN, 300, TEESQL_ERROR_REFUSED, "seal-context");
  assert_get_fails (&w, &timeline, PLAIN, 300, TEESQL_ERROR_REFUSED, "seal-context");
  g_assert_null (teesql_repository_get (w.repository, &absent, PLAIN, 300, NULL, NULL, NULL, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  repository_world_end (&w);
}

static void
too_large (void)
{
  RepositoryWorld w;
  GError *error = NULL;
  g_autoptr (GBytes) plain = repository_world_text (3000);
  g_autoptr (GBytes) huge = g_bytes_new_take (g_malloc0 (TEESQL_REPOSITORY_PLAIN_MAX + 1), TEESQL_REPOSITORY_PLAIN_MAX + 1);

  repository_world_begin (&w);
  g_assert_true (put (&w, &wal, plain, PLAIN, NULL));
  assert_get_fails (&w, &wal, PLAIN, 2999, TEESQL_ERROR_INTEGRITY, "object-too-large");
  assert_get_fails (&w, &wal, PLAIN, 100, TEESQL_ERROR_INTEGRITY, "object-too-large");
  g_assert_true (put (&w, &wal, plain, COMPRESS, NULL));
  assert_get_fails (&w, &wal, COMPRESS, 2999, TEESQL_ERROR_INTEGRITY, "frame-size");
  g_assert_false (put (&w, &wal, huge, COMPRESS, &error));
  repository_world_assert (&error, TEESQL_ERROR_FAILED, "object-too-large");
  repository_world_end (&w);
}

static GBytes *
zstd_frame (gsize content, gboolean with_size)
{
  g_autofree guint8 *zeros = g_malloc0 (content);
  gsize capacity = ZSTD_compressBound (content);
  guint8 *out = g_malloc (capacity);
  ZSTD_CCtx *context = ZSTD_createCCtx ();
  gsize n = 0;

  ZSTD_CCtx_setParameter (context, ZSTD_c_contentSizeFlag, with_size ? 1 : 0);
  n = ZSTD_compress2 (context, out, capacity, zeros, content);
  g_assert_false (ZSTD_isError (n));
  ZSTD_freeCCtx (context);
  return g_bytes_new_take (out, n);
}

static GBytes *
joined (GBytes *a, GBytes *b)
{
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, g_bytes_get_data (a, NULL), (guint) g_bytes_get_size (a));
  g_byte_array_append (out, g_bytes_get_data (b, NULL), (guint) g_bytes_get_size (b));
  return g_byte_array_free_to_bytes (out);
}

/* sealed under the right key, by a writer that does not keep the rules */
static void
frames_against_the_rules (void)
{
  static const guint8 skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2 };
  RepositoryWorld w;
  g_autoptr (GBytes) good = zstd_frame (1000, TRUE);
  g_autoptr (GBytes) unsized = zstd_frame (1000, FALSE);
  g_autoptr (GBytes) bomb = zstd_frame (64 * MIB, TRUE);
  g_autoptr (GBytes) skipped = g_bytes_new_static (skippable, sizeof skippable);
  g_autoptr (GBytes) twice = joined (good, good);
  g_autoptr (GBytes) cut = g_bytes_new_from_bytes (good, 0, g_bytes_get_size (good) - 1);
  g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);
  g_autoptr (GBytes) text = g_bytes_new_static ("no frame", 8);

  repository_world_begin (&w);
  repository_world_forge (&w, &wal, unsized, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-size");
  repository_world_forge (&w, &wal, bomb, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-size");
  repository_world_forge (&w, &wal, skipped, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-corrupt");
  repository_world_forge (&w, &wal, twice, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-truncated");
  repository_world_forge (&w, &wal, cut, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-truncated");
  repository_world_forge (&w, &wal, nothing, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-truncated");
  repository_world_forge (&w, &wal, text, NULL);
  assert_get_fails (&w, &wal, COMPRESS, 16 * MIB, TEESQL_ERROR_INTEGRITY, "frame-corrupt");
  repository_world_end (&w);
}

static void
a_simulator_and_production_do_not_mix (void)
{
  RepositoryWorld w;
  GError *error = NULL;
  g_autoptr (GBytes) plain = repository_world_text (10);

  repository_world_begin (&w);
  g_autoptr (TeesqlRepository) simulated = teesql_repository_new (w.world.store, teesql_repository_get_keys (w.repository), TRUE);
  g_assert_true (put (&w, &wal, plain, PLAIN, NULL));
  g_assert_null (teesql_repository_get (simulated, &wal, PLAIN, 10, NULL, NULL, NULL, &error));
  repository_world_assert (&error, TEESQL_ERROR_REFUSED, "seal-simulated");
  repository_world_end (&w);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup/repository/what-was-put-is-got", what_was_put_is_got);
  g_test_add_func ("/backup/repository/nothing-readable-is-stored", nothing_readable_is_stored);
  g_test_add_func ("/backup/repository/an-epoch-that-is-not-there-stores-nothing", an_epoch_that_is_not_there_stores_nothing);
  g_test_add_func ("/backup/repository/only-new-ones-with-if-absent", only_new_ones_with_if_absent);
  g_test_add_func ("/backup/repository/every-byte-counts", every_byte_counts);
  g_test_add_func ("/backup/repository/somebody-elses-object", somebody_elses_object);
  g_test_add_func ("/backup/repository/too-large", too_large);
  g_test_add_func ("/backup/repository/frames-against-the-rules", frames_against_the_rules);
  g_test_add_func ("/backup/repository/a-simulator-and-production-do-not-mix", a_simulator_and_production_do_not_mix);
  return g_test_run ();
}
