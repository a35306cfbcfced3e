/* What no line shows by itself: things that are missing, and values that must agree with each other. */
#include "config/teesql-config-private.h"

#include <string.h>

#define SLOT_MAX 63

typedef struct
{
  const TeesqlConfig *config;
  TeesqlConfigFindings *findings;
} Check;

/* A finding stands at the line of the value, else of its group, else at the file. */
static void G_GNUC_PRINTF (4, 5) complain (Check *check, const char *group, const char *key, const char *format, ...)
{
  const TeesqlConfigGroup *written = teesql_config_find_group (check->config, group);
  const TeesqlConfigValue *value = written != NULL && key != NULL ? teesql_config_group_find (written, key) : NULL;
  va_list args;
  g_autofree char *message = NULL;
  char *text = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  text = key != NULL ? g_strdup_printf ("[%s] %s: %s", group, key, message) : g_strdup_printf ("[%s]: %s", group, message);
  if (value != NULL)
    teesql_config_findings_add (check->findings, value->file, value->rank, value->line, text);
  else if (written != NULL)
    teesql_config_findings_add (check->findings, written->file, written->rank, written->line, text);
  else
    teesql_config_findings_add (check->findings, check->config->name, 0, 0, text);
}

static gboolean
is_missing (Check *check, const char *group, const char *key)
{
  g_autofree char *name = g_strdup_printf ("%s\n%s", group, key);

  return !teesql_config_is_set (check->config, group, key) && !g_hash_table_contains (check->config->refused, name);
}

static const char *
get (Check *check, const char *group, const char *key)
{
  return teesql_option_find (check->config->kind, group, key) != NULL ? teesql_config_get_string (check->config, group, key) : NULL;
}

static void
check_required (Check *check)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if ((options[i].kinds & (1u << check->config->kind)) != 0 && (options[i].flags & TEESQL_OPTION_REQUIRED) != 0)
      {
        if (!g_str_has_suffix (options[i].group, ":"))
          {
            if (is_missing (check, options[i].group, options[i].key))
              complain (check, options[i].group, options[i].key, "required");
            continue;
          }
        for (guint j = 0; j < check->config->groups->len; j++)
          {
            const TeesqlConfigGroup *group = check->config->groups->pdata[j];
            if (teesql_option_group_matches (options[i].group, group->name) && is_missing (check, group->name, options[i].key))
              complain (check, group->name, options[i].key, "required");
          }
      }
}

/* The instance that [teesql] names, of a kind of which there is one. */
static gboolean
is_named (Check *check, const char *kind, const char *name)
{
  if (g_str_equal (kind, "verifier"))
    return g_strv_contains (teesql_config_get_list (check->config, "teesql", "verifiers"), name);
  if (g_str_equal (kind, "storage"))
    return g_strv_contains (teesql_config_get_list (check->config, "backup", "storages"), name);
  if (g_str_equal (kind, "policy"))
    {
      if (check->config->kind == TEESQL_CONFIG_POLICY)
        return TRUE;
      return g_str_equal (name, check->config->kind == TEESQL_CONFIG_DAEMON ? "clients" : "server");
    }
  return g_strcmp0 (get (check, "teesql", kind), name) == 0;
}

static void
check_instances (Check *check, const char *kind, const char *hint)
{
  g_autofree const char **names = teesql_config_list_instances (check->config, kind);

  for (guint i = 0; names[i] != NULL; i++)
    if (!is_named (check, kind, names[i]))
      {
        g_autofree char *group = g_strdup_printf ("%s:%s", kind, names[i]);
        complain (check, group, NULL, "nothing refers to it\nhint: %s", hint);
      }
}

static void
check_twice (Check *check, const char *group, const char *key)
{
  const char *const *list = teesql_config_get_list (check->config, group, key);

  for (guint i = 0; list[i] != NULL; i++)
    for (guint j = i + 1; list[j] != NULL; j++)
      if (g_str_equal (list[i], list[j]))
        {
          complain (check, group, key, "“%s” stands there twice", list[i]);
          return;
        }
}

/* SCRAM shows salt and rounds before it knows which secret comes, so every verifier has to carry those of [auth]. */
static void
check_verifier (Check *check, const char *group, const char *key)
{
  const char *verifier = get (check, group, key);
  const char *salt = get (check, "auth", "scram-salt");
  TeesqlScramVerifierParts parts = { 0 };
  gint64 rounds = teesql_config_get_integer (check->config, "auth", "scram-iterations");

  if (verifier == NULL || salt == NULL || !teesql_config_scram_parts (verifier, &parts, NULL))
    return;
  if (!g_str_equal (parts.salt, salt))
    complain (check, group, key,
              "the verifier has another salt than [auth] scram-salt\nhint: make it with `teesql secret new` and this file");
  if (parts.rounds != rounds)
    complain (check, group, key, "the verifier has %" G_GINT64_FORMAT " rounds, [auth] scram-iterations is %" G_GINT64_FORMAT, parts.rounds,
              rounds);
  g_free (parts.salt);
}

