#include "file-durable.h"
#include "file-name.h"
#include "file-root.h"
#include "file-sweep.h"
#include "test-world.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#define MIB ((gsize) 1024 * 1024)

/* ---- names ---- */

static void
assert_decodes (const char *name)
{
  g_autofree char *path = file_name_to_path (name);
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  g_autofree char *base = g_strdup ("");

  for (guint i = 0; steps[i] != NULL; i++)
    {
      char *next = NULL;

      g_assert_cmpuint (strlen (steps[i]), <=, 129);
      g_assert_cmpstr (steps[i], !=, ".");
      g_assert_cmpstr (steps[i], !=, "..");
      g_assert_cmpstr (steps[i], !=, FILE_WORK_FOLDER);
      g_assert_true (file_name_decode (base, steps[i], steps[i + 1] != NULL, &next));
      g_free (base);
      base = next;
    }
  g_assert_cmpstr (base, ==, name);
}

static void
test_names (void)
{
  static const char *const names[] = { "a", "a/b", ".x", "..x", "...", "a/.b/..c", "-", "=/=", ".teesql", ".teesql-work" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    assert_decodes (names[i]);
  for (gsize length = 126; length <= 512; length++)
    {
      g_autofree char *whole = g_strnfill (length, 'x');
      g_autofree char *dots = g_strnfill (length, '.');
      g_autofree char *parent = g_strdup_printf ("%.*s/y", (int) MIN (length, 510), whole);
      g_autofree char *dot_parent = g_strdup_printf ("%.*s/..y", (int) MIN (length, 508), dots);

      assert_decodes (whole);
      assert_decodes (dots);
      assert_decodes (parent);
      assert_decodes (dot_parent);
    }
}

static void
test_random_names (void)
{
  static const char chars[] = "abzAZ09._=-/////.......";

  for (guint round = 0; round < 20000; round++)
    {
      guint length = (guint) g_test_rand_int_range (1, 513);
      g_autofree char *name = g_malloc0 (length + 1);

      for (guint i = 0; i < length; i++)
        name[i] = chars[g_test_rand_int_range (0, sizeof chars - 1)];
      if (teesql_storage_name_is_valid (name))
        assert_decodes (name);
    }
}

static void
test_foreign_entries (void)
{
  static const struct
  {
    const char *base;
    const char *entry;
    gboolean is_folder;
  } cases[] = {
    { "", "lost+found", TRUE }, { "", "README", FALSE }, { "", "@", FALSE },    { "", "+", TRUE },
    { "a/", "+", TRUE },        { "", "..@", FALSE },    { "", "a b@", FALSE }, { "", "a@@", FALSE },
    { "", "a@", TRUE },         { "", "a~", FALSE },     { "", "x+", TRUE },    { "a/", ".+", TRUE },
    { "", ".", TRUE },          { "", "..", TRUE },      { "", "", FALSE },     { "", FILE_WORK_FOLDER, TRUE },
  };
  g_autofree char *long_folder = g_strnfill (128, 'x');
  g_autofree char *long_file = g_strdup_printf ("%s@", long_folder);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      char *name = NULL;

      g_assert_false (file_name_decode (cases[i].base, cases[i].entry, cases[i].is_folder, &name));
    }
  g_assert_false (file_name_decode ("", long_folder, TRUE, &(char *){ NULL }));
  g_assert_false (file_name_decode ("", long_file, FALSE, &(char *){ NULL }));
}

/* ---- objects ---- */

static void
assert_content (World *world, const char *name, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) found = world_get (world, name, 0, G_MAXUINT64, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (found, bytes));
}

static void
put (World *world, const char *name, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = world_put (world, name, bytes, TEESQL_STORAGE_PUT_NONE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, g_bytes_get_size (bytes));
}

