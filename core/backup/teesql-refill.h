#pragma once
#include "backup/teesql-backup-keys.h"
#include "backup/teesql-restore.h"
#include "config/teesql-config.h"
#include "status/teesql-status.h"

G_BEGIN_DECLS

/* The daemon's own way to a repository that it reads: at an empty volume, and while PostgreSQL recovers. Blocks: on a thread. */

/**
 * TeesqlRefillOptions:
 * @attest: (nullable)
 * @directory: the empty data directory
 * @uid, @gid: its owner
 * @socket: where PostgreSQL will ask for WAL
 */
typedef struct
{
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlAttestService *attest;
  TeesqlKms *kms;
  const char *directory;
  guint uid;
  guint gid;
  const char *socket;
} TeesqlRefillOptions;

/**
 * teesql_refill_run:
 * @out_filled: %FALSE when no storage has a backup of this cluster: there is nothing to fill it with
 *
 * fills the directory from the newest backup of the first storage that has one, and notes that what comes is a new lineage. Without a cluster id
 * on this node a repository must hold one cluster only.
 *
 * Returns: %FALSE when there is, or may be, something that could not be restored: nothing may take its place
 */
gboolean teesql_refill_run (const TeesqlRefillOptions *options, gboolean *out_filled, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlWalService:
 *
 * serves WAL of what was restored to a PostgreSQL that recovers. Tries until it has the repository; stops when it is freed.
 */
typedef struct _TeesqlWalService TeesqlWalService;
/* @options: `directory` and `gid` are not read */
TeesqlWalService *teesql_wal_service_new (const TeesqlRefillOptions *options) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_service_free (TeesqlWalService *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalService, teesql_wal_service_free)
G_END_DECLS
