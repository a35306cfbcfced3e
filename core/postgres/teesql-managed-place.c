#include "postgres/teesql-managed-place.h"
#include "base/teesql-domains.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_CONFIG, reason, __VA_ARGS__)

/* What the launcher does to live as two users: become the other, give it folders, signal it. */
#define NEEDED_CAPABILITIES (1u << CAP_CHOWN | 1u << CAP_KILL | 1u << CAP_SETGID | 1u << CAP_SETUID)

gboolean
teesql_managed_place_may_switch (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

  if (syscall (SYS_capget, &header, data) != 0)
    return FALSE;
  return (data[0].effective & NEEDED_CAPABILITIES) == NEEDED_CAPABILITIES;
}

void
teesql_managed_place_drop_rights (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

  if (geteuid () == 0 || syscall (SYS_capget, &header, data) != 0)
    return;
  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  data[0].effective &= ~NEEDED_CAPABILITIES;
  data[0].permitted &= ~NEEDED_CAPABILITIES;
  data[0].inheritable &= ~NEEDED_CAPABILITIES;
  if (syscall (SYS_capset, &header, data) != 0)
    g_error ("the capabilities of the launcher cannot be given up: %s", g_strerror (errno));
}

static gboolean
find_user (TeesqlManagedPlace *self, const TeesqlConfig *config, GError **error)
{
  const char *name = teesql_config_get_string (config, "postgresql", "user");
  const struct passwd *user = NULL;

  self->switches = teesql_managed_place_may_switch ();
  user = self->switches ? getpwnam (name) : getpwuid (geteuid ());
  if (user == NULL && self->switches)
    return refuse (error, "postgres-user", "[postgresql] user: there is no user “%s” on this system\nhint: name one that exists", name);
  self->uid = user != NULL ? user->pw_uid : geteuid ();
  self->gid = user != NULL && self->switches ? user->pw_gid : getegid ();
  self->user = user != NULL ? g_strdup (user->pw_name) : g_strdup_printf ("%u", (guint) self->uid);
  if (self->uid == 0)
    return refuse (error, "postgres-user",
                   "[postgresql] user: PostgreSQL refuses to run as root\nhint: name a user of its own, such as postgres");
  self->switches = self->switches && self->uid != geteuid ();
  return TRUE;
}

/* Whoever can replace a program, or a folder on the way to it, decides what runs with the data. */
static gboolean
check_chain (const char *path, GError **error)
{
  g_autofree char *at = realpath (path, NULL);
  struct stat st;

  if (at == NULL)
    return refuse (error, "postgres-programs", "%s: %s\nhint: [postgresql] bin-directory is where PostgreSQL 17 is installed", path,
                   g_strerror (errno));
  for (;;)
    {
      char *slash = strrchr (at, '/');

      if (stat (at[0] != '\0' ? at : "/", &st) != 0)
        return refuse (error, "postgres-programs", "%s: %s", at, g_strerror (errno));
      if ((st.st_uid != 0 && st.st_uid != geteuid ()) ||
          ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !(S_ISDIR (st.st_mode) && (st.st_mode & S_ISVTX) != 0)))
        return refuse (error, "postgres-programs", "%s: others may change it, so they would decide what runs\nhint: chown root, chmod go-w",
                       at[0] != '\0' ? at : "/");
      if (slash == NULL || at[0] == '\0')
        return TRUE;
      *slash = '\0';
    }
}

static gboolean
check_programs (const TeesqlManagedPlace *self, GError **error)
{
  static const char *const programs[] = { "postgres", "initdb" };

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      g_autofree char *path = g_build_filename (self->bin_directory, programs[i], NULL);

      if (!check_chain (path, error))
        return FALSE;
      if (access (path, X_OK) != 0)
        return refuse (error, "postgres-programs", "%s: %s", path, g_strerror (errno));
    }
  return TRUE;
}

static char *
dup_staging (const char *data_directory)
{
  g_autofree char *parent = g_path_get_dirname (data_directory);
  g_autofree char *name = g_path_get_basename (data_directory);

  return g_strdup_printf ("%s/.%s.teesql-new", g_str_equal (parent, "/") ? "" : parent, name);
}

/* Trailing slashes would hide a symbolic link from lstat (). */
static char *
dup_folder (const TeesqlConfig *config, const char *group, const char *key)
{
  char *path = g_strdup (teesql_config_get_string (config, group, key));

  for (gsize n = strlen (path); n > 1 && path[n - 1] == '/'; n--)
    path[n - 1] = '\0';
  return path;
}

TeesqlManagedPlace *
teesql_managed_place_new (const TeesqlConfig *config, GError **error)
{
  g_autoptr (TeesqlManagedPlace) self = g_new0 (TeesqlManagedPlace, 1);

  self->bin_directory = dup_folder (config, "postgresql", "bin-directory");
  self->data_directory = dup_folder (config, "postgresql", "data-directory");
  self->socket_directory = dup_folder (config, "postgresql", "host");
  self->state_directory = dup_folder (config, "teesql", "state-directory");
  self->runtime_directory = dup_folder (config, "teesql", "runtime-directory");
  self->admin_user = g_strdup (teesql_config_get_string (config, "postgresql", "admin-user"));
  self->port = (guint) teesql_config_get_integer (config, "postgresql", "port");
  self->stop_timeout_ms = teesql_config_get_duration_ms (config, "postgresql", "stop-timeout");
  self->staging = dup_staging (self->data_directory);
  if (!find_user (self, config, error) || !check_programs (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
teesql_managed_place_free (TeesqlManagedPlace *self)
{
  g_free (self->bin_directory);
  g_free (self->data_directory);
  g_free (self->staging);
  g_free (self->socket_directory);
  g_free (self->state_directory);
  g_free (self->runtime_directory);
  g_free (self->admin_user);
  g_free (self->user);
  g_free (self);
}