static void
test_round_trip (gconstpointer named)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) big = world_bytes (40 * MIB + 5, 1);
  g_autoptr (GBytes) small = world_bytes (5, 2);

  world_begin (&world, GPOINTER_TO_INT (named));
  put (&world, "a", big);
  put (&world, "a/b", small);
  assert_content (&world, "a", big);
  assert_content (&world, "a/b", small);
  g_assert_null (world_put (&world, "a", small, TEESQL_STORAGE_PUT_IF_ABSENT, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  put (&world, "a", small);
  assert_content (&world, "a", small);
  g_assert_cmpuint (world_n_work (&world), ==, 0);
  world_end (&world);
}

static void
test_uploads (gconstpointer named)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) whole = world_bytes (3 * MIB + 100, 1);
  g_autofree char *id = NULL;
  char *tags[5] = { NULL };

  world_begin (&world, GPOINTER_TO_INT (named));
  id = world_upload_begin (&world, "o", &error);
  g_assert_no_error (error);
  for (guint i = 4; i > 0; i--)
    {
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (whole, (i - 1) * MIB, i == 4 ? 100 : MIB);

      if (i == 2) /* another process goes on */
        {
          g_clear_object (&world.file);
          world.file = world_open (world.folder, GPOINTER_TO_INT (named), &error);
          world.storage = TEESQL_STORAGE (world.file);
        }
      tags[i - 1] = world_upload_part (&world, "o", id, i, part, &error);
      g_assert_no_error (error);
    }
  g_assert_null (world_upload_part (&world, "p", id, 1, whole, &error)); /* the id of another object */
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_clear_error (&error);
  teesql_object_info_unref (world_upload_commit (&world, "o", id, (const char *const *) tags, TEESQL_STORAGE_PUT_IF_ABSENT, &error));
  g_assert_no_error (error);
  assert_content (&world, "o", whole);
  g_assert_cmpuint (world_n_work (&world), ==, 0);
  for (guint i = 0; i < 4; i++)
    g_free (tags[i]);
  world_end (&world);
}