static void
check_role_name (Check *check, const char *group, const char *role)
{
  if (g_str_has_prefix (role, "pg_") || g_str_equal (role, "public") || g_str_equal (role, "none"))
    complain (check, group, NULL, "PostgreSQL keeps this name for itself");
  if (g_strcmp0 (get (check, "postgresql", "admin-user"), role) == 0)
    complain (check, group, NULL, "this is [postgresql] admin-user, whose rights no client may get");
}

static void
check_role (Check *check, const char *role)
{
  g_autofree char *group = g_strconcat ("role:", role, NULL);
  const char *other = get (check, group, "also-secret-of");
  g_autofree char *other_group = g_strconcat ("role:", other, NULL);

  check_role_name (check, group, role);
  check_verifier (check, group, "secret-verifier");
  check_verifier (check, group, "next-secret-verifier");
  if (other != NULL && g_str_equal (other, role))
    complain (check, group, "also-secret-of", "names the role itself");
  else if (other != NULL && !teesql_config_has_group (check->config, other_group))
    complain (check, group, "also-secret-of", "there is no [role:%s]", other);
}

static void
check_roles (Check *check)
{
  g_autofree const char **roles = teesql_config_list_instances (check->config, "role");

  if (roles[0] != NULL && is_missing (check, "auth", "scram-salt"))
    complain (check, "auth", "scram-salt", "required, since there are roles\nhint: `teesql secret new` makes one");
  for (guint i = 0; roles[i] != NULL; i++)
    check_role (check, roles[i]);
}

/* A quote without its event log cannot answer a pin that the log alone proves. */
static void
check_legacy (Check *check, const char *group)
{
  static const char *const from_log[] = { "allowed-compose-hash", "allowed-os-image-hash", "allowed-key-provider", "allowed-app-id",
                                          "allowed-instance-id" };

  if (!teesql_config_get_boolean (check->config, group, "accept-legacy-evidence"))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (from_log); i++)
    if (teesql_config_get_list (check->config, group, from_log[i])[0] != NULL)
      complain (check, group, "accept-legacy-evidence", "%s needs the event log that such evidence lacks", from_log[i]);
}

static void
check_policies (Check *check)
{
  g_autofree const char **names = teesql_config_list_instances (check->config, "policy");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("policy:", names[i], NULL);
      check_legacy (check, group);
    }
  if (check->config->kind == TEESQL_CONFIG_POLICY && (names[0] == NULL || names[1] != NULL))
    teesql_config_findings_add (check->findings, check->config->name, 0, 0, g_strdup ("expected exactly one [policy:NAME] group"));
}

/* sun_path has 108 bytes, one of them for the end */
static void
check_socket_path (Check *check, const char *group, const char *key, const char *name)
{
  const char *folder = get (check, group, key);

  if (folder != NULL && folder[0] == '/' && strlen (folder) + 1 + strlen (name) > 107)
    complain (check, group, key, "too long for a unix socket: with /%s it may have 107 bytes", name);
}

static gboolean
share_port (const char *a, const char *b)
{
  const char *port_a = strrchr (a, ':');
  const char *port_b = strrchr (b, ':');
  gboolean wild = g_str_has_prefix (a, "0.0.0.0:") || g_str_has_prefix (b, "0.0.0.0:") || g_str_has_prefix (a, "[::]:") ||
                  g_str_has_prefix (b, "[::]:");

  return !g_str_equal (port_a, ":0") && g_str_equal (port_a, port_b) && (wild || g_str_equal (a, b));
}

static void
check_listeners (Check *check)
{
  const char *const *proxy = teesql_config_get_list (check->config, "proxy", "listen");
  const char *const *http = teesql_config_get_list (check->config, "http", "listen");

  for (guint i = 0; proxy[i] != NULL; i++)
    for (guint j = 0; http[j] != NULL; j++)
      if (share_port (proxy[i], http[j]))
        complain (check, "http", "listen", "%s is where [proxy] listen is", http[j]);
}

static void
check_external (Check *check)
{
  const TeesqlConfigGroup *settings = teesql_config_find_group (check->config, TEESQL_OPTION_SETTINGS_GROUP);

  if (settings != NULL && settings->values->len > 0)
    complain (check, TEESQL_OPTION_SETTINGS_GROUP, NULL,
              "it belongs to [postgresql] mode = managed\nhint: an external server has its own postgresql.conf");
}

