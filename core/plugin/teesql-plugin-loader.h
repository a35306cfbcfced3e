#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlPluginLoader:
 *
 * makes the plugin objects that a configuration declares (SR-25). A module is looked for in `[teesql] plugin-path`, then in the
 * compiled-in directory; it and its folders must not be writable by others; its bytes are measured where nobody can change them any more
 * and mapped from there, once per process and for good. Main thread only.
 */
#define TEESQL_TYPE_PLUGIN_LOADER (teesql_plugin_loader_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlPluginLoader, teesql_plugin_loader, TEESQL, PLUGIN_LOADER, GObject)

TeesqlPluginLoader *teesql_plugin_loader_new (TeesqlConfig *config) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_loader_add_folder:
 * @folder: an absolute path
 *
 * one more folder, searched before `[teesql] plugin-path` and by the same rules: what a command line says
 */
void teesql_plugin_loader_add_folder (TeesqlPluginLoader *self, const char *folder);
/**
 * teesql_plugin_loader_create_async:
 * @kind: `attester`, `kms`, `verifier` or `storage`
 * @instance: NAME of `[KIND:NAME]`; the group may be absent where nothing needs to be said
 *
 * loads the module, sets every option of the group, runs the object's asynchronous initialisation. Every call makes a new object.
 */
void teesql_plugin_loader_create_async (TeesqlPluginLoader *self, const char *kind, const char *instance, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_plugin_loader_create_finish:
 *
 * Returns: (transfer full) (nullable): an object that implements the interface of @kind. Errors: #TEESQL_PLUGIN_ERROR for the module
 *   (`plugin-not-found`, `plugin-permissions`, `plugin-abi`, …), #TEESQL_CONFIG_ERROR for the options, all of the group's at once, or the
 * object's own
 */
GObject *teesql_plugin_loader_create_finish (TeesqlPluginLoader *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_loader_get_module_digest:
 *
 * Returns: (nullable): lower hex SHA-384 of the module that made this instance, %NULL when none was made
 */
const char *teesql_plugin_loader_get_module_digest (TeesqlPluginLoader *self, const char *kind, const char *instance);

/**
 * TeesqlPluginLoaded:
 *
 * one instance and what it was made from, for the log, status and the configuration digest
 */
typedef struct
{
  char *kind;
  char *instance;
  char *module;
  char *version;
  char *path;
  char *digest; /* lower hex SHA-384 */
} TeesqlPluginLoaded;

/**
 * teesql_plugin_loader_list_loaded:
 *
 * Returns: (transfer container) (element-type TeesqlPluginLoaded): in order of creation, one per instance; valid as long as the loader
 */
GPtrArray *teesql_plugin_loader_list_loaded (TeesqlPluginLoader *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
