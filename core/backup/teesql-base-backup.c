#include "backup/teesql-base-backup-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include <gnutls/crypto.h>
#include <string.h>

#define TELL_INTERVAL_US 100000
#define END_TIMEOUT_MS   (10 * 60 * 1000) /* pg_backup_stop () fsyncs and switches WAL */
#define PIECE_SUFFIX     6                /* .00000 */
/* basebackup.h: MAX_RATE_LOWER, MAX_RATE_UPPER, in kB/s */
#define RATE_MIN 32
#define RATE_MAX 1048576

/* -- Names ------------------------------------------------------------------------------------------------------ */

char *
teesql_base_backup_dup_base_name (TeesqlCatalog *catalog, const TeesqlBackup *backup, const char *archive)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (teesql_catalog_get_repository (catalog));
  char *name = teesql_layout_piece (cluster_id, teesql_catalog_get_lineage (catalog), backup->id, archive, 0);

  name[strlen (name) - PIECE_SUFFIX] = '\0';
  return name;
}

TeesqlObjectId
teesql_base_backup_object_id (const TeesqlBackup *backup, const char *name)
{
  TeesqlObjectId id = { .name = name, .system_identifier = backup->system_identifier, .timeline = backup->timeline };

  memcpy (id.backup_id, backup->id, sizeof id.backup_id);
  return id;
}

void
teesql_base_backup_tell (TeesqlBaseBackupRun *self, const char *phase, gboolean now)
{
  gint64 time = 0;

  if (self->options->progress == NULL)
    return;
  time = g_get_monotonic_time ();
  if (!now && time - self->told_us < TELL_INTERVAL_US)
    return;
  self->told_us = time;
  self->options->progress (self->done, self->total, phase, self->options->progress_data);
}

/* -- Errors of the server --------------------------------------------------------------------------------------- */

/* What the server said about the backup, in the words of this operation. */
static void
run_map_error (TeesqlBaseBackupRun *self, GError **error)
{
  const char *sqlstate = teesql_pg_session_get_sqlstate (self->session);
  const char *warnings = teesql_pg_session_get_warnings (self->session);
  g_autoptr (GError) cause = NULL;

  if (sqlstate == NULL || (*error)->domain != TEESQL_POSTGRES_ERROR)
    return;
  if (g_str_has_prefix (sqlstate, "57P") || g_str_has_prefix (sqlstate, "08"))
    return; /* it went away */
  cause = g_steal_pointer (error);
  if (g_str_equal (sqlstate, "XX001"))
    teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_INTEGRITY, "backup-checksum",
                 "pages on the server's disk are broken: %s\nhint: %s", cause->message, warnings);
  else if (self->options->parent != NULL && g_str_equal (sqlstate, "55000"))
    teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "summaries-missing",
                 "an incremental backup is not possible now: %s\nhint: a full one is; see summarize_wal and wal_summary_keep_time",
                 cause->message);
  else
    teesql_fail (error, TEESQL_POSTGRES_ERROR, (TeesqlError) cause->code, "backup-refused", "the server refuses the backup: %s%s%s",
                 cause->message, warnings[0] != '\0' ? "\nhint: " : "", warnings);
}

/* -- Steps ------------------------------------------------------------------------------------------------------ */

static gboolean
run_open (TeesqlBaseBackupRun *self, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->options->catalog);

  self->session = teesql_pg_session_open (self->options->access, "teesql-backup", self->cancellable, error);
  if (self->session == NULL || !teesql_pg_server_ask (self->session, &self->server, error) ||
      !teesql_pg_server_expect (&self->server, record->system_identifier, record->segment_size, error))
    return FALSE;
  if (self->options->parent != NULL && !self->server.summarizes_wal)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "summaries-missing",
                        "an incremental backup is not possible: the server does not summarize its WAL\nhint: set summarize_wal = on");
  return TRUE;
}

static gboolean
run_begin_backup (TeesqlBaseBackupRun *self, GError **error)
{
  TeesqlBackup *backup = self->backup;

  if (gnutls_rnd (GNUTLS_RND_RANDOM, backup->id, sizeof backup->id) < 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "random", "no random numbers");
  teesql_catalog_set_running (self->options->catalog, backup->id);
  backup->incremental = self->options->parent != NULL;
  if (backup->incremental)
    memcpy (backup->parent_id, self->options->parent->id, sizeof backup->parent_id);
  backup->started_unix = g_get_real_time () / G_USEC_PER_SEC;
  backup->system_identifier = self->server.system_identifier;
  backup->server_version = self->server.version;
  backup->epoch = teesql_repository_get_epoch (self->repository);
  backup->label = g_strdup (self->options->label);
  return TRUE;
}

static char *
run_dup_command (const TeesqlBaseBackupRun *self)
{
  const TeesqlBaseBackupOptions *options = self->options;
  g_autofree char *label = teesql_pg_quote_literal (options->label != NULL ? options->label : "teesql");
  GString *command = g_string_new (NULL);

  g_string_append_printf (command,
                          "BASE_BACKUP (LABEL %s, PROGRESS true, CHECKPOINT '%s', WAIT false, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', "
                          "TABLESPACE_MAP true",
                          label, options->fast_checkpoint ? "fast" : "spread");
  if (options->max_rate > 0)
    g_string_append_printf (command, ", MAX_RATE %" G_GUINT64_FORMAT, CLAMP (options->max_rate / 1024, RATE_MIN, RATE_MAX));
  if (options->parent != NULL)
    g_string_append (command, ", INCREMENTAL true");
  g_string_append_c (command, ')');
  return g_string_free (command, FALSE);
}

