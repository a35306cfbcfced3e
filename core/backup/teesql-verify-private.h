#pragma once
#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-verify.h"

G_BEGIN_DECLS

#define TEESQL_VERIFY_ABSENT G_MAXUINT64

/**
 * TeesqlVerifyRun:
 * @expected: name -> guint64 *: pieces and histories that the record names, with their sizes as listed or %TEESQL_VERIFY_ABSENT
 * @keys: (element-type utf8 utf8): recovery keys that this node stored, by name: SHA-256 in hex
 * @strays: (element-type TeesqlVerifyFinding): what nobody named; behind what is wrong, so that a store cannot hide that among them
 * @reach: (element-type guint64): for each range of the record, how far the listing has filled it
 * @n_closed: ranges that the listing has passed
 *
 * What is held is what the record names, never what the store does: that may be without end.
 */
typedef struct
{
  TeesqlCatalog *catalog;
  TeesqlRepository *repository;
  TeesqlCatalogRecord *record;
  gboolean deep;
  TeesqlVerifyProgress progress;
  gpointer progress_data;
  guint64 done;
  guint64 total;
  GCancellable *cancellable;
  TeesqlVerifyReport *report;
  GHashTable *expected;
  GHashTable *keys;
  GPtrArray *strays;
  GArray *reach;
  guint n_closed;
} TeesqlVerifyRun;

void teesql_verify_find (TeesqlVerifyRun *run, TeesqlVerifySeverity severity, const char *reason, const char *object, const char *format,
                         ...) G_GNUC_PRINTF (5, 6);
/* makes a finding of damage and goes on; %FALSE with other errors. Takes @problem */
gboolean teesql_verify_take (TeesqlVerifyRun *run, const char *object, GError *problem, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_verify_tell (TeesqlVerifyRun *run, guint64 bytes, const char *phase);

/**
 * teesql_verify_object:
 * @commitment, @stored_size: (nullable): as the catalog has them
 */
gboolean teesql_verify_object (TeesqlVerifyRun *run, const TeesqlObjectId *id, const TeesqlPiece *piece, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_verify_expect (TeesqlVerifyRun *run); /* before the listing: the names of the record */
/* around the listing, which hands over every WAL object in its order */
void teesql_verify_begin_wal (TeesqlVerifyRun *run);
gboolean teesql_verify_take_wal (TeesqlVerifyRun *run, const TeesqlWalObject *object, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_end_wal (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_chain (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_backups (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_keys (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
