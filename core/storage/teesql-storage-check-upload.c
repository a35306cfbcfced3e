#include "storage/teesql-storage-check-private.h"

#include <string.h>

/* Checks of uploads. */

typedef struct
{
  Check *check;
  char *name;
  char *id;
  GPtrArray *tags; /* by number - 1 */
} Upload;

static void
upload_clear (Upload *self)
{
  g_free (self->name);
  g_free (self->id);
  g_clear_pointer (&self->tags, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Upload, upload_clear)

static gboolean
begin (Upload *self, Check *check, const char *tail, TeesqlStoragePutFlags flags)
{
  GError *error = NULL;

  self->check = check;
  self->name = check_name (check, tail);
  self->tags = g_ptr_array_new_with_free_func (g_free);
  self->id = check_begin (check, self->name, flags, &error);
  return self->id != NULL || check_failed (check, "upload_begin gives an id", error);
}

static gboolean
send (Upload *self, guint number, GBytes *bytes)
{
  GError *error = NULL;
  char *tag = check_part (self->check, self->name, self->id, number, bytes, &error);

  if (tag == NULL)
    return check_failed (self->check, "upload_part gives a tag", error);
  if (self->tags->len < number)
    g_ptr_array_set_size (self->tags, (int) number);
  g_free (self->tags->pdata[number - 1]);
  self->tags->pdata[number - 1] = tag;
  return TRUE;
}

static gboolean
commit (Upload *self, TeesqlStoragePutFlags flags, guint64 size)
{
  GError *error = NULL;
  guint64 found = 0;

  g_ptr_array_add (self->tags, NULL);
  if (!check_commit (self->check, self->name, self->id, (const char *const *) self->tags->pdata, flags, &found, &error))
    return check_failed (self->check, "upload_commit makes the object", error);
  if (found == size)
    return TRUE;
  return check_differs (self->check, "upload_commit gives the size of the object", "%" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT,
                        found, size);
}

static GBytes *
slice (GBytes *whole, guint number)
{
  gsize offset = (number - 1) * CHECK_PART;

  return g_bytes_new_from_bytes (whole, offset, MIN (CHECK_PART, g_bytes_get_size (whole) - offset));
}

static gboolean
send_slice (Upload *self, GBytes *whole, guint number)
{
  g_autoptr (GBytes) bytes = slice (whole, number);

  return send (self, number, bytes);
}

static gboolean
upload_whole (Check *self, const char *tail, gsize size, TeesqlStoragePutFlags flags)
{
  g_auto (Upload) upload = { NULL };
  g_autoptr (GBytes) whole = check_bytes (size, (guint) size);
  guint n_parts = (guint) ((size + CHECK_PART - 1) / CHECK_PART);

  if (!begin (&upload, self, tail, flags))
    return FALSE;
  for (guint i = 1; i <= n_parts; i++)
    if (!send_slice (&upload, whole, i))
      return FALSE;
  return commit (&upload, flags, size) && check_expect_content (self, upload.name, whole);
}

gboolean
check_upload (Check *self)
{
  return upload_whole (self, "o", 2 * CHECK_PART + 12345, TEESQL_STORAGE_PUT_NONE);
}

gboolean
check_upload_sizes (Check *self)
{
  const gsize sizes[] = { 1, CHECK_MIB, CHECK_PART - 1, CHECK_PART, CHECK_PART + 1, 2 * CHECK_PART, 3 * CHECK_PART + CHECK_MIB };
  gsize n = self->options->quick ? 5 : G_N_ELEMENTS (sizes);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, sizes[i]);

      check_progress (self, i, n);
      if (!upload_whole (self, tail, sizes[i], TEESQL_STORAGE_PUT_NONE))
        return FALSE;
    }
  return TRUE;
}

/* ---- parts in any order, and again ---- */

typedef struct
{
  Upload *upload;
  GBytes *whole;
} Sending;

