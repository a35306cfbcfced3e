#pragma once
#include "backup/teesql-backup-keys.h"
#include "backup/teesql-catalog.h"
#include "cli/teesql-cli.h"
#include "config/teesql-config.h"
#include "plugin/teesql-plugin-loader.h"

G_BEGIN_DECLS

/**
 * TeesqlCliRepositoryOptions:
 * @storage: (nullable): NAME of `[storage:NAME]`; %NULL: the only one of `[backup] storages`
 * @cluster_id: (nullable): 64 hex digits; %NULL: `STATE/backup/cluster-id`, else the only cluster that the repository has
 * @lineage: (nullable): %NULL: that of the highest generation
 * @accept_broken: read by the newest genuine record, whatever became of the others
 * @recovery_key: (nullable): PEM file of an offline key, in place of the KMS
 */
typedef struct
{
  char *storage;
  char *cluster_id;
  char *lineage;
  char *recovery_key;
  gboolean accept_broken;
} TeesqlCliRepositoryOptions;
void teesql_cli_repository_options_clear (TeesqlCliRepositoryOptions *self);

/**
 * TeesqlCliRepository:
 * @head_path: of this node, whether it is there or not
 * @problems: (element-type utf8): of the chain, which were accepted
 * @has_head: @head is what this node knows; never with a recovery key, since the KMS's key proves it
 *
 * a repository as the tools read it, by the configuration of a teesqld that need not run: loader, KMS, keys of all epochs, store, catalog
 */
typedef struct
{
  TeesqlCliRepositoryOptions options;
  TeesqlConfig *config;
  TeesqlPluginLoader *loader;
  TeesqlKms *kms;
  TeesqlStore *store;
  TeesqlBackupKeys *backup_keys;
  TeesqlEpochKeys *keys;
  TeesqlRepository *repository;
  TeesqlCatalog *catalog;
  GPtrArray *problems;
  char *instance;
  char *head_path;
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  gboolean simulated;
  gboolean has_head;
  TeesqlHead head;
} TeesqlCliRepository;

/**
 * teesql_cli_repository_new:
 * @options: (transfer full): its strings are taken
 *
 * on the main thread: reads the configuration, makes the KMS
 */
TeesqlCliRepository *teesql_cli_repository_new (const TeesqlCliGlobals *globals, TeesqlCliRepositoryOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* on another thread, while the main context turns: store, keys, head, catalog. Blocks */
gboolean teesql_cli_repository_open (TeesqlCliRepository *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether the state directory is, or may become, that of this cluster: REFUSED `cluster-id-differs` */
gboolean teesql_cli_repository_check_adopt (TeesqlCliRepository *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_repository_adopt:
 * @parent: record that a restore went by
 *
 * the state directory is this cluster's from now on, and its teesqld begins a new lineage whose parent is @parent (SR-21)
 */
gboolean teesql_cli_repository_adopt (TeesqlCliRepository *self, const TeesqlHead *parent, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cli_repository_free (TeesqlCliRepository *self); /* on the main thread */

/**
 * teesql_cli_run_blocking:
 *
 * runs @func on a thread and turns the main context until it is done. SIGINT and SIGTERM cancel what it was given.
 */
typedef gboolean (*TeesqlCliBlockingFunc) (gpointer user_data, GCancellable *cancellable, GError **error);
gboolean teesql_cli_run_blocking (TeesqlCliBlockingFunc func, gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCliRepository, teesql_cli_repository_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlCliRepositoryOptions, teesql_cli_repository_options_clear)
G_END_DECLS
