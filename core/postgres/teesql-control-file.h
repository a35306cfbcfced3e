#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define TEESQL_CONTROL_FILE_SIZE 8192 /* PG_CONTROL_FILE_SIZE */

/**
 * TeesqlControlFile:
 *
 * what `global/pg_control` of PostgreSQL 17 says, as far as it matters here
 */
typedef struct
{
  guint64 system_identifier;
  guint32 state; /* DBState of catalog/pg_control.h */
  guint32 timeline;
  guint32 checksum_version; /* 0: data checksums are off */
} TeesqlControlFile;

/**
 * teesql_control_file_parse:
 *
 * Returns: %FALSE with INTEGRITY `control-file` in #TEESQL_POSTGRES_ERROR when it is short, of another layout or its CRC does not agree
 */
gboolean teesql_control_file_parse (const guint8 *data, gsize size, TeesqlControlFile *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
