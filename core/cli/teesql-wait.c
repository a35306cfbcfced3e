#include "base/teesql-domains.h"
#include "cli/teesql-cli-client.h"
#include "cli/teesql-cli.h"
#include "cli/teesql-dial-once.h"
#include "cli/teesql-target.h"

#define RETRY_MS 500

/* The configuration's own words for durations. */
static gboolean
parse_duration (const char *text, guint *out_ms, GError **error)
{
  static const struct
  {
    const char *unit;
    guint ms;
  } units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };
  char *end = NULL;
  guint64 n = g_ascii_strtoull (text, &end, 10);

  for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
    if (g_ascii_isdigit (*text) && g_str_equal (end, units[i].unit) && n <= G_MAXINT / units[i].ms)
      {
        *out_ms = (guint) n * units[i].ms;
        return TRUE;
      }
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "usage", 0,
                                              "--timeout %s: expected a duration such as 30s or 5min", text));
  return FALSE;
}

static gboolean
retry_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
pause_ms (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add (ms, retry_cb, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

/* What waiting can mend: somebody who is not there yet. A server that shows wrong evidence will not show better. */
static gboolean
is_worth_waiting (const GError *error)
{
  return g_error_matches (error, TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE) || error->domain == TEESQL_ATTESTER_ERROR;
}

static gboolean
wait_for_server (TeesqlCliClient *client, const TeesqlTarget *target, gint64 end_us, GError **error)
{
  gboolean started = FALSE;

  while (TRUE)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (TeesqlDialOutcome) outcome = NULL;

      started = started || teesql_cli_client_start (client, &problem);
      if (started)
        outcome = teesql_dial_once (client, target, &problem);
      if (problem == NULL)
        return TRUE;
      if (!is_worth_waiting (problem) || g_get_monotonic_time () + RETRY_MS * 1000 > end_us)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      pause_ms (RETRY_MS);
    }
}

int
teesql_cli_run_wait (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_autofree char *timeout = NULL;
  GOptionEntry entries[] = {
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout, "give up after this time (default 60s)", "DURATION" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCliClient) client = NULL;
  g_autoptr (TeesqlTarget) target = NULL;
  guint timeout_ms = 60000;

  if (!teesql_cli_parse ("wait [TARGET]", "Waits until a teesqld answers, shows evidence that the policy accepts, and accepts ours.",
                         entries, &argc, &argv, &error) ||
      (timeout != NULL && !parse_duration (timeout, &timeout_ms, &error)))
    {
      teesql_cli_print_error (error);
      return TEESQL_EXIT_USAGE;
    }
  client = teesql_cli_client_new (globals, &error);
  if (client != NULL)
    target = teesql_target_new (argc > 1 ? argv[1] : NULL, g_getenv ("DATABASE_URL"), client->config, &error);
  if (target != NULL && wait_for_server (client, target, g_get_monotonic_time () + (gint64) timeout_ms * 1000, &error))
    return TEESQL_EXIT_OK;
  teesql_cli_print_error (error);
  return teesql_cli_exit_code (error);
}
