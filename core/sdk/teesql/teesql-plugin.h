#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* Raised only when an existing plugin can no longer work; the loader refuses another number and prints both. */
#define TEESQL_PLUGIN_ABI 1

/**
 * TeesqlPluginType:
 *
 * one type of the module. @interface_name: `attester`, `verifier`, `kms` or `storage`.
 */
typedef struct {
  const char *interface_name;
  GType (*get_type) (void);
} TeesqlPluginType;

/**
 * TeesqlPluginDescriptor:
 *
 * the one symbol a module exports. Constant data: the loader reads @abi, @size and @name before it calls
 * anything. @name equals the file's (`libNAME.so`, `NAME.plugin`): `[a-z][a-z0-9-]{0,31}`.
 */
typedef struct {
  guint32 abi;
  guint32 size;
  const char *name;
  const char *version;
  const TeesqlPluginType *types; /* ends with { NULL, NULL } */
  /*< private >*/
  gpointer padding[4];
} TeesqlPluginDescriptor;

#define TEESQL_PLUGIN_SYMBOL "teesql_plugin_descriptor"

#define TEESQL_PROVIDES_ATTESTER(get_type) { "attester", get_type }
#define TEESQL_PROVIDES_VERIFIER(get_type) { "verifier", get_type }
#define TEESQL_PROVIDES_KMS(get_type)      { "kms", get_type }
#define TEESQL_PROVIDES_STORAGE(get_type)  { "storage", get_type }

/**
 * TEESQL_PLUGIN_DEFINE:
 * @NAME: a string literal
 * @VERSION: a string literal
 * @...: one or more TEESQL_PROVIDES_*()
 *
 * Modules are made resident before the first type is registered, so plain G_DEFINE_FINAL_TYPE is right.
 */
#define TEESQL_PLUGIN_DEFINE(NAME, VERSION, ...)                                                    \
  static const TeesqlPluginType teesql_plugin_types_[] = { __VA_ARGS__, { NULL, NULL } };           \
  __attribute__ ((visibility ("default"))) extern const TeesqlPluginDescriptor teesql_plugin_descriptor; \
  const TeesqlPluginDescriptor teesql_plugin_descriptor = {                                         \
    .abi = TEESQL_PLUGIN_ABI,                                                                       \
    .size = sizeof (TeesqlPluginDescriptor),                                                        \
    .name = (NAME),                                                                                 \
    .version = (VERSION),                                                                           \
    .types = teesql_plugin_types_,                                                                  \
  };

G_END_DECLS
