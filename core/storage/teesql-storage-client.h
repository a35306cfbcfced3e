#pragma once
#include "config/teesql-config.h"
#include "storage/teesql-storage-lender.h"
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/**
 * TeesqlStorageClient:
 *
 * a #TeesqlStorage whose plugin runs in a `teesql-storage-host` of its own (design 3 and 4). It lives on the context that was
 * thread-default when it was made, on one thread, which has to live as long as it does; the host is killed when that thread ends.
 *
 * Everything that the host says is doubted. What breaks the protocol, a host that dies and one whose loop stands still all end the same
 * way: the host is killed, every call fails with %TEESQL_ERROR_UNAVAILABLE and reason `storage-host-broken` (`storage-host-hung`,
 * `storage-host-died`), #TeesqlStorageClient::broken is emitted once, and the owner makes another client.
 *
 * Signal `broken` (GError *): last, after all calls were answered. Not emitted on dispose.
 */
#define TEESQL_TYPE_STORAGE_CLIENT (teesql_storage_client_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStorageClient, teesql_storage_client, TEESQL, STORAGE_CLIENT, GObject)

/**
 * teesql_storage_client_new_async:
 * @instance: NAME of `[storage:NAME]`
 *
 * measures the module, resolves references, starts the host, and waits until the plugin's object is there. Errors: #TEESQL_CONFIG_ERROR and
 * #TEESQL_PLUGIN_ERROR for what an operator must mend, #TEESQL_STORAGE_ERROR for the rest, the plugin's own among them.
 */
void teesql_storage_client_new_async (TeesqlConfig *config, const char *instance, GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer user_data);
TeesqlStorageClient *teesql_storage_client_new_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_storage_client_measure:
 * @out_module: (out): lower hex SHA-384 of the module of [storage:@instance]
 * @out_sandbox: (out) (nullable): of its `.plugin` file
 *
 * for the configuration digest, before a host runs. What is measured here is what every client of this process will use, or it fails with
 * `plugin-changed`.
 */
gboolean teesql_storage_client_measure (const TeesqlConfig *config, const char *instance, char **out_module, char **out_sandbox,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

const char *teesql_storage_client_get_module (TeesqlStorageClient *self);
const char *teesql_storage_client_get_module_digest (TeesqlStorageClient *self);  /* lower hex SHA-384 of the bytes that the host maps */
const char *teesql_storage_client_get_module_version (TeesqlStorageClient *self); /* as the host says: for display */
/**
 * teesql_storage_client_get_degradation:
 *
 * Returns: (nullable): what of the confinement this kernel does not have, `storage-unconfined-paths` or `storage-unconfined-ports`; %NULL
 *   when all of it is in force. The host says so itself, before it maps the module.
 */
const char *teesql_storage_client_get_degradation (TeesqlStorageClient *self);
pid_t teesql_storage_client_get_pid (TeesqlStorageClient *self); /* 0 once it is gone */
/* Returns: (transfer none) (nullable): parts whose bytes lie in a run of it are not copied any more */
TeesqlStorageLender *teesql_storage_client_get_lender (TeesqlStorageClient *self);

G_END_DECLS
