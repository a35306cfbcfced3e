#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "base/teesql-log.h"
#include "cli/teesql-cli.h"
#include "teesql-build.h"
#include <locale.h>
#include <string.h>

typedef struct
{
  const char *name;
  const char *summary;
  int (*run) (const TeesqlCliGlobals *globals, int argc, char **argv);
} Command;

static const Command commands[] = {
  { "connect", "carry local connections to a teesqld over attested TLS", teesql_cli_run_connect },
  { "wait", "wait until a teesqld answers and is accepted", teesql_cli_run_wait },
};

static const Command *
find_command (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return &commands[i];
  return NULL;
}

static char *
describe_commands (void)
{
  GString *text = g_string_new ("Commands:\n");

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (text, "  %-14s %s\n", commands[i].name, commands[i].summary);
  g_string_append (text, "\n`teesql COMMAND --help` tells more.");
  return g_string_free (text, FALSE);
}

static void
set_up_log (const TeesqlCliGlobals *globals)
{
  TeesqlLogLevel level = globals->verbose ? TEESQL_LOG_DEBUG : globals->quiet ? TEESQL_LOG_ERROR : TEESQL_LOG_WARNING;
  g_autofree char *names = NULL;

  teesql_log_setup ("teesql", level, TEESQL_LOG_FORMAT_TEXT);
  names = g_strjoinv (" ", (char **) teesql_environment_get_dropped ());
  if (*names != '\0')
    teesql_log_info ("start", "variables that would change a library were dropped: %s", names);
}

/* Options before the verb are ours, everything from the verb on is its own. */
static int
find_verb (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    {
      if (argv[i][0] != '-')
        return i;
      if (g_str_equal (argv[i], "--config") || g_str_equal (argv[i], "--plugin-path"))
        i++;
    }
  return argc;
}

static int
run (int argc, char **argv)
{
  TeesqlCliGlobals globals = { 0 };
  g_autofree char *config_path = NULL;
  g_autofree char *plugin_path = NULL;
  gboolean version = FALSE;
  GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &config_path, "read this file, and FILE.d/*.conf, instead of the usual ones", "FILE" },
    { "plugin-path", 0, 0, G_OPTION_ARG_FILENAME, &plugin_path, "look for plugins here first", "DIR" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &globals.json, "print JSON", NULL },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &globals.quiet, "print errors and results only", NULL },
    { "verbose", 0, 0, G_OPTION_ARG_NONE, &globals.verbose, "say what happens", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "print the version", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("COMMAND [ARGUMENT…]");
  g_autoptr (GError) error = NULL;
  g_autofree char *list = describe_commands ();
  g_auto (GStrv) ours = NULL;
  int verb = find_verb (argc, argv);
  const Command *command = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, list);
  ours = g_new0 (char *, (gsize) verb + 1);
  for (int i = 0; i < verb; i++)
    ours[i] = g_strdup (argv[i]);
  if (!g_option_context_parse_strv (context, &ours, &error))
    {
      teesql_cli_print_error (error);
      return TEESQL_EXIT_USAGE;
    }
  if (version)
    {
      g_print ("teesql %s\n", TEESQL_VERSION);
      return TEESQL_EXIT_OK;
    }
  command = verb < argc ? find_command (argv[verb]) : NULL;
  if (command == NULL)
    {
      g_autofree char *help = g_option_context_get_help (context, TRUE, NULL);

      if (verb < argc)
        g_printerr ("teesql: there is no command '%s'\n\n", argv[verb]);
      g_printerr ("%s", help);
      return TEESQL_EXIT_USAGE;
    }
  globals.config_path = config_path;
  globals.plugin_path = plugin_path;
  set_up_log (&globals);
  return command->run (&globals, argc - verb, argv + verb);
}

int
main (int argc, char **argv)
{
  teesql_environment_rebuild (argc, argv);
  setlocale (LC_ALL, "");
  teesql_process_harden (NULL);
  return run (argc, argv);
}
