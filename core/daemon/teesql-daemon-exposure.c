#include "daemon/teesql-daemon-exposure.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_GROUPS 256

static gboolean
may (const struct stat *st, guint uid, const guint *groups, guint n_groups, mode_t bits)
{
  if (uid == 0)
    return TRUE;
  if (st->st_uid == uid)
    return (st->st_mode >> 6 & bits) == bits;
  for (guint i = 0; i < n_groups; i++)
    if (st->st_gid == groups[i])
      return (st->st_mode >> 3 & bits) == bits;
  return (st->st_mode & bits) == bits;
}

/* A socket is opened with write permission on it and passage through each folder. The path is resolved: no link hides a folder. */
gboolean
teesql_daemon_exposure_can_open (const char *path, guint uid, const guint *groups, guint n_groups)
{
  g_autofree char *resolved = realpath (path, NULL);
  struct stat st;

  if (resolved == NULL || stat (resolved, &st) != 0 || !may (&st, uid, groups, n_groups, S_IWOTH))
    return FALSE;
  for (char *slash = strrchr (resolved, '/'); slash != NULL && resolved[0] != '\0'; slash = strrchr (resolved, '/'))
    {
      *slash = '\0';
      if (stat (resolved[0] != '\0' ? resolved : "/", &st) != 0 || !may (&st, uid, groups, n_groups, S_IXOTH))
        return FALSE;
    }
  return TRUE;
}

/* Who runs the server: the owner of its socket, else of its files. */
static gboolean
find_server_user (const TeesqlConfig *config, guint *out_uid)
{
  const char *host = teesql_config_get_string (config, "postgresql", "host");
  const char *data = teesql_config_get_string (config, "postgresql", "data-directory");
  g_autofree char *socket =
      g_strdup_printf ("%s/.s.PGSQL.%" G_GINT64_FORMAT, host, teesql_config_get_integer (config, "postgresql", "port"));
  struct stat st;

  if ((host[0] != '/' || stat (socket, &st) != 0) && (data == NULL || stat (data, &st) != 0))
    return FALSE;
  *out_uid = st.st_uid;
  return TRUE;
}

/* Where the attester's agent listens: its own option, or where the SDKs look. */
static char *
find_agent_socket (const TeesqlConfig *config)
{
  static const char *const usual[] = { "/var/run/dstack/dstack.sock", "/run/dstack/dstack.sock", "/var/run/dstack.sock",
                                       "/run/dstack.sock" };
  g_autofree char *group = g_strconcat ("attester:", teesql_config_get_string (config, "teesql", "attester"), NULL);
  const char *endpoint = teesql_config_get_raw (config, group, "endpoint");

  if (endpoint != NULL && endpoint[0] == '/')
    return g_strdup (endpoint);
  if (endpoint != NULL && !g_str_equal (endpoint, "auto"))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (usual); i++)
    if (g_file_test (usual[i], G_FILE_TEST_EXISTS))
      return g_strdup (usual[i]);
  return NULL;
}

static char *
describe (const char *socket, guint uid)
{
  const struct passwd *user = getpwuid (uid);
  g_autofree char *name = user != NULL ? g_strdup (user->pw_name) : g_strdup_printf ("%u", uid);

  if (uid == geteuid ())
    return g_strdup_printf ("PostgreSQL runs as the same user as this daemon (%s), so it reaches %s and with it every key\n"
                            "hint: give the daemon a user of its own",
                            name, socket);
  return g_strdup_printf (
      "PostgreSQL's user %s can open %s, and with it has every key\nhint: let only the daemon's group pass to the socket", name, socket);
}

char *
teesql_daemon_exposure_find (const TeesqlConfig *config)
{
  g_autofree char *socket = find_agent_socket (config);
  const struct passwd *user = NULL;
  gid_t groups[MAX_GROUPS];
  int n_groups = MAX_GROUPS;
  guint uid = 0;

  if (socket == NULL || !find_server_user (config, &uid))
    return NULL;
  user = getpwuid (uid);
  if (user == NULL || getgrouplist (user->pw_name, user->pw_gid, groups, &n_groups) < 0)
    n_groups = 0;
  return teesql_daemon_exposure_can_open (socket, uid, groups, (guint) n_groups) ? describe (socket, uid) : NULL;
}
