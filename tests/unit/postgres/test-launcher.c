#include "postgres/teesql-data-directory.h"
#include "postgres/teesql-launch-message.h"
#include "postgres/teesql-launcher.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000

/* Stands for PostgreSQL: says its version; as a server it notes how it was told to end. */
static const char fake_postgres[] = "#!/bin/sh\n"
                                    "[ \"$1\" = --version ] && { echo 'postgres (PostgreSQL) 17.0 (fake)'; exit 0; }\n"
                                    "end () { echo \"ended by $1\" >\"$2/end\"; exit 0; }\n"
                                    "while [ \"$1\" != -D ]; do shift; done; data=$2\n"
                                    "trap 'end INT \"$data\"' INT\n"
                                    "[ -e \"$data/stubborn\" ] && trap '' INT\n"
                                    "trap 'end QUIT \"$data\"' QUIT\n"
                                    "trap 'echo hup >&2' HUP\n"
                                    "echo ready >&2\n"
                                    "while :; do sleep 0.05; done\n";

typedef struct
{
  char *top;
  TeesqlManagedPlace place;
  TeesqlLauncherEnds ends;
} Site;

static char *
make_folder (const char *top, const char *name, const TeesqlManagedPlace *owner)
{
  char *path = g_build_filename (top, name, NULL);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  if (owner != NULL && owner->switches)
    g_assert_cmpint (chown (path, owner->uid, owner->gid), ==, 0);
  return path;
}

/* PostgreSQL never runs as root, and so neither does what stands for it. */
static void
choose_user (TeesqlManagedPlace *place)
{
  const struct passwd *nobody = getpwnam ("nobody");

  place->switches = geteuid () == 0;
  g_assert_nonnull (nobody);
  place->uid = place->switches ? nobody->pw_uid : geteuid ();
  place->gid = place->switches ? nobody->pw_gid : getegid ();
}

static void
write_program (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0755), ==, 0);
}

static void
set_up (Site *site, gconstpointer data)
{
  TeesqlManagedPlace *place = &site->place;
  g_autoptr (GError) error = NULL;

  site->top = g_dir_make_tmp ("teesql-launcher-XXXXXX", NULL);
  g_assert_cmpint (g_chmod (site->top, 0755), ==, 0);
  choose_user (place);
  place->bin_directory = make_folder (site->top, "bin", NULL);
  place->state_directory = make_folder (site->top, "state", NULL);
  place->runtime_directory = make_folder (site->top, "run", NULL);
  place->data_directory = g_build_filename (place->state_directory, "data", NULL);
  place->staging = g_build_filename (place->state_directory, ".data.teesql-new", NULL);
  place->socket_directory = g_build_filename (place->runtime_directory, "pg", NULL);
  place->admin_user = g_strdup ("postgres");
  place->port = 5432;
  place->stop_timeout_ms = 500;
  write_program (place->bin_directory, "postgres", fake_postgres);
  write_program (place->bin_directory, "initdb",
                 "#!/bin/sh\nfor a; do case $a in --pgdata=*) d=${a#*=};; esac; done\n"
                 "read -r p; [ \"$p\" = secret ] && echo 17 >\"$d/PG_VERSION\"\n");
  g_assert_true (teesql_launcher_fork (place, &site->ends, &error));
  g_assert_no_error (error);
}

static void
tear_down (Site *site, gconstpointer data)
{
  TeesqlManagedPlace *place = &site->place;

  if (site->ends.socket >= 0)
    close (site->ends.socket);
  close (site->ends.log);
  g_assert_cmpint (wait (NULL), >, 0); /* the launcher has ended, and everything of PostgreSQL before it */
  g_assert_true (teesql_data_directory_empty (site->top));
  g_assert_cmpint (g_rmdir (site->top), ==, 0);
  g_free (site->top);
  g_free (place->bin_directory);
  g_free (place->state_directory);
  g_free (place->runtime_directory);
  g_free (place->data_directory);
  g_free (place->staging);
  g_free (place->socket_directory);
  g_free (place->admin_user);
}

static void
ask (Site *site, TeesqlLaunchVerb verb, gint32 number, int attached)
{
  TeesqlLaunchMessage message = { .verb = verb, .serial = verb, .number = number };

  g_assert_true (teesql_launch_message_send (site->ends.socket, &message, attached));
}

