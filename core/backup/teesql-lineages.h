#pragma once
/* Which clusters and lineages a repository holds. A small sealed object `v1/lineages/CLUSTER/LINEAGE` stands for each, so that finding them
 * does not take a listing of all WAL; where a store lost it, that listing is made after all. */
#include "backup/teesql-layout.h"
#include "backup/teesql-repository.h"

G_BEGIN_DECLS

/**
 * TeesqlLineageEntry:
 *
 * what a listing claims; nothing of it is verified
 */
typedef struct
{
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  TeesqlLineage lineage;
} TeesqlLineageEntry;

/**
 * teesql_repository_discover:
 * @cluster_id: (nullable): that cluster's only
 *
 * Returns: (transfer full) (nullable) (element-type TeesqlLineageEntry): by cluster, then by generation
 */
GArray *teesql_repository_discover (TeesqlStore *store, const guint8 *cluster_id, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

char *teesql_lineages_dup_name (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], const TeesqlLineage *lineage) G_GNUC_WARN_UNUSED_RESULT;
/* begins with `v1/lineages/`; %FALSE for odd names */
gboolean teesql_lineages_parse_name (const char *name, TeesqlLineageEntry *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_lineages_note (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* whether its object is there and ours; %FALSE with the seal's error, or NOT_FOUND */
gboolean teesql_lineages_check (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
