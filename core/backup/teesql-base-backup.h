#pragma once
#include "backup/teesql-catalog.h"
#include "backup/teesql-pg-access.h"

G_BEGIN_DECLS

/**
 * TeesqlBaseBackupProgress:
 * @total: estimate of the server, 0 when not known; @done may pass it
 */
typedef void (*TeesqlBaseBackupProgress) (guint64 done, guint64 total, const char *phase, gpointer user_data);

/**
 * TeesqlBaseBackupOptions:
 * @parent: (nullable): an incremental backup against it; its manifest is fetched from the repository and uploaded to the server
 * @fast_checkpoint: spread over checkpoint_timeout otherwise
 * @max_rate: bytes a second, 0 for none
 */
typedef struct
{
  const TeesqlPgAccess *access;
  TeesqlCatalog *catalog;
  TeesqlBackup *parent;
  const char *label;
  int level;
  guint threads;
  gboolean fast_checkpoint;
  guint64 max_rate;
  TeesqlBaseBackupProgress progress;
  gpointer progress_data;
} TeesqlBaseBackupOptions;

/**
 * teesql_base_backup_run:
 *
 * BASE_BACKUP over the replication protocol, every archive through a sealed sink, the manifest read and kept. Blocks. On success the backup
 * is in the catalog and a sample of it was read back and opened (SR-17); on failure its objects are removed as far as the store lets us.
 *
 * Returns: (transfer full) (nullable): errors of the server in #TEESQL_POSTGRES_ERROR (`backup-refused`, `summaries-missing` when an
 * incremental backup is not possible and a full one is), of the store, or #TEESQL_BACKUP_ERROR
 */
TeesqlBackup *teesql_base_backup_run (const TeesqlBaseBackupOptions *options, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
