#pragma once
#include "cli/teesql-cli.h"
#include "plugin/teesql-plugin-loader.h"

G_BEGIN_DECLS

/* `--plugin-path`, where it was given */
void teesql_cli_add_plugin_folder (const TeesqlCliGlobals *globals, TeesqlPluginLoader *loader);

G_END_DECLS