/* @folder is @other or lies above it: whoever owns the first decides over the second. */
static gboolean
holds (const char *folder, const char *other)
{
  gsize length = strlen (folder);

  while (length > 1 && folder[length - 1] == '/')
    length--;
  return strncmp (folder, other, length) == 0 && (other[length] == '\0' || other[length] == '/' || length == 1);
}

static void
check_managed (Check *check)
{
  const char *user = get (check, "postgresql", "user");
  const char *host = get (check, "postgresql", "host");
  const char *data = get (check, "postgresql", "data-directory");
  static const char *const ours[] = { "state-directory", "runtime-directory" };

  if (g_strcmp0 (user, "root") == 0)
    complain (check, "postgresql", "user", "PostgreSQL refuses to run as root\nhint: name a user of its own, such as postgres");
  if (host != NULL && host[0] != '/')
    complain (check, "postgresql", "host", "a managed server has a unix socket only\nhint: name a folder, or leave the key out");
  for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
    {
      const char *folder = get (check, "teesql", ours[i]);
      if (host != NULL && folder != NULL && holds (host, folder))
        complain (check, "postgresql", "host", "[teesql] %s lies in it, and PostgreSQL's user will own it", ours[i]);
      if (data != NULL && folder != NULL && holds (data, folder))
        complain (check, "postgresql", "data-directory", "[teesql] %s lies in it, and PostgreSQL's user will own it", ours[i]);
    }
  if (data != NULL && host != NULL && (holds (data, host) || holds (host, data)))
    complain (check, "postgresql", "host", "it and data-directory lie in each other");
}

static void
check_postgresql (Check *check)
{
  if (g_strcmp0 (get (check, "postgresql", "mode"), "managed") == 0)
    check_managed (check);
  else
    check_external (check);
}

/* PostgreSQL cuts nothing off a slot's name: it takes 63 characters or none. */
static void
check_slots (Check *check)
{
  const char *const *storages = teesql_config_get_list (check->config, "backup", "storages");

  for (guint i = 0; storages[i] != NULL; i++)
    {
      g_autofree char *slot = teesql_config_dup_slot (check->config, storages[i]);

      if (strlen (slot) > SLOT_MAX)
        complain (check, "backup", "slot",
                  "for storage %s it becomes %s, of more than %d characters\nhint: a shorter one, or a shorter name", storages[i], slot,
                  SLOT_MAX);
    }
}

static void
check_daemon (Check *check)
{
  g_autofree char *pg_socket =
      g_strdup_printf (".s.PGSQL.%" G_GINT64_FORMAT, teesql_config_get_integer (check->config, "postgresql", "port"));

  check_instances (check, "kms", "name it in [teesql] kms");
  check_instances (check, "storage", "name it in [backup] storages");
  check_roles (check);
  check_listeners (check);
  check_twice (check, "backup", "storages");
  check_slots (check);
  check_twice (check, "proxy", "listen");
  check_twice (check, "http", "listen");
  check_twice (check, "postgresql", "databases");
  check_postgresql (check);
  check_socket_path (check, "teesql", "runtime-directory", "teesqld.sock");
  check_socket_path (check, "postgresql", "host", pg_socket);
  if (teesql_config_get_size (check->config, "proxy", "session-memory") > teesql_config_get_size (check->config, "proxy", "total-memory"))
    complain (check, "proxy", "session-memory", "more than [proxy] total-memory");
}

static void
check_client (Check *check)
{
  const char *listen = get (check, "connect", "listen");

  check_socket_path (check, "connect", "socket-directory", ".s.PGSQL.5432");
  /* what comes here is not attested: it must not come from another machine (SR-22) */
  if (!g_str_equal (listen, "socket") && !g_str_has_prefix (listen, "127.") && !g_str_has_prefix (listen, "[::1]:"))
    complain (check, "connect", "listen", "“%s” is no loopback address", listen);
}

static void
check_programs (Check *check)
{
  check_instances (check, "attester", "name it in [teesql] attester");
  check_instances (check, "verifier", "name it in [teesql] verifiers");
  check_instances (check, "policy",
                   check->config->kind == TEESQL_CONFIG_DAEMON ? "the daemon's policy is [policy:clients]"
                                                               : "the forwarder's policy is [policy:server]");
  check_twice (check, "teesql", "verifiers");
}

void
teesql_config_check_whole (const TeesqlConfig *self, TeesqlConfigFindings *findings)
{
  Check check = { self, findings };

  check_required (&check);
  if (self->kind == TEESQL_CONFIG_DAEMON || self->kind == TEESQL_CONFIG_CLIENT)
    check_programs (&check);
  if (self->kind == TEESQL_CONFIG_DAEMON)
    check_daemon (&check);
  if (self->kind == TEESQL_CONFIG_CLIENT)
    check_client (&check);
  if (self->kind != TEESQL_CONFIG_SIMULATOR)
    check_policies (&check);
}
