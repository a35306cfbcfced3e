/* Sink and source together: what was written comes back, or nothing does and the reason is named. */
#include "repository-world.h"
#include "backup/teesql-frame.h"
#include "backup/teesql-sealed-sink.h"
#include "base/teesql-domains.h"

#define BASE  "v1/base/one/base"
#define PIECE BASE ".00000"
#define CHUNK (4 * MIB)

typedef struct
{
  RepositoryWorld w;
  TeesqlSealedSinkOptions options;
} Stream;

static void
stream_begin (Stream *s)
{
  repository_world_begin (&s->w);
  s->options = (TeesqlSealedSinkOptions){ .repository = s->w.repository,
                                          .base_name = BASE,
                                          .id = { .system_identifier = 7, .timeline = 2, .backup_id = { 1, 2, 3 } },
                                          .level = 1,
                                          .threads = 2 };
}

static void
stream_end (Stream *s)
{
  repository_world_end (&s->w);
}

static gboolean
write_in_steps (TeesqlSealedSink *sink, GBytes *bytes, gsize step, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize done = 0; done < size; done += MIN (step, size - done))
    if (!teesql_sealed_sink_write (sink, data + done, MIN (step, size - done), error))
      return FALSE;
  return TRUE;
}

static GArray *
store (Stream *s, GBytes *bytes, gsize step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSealedSink) sink = teesql_sealed_sink_new (&s->options, NULL, &error);
  GArray *pieces = NULL;
  guint64 plain = 0;

  g_assert_no_error (error);
  write_in_steps (sink, bytes, step, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_sealed_sink_finish (sink, &pieces, &plain, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plain, ==, g_bytes_get_size (bytes));
  return pieces;
}

/* what came before the end or before @error */
static GByteArray *
load (Stream *s, const GArray *pieces, GError **error)
{
  g_autoptr (TeesqlSealedSource) source = teesql_sealed_source_new (&s->options, pieces, NULL, error);
  GByteArray *all = g_byte_array_new ();
  const guint8 *data = NULL;
  gsize size = 0;

  g_assert_nonnull (source);
  while (teesql_sealed_source_read (source, &data, &size, error) && size > 0)
    g_byte_array_append (all, data, (guint) size);
  return all;
}

static void
assert_comes_back (Stream *s, const GArray *pieces, GBytes *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) all = load (s, pieces, &error);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (expected, &size);

  g_assert_no_error (error);
  g_assert_cmpmem (all->data, all->len, data, (int) size);
}

static void
assert_refused (Stream *s, const GArray *pieces, TeesqlError code, const char *reason)
{
  GError *error = NULL;
  g_autoptr (GByteArray) all = load (s, pieces, &error);

  repository_world_assert (&error, (int) code, reason);
}

static const TeesqlPiece *
piece (const GArray *pieces, guint number)
{
  return &g_array_index (pieces, TeesqlPiece, number);
}

/* ---- honest stores ---- */

static void
every_size_comes_back (void)
{
  const gsize sizes[] = { 0, 1, 5, MIB, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 40 * MIB + 3 };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (sizes); i++)
    {
      Stream s;
      g_autoptr (GBytes) bytes = i % 2 == 0 ? repository_world_text (sizes[i / 2]) : test_bytes (MAX (sizes[i / 2], 1), 9);

      stream_begin (&s);
      s.options.threads = 1 + i % 3;
      g_autoptr (GArray) pieces = store (&s, bytes, i % 3 == 0 ? 8192 : 1000003);
      g_assert_cmpuint (pieces->len, ==, 1);
      assert_comes_back (&s, pieces, bytes);
      stream_end (&s);
    }
}

static void
pieces_stay_within_their_size (void)
{
  const guint64 limits[] = { 4096, 65536, MIB, MIB + 1, CHUNK, 5 * MIB };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      Stream s;
      g_autoptr (GBytes) bytes =
          i % 2 == 0 ? test_bytes (200000 + (gsize) limits[i] * 3, 5) : repository_world_text ((gsize) limits[i] * 9);

      stream_begin (&s);
      s.options.piece_size = limits[i];
      g_autoptr (GArray) pieces = store (&s, bytes, 70000);
      g_assert_cmpuint (pieces->len, >=, 2);
      for (guint n = 0; n < pieces->len; n++)
        {
          g_autofree char *name = g_strdup_printf ("%s.%05u", BASE, n);
          g_autoptr (GBytes) stored = fake_storage_peek (s.w.world.storage, name);
          guint64 plain = 0;

          g_assert_cmpuint (g_bytes_get_size (stored), ==, piece (pieces, n)->stored_size);
          g_assert_true (teesql_seal_plain_size (140 + strlen (name), g_bytes_get_size (stored), &plain, NULL));
          g_assert_cmpuint (plain, <=, limits[i]);
        }
      assert_comes_back (&s, pieces, bytes);
      stream_end (&s);
    }
}

