#include "cli/teesql-cli-daemon.h"

#define COMPONENT_INDENT 23
#define FACT_INDENT      14
#define NOTICE_INDENT    2

static const char *
text_of (JsonObject *object, const char *name)
{
  return json_object_get_string_member_with_default (object, name, NULL);
}

/* A message may have a hint on a line of its own. */
static char *
indent (const char *text, guint width)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *margin = g_strdup_printf ("\n%*s", (int) width, "");

  return g_strjoinv (margin, lines);
}

static void
print_component (JsonObject *components, const char *name, JsonNode *node, gpointer data)
{
  JsonObject *component = json_node_get_object (node);
  const char *text = text_of (component, "message");
  g_autofree char *message = text != NULL ? indent (text, COMPONENT_INDENT) : NULL;

  if (message != NULL)
    g_print ("%-12s %-9s %s\n", name, text_of (component, "health"), message);
  else
    g_print ("%-12s %s\n", name, text_of (component, "health"));
}

static gint64
number_of (JsonObject *object, const char *name)
{
  return json_object_get_int_member_with_default (object, name, 0);
}

static char *
describe_age (gint64 at)
{
  gint64 age = g_get_real_time () / G_USEC_PER_SEC - at;

  if (age < 120)
    return g_strdup_printf ("%" G_GINT64_FORMAT " s ago", MAX (age, 0));
  if (age < 7200)
    return g_strdup_printf ("%" G_GINT64_FORMAT " min ago", age / 60);
  return g_strdup_printf ("%" G_GINT64_FORMAT " h ago", age / 3600);
}

static void
print_backups (JsonObject *facts)
{
  gint64 oldest = number_of (facts, "oldest_restorable");
  g_autofree char *last = describe_age (number_of (facts, "last_backup"));
  g_autofree char *full = describe_age (number_of (facts, "last_full"));
  g_autofree char *since = teesql_cli_dup_time (oldest);

  if (number_of (facts, "backups") == 0)
    g_print ("  backups     none yet\n");
  else
    g_print ("  backups     %" G_GINT64_FORMAT ", the last %s, the last full one %s\n", number_of (facts, "backups"), last, full);
  if (oldest != 0)
    g_print ("  restorable  to any moment since %s\n", since);
  else
    g_print ("  restorable  nothing yet\n");
}

static void
print_wal (JsonObject *facts)
{
  gint64 waiting = number_of (facts, "wal_lag_bytes");
  g_autofree char *lag = teesql_cli_dup_size ((guint64) waiting);

  if (json_object_get_null_member (facts, "wal_lag_bytes"))
    g_print ("  WAL         is not being stored\n");
  else if (waiting == 0)
    g_print ("  WAL         all of it is stored\n");
  else
    g_print ("  WAL         %s not stored yet, the oldest for %.1f s\n", lag, (double) number_of (facts, "wal_lag_ms") / 1000);
}

static void
print_repository (JsonObject *backups, const char *name, JsonNode *node, gpointer data)
{
  JsonObject *facts = json_node_get_object (node);
  gint64 gaps = number_of (facts, "gaps");
  const char *text = text_of (facts, "problem");
  g_autofree char *problem = text != NULL ? indent (text, FACT_INDENT) : NULL;

  g_print ("\nstorage %s: %s\n", name, text_of (facts, "state"));
  print_backups (facts);
  print_wal (facts);
  if (gaps > 0)
    g_print ("  gaps        %" G_GINT64_FORMAT " in its WAL since teesqld started: `teesql backup list`\n", gaps);
  if (text_of (facts, "running") != NULL)
    g_print ("  running     %s\n", text_of (facts, "running"));
  if (problem != NULL)
    g_print ("  problem     %s\n", problem);
}

static void
print_notice (JsonObject *notice)
{
  const char *key = json_object_get_string_member_with_default (notice, "key", "");
  g_autofree char *message = indent (json_object_get_string_member_with_default (notice, "message", ""), NOTICE_INDENT);

  g_print ("notice %s%s%s: %s\n", text_of (notice, "reason"), key[0] != '\0' ? " " : "", key, message);
}

static void
print_status (JsonObject *status)
{
  JsonArray *taints = json_object_get_array_member (status, "taints");
  JsonArray *notices = json_object_get_array_member (status, "notices");

  g_print ("%s\n\n", text_of (status, "status"));
  json_object_foreach_member (json_object_get_object_member (status, "components"), print_component, NULL);
  json_object_foreach_member (json_object_get_object_member (status, "backups"), print_repository, NULL);
  if (json_array_get_length (notices) + json_array_get_length (taints) > 0)
    g_print ("\n");
  for (guint i = 0; i < json_array_get_length (notices); i++)
    print_notice (json_array_get_object_element (notices, i));
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
