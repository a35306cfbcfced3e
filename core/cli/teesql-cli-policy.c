#include "cli/teesql-cli.h"
#include <string.h>

/* `--quote FILE` anywhere: then it is about a file, and FILE alone stays in @argv. */
static gboolean
take_quote (int *argc, char **argv)
{
  for (int i = 1; i + 1 < *argc; i++)
    {
      if (strcmp (argv[i], "--quote") != 0)
        continue;
      for (int j = i; j < *argc; j++)
        argv[j] = argv[j + 1]; /* with the NULL behind the last */
      (*argc)--;
      return TRUE;
    }
  return FALSE;
}

static int
run_explain (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  if (take_quote (&argc, argv))
    return teesql_cli_run_policy_explain_quote (globals, argc, argv);
  return teesql_cli_run_policy_explain_server (globals, argc, argv);
}

int
teesql_cli_run_policy (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = {
    { "explain", "each rule, what it expects and what a quote (--quote FILE) or a server shows", run_explain },
  };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "policy ", globals, argc, argv);
}
