/* What writer and reader do with honest objects, and what they refuse of their callers. */
#include "fixture.h"

#define MIB TEESQL_SEAL_SEGMENT_SIZE

static void
every_size_comes_back (void)
{
  const gsize sizes[] = { 0, 1, 15, 16, 17, 4096, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 16, 5 * MIB };
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) plain = fixture_pattern (sizes[i]);
      g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, keys, 0, sizes[i]);
      g_autoptr (GBytes) opened = teesql_unseal_bytes (&fixture_context, keys, sealed, &error);
      gsize header = 140 + strlen (fixture_context.name);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (plain, opened));
      g_assert_cmpuint (g_bytes_get_size (sealed), ==, teesql_seal_sealed_size (header, sizes[i]));
    }
}

static void
each_run_has_keys_of_its_own (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) one = fixture_seal (&fixture_context, keys, 0, 1000);
  g_autoptr (GBytes) two = fixture_seal (&fixture_context, keys, 0, 1000);
  const guint8 *a = g_bytes_get_data (one, NULL);
  const guint8 *b = g_bytes_get_data (two, NULL);

  g_assert_cmpuint (g_bytes_get_size (one), ==, g_bytes_get_size (two));
  g_assert_true (memcmp (a + 14, b + 14, 32) != 0);   /* salt */
  g_assert_true (memcmp (a + 46, b + 46, 32) != 0);   /* commitment */
  g_assert_true (memcmp (a + 160, b + 160, 64) != 0); /* ciphertext */
}

static void
sizes_are_a_bijection (void)
{
  const guint64 plains[] = {
    0, 1, 16, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 100 * MIB + 17, TEESQL_SEAL_PLAIN_MAX - 1, TEESQL_SEAL_PLAIN_MAX
  };

  for (guint i = 0; i < G_N_ELEMENTS (plains); i++)
    {
      guint64 back = 42;

      g_assert_true (teesql_seal_plain_size (200, teesql_seal_sealed_size (200, plains[i]), &back, NULL));
      g_assert_cmpuint (back, ==, plains[i]);
    }
}

static void
impossible_sizes (void)
{
  const guint64 full = MIB + 16;
  const guint64 bodies[] = {
    1, 15, full + 1, full + 15, full + 16, 7 * full + 16, 65536 * full + 1, 65536 * full + 17, 65537 * full, G_MAXUINT64 - 200
  };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 out = 42;

      g_assert_false (teesql_seal_plain_size (200, 200 + bodies[i], &out, &error));
      fixture_assert_error (&error, TEESQL_ERROR_MALFORMED, "seal-size");
      g_assert_cmpuint (out, ==, 42);
    }
  for (guint64 size = 0; size <= 200; size += 50)
    {
      g_autoptr (GError) error = NULL;
      guint64 out = 0;

      g_assert_false (teesql_seal_plain_size (200, size, &out, &error));
      fixture_assert_error (&error, TEESQL_ERROR_MALFORMED, "seal-size");
    }
}

typedef struct
{
  TeesqlSealWriter *writer;
  guint8 *plain;
  guint8 *out;
} Writing;

static Writing
writing (TeesqlEpochKeys *keys)
{
  Writing w = { teesql_seal_writer_new (&fixture_context, keys, 0, NULL), g_malloc0 (MIB + 1), g_malloc0 (MIB + 17) };

  g_assert_nonnull (w.writer);
  return w;
}

static void
writing_clear (Writing *w)
{
  teesql_seal_writer_free (w->writer);
  g_free (w->plain);
  g_free (w->out);
}

static void
assert_not_sealed (Writing *w, guint32 index, gboolean last, gsize size, const char *reason)
{
  GError *error = NULL;

  g_assert_false (teesql_seal_writer_seal (w->writer, index, last, w->plain, size, w->out, &error));
  fixture_assert_error (&error, TEESQL_ERROR_FAILED, reason);
}

static void
an_index_serves_once (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  Writing w = writing (keys);

  g_assert_true (teesql_seal_writer_seal (w.writer, 33, FALSE, w.plain, MIB, w.out, NULL));
  assert_not_sealed (&w, 33, FALSE, MIB, "seal-index");
  assert_not_sealed (&w, 33, TRUE, MIB, "seal-index");
  g_assert_true (teesql_seal_writer_seal (w.writer, 1, FALSE, w.plain, MIB, w.out, NULL)); /* 33 mod 32 */
  writing_clear (&w);
}

static void
segments_have_their_size (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  Writing w = writing (keys);

  assert_not_sealed (&w, 0, FALSE, MIB - 1, "seal-size");
  assert_not_sealed (&w, 0, FALSE, 0, "seal-size");
  assert_not_sealed (&w, 0, TRUE, MIB + 1, "seal-size");
  assert_not_sealed (&w, 1, TRUE, 0, "seal-size"); /* an empty end behind a full segment is not canonical */
  writing_clear (&w);
}

