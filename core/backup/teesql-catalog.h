#pragma once
#include "backup/teesql-head.h"

G_BEGIN_DECLS

/**
 * TeesqlCatalog:
 *
 * the chain of records of one lineage in one repository, and the head beside it. Opening it compares both directions; every change is a new
 * record, stored under the next sequence number only if nobody else has taken it. Thread safe, blocking: the WAL thread and the backup
 * thread share it.
 */
#define TEESQL_TYPE_CATALOG (teesql_catalog_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlCatalog, teesql_catalog, TEESQL, CATALOG, GObject)

/**
 * TeesqlCatalogOptions:
 * @head_path: (nullable): %NULL for readers (restore, list) that have no head of their own
 * @head_key: (nullable): teesql_head_derive_key()
 * @system_identifier: of the running cluster; 0 for readers
 */
typedef struct
{
  TeesqlRepository *repository;
  const char *head_path;
  TeesqlSecret *head_key;
  const char *cluster;
  const char *node;
  guint64 system_identifier;
  guint32 segment_size;
} TeesqlCatalogOptions;

/**
 * teesql_catalog_open:
 *
 * the writer's way: finds the lineage of the head, verifies the chain from the head's record to the newest, adopts a pending record.
 * Without a head, or behind a `restored` mark (teesql_catalog_mark_restored()), begins a lineage of the next generation.
 *
 * Returns: (transfer full) (nullable): %NULL with REFUSED in #TEESQL_BACKUP_ERROR, each with a hint that names `teesql backup accept`:
 *   `repository-behind` (it was rolled back, or records were deleted), `repository-ahead` (our volume was rolled back, or another node
 * writes), `repository-forked` (neither extends the other), `catalog-broken` (a record of the chain is missing or not what the next one
 * names), `head-absent` (this cluster id has lineages there and we know nothing of them), `foreign-cluster` (system identifier),
 * `kms-key-changed`
 */
TeesqlCatalog *teesql_catalog_open (const TeesqlCatalogOptions *options, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_read:
 * @lineage: (nullable): %NULL: that of the highest generation; two of them are REFUSED `lineage-ambiguous`, and the message names both
 *
 * the reader's way: newest record that an unbroken chain leads to. Changes nothing.
 */
TeesqlCatalog *teesql_catalog_read (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, GCancellable *cancellable,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* as above, up to a record that the operator chose: what is newer is not looked at. @lineage must be given */
TeesqlCatalog *teesql_catalog_read_at (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, guint64 sequence,
                                       GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_read_broken:
 * @problems: (element-type utf8): gets what is missing or damaged of the chain, a line each
 *
 * as teesql_catalog_read(), by the newest record that is genuine, whatever became of those around it: for an operator whose store lost some,
 * and who said so. A record holds all of its lineage, so the restore needs no other; but nothing proves that it comes from the records that
 * somebody knows of.
 */
TeesqlCatalog *teesql_catalog_read_broken (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, GPtrArray *problems,
                                           GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_check_known:
 * @self: a reader
 * @known: the head of a node that wrote this lineage; not beyond the newest record
 *
 * Returns: %FALSE with REFUSED `repository-forked` where the chain does not lead to the record that @known names
 */
gboolean teesql_catalog_check_known (TeesqlCatalog *self, const TeesqlHead *known, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_mark_restored:
 * @parent: (nullable): %NULL: nothing there is worth going on from
 *
 * what an operator decided: the next open begins a new lineage whose parent is the newest verified record there
 * (`STATE/backup/STORAGE/accept`)
 */
gboolean teesql_catalog_mark_restored (const char *head_path, const TeesqlLineage *parent, guint64 sequence, const guint8 digest[32],
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

TeesqlCatalogRecord *teesql_catalog_dup_record (TeesqlCatalog *self) G_GNUC_WARN_UNUSED_RESULT; /* as of now, with what is not yet stored */
const TeesqlLineage *teesql_catalog_get_lineage (TeesqlCatalog *self);
TeesqlRepository *teesql_catalog_get_repository (TeesqlCatalog *self);
void teesql_catalog_get_head (TeesqlCatalog *self, TeesqlHead *out);

/**
 * TeesqlCatalogFacts:
 * @oldest_restorable_unix: end of the oldest backup that WAL reaches beyond; 0 when there is none
 *
 * what the faces show of a catalog
 */
typedef struct
{
  TeesqlLineage lineage;
  TeesqlHead head;
  guint n_backups;
  gint64 last_backup_unix;
  gint64 last_full_unix;
  gint64 oldest_restorable_unix;
} TeesqlCatalogFacts;
/* of the last change that was durable; for a main loop, which the others are not: they may wait for the disk under the head */
void teesql_catalog_get_facts (TeesqlCatalog *self, TeesqlCatalogFacts *out);

/**
 * teesql_catalog_add_backup: stores a record at once
 */
gboolean teesql_catalog_add_backup (TeesqlCatalog *self, TeesqlBackup *backup, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_note_wal:
 *
 * [start, end) is durable in the store: kept in the head at once (fsynced), in a record with the next one. Call before the server is told
 * that it may forget the WAL. Where the head has no room for another range a record is stored first; @cancellable is for that.
 */
gboolean teesql_catalog_note_wal (TeesqlCatalog *self, guint32 timeline, guint64 start_lsn, guint64 end_lsn, GCancellable *cancellable,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* stores a record if something was noted since the last one; called every minute, at a timeline switch and at the end */
gboolean teesql_catalog_flush (TeesqlCatalog *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_catalog_add_epoch (TeesqlCatalog *self, guint32 epoch, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_remove:
 * @backups: (element-type TeesqlBackup): leave the catalog first, in one record; their objects are removed after that
 * @wal_before: (nullable): per timeline of the array, WAL before end_lsn leaves too
 */
gboolean teesql_catalog_remove (TeesqlCatalog *self, GPtrArray *backups, const GArray *wal_before, GCancellable *cancellable,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (nullable) (element-type TeesqlRecipient): stores the epoch keys that a recipient's object is missing for, or whose object is not the one
 * that was stored (`STATE/backup/STORAGE/recovery` knows their digests) */
gboolean teesql_catalog_publish_recovery (TeesqlCatalog *self, GPtrArray *recipients, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full) (element-type utf8 utf8): name of each of these objects that this node stored -> SHA-256 in hex; empty for readers */
GHashTable *teesql_catalog_load_recovery (TeesqlCatalog *self) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_catalog_get_head_path (TeesqlCatalog *self); /* (nullable) */
/* (nullable): the backup that is being made, whose objects no record names yet: clean-up leaves them alone */
void teesql_catalog_set_running (TeesqlCatalog *self, const guint8 *backup_id);
gboolean teesql_catalog_is_running (TeesqlCatalog *self, const guint8 backup_id[TEESQL_SEAL_BACKUP_ID_SIZE]);

G_END_DECLS
