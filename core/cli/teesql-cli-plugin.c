#include "cli/teesql-cli-plugin-folder.h"
#include "cli/teesql-cli.h"

#include "config/teesql-config.h"
#include "plugin/teesql-plugin-info.h"

void
teesql_cli_add_plugin_folder (const TeesqlCliGlobals *globals, TeesqlPluginLoader *loader)
{
  g_autofree char *absolute = globals->plugin_path != NULL ? g_canonicalize_filename (globals->plugin_path, NULL) : NULL;

  if (absolute != NULL)
    teesql_plugin_loader_add_folder (loader, absolute);
}

/* Folders in the order in which the loader looks: the command line's, then the file's. */
static char **
plugin_path (const TeesqlCliGlobals *globals, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_CLIENT, globals->config_path, error);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (config == NULL)
    return NULL;
  if (globals->plugin_path != NULL)
    {
      g_autofree char *absolute = g_canonicalize_filename (globals->plugin_path, NULL);

      g_strv_builder_add (builder, absolute);
    }
  g_strv_builder_addv (builder, (const char **) teesql_config_get_list (config, "teesql", "plugin-path"));
  return g_strv_builder_end (builder);
}

static void
add_info (JsonBuilder *builder, const TeesqlPluginInfo *info)
{
  json_builder_begin_object (builder);
  teesql_cli_json_text (builder, "name", info->name);
  teesql_cli_json_text (builder, "summary", info->summary);
  teesql_cli_json_list (builder, "interfaces", (const char *const *) info->interfaces);
  teesql_cli_json_text (builder, "module", info->module);
  teesql_cli_json_text (builder, "problem", info->problem);
  json_builder_end_object (builder);
}

static void
print_list_json (GPtrArray *plugins)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();

  json_builder_set_member_name (builder, "plugins");
  json_builder_begin_array (builder);
  for (guint i = 0; i < plugins->len; i++)
    add_info (builder, g_ptr_array_index (plugins, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static void
print_list_text (GPtrArray *plugins)
{
  for (guint i = 0; i < plugins->len; i++)
    {
      const TeesqlPluginInfo *info = g_ptr_array_index (plugins, i);
      g_autofree char *interfaces = info->interfaces != NULL ? g_strjoinv (" ", info->interfaces) : g_strdup ("");

      g_print ("%-10s %-20s %s\n", info->name, interfaces, info->summary != NULL ? info->summary : "");
      if (info->problem != NULL)
        g_print ("%-10s cannot be used: %s\n", "", info->problem);
    }
}

static int
run_list (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  GError *error = NULL;
  g_auto (GStrv) folders = NULL;
  g_autoptr (GPtrArray) plugins = NULL;

  if (!teesql_cli_parse ("plugin list", "Lists the plugins that could be named in a configuration. No foreign code runs.", NULL, &argc,
                         &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1)
    return teesql_cli_usage_error ("plugin list: %s is not expected", argv[1]);
  folders = plugin_path (globals, &error);
  if (folders == NULL)
    return teesql_cli_fail (error);
  plugins = teesql_plugin_info_list ((const char *const *) folders);
  (globals->json ? print_list_json : print_list_text) (plugins);
  return TEESQL_EXIT_OK;
}

static void
print_options_json (const char *module, GPtrArray *options)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();

  teesql_cli_json_text (builder, "name", module);
  json_builder_set_member_name (builder, "options");
  json_builder_begin_array (builder);
  for (guint i = 0; i < options->len; i++)
    {
      const TeesqlPluginOption *option = g_ptr_array_index (options, i);

      json_builder_begin_object (builder);
      teesql_cli_json_text (builder, "interface", option->interface_name);
      teesql_cli_json_text (builder, "name", option->name);
      teesql_cli_json_text (builder, "type", option->type);
      teesql_cli_json_text (builder, "default", option->fallback);
      teesql_cli_json_text (builder, "summary", option->blurb);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static void
print_options_text (const char *module, GPtrArray *options)
{
  const char *interface_name = "";

  for (guint i = 0; i < options->len; i++)
    {
      const TeesqlPluginOption *option = g_ptr_array_index (options, i);

      if (strcmp (interface_name, option->interface_name) != 0)
        g_print ("%s[%s:%s]\n", i > 0 ? "\n" : "", option->interface_name, module);
      interface_name = option->interface_name;
      g_print ("# %s | %s\n%s%s = %s\n", option->blurb, option->type, option->fallback != NULL ? "#" : "", option->name,
               option->fallback != NULL ? option->fallback : "");
    }
}

static int
run_info (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  GError *error = NULL;
  g_auto (GStrv) folders = NULL;
  g_autoptr (GPtrArray) options = NULL;

  if (!teesql_cli_parse ("plugin info MODULE",
                         "Loads a plugin and prints the options its objects take, as a configuration would write them.", NULL, &argc, &argv,
                         &error))
    return teesql_cli_fail (error);
  if (argc != 2)
    return teesql_cli_usage_error ("plugin info: one module is expected");
  folders = plugin_path (globals, &error);
  options = folders != NULL ? teesql_plugin_describe ((const char *const *) folders, argv[1], &error) : NULL;
  if (options == NULL)
    return teesql_cli_fail (error);
  (globals->json ? print_options_json : print_options_text) (argv[1], options);
  return TEESQL_EXIT_OK;
}

int
teesql_cli_run_plugin (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = {
    { "check", "hold a storage to its contract", teesql_cli_run_plugin_check },
    { "info", "print a plugin's options", run_info },
    { "list", "list plugins", run_list },
  };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "plugin ", globals, argc, argv);
}
