#pragma once
/* A repository that is read, as the daemon reaches it. */
#include "backup/teesql-refill.h"

G_BEGIN_DECLS

/**
 * TeesqlRefillSource:
 * @head_path: of this node, for the storage
 */
typedef struct
{
  TeesqlStore *store;
  TeesqlBackupKeys *keys;
  TeesqlRepository *repository;
  TeesqlCatalog *catalog;
  char *head_path;
} TeesqlRefillSource;

void teesql_refill_source_clear (TeesqlRefillSource *self);
/**
 * teesql_refill_source_open:
 * @out_found: %FALSE when the storage holds nothing of this cluster, or of any
 *
 * of the lineage that was restored where there is a mark of it, else of the newest
 */
gboolean teesql_refill_source_open (const TeesqlRefillOptions *options, const char *storage, TeesqlRefillSource *out, gboolean *out_found,
                                    GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlRefillSource, teesql_refill_source_clear)
G_END_DECLS
