#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlDaemonFolders:
 *
 * the state and runtime folders, made where they are missing, and the lock that keeps a second daemon off. The kernel drops the
 * lock with the process, however that ends, so nothing is stale after a crash.
 */
typedef struct _TeesqlDaemonFolders TeesqlDaemonFolders;

/**
 * teesql_daemon_folders_new:
 *
 * Returns: (nullable): errors in #TEESQL_CONFIG_ERROR: `folder-unusable`; `already-running` (EXISTS)
 */
TeesqlDaemonFolders *teesql_daemon_folders_new (const TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_daemon_folders_free (TeesqlDaemonFolders *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlDaemonFolders, teesql_daemon_folders_free)
G_END_DECLS
