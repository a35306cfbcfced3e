#include "test-world.h"

#include "file-name.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process that is killed, or a disk that is full, leaves behind: whole objects, and nothing else that shows. */

#define MIB      ((gsize) 1024 * 1024)
#define N_ROUNDS 12
#define OBJECT   (3 * MIB + 123)

/* An object's content follows from its number, so that one that is there can be judged. */
static gsize
size_of (guint number)
{
  return number % 3 == 0 ? 100 + number : OBJECT + number;
}

static void
put_one (World *world, guint number)
{
  g_autofree char *name = g_strdup_printf ("d%u/%u", number % 4, number % 8);
  g_autoptr (GBytes) bytes = world_bytes (size_of (number % 8), (guint8) (number % 8));
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&(TeesqlObjectInfo *){ world_put (world, name, bytes, TEESQL_STORAGE_PUT_NONE, &error) }, teesql_object_info_unref);
  g_assert_no_error (error);
}

static void
upload_one (World *world, guint number)
{
  g_autofree char *name = g_strdup_printf ("d%u/%u", number % 4, number % 8);
  g_autoptr (GBytes) whole = world_bytes (size_of (number % 8), (guint8) (number % 8));
  g_autofree char *id = world_upload_begin (world, name, NULL);
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);

  for (gsize at = 0; at < g_bytes_get_size (whole); at += MIB)
    {
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (whole, at, MIN (MIB, g_bytes_get_size (whole) - at));

      g_ptr_array_add (tags, world_upload_part (world, name, id, tags->len + 1, part, NULL));
    }
  g_ptr_array_add (tags, NULL);
  g_clear_pointer (&(TeesqlObjectInfo *){ world_upload_commit (world, name, id, (const char *const *) tags->pdata, TEESQL_STORAGE_PUT_NONE,
                                                               NULL) },
                   teesql_object_info_unref);
}

/* The child: stores until it is killed. */
static int
run_writer (const char *folder, gboolean named)
{
  World world = { NULL };
  g_autoptr (GError) error = NULL;

  world.file = world_open (folder, named, &error);
  g_assert_no_error (error);
  world.storage = TEESQL_STORAGE (world.file);
  for (guint i = 0; TRUE; i++)
    {
      (i % 2 == 0 ? put_one : upload_one) (&world, i / 2);
      if (i == 0 && write (STDOUT_FILENO, "r", 1) != 1)
        return 1;
    }
}

static GPid
start_writer (const char *folder, gboolean named)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  char *argv[] = { program, (char *) "--writer", (char *) folder, (char *) (named ? "named" : "unnamed"), NULL };
  g_autoptr (GError) error = NULL;
  GPid pid = 0;
  int out = -1;
  char ready = 0;

  g_assert_true (g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &out, NULL, &error));
  g_assert_cmpint (read (out, &ready, 1), ==, 1);
  g_assert_cmpint (close (out), ==, 0);
  return pid;
}

static void
assert_whole (World *world)
{
  g_autoptr (GPtrArray) names = world_list (world, "", 3);

  g_assert_cmpuint (names->len, >, 0);
  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (GError) error = NULL;
      guint number = (guint) g_ascii_strtoull (strchr (names->pdata[i], '/') + 1, NULL, 10);
      g_autoptr (GBytes) expected = world_bytes (size_of (number), (guint8) number);
      g_autoptr (GBytes) found = world_get (world, names->pdata[i], 0, G_MAXUINT64, &error);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (found, expected));
    }
}

static void
test_killed (gconstpointer named)
{
  World world = { NULL };
  GPollFD none = { .fd = -1 };

  world_begin (&world, GPOINTER_TO_INT (named));
  for (guint round = 0; round < N_ROUNDS; round++)
    {
      GPid pid = start_writer (world.folder, GPOINTER_TO_INT (named));

      g_poll (&none, 0, g_test_rand_int_range (0, 60)); /* anywhere */
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
      assert_whole (&world);
    }
  world_end (&world);
}

static void
test_full (void)
{
  World world = { NULL };
  g_autofree char *folder = g_dir_make_tmp ("teesql-full-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) small = world_bytes (MIB, 1);
  g_autoptr (GBytes) large = world_bytes (20 * MIB, 2);
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *id = NULL;

  if (mount ("tmpfs", folder, "tmpfs", 0, "size=8m") != 0)
    {
      g_test_skip ("a small file system needs root");
      g_assert_cmpint (g_rmdir (folder), ==, 0);
      return;
    }
  world_begin_at (&world, folder);
  teesql_object_info_unref (world_put (&world, "fits", small, TEESQL_STORAGE_PUT_NONE, &error));
  g_assert_no_error (error);
  g_assert_null (world_put (&world, "does-not", large, TEESQL_STORAGE_PUT_NONE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE);
  g_clear_error (&error);
  id = world_upload_begin (&world, "does-not", &error);
  g_assert_null (world_upload_part (&world, "does-not", id, 1, large, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE);
  names = world_list (&world, "", 10);
  g_assert_cmpuint (names->len, ==, 1);
  g_clear_object (&world.file);
  g_free (world.folder);
  g_assert_cmpint (umount2 (folder, MNT_DETACH), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  if (argc == 4 && strcmp (argv[1], "--writer") == 0)
    return run_writer (argv[2], strcmp (argv[3], "named") == 0);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/file/crash/whole-objects-only", GINT_TO_POINTER (FALSE), test_killed);
  g_test_add_data_func ("/file/crash/whole-objects-only-without-unnamed-files", GINT_TO_POINTER (TRUE), test_killed);
  g_test_add_func ("/file/crash/a-full-disk-stores-nothing-in-part", test_full);
  return g_test_run ();
}
