/* Defaults: the table's own, and the few that depend on the machine. */
#include "config/teesql-config-private.h"

static void
add_default (TeesqlConfig *self, const char *group, const char *key, const char *text)
{
  const TeesqlOption *option = teesql_option_find (self->kind, group, key);
  TeesqlConfigValue *value = option != NULL ? teesql_config_value_new (option, text, NULL) : NULL;

  if (value != NULL)
    g_hash_table_insert (self->defaults, (gpointer) option, value);
}

/* The host name as a label: the first part, lower case, other characters as hyphens. */
static char *
dup_node_name (void)
{
  g_autofree char *name = g_ascii_strdown (g_get_host_name (), -1);
  char *dot = strchr (name, '.');

  if (dot != NULL)
    *dot = '\0';
  if (strlen (name) > 63)
    name[63] = '\0';
  g_strcanon (name, "abcdefghijklmnopqrstuvwxyz0123456789-", '-');
  return g_strdup (name[0] != '\0' ? name : "node");
}

static char *
dup_socket_directory (void)
{
  const char *runtime = g_getenv ("XDG_RUNTIME_DIR");

  if (runtime != NULL && runtime[0] == '/')
    return g_build_filename (runtime, "teesql", NULL);
  return g_build_filename (g_get_home_dir (), ".teesql", "run", NULL);
}

/* A managed server lives in our own folders. */
static void
add_managed_defaults (TeesqlConfig *self)
{
  const TeesqlConfigValue *state = teesql_config_effective (self, "teesql", "state-directory");
  const TeesqlConfigValue *runtime = teesql_config_effective (self, "teesql", "runtime-directory");
  const TeesqlConfigValue *mode = teesql_config_effective (self, "postgresql", "mode");
  g_autofree char *data = NULL;
  g_autofree char *socket = NULL;

  if (mode == NULL || state == NULL || runtime == NULL || g_strcmp0 (mode->value, "managed") != 0)
    return;
  data = g_build_filename (state->value, "postgresql", NULL);
  socket = g_build_filename (runtime->value, "postgresql", NULL);
  add_default (self, "postgresql", "data-directory", data);
  add_default (self, "postgresql", "host", socket);
}

void
teesql_config_add_defaults (TeesqlConfig *self)
{
  g_autofree char *node = dup_node_name ();
  g_autofree char *directory = dup_socket_directory ();
  const TeesqlConfigValue *named = NULL;
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if ((options[i].kinds & (1u << self->kind)) != 0 && options[i].fallback != NULL)
      {
        TeesqlConfigValue *value = teesql_config_value_new (&options[i], options[i].fallback, NULL);
        g_assert (value != NULL); /* a unit test walks the table */
        g_hash_table_insert (self->defaults, (gpointer) &options[i], value);
      }
  add_default (self, "teesql", "node", node);
  add_default (self, "connect", "socket-directory", directory);
  named = teesql_config_effective (self, "teesql", "node");
  if (named != NULL)
    add_default (self, "identity", "subject", named->value);
  add_managed_defaults (self);
}
