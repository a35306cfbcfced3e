#include "daemon/teesql-daemon-exposure.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* users and groups that own nothing here */
#define STRANGER 54321u

typedef struct
{
  char *folder;
  char *path;
} Agent;

static void
set_up (Agent *agent, gconstpointer data)
{
  agent->folder = g_dir_make_tmp ("teesql-exposure-XXXXXX", NULL);
  agent->path = g_build_filename (agent->folder, "agent.sock", NULL);
  g_assert_true (g_file_set_contents (agent->path, "", 0, NULL)); /* owners and modes are all that counts */
}

static void
tear_down (Agent *agent, gconstpointer data)
{
  g_remove (agent->path);
  g_rmdir (agent->folder);
  g_free (agent->path);
  g_free (agent->folder);
}

static gboolean
stranger_can (Agent *agent, int folder_mode, int mode)
{
  const guint groups[] = { STRANGER };

  g_assert_cmpint (g_chmod (agent->folder, folder_mode), ==, 0);
  g_assert_cmpint (g_chmod (agent->path, mode), ==, 0);
  return teesql_daemon_exposure_can_open (agent->path, STRANGER, groups, 1);
}

static void
test_modes (Agent *agent, gconstpointer data)
{
  g_assert_true (stranger_can (agent, 0755, 0777));
  g_assert_true (stranger_can (agent, 0711, 0622));
  g_assert_false (stranger_can (agent, 0755, 0775));
  g_assert_false (stranger_can (agent, 0700, 0777));
  g_assert_false (stranger_can (agent, 0750, 0777));
}

static void
test_groups (Agent *agent, gconstpointer data)
{
  const guint groups[] = { STRANGER, (guint) getgid () };

  g_assert_false (stranger_can (agent, 0710, 0660));
  g_assert_true (teesql_daemon_exposure_can_open (agent->path, STRANGER, groups, 2));
  /* the group's bits count for its members, the others' no longer */
  g_assert_true (stranger_can (agent, 0755, 0606));
  g_assert_false (teesql_daemon_exposure_can_open (agent->path, STRANGER, groups, 2));
}

static void
test_owner (Agent *agent, gconstpointer data)
{
  const guint groups[] = { (guint) getgid () };

  g_assert_false (stranger_can (agent, 0700, 0600));
  g_assert_true (teesql_daemon_exposure_can_open (agent->path, (guint) getuid (), groups, 1));
  g_assert_true (teesql_daemon_exposure_can_open (agent->path, 0, NULL, 0));
}

static void
test_links (Agent *agent, gconstpointer data)
{
  g_autofree char *link = g_strconcat (agent->folder, ".link", NULL);
  const guint groups[] = { STRANGER };

  g_assert_false (stranger_can (agent, 0700, 0777));
  g_assert_cmpint (symlink (agent->path, link), ==, 0);
  g_assert_false (teesql_daemon_exposure_can_open (link, STRANGER, groups, 1));
  g_assert_true (stranger_can (agent, 0755, 0777));
  g_assert_true (teesql_daemon_exposure_can_open (link, STRANGER, groups, 1));
  g_assert_cmpint (g_remove (link), ==, 0);
  g_assert_false (teesql_daemon_exposure_can_open (link, STRANGER, groups, 1));
}

#define ADD(path, test) g_test_add (path, Agent, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/daemon/exposure/by-modes", test_modes);
  ADD ("/daemon/exposure/by-groups", test_groups);
  ADD ("/daemon/exposure/by-owner", test_owner);
  ADD ("/daemon/exposure/links-hide-no-folder", test_links);
  return g_test_run ();
}
