#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlConfigFile:
 * @path: as opened
 * @name: as messages show it: `teesqld.conf`, `teesqld.conf.d/10-policy.conf`
 */
typedef struct
{
  char *path;
  char *name;
  GBytes *bytes;
} TeesqlConfigFile;

/**
 * teesql_config_find_files:
 * @path: (nullable): `--config`; %NULL: the search of @kind
 *
 * reads the file and its drop-ins, in the order in which they count.
 *
 * Returns: (transfer full) (element-type TeesqlConfigFile) (nullable): may be empty for kinds that work without a file
 */
GPtrArray *teesql_config_find_files (TeesqlConfigKind kind, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
