#include "storage/teesql-storage-check-private.h"

/* Checks of whole objects. */

#define PATIENCE_US ((gint64) 30 * G_USEC_PER_SEC)

gboolean
check_round_trip (Check *self)
{
  const gsize sizes[] = { 0, 1, 1000, CHECK_MIB - 1, CHECK_MIB, CHECK_MIB + 1, CHECK_PART - 1, CHECK_PART, CHECK_PART + 1 };
  gsize n = self->options->quick ? 6 : G_N_ELEMENTS (sizes);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, sizes[i]);
      g_autofree char *name = check_name (self, tail);
      g_autoptr (GBytes) bytes = check_bytes (sizes[i], (guint) i);

      check_progress (self, i, n);
      if (!check_expect_put (self, name, bytes) || !check_expect_content (self, name, bytes))
        return FALSE;
    }
  return TRUE;
}

gboolean
check_unknown_size (Check *self)
{
  const gsize sizes[] = { 0, 5, CHECK_MIB, 2 * CHECK_MIB + 77, CHECK_PART + 1 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, sizes[i]);
      g_autofree char *name = check_name (self, tail);
      g_autoptr (GBytes) bytes = check_bytes (sizes[i], (guint) i);
      g_autoptr (CheckStream) stream = check_stream_new (bytes, CHECK_STREAM_ENDS);
      g_autoptr (TeesqlObjectInfo) info = NULL;
      GError *error = NULL;

      if (!check_put_stream (self, name, G_INPUT_STREAM (stream), -1, self->cancellable, &info, &error))
        return check_failed (self, "content of unknown size is stored", error);
      if (!check_expect_content (self, name, bytes))
        return FALSE;
    }
  return TRUE;
}

static gboolean
expect_not_stored (Check *self, const char *name, CheckStream *stream, gint64 size, const char *what, GQuark domain, int code)
{
  GError *error = NULL;

  if (check_put_stream (self, name, G_INPUT_STREAM (stream), size, self->cancellable, NULL, &error))
    return check_differs (self, what, "success");
  return check_expect_error (self, what, error, domain, code) && check_expect_absent (self, name);
}

/* What the storage is told about content that is shorter than announced is an error of the stream. */
gboolean
check_truncated (Check *self)
{
  const gsize sizes[] = { 0, 10, CHECK_MIB, 3 * CHECK_MIB };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, sizes[i]);
      g_autofree char *name = check_name (self, tail);
      g_autoptr (GBytes) bytes = check_bytes (sizes[i], (guint) i);
      g_autoptr (CheckStream) stream = check_stream_new (bytes, CHECK_STREAM_ENDS);

      if (!expect_not_stored (self, name, stream, (gint64) sizes[i] + 1, "content that ends early fails with INTEGRITY, nothing is stored",
                              TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY))
        return FALSE;
    }
  return TRUE;
}

gboolean
check_broken_content (Check *self)
{
  const gsize sizes[] = { 0, 10, 2 * CHECK_MIB + 3 };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (sizes); i++)
    {
      gsize size = sizes[i / 2];
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, i);
      g_autofree char *name = check_name (self, tail);
      g_autoptr (GBytes) bytes = check_bytes (size, (guint) i);
      g_autoptr (CheckStream) stream = check_stream_new (bytes, CHECK_STREAM_FAILS);

      if (!expect_not_stored (self, name, stream, i % 2 == 0 ? -1 : (gint64) size + 100,
                              "the error of the content comes back unchanged, nothing is stored", G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
        return FALSE;
    }
  return TRUE;
}

/* ---- atomicity ---- */

typedef struct
{
  Check *check;
  const char *name;
  CheckStream *stream;
  gint64 size;
  GCancellable *cancellable;
  gboolean stored;
  GError *error;
  gint64 ended_us;
} SlowPut;

static gpointer
slow_put_run (gpointer data)
{
  SlowPut *self = data;

  self->stored =
      check_put_stream (self->check, self->name, G_INPUT_STREAM (self->stream), self->size, self->cancellable, NULL, &self->error);
  self->ended_us = g_get_monotonic_time ();
  check_stream_end_wait (self->stream);
  return NULL;
}

