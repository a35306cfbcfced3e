#pragma once
#include "backup/teesql-pg-manifest.h"

G_BEGIN_DECLS

/**
 * TeesqlPgManifestLine:
 *
 * a file as its line says it
 */
typedef struct
{
  char *path; /* bytes: a name need not be UTF-8 */
  guint64 size;
  guint32 crc;
} TeesqlPgManifestLine;

/* one object, without the comma behind it */
gboolean teesql_pg_manifest_line_file (const char *text, gsize size, TeesqlPgManifestLine *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_manifest_line_range (const char *text, gsize size, TeesqlPgManifestRange *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
