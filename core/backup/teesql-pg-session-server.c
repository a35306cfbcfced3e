#include "backup/teesql-pg-session-server.h"
#include "backup/teesql-layout.h"
#include "base/teesql-domains.h"
#include "postgres/teesql-postgres-facts.h"
#include "postgres/teesql-postgres.h"
#include <string.h>

typedef struct
{
  const char *name;
  guint64 factor;
} Unit;

static const Unit sizes[] = { { "", 1 }, { "B", 1 }, { "kB", 1024 }, { "MB", 1024 * 1024 }, { "GB", 1024 * 1024 * 1024 } };
static const Unit durations[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

static gboolean
parse_unit (const char *text, const Unit *units, guint n_units, guint64 *out)
{
  gsize digits = strspn (text, "0123456789");
  g_autofree char *number = g_strndup (text, digits);
  guint64 value = 0;

  if (!g_ascii_string_to_unsigned (number, 10, 0, G_MAXUINT32, &value, NULL))
    return FALSE;
  for (guint i = 0; i < n_units; i++)
    if (g_str_equal (text + digits, units[i].name))
      {
        *out = value * units[i].factor;
        return TRUE;
      }
  return FALSE;
}

gboolean
teesql_pg_parse_size (const char *text, guint64 *out_bytes)
{
  return parse_unit (text, sizes, G_N_ELEMENTS (sizes), out_bytes);
}

gboolean
teesql_pg_parse_duration (const char *text, guint64 *out_ms)
{
  return parse_unit (text, durations, G_N_ELEMENTS (durations), out_ms);
}

static gboolean
setting_fail (const char *name, const char *value, GError **error)
{
  return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "replication-answer", "SHOW %s answers '%s'", name, value);
}

static gboolean
show (TeesqlPgSession *session, const char *name, char **out_value, GError **error)
{
  g_autofree char *command = g_strdup_printf ("SHOW %s", name);
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, command, error);
  const char *text = NULL;

  if (answer == NULL || !teesql_pg_answer_text (answer, 0, 0, &text, error))
    return FALSE;
  *out_value = g_strdup (text);
  return TRUE;
}

static gboolean
show_boolean (TeesqlPgSession *session, const char *name, gboolean *out, GError **error)
{
  g_autofree char *value = NULL;

  if (!show (session, name, &value, error))
    return FALSE;
  *out = g_str_equal (value, "on");
  return TRUE;
}

static gboolean
show_segment_size (TeesqlPgSession *session, guint32 *out, GError **error)
{
  g_autofree char *value = NULL;
  guint64 size = 0;

  if (!show (session, "wal_segment_size", &value, error))
    return FALSE;
  /* PostgreSQL: a power of two from 1 MiB to 1 GiB */
  if (!teesql_pg_parse_size (value, &size) || size < 1024 * 1024 || size > 1024 * 1024 * 1024 || (size & (size - 1)) != 0)
    return setting_fail ("wal_segment_size", value, error);
  *out = (guint32) size;
  return TRUE;
}

static gboolean
show_sender_timeout (TeesqlPgSession *session, guint *out, GError **error)
{
  g_autofree char *value = NULL;
  guint64 ms = 0;

  if (!show (session, "wal_sender_timeout", &value, error))
    return FALSE;
  if (!teesql_pg_parse_duration (value, &ms) || ms > G_MAXINT)
    return setting_fail ("wal_sender_timeout", value, error);
  *out = (guint) ms;
  return TRUE;
}

static gboolean
check_version (guint32 version, GError **error)
{
  g_autofree char *number = g_strdup_printf ("%u", version);
  g_autofree char *text = g_strdup_printf ("%u.%u", version / 10000, version % 10000);

  return teesql_postgres_check_version (number, text, error);
}

static gboolean
identify (TeesqlPgSession *session, TeesqlPgServer *out, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_query (session, "IDENTIFY_SYSTEM", error);
  guint64 timeline = 0;

  if (answer == NULL || !teesql_pg_answer_number (answer, 0, 0, G_MAXUINT64, &out->system_identifier, error) ||
      !teesql_pg_answer_number (answer, 0, 1, G_MAXUINT32, &timeline, error) || !teesql_pg_answer_lsn (answer, 0, 2, &out->lsn, error))
    return FALSE;
  out->timeline = (guint32) timeline;
  return TRUE;
}

gboolean
teesql_pg_server_ask (TeesqlPgSession *session, TeesqlPgServer *out, GError **error)
{
  TeesqlPgServer server = { .version = teesql_pg_session_get_server_version (session) };

  if (!check_version (server.version, error) || !identify (session, &server, error) ||
      !show_segment_size (session, &server.segment_size, error) ||
      !show_boolean (session, "summarize_wal", &server.summarizes_wal, error) ||
      !show_boolean (session, "data_checksums", &server.has_checksums, error) ||
      !show_sender_timeout (session, &server.sender_timeout_ms, error))
    return FALSE;
  *out = server;
  return TRUE;
}

gboolean
teesql_pg_server_expect (const TeesqlPgServer *self, guint64 system_identifier, guint32 segment_size, GError **error)
{
  if (self->system_identifier != system_identifier)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "foreign-cluster",
                        "the server is cluster %" G_GUINT64_FORMAT ", the repository is that of %" G_GUINT64_FORMAT
                        "\nhint: give another cluster a repository of its own",
                        self->system_identifier, system_identifier);
  if (self->segment_size != segment_size)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-segment-size",
                        "WAL segments of the server have %u bytes, those of the repository %u", self->segment_size, segment_size);
  return TRUE;
}
