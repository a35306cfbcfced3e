#pragma once
/* One record of a lineage, there and back; and the chain they make. */
#include "backup/teesql-catalog-record.h"

G_BEGIN_DECLS

#define TEESQL_CHAIN_KEPT ((guint64) 1000) /* newest records that are always there; what is older may have been removed */

/* adds what an operator can do about a repository that is at odds with what we know */
#define TEESQL_ACCEPT_HINT \
  "\nhint: docs/backup.md says what to look at (“When a repository is refused”) before `teesql backup accept` begins a new lineage"

typedef struct
{
  TeesqlCatalogRecord *record;
  guint8 digest[32]; /* of the sealed bytes */
} TeesqlLoadedRecord;

void teesql_loaded_record_clear (TeesqlLoadedRecord *self);
/**
 * teesql_catalog_load:
 *
 * Returns: %FALSE with the store's error (NOT_FOUND among them), the seal's, or MALFORMED `catalog-record`
 */
gboolean teesql_catalog_load (TeesqlRepository *repository, const TeesqlLineage *lineage, guint64 sequence, TeesqlLoadedRecord *out,
                              GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether @error says that an object is absent or not ours (and not that the store cannot be asked, or a key is missing) */
gboolean teesql_catalog_is_damage (const GError *error) G_GNUC_WARN_UNUSED_RESULT;
/* makes REFUSED `catalog-broken` of damage and leaves other errors alone; takes @cause. Returns: %FALSE */
gboolean teesql_catalog_broken (GError **error, GError *cause, const TeesqlLineage *lineage, guint64 sequence);

/**
 * TeesqlChainListing:
 * @first, @newest: 0 when there is none
 * @first_missing: of the newest %TEESQL_CHAIN_KEPT, 0 when none is
 *
 * what the store says is there
 */
typedef struct
{
  guint64 first;
  guint64 newest;
  guint64 first_missing;
} TeesqlChainListing;
gboolean teesql_catalog_list (TeesqlRepository *repository, const TeesqlLineage *lineage, TeesqlChainListing *out, GCancellable *cancellable,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_catalog_walk:
 * @newest: loaded and verified
 * @down_to: sequence whose digest is wanted, at least 1
 *
 * follows `previous` from record to record, each verified, each the one that its successor names.
 *
 * Returns: %FALSE with REFUSED `catalog-broken`, or the store's error
 */
gboolean teesql_catalog_walk (TeesqlRepository *repository, const TeesqlLoadedRecord *newest, guint64 down_to, guint8 out_digest[32],
                              GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the keys we hold are those the record names: REFUSED `kms-key-changed` */
gboolean teesql_catalog_check_epochs (TeesqlRepository *repository, const TeesqlCatalogRecord *record, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* objects of the cluster are there and none of them opens, all for their commitment: then it is our keys that are others */
gboolean teesql_catalog_keys_are_foreign (TeesqlRepository *repository, const GArray *lineages, GCancellable *cancellable)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_catalog_fail_keys (TeesqlRepository *repository, GError **error); /* that very error */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlLoadedRecord, teesql_loaded_record_clear)
G_END_DECLS
