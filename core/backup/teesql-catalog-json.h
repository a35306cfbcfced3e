#pragma once
#include "backup/teesql-catalog-record.h"

G_BEGIN_DECLS

/* Between the two halves of the record's form: what a well-formed record must also mean. */

#define TEESQL_RECORD_TEXT_MAX       ((gsize) 255)  /* cluster, node */
#define TEESQL_RECORD_LABEL_MAX      ((gsize) 1024)
#define TEESQL_RECORD_TABLESPACE_MAX ((gsize) 4096)
#define TEESQL_RECORD_NUMBER_MAX     (((guint64) 1 << 53) - 1) /* what every reader of JSON keeps exactly */
#define TEESQL_RECORD_BACKUPS_MAX    10000u
#define TEESQL_RECORD_ARCHIVES_MAX   4096u
#define TEESQL_RECORD_PIECES_MAX     100000u /* five digits of a name */
#define TEESQL_RECORD_RANGES_MAX     100000u
#define TEESQL_RECORD_EPOCHS_MAX     4096u

/* order of backups: timeline, start, id. What is older stands before what is newer, whatever the clocks said */
int teesql_backup_compare (const TeesqlBackup *a, const TeesqlBackup *b);
/* MALFORMED `catalog-record` */
gboolean teesql_catalog_record_check (const TeesqlCatalogRecord *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
