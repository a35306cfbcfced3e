#pragma once
#include "plugin/teesql-plugin-options.h"
#include "storage/teesql-storage-protocol.h"
#include "storage/teesql-storage-sandbox.h"

G_BEGIN_DECLS

/* The first message: everything that a host is told. With it come two descriptors, the module and the shared memory. */

/**
 * TeesqlStorageHello:
 * @settings: (element-type TeesqlStorageSetting): options, references followed
 */
typedef struct
{
  char *instance;
  char *module;
  char *digest; /* lower hex SHA-384 of the module */
  guint8 log_level;
  GPtrArray *settings;
  TeesqlStorageSandbox *sandbox;
} TeesqlStorageHello;

typedef struct
{
  char *key;
  char *text;           /* as written, or NULL */
  TeesqlSecret *secret; /* what stood behind a reference, or NULL */
} TeesqlStorageSetting;

/**
 * teesql_storage_hello_new:
 *
 * reads `[storage:@instance]` and follows its references; @sandbox is taken over
 */
TeesqlStorageHello *teesql_storage_hello_new (const TeesqlConfig *config, const char *instance, const char *module, const char *digest,
                                              TeesqlStorageSandbox *sandbox, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_hello_free (TeesqlStorageHello *self);
/* @writer: in locked memory, since secrets pass through */
gboolean teesql_storage_hello_encode (const TeesqlStorageHello *self, TeesqlStorageWriter *writer, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
TeesqlStorageHello *teesql_storage_hello_decode (TeesqlCursor *rest, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (out caller-allocates): @self->settings as the loader wants them, borrowed */
TeesqlPluginSetting *teesql_storage_hello_dup_settings (const TeesqlStorageHello *self, guint *out_n) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_storage_hello_send:
 * @socket: blocking is fine, it is empty
 */
gboolean teesql_storage_hello_send (const TeesqlStorageHello *self, int socket, int module, int arena, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* waits for it; @out_fds: the module's and the arena's descriptor, close-on-exec, the caller's */
TeesqlStorageHello *teesql_storage_hello_receive (int socket, int out_fds[2], GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageHello, teesql_storage_hello_free)
G_END_DECLS
