#pragma once
#include "backup/teesql-base-backup.h"
#include "backup/teesql-pg-session-server.h"

G_BEGIN_DECLS

/**
 * TeesqlBaseBackupRun:
 * @backup: what is being made; its archives are finished ones
 * @archive, @sink: the archive that is being received
 * @in_catalog: a record that names the objects may be in the store, whatever the answer was: nothing is removed any more
 */
typedef struct
{
  const TeesqlBaseBackupOptions *options;
  GCancellable *cancellable;
  TeesqlRepository *repository;
  TeesqlPgSession *session;
  TeesqlPgServer server;
  TeesqlBackup *backup;
  TeesqlArchive *archive;
  TeesqlSealedSink *sink;
  guint64 done;
  guint64 total;
  gboolean in_catalog;
  gint64 told_us; /* when progress was told of */
} TeesqlBaseBackupRun;

void teesql_base_backup_tell (TeesqlBaseBackupRun *self, const char *phase, gboolean now);
/* (transfer full): `…/base/BACKUP/ARCHIVE`, the name of its pieces without their number */
char *teesql_base_backup_dup_base_name (TeesqlCatalog *catalog, const TeesqlBackup *backup, const char *archive) G_GNUC_WARN_UNUSED_RESULT;
TeesqlObjectId teesql_base_backup_object_id (const TeesqlBackup *backup, const char *name);

/* takes the one COPY of BASE_BACKUP and seals what is in it */
gboolean teesql_base_backup_receive (TeesqlBaseBackupRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* closes the archive that is being received: it is durable then, and one of the backup's */
gboolean teesql_base_backup_end_archive (TeesqlBaseBackupRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* sends the manifest of the parent, which makes an incremental backup possible */
gboolean teesql_base_backup_upload_parent (TeesqlBaseBackupRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* SR-17: reads one segment of every archive back and opens it */
gboolean teesql_base_backup_sample (TeesqlBaseBackupRun *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* removes what was stored for a backup that failed, as far as the store lets us within a few seconds */
void teesql_base_backup_clean (TeesqlBaseBackupRun *self);

G_END_DECLS