/* whole frames in each: a restore may take pieces side by side */
static void
a_piece_decodes_alone (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = repository_world_text (30 * MIB);
  gsize total = 0;

  stream_begin (&s);
  s.options.piece_size = 3 * MIB;
  g_autoptr (GArray) pieces = store (&s, bytes, MIB);
  g_assert_cmpuint (pieces->len, >, 2);
  for (guint n = 0; n < pieces->len; n++)
    {
      g_autofree char *name = g_strdup_printf ("%s.%05u", BASE, n);
      const TeesqlSealContext context = { .system_identifier = 7, .timeline = 2, .backup_id = { 1, 2, 3 }, .name = name };
      g_autoptr (GBytes) stored = fake_storage_peek (s.w.world.storage, name);
      g_autoptr (GBytes) plain = teesql_unseal_bytes (&context, teesql_repository_get_keys (s.w.repository), stored, NULL);
      gsize size = 0;
      const guint8 *data = g_bytes_get_data (plain, &size);

      for (gsize done = 0, frame = 0, content = 0; done < size; done += frame, total += content)
        {
          g_assert_true (teesql_frame_measure (data + done, size - done, CHUNK, &frame, &content, NULL));
          g_assert_cmpuint (frame, >, 0);
        }
    }
  g_assert_cmpuint (total, ==, g_bytes_get_size (bytes));
  stream_end (&s);
}

static void
what_is_stored_is_smaller_and_unreadable (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = repository_world_text (8 * MIB);

  stream_begin (&s);
  g_autoptr (GArray) pieces = store (&s, bytes, MIB);
  g_autoptr (GBytes) stored = fake_storage_peek (s.w.world.storage, PIECE);
  g_assert_cmpuint (g_bytes_get_size (stored), <, 4 * MIB);
  g_assert_null (memmem (g_bytes_get_data (stored, NULL), g_bytes_get_size (stored), "account", 7));
  stream_end (&s);
}

static void
a_store_that_stumbles (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = test_bytes (40 * MIB, 3);

  stream_begin (&s);
  fake_storage_plan (s.w.world.storage, "upload_part", FAKE_NOT_DONE, 0);
  fake_storage_plan (s.w.world.storage, "upload_part", FAKE_ANSWER_LOST, 0);
  fake_storage_plan (s.w.world.storage, "upload_commit", FAKE_ANSWER_LOST, 0);
  g_autoptr (GArray) pieces = store (&s, bytes, MIB);
  fake_storage_plan (s.w.world.storage, "get", FAKE_BREAK, 5 * MIB + 77);
  fake_storage_plan (s.w.world.storage, "get", FAKE_NOT_DONE, 0);
  assert_comes_back (&s, pieces, bytes);
  stream_end (&s);
}

/* ---- failures and cancellation ---- */

static guint
count_threads (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (tasks) != NULL)
    n++;
  return n;
}

static void
assert_no_thread_is_left (guint before)
{
  gint64 deadline_us = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  while (count_threads () > before && g_get_monotonic_time () < deadline_us)
    g_thread_yield (); /* the kernel takes a moment for a thread that was joined */
  g_assert_cmpuint (count_threads (), <=, before);
}

/* the store's own threads exist from here on */
static guint
warm_up (Stream *s)
{
  g_assert_true (teesql_store_open (s->w.world.store, NULL, NULL));
  return count_threads ();
}