static void
the_counter_ends_at_64_gib (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  Writing w = writing (keys);

  assert_not_sealed (&w, 65536, FALSE, MIB, "seal-size");
  assert_not_sealed (&w, 65536, TRUE, 1, "seal-size");
  assert_not_sealed (&w, G_MAXUINT32, TRUE, 1, "seal-size");
  g_assert_true (teesql_seal_writer_seal (w.writer, 65535, TRUE, w.plain, MIB, w.out, NULL));
  writing_clear (&w);
}

static void
sealing_in_place (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) plain = fixture_pattern (MIB);
  Writing w = writing (keys);
  g_autoptr (TeesqlSealReader) reader = NULL;
  gsize header_size = 0;
  const guint8 *header = teesql_seal_writer_get_header (w.writer, &header_size);
  gsize parsed = 0;

  memcpy (w.out, g_bytes_get_data (plain, NULL), MIB);
  g_assert_true (teesql_seal_writer_seal (w.writer, 0, FALSE, w.out, MIB, w.out, NULL));
  reader = teesql_seal_reader_new (&fixture_context, keys, header, header_size, &parsed, NULL);
  g_assert_cmpuint (parsed, ==, header_size);
  g_assert_true (teesql_seal_reader_open (reader, 0, FALSE, w.out, MIB + 16, w.out, NULL));
  g_assert_cmpmem (w.out, MIB, g_bytes_get_data (plain, NULL), MIB);
  writing_clear (&w);
}

static gpointer
seal_every_other (gpointer data)
{
  Writing *w = data;
  g_autofree guint8 *out = g_malloc (MIB + 16);
  guint sealed = 0;

  for (guint32 i = 0; i < 32; i++)
    sealed += teesql_seal_writer_seal (w->writer, i, FALSE, w->plain, MIB, out, NULL) ? 1 : 0;
  return GUINT_TO_POINTER (sealed);
}

static void
threads_share_a_writer (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  Writing w = writing (keys);
  GThread *threads[4];
  guint sealed = 0;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("sealer", seal_every_other, &w);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    sealed += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  g_assert_cmpuint (sealed, ==, 32); /* each index by exactly one of them */
  writing_clear (&w);
}

static void
the_reader_tells_what_it_read (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 3);
  g_autoptr (TeesqlSealWriter) writer = teesql_seal_writer_new (&fixture_context, keys, 2, NULL);
  gsize size = 0;
  gsize parsed = 0;
  const guint8 *header = teesql_seal_writer_get_header (writer, &size);
  g_autoptr (TeesqlSealReader) reader = teesql_seal_reader_new (&fixture_context, keys, header, size, &parsed, NULL);

  g_assert_cmpuint (teesql_seal_reader_get_epoch (reader), ==, 2);
  g_assert_cmpuint (teesql_seal_reader_get_header_size (reader), ==, size);
  g_assert_cmpmem (teesql_seal_reader_get_commitment (reader), 32, teesql_seal_writer_get_commitment (writer), 32);
  g_assert_cmpmem (header + 46, 32, teesql_seal_writer_get_commitment (writer), 32);
}

static void
names_and_epochs_that_cannot_be (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autofree char *long_name = g_strnfill (513, 'n');
  const char *names[] = { "", "/a", "a/", "a//b", "a/../b", "a b", "ä", long_name };
  GError *error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      TeesqlSealContext context = { .name = names[i] };

      g_assert_null (teesql_seal_writer_new (&context, keys, 0, &error));
      fixture_assert_error (&error, TEESQL_ERROR_CONFIG, "seal-name");
    }
  g_assert_null (teesql_seal_writer_new (&fixture_context, keys, 1, &error));
  fixture_assert_error (&error, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent");
}

static void
too_much_for_one_call (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) plain = fixture_pattern (TEESQL_SEAL_BYTES_MAX + 1);
  GError *error = NULL;

  g_assert_null (teesql_seal_bytes (&fixture_context, keys, 0, plain, &error));
  fixture_assert_error (&error, TEESQL_ERROR_FAILED, "seal-size");
}

static void
self_test (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_seal_self_test (&error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seal/object/every-size-comes-back", every_size_comes_back);
  g_test_add_func ("/seal/object/each-run-has-keys-of-its-own", each_run_has_keys_of_its_own);
  g_test_add_func ("/seal/object/sizes-are-a-bijection", sizes_are_a_bijection);
  g_test_add_func ("/seal/object/impossible-sizes-are-refused", impossible_sizes);
  g_test_add_func ("/seal/object/an-index-serves-once", an_index_serves_once);
  g_test_add_func ("/seal/object/segments-have-their-size", segments_have_their_size);
  g_test_add_func ("/seal/object/the-counter-ends-at-64-gib", the_counter_ends_at_64_gib);
  g_test_add_func ("/seal/object/sealing-in-place", sealing_in_place);
  g_test_add_func ("/seal/object/threads-share-a-writer", threads_share_a_writer);
  g_test_add_func ("/seal/object/the-reader-tells-what-it-read", the_reader_tells_what_it_read);
  g_test_add_func ("/seal/object/names-and-epochs-that-cannot-be", names_and_epochs_that_cannot_be);
  g_test_add_func ("/seal/object/too-much-for-one-call", too_much_for_one_call);
  g_test_add_func ("/seal/object/self-test", self_test);
  return g_test_run ();
}
