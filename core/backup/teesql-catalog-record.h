#pragma once
/* One record of the catalog: everything a lineage holds, as of one sequence number. Pure: JSON in, JSON out (docs/repository.md). */
#include "backup/teesql-layout.h"
#include "backup/teesql-sealed-sink.h"

G_BEGIN_DECLS

#define TEESQL_CATALOG_RECORD_MAX ((gsize) 16 * 1024 * 1024)

/**
 * TeesqlArchive:
 * @name: `base`, a tablespace's oid, `manifest`
 * @tablespace: (nullable): its path on the server
 */
typedef struct
{
  char *name;
  char *tablespace;
  guint64 plain_size;
  GArray *pieces; /* TeesqlPiece */
} TeesqlArchive;

/**
 * TeesqlBackup:
 *
 * one finished base backup. Boxed, refcounted, immutable once it is in a record.
 */
typedef struct
{
  gatomicrefcount refs;
  guint8 id[TEESQL_SEAL_BACKUP_ID_SIZE];
  gboolean incremental;
  guint8 parent_id[TEESQL_SEAL_BACKUP_ID_SIZE]; /* of an incremental one */
  gint64 started_unix;
  gint64 finished_unix;
  guint64 start_lsn;
  guint64 stop_lsn;
  guint32 timeline;
  guint64 system_identifier;
  guint32 epoch;
  guint32 server_version; /* 170011 */
  char *label;            /* (nullable): the operator's */
  GPtrArray *archives;    /* TeesqlArchive, `manifest` last */
} TeesqlBackup;
TeesqlBackup *teesql_backup_new (void) G_GNUC_WARN_UNUSED_RESULT;
TeesqlBackup *teesql_backup_ref (TeesqlBackup *self);
void teesql_backup_unref (TeesqlBackup *self);
TeesqlArchive *teesql_archive_new (const char *name) G_GNUC_WARN_UNUSED_RESULT;
void teesql_archive_free (TeesqlArchive *self);
guint64 teesql_backup_get_plain_size (const TeesqlBackup *self);
guint64 teesql_backup_get_stored_size (const TeesqlBackup *self);
/* `20261122T020000F-3f9a0c21`: start time, F or I, first bytes of the id; unique enough to type, and a prefix of 4 or more characters of
 * the id does too */
char *teesql_backup_dup_name (const TeesqlBackup *self) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlWalRange:
 *
 * WAL without a hole on one timeline. Two ranges of one timeline with space between them are a gap.
 */
typedef struct
{
  guint32 timeline;
  guint64 start_lsn;
  guint64 end_lsn; /* of whole segments and partial objects, durable */
  gint64 end_unix; /* our clock when that end became durable */
} TeesqlWalRange;

typedef struct
{
  guint32 epoch;
  guint8 check_value[8];
  gint64 since_unix;
} TeesqlEpochEntry;

/**
 * TeesqlCatalogRecord:
 *
 * @previous: SHA-256 of the sealed bytes of record sequence - 1; zeros for the first
 * @parent_lineage, @parent_sequence, @parent_digest: where a restored cluster came from; empty text for the first lineage
 */
typedef struct
{
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  char *cluster; /* label */
  char *node;    /* who wrote it */
  TeesqlLineage lineage;
  guint64 sequence; /* from 1 */
  guint8 previous[32];
  TeesqlLineage parent_lineage;
  guint64 parent_sequence;
  guint8 parent_digest[32];
  gint64 written_unix;
  guint64 system_identifier;
  guint32 segment_size; /* of WAL */
  GPtrArray *backups;   /* TeesqlBackup, oldest first */
  GArray *wal;          /* TeesqlWalRange, by timeline, then LSN */
  GArray *epochs;       /* TeesqlEpochEntry, ascending */
} TeesqlCatalogRecord;
TeesqlCatalogRecord *teesql_catalog_record_new (void) G_GNUC_WARN_UNUSED_RESULT;
TeesqlCatalogRecord *teesql_catalog_record_copy (const TeesqlCatalogRecord *self) G_GNUC_WARN_UNUSED_RESULT;
void teesql_catalog_record_free (TeesqlCatalogRecord *self);
GBytes *teesql_catalog_record_to_json (const TeesqlCatalogRecord *self) G_GNUC_WARN_UNUSED_RESULT;
/* strict: unknown, missing and double members, numbers out of range, unsorted lists are MALFORMED */
TeesqlCatalogRecord *teesql_catalog_record_parse (GBytes *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer none) (nullable) */
TeesqlBackup *teesql_catalog_record_find (const TeesqlCatalogRecord *self, const guint8 id[TEESQL_SEAL_BACKUP_ID_SIZE]);
/**
 * teesql_catalog_record_find_named:
 * @text: a name, an id or a beginning of either; `latest`
 */
TeesqlBackup *teesql_catalog_record_find_named (const TeesqlCatalogRecord *self, const char *text, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* merges [start, end) into the ranges; FALSE with REFUSED `wal-overlap` never: what is there already is fine */
void teesql_catalog_record_add_wal (TeesqlCatalogRecord *self, guint32 timeline, guint64 start_lsn, guint64 end_lsn, gint64 now_unix);
/* whether WAL without a hole reaches from @lsn on @timeline; its end */
gboolean teesql_catalog_record_covers (const TeesqlCatalogRecord *self, guint32 timeline, guint64 lsn, guint64 *out_end_lsn);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCatalogRecord, teesql_catalog_record_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlBackup, teesql_backup_unref)
G_END_DECLS
