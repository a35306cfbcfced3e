#include "backup/teesql-wal-proof.h"
#include "base/teesql-digest.h"
#include <string.h>

#define SEGMENT ((gsize) 64 * 1024)
#define START   ((guint64) 5 * SEGMENT)
#define SIZE    (3 * SEGMENT)

typedef struct
{
  guint8 *wal; /* SIZE bytes from START on */
  TeesqlWalProof *proof;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->wal = g_malloc (SIZE);
  for (gsize i = 0; i < SIZE; i++)
    self->wal[i] = (guint8) (i * 37 + i / 253);
  self->proof = teesql_wal_proof_new ();
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_free (self->wal);
  teesql_wal_proof_free (self->proof);
}

static void
expect (Fixture *self, gsize from, gsize to)
{
  guint8 digest[TEESQL_WAL_DIGEST_SIZE];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, self->wal + from, to - from);
  teesql_wal_proof_expect (self->proof, START + from, START + to, digest);
}

static void
feed (Fixture *self, gsize from, gsize to, gsize step)
{
  for (gsize at = from; at < to; at += step)
    teesql_wal_proof_feed (self->proof, START + at, self->wal + at, MIN (step, to - at));
}

static gboolean
check (Fixture *self)
{
  guint64 start = 0;
  guint64 end = 0;

  return teesql_wal_proof_check (self->proof, &start, &end);
}

static void
test_nothing (Fixture *self, gconstpointer data)
{
  guint64 start = 0;
  guint64 end = 0;

  g_assert_false (teesql_wal_proof_get_range (self->proof, &start, &end));
  feed (self, 0, 100, 100);
  g_assert_true (check (self));
}

static void
test_same_bytes (Fixture *self, gconstpointer data)
{
  guint64 start = 0;
  guint64 end = 0;

  /* a whole segment, a part, one that takes the place of both, and one that overlaps them */
  expect (self, 0, SEGMENT);
  expect (self, SEGMENT, SEGMENT + 1000);
  expect (self, 500, SEGMENT + 2000);
  expect (self, SEGMENT - 1, SEGMENT + 1);
  g_assert_true (teesql_wal_proof_get_range (self->proof, &start, &end));
  g_assert_cmphex (start, ==, START);
  g_assert_cmphex (end, ==, START + SEGMENT + 2000);
  feed (self, 0, SIZE, 777); /* the server sends more than is asked for, cut anywhere */
  g_assert_true (check (self));
}

static void
test_other_bytes (Fixture *self, gconstpointer data)
{
  const gsize places[] = { 0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 999 };

  expect (self, 0, SEGMENT);
  expect (self, SEGMENT, SEGMENT + 1000);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      guint64 start = 0;
      guint64 end = 0;

      self->wal[places[i]] ^= 1;
      teesql_wal_proof_rewind (self->proof);
      feed (self, 0, SIZE, 8192);
      g_assert_false (teesql_wal_proof_check (self->proof, &start, &end));
      g_assert_cmphex (start, ==, places[i] < SEGMENT ? START : START + SEGMENT);
      g_assert_cmphex (end, ==, places[i] < SEGMENT ? START + SEGMENT : START + SEGMENT + 1000);
      self->wal[places[i]] ^= 1;
    }
  self->wal[SEGMENT + 1000] ^= 1; /* behind the end of what is known: that is new */
  teesql_wal_proof_rewind (self->proof);
  feed (self, 0, SIZE, 8192);
  g_assert_true (check (self));
}

static void
test_not_all (Fixture *self, gconstpointer data)
{
  expect (self, 0, SEGMENT);
  g_assert_false (check (self));
  feed (self, 0, SEGMENT - 1, 1000);
  g_assert_false (check (self));
  feed (self, SEGMENT - 1, SEGMENT, 1);
  g_assert_true (check (self));
}

static void
test_hole (Fixture *self, gconstpointer data)
{
  expect (self, 0, SEGMENT);
  feed (self, 0, 1000, 1000);
  feed (self, 1001, SIZE, 1000);
  g_assert_false (check (self));
}

