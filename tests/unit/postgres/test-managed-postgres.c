#include "base/teesql-domains.h"
#include "postgres/teesql-data-directory.h"
#include "postgres/teesql-managed-memory.h"
#include "postgres/teesql-managed-postgres.h"
#include "base/teesql-log.h"

#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define IDENTIFIER  7711157993824267417u

/* As in test-control-file.c: a control file that initdb wrote. */
static const char control_file[] = "mSzPBFeJA2ukBgAAiXkQDAEAAAAAAAAAV4kDawAAAABoe3MBAAAAAGh7cwEAAAAAAQAAAAEAAAABAAAAAQAAAOMCAAAAAAAATDUA"
                                   "AAEAAAAAAAAA2wIAAAEAAAABAAAAAQAAAAAAAABXiQNrAAAAAAAAAAAAAAAAAAAAAAAAAADoAwAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAZAAAAAgAAAAKAAAAAAAAAEAAAAAAAAAACAAAAAAAAACH1jJBACAAAAAAAgAA"
                                   "IAAAAAAAAUAAAAAgAAAAzAcAAAAIAAABAAAAAQAAACzT/emX5BF+LrTDGhbv+Im2hKN6F3APVs+XQuAPqW6Jamv4BQ==";

/* Stands for PostgreSQL; it never answers, so it is never ready. */
static const char fake_postgres[] = "#!/bin/sh\n"
                                    "[ \"$1\" = --version ] && { echo 'postgres (PostgreSQL) 17.0 (fake)'; exit 0; }\n"
                                    "while [ \"$1\" != -D ]; do shift; done; data=$2\n"
                                    "trap 'exit 0' INT\n"
                                    "trap 'cp \"$data/postgresql.conf\" \"$data/reloaded\"' HUP\n"
                                    "cp \"$data/postgresql.conf\" \"$data/started\"\n"
                                    "while :; do sleep 0.05; done\n";

typedef struct
{
  char *top;
  char *state;
  TeesqlManagedPostgres *managed;
  TeesqlStatus *status;
  TeesqlSecret *password;
  guint n_asked; /* of the filler */
  guint pending;
} Site;

static char *
make_folder (const char *top, const char *name)
{
  char *path = g_build_filename (top, name, NULL);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  return path;
}

static void
write_program (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0755), ==, 0);
}

static void
write_programs (const char *folder)
{
  g_autofree char *initdb =
      g_strdup_printf ("#!/bin/sh\nfor a; do case $a in --pgdata=*) d=${a#*=};; esac; done\n"
                       "mkdir \"$d/global\" && echo 17 >\"$d/PG_VERSION\" && echo %s | base64 -d >\"$d/global/pg_control\"\n"
                       "truncate -s 8192 \"$d/global/pg_control\"\n",
                       control_file);

  write_program (folder, "postgres", fake_postgres);
  write_program (folder, "initdb", initdb);
}

static TeesqlConfig *
make_config (Site *site, const char *bin)
{
  g_autofree char *text = g_strdup_printf ("[teesql]\ncluster = a\nstate-directory = %s\nruntime-directory = %s/run\n"
                                           "[postgresql]\nmode = managed\nuser = nobody\nbin-directory = %s\nstop-timeout = 1s\n",
                                           site->state, site->top, bin);
  g_autoptr (GError) error = NULL;
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  return config;
}

static void
set_up (Site *site, gconstpointer data)
{
  g_autofree char *bin = NULL;
  g_autofree char *run = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  TeesqlManagedPlace *place = NULL;
  TeesqlLauncherEnds ends = { -1, -1 };

  site->top = g_dir_make_tmp ("teesql-managed-XXXXXX", NULL);
  g_assert_cmpint (g_chmod (site->top, 0755), ==, 0);
  site->state = make_folder (site->top, "state");
  bin = make_folder (site->top, "bin");
  run = make_folder (site->top, "run");
  write_programs (bin);
  config = make_config (site, bin);
  place = teesql_managed_place_new (config, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_launcher_fork (place, &ends, &error));
  site->status = teesql_status_new ();
  site->managed = teesql_managed_postgres_new (place, &ends, config, site->status);
  site->password = teesql_secret_new ((const guint8 *) "secret", 6, &error);
  g_assert_no_error (error);
}

