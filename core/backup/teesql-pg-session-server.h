#pragma once
#include "backup/teesql-pg-session.h"

G_BEGIN_DECLS

/**
 * TeesqlPgServer:
 * @lsn: flushed up to here, when it was asked
 */
typedef struct
{
  guint64 system_identifier;
  guint32 timeline;
  guint64 lsn;
  guint32 version;      /* 170011 */
  guint32 segment_size; /* of WAL */
  gboolean summarizes_wal;
  gboolean has_checksums;
  guint sender_timeout_ms; /* 0: none */
} TeesqlPgServer;

/**
 * teesql_pg_server_ask:
 *
 * IDENTIFY_SYSTEM and what settings decide. Returns: %FALSE with UNSUPPORTED `postgres-version` below 17
 */
gboolean teesql_pg_server_ask (TeesqlPgSession *session, TeesqlPgServer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_pg_server_expect:
 * @system_identifier, @segment_size: those of a repository
 *
 * Returns: %FALSE with REFUSED `foreign-cluster` or `wal-segment-size` in #TEESQL_BACKUP_ERROR
 */
gboolean teesql_pg_server_expect (const TeesqlPgServer *self, guint64 system_identifier, guint32 segment_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* pure: `16MB`, `1GB` and `1min`, `500ms`, `0`, as SHOW writes them */
gboolean teesql_pg_parse_size (const char *text, guint64 *out_bytes) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_pg_parse_duration (const char *text, guint64 *out_ms) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
