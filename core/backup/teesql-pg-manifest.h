#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_PG_MANIFEST_NAME      "backup_manifest"
#define TEESQL_PG_MANIFEST_FILES_MAX ((guint) 1 << 23)
#define TEESQL_PG_MANIFEST_LINE_MAX  ((gsize) 8192)

/**
 * TeesqlPgManifest:
 *
 * the backup manifest of PostgreSQL 17 (version 2, one file a line, CRC-32C), fed in pieces: the files that a backup has, and nothing
 * besides. Errors: MALFORMED `pg-manifest`, INTEGRITY `pg-manifest-checksum`, UNSUPPORTED `pg-manifest-version` in #TEESQL_BACKUP_ERROR.
 */
typedef struct _TeesqlPgManifest TeesqlPgManifest;
TeesqlPgManifest *teesql_pg_manifest_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_pg_manifest_free (TeesqlPgManifest *self);
gboolean teesql_pg_manifest_feed (TeesqlPgManifest *self, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* everything was there, and the SHA-256 at its end is right */
gboolean teesql_pg_manifest_finish (TeesqlPgManifest *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The rest only after teesql_pg_manifest_finish() */

guint64 teesql_pg_manifest_get_system_identifier (const TeesqlPgManifest *self);
guint teesql_pg_manifest_get_n_files (const TeesqlPgManifest *self);
guint64 teesql_pg_manifest_get_bytes (const TeesqlPgManifest *self);

typedef struct
{
  guint32 timeline;
  guint64 start_lsn;
  guint64 end_lsn;
} TeesqlPgManifestRange;
const GArray *teesql_pg_manifest_get_wal (const TeesqlPgManifest *self); /* TeesqlPgManifestRange: WAL that the backup needs */

/**
 * TeesqlPgManifestFile:
 */
typedef struct _TeesqlPgManifestFile TeesqlPgManifestFile;
/**
 * teesql_pg_manifest_claim:
 * @name: as the archive names it, from the data directory on
 *
 * Returns: (transfer none) (nullable): %NULL with INTEGRITY: the manifest does not have the file (`manifest-extra`), says another size
 *   (`manifest-size`), or somebody claimed it before (`manifest-double`)
 */
TeesqlPgManifestFile *teesql_pg_manifest_claim (TeesqlPgManifest *self, const char *name, guint64 size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* INTEGRITY `manifest-checksum` */
gboolean teesql_pg_manifest_check (const TeesqlPgManifestFile *file, guint32 crc, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* INTEGRITY `manifest-missing` when a file was not claimed: names one and says how many */
gboolean teesql_pg_manifest_check_complete (const TeesqlPgManifest *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPgManifest, teesql_pg_manifest_free)
G_END_DECLS
