#pragma once
#include "backup/teesql-catalog.h"

G_BEGIN_DECLS

/**
 * TeesqlWalSource:
 *
 * WAL and history files out of a repository, for recovery: whole segments, and the newest one put together from its partial objects, filled
 * up with zeros. Looks along the lineage and its parents. Thread safe, blocking.
 */
typedef struct _TeesqlWalSource TeesqlWalSource;
TeesqlWalSource *teesql_wal_source_new (TeesqlCatalog *catalog) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_source_free (TeesqlWalSource *self);
/**
 * teesql_wal_source_fetch:
 * @file: `00000001000000000000000A`, `00000002.history`
 *
 * Returns: (transfer full) (nullable): %NULL with NOT_FOUND `wal-not-archived` where the archive ends (PostgreSQL then stops looking), or
 * INTEGRITY `wal-missing` where the catalog says that it must be there: recovery must not end quietly before it should
 */
GBytes *teesql_wal_source_fetch (TeesqlWalSource *self, const char *file, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* newest WAL that can be restored on the newest timeline; what the repository holds, verified object by object beyond the last record */
gboolean teesql_wal_source_find_end (TeesqlWalSource *self, guint32 *out_timeline, guint64 *out_lsn, GCancellable *cancellable,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlWalServer:
 *
 * answers `teesql-wal-fetch` on a unix socket: one request line (a file name), one answer. Only @uid and our own user may ask. Runs on
 * threads of its own.
 */
typedef struct _TeesqlWalServer TeesqlWalServer;
TeesqlWalServer *teesql_wal_server_new (TeesqlWalSource *source, const char *socket_path, guint uid, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* a fetch that failed for good; the server of PostgreSQL is told to stop with an exit status that it takes for fatal */
GError *teesql_wal_server_get_failure (TeesqlWalServer *self) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_server_free (TeesqlWalServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalSource, teesql_wal_source_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalServer, teesql_wal_server_free)
G_END_DECLS