/* In the middle of a put, and after it was cancelled, the world is as before: @before, or nothing. */
static gboolean
slow_put (Check *self, const char *name, GBytes *before, gint64 size)
{
  g_autoptr (GBytes) bytes = check_bytes (2 * CHECK_MIB + CHECK_MIB / 2, 99);
  g_autoptr (CheckStream) stream = check_stream_new (bytes, CHECK_STREAM_STALLS);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  SlowPut put = { self, name, stream, size, cancellable, FALSE, NULL, 0 };
  GThread *thread = g_thread_new ("slow-put", slow_put_run, &put);
  gboolean stalled = check_stream_wait_stalled (stream, g_get_monotonic_time () + PATIENCE_US);
  gboolean well = before != NULL ? check_expect_content (self, name, before) : check_expect_absent (self, name);
  gint64 cancelled_us = g_get_monotonic_time ();

  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  if (!stalled)
    well = check_differs (self, "put reads its content asynchronously, to the end, with its cancellable",
                          "it stopped reading, or read without");
  else if (put.ended_us - cancelled_us > CHECK_CANCEL_US)
    well = check_differs (self, "a cancelled put ends within a second", "%u ms", (guint) ((put.ended_us - cancelled_us) / 1000));
  if (put.stored)
    well = check_differs (self, "a put that was cancelled before its content ended stores nothing", "success");
  else
    well = check_expect_error (self, "a cancelled put says CANCELLED", put.error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && well;
  return well && (before != NULL ? check_expect_content (self, name, before) : check_expect_absent (self, name));
}

gboolean
check_atomic_put (Check *self)
{
  g_autofree char *known = check_name (self, "known");
  g_autofree char *unknown = check_name (self, "unknown");

  return slow_put (self, known, NULL, 20 * (gint64) CHECK_MIB) && slow_put (self, unknown, NULL, -1);
}

gboolean
check_atomic_overwrite (Check *self)
{
  g_autofree char *name = check_name (self, "o");
  g_autoptr (GBytes) before = check_bytes (CHECK_MIB / 3, 1);

  return check_expect_put (self, name, before) && slow_put (self, name, before, 20 * (gint64) CHECK_MIB) &&
         slow_put (self, name, before, -1);
}

gboolean
check_overwrite (Check *self)
{
  const gsize sizes[] = { 3 * CHECK_MIB, 10, 0, 2 * CHECK_MIB };
  g_autofree char *name = check_name (self, "o");

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) bytes = check_bytes (sizes[i], (guint) i);

      if (!check_expect_put (self, name, bytes) || !check_expect_content (self, name, bytes))
        return FALSE;
    }
  return TRUE;
}

gboolean
check_if_absent (Check *self)
{
  g_autofree char *name = check_name (self, "o");
  g_autoptr (GBytes) first = check_bytes (1000, 1);
  g_autoptr (GBytes) second = check_bytes (1000, 2);
  GError *error = NULL;

  for (guint i = 0; i < 2; i++)
    {
      if (!check_put (self, name, first, TEESQL_STORAGE_PUT_IF_ABSENT, &error))
        return check_failed (self, "the first put with IF_ABSENT stores the object", error);
      if (check_put (self, name, second, TEESQL_STORAGE_PUT_IF_ABSENT, &error))
        return check_differs (self, "the second is EXISTS", "success");
      if (!check_expect_error (self, "the second is EXISTS", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS) ||
          !check_expect_content (self, name, first))
        return FALSE;
      error = NULL;
      if (!teesql_store_remove (self->store, name, self->cancellable, &error)) /* after a removal the name is free again */
        return check_failed (self, "remove takes the object away", error);
    }
  return TRUE;
}

typedef struct
{
  const char *name;
  GBytes *contents[CHECK_N_RACERS];
  int n_won;  /* atomic */
  int winner; /* atomic */
} Race;

static gboolean
race_put (Check *self, guint index, gpointer data)
{
  Race *race = data;
  GError *error = NULL;

  if (!check_put (self, race->name, race->contents[index], TEESQL_STORAGE_PUT_IF_ABSENT, &error))
    return check_expect_error (self, "who loses the race hears EXISTS", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  g_atomic_int_inc (&race->n_won);
  g_atomic_int_set (&race->winner, (int) index);
  return TRUE;
}

gboolean
check_if_absent_race (Check *self)
{
  Race race = { NULL };
  gboolean well = TRUE;
  guint n = self->options->quick ? 3 : 10;

  for (guint i = 0; i < CHECK_N_RACERS; i++)
    race.contents[i] = check_bytes (100 * 1024, i);
  for (guint i = 0; i < n && well; i++)
    {
      g_autofree char *tail = g_strdup_printf ("%u", i);
      g_autofree char *name = check_name (self, tail);

      race.name = name;
      race.n_won = 0;
      check_progress (self, i, n);
      well = check_in_parallel (self, CHECK_N_RACERS, race_put, &race);
      if (well && race.n_won != 1)
        well = check_differs (self, "exactly one of eight racers wins", "%d won", race.n_won);
      well = well && check_expect_content (self, name, race.contents[race.winner]);
    }
  for (guint i = 0; i < CHECK_N_RACERS; i++)
    g_bytes_unref (race.contents[i]);
  return well;
}

/* ---- ranges ---- */

static gboolean
expect_range (Check *self, const char *name, GBytes *whole, guint64 offset, guint64 length)
{
  GError *error = NULL;
  g_autoptr (GBytes) found = check_get (self, name, offset, length, &error);
  g_autoptr (GBytes) expected = g_bytes_new_from_bytes (whole, (gsize) offset, (gsize) MIN (length, g_bytes_get_size (whole) - offset));

  if (found == NULL)
    return check_failed (self, "get gives a range of an object", error);
  if (g_bytes_equal (found, expected))
    return TRUE;
  return check_differs (self, "get gives exactly the bytes of the range",
                        "%" G_GSIZE_FORMAT " other bytes for offset %" G_GUINT64_FORMAT ", length %" G_GUINT64_FORMAT,
                        g_bytes_get_size (found), offset, length);
}

static gboolean
expect_no_range (Check *self, const char *name, guint64 offset, guint64 length, gboolean by_reason)
{
  GError *error = NULL;
  g_autoptr (GBytes) found = check_get (self, name, offset, length, &error);

  if (found != NULL)
    return check_differs (self, "a range that goes beyond the end is an error", "%" G_GSIZE_FORMAT " bytes for offset %" G_GUINT64_FORMAT,
                          g_bytes_get_size (found), offset);
  if (by_reason &&
      (!g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED) || g_strcmp0 (teesql_error_get_reason (error), "range") != 0))
    return check_failed (self, "an offset beyond the end is FAILED with the reason `range`", error);
  g_error_free (error);
  return TRUE;
}

