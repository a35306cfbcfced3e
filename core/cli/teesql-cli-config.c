#include "cli/teesql-cli.h"

#include "base/teesql-domains.h"
#include "config/teesql-config.h"
#include "policy/teesql-policy.h"

#include <stdio.h>

/* Which program's file: said by an option, or by its name. */
static TeesqlConfigKind
kind_of (const TeesqlCliGlobals *globals, gboolean daemon)
{
  g_autofree char *name = globals->config_path != NULL ? g_path_get_basename (globals->config_path) : NULL;

  return daemon || (name != NULL && g_str_has_prefix (name, "teesqld")) ? TEESQL_CONFIG_DAEMON : TEESQL_CONFIG_CLIENT;
}

typedef struct
{
  TeesqlConfig *config;
  GPtrArray *warnings; /* text */
} Checked;

/* What a file may say and still lets nobody in, or everybody: worth a word before the start does it. */
static gboolean
check_policy (Checked *checked, const char *name, GError **error)
{
  g_autoptr (TeesqlPolicy) policy = teesql_policy_new_from_config (checked->config, name, error);

  if (policy == NULL)
    return FALSE;
  for (const char *const *pin = teesql_policy_get_unsettled (policy); *pin != NULL; pin++)
    g_ptr_array_add (checked->warnings, g_strdup_printf ("[policy:%s] refuses everybody: %s is not settled", name, *pin));
  for (const char *const *key = teesql_policy_get_any (policy); *key != NULL; key++)
    g_ptr_array_add (checked->warnings, g_strdup_printf ("[policy:%s] %s = any", name, *key));
  return TRUE;
}

static gboolean
check_policies (Checked *checked, GError **error)
{
  g_autofree const char **names = teesql_config_list_instances (checked->config, "policy");

  for (guint i = 0; names[i] != NULL; i++)
    if (!check_policy (checked, names[i], error))
      return FALSE;
  return TRUE;
}

static void
print_check (const TeesqlCliGlobals *globals, const Checked *checked, const GError *error)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!globals->json)
    {
      for (guint i = 0; i < checked->warnings->len && !globals->quiet; i++)
        g_printerr ("teesql: %s\n", (const char *) g_ptr_array_index (checked->warnings, i));
      if (error != NULL)
        teesql_cli_print_error (error);
      else if (!globals->quiet)
        g_print ("the configuration is good\n");
      return;
    }
  builder = teesql_cli_json_new ();
  json_builder_set_member_name (builder, "valid");
  json_builder_add_boolean_value (builder, error == NULL);
  teesql_cli_json_text (builder, "message", error != NULL ? error->message : NULL);
  g_ptr_array_add (checked->warnings, NULL);
  teesql_cli_json_list (builder, "warnings", (const char *const *) checked->warnings->pdata);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

/* A file that was read and is wrong has been checked; one that cannot be read has not. */
static int
exit_code (const GError *error)
{
  gboolean unread = g_str_has_prefix (teesql_error_get_reason (error), "config-file-");

  return unread || error->domain != TEESQL_CONFIG_ERROR ? TEESQL_EXIT_USAGE : TEESQL_EXIT_REFUSED;
}

static int
run_check (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  gboolean daemon = FALSE;
  gboolean good = FALSE;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  Checked checked = { NULL, warnings };
  const GOptionEntry entries[] = {
    { "daemon", 0, 0, G_OPTION_ARG_NONE, &daemon, "The file is teesqld's (assumed where its name begins with teesqld)", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse ("config check", "Reads the file of --config, or the one that would be found, and says what is wrong with it.",
                         entries, &argc, &argv, &error))
    return teesql_cli_fail (g_steal_pointer (&error));
  if (argc > 1)
    return teesql_cli_usage_error ("config check: %s is not expected\nhint: --config FILE names the file", argv[1]);
  config = teesql_config_load (kind_of (globals, daemon), globals->config_path, &error);
  checked.config = config;
  good = config != NULL && check_policies (&checked, &error);
  print_check (globals, &checked, error);
  return good ? TEESQL_EXIT_OK : exit_code (error);
}

static int
run_dump (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  gboolean daemon = FALSE;
  gboolean effective = FALSE;
  GError *error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  g_autofree char *text = NULL;
  const GOptionEntry entries[] = {
    { "daemon", 0, 0, G_OPTION_ARG_NONE, &daemon, "The file is teesqld's (assumed where its name begins with teesqld)", NULL },
    { "effective", 0, 0, G_OPTION_ARG_NONE, &effective, "Every key with the value it has, defaults included", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse ("config dump", "Prints the configuration as read; references to secrets stay references.", entries, &argc, &argv,
                         &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("config dump: %s is not expected\nhint: --config FILE names the file", argv[1]);
  config = teesql_config_load (kind_of (globals, daemon), globals->config_path, &error);
  if (config == NULL)
    {
      int code = exit_code (error);

      teesql_cli_print_error (error);
      g_error_free (error);
      return code;
    }
  text = globals->json ? teesql_config_dump_json (config, effective) : teesql_config_dump (config, effective);
  fputs (text, stdout);
  if (!g_str_has_suffix (text, "\n"))
    putchar ('\n');
  return TEESQL_EXIT_OK;
}

int
teesql_cli_run_config (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = {
    { "check", "say what is wrong with a file", run_check },
    { "dump", "print what a file means", run_dump },
  };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "config ", globals, argc, argv);
}
