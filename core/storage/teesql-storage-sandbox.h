#pragma once
#include "config/teesql-config.h"
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_STORAGE_PATH_READ = 0,
  TEESQL_STORAGE_PATH_WRITE = 1 << 0,
} TeesqlStoragePathFlags;

typedef struct
{
  char *path;
  guint flags;
} TeesqlStoragePath;

/**
 * TeesqlStorageSandbox:
 * @paths: (element-type TeesqlStoragePath): absolute
 * @ports: (element-type guint16): TCP ports; none means no socket at all
 *
 * what one storage may touch beside what every host may (docs/storage-host.md)
 */
typedef struct
{
  GPtrArray *paths;
  GArray *ports;
} TeesqlStorageSandbox;

TeesqlStorageSandbox *teesql_storage_sandbox_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_sandbox_free (TeesqlStorageSandbox *self);
void teesql_storage_sandbox_add_path (TeesqlStorageSandbox *self, const char *path, guint flags);
void teesql_storage_sandbox_add_port (TeesqlStorageSandbox *self, guint16 port);

/**
 * teesql_storage_sandbox_read:
 * @text: (nullable): of the `.plugin` file; %NULL when there is none
 * @name: of that file, for messages
 * @group: `storage:NAME`, for `option:` elements
 *
 * Returns: (nullable): %NULL with #TEESQL_PLUGIN_ERROR for the file, #TEESQL_CONFIG_ERROR for an option that is no path or port
 */
TeesqlStorageSandbox *teesql_storage_sandbox_read (const char *text, const char *name, const TeesqlConfig *config, const char *group,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* port of a number, `HOST:PORT`, a URL or a host; %FALSE when it is none of these */
gboolean teesql_storage_sandbox_parse_port (const char *text, guint16 *out_port);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageSandbox, teesql_storage_sandbox_free)
G_END_DECLS
