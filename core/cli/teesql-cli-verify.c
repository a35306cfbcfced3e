#include "cli/teesql-cli.h"

int
teesql_cli_run_verify (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = {
    { "quote", "a quote in a file", teesql_cli_run_verify_quote },
    { "server", "a teesqld that is running", teesql_cli_run_verify_server },
  };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "verify ", globals, argc, argv);
}
