#include "cli/teesql-cli-daemon.h"

#include <string.h>

typedef struct
{
  char *storage;
  char *label;
  gboolean full;
  gboolean incremental;
  gboolean deep;
  gboolean fresh;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->storage);
  g_free (self->label);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
add_flag (JsonBuilder *request, const char *name, gboolean set)
{
  if (!set)
    return;
  json_builder_set_member_name (request, name);
  json_builder_add_boolean_value (request, TRUE);
}

static JsonObject *
ask (const TeesqlCliGlobals *globals, const char *command, const Options *options, GError **error)
{
  g_autoptr (JsonBuilder) request = json_builder_new ();

  json_builder_begin_object (request);
  teesql_cli_json_text (request, "command", command);
  if (options->storage != NULL)
    teesql_cli_json_text (request, "storage", options->storage);
  if (options->label != NULL)
    teesql_cli_json_text (request, "label", options->label);
  add_flag (request, "full", options->full);
  add_flag (request, "deep", options->deep);
  add_flag (request, "fresh", options->fresh);
  return teesql_cli_ask_daemon (globals, request, error);
}

/* ---- what is printed ---- */

static const char *
text_of (JsonObject *object, const char *name)
{
  return json_object_get_string_member_with_default (object, name, "-");
}

static gint64
number_of (JsonObject *object, const char *name)
{
  return json_object_get_int_member_with_default (object, name, 0);
}

static char *
size_of (JsonObject *object, const char *name)
{
  return teesql_cli_dup_size ((guint64) number_of (object, name));
}

static char *
time_of (JsonObject *object, const char *name)
{
  return teesql_cli_dup_time (number_of (object, name));
}

static void
print_backup (JsonObject *backup)
{
  g_autofree char *finished = time_of (backup, "finished");
  g_autofree char *size = size_of (backup, "size");
  g_autofree char *stored = size_of (backup, "stored_size");

  g_print ("%-25s  %-11s  %-20s  %10s  %10s  %-17s  %s\n", text_of (backup, "name"), text_of (backup, "type"), finished, size, stored,
           text_of (backup, "stop_lsn"), text_of (backup, "label"));
}

/* What lies between two of them on one timeline was lost. */
static void
print_range (JsonObject *range, JsonObject *before)
{
  g_autofree char *end = time_of (range, "end");

  if (before != NULL && number_of (before, "timeline") == number_of (range, "timeline"))
    g_print ("gap in WAL: %s to %s\n", text_of (before, "end_lsn"), text_of (range, "start_lsn"));
  g_print ("WAL on timeline %" G_GINT64_FORMAT ": %s to %s, up to %s\n", number_of (range, "timeline"), text_of (range, "start_lsn"),
           text_of (range, "end_lsn"), end);
}

static void
print_list (JsonObject *list)
{
  JsonArray *backups = json_object_get_array_member (list, "backups");
  JsonArray *wal = json_object_get_array_member (list, "wal");
  guint n = json_array_get_length (backups);

  g_print ("storage %s, lineage %s, record %" G_GINT64_FORMAT "\n\n", text_of (list, "storage"), text_of (list, "lineage"),
           number_of (list, "sequence"));
  if (n == 0)
    g_print ("no backups yet\n");
  else
    g_print ("%-25s  %-11s  %-20s  %10s  %10s  %-17s  %s\n", "NAME", "TYPE", "FINISHED", "SIZE", "STORED", "END", "LABEL");
  for (guint i = 0; i < n; i++)
    print_backup (json_array_get_object_element (backups, i));
  g_print ("\n");
  for (guint i = 0; i < json_array_get_length (wal); i++)
    print_range (json_array_get_object_element (wal, i), i > 0 ? json_array_get_object_element (wal, i - 1) : NULL);
}

static void
print_now (JsonObject *result)
{
  JsonObject *backup = json_object_get_object_member (result, "backup");
  g_autofree char *size = size_of (backup, "size");
  g_autofree char *stored = size_of (backup, "stored_size");

  g_print ("%s: %s backup of %s, %s stored in %s\n", text_of (backup, "name"), text_of (backup, "type"), size, stored,
           text_of (result, "storage"));
}