static void
a_store_that_refuses_stops_the_writer (void)
{
  Stream s;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = test_bytes (MIB, 3);
  guint written = 0;
  guint threads = 0;

  stream_begin (&s);
  threads = warm_up (&s);
  fake_storage_plan (s.w.world.storage, "upload_part", FAKE_REFUSED, 0);
  TeesqlSealedSink *sink = teesql_sealed_sink_new (&s.options, NULL, NULL);
  while (written < 1000 && teesql_sealed_sink_write (sink, g_bytes_get_data (bytes, NULL), MIB, &error))
    written++;
  g_assert_cmpuint (written, <, 200);
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  g_clear_error (&error);
  g_assert_false (teesql_sealed_sink_write (sink, "x", 1, &error)); /* and goes on to say so */
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
  teesql_sealed_sink_free (sink);
  assert_no_thread_is_left (threads);
  world_wait_no_uploads (&s.w.world);
  stream_end (&s);
}

static void
a_refusal_at_the_end_fails_the_finish (void)
{
  const char *methods[] = { "upload_commit", "put" };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      Stream s;
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = test_bytes (i == 0 ? 20 * MIB : 1000, 3);
      GArray *pieces = NULL;
      guint64 plain = 0;

      stream_begin (&s);
      fake_storage_plan (s.w.world.storage, methods[i], FAKE_REFUSED, 0);
      g_autoptr (TeesqlSealedSink) sink = teesql_sealed_sink_new (&s.options, NULL, NULL);
      g_assert_true (write_in_steps (sink, bytes, MIB, NULL));
      g_assert_false (teesql_sealed_sink_finish (sink, &pieces, &plain, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION);
      g_assert_null (pieces);
      g_clear_pointer (&sink, teesql_sealed_sink_free);
      stream_end (&s);
    }
}

static void
an_epoch_without_a_key (void)
{
  Stream s;
  g_autoptr (GError) error = NULL;
  GArray *pieces = NULL;
  guint64 plain = 0;

  stream_begin (&s);
  teesql_repository_set_epoch (s.w.repository, 5);
  g_autoptr (TeesqlSealedSink) sink = teesql_sealed_sink_new (&s.options, NULL, NULL);
  g_assert_false (teesql_sealed_sink_finish (sink, &pieces, &plain, &error));
  repository_world_assert (&error, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent");
  g_clear_pointer (&sink, teesql_sealed_sink_free);
  stream_end (&s);
}

static void
cancelling_a_writer_that_is_blocked (void)
{
  Stream s;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) bytes = test_bytes (MIB, 3);
  guint written = 0;
  guint threads = 0;
  gint64 begun_us = g_get_monotonic_time ();

  stream_begin (&s);
  threads = warm_up (&s);
  for (guint i = 0; i < 8; i++)
    fake_storage_plan (s.w.world.storage, "upload_part", FAKE_HANG, 0);
  TeesqlSealedSink *sink = teesql_sealed_sink_new (&s.options, cancellable, NULL);
  GThread *later = cancel_later (cancellable, 300);
  while (written < 1000 && teesql_sealed_sink_write (sink, g_bytes_get_data (bytes, NULL), MIB, &error))
    written++;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (written, <, 200); /* bounded: a store that stands still takes no memory */
  teesql_sealed_sink_free (sink);
  g_thread_join (later);
  assert_no_thread_is_left (threads);
  g_assert_cmpint (g_get_monotonic_time () - begun_us, <, 5 * G_USEC_PER_SEC);
  stream_end (&s);
}

static void
a_sink_that_is_dropped_leaves_nothing (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = test_bytes (30 * MIB, 3);
  guint threads = 0;

  stream_begin (&s);
  threads = warm_up (&s);
  TeesqlSealedSink *sink = teesql_sealed_sink_new (&s.options, NULL, NULL);
  g_assert_true (write_in_steps (sink, bytes, MIB, NULL));
  teesql_sealed_sink_free (sink);
  assert_no_thread_is_left (threads);
  world_wait_no_uploads (&s.w.world);
  g_assert_null (fake_storage_peek (s.w.world.storage, PIECE));
  stream_end (&s);
}