static void
test_hostile_ids (void)
{
  static const char *const ids[] = { "x", "..", "../..", "up-", "/etc", "up-000000000000000000000000-00000000000000000000000000000000" };
  World world = { NULL };
  g_autoptr (GBytes) bytes = world_bytes (5, 1);

  world_begin (&world, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (world_upload_part (&world, "o", ids[i], 1, bytes, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
    }
  world_end (&world);
}

static void
test_shrinks (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = world_bytes (3 * MIB, 1);
  g_autoptr (GInputStream) stream = NULL;
  g_autofree char *path = NULL;

  world_begin (&world, FALSE);
  put (&world, "o", bytes);
  path = world_path (&world, "o@");
  stream = world_open_object (&world, "o", &error);
  g_assert_cmpint (truncate (path, MIB), ==, 0);
  g_assert_null (world_read (stream, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
  world_end (&world);
}

static void
test_links (void)
{
  World world = { NULL };
  World outside = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = world_bytes (10, 1);
  g_autofree char *file = NULL;
  g_autofree char *folder = NULL;
  g_autofree char *secret = NULL;
  g_autoptr (GPtrArray) names = NULL;

  world_begin (&outside, FALSE);
  put (&outside, "secret", bytes);
  secret = world_path (&outside, "secret@");
  world_begin (&world, FALSE);
  file = world_path (&world, "file@");
  folder = world_path (&world, "folder");
  g_assert_cmpint (symlink (secret, file), ==, 0);
  g_assert_cmpint (symlink (outside.folder, folder), ==, 0);
  g_assert_null (world_get (&world, "file", 0, G_MAXUINT64, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);
  g_assert_null (world_get (&world, "folder/secret", 0, G_MAXUINT64, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);
  g_assert_null (world_put (&world, "folder/new", bytes, TEESQL_STORAGE_PUT_NONE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  names = world_list (&world, "", 10);
  g_assert_cmpuint (names->len, ==, 0);
  world_end (&world);
  world_end (&outside);
}

static void
test_empty_folders (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = world_bytes (10, 1);
  g_autofree char *path = NULL;
  g_autoptr (GPtrArray) names = NULL;

  world_begin (&world, FALSE);
  put (&world, "a/b/c/d", bytes);
  put (&world, "a/x", bytes);
  g_assert_true (world_remove (&world, "a/b/c/d", &error));
  path = world_path (&world, "a/b");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  /* folders that somebody left empty hide nothing behind them, however small the page */
  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *name = g_strdup_printf ("0%02u", i);
      g_autofree char *folder = world_path (&world, name);

      g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    }
  names = world_list (&world, "", 1);
  g_assert_cmpuint (names->len, ==, 1);
  g_assert_cmpstr (names->pdata[0], ==, "a/x");
  world_end (&world);
}

typedef struct
{
  const char *folder;
  int stop; /* atomic */
} Pruner;

/* Takes away the folder as often as it is empty, as a remove() elsewhere does. */
static gpointer
prune_run (gpointer data)
{
  Pruner *self = data;
  g_autofree char *inner = g_build_filename (self->folder, "a", "b", NULL);
  g_autofree char *outer = g_build_filename (self->folder, "a", NULL);
  GPollFD none = { .fd = -1 };

  while (g_atomic_int_get (&self->stop) == 0)
    {
      for (guint i = 0; i < 20; i++)
        if (rmdir (inner) == 0)
          rmdir (outer);
      g_poll (&none, 0, 1); /* no remove does it without end */
    }
  return NULL;
}

static void
test_prune_race (void)
{
  World world = { NULL };
  g_autoptr (GBytes) bytes = world_bytes (10, 1);
  Pruner pruner = { NULL, 0 };
  GThread *thread = NULL;

  world_begin (&world, FALSE);
  pruner.folder = world.folder;
  thread = g_thread_new ("prune", prune_run, &pruner);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (GError) error = NULL;

      put (&world, "a/b/o", bytes);
      assert_content (&world, "a/b/o", bytes);
      g_assert_true (world_remove (&world, "a/b/o", &error));
    }
  g_atomic_int_set (&pruner.stop, 1);
  g_thread_join (thread);
  world_end (&world);
}

static void
age (const char *path, gint64 seconds)
{
  struct utimbuf times = { .actime = time (NULL) - seconds, .modtime = time (NULL) - seconds };

  g_assert_cmpint (utime (path, &times), ==, 0);
}

static void
test_sweep (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = world_bytes (10, 1);
  g_autofree char *stale = NULL;
  g_autofree char *fresh = NULL;
  g_autofree char *work = NULL;
  g_autofree char *left = NULL;
  g_autofree char *held = NULL;
  int fd = -1;

  world_begin (&world, FALSE);
  stale = world_upload_begin (&world, "o", &error);
  fresh = world_upload_begin (&world, "o", &error);
  g_free (world_upload_part (&world, "o", stale, 1, bytes, &error));
  work = world_path (&world, FILE_WORK_FOLDER);
  left = g_build_filename (work, "put-1", NULL);
  held = g_build_filename (work, "put-2", NULL);
  g_assert_true (g_file_set_contents (left, "x", 1, NULL));
  g_assert_true (g_file_set_contents (held, "x", 1, NULL));
  age (left, 3600);
  age (held, 3600);
  fd = g_open (held, O_RDONLY, 0);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  {
    g_autofree char *path = g_build_filename (work, stale, NULL);

    age (path, FILE_UPLOAD_MAX_AGE_S + 10);
  }
  g_clear_object (&world.file);
  world.file = world_open (world.folder, FALSE, &error);
  world.storage = TEESQL_STORAGE (world.file);
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (held, G_FILE_TEST_EXISTS));
  g_assert_null (world_upload_part (&world, "o", stale, 1, bytes, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_free (world_upload_part (&world, "o", fresh, 1, bytes, &error));
  g_assert_no_error (error);
  g_assert_cmpint (close (fd), ==, 0);
  world_end (&world);
}

/* A folder that was made again under the same name has a name that may not be durable. */
static void
test_durable_folders (void)
{
  g_autoptr (FileDurable) durable = file_durable_new ();
  g_autofree char *folder = g_dir_make_tmp ("teesql-durable-XXXXXX", NULL);
  g_auto (FileFd) other = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_auto (FileFd) fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_auto (FileFd) again = -1;

  g_assert_false (file_durable_knows (durable, "a/b", fd));
  file_durable_add (durable, "a/b", open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  g_assert_true (file_durable_knows (durable, "a/b", fd));
  g_assert_false (file_durable_knows (durable, "a/b", other));
  g_assert_false (file_durable_knows (durable, "a", fd));
  file_fd_clear (&fd);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  again = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_false (file_durable_knows (durable, "a/b", again));
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_configuration (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (world_open ("relative", FALSE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (world_open (NULL, FALSE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (world_open ("/nonexistent/folder", FALSE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (world_open ("/dev/null", FALSE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
}

static char *
work_entry (World *world, const char *id, const char *file)
{
  g_autofree char *relative = g_strdup_printf ("%s/%s/%s", FILE_WORK_FOLDER, id, file);

  return world_path (world, relative);
}

static void
place_pipe (const char *path)
{
  unlink (path);
  g_assert_cmpint (mkfifo (path, 0666), ==, 0);
}

/* Whoever else may write to the folder puts a pipe, or one of our own objects, where a part is. */
static void
test_hostile_parts (void)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = world_bytes (1000, 1);
  g_autoptr (GBytes) other = world_bytes (1000, 2);
  g_autoptr (GBytes) back = NULL;
  g_autofree char *id = NULL;
  g_autofree char *object = NULL;
  g_autofree char *data = NULL;
  g_autofree char *early = NULL;
  g_autofree char *folder = NULL;
  g_autofree char *first = NULL;
  const char *tags[] = { "p1000", NULL };

  world_begin (&world, FALSE);
  teesql_object_info_unref (world_put (&world, "kept", bytes, TEESQL_STORAGE_PUT_NONE, &error));
  id = world_upload_begin (&world, "o", &error);
  g_assert_no_error (error);
  early = work_entry (&world, id, "part.2");
  place_pipe (early);
  g_assert_null (world_upload_part (&world, "o", id, 2, bytes, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);
  first = world_upload_part (&world, "o", id, 1, bytes, &error);
  g_assert_no_error (error);
  data = work_entry (&world, id, "data.1000");
  place_pipe (data);
  g_assert_null (world_upload_part (&world, "o", id, 1, bytes, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);
  g_assert_null (world_upload_commit (&world, "o", id, tags, TEESQL_STORAGE_PUT_NONE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);

  unlink (data);
  object = world_path (&world, "kept@");
  g_assert_cmpint (link (object, data), ==, 0);
  g_assert_null (world_upload_part (&world, "o", id, 1, other, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED);
  g_clear_error (&error);
  back = world_get (&world, "kept", 0, 1000, &error);
  g_assert_true (g_bytes_equal (back, bytes));

  folder = work_entry (&world, id, "folder");
  g_assert_cmpint (mkdir (folder, 0700), ==, 0);
  g_assert_true (world_upload_abort (&world, "o", id, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (world_n_work (&world), ==, 0);
  world_end (&world);
}

/* Opening does not write: a folder that may only be read serves a restore. */
static void
test_reading_only (void)
{
  World world = { NULL };
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *work = NULL;

  world_begin (&world, FALSE);
  names = world_list (&world, "", 10);
  g_assert_cmpuint (names->len, ==, 0);
  work = world_path (&world, FILE_WORK_FOLDER);
  g_assert_false (g_file_test (work, G_FILE_TEST_EXISTS));
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/file/name/every-name-has-a-path-of-its-own", test_names);
  g_test_add_func ("/file/name/random-names-come-back", test_random_names);
  g_test_add_func ("/file/name/foreign-entries-are-no-objects", test_foreign_entries);
  g_test_add_data_func ("/file/objects/round-trip", GINT_TO_POINTER (FALSE), test_round_trip);
  g_test_add_data_func ("/file/objects/round-trip-without-unnamed-files", GINT_TO_POINTER (TRUE), test_round_trip);
  g_test_add_data_func ("/file/uploads/outlive-the-process", GINT_TO_POINTER (FALSE), test_uploads);
  g_test_add_data_func ("/file/uploads/outlive-the-process-without-unnamed-files", GINT_TO_POINTER (TRUE), test_uploads);
  g_test_add_func ("/file/uploads/ids-lead-nowhere-else", test_hostile_ids);
  g_test_add_func ("/file/uploads/what-stands-where-a-part-is-does-no-harm", test_hostile_parts);
  g_test_add_func ("/file/objects/one-that-shrinks-is-an-error-not-an-end", test_shrinks);
  g_test_add_func ("/file/objects/links-are-not-followed", test_links);
  g_test_add_func ("/file/objects/empty-folders-go-and-do-no-harm", test_empty_folders);
  g_test_add_func ("/file/objects/put-survives-folders-that-vanish", test_prune_race);
  g_test_add_func ("/file/folders/one-that-was-made-again-is-not-known-as-durable", test_durable_folders);
  g_test_add_func ("/file/work/leftovers-are-cleared-at-the-start", test_sweep);
  g_test_add_func ("/file/path/must-be-an-absolute-folder", test_configuration);
  g_test_add_func ("/file/path/is-not-written-by-reading", test_reading_only);
  return g_test_run ();
}
