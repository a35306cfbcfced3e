#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "daemon/teesql-daemon-check.h"
#include "daemon/teesql-daemon-log.h"
#include "daemon/teesql-daemon.h"
#include "teesql-build.h"

#include <locale.h>
#include <signal.h>

typedef struct
{
  char *config_path;
  gboolean check_config;
  gboolean version;
} Arguments;

static gboolean
parse_arguments (int *argc, char ***argv, Arguments *arguments, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &arguments->config_path, "Read FILE and FILE.d/*.conf instead of the system's", "FILE" },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &arguments->check_config, "Check the configuration, load the plugins, and exit", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &arguments->version, "Print the version and exit", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Lets attested clients, and nobody else, reach PostgreSQL.");
  g_option_context_set_description (context, "Exit status: 0 done, 1 failed, 78 the configuration is wrong. See teesqld(8).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "unexpected argument “%s”", (*argv)[1]);
      return FALSE;
    }
  return TRUE;
}

/* Splits off the launcher of a managed PostgreSQL while this process is still one thread without a secret. @ends: NULL to look only */
static gboolean
prepare_managed (TeesqlConfig *config, TeesqlLauncherEnds *ends, TeesqlManagedPlace **out_place, GError **error)
{
  g_autoptr (TeesqlManagedPlace) place = NULL;

  if (!g_str_equal (teesql_config_get_string (config, "postgresql", "mode"), "managed"))
    return TRUE;
  place = teesql_managed_place_new (config, error);
  if (place == NULL || (ends != NULL && !teesql_launcher_fork (place, ends, error)))
    return FALSE;
  teesql_managed_place_drop_rights ();
  *out_place = g_steal_pointer (&place);
  return TRUE;
}

static int
run (const Arguments *arguments, gboolean locked)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, arguments->config_path, &error);
  g_autoptr (TeesqlDaemon) daemon = NULL;
  g_autoptr (TeesqlManagedPlace) place = NULL;
  TeesqlLauncherEnds ends = { -1, -1 };

  if (config == NULL || !prepare_managed (config, arguments->check_config ? NULL : &ends, &place, &error))
    {
      g_printerr ("%s\n", error->message);
      return TEESQL_EXIT_CONFIG;
    }
  teesql_daemon_log_setup (config);
  if (arguments->check_config)
    return teesql_daemon_check (config);
  teesql_daemon_log_start (config, locked);
  daemon = teesql_daemon_new (config, arguments->config_path);
  if (place != NULL)
    teesql_daemon_take_launcher (daemon, g_steal_pointer (&place), &ends);
  return teesql_daemon_run (daemon);
}

int
main (int argc, char **argv)
{
  Arguments arguments = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean locked = FALSE;
  int status = 0;

  teesql_environment_rebuild (argc, argv);
  teesql_process_harden (&locked);
  setlocale (LC_ALL, "");
  signal (SIGPIPE, SIG_IGN);
  if (!parse_arguments (&argc, &argv, &arguments, &error))
    {
      g_printerr ("teesqld: %s\n", error->message);
      status = TEESQL_EXIT_CONFIG;
    }
  else if (arguments.version)
    g_print ("teesqld %s\n", TEESQL_VERSION);
  else
    status = run (&arguments, locked);
  g_free (arguments.config_path);
  return status;
}
