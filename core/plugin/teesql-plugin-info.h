#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlPluginInfo:
 *
 * what the `.plugin` keyfile beside a module says. Nobody has loaded anything to learn it, and nothing of it is proved.
 */
typedef struct
{
  char *name;
  char *summary;
  char **interfaces; /* of `attester`, `kms`, `verifier`, `storage` */
  char *module;      /* path of the module; %NULL when it is missing */
  char *problem;     /* why the file or its module is of no use, %NULL when all is well */
} TeesqlPluginInfo;

/**
 * teesql_plugin_info_list:
 * @plugin_path: folders to look at before the compiled-in one, as `[teesql] plugin-path`
 *
 * reads every NAME.plugin without running foreign code. A name that stands in an earlier folder hides later ones, as it does for the
 * loader.
 *
 * Returns: (transfer full) (element-type TeesqlPluginInfo): sorted by name
 */
GPtrArray *teesql_plugin_info_list (const char *const *plugin_path) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlPluginOption:
 * @interface_name: of the type that has the option
 * @type: for people: `duration, 100ms..1min`, `secret (credential:, file:, env:)`
 * @fallback: (nullable): the default, as a keyfile would write it
 *
 * one option of a plugin: a property of its object
 */
typedef struct
{
  char *interface_name;
  char *name;
  char *type;
  char *fallback;
  char *blurb;
} TeesqlPluginOption;

/**
 * teesql_plugin_describe:
 *
 * loads @module (and so runs its code) to ask for its properties.
 *
 * Returns: (transfer full) (element-type TeesqlPluginOption): in order of interfaces, then names; empty when it has none
 */
GPtrArray *teesql_plugin_describe (const char *const *plugin_path, const char *module, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
