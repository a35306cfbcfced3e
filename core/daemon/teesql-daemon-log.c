#include "daemon/teesql-daemon-log.h"

#include "base/teesql-environment.h"
#include "base/teesql-log.h"
#include "teesql-build.h"

#include <unistd.h>

static TeesqlLogLevel
level_of (const TeesqlConfig *config)
{
  static const char *const words[] = { "error", "warning", "info", "debug" };
  const char *word = teesql_config_get_string (config, "teesql", "log-level");

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i], word))
      return (TeesqlLogLevel) i;
  return TEESQL_LOG_INFO;
}

static TeesqlLogFormat
format_of (const TeesqlConfig *config)
{
  const char *word = teesql_config_get_string (config, "teesql", "log-format");

  if (g_strcmp0 (word, "text") == 0)
    return TEESQL_LOG_FORMAT_TEXT;
  if (g_strcmp0 (word, "json") == 0)
    return TEESQL_LOG_FORMAT_JSON;
  return g_strcmp0 (word, "journal") == 0 ? TEESQL_LOG_FORMAT_JOURNAL : TEESQL_LOG_FORMAT_AUTO;
}

void
teesql_daemon_log_setup (const TeesqlConfig *config)
{
  teesql_log_setup ("teesqld", level_of (config), format_of (config));
}

void
teesql_daemon_log_reload (const TeesqlConfig *config)
{
  teesql_log_set_level (level_of (config));
}

static void
log_process (gboolean locked)
{
  const char *const *dropped = teesql_environment_get_dropped ();
  g_autofree char *names = g_strjoinv (" ", (char **) dropped);

  if (dropped[0] != NULL)
    teesql_log_warning ("environment", "variables that would change libraries were dropped: %s", names);
  if (!locked)
    teesql_log_warning ("daemon",
                        "memory is not locked: pages may reach a swap device\nhint: raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity)");
  if (geteuid () == 0)
    teesql_log_warning ("daemon", "runs as root, which it never needs");
}

void
teesql_daemon_log_start (const TeesqlConfig *config, gboolean locked)
{
  g_autofree const char **roles = teesql_config_list_instances (config, "role");

  teesql_log_info ("daemon", "teesqld " TEESQL_VERSION ", cluster %s, node %s", teesql_config_get_string (config, "teesql", "cluster"),
                   teesql_config_get_string (config, "teesql", "node"));
  log_process (locked);
  if (roles[0] == NULL)
    teesql_log_warning ("config", "there is no [role:NAME]: nobody can log in");
}

/* A hint belongs to the line before it. */
void
teesql_daemon_log_error (const char *area, const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *hint = lines[i + 1] != NULL && g_str_has_prefix (lines[i + 1], "hint: ") ? lines[i + 1] : NULL;

      teesql_log_error (area, "%s%s%s", lines[i], hint != NULL ? "\n" : "", hint != NULL ? hint : "");
      i += hint != NULL ? 1 : 0;
    }
}
