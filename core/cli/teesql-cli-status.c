#include "cli/teesql-cli-daemon.h"

static const char *
text_of (JsonObject *object, const char *name)
{
  return json_object_get_string_member_with_default (object, name, NULL);
}

static void
print_component (JsonObject *components, const char *name, JsonNode *node, gpointer data)
{
  JsonObject *component = json_node_get_object (node);
  const char *message = text_of (component, "message");

  g_print ("%-12s %-9s %s\n", name, text_of (component, "health"), message != NULL ? message : "");
}

static char *
describe_age (JsonObject *facts, const char *name)
{
  gint64 at = json_object_get_int_member_with_default (facts, name, 0);
  gint64 age = g_get_real_time () / G_USEC_PER_SEC - at;

  if (at == 0)
    return g_strdup ("never");
  if (age < 120)
    return g_strdup_printf ("%" G_GINT64_FORMAT " s ago", MAX (age, 0));
  if (age < 7200)
    return g_strdup_printf ("%" G_GINT64_FORMAT " min ago", age / 60);
  return g_strdup_printf ("%" G_GINT64_FORMAT " h ago", age / 3600);
}

static void
print_repository (JsonObject *backups, const char *name, JsonNode *node, gpointer data)
{
  JsonObject *facts = json_node_get_object (node);
  g_autofree char *last = describe_age (facts, "last_backup");
  g_autofree char *oldest = describe_age (facts, "oldest_restorable");
  g_autofree char *lag =
      g_format_size_full ((guint64) json_object_get_int_member_with_default (facts, "wal_lag_bytes", 0), G_FORMAT_SIZE_IEC_UNITS);

  g_print ("\nstorage %s: %s, %" G_GINT64_FORMAT " backups, last %s, restorable from %s on\n", name, text_of (facts, "state"),
           json_object_get_int_member_with_default (facts, "backups", 0), last, oldest);
  g_print ("  WAL lag %s, %.1f s; gaps %" G_GINT64_FORMAT "%s%s\n", lag,
           (double) json_object_get_int_member_with_default (facts, "wal_lag_ms", 0) / 1000,
           json_object_get_int_member_with_default (facts, "gaps", 0), text_of (facts, "running") != NULL ? "; running: " : "",
           text_of (facts, "running") != NULL ? text_of (facts, "running") : "");
  if (text_of (facts, "problem") != NULL)
    g_print ("  %s\n", text_of (facts, "problem"));
}

static void
print_status (JsonObject *status)
{
  JsonArray *taints = json_object_get_array_member (status, "taints");
  JsonArray *notices = json_object_get_array_member (status, "notices");

  g_print ("%s\n\n", text_of (status, "status"));
  json_object_foreach_member (json_object_get_object_member (status, "components"), print_component, NULL);
  json_object_foreach_member (json_object_get_object_member (status, "backups"), print_repository, NULL);
  if (json_array_get_length (notices) > 0)
    g_print ("\n");
  for (guint i = 0; i < json_array_get_length (notices); i++)
    {
      JsonObject *notice = json_array_get_object_element (notices, i);
      g_print ("notice %s: %s\n", text_of (notice, "reason"), text_of (notice, "message"));
    }
  for (guint i = 0; i < json_array_get_length (taints); i++)
    g_print ("taint: %s\n", json_array_get_string_element (taints, i));
}

int
teesql_cli_run_status (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  GError *error = NULL;
  g_autoptr (JsonBuilder) request = NULL;
  g_autoptr (JsonObject) status = NULL;
  const char *word = NULL;

  if (!teesql_cli_parse ("status", "Shows what the teesqld of this machine knows about itself. Exit status 1 when it does not work.", NULL,
                         &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("status: %s is not expected", argv[1]);
  request = json_builder_new ();
  json_builder_begin_object (request);
  teesql_cli_json_text (request, "command", "status");
  status = teesql_cli_ask_daemon (globals, request, &error);
  if (status == NULL)
    return teesql_cli_fail (error);
  if (globals->json)
    teesql_cli_print_object (status);
  else
    print_status (status);
  word = text_of (status, "status");
  return g_strcmp0 (word, "ok") == 0 || g_strcmp0 (word, "degraded") == 0 ? TEESQL_EXIT_OK : TEESQL_EXIT_REFUSED;
}
