/* The catalog's record: what parses has one spelling, the one it was read from. */
#include "backup/teesql-catalog-record.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) json = g_bytes_new (data, size);
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_record_parse (json, NULL);
  g_autoptr (TeesqlCatalogRecord) copy = NULL;
  g_autoptr (GBytes) again = NULL;

  if (record == NULL)
    return 0;
  copy = teesql_catalog_record_copy (record);
  teesql_catalog_record_add_wal (copy, 1, 1, G_MAXUINT64, 0);
  again = teesql_catalog_record_to_json (record);
  if (!g_bytes_equal (json, again))
    g_error ("a second spelling was read");
  return 0;
}
