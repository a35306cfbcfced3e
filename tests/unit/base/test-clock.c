/* SR-27: the host controls the wall clock. */
#include "base/teesql-clock.h"
#include "base/teesql-domains.h"
#include "teesql-build.h"
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define START ((gint64) TEESQL_BUILD_UNIX + 1000000)

typedef struct
{
  char *folder;
  char *file;
} Fixture;

/* Not of the fixture: a clock that is being saved lives on in its thread, and asks for the time when it ends. */
static gint64 wall_unix;
static gint64 boot_ms;

static gint64
fake_wall (gpointer data)
{
  return wall_unix;
}

static gint64
fake_boot (gpointer data)
{
  return boot_ms;
}

static void
set_up (Fixture *self, gconstpointer data)
{
  wall_unix = START;
  boot_ms = 5000;
  self->folder = g_dir_make_tmp ("teesql-clock-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->file = g_build_filename (self->folder, "floor", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->file);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->file);
  g_free (self->folder);
}

static TeesqlClock *
new_clock (Fixture *self, const char *file)
{
  const TeesqlClockSource source = { fake_wall, fake_boot, NULL };
  g_autoptr (GError) error = NULL;
  TeesqlClock *clock = teesql_clock_new (file, &source, &error);

  g_assert_no_error (error);
  return clock;
}

static void
advance (Fixture *self, gint64 seconds)
{
  wall_unix += seconds;
  boot_ms += seconds * 1000;
}

static void
assert_now (TeesqlClock *clock, gint64 expected)
{
  g_autoptr (GError) error = NULL;
  gint64 now = teesql_clock_now (clock, &error);

  g_assert_no_error (error);
  g_assert_cmpint (now, ==, expected);
}

static void
assert_behind (TeesqlClock *clock)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (teesql_clock_now (clock, &error), ==, -1);
  g_assert_error (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "clock-behind");
}

static void
test_runs_with_boot_time (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  assert_now (clock, START);
  advance (self, 100);
  g_assert_false (teesql_clock_check (clock));
  assert_now (clock, START + 100);
}

static void
test_refuses_below_build_time (Fixture *self, gconstpointer data)
{
  wall_unix = (gint64) TEESQL_BUILD_UNIX - 1;
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  assert_behind (clock);
  advance (self, 1);
  assert_now (clock, TEESQL_BUILD_UNIX);
}

static void
test_refuses_below_verified_date (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  teesql_clock_raise_floor (clock, START + 50);
  assert_behind (clock);
  g_assert_cmpint (teesql_clock_get_floor (clock), ==, START + 50);
  teesql_clock_raise_floor (clock, START);
  g_assert_cmpint (teesql_clock_get_floor (clock), ==, START + 50);
  advance (self, 50);
  assert_now (clock, START + 50);
}

static void
test_step_back_is_not_followed (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  wall_unix -= 3600;
  assert_now (clock, START);
  g_assert_true (teesql_clock_check (clock));
  assert_now (clock, START);
  g_assert_false (teesql_clock_check (clock)); /* one step, one report */
  advance (self, 10);
  g_assert_false (teesql_clock_check (clock));
  assert_now (clock, START + 10);
  wall_unix -= 31;
  g_assert_true (teesql_clock_check (clock));
  wall_unix += 3631;
  g_assert_true (teesql_clock_check (clock));
  assert_now (clock, START + 10);
}

static void
test_step_forward_is_followed (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  wall_unix += 3600;
  g_assert_true (teesql_clock_check (clock));
  assert_now (clock, START + 3600);
  g_assert_false (teesql_clock_check (clock));
  wall_unix -= 3600;
  g_assert_true (teesql_clock_check (clock));
  assert_now (clock, START + 3600);
}

static void
test_small_differences_are_no_move (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  wall_unix += 30;
  g_assert_false (teesql_clock_check (clock));
  assert_now (clock, START);
  /* many small steps are one big one */
  wall_unix += 1;
  g_assert_true (teesql_clock_check (clock));
  assert_now (clock, START + 31);
}

static void
test_small_step_forward_leaves_the_past (Fixture *self, gconstpointer data)
{
  wall_unix = (gint64) TEESQL_BUILD_UNIX - 10;
  g_autoptr (TeesqlClock) clock = new_clock (self, NULL);

  assert_behind (clock);
  wall_unix += 15;
  g_assert_false (teesql_clock_check (clock));
  assert_now (clock, (gint64) TEESQL_BUILD_UNIX + 5);
}

static void
test_step_back_before_start_is_refused (Fixture *self, gconstpointer data)
{
  {
    g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
    advance (self, 5000);
  }
  wall_unix = START;
  boot_ms = 0;
  g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
  g_assert_cmpint (teesql_clock_get_floor (clock), ==, START + 5000);
  assert_behind (clock);
}