static void
test_drop (Fixture *self, gconstpointer data)
{
  guint64 start = 0;
  guint64 end = 0;

  expect (self, 0, SEGMENT);
  expect (self, 0, 100);
  expect (self, SEGMENT, SEGMENT + 100);
  feed (self, 0, 50, 50); /* the server broke off: it has no more of that segment */
  teesql_wal_proof_drop_before (self->proof, START + SEGMENT);
  teesql_wal_proof_rewind (self->proof);
  g_assert_true (teesql_wal_proof_get_range (self->proof, &start, &end));
  g_assert_cmphex (start, ==, START + SEGMENT);
  g_assert_false (check (self));
  feed (self, SEGMENT, SIZE, 1000);
  g_assert_true (check (self));
}

/* What the trail asks for after @received bytes, of a server that has our bytes but for the one at @wrong. */
static gboolean
follow_trail (Fixture *self, gsize received, gsize step, gssize wrong)
{
  g_autoptr (TeesqlWalTrail) trail = teesql_wal_trail_new (SEGMENT);
  g_autoptr (TeesqlWalProof) proof = teesql_wal_proof_new ();
  guint64 start = 0;
  guint64 end = 0;
  gsize before = received > 0 ? (received - 1) / SEGMENT * SEGMENT : 0;

  teesql_wal_trail_begin (trail, START);
  for (gsize at = 0; at < received; at += step)
    teesql_wal_trail_add (trail, self->wal + at, MIN (step, received - at));
  teesql_wal_trail_expect (trail, proof);
  teesql_wal_trail_add (trail, self->wal, 1); /* asking ends nothing */
  if (wrong >= 0)
    self->wal[wrong] ^= 1;
  if (teesql_wal_proof_get_range (proof, &start, &end))
    {
      g_assert_cmphex (end, ==, START + received);
      g_assert_cmphex (start, <=, START + before);
      teesql_wal_proof_feed (proof, start, self->wal + (start - START), (gsize) (end - start));
    }
  if (wrong >= 0)
    self->wal[wrong] ^= 1;
  return teesql_wal_proof_check (proof, &start, &end);
}

static void
test_trail (Fixture *self, gconstpointer data)
{
  const gsize sizes[] = { 0, 1, 1000, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, SIZE - 1 };
  const gsize steps[] = { 999, SEGMENT, SIZE };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (steps); j++)
      {
        g_assert_true (follow_trail (self, sizes[i], steps[j], -1));
        if (sizes[i] > 0)
          {
            g_assert_false (follow_trail (self, sizes[i], steps[j], (gssize) sizes[i] - 1));
            g_assert_false (follow_trail (self, sizes[i], steps[j], (gssize) ((sizes[i] - 1) / SEGMENT * SEGMENT)));
          }
        g_assert_true (follow_trail (self, sizes[i], steps[j], (gssize) sizes[i]));
      }
}

static void
test_trail_again (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlWalTrail) trail = teesql_wal_trail_new (SEGMENT);
  guint64 start = 0;
  guint64 end = 0;

  teesql_wal_trail_begin (trail, START);
  teesql_wal_trail_add (trail, self->wal, SEGMENT + 10);
  teesql_wal_trail_begin (trail, START + 9 * SEGMENT);
  teesql_wal_trail_expect (trail, self->proof);
  g_assert_false (teesql_wal_proof_get_range (self->proof, &start, &end));
  teesql_wal_trail_add (trail, self->wal, 10);
  teesql_wal_trail_expect (trail, self->proof);
  g_assert_true (teesql_wal_proof_get_range (self->proof, &start, &end));
  g_assert_cmphex (start, ==, START + 9 * SEGMENT);
  g_assert_cmphex (end, ==, START + 9 * SEGMENT + 10);
}

#define add(path, function) g_test_add ("/backup/wal-proof/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("where nothing is asked for nothing is missing", test_nothing);
  add ("the same bytes are the same, however they are cut", test_same_bytes);
  add ("one other bit anywhere is found, and where", test_other_bytes);
  add ("a server that sends less proves nothing", test_not_all);
  add ("nor does one that leaves something out", test_hole);
  add ("what the server has no more of can be let go", test_drop);
  add ("a trail asks for this segment and the one before", test_trail);
  add ("a trail that begins anew forgets", test_trail_again);
  return g_test_run ();
}
