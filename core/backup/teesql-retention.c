#include "backup/teesql-retention.h"

#include "backup/teesql-clean-up.h"
#include "base/teesql-domains.h"

gboolean
teesql_retention_run (TeesqlCatalog *catalog, const TeesqlRetention *retention, gint64 now_unix, guint *out_removed,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
  g_autoptr (GPtrArray) backups = NULL;
  g_autoptr (GArray) wal_before = NULL;
  guint removed = 0;

  if (teesql_catalog_get_head_path (catalog) == NULL)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "catalog-read-only", "this catalog was opened for reading");
  teesql_retention_plan (record, retention, now_unix, &backups, &wal_before);
  if ((backups->len > 0 || wal_before->len > 0) && !teesql_catalog_remove (catalog, backups, wal_before, cancellable, error))
    return FALSE;
  if (!teesql_clean_up_backups (catalog, backups, &removed, cancellable, error) ||
      !teesql_clean_up_wal (catalog, &removed, cancellable, error) ||
      !teesql_clean_up_left_overs (catalog, now_unix, &removed, cancellable, error) ||
      !teesql_clean_up_records (catalog, &removed, cancellable, error))
    return FALSE;
  if (out_removed != NULL)
    *out_removed = removed;
  return TRUE;
}
