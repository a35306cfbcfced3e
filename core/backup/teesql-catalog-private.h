#pragma once
#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog.h"
#include "backup/teesql-lineages.h"

G_BEGIN_DECLS

/**
 * TeesqlCatalog:
 * @committing: held while a record is on its way to the store; taken before @lock
 * @lock: over record, head, left, running; held while the head is written and flushed
 * @facts_lock: over @facts, for a moment only; taken after @lock
 * @record: the newest stored one, and WAL that was noted since
 * @stopped: why nothing is written any more
 * @abandoned: digests of records that may or may not have arrived under the next number
 */
struct _TeesqlCatalog
{
  GObject parent_instance;
  TeesqlRepository *repository;
  char *head_path; /* NULL: a reader */
  TeesqlSecret *head_key;
  char *cluster;
  char *node;
  guint64 system_identifier;
  guint32 segment_size;
  gboolean conditional; /* the store settles races */
  TeesqlLineage lineage;
  GMutex committing;
  GMutex lock;
  GMutex facts_lock;
  TeesqlCatalogFacts facts;
  TeesqlCatalogRecord *record;
  TeesqlHead head;
  GError *stopped;
  GArray *abandoned;
  gboolean running;
  guint8 running_id[TEESQL_SEAL_BACKUP_ID_SIZE];
};

/**
 * TeesqlAcceptMark:
 *
 * `accept` beside the head
 */
typedef struct
{
  gboolean has_parent;
  TeesqlLineage lineage;
  guint64 sequence;
  guint8 digest[32];
} TeesqlAcceptMark;

char *teesql_catalog_dup_accept_path (const char *head_path) G_GNUC_WARN_UNUSED_RESULT;
/* %FALSE with NOT_FOUND `state-absent` */
gboolean teesql_accept_mark_load (const char *head_path, TeesqlAcceptMark *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

TeesqlCatalog *teesql_catalog_make (const TeesqlCatalogOptions *options) G_GNUC_WARN_UNUSED_RESULT;
gint64 teesql_catalog_now (void);

/**
 * teesql_catalog_put_record:
 * @next: the record that follows the head's; its number, predecessor, writer and time are set here
 * @recorded: the head of the moment when @next was made: what it notes is in @next
 *
 * head with `pending`, store, head. Needs `committing`. EXISTS: there is another record under that number.
 */
gboolean teesql_catalog_put_record (TeesqlCatalog *self, TeesqlCatalogRecord *next, const TeesqlHead *recorded, GCancellable *cancellable,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the head takes a record that is in the store: also one found there by teesql_catalog_open(). Needs `lock`. */
gboolean teesql_catalog_advance (TeesqlCatalog *self, guint64 sequence, const guint8 digest[32], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* after a change of record or head. Needs `lock`, or that nobody else has the catalog yet. */
void teesql_catalog_renew_facts (TeesqlCatalog *self);
/* sequence 1 of a lineage that nobody wrote yet; @head's lineage is that */
gboolean teesql_catalog_begin (TeesqlCatalog *self, const TeesqlAcceptMark *parent, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* the head against the repository, both directions; takes a pending record over */
gboolean teesql_catalog_compare (TeesqlCatalog *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* other lineages of this generation or a later one: somebody else went on */
gboolean teesql_catalog_compare_others (TeesqlCatalog *self, const GArray *lineages, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
