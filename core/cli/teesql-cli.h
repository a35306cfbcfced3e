#pragma once
#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * TeesqlCliGlobals:
 * @config_path: (nullable): `--config`
 * @plugin_path: (nullable): `--plugin-path`, a folder that is searched before those of the configuration
 *
 * options that every verb takes, wherever they stand before `--`
 */
typedef struct
{
  const char *config_path;
  const char *plugin_path;
  gboolean json;
  gboolean quiet;
  gboolean verbose;
} TeesqlCliGlobals;

/**
 * TeesqlCliCommand:
 * @run: argv[0] is the verb; returns an exit code
 */
typedef struct
{
  const char *name;
  const char *summary;
  int (*run) (const TeesqlCliGlobals *globals, int argc, char **argv);
} TeesqlCliCommand;

/* of all tools (docs/man/teesql.1) */
enum
{
  TEESQL_EXIT_OK = 0,
  TEESQL_EXIT_REFUSED = 1,
  TEESQL_EXIT_USAGE = 2,
  TEESQL_EXIT_UNREACHABLE = 3,
};

#define TEESQL_CLI_SCHEMA 1 /* of every JSON we print */

int teesql_cli_run_backup (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_cert (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_config (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_connect (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_plugin (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_plugin_check (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_policy (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_policy_explain_quote (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_policy_explain_server (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_restore (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_secret (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_status (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_verify (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_verify_quote (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_verify_server (const TeesqlCliGlobals *globals, int argc, char **argv);
int teesql_cli_run_wait (const TeesqlCliGlobals *globals, int argc, char **argv);

/**
 * teesql_cli_split_globals:
 * @argv: changed: what is left stays in order, the program's name first
 *
 * takes the global options out, up to a `--`. Prints and ends the program for `--version`, and for `--help` before the verb.
 */
gboolean teesql_cli_split_globals (int *argc, char **argv, TeesqlCliGlobals *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_parse:
 * @usage: what follows `teesql `: `verify quote FILE`
 *
 * parses a verb's own options; what is left stays in @argv, the verb first. `--help` prints and ends the program.
 */
gboolean teesql_cli_parse (const char *usage, const char *summary, const GOptionEntry *entries, int *argc, char ***argv, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_dispatch:
 *
 * runs the command whose name is argv[1]; @prefix is empty or `verify `, for messages
 */
int teesql_cli_dispatch (const TeesqlCliCommand *commands, guint n_commands, const char *prefix, const TeesqlCliGlobals *globals, int argc,
                         char **argv);
void teesql_cli_print_commands (const TeesqlCliCommand *commands, guint n_commands, const char *prefix);

void teesql_cli_print_error (const GError *error); /* `teesql: message`, and `hint: …` on a line of its own */
/* UNAVAILABLE, THROTTLED and timeouts 3; CONFIG, PLUGIN and unreadable files 2; else 1 */
int teesql_cli_exit_code (const GError *error);
int teesql_cli_fail (GError *error); /* (transfer full): both of the above */
int teesql_cli_usage_error (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* one line, with a newline; @builder holds a finished object */
void teesql_cli_print_json (JsonBuilder *builder);
void teesql_cli_print_object (JsonObject *object); /* the same for an object as it came, with `schema` */
JsonBuilder *teesql_cli_json_new (void) G_GNUC_WARN_UNUSED_RESULT;                    /* begins the object, with `schema` */
void teesql_cli_json_text (JsonBuilder *builder, const char *name, const char *text); /* %NULL: null */
void teesql_cli_json_hex (JsonBuilder *builder, const char *name, const guint8 *data, gsize size);
void teesql_cli_json_list (JsonBuilder *builder, const char *name, const char *const *items);

/**
 * teesql_cli_write_private:
 *
 * makes a file of mode 0600 that must not exist yet, all of it or none of it
 */
gboolean teesql_cli_write_private (const char *path, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_read_file:
 *
 * a regular file of at most @max bytes. Errors: #G_IO_ERROR or #G_FILE_ERROR (exit code 2)
 */
GBytes *teesql_cli_read_file (const char *path, gsize max, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