static void
print_verdict (JsonObject *result)
{
  gint64 damages = number_of (result, "damages");
  gint64 notes = number_of (result, "notes");
  gboolean deep = json_object_get_boolean_member_with_default (result, "deep", FALSE);
  g_autofree char *verdict =
      damages == 0 ? g_strdup ("nothing is damaged or missing") : g_strdup_printf ("%" G_GINT64_FORMAT " damaged or missing", damages);
  g_autofree char *remarks = notes == 0 ? g_strdup ("") : g_strdup_printf (" (notes: %" G_GINT64_FORMAT ")", notes);

  g_print ("%" G_GINT64_FORMAT " objects checked, %s: %s%s\n", number_of (result, "objects"),
           deep ? "every byte of them" : "presence, size and end of each", verdict, remarks);
}

static void
print_findings (JsonObject *result)
{
  JsonArray *findings = json_object_get_array_member (result, "findings");

  for (guint i = 0; i < json_array_get_length (findings); i++)
    {
      JsonObject *finding = json_array_get_object_element (findings, i);
      g_print ("%s %s: %s: %s\n", text_of (finding, "severity"), text_of (finding, "reason"), text_of (finding, "name"),
               text_of (finding, "message"));
    }
  print_verdict (result);
}

/* ---- verbs ---- */

static int
give (const TeesqlCliGlobals *globals, JsonObject *result, void (*print) (JsonObject *))
{
  if (globals->json)
    teesql_cli_print_object (result);
  else if (!globals->quiet)
    print (result);
  return TEESQL_EXIT_OK;
}

static int
run_now (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &options.storage, "Which of several storages", "NAME" },
    { "full", 0, 0, G_OPTION_ARG_NONE, &options.full, "Everything, not only what changed since the last backup", NULL },
    { "label", 0, 0, G_OPTION_ARG_STRING, &options.label, "A remark that is kept with the backup", "TEXT" },
    { NULL },
  };
  GError *error = NULL;
  g_autoptr (JsonObject) result = NULL;

  if (!teesql_cli_parse ("backup now", "Takes a backup, incremental where one can stand on an earlier one, and waits for it.", entries,
                         &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("backup now: %s is not expected", argv[1]);
  result = ask (globals, "backup-now", &options, &error);
  return result != NULL ? give (globals, result, print_now) : teesql_cli_fail (error);
}

static JsonObject *
list_for (const char *usage, const char *summary, const TeesqlCliGlobals *globals, int *argc, char ***argv, GError **error)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &options.storage, "Which of several storages", "NAME" },
    { NULL },
  };

  if (!teesql_cli_parse (usage, summary, entries, argc, argv, error))
    return NULL;
  return ask (globals, "backup-list", &options, error);
}

static int
run_list (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  GError *error = NULL;
  g_autoptr (JsonObject) result = list_for ("backup list", "Lists backups and the WAL between them.", globals, &argc, &argv, &error);

  if (result == NULL)
    return teesql_cli_fail (error);
  return argc > 1 ? teesql_cli_usage_error ("backup list: %s is not expected", argv[1]) : give (globals, result, print_list);
}

static gboolean
is_meant (JsonObject *backup, const char *text)
{
  return g_str_has_prefix (text_of (backup, "name"), text) || g_str_has_prefix (text_of (backup, "id"), text);
}

static char *
dup_member (JsonObject *object, const char *name, JsonNode *node)
{
  g_autofree char *size = NULL;

  if (JSON_NODE_HOLDS_NULL (node))
    return g_strdup ("-");
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return g_strdup (json_node_get_string (node));
  if (g_str_has_suffix (name, "ed"))
    return time_of (object, name);
  if (!g_str_has_suffix (name, "size"))
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  size = size_of (object, name);
  return g_strdup_printf ("%s (%" G_GINT64_FORMAT " bytes)", size, json_node_get_int (node));
}

static void
print_member (JsonObject *object, const char *name, JsonNode *node, gpointer data)
{
  g_autofree char *text = dup_member (object, name, node);

  g_print ("%-12s %s\n", name, text);
}

static void
print_members (JsonObject *backup)
{
  json_object_foreach_member (backup, print_member, NULL);
}

static int
show (const TeesqlCliGlobals *globals, JsonObject *list, const char *text)
{
  JsonArray *backups = json_object_get_array_member (list, "backups");
  JsonObject *found = NULL;
  guint n = json_array_get_length (backups);

  for (guint i = 0; i < n; i++)
    {
      JsonObject *backup = json_array_get_object_element (backups, i);
      if (g_str_equal (text, "latest") ? i + 1 < n : !is_meant (backup, text))
        continue;
      if (found != NULL)
        return teesql_cli_usage_error ("backup show: “%s” is the beginning of several names", text);
      found = backup;
    }
  if (found != NULL)
    return give (globals, found, print_members);
  g_printerr ("teesql: no backup is named “%s”\nhint: teesql backup list\n", text);
  return TEESQL_EXIT_REFUSED;
}

