#include "base/teesql-domains.h"
#include "cli/teesql-cli-client.h"
#include "cli/teesql-cli.h"
#include "cli/teesql-exec.h"
#include "cli/teesql-target.h"
#include "proxy/teesql-forwarder.h"
#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>

/* our own failures, where the command's exit codes are passed on */
#define EXIT_OURS 125

#define MAX_WORKERS 4

typedef struct
{
  char *listen;
  char *socket_directory;
  gboolean exec;
  char *target;
  char **command; /* (nullable): borrowed, behind `--` */
} ConnectOptions;

/* --- command line */

static void
connect_options_clear (ConnectOptions *options)
{
  g_free (options->listen);
  g_free (options->socket_directory);
  g_free (options->target);
}

/* What stands behind `--` is the command's, whatever it looks like. */
static int
split_command (int argc, char **argv, char ***out_command)
{
  for (int i = 1; i < argc; i++)
    if (g_str_equal (argv[i], "--"))
      {
        *out_command = argv + i + 1;
        return i;
      }
  *out_command = NULL;
  return argc;
}

static gboolean
usage_error (GError **error, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "usage", 0, "%s", text));
  return FALSE;
}

static gboolean
parse_options (int argc, char **argv, ConnectOptions *out, GError **error)
{
  GOptionEntry entries[] = {
    { "listen", 0, 0, G_OPTION_ARG_STRING, &out->listen, "take connections on a loopback port instead of the socket", "ADDR:PORT" },
    { "socket-directory", 0, 0, G_OPTION_ARG_FILENAME, &out->socket_directory, "folder of the socket (.s.PGSQL.5432, mode 0600)", "DIR" },
    { "exec", 0, 0, G_OPTION_ARG_NONE, &out->exec, "run the command behind --, and end with it and its exit code", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[TARGET] [--exec -- CMD…]");
  g_auto (GStrv) arguments = NULL;
  int n = split_command (argc, argv, &out->command);

  g_option_context_set_summary (context,
                                "Carries connections of this machine to a teesqld over TLS that is attested on both sides.\n"
                                "TARGET is HOST:PORT, a postgresql:// URI or key/value text; else DATABASE_URL, else [connect] server.");
  g_option_context_add_main_entries (context, entries, NULL);
  arguments = g_new0 (char *, (gsize) n + 1);
  for (int i = 0; i < n; i++)
    arguments[i] = g_strdup (argv[i]);
  g_set_prgname ("teesql connect"); /* what the usage begins with */
  if (!g_option_context_parse_strv (context, &arguments, error))
    return FALSE;
  g_set_prgname ("teesql");
  if (g_strv_length (arguments) > 2)
    return usage_error (error, "one target at most");
  if (out->exec && (out->command == NULL || out->command[0] == NULL))
    return usage_error (error, "--exec needs a command: teesql connect --exec -- CMD…");
  if (!out->exec && out->command != NULL)
    return usage_error (error, "a command needs --exec: teesql connect --exec -- CMD…");
  if (out->listen != NULL && out->socket_directory != NULL)
    return usage_error (error, "--listen and --socket-directory exclude each other");
  out->target = g_strdup (arguments[1]);
  return TRUE;
}

/* --- the forwarder */

static gboolean
resolve_secret (TeesqlConfig *config, TeesqlSecret **out_secret, GError **error)
{
  const char *reference = teesql_config_get_string (config, "connect", "secret");

  if (reference == NULL || teesql_config_is_none (config, "connect", "secret"))
    return TRUE;
  *out_secret = teesql_config_resolve_secret (reference, error);
  return *out_secret != NULL;
}

static TeesqlForwarder *
make_forwarder (TeesqlCliClient *client, const TeesqlTarget *target, GError **error)
{
  g_autoptr (TeesqlSecret) secret = NULL;
  TeesqlForwarderOptions options = {
    .attest = client->attest,
    .host = target->host,
    .port = target->port,
    .server_name = teesql_config_is_set (client->config, "connect", "server-name")
                       ? teesql_config_get_string (client->config, "connect", "server-name")
                       : NULL,
    .connect_timeout_ms = teesql_config_get_duration_ms (client->config, "connect", "connect-timeout"),
    .max_sessions = (guint) teesql_config_get_integer (client->config, "connect", "max-sessions"),
    .workers = MIN (g_get_num_processors (), MAX_WORKERS),
    .role = teesql_config_is_set (client->config, "connect", "role") ? teesql_config_get_string (client->config, "connect", "role") : NULL,
  };

  if (!resolve_secret (client->config, &secret, error))
    return NULL;
  options.secret = secret;
  return teesql_forwarder_new (&options, error);
}

/* A folder of its own for each command: two of them do not meet on one socket. */
static char *
private_folder (const char *parent, GError **error)
{
  g_autofree char *folder = g_build_filename (parent, "exec-XXXXXX", NULL);

  if (g_mkdir_with_parents (parent, 0700) == 0 && g_mkdtemp (folder) != NULL)
    return g_steal_pointer (&folder);
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", 0, "%s: %s", parent,
                                              g_strerror (errno)));
  return NULL;
}