/* `0/2000028`, 1 */
static gboolean
take_position (TeesqlBaseBackupRun *self, guint timeout_ms, guint64 *out_lsn, guint32 *out_timeline, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_next (self->session, timeout_ms, PGRES_TUPLES_OK, error);
  guint64 timeline = 0;

  if (answer == NULL || !teesql_pg_answer_lsn (answer, 0, 0, out_lsn, error) ||
      !teesql_pg_answer_number (answer, 0, 1, G_MAXUINT32, &timeline, error))
    return FALSE;
  *out_timeline = (guint32) timeline;
  return TRUE;
}

/* spcoid, spclocation, size in KiB, of every tablespace; what an incremental backup will need less of */
static gboolean
take_sizes (TeesqlBaseBackupRun *self, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_next (self->session, END_TIMEOUT_MS, PGRES_TUPLES_OK, error);

  if (answer == NULL)
    return FALSE;
  for (int row = 0; row < PQntuples (answer); row++)
    {
      guint64 kib = 0;

      if (!teesql_pg_answer_is_null (answer, row, 2) && !teesql_pg_answer_number (answer, row, 2, G_MAXUINT64 / 1024 / 65536, &kib, error))
        return FALSE;
      self->total += kib * 1024;
    }
  return TRUE;
}

/* The checkpoint before the first answer may take as long as checkpoint_timeout says, a day at most; the operator can cancel. */
static gboolean
run_start (TeesqlBaseBackupRun *self, GError **error)
{
  g_autofree char *command = run_dup_command (self);
  g_autoptr (TeesqlPgAnswer) copy = NULL;

  teesql_base_backup_tell (self, "checkpoint", TRUE);
  if (!teesql_pg_session_send (self->session, command, error) ||
      !take_position (self, 0, &self->backup->start_lsn, &self->backup->timeline, error) || !take_sizes (self, error))
    return FALSE;
  copy = teesql_pg_session_next (self->session, END_TIMEOUT_MS, PGRES_COPY_OUT, error);
  return copy != NULL;
}

static gboolean
check_archives (const TeesqlBackup *backup, guint32 stop_timeline, GError **error)
{
  const TeesqlArchive *last = backup->archives->len > 0 ? g_ptr_array_index (backup->archives, backup->archives->len - 1) : NULL;
  gboolean has_base = FALSE;

  for (guint i = 0; i < backup->archives->len; i++)
    has_base = has_base || g_str_equal (((const TeesqlArchive *) g_ptr_array_index (backup->archives, i))->name, "base");
  if (last == NULL || !has_base || !g_str_equal (last->name, "manifest") || last->plain_size == 0)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "backup-stream",
                        "the server ended the backup without its base archive or its manifest");
  if (stop_timeline != backup->timeline || backup->stop_lsn < backup->start_lsn)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "backup-refused",
                        "the server changed its timeline from %u to %u during the backup\nhint: try again", backup->timeline,
                        stop_timeline);
  return TRUE;
}

static gboolean
run_end (TeesqlBaseBackupRun *self, GError **error)
{
  g_autoptr (TeesqlPgAnswer) done = NULL;
  guint32 timeline = 0;

  if (!take_position (self, END_TIMEOUT_MS, &self->backup->stop_lsn, &timeline, error))
    return FALSE;
  done = teesql_pg_session_next (self->session, END_TIMEOUT_MS, PGRES_COMMAND_OK, error);
  if (done == NULL || !teesql_pg_session_finish (self->session, error))
    return FALSE;
  teesql_base_backup_tell (self, "store", TRUE);
  return teesql_base_backup_end_archive (self, error) && check_archives (self->backup, timeline, error);
}

static gboolean
run_server_part (TeesqlBaseBackupRun *self, GError **error)
{
  gboolean ok = (self->options->parent == NULL || teesql_base_backup_upload_parent (self, error)) && run_start (self, error) &&
                teesql_base_backup_receive (self, error) && run_end (self, error);

  if (!ok && error != NULL)
    run_map_error (self, error);
  return ok;
}

static gboolean
run_store_part (TeesqlBaseBackupRun *self, GError **error)
{
  teesql_base_backup_tell (self, "verify", TRUE);
  if (!teesql_base_backup_sample (self, error))
    return FALSE;
  self->backup->finished_unix = g_get_real_time () / G_USEC_PER_SEC;
  self->in_catalog = TRUE;
  return teesql_catalog_add_backup (self->options->catalog, self->backup, self->cancellable, error);
}

static void
run_clear (TeesqlBaseBackupRun *self)
{
  g_clear_pointer (&self->sink, teesql_sealed_sink_free);
  g_clear_pointer (&self->archive, teesql_archive_free);
  g_clear_pointer (&self->session, teesql_pg_session_free);
}

TeesqlBackup *
teesql_base_backup_run (const TeesqlBaseBackupOptions *options, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlBackup) backup = teesql_backup_new ();
  g_autoptr (GError) local_error = NULL;
  TeesqlBaseBackupRun run = {
    .options = options, .cancellable = cancellable, .repository = teesql_catalog_get_repository (options->catalog), .backup = backup
  };
  gboolean ok = run_open (&run, &local_error) && run_begin_backup (&run, &local_error) && run_server_part (&run, &local_error) &&
                run_store_part (&run, &local_error);

  run_clear (&run);
  if (!ok && backup->start_lsn != 0 && !run.in_catalog)
    teesql_base_backup_clean (&run);
  teesql_catalog_set_running (options->catalog, NULL);
  if (ok)
    return g_steal_pointer (&backup);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}