static void
cancelled_before_it_begins (void)
{
  Stream s;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (TeesqlPiece));

  stream_begin (&s);
  g_cancellable_cancel (cancellable);
  g_assert_null (teesql_sealed_sink_new (&s.options, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (teesql_sealed_source_new (&s.options, none, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  stream_end (&s);
}

static void
cancelling_a_reader_that_is_blocked (void)
{
  Stream s;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) bytes = test_bytes (10 * MIB, 3);
  const guint8 *data = NULL;
  gsize size = 0;
  guint threads = 0;

  stream_begin (&s);
  g_autoptr (GArray) pieces = store (&s, bytes, MIB);
  threads = count_threads ();
  fake_storage_plan (s.w.world.storage, "get", FAKE_HANG, 0);
  TeesqlSealedSource *source = teesql_sealed_source_new (&s.options, pieces, cancellable, NULL);
  GThread *later = cancel_later (cancellable, 200);
  g_assert_false (teesql_sealed_source_read (source, &data, &size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  teesql_sealed_source_free (source);
  g_thread_join (later);
  assert_no_thread_is_left (threads);
  stream_end (&s);
}

static void
a_source_that_is_dropped_leaves_nothing (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = repository_world_text (60 * MIB);
  const guint8 *data = NULL;
  gsize size = 0;
  guint threads = 0;

  stream_begin (&s);
  s.options.piece_size = 5 * MIB;
  g_autoptr (GArray) pieces = store (&s, bytes, MIB);
  threads = count_threads ();
  for (guint reads = 0; reads < 4; reads++)
    {
      TeesqlSealedSource *source = teesql_sealed_source_new (&s.options, pieces, NULL, NULL);

      for (guint i = 0; i < reads; i++)
        g_assert_true (teesql_sealed_source_read (source, &data, &size, NULL) && size > 0);
      teesql_sealed_source_free (source);
      assert_no_thread_is_left (threads);
    }
  stream_end (&s);
}

/* ---- hostile stores ---- */

typedef struct
{
  Stream s;
  GBytes *bytes;
  GArray *pieces; /* three or more */
} Stored;

static void
stored_begin (Stored *t)
{
  stream_begin (&t->s);
  t->s.options.piece_size = 2 * MIB;
  t->bytes = test_bytes (5 * MIB, 8);
  t->pieces = store (&t->s, t->bytes, MIB);
  g_assert_cmpuint (t->pieces->len, >=, 3);
}

static void
stored_end (Stored *t)
{
  g_bytes_unref (t->bytes);
  g_array_unref (t->pieces);
  stream_end (&t->s);
}

static void
a_piece_that_is_missing (void)
{
  Stored t;
  g_autoptr (GError) error = NULL;

  stored_begin (&t);
  g_assert_true (teesql_store_remove (t.s.w.world.store, BASE ".00001", NULL, NULL));
  g_autoptr (GByteArray) all = load (&t.s, t.pieces, &error);
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, BASE ".00001"));
  stored_end (&t);
}

static void
pieces_that_changed_places (void)
{
  Stored t;

  stored_begin (&t);
  repository_world_copy (&t.s.w, BASE ".00001", BASE ".00000");
  assert_refused (&t.s, t.pieces, TEESQL_ERROR_REFUSED, "seal-context");
  stored_end (&t);
}

static void
the_same_piece_of_an_earlier_run (void)
{
  Stored t;

  stored_begin (&t);
  g_autoptr (GBytes) kept = fake_storage_peek (t.s.w.world.storage, BASE ".00001");
  g_autoptr (GArray) again = store (&t.s, t.bytes, MIB);
  fake_storage_set (t.s.w.world.storage, BASE ".00001", kept);
  assert_refused (&t.s, again, TEESQL_ERROR_REFUSED, "piece-commitment");
  stored_end (&t);
}

static void
cut_and_lengthened_pieces (void)
{
  const gssize steps[] = { -1, -16, -(gssize) MIB, 1, 16, (gssize) MIB };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      Stored t;
      GError *error = NULL;

      stored_begin (&t);
      repository_world_resize (&t.s.w, BASE ".00001", steps[i]);
      g_autoptr (GByteArray) all = load (&t.s, t.pieces, &error);
      repository_world_assert (&error, TEESQL_ERROR_INTEGRITY, "piece-size");
      stored_end (&t);
    }
}

/* nothing but the true beginning may have been handed out */
static void
assert_only_a_beginning (Stored *t)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) all = load (&t->s, t->pieces, &error);

  g_assert_error (error, TEESQL_BACKUP_ERROR, (int) TEESQL_ERROR_INTEGRITY);
  g_assert_cmpuint (all->len, <, g_bytes_get_size (t->bytes));
  g_assert_cmpmem (all->data, all->len, g_bytes_get_data (t->bytes, NULL), all->len);
}

