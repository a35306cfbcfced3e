#include "cli/teesql-exec.h"
#include "base/teesql-domains.h"
#include "base/teesql-environment.h"
#include "cli/teesql-target.h"
#include <errno.h>
#include <glib-unix.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND  127

/* They would lead elsewhere, or make libpq ask a plain socket for what it cannot give. */
static const char *const interfering[] = {
  "PGHOSTADDR",
  "PGSERVICE",
  "PGSERVICEFILE",
  "PGREQUIRESSL",
  "PGSSLNEGOTIATION",
  "PGSSLCOMPRESSION",
  "PGSSLCERT",
  "PGSSLKEY",
  "PGSSLROOTCERT",
  "PGSSLCRL",
  "PGSSLCRLDIR",
  "PGSSLSNI",
  "PGSSLCERTMODE",
  "PGREQUIREPEER",
  "PGKRBSRVNAME",
  "PGGSSLIB",
  "PGGSSENCMODE",
  "PGCHANNELBINDING",
  "PGSSLMINPROTOCOLVERSION",
  "PGSSLMAXPROTOCOLVERSION",
  "PGTARGETSESSIONATTRS",
  "PGLOADBALANCEHOSTS",
};

static void
fill_from_url (char ***environment, const char *url)
{
  static const struct
  {
    const char *keyword;
    const char *variable;
  } fields[] = { { "user", "PGUSER" }, { "dbname", "PGDATABASE" }, { "password", "PGPASSWORD" } };
  PQconninfoOption *options = teesql_target_parse_conninfo (url, NULL);

  for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
      if (option->val != NULL && g_str_equal (option->keyword, fields[i].keyword))
        *environment = g_environ_setenv (*environment, fields[i].variable, option->val, FALSE);
  PQconninfoFree (options);
}

char **
teesql_exec_environment (const char *host, guint16 port, GError **error)
{
  g_auto (GStrv) environment = teesql_environment_get_caller ();
  g_autofree char *port_text = g_strdup_printf ("%u", port);
  g_autofree char *url = g_strdup (g_environ_getenv (environment, "DATABASE_URL"));
  g_autofree char *rewritten = url != NULL ? teesql_target_rewrite_url (url, host, port) : NULL;

  /* The command would follow it past us, to a server that nobody has verified, and by PGSSLMODE without TLS. */
  if (url != NULL && rewritten == NULL)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "database-url", 0,
                                           "DATABASE_URL cannot be pointed here: it is neither a postgresql:// URI nor key/value text\n"
                                           "hint: unset it, or write it as postgresql://ROLE@HOST:5433/DATABASE"));
      return NULL;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (interfering); i++)
    environment = g_environ_unsetenv (environment, interfering[i]);
  if (rewritten != NULL)
    {
      fill_from_url (&environment, url);
      environment = g_environ_setenv (environment, "DATABASE_URL", rewritten, TRUE);
    }
  environment = g_environ_setenv (environment, "PGHOST", host, TRUE);
  environment = g_environ_setenv (environment, "PGPORT", port_text, TRUE);
  environment = g_environ_setenv (environment, "PGSSLMODE", "disable", TRUE);
  return g_steal_pointer (&environment);
}

/* --- the command */

typedef struct
{
  GPid pid;
  int status;
  gboolean ended;
} Child;

static void
child_ended_cb (GPid pid, int status, gpointer user_data)
{
  Child *child = user_data;

  child->status = status;
  child->ended = TRUE;
  g_spawn_close_pid (pid);
}

static gboolean
pass_on_term (gpointer user_data)
{
  (void) kill (((Child *) user_data)->pid, SIGTERM);
  return G_SOURCE_CONTINUE;
}

static gboolean
pass_on_hup (gpointer user_data)
{
  (void) kill (((Child *) user_data)->pid, SIGHUP);
  return G_SOURCE_CONTINUE;
}

/* in the child, between fork and exec: only calls that are safe there */
static void
restore_signals (gpointer user_data)
{
  signal (SIGINT, SIG_DFL);
  signal (SIGQUIT, SIG_DFL);
  signal (SIGPIPE, SIG_DFL);
}

static int
child_exit_code (int status)
{
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

int
teesql_exec_run (char **command, char **environment)
{
  Child child = { 0 };
  g_autoptr (GError) error = NULL;
  guint term = 0;
  guint hup = 0;

  /* the terminal sends these to the command too, and it decides what they mean */
  signal (SIGINT, SIG_IGN);
  signal (SIGQUIT, SIG_IGN);
  if (!g_spawn_async (NULL, command, environment, G_SPAWN_SEARCH_PATH_FROM_ENVP | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN,
                      restore_signals, NULL, &child.pid, &error))
    {
      g_printerr ("teesql: %s: %s\n", command[0], error->message);
      return g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    }
  g_child_watch_add (child.pid, child_ended_cb, &child);
  term = g_unix_signal_add (SIGTERM, pass_on_term, &child);
  hup = g_unix_signal_add (SIGHUP, pass_on_hup, &child);
  while (!child.ended)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (term);
  g_source_remove (hup);
  return child_exit_code (child.status);
}
