#pragma once
#include "backup/teesql-catalog-io.h"
#include "backup/teesql-verify.h"

G_BEGIN_DECLS

/**
 * TeesqlVerifyRun:
 * @sizes: name -> guint64 *, as listed; of records, pieces, keys and histories
 * @wal: (element-type TeesqlWalObject): as listed, by timeline, start, end
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
  GHashTable *sizes;
  GArray *wal;
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
gboolean teesql_verify_list (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_chain (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_backups (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_verify_wal (TeesqlVerifyRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