static TeesqlLaunchMessage
hear (Site *site, TeesqlLaunchVerb verb)
{
  TeesqlLaunchMessage message = { 0 };
  struct pollfd wait_for = { .fd = site->ends.socket, .events = POLLIN };
  int attached = -1;

  g_assert_cmpint (poll (&wait_for, 1, DEADLINE_MS), ==, 1);
  g_assert_cmpint (teesql_launch_message_receive (site->ends.socket, &message, &attached), ==, TEESQL_LAUNCH_GOT);
  g_test_message ("%u: %s %s", message.verb, message.reason, message.text);
  g_assert_cmpint (attached, ==, -1);
  g_assert_cmpint (message.verb, ==, verb);
  return message;
}

static void
wait_for_log (Site *site, const char *text)
{
  g_autoptr (GString) all = g_string_new (NULL);
  struct pollfd wait_for = { .fd = site->ends.log, .events = POLLIN };
  char buffer[256];

  while (strstr (all->str, text) == NULL)
    {
      gssize n = 0;

      g_assert_cmpint (poll (&wait_for, 1, DEADLINE_MS), ==, 1);
      n = read (site->ends.log, buffer, sizeof buffer);
      g_assert_cmpint (n, >, 0);
      g_string_append_len (all, buffer, n);
    }
}

static void
make_cluster (Site *site)
{
  int ends[2] = { -1, -1 };
  TeesqlLaunchMessage answer = { 0 };

  ask (site, TEESQL_LAUNCH_JUDGE, 0, -1);
  answer = hear (site, TEESQL_LAUNCH_JUDGED);
  g_assert_cmpuint (answer.state, ==, TEESQL_DATA_EMPTY);
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  g_assert_cmpint (write (ends[1], "secret\n", 7), ==, 7);
  close (ends[1]);
  ask (site, TEESQL_LAUNCH_INITDB, 0, ends[0]);
  close (ends[0]);
  answer = hear (site, TEESQL_LAUNCH_DONE);
  g_assert_cmpstr (answer.reason, ==, "");
}

static void
start (Site *site)
{
  TeesqlLaunchMessage answer = { 0 };

  ask (site, TEESQL_LAUNCH_START, 0, -1);
  answer = hear (site, TEESQL_LAUNCH_STARTED);
  g_assert_cmpint (answer.number, >, 0);
  wait_for_log (site, "ready");
}

static char *
read_end (Site *site)
{
  g_autofree char *path = g_build_filename (site->place.data_directory, "end", NULL);
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return g_strchomp (text);
}

static void
test_makes (Site *site, gconstpointer data)
{
  g_autofree char *version = g_build_filename (site->place.data_directory, "PG_VERSION", NULL);
  struct stat st;

  make_cluster (site);
  g_assert_cmpint (stat (version, &st), ==, 0);
  g_assert_cmpuint (st.st_uid, ==, site->place.uid);
  g_assert_false (g_file_test (site->place.staging, G_FILE_TEST_EXISTS));
}