static gboolean
send_one (Check *self, guint index, gpointer data)
{
  Sending *sending = data;
  g_autoptr (GBytes) bytes = slice (sending->whole, index + 1);
  GError *error = NULL;
  char *tag = check_part (self, sending->upload->name, sending->upload->id, index + 1, bytes, &error);

  if (tag == NULL)
    return check_failed (self, "parts of one upload go up side by side", error);
  g_mutex_lock (&self->lock);
  sending->upload->tags->pdata[index] = tag;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
in_parallel (Check *self)
{
  g_auto (Upload) upload = { NULL };
  g_autoptr (GBytes) whole = check_bytes (3 * CHECK_PART + 5, 3);
  Sending sending = { &upload, whole };

  if (!begin (&upload, self, "parallel", TEESQL_STORAGE_PUT_NONE))
    return FALSE;
  g_ptr_array_set_size (upload.tags, 4);
  return check_in_parallel (self, 4, send_one, &sending) && commit (&upload, TEESQL_STORAGE_PUT_NONE, 3 * CHECK_PART + 5) &&
         check_expect_content (self, upload.name, whole);
}

gboolean
check_upload_disorder (Check *self)
{
  static const guint orders[][4] = { { 4, 3, 2, 1 }, { 2, 4, 1, 3 }, { 1, 4, 2, 3 } };
  g_autoptr (GBytes) whole = check_bytes (3 * CHECK_PART + 2 * CHECK_MIB, 1);
  g_autoptr (GBytes) other = check_bytes (CHECK_PART, 2);

  for (gsize i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_auto (Upload) upload = { NULL };
      g_autofree char *tail = g_strdup_printf ("%" G_GSIZE_FORMAT, i);

      if (!begin (&upload, self, tail, TEESQL_STORAGE_PUT_NONE))
        return FALSE;
      if (!send (&upload, orders[i][0] == 4 ? 2 : 1, other)) /* to be replaced */
        return FALSE;
      for (guint part = 0; part < 4; part++)
        if (!send_slice (&upload, whole, orders[i][part]))
          return FALSE;
      if (!send_slice (&upload, whole, orders[i][1])) /* the same bytes again */
        return FALSE;
      if (!commit (&upload, TEESQL_STORAGE_PUT_NONE, g_bytes_get_size (whole)) || !check_expect_content (self, upload.name, whole))
        return FALSE;
    }
  return in_parallel (self);
}

gboolean
check_upload_invisible (Check *self)
{
  g_auto (Upload) upload = { NULL };
  g_autoptr (GBytes) whole = check_bytes (CHECK_PART + 1, 1);

  return begin (&upload, self, "o", TEESQL_STORAGE_PUT_NONE) && check_expect_absent (self, upload.name) && send_slice (&upload, whole, 1) &&
         check_expect_absent (self, upload.name) && send_slice (&upload, whole, 2) && check_expect_absent (self, upload.name) &&
         commit (&upload, TEESQL_STORAGE_PUT_NONE, CHECK_PART + 1) && check_expect_content (self, upload.name, whole);
}

gboolean
check_upload_overwrite (Check *self)
{
  g_autofree char *name = check_name (self, "o");
  g_autoptr (GBytes) before = check_bytes (1000, 1);

  return check_expect_put (self, name, before) && upload_whole (self, "o", CHECK_PART + 1, TEESQL_STORAGE_PUT_NONE) &&
         upload_whole (self, "o", 10, TEESQL_STORAGE_PUT_NONE);
}

/* ---- the end of uploads ---- */

static gboolean
expect_gone (Upload *self)
{
  g_autoptr (GBytes) bytes = check_bytes (CHECK_PART, 1);
  const char *const tags[] = { self->tags->len > 0 ? self->tags->pdata[0] : "1", NULL };
  GError *error = NULL;
  char *tag = check_part (self->check, self->name, self->id, 1, bytes, &error);

  if (tag != NULL)
    {
      g_free (tag);
      return check_differs (self->check, "a part of an upload that is no more is NOT_FOUND", "success");
    }
  if (!check_expect_error (self->check, "a part of an upload that is no more is NOT_FOUND", error, TEESQL_STORAGE_ERROR,
                           TEESQL_ERROR_NOT_FOUND))
    return FALSE;
  error = NULL;
  if (check_commit (self->check, self->name, self->id, tags, TEESQL_STORAGE_PUT_NONE, NULL, &error))
    return check_differs (self->check, "the commit of an upload that is no more is NOT_FOUND", "success");
  return check_expect_error (self->check, "the commit of an upload that is no more is NOT_FOUND", error, TEESQL_STORAGE_ERROR,
                             TEESQL_ERROR_NOT_FOUND);
}

gboolean
check_upload_abort (Check *self)
{
  g_auto (Upload) upload = { NULL };
  g_autoptr (GBytes) whole = check_bytes (CHECK_PART + 1, 1);
  GError *error = NULL;

  if (!begin (&upload, self, "o", TEESQL_STORAGE_PUT_NONE) || !send_slice (&upload, whole, 1))
    return FALSE;
  for (guint i = 0; i < 2; i++)
    if (!check_abort (self, upload.name, upload.id, &error))
      return check_failed (self, i == 0 ? "upload_abort succeeds" : "upload_abort succeeds again", error);
  return check_expect_absent (self, upload.name) && expect_gone (&upload) && check_expect_absent (self, upload.name);
}

/* An id that the store might have given, and did not. */
gboolean
check_upload_unknown (Check *self)
{
  g_auto (Upload) upload = { NULL };
  GError *error = NULL;
  gsize last = 0;

  if (!begin (&upload, self, "o", TEESQL_STORAGE_PUT_NONE))
    return FALSE;
  if (!check_abort (self, upload.name, upload.id, &error))
    return check_failed (self, "upload_abort succeeds", error);
  last = strlen (upload.id) - 1;
  upload.id[last] = upload.id[last] == '0' ? '1' : '0';
  if (!expect_gone (&upload))
    return FALSE;
  if (!check_abort (self, upload.name, upload.id, &error))
    return check_failed (self, "upload_abort of an unknown id succeeds", error);
  return TRUE;
}

/* ---- IF_ABSENT ---- */

gboolean
check_upload_if_absent (Check *self)
{
  g_auto (Upload) upload = { NULL };
  g_autofree char *name = check_name (self, "o");
  g_autoptr (GBytes) whole = check_bytes (CHECK_PART + 1, 1);
  g_autoptr (GBytes) before = check_bytes (1000, 1);
  GError *error = NULL;

  /* the object appears between begin and commit: that the name was free at first decides nothing */
  if (!begin (&upload, self, "o", TEESQL_STORAGE_PUT_IF_ABSENT) || !send_slice (&upload, whole, 1) || !send_slice (&upload, whole, 2) ||
      !check_expect_put (self, name, before))
    return FALSE;
  g_ptr_array_add (upload.tags, NULL);
  if (check_commit (self, upload.name, upload.id, (const char *const *) upload.tags->pdata, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error))
    return check_differs (self, "a commit with IF_ABSENT is EXISTS where an object is", "success");
  if (!check_expect_error (self, "a commit with IF_ABSENT is EXISTS where an object is", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
    return FALSE;
  error = NULL;
  if (!check_abort (self, upload.name, upload.id, &error))
    return check_failed (self, "upload_abort succeeds", error);
  return check_expect_content (self, name, before) && upload_whole (self, "p", 10, TEESQL_STORAGE_PUT_IF_ABSENT);
}

typedef struct
{
  Upload uploads[CHECK_N_RACERS];
  GBytes *contents[CHECK_N_RACERS];
  int n_won;  /* atomic */
  int winner; /* atomic */
} Race;

static gboolean
race_commit (Check *self, guint index, gpointer data)
{
  Race *race = data;
  Upload *upload = &race->uploads[index];
  GError *error = NULL;

  if (!check_commit (self, upload->name, upload->id, (const char *const *) upload->tags->pdata, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, &error))
    return check_expect_error (self, "who loses the race hears EXISTS", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  g_atomic_int_inc (&race->n_won);
  g_atomic_int_set (&race->winner, (int) index);
  return TRUE;
}

static gboolean
prepare_racer (Check *self, guint index, gpointer data)
{
  Race *race = data;
  Upload *upload = &race->uploads[index];

  if (!begin (upload, self, "o", TEESQL_STORAGE_PUT_IF_ABSENT) || !send (upload, 1, race->contents[index]))
    return FALSE;
  g_ptr_array_add (upload->tags, NULL);
  return TRUE;
}

static gboolean
run_race (Check *self, Race *race)
{
  gboolean well =
      check_in_parallel (self, CHECK_N_RACERS, prepare_racer, race) && check_in_parallel (self, CHECK_N_RACERS, race_commit, race);

  if (well && race->n_won != 1)
    well = check_differs (self, "exactly one of eight racers wins",
                          "%d won: the store does not decide whether a name is free when an upload ends. A repository does not "
                          "rely on that: what it stores with a condition goes in one request",
                          race->n_won);
  for (guint i = 0; i < CHECK_N_RACERS; i++)
    {
      g_autoptr (GError) error = NULL;

      if (race->uploads[i].id != NULL && !check_abort (self, race->uploads[i].name, race->uploads[i].id, &error))
        well = check_failed (self, "upload_abort succeeds, also after a commit", g_steal_pointer (&error));
    }
  return well && check_expect_content (self, race->uploads[0].name, race->contents[race->winner]);
}

gboolean
check_upload_race (Check *self)
{
  Race race = { .n_won = 0 };
  gboolean well = FALSE;

  for (guint i = 0; i < CHECK_N_RACERS; i++)
    race.contents[i] = check_bytes (100 * 1024, i);
  well = run_race (self, &race);
  for (guint i = 0; i < CHECK_N_RACERS; i++)
    {
      upload_clear (&race.uploads[i]);
      g_bytes_unref (race.contents[i]);
    }
  return well;
}