typedef gboolean (*Condition) (Site *site, const char *text);

static gboolean
deadline_cb (gpointer data)
{
  g_error ("waited too long");
  return G_SOURCE_REMOVE;
}

static gboolean
wake_cb (gpointer data)
{
  return G_SOURCE_CONTINUE; /* another process may have changed a file */
}

static void
wait_until (Site *site, Condition condition, const char *text)
{
  guint deadline = g_timeout_add (DEADLINE_MS, deadline_cb, NULL);
  guint wake = g_timeout_add (20, wake_cb, NULL);

  while (!condition (site, text))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (wake);
  g_source_remove (deadline);
}

static gboolean
shows (Site *site, const char *reason)
{
  g_autofree char *json = teesql_status_render_json (site->status);
  g_autofree char *wanted = g_strdup_printf ("\"%s\"", reason);

  return strstr (json, wanted) != NULL;
}

static gboolean
is_starting (Site *site, const char *unused)
{
  return teesql_managed_postgres_get_state (site->managed) == TEESQL_MANAGED_STARTING;
}

static gboolean
is_stopped (Site *site, const char *unused)
{
  return teesql_managed_postgres_get_state (site->managed) == TEESQL_MANAGED_STOPPED;
}

static void
tear_down (Site *site, gconstpointer data)
{
  TeesqlManagedPostgres *alive = site->managed;

  g_clear_handle_id (&site->pending, g_source_remove);
  teesql_managed_postgres_stop_async (site->managed, NULL, NULL);
  wait_until (site, is_stopped, NULL);
  g_object_add_weak_pointer (G_OBJECT (alive), (gpointer *) &alive);
  g_clear_object (&site->managed);
  while (alive != NULL) /* a question to the server may still be under way */
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (wait (NULL), >, 0);
  teesql_secret_unref (site->password);
  g_object_unref (site->status);
  g_assert_true (teesql_data_directory_empty (site->top));
  g_assert_cmpint (g_rmdir (site->top), ==, 0);
  g_free (site->state);
  g_free (site->top);
}

static char *
in_data (Site *site, const char *name)
{
  return g_build_filename (site->state, "postgresql", name, NULL);
}

