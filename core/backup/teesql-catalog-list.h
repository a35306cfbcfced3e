#pragma once
/* What a catalog holds, as the JSON of `teesql backup list` (schemas/backup-list.json). */
#include "backup/teesql-catalog-record.h"
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

void teesql_catalog_list_add_backup (JsonBuilder *builder, const TeesqlBackup *backup); /* one object */
/* members of an object that was begun: `lineage`, `sequence`, `backups`, `wal`, `epochs`, `parent_lineage` */
void teesql_catalog_list_add_record (JsonBuilder *builder, const TeesqlCatalogRecord *record);

G_END_DECLS
