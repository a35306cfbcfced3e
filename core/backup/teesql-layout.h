#pragma once
/* Names below the repository root (docs/repository.md):
 *   v1/CLUSTER/LINEAGE/catalog/SEQUENCE            sealed catalog record, 16 hex digits
 *   v1/CLUSTER/LINEAGE/base/BACKUP/ARCHIVE.NNNNN   pieces of a compressed archive: `base`, a tablespace's oid, `manifest`
 *   v1/CLUSTER/LINEAGE/wal/TIMELINE/SEGMENT        sealed compressed WAL segment
 *   v1/CLUSTER/LINEAGE/wal/TIMELINE/SEGMENT.FROM-TO  part of one, offsets in 8 hex digits, until the segment is whole
 *   v1/CLUSTER/LINEAGE/wal/TIMELINE.history
 *   v1/CLUSTER/keys/EPOCH.RECIPIENT                epoch key for a recovery recipient
 * CLUSTER is the cluster id in 64 hex digits, LINEAGE `GENERATION-RANDOM` (8 and 16 hex digits): what one life of a cluster wrote. A
 * restored cluster begins a new lineage, so nothing is ever written under an old prefix (SR-21). */
#include "seal/teesql-epoch-keys.h"

G_BEGIN_DECLS

#define TEESQL_LINEAGE_SIZE 26 /* with its NUL */
typedef struct
{
  char text[TEESQL_LINEAGE_SIZE];
} TeesqlLineage;

gboolean teesql_lineage_new (guint32 generation, TeesqlLineage *out, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* draws the random part */
gboolean teesql_lineage_parse (const char *text, gssize length, TeesqlLineage *out, guint32 *out_generation) G_GNUC_WARN_UNUSED_RESULT;
guint32 teesql_lineage_get_generation (const TeesqlLineage *self);

char *teesql_layout_cluster (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE]) G_GNUC_WARN_UNUSED_RESULT; /* `v1/CLUSTER/` */
char *teesql_layout_catalog (const guint8 *cluster_id, const TeesqlLineage *lineage, guint64 sequence) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_layout_piece (const guint8 *cluster_id, const TeesqlLineage *lineage, const guint8 backup_id[16], const char *archive,
                           guint piece) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_layout_segment (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline, const char *segment)
    G_GNUC_WARN_UNUSED_RESULT;
char *teesql_layout_partial (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline, const char *segment, guint32 from,
                             guint32 to) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_layout_history (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_layout_epoch (const guint8 *cluster_id, guint32 epoch, const char *recipient_id) G_GNUC_WARN_UNUSED_RESULT;

/* PostgreSQL's names: TTTTTTTTXXXXXXXXYYYYYYYY */
char *teesql_wal_segment_name (guint32 timeline, guint64 lsn, guint32 segment_size)
    G_GNUC_WARN_UNUSED_RESULT; /* of the segment that holds @lsn */
gboolean teesql_wal_segment_parse (const char *name, guint32 segment_size, guint32 *out_timeline, guint64 *out_start_lsn)
    G_GNUC_WARN_UNUSED_RESULT;
char *teesql_lsn_to_string (guint64 lsn) G_GNUC_WARN_UNUSED_RESULT; /* `0/16B3748` */
gboolean teesql_lsn_parse (const char *text, guint64 *out_lsn) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