static gboolean
file_exists (Site *site, const char *name)
{
  g_autofree char *path = in_data (site, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static gboolean
reloaded_with (Site *site, const char *line)
{
  g_autofree char *path = in_data (site, "reloaded");
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) && strstr (text, line) != NULL;
}

/* First it cannot, then there is nothing to fill from. */
static gboolean
fill_cb (gpointer data)
{
  Site *site = data;
  g_autoptr (GError) error = NULL;

  site->pending = 0;
  if (site->n_asked == 1)
    error = teesql_error_new (TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-away", 0, "no storage answers");
  teesql_managed_postgres_filled (site->managed, FALSE, error);
  return G_SOURCE_REMOVE;
}

static void
fill (TeesqlManagedPostgres *managed, const TeesqlManagedPlace *place, gpointer data)
{
  Site *site = data;

  g_assert_false (g_file_test (place->data_directory, G_FILE_TEST_EXISTS));
  site->n_asked++;
  site->pending = g_idle_add (fill_cb, site);
}

static void
test_filler (Site *site, gconstpointer data)
{
  teesql_managed_postgres_set_filler (site->managed, fill, site);
  teesql_managed_postgres_start (site->managed, site->password);
  wait_until (site, shows, "storage-away");
  g_assert_false (file_exists (site, ""));
  wait_until (site, is_starting, NULL);
  g_assert_cmpuint (site->n_asked, ==, 2);
  g_assert_cmpuint (teesql_managed_postgres_get_system_identifier (site->managed), ==, IDENTIFIER);
  g_assert_cmpuint (teesql_managed_memory_load (site->state), ==, IDENTIFIER);
}

static void
test_emptied (Site *site, gconstpointer data)
{
  g_autofree char *path = teesql_managed_memory_dup_path (site->state);

  g_assert_true (teesql_managed_memory_save (site->state, 42, NULL));
  teesql_managed_postgres_start (site->managed, site->password);
  wait_until (site, shows, "data-directory-emptied");
  g_assert_false (file_exists (site, ""));
  g_assert_cmpint (g_remove (path), ==, 0); /* as the hint says */
  wait_until (site, is_starting, NULL);
}

static void
test_settings (Site *site, gconstpointer data)
{
  teesql_managed_postgres_set_setting (site->managed, "max_slot_wal_keep_size", "3GB");
  teesql_managed_postgres_start (site->managed, site->password);
  wait_until (site, file_exists, "started");
  teesql_managed_postgres_set_setting (site->managed, "synchronous_standby_names", "one");
  wait_until (site, reloaded_with, "synchronous_standby_names = 'one'\n");
  g_assert_true (reloaded_with (site, "max_slot_wal_keep_size = '3GB'\n"));
  teesql_managed_postgres_set_setting (site->managed, "synchronous_standby_names", "two");
  wait_until (site, reloaded_with, "synchronous_standby_names = 'two'\n");
  g_assert_false (reloaded_with (site, "synchronous_standby_names = 'one'\n"));
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  gboolean *stopped = data;

  *stopped = teesql_managed_postgres_stop_finish (TEESQL_MANAGED_POSTGRES (source), result, NULL);
}

static gboolean
was_restarted (Site *site, const char *unused)
{
  return is_starting (site, NULL) && file_exists (site, "started");
}

static void
test_restart_and_stop (Site *site, gconstpointer data)
{
  g_autofree char *mark = in_data (site, "started");
  gboolean stopped = FALSE;
  gint first = 0;

  teesql_managed_postgres_start (site->managed, site->password);
  wait_until (site, file_exists, "started");
  first = teesql_managed_postgres_get_pid (site->managed);
  g_assert_cmpint (first, >, 0);
  g_assert_cmpint (g_remove (mark), ==, 0);
  teesql_managed_postgres_restart (site->managed);
  wait_until (site, was_restarted, NULL);
  g_assert_cmpint (teesql_managed_postgres_get_pid (site->managed), !=, first);
  g_assert_false (shows (site, "postgres-crashed"));
  teesql_managed_postgres_stop_async (site->managed, stopped_cb, &stopped);
  wait_until (site, is_stopped, NULL);
  while (!stopped)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (teesql_managed_postgres_get_pid (site->managed), ==, 0);
}

typedef void (*Case) (Site *site, gconstpointer data);

/* A launcher is split off while there is one thread, so each case has a process of its own. */
static void
run_apart (gconstpointer data)
{
  const Case *func = data;
  Site site = { 0 };

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 3 * DEADLINE_MS * (guint64) 1000, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      return;
    }
  set_up (&site, NULL);
  (*func) (&site, NULL);
  tear_down (&site, NULL);
}

static const Case filler = test_filler;
static const Case emptied = test_emptied;
static const Case settings = test_settings;
static const Case restart_and_stop = test_restart_and_stop;

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  teesql_log_setup ("test", TEESQL_LOG_ERROR, TEESQL_LOG_FORMAT_TEXT);
  g_test_add_data_func ("/postgres/managed/an-empty-folder-is-filled-before-it-is-made-anew", &filler, run_apart);
  g_test_add_data_func ("/postgres/managed/a-folder-that-was-emptied-is-not-made-anew", &emptied, run_apart);
  g_test_add_data_func ("/postgres/managed/settings-of-core-reach-a-running-server", &settings, run_apart);
  g_test_add_data_func ("/postgres/managed/restarts-and-stops-when-asked", &restart_and_stop, run_apart);
  return g_test_run ();
}