static void
test_initdb_fails (Site *site, gconstpointer data)
{
  int ends[2] = { -1, -1 };
  TeesqlLaunchMessage answer = { 0 };

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  g_assert_cmpint (write (ends[1], "wrong\n", 6), ==, 6);
  close (ends[1]);
  ask (site, TEESQL_LAUNCH_INITDB, 0, ends[0]);
  close (ends[0]);
  answer = hear (site, TEESQL_LAUNCH_DONE);
  g_assert_cmpstr (answer.reason, ==, "initdb-failed");
  g_assert_false (g_file_test (site->place.data_directory, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (site->place.staging, G_FILE_TEST_EXISTS));
}

static void
test_stops (Site *site, gconstpointer data)
{
  TeesqlLaunchMessage answer = { 0 };
  g_autofree char *end = NULL;

  make_cluster (site);
  start (site);
  ask (site, TEESQL_LAUNCH_RELOAD, 0, -1);
  wait_for_log (site, "hup");
  ask (site, TEESQL_LAUNCH_STOP, TEESQL_LAUNCH_STOP_FAST, -1);
  answer = hear (site, TEESQL_LAUNCH_EXITED);
  g_assert_true (WIFEXITED (answer.number));
  end = read_end (site);
  g_assert_cmpstr (end, ==, "ended by INT");
}

static void
test_harder (Site *site, gconstpointer data)
{
  g_autofree char *stubborn = g_build_filename (site->place.data_directory, "stubborn", NULL);
  g_autofree char *end = NULL;

  make_cluster (site);
  g_assert_true (g_file_set_contents (stubborn, "", -1, NULL));
  start (site);
  ask (site, TEESQL_LAUNCH_STOP, TEESQL_LAUNCH_STOP_FAST, -1);
  hear (site, TEESQL_LAUNCH_EXITED);
  end = read_end (site);
  g_assert_cmpstr (end, ==, "ended by QUIT");
}

/* As when teesqld is killed. */
static void
test_orphan (Site *site, gconstpointer data)
{
  g_autofree char *end = NULL;

  make_cluster (site);
  start (site);
  close (site->ends.socket);
  site->ends.socket = -1;
  g_assert_cmpint (waitid (P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), ==, 0);
  end = read_end (site);
  g_assert_cmpstr (end, ==, "ended by INT");
}

/* Nonsense is no order: the launcher ends, and with it the server. */
static void
test_nonsense (Site *site, gconstpointer data)
{
  g_autofree char *end = NULL;

  make_cluster (site);
  start (site);
  g_assert_cmpint (write (site->ends.socket, "start everything", 16), ==, 16);
  g_assert_cmpint (waitid (P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), ==, 0);
  end = read_end (site);
  g_assert_cmpstr (end, ==, "ended by INT");
}

static void
test_parent_of_others (Site *site, gconstpointer data)
{
  TeesqlLaunchMessage answer = { 0 };
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (g_chmod (site->place.state_directory, 0777), ==, 0);
  ask (site, TEESQL_LAUNCH_INITDB, 0, null);
  close (null);
  answer = hear (site, TEESQL_LAUNCH_DONE);
  g_assert_cmpstr (answer.reason, ==, "data-directory-parent");
}

static void
test_no_second_server (Site *site, gconstpointer data)
{
  TeesqlLaunchMessage answer = { 0 };

  make_cluster (site);
  start (site);
  ask (site, TEESQL_LAUNCH_START, 0, -1);
  answer = hear (site, TEESQL_LAUNCH_STARTED);
  g_assert_cmpint (answer.number, ==, 0);
  g_assert_cmpstr (answer.reason, ==, "postgres-launcher");
}

/* A second teesqld's launcher waits until the first one's server is gone. */
static void
test_lock (Site *site, gconstpointer data)
{
  Site second = *site;
  TeesqlLaunchMessage answer = { 0 };
  g_autoptr (GError) error = NULL;

  make_cluster (site);
  start (site);
  g_assert_true (teesql_launcher_fork (&site->place, &second.ends, &error));
  ask (&second, TEESQL_LAUNCH_JUDGE, 0, -1);
  answer = hear (&second, TEESQL_LAUNCH_JUDGED);
  g_assert_cmpuint (answer.state, ==, TEESQL_DATA_RUNNING);
  ask (&second, TEESQL_LAUNCH_START, 0, -1);
  answer = hear (&second, TEESQL_LAUNCH_STARTED);
  g_assert_cmpint (answer.number, ==, 0);
  close (second.ends.socket);
  close (second.ends.log);
  g_assert_cmpint (wait (NULL), >, 0);
}

#define ADD(path, func) g_test_add ("/postgres/launcher/" path, Site, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("makes-a-cluster-as-its-user-in-one-step", test_makes);
  ADD ("leaves-nothing-when-initdb-fails", test_initdb_fails);
  ADD ("reloads-and-stops-in-order", test_stops);
  ADD ("stops-harder-after-the-time", test_harder);
  ADD ("stops-in-order-when-teesqld-is-gone", test_orphan);
  ADD ("takes-no-nonsense", test_nonsense);
  ADD ("makes-nothing-where-others-write", test_parent_of_others);
  ADD ("starts-no-second-server", test_no_second_server);
  ADD ("a-second-launcher-waits", test_lock);
  return g_test_run ();
}
