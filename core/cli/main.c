#include "cli/teesql-cli.h"

#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "base/teesql-log.h"

#include <locale.h>

static const TeesqlCliCommand commands[] = {
  { "backup", "take, list, verify and expire backups", teesql_cli_run_backup },
  { "cert", "write a client certificate that carries evidence, for libpq", teesql_cli_run_cert },
  { "config", "check a configuration file, or print what it means", teesql_cli_run_config },
  { "connect", "carry local connections to a teesqld over attested TLS", teesql_cli_run_connect },
  { "plugin", "show plugins and their options", teesql_cli_run_plugin },
  { "policy", "explain what a policy says to a quote or a server", teesql_cli_run_policy },
  { "restore", "make a data directory out of a backup", teesql_cli_run_restore },
  { "secret", "make the secret of a role", teesql_cli_run_secret },
  { "status", "show what the teesqld of this machine knows about itself", teesql_cli_run_status },
  { "verify", "verify evidence and say what it proves", teesql_cli_run_verify },
  { "wait", "wait until a teesqld answers and is accepted", teesql_cli_run_wait },
};

/* SR-14: one line names what was taken out of the environment. */
static void
tell_dropped (const TeesqlCliGlobals *globals)
{
  const char *const *dropped = teesql_environment_get_dropped ();
  g_autofree char *names = NULL;

  teesql_log_setup ("teesql",
                    globals->verbose ? TEESQL_LOG_DEBUG
                    : globals->quiet ? TEESQL_LOG_ERROR
                                     : TEESQL_LOG_WARNING,
                    TEESQL_LOG_FORMAT_TEXT);
  if (dropped[0] == NULL)
    return;
  names = g_strjoinv (" ", (char **) dropped);
  teesql_log_info ("environment", "not used: %s", names);
}

int
main (int argc, char **argv)
{
  TeesqlCliGlobals globals = { 0 };
  GError *error = NULL;
  gboolean locked = FALSE;

  teesql_environment_rebuild (argc, argv);
  teesql_process_harden (&locked);
  setlocale (LC_ALL, "");
  g_set_prgname ("teesql");
  if (argc > 1 && strcmp (argv[1], "--help") == 0)
    {
      teesql_cli_print_commands (commands, G_N_ELEMENTS (commands), "");
      return TEESQL_EXIT_OK;
    }
  if (!teesql_cli_split_globals (&argc, argv, &globals, &error))
    return teesql_cli_fail (error);
  tell_dropped (&globals);
  return teesql_cli_dispatch (commands, G_N_ELEMENTS (commands), "", &globals, argc, argv);
}