static int
run_show (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  GError *error = NULL;
  g_autoptr (JsonObject) list =
      list_for ("backup show NAME", "Shows one backup: a name, an id, the beginning of either, or latest.", globals, &argc, &argv, &error);

  if (list == NULL)
    return teesql_cli_fail (error);
  return argc == 2 ? show (globals, list, argv[1]) : teesql_cli_usage_error ("backup show: one name is expected");
}

static int
run_verify (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &options.storage, "Which of several storages", "NAME" },
    { "deep", 0, 0, G_OPTION_ARG_NONE, &options.deep, "Fetch and verify every byte", NULL },
    { NULL },
  };
  GError *error = NULL;
  g_autoptr (JsonObject) result = NULL;

  if (!teesql_cli_parse ("backup verify", "Holds what the storage has against the catalog. Exit status 1 when something is wrong.", entries,
                         &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("backup verify: %s is not expected", argv[1]);
  result = ask (globals, "backup-verify", &options, &error);
  if (result == NULL)
    return teesql_cli_fail (error);
  give (globals, result, print_findings);
  return json_object_get_int_member_with_default (result, "damages", 1) == 0 ? TEESQL_EXIT_OK : TEESQL_EXIT_REFUSED;
}

/* ---- verbs that take no more than a storage ---- */

static void
print_expired (JsonObject *result)
{
  gint64 removed = number_of (result, "removed");

  if (removed == 0)
    g_print ("nothing in %s is old enough to go\n", text_of (result, "storage"));
  else
    g_print ("%" G_GINT64_FORMAT " objects removed from %s\n", removed, text_of (result, "storage"));
}

static void
print_rotated (JsonObject *result)
{
  g_print ("new objects in %s are sealed under key epoch %" G_GINT64_FORMAT "\n", text_of (result, "storage"),
           json_object_get_int_member_with_default (result, "epoch", 0));
}

static void
print_accepted (JsonObject *result)
{
  g_print ("a new lineage begins in %s, behind %s\n", text_of (result, "storage"),
           json_object_get_string_member_with_default (result, "parent_lineage", "nothing"));
}

static int
run_simple (const TeesqlCliGlobals *globals, const char *verb, const char *summary, void (*print) (JsonObject *), int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &options.storage, "Which of several storages", "NAME" },
    { NULL },
  };
  g_autofree char *usage = g_strconcat ("backup ", verb, NULL);
  g_autofree char *command = g_strconcat ("backup-", verb, NULL);
  GError *error = NULL;
  g_autoptr (JsonObject) result = NULL;

  if (!teesql_cli_parse (usage, summary, entries, &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("%s: %s is not expected", usage, argv[1]);
  result = ask (globals, command, &options, &error);
  return result != NULL ? give (globals, result, print) : teesql_cli_fail (error);
}

static int
run_expire (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_simple (globals, "expire", "Lets go what [backup] retain-full and retain-days do not keep. Runs by itself after every backup.",
                     print_expired, argc, argv);
}

static int
run_rotate_key (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_simple (globals, "rotate-key", "Adds a key epoch; what is stored stays as it is, and readable.", print_rotated, argc, argv);
}

static int
run_accept (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &options.storage, "Which of several storages", "NAME" },
    { "fresh", 0, 0, G_OPTION_ARG_NONE, &options.fresh, "Nothing that lies there is worth going on from", NULL },
    { NULL },
  };
  GError *error = NULL;
  g_autoptr (JsonObject) result = NULL;

  if (!teesql_cli_parse ("backup accept",
                         "Goes on from a repository that was refused (rolled back, forked, or of a lost volume): a new lineage begins "
                         "behind what lies there, which stays as it is.",
                         entries, &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("backup accept: %s is not expected", argv[1]);
  result = ask (globals, "backup-accept", &options, &error);
  return result != NULL ? give (globals, result, print_accepted) : teesql_cli_fail (error);
}

int
teesql_cli_run_backup (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = {
    { "accept", "go on from a repository that was refused", run_accept },
    { "expire", "let old backups go", run_expire },
    { "list", "list backups and WAL", run_list },
    { "now", "take a backup", run_now },
    { "rotate-key", "seal new objects under a new key", run_rotate_key },
    { "show", "show one backup", run_show },
    { "verify", "hold the storage against the catalog", run_verify },
  };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "backup ", globals, argc, argv);
}