gboolean
check_ranges (Check *self)
{
  const guint64 size = 3 * CHECK_MIB + 17;
  g_autofree char *name = check_name (self, "o");
  g_autoptr (GBytes) whole = check_bytes ((gsize) size, 1);
  GError *error = NULL;
  g_autoptr (GBytes) none = NULL;

  if (!check_expect_put (self, name, whole) || !expect_range (self, name, whole, 0, 1) || !expect_range (self, name, whole, 0, 1000) ||
      !expect_range (self, name, whole, 0, size) || !expect_range (self, name, whole, CHECK_MIB - 1, 3) ||
      !expect_range (self, name, whole, CHECK_MIB, CHECK_MIB) || !expect_range (self, name, whole, size - 1, 1) ||
      !expect_range (self, name, whole, size - 17, 17) || !expect_range (self, name, whole, 1, G_MAXUINT64) ||
      !expect_range (self, name, whole, size - 1, G_MAXUINT64))
    return FALSE;
  none = check_get (self, name, 0, 0, &error);
  return check_expect_error (self, "a range of no bytes is refused", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED) &&
         expect_no_range (self, name, size + 1, G_MAXUINT64, TRUE) && expect_no_range (self, name, size + 1, 1, TRUE) &&
         expect_no_range (self, name, size * 1000, 5, TRUE) && expect_no_range (self, name, size - 5, 6, FALSE) &&
         expect_no_range (self, name, 0, size + 1, FALSE);
}

/* ---- what is not there ---- */

gboolean
check_absent (Check *self)
{
  g_autofree char *name = check_name (self, "never/was");
  g_autofree char *above = check_name (self, "never");
  g_autofree char *below = check_name (self, "never/was/there");
  g_autoptr (GBytes) bytes = check_bytes (10, 1);
  GError *error = NULL;

  if (!check_expect_absent (self, name))
    return FALSE;
  if (!teesql_store_remove (self->store, name, self->cancellable, &error))
    return check_failed (self, "remove of an absent object succeeds", error);
  /* nor is an object where only names above or below it are */
  if (!check_expect_put (self, name, bytes))
    return FALSE;
  if (teesql_store_stat (self->store, above, self->cancellable, &error) != NULL)
    return check_differs (self, "what names only begin with is no object", "stat knows %s", above);
  if (!check_expect_error (self, "what names only begin with is NOT_FOUND", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    return FALSE;
  return check_expect_absent (self, below);
}

gboolean
check_remove (Check *self)
{
  g_autofree char *name = check_name (self, "a/b/c");
  g_autofree char *sibling = check_name (self, "a/b");
  g_autoptr (GBytes) bytes = check_bytes (1000, 1);
  GError *error = NULL;

  if (!check_expect_put (self, name, bytes) || !check_expect_put (self, sibling, bytes))
    return FALSE;
  for (guint i = 0; i < 2; i++)
    if (!teesql_store_remove (self->store, name, self->cancellable, &error))
      return check_failed (self, i == 0 ? "remove takes an object away" : "remove succeeds again", error);
  return check_expect_absent (self, name) && check_expect_content (self, sibling, bytes);
}

/* ---- at once ---- */

static gboolean
use_one (Check *self, guint index, gpointer data)
{
  g_autofree char *tail = g_strdup_printf ("%u/%02u", index % 5, index);
  g_autofree char *name = check_name (self, tail);
  g_autoptr (GBytes) bytes = check_bytes (index * 10007u % CHECK_MIB, index);
  GError *error = NULL;

  if (!check_expect_put (self, name, bytes) || !check_expect_content (self, name, bytes))
    return FALSE;
  if (index % 2 == 0)
    return TRUE;
  if (!teesql_store_remove (self->store, name, self->cancellable, &error))
    return check_failed (self, "remove takes an object away", error);
  return check_expect_absent (self, name);
}

gboolean
check_concurrent (Check *self)
{
  return check_in_parallel (self, self->options->quick ? 16 : 64, use_one, NULL);
}
