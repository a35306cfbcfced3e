#pragma once
/* Messages of BASE_BACKUP's one COPY stream (PostgreSQL's "Streaming Replication Protocol", 15 and later). Pure. */
#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  TEESQL_BASE_BACKUP_ARCHIVE,  /* a new archive begins */
  TEESQL_BASE_BACKUP_MANIFEST, /* the manifest begins */
  TEESQL_BASE_BACKUP_DATA,
  TEESQL_BASE_BACKUP_PROGRESS,
} TeesqlBaseBackupMessageKind;

/**
 * TeesqlBaseBackupMessage:
 * @name: (nullable): `base.tar`, `16384.tar`; lies in what was parsed, as @tablespace and @data do
 * @tablespace: (nullable): its folder on the server, empty for `base.tar`
 */
typedef struct
{
  TeesqlBaseBackupMessageKind kind;
  const char *name;
  const char *tablespace;
  const guint8 *data;
  gsize size;
  guint64 done; /* bytes, of a progress message */
} TeesqlBaseBackupMessage;

gboolean teesql_base_backup_message_parse (const guint8 *data, gsize size, TeesqlBaseBackupMessage *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_base_backup_archive_name:
 *
 * Returns: (transfer full) (nullable): `base` or the oid, which become part of an object's name; %NULL for anything else
 */
char *teesql_base_backup_archive_name (const char *file) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