static gboolean
start_listening (TeesqlForwarder *forwarder, TeesqlConfig *config, const ConnectOptions *options, char **out_remove, GError **error)
{
  const char *listen = options->listen != NULL ? options->listen : teesql_config_get_string (config, "connect", "listen");
  const char *directory = teesql_config_get_string (config, "connect", "socket-directory");
  g_autofree char *folder = NULL;

  if (options->socket_directory != NULL)
    return teesql_forwarder_listen_unix (forwarder, options->socket_directory, error);
  if (!g_str_equal (listen, "socket"))
    return teesql_forwarder_listen_tcp (forwarder, listen, error);
  if (!options->exec)
    return teesql_forwarder_listen_unix (forwarder, directory, error);
  folder = private_folder (directory, error);
  if (folder == NULL)
    return FALSE;
  if (!teesql_forwarder_listen_unix (forwarder, folder, error))
    {
      (void) g_rmdir (folder);
      return FALSE;
    }
  *out_remove = g_steal_pointer (&folder);
  return TRUE;
}

static void
say_ready (const TeesqlCliGlobals *globals, const TeesqlTarget *target, TeesqlForwarder *forwarder)
{
  const char *host = teesql_forwarder_get_host (forwarder);
  guint port = teesql_forwarder_get_port (forwarder);

  if (globals->json)
    {
      g_print ("{\"schema\":1,\"ready\":true,\"host\":\"%s\",\"port\":%u}\n", host, port);
      return;
    }
  if (!globals->quiet)
    g_printerr ("teesql: forwarding to %s:%u; connect with: psql -h %s -p %u\n", target->host, target->port, host, port);
}

static gboolean
stop_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
serve_until_signal (void)
{
  gboolean stopped = FALSE;
  guint term = g_unix_signal_add (SIGTERM, stop_cb, &stopped);
  guint interrupt = g_unix_signal_add (SIGINT, stop_cb, &stopped);

  while (!stopped)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (term);
  g_source_remove (interrupt);
}

static int
serve (const TeesqlCliGlobals *globals, const ConnectOptions *options, const TeesqlTarget *target, TeesqlForwarder *forwarder,
       GError **error)
{
  g_auto (GStrv) environment = NULL;

  if (!options->exec)
    {
      say_ready (globals, target, forwarder);
      serve_until_signal ();
      return TEESQL_EXIT_OK;
    }
  environment = teesql_exec_environment (teesql_forwarder_get_host (forwarder), teesql_forwarder_get_port (forwarder), error);
  return environment != NULL ? teesql_exec_run (options->command, environment) : EXIT_OURS;
}

static int
run (const TeesqlCliGlobals *globals, const ConnectOptions *options, GError **error)
{
  g_autoptr (TeesqlCliClient) client = teesql_cli_client_new (globals, error);
  g_autoptr (TeesqlTarget) target = NULL;
  g_autoptr (TeesqlForwarder) forwarder = NULL;
  g_autofree char *remove = NULL;
  int code;

  if (client == NULL)
    return EXIT_OURS;
  target = teesql_target_new (options->target, g_getenv ("DATABASE_URL"), client->config, error);
  if (target == NULL || !teesql_cli_client_start (client, error))
    return EXIT_OURS;
  forwarder = make_forwarder (client, target, error);
  if (forwarder == NULL || !start_listening (forwarder, client->config, options, &remove, error))
    return EXIT_OURS;
  code = serve (globals, options, target, forwarder, error);
  teesql_forwarder_stop (forwarder);
  if (remove != NULL)
    (void) g_rmdir (remove);
  return code;
}

int
teesql_cli_run_connect (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  ConnectOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  int code = TEESQL_EXIT_USAGE;

  if (parse_options (argc, argv, &options, &error))
    code = run (globals, &options, &error);
  if (error != NULL)
    {
      teesql_cli_print_error (error);
      if (code == EXIT_OURS && !options.exec)
        code = teesql_cli_exit_code (error);
      else if (options.exec)
        code = EXIT_OURS;
    }
  connect_options_clear (&options);
  return code;
}
