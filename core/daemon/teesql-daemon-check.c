#include "daemon/teesql-daemon-check.h"

#include "base/teesql-hex.h"
#include "daemon/teesql-daemon-plugins.h"
#include "daemon/teesql-daemon.h"
#include "policy/teesql-policy.h"

typedef struct
{
  GMainLoop *loop;
  gboolean created;
  GError *error;
} Waiting;

static void
created_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Waiting *waiting = data;

  waiting->created = teesql_daemon_plugins_create_finish (TEESQL_DAEMON_PLUGINS (source), result, &waiting->error);
  g_main_loop_quit (waiting->loop);
}

/* An agent that is away now is no fault of the file. */
static gboolean
check_plugins (TeesqlDaemonPlugins *plugins)
{
  Waiting waiting = { .loop = g_main_loop_new (NULL, FALSE) };
  gboolean good = TRUE;

  teesql_daemon_plugins_create_async (plugins, NULL, created_cb, &waiting);
  g_main_loop_run (waiting.loop);
  g_main_loop_unref (waiting.loop);
  if (!waiting.created)
    {
      good = !teesql_daemon_plugins_is_final (waiting.error);
      g_printerr ("%s%s\n", good ? "now: " : "", waiting.error->message);
    }
  g_clear_error (&waiting.error);
  return good;
}

static gboolean
check_policy (TeesqlConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPolicy) policy = teesql_policy_new_from_config (config, "clients", &error);

  if (policy == NULL)
    {
      g_printerr ("%s\n", error->message);
      return FALSE;
    }
  for (const char *const *key = teesql_policy_get_any (policy); *key != NULL; key++)
    g_print ("[policy:clients] %s = any: nothing is required\n", *key);
  for (const char *const *open = teesql_policy_get_unsettled (policy); *open != NULL; open++)
    g_print ("[policy:clients] does not settle the %s: everybody is refused\n", *open);
  return TRUE;
}

int
teesql_daemon_check (TeesqlConfig *config)
{
  g_autoptr (TeesqlDaemonPlugins) plugins = teesql_daemon_plugins_new (config);
  gboolean good = check_policy (config);
  guint8 digest[48];
  g_autofree char *hex = NULL;

  if (!check_plugins (plugins) || !good)
    return TEESQL_EXIT_CONFIG;
  teesql_daemon_plugins_digest (plugins, config, digest);
  hex = teesql_hex_encode (digest, sizeof digest);
  g_print ("configuration digest %s\n", hex);
  return TEESQL_EXIT_DONE;
}