static void
test_file_never_gets_lower (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  g_autofree char *expected = g_strdup_printf ("teesql-clock 1\n%" G_GINT64_FORMAT "\n", START + 70);

  {
    g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
    teesql_clock_raise_floor (clock, START + 70);
  }
  wall_unix = START - 500;
  {
    g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
    assert_behind (clock);
  }
  g_assert_true (g_file_get_contents (self->file, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
}

static void
wait_for_file (const char *path, const char *expected)
{
  const gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (g_get_monotonic_time () < deadline)
    {
      g_autofree char *text = NULL;

      if (g_file_get_contents (path, &text, NULL, NULL) && g_str_equal (text, expected))
        return;
      g_thread_yield ();
    }
  g_assert_not_reached ();
}

static void
test_check_saves (Fixture *self, gconstpointer data)
{
  g_autofree char *first = g_strdup_printf ("teesql-clock 1\n%" G_GINT64_FORMAT "\n", START);
  g_autofree char *second = g_strdup_printf ("teesql-clock 1\n%" G_GINT64_FORMAT "\n", START + 301);
  g_autoptr (TeesqlClock) clock = new_clock (self, self->file);

  g_assert_false (teesql_clock_check (clock));
  wait_for_file (self->file, first);
  advance (self, 301);
  g_assert_false (teesql_clock_check (clock));
  wait_for_file (self->file, second);
}

static void
test_garbage_is_survived (Fixture *self, gconstpointer data)
{
  static const char *const garbage[] = {
    "",
    "\n",
    "teesql-clock 1\n",
    "teesql-clock 1\n\n",
    "teesql-clock 1\n9999999999",
    "teesql-clock 1\n-5\n",
    "teesql-clock 1\n99x\n",
    "teesql-clock 1\n999999999999999\n",
    "teesql-clock 2\n9999999999\n",
    "\xff\xfe\xfd",
    "teesql-clock 1\n00000000000000000000000000000000000000000000000000000000000000000009999999999\n"
  };

  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++)
    {
      g_assert_true (g_file_set_contents (self->file, garbage[i], -1, NULL));
      g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
      g_assert_cmpint (teesql_clock_get_floor (clock), ==, TEESQL_BUILD_UNIX);
      assert_now (clock, START);
    }
}

static void
test_special_files_do_not_hang (Fixture *self, gconstpointer data)
{
  g_assert_cmpint (mkfifo (self->file, 0600), ==, 0);
  g_autoptr (TeesqlClock) clock = new_clock (self, self->file);
  assert_now (clock, START);
}

static void
test_unwritable_folder_is_survived (Fixture *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->folder, "absent", "floor", NULL);
  g_autoptr (TeesqlClock) clock = new_clock (self, path);

  g_assert_false (teesql_clock_check (clock));
  assert_now (clock, START);
}

static void
test_kernel_source (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClock) clock = teesql_clock_new (NULL, NULL, &error);
  gint64 wall = g_get_real_time () / G_USEC_PER_SEC;

  g_assert_no_error (error);
  gint64 now = teesql_clock_now (clock, &error);
  g_assert_no_error (error);
  g_assert_cmpint (now, >=, wall - 2);
  g_assert_cmpint (now, <=, wall + 2);
  g_assert_cmpint (teesql_clock_boot_ms (), >, 0);
}

#define ADD(path, function) g_test_add ("/base/clock/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("runs-with-boot-time", test_runs_with_boot_time);
  ADD ("refuses-below-build-time", test_refuses_below_build_time);
  ADD ("refuses-below-a-verified-date", test_refuses_below_verified_date);
  ADD ("step-back-is-reported-and-not-followed", test_step_back_is_not_followed);
  ADD ("step-forward-is-reported-and-followed", test_step_forward_is_followed);
  ADD ("small-differences-are-no-move", test_small_differences_are_no_move);
  ADD ("small-step-forward-leaves-the-past", test_small_step_forward_leaves_the_past);
  ADD ("step-back-before-start-is-refused", test_step_back_before_start_is_refused);
  ADD ("file-never-gets-lower", test_file_never_gets_lower);
  ADD ("check-saves-the-highest-time", test_check_saves);
  ADD ("garbage-in-the-file-is-survived", test_garbage_is_survived);
  ADD ("special-files-do-not-hang-the-start", test_special_files_do_not_hang);
  ADD ("a-folder-that-cannot-be-written-is-survived", test_unwritable_folder_is_survived);
  g_test_add_func ("/base/clock/reads-the-kernel", test_kernel_source);
  return g_test_run ();
}