static void
a_changed_bit_anywhere (void)
{
  for (guint n = 0; n < 3; n++)
    {
      Stored t;
      g_autofree char *name = g_strdup_printf ("%s.%05u", BASE, n);
      gsize offsets[] = { 300, MIB / 2, MIB + 200, 0 };

      stored_begin (&t);
      offsets[3] = (gsize) piece (t.pieces, n)->stored_size - 1;
      for (guint i = 0; i < G_N_ELEMENTS (offsets); i++)
        {
          gsize offset = MIN (offsets[i], (gsize) piece (t.pieces, n)->stored_size - 1);

          repository_world_flip (&t.s.w, name, offset);
          assert_only_a_beginning (&t);
          repository_world_flip (&t.s.w, name, offset);
        }
      assert_comes_back (&t.s, t.pieces, t.bytes);
      stored_end (&t);
    }
}

static void
every_byte_of_a_small_archive (void)
{
  Stream s;
  g_autoptr (GBytes) bytes = repository_world_text (100);

  stream_begin (&s);
  s.options.threads = 1;
  g_autoptr (GArray) pieces = store (&s, bytes, 100);
  for (gsize i = 0; i < piece (pieces, 0)->stored_size; i++)
    {
      GError *error = NULL;

      repository_world_flip (&s.w, PIECE, i);
      g_autoptr (GByteArray) all = load (&s, pieces, &error);
      g_assert_nonnull (error);
      g_assert_true (error->domain == TEESQL_BACKUP_ERROR);
      g_assert_cmpuint (all->len, ==, 0);
      g_clear_error (&error);
      repository_world_flip (&s.w, PIECE, i);
    }
  stream_end (&s);
}

static void
another_place (void)
{
  Stored t;

  stored_begin (&t);
  t.s.options.id.timeline++;
  assert_refused (&t.s, t.pieces, TEESQL_ERROR_REFUSED, "seal-context");
  t.s.options.id.timeline--;
  t.s.options.id.backup_id[0]++;
  assert_refused (&t.s, t.pieces, TEESQL_ERROR_REFUSED, "seal-context");
  stored_end (&t);
}

static void
sizes_that_no_object_has (void)
{
  Stored t;

  stored_begin (&t);
  g_array_index (t.pieces, TeesqlPiece, 0).stored_size = 140 + strlen (PIECE) + 15;
  assert_refused (&t.s, t.pieces, TEESQL_ERROR_MALFORMED, "seal-size");
  g_array_index (t.pieces, TeesqlPiece, 0).stored_size = 10;
  assert_refused (&t.s, t.pieces, TEESQL_ERROR_MALFORMED, "seal-truncated");
  stored_end (&t);
}

/* ---- frames against the rules, sealed under the right key ---- */

static GBytes *
frame_of (gsize content)
{
  g_autoptr (TeesqlFrameWriter) writer = teesql_frame_writer_new (1);
  g_autofree guint8 *zeros = g_malloc0 (MAX (content, 1));
  gsize size = 0;
  guint8 *frame = g_malloc (teesql_frame_bound (content));

  g_assert_true (teesql_frame_write (writer, zeros, content, frame, teesql_frame_bound (content), &size, NULL));
  return g_bytes_new_take (frame, size);
}

static void
assert_forged_is_refused (GBytes *plain, const char *reason)
{
  Stream s;
  g_autoptr (GArray) pieces = g_array_new (FALSE, TRUE, sizeof (TeesqlPiece));
  TeesqlObjectId id;
  g_autoptr (GBytes) stored = NULL;

  stream_begin (&s);
  id = s.options.id;
  id.name = PIECE;
  g_array_set_size (pieces, 1);
  repository_world_forge (&s.w, &id, plain, g_array_index (pieces, TeesqlPiece, 0).commitment);
  stored = fake_storage_peek (s.w.world.storage, PIECE);
  g_array_index (pieces, TeesqlPiece, 0).stored_size = g_bytes_get_size (stored);
  assert_refused (&s, pieces, TEESQL_ERROR_INTEGRITY, reason);
  stream_end (&s);
}

