#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* Exit codes of every verb (connect --exec: the command's own, 125 for ours). */
enum
{
  TEESQL_EXIT_OK = 0,
  TEESQL_EXIT_REFUSED = 1,
  TEESQL_EXIT_USAGE = 2,
  TEESQL_EXIT_UNREACHABLE = 3,
};

/**
 * TeesqlCliGlobals:
 * @config_path: (nullable): `--config`
 * @plugin_path: (nullable): `--plugin-path`
 *
 * options that stand before the verb
 */
typedef struct {
  const char *config_path;
  const char *plugin_path;
  gboolean json;
  gboolean quiet;
  gboolean verbose;
} TeesqlCliGlobals;

/* One function a verb, in a file of its name; argv[0] is the verb. Returns: exit code */
int teesql_cli_run_connect (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_wait (const TeesqlCliGlobals *globals, int argc, char **argv);

void teesql_cli_print_error (const GError *error); /* `teesql: message`, and its `hint: ` line, on stderr */
int teesql_cli_exit_code (const GError *error);

G_END_DECLS
