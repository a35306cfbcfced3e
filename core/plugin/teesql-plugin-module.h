#pragma once
#include "plugin/teesql-plugin-file.h"
#include <gio/gio.h>
#include <teesql/teesql-plugin.h>

G_BEGIN_DECLS

/**
 * TeesqlPluginModule:
 * @descriptor: constant data of the module
 *
 * a module that is mapped. It belongs to the process and stays for good: its types cannot be taken back, and its descriptor must keep its
 * number, because the dynamic loader knows modules by name and `/proc/self/fd/N` is the name it was given.
 */
typedef struct
{
  const TeesqlPluginDescriptor *descriptor;
  char *name;
  char *version;
  char *path;
  char *digest;
  int fd;
} TeesqlPluginModule;

/**
 * teesql_plugin_module_load:
 *
 * finds, measures and maps module @name, or hands out the one that is there with the same bytes. Other bytes under a name that is
 * already mapped are refused (`plugin-changed`): the new code would need the types of the old.
 */
const TeesqlPluginModule *teesql_plugin_module_load (const char *const *plugin_path, const char *name, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_module_open:
 * @image: (inout): measured and sealed, perhaps by another process that handed it over; taken over
 *
 * maps module @name from @image, once per name
 */
const TeesqlPluginModule *teesql_plugin_module_open (const char *name, TeesqlPluginImage *image, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_module_get_type:
 *
 * Returns: the type for objects of @kind, checked to implement its interface, or %G_TYPE_INVALID
 */
GType teesql_plugin_module_get_type (const TeesqlPluginModule *self, const char *kind, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `attester`, … to its interface type; %G_TYPE_INVALID for another word */
GType teesql_plugin_kind_get_type (const char *kind);
/* NULL-terminated, in the order they are documented */
const char *const *teesql_plugin_list_kinds (void);

G_END_DECLS
