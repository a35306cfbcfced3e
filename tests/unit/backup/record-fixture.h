#pragma once
#include "backup/teesql-catalog-json.h"

#define SYSTEM_ID    G_GUINT64_CONSTANT (7571234567890123456)
#define SEGMENT_SIZE (16u << 20)
#define MIB          ((guint64) 1 << 20)

TeesqlCatalogRecord *fixture_record (void);
/* @parent: index of an older backup, or -1 */
TeesqlBackup *fixture_backup (const TeesqlCatalogRecord *record, guint8 mark, guint32 timeline, guint64 start_lsn, int parent);
void fixture_add (TeesqlCatalogRecord *record, TeesqlBackup *backup); /* takes it */
/* a chain of full and incremental backups over some timelines, with WAL that has holes now and then */
TeesqlCatalogRecord *fixture_random_record (guint n_backups);