static GBytes *
with_byte (GBytes *bytes, gsize offset, guint8 value)
{
  gsize size = g_bytes_get_size (bytes);
  guint8 *copy = g_memdup2 (g_bytes_get_data (bytes, NULL), size);

  copy[offset] = value;
  return g_bytes_new_take (copy, size);
}

static void
frames_against_the_rules (void)
{
  g_autoptr (GBytes) good = frame_of (1000);
  g_autoptr (GBytes) bomb = frame_of (CHUNK + 1);
  g_autoptr (GBytes) huge = frame_of (200 * MIB);
  g_autoptr (GBytes) empty = frame_of (0);
  g_autoptr (GBytes) cut = g_bytes_new_from_bytes (good, 0, g_bytes_get_size (good) - 1);
  g_autoptr (GBytes) text = g_bytes_new_static ("this is no frame", 16);
  g_autoptr (GBytes) head = g_bytes_new_from_bytes (good, 0, 3);
  /* RFC 8878, 3.1.1.1.2: the two bytes behind the descriptor say content size - 256; a smaller one than there is */
  g_autoptr (GBytes) lying = with_byte (good, 5, 1);

  assert_forged_is_refused (bomb, "frame-size");
  assert_forged_is_refused (huge, "frame-size");
  assert_forged_is_refused (empty, "frame-size");
  assert_forged_is_refused (cut, "frame-truncated");
  assert_forged_is_refused (head, "frame-truncated");
  assert_forged_is_refused (text, "frame-corrupt");
  assert_forged_is_refused (lying, "frame-corrupt");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup/sealed-stream/every-size-comes-back", every_size_comes_back);
  g_test_add_func ("/backup/sealed-stream/pieces-stay-within-their-size", pieces_stay_within_their_size);
  g_test_add_func ("/backup/sealed-stream/a-piece-decodes-alone", a_piece_decodes_alone);
  g_test_add_func ("/backup/sealed-stream/what-is-stored-is-smaller-and-unreadable", what_is_stored_is_smaller_and_unreadable);
  g_test_add_func ("/backup/sealed-stream/a-store-that-stumbles", a_store_that_stumbles);
  g_test_add_func ("/backup/sealed-stream/a-store-that-refuses-stops-the-writer", a_store_that_refuses_stops_the_writer);
  g_test_add_func ("/backup/sealed-stream/a-refusal-at-the-end-fails-the-finish", a_refusal_at_the_end_fails_the_finish);
  g_test_add_func ("/backup/sealed-stream/an-epoch-without-a-key", an_epoch_without_a_key);
  g_test_add_func ("/backup/sealed-stream/cancelling-a-writer-that-is-blocked", cancelling_a_writer_that_is_blocked);
  g_test_add_func ("/backup/sealed-stream/a-sink-that-is-dropped-leaves-nothing", a_sink_that_is_dropped_leaves_nothing);
  g_test_add_func ("/backup/sealed-stream/cancelled-before-it-begins", cancelled_before_it_begins);
  g_test_add_func ("/backup/sealed-stream/cancelling-a-reader-that-is-blocked", cancelling_a_reader_that_is_blocked);
  g_test_add_func ("/backup/sealed-stream/a-source-that-is-dropped-leaves-nothing", a_source_that_is_dropped_leaves_nothing);
  g_test_add_func ("/backup/sealed-stream/a-piece-that-is-missing", a_piece_that_is_missing);
  g_test_add_func ("/backup/sealed-stream/pieces-that-changed-places", pieces_that_changed_places);
  g_test_add_func ("/backup/sealed-stream/the-same-piece-of-an-earlier-run", the_same_piece_of_an_earlier_run);
  g_test_add_func ("/backup/sealed-stream/cut-and-lengthened-pieces", cut_and_lengthened_pieces);
  g_test_add_func ("/backup/sealed-stream/a-changed-bit-anywhere", a_changed_bit_anywhere);
  g_test_add_func ("/backup/sealed-stream/every-byte-of-a-small-archive", every_byte_of_a_small_archive);
  g_test_add_func ("/backup/sealed-stream/another-place", another_place);
  g_test_add_func ("/backup/sealed-stream/sizes-that-no-object-has", sizes_that_no_object_has);
  g_test_add_func ("/backup/sealed-stream/frames-against-the-rules", frames_against_the_rules);
  return g_test_run ();
}
