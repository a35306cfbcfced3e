#include "backup/teesql-base-backup-message.h"
#include "backup/teesql-base-backup-private.h"
#include "base/teesql-domains.h"

/* No message for so long while the copy runs means a server that hangs; MAX_RATE never pauses for a second. */
#define STALL_TIMEOUT_MS (10 * 60 * 1000)
#define MAX_ARCHIVES     4096
#define UPLOAD_MESSAGE   ((gsize) 64 * 1024)

static gboolean
stream_fail (GError **error, const char *format, const char *detail)
{
  return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "backup-stream", format, detail);
}

/* -- Archives --------------------------------------------------------------------------------------------------- */

gboolean
teesql_base_backup_end_archive (TeesqlBaseBackupRun *self, GError **error)
{
  if (self->archive == NULL)
    return TRUE;
  g_clear_pointer (&self->archive->pieces, g_array_unref);
  if (!teesql_sealed_sink_finish (self->sink, &self->archive->pieces, &self->archive->plain_size, error))
    return FALSE;
  g_clear_pointer (&self->sink, teesql_sealed_sink_free);
  g_ptr_array_add (self->backup->archives, g_steal_pointer (&self->archive));
  return TRUE;
}

static gboolean
receive_begin_archive (TeesqlBaseBackupRun *self, const char *name, const char *tablespace, GError **error)
{
  g_autofree char *base_name = teesql_base_backup_dup_base_name (self->options->catalog, self->backup, name);
  TeesqlSealedSinkOptions options = { .repository = self->repository,
                                      .base_name = base_name,
                                      .id = teesql_base_backup_object_id (self->backup, NULL),
                                      .level = self->options->level,
                                      .threads = self->options->threads };

  if (!teesql_base_backup_end_archive (self, error))
    return FALSE;
  self->archive = teesql_archive_new (name);
  if (tablespace != NULL && tablespace[0] != '\0')
    self->archive->tablespace = g_strdup (tablespace);
  self->sink = teesql_sealed_sink_new (&options, self->cancellable, error);
  return self->sink != NULL;
}

static gboolean
has_archive (const TeesqlBaseBackupRun *self, const char *name)
{
  for (guint i = 0; i < self->backup->archives->len; i++)
    if (g_str_equal (((const TeesqlArchive *) g_ptr_array_index (self->backup->archives, i))->name, name))
      return TRUE;
  return self->archive != NULL && g_str_equal (self->archive->name, name);
}

/* What the server calls an archive becomes the name of an object: only what we know, and once. */
static gboolean
receive_named_archive (TeesqlBaseBackupRun *self, const TeesqlBaseBackupMessage *message, GError **error)
{
  g_autofree char *name = teesql_base_backup_archive_name (message->name);

  if (name == NULL || has_archive (self, name) || has_archive (self, "manifest"))
    return stream_fail (error, "the server sends an archive '%s' where none of that name can be", message->name);
  if (!g_utf8_validate (message->tablespace, -1, NULL))
    return stream_fail (error, "the folder of tablespace %s is not valid UTF-8", name);
  if (self->backup->archives->len >= MAX_ARCHIVES)
    return stream_fail (error, "%s", "the server sends more than 4096 archives");
  return receive_begin_archive (self, name, message->tablespace, error);
}

static gboolean
receive_manifest (TeesqlBaseBackupRun *self, GError **error)
{
  if (has_archive (self, "manifest"))
    return stream_fail (error, "the server sends a second %s", "manifest");
  return receive_begin_archive (self, "manifest", NULL, error);
}

static gboolean
receive_data (TeesqlBaseBackupRun *self, const TeesqlBaseBackupMessage *message, GError **error)
{
  if (self->sink == NULL)
    return stream_fail (error, "the server sends data before an archive's %s", "name");
  self->done += message->size;
  teesql_base_backup_tell (self, "copy", FALSE);
  return teesql_sealed_sink_write (self->sink, message->data, message->size, error);
}

static gboolean
receive_message (TeesqlBaseBackupRun *self, const guint8 *data, gsize size, GError **error)
{
  TeesqlBaseBackupMessage message;

  if (!teesql_base_backup_message_parse (data, size, &message, error))
    return FALSE;
  switch (message.kind)
    {
    case TEESQL_BASE_BACKUP_DATA:
      return receive_data (self, &message, error);
    case TEESQL_BASE_BACKUP_ARCHIVE:
      return receive_named_archive (self, &message, error);
    case TEESQL_BASE_BACKUP_MANIFEST:
      return receive_manifest (self, error);
    case TEESQL_BASE_BACKUP_PROGRESS: /* ours is finer */
    default:
      return TRUE;
    }
}

gboolean
teesql_base_backup_receive (TeesqlBaseBackupRun *self, GError **error)
{
  gint64 heard_us = g_get_monotonic_time ();

  for (;;)
    {
      const guint8 *data = NULL;
      gsize size = 0;

      switch (teesql_pg_session_take (self->session, &data, &size, error))
        {
        case TEESQL_PG_COPY_MESSAGE:
          if (!receive_message (self, data, size, error))
            return FALSE;
          heard_us = g_get_monotonic_time ();
          break;
        case TEESQL_PG_COPY_EMPTY:
          if (g_get_monotonic_time () - heard_us > (gint64) STALL_TIMEOUT_MS * 1000)
            return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "backup-stalled",
                                "the server sent nothing for %d minutes", STALL_TIMEOUT_MS / 60000);
          if (!teesql_pg_session_wait (self->session, TRUE, -1, STALL_TIMEOUT_MS, error))
            return FALSE;
          break;
        case TEESQL_PG_COPY_END:
          return TRUE; /* the last archive is closed when the server has said that the backup is good */
        case TEESQL_PG_COPY_FAILED:
        default:
          return FALSE;
        }
    }
}

/* -- The parent's manifest -------------------------------------------------------------------------------------- */

static TeesqlSealedSource *
open_manifest (TeesqlBaseBackupRun *self, const TeesqlBackup *parent, GError **error)
{
  const TeesqlArchive *manifest = g_ptr_array_index (parent->archives, parent->archives->len - 1);
  g_autofree char *base_name = teesql_base_backup_dup_base_name (self->options->catalog, parent, manifest->name);
  TeesqlSealedSinkOptions options = {
    .repository = self->repository, .base_name = base_name, .id = teesql_base_backup_object_id (parent, NULL), .threads = 1
  };

  return teesql_sealed_source_new (&options, manifest->pieces, self->cancellable, error);
}

static gboolean
upload_bytes (TeesqlPgSession *session, const guint8 *data, gsize size, GError **error)
{
  for (gsize at = 0; at < size; at += UPLOAD_MESSAGE)
    if (!teesql_pg_session_put (session, data + at, MIN (UPLOAD_MESSAGE, size - at), error) ||
        !teesql_pg_session_flush (session, STALL_TIMEOUT_MS, error))
      return FALSE;
  return TRUE;
}

static gboolean
upload_source (TeesqlBaseBackupRun *self, TeesqlSealedSource *source, GError **error)
{
  const guint8 *data = NULL;
  gsize size = 0;

  do
    {
      if (!teesql_sealed_source_read (source, &data, &size, error))
        return FALSE;
      if (!upload_bytes (self->session, data, size, error))
        return FALSE;
    }
  while (size > 0);
  return teesql_pg_session_put_end (self->session, error);
}

gboolean
teesql_base_backup_upload_parent (TeesqlBaseBackupRun *self, GError **error)
{
  g_autoptr (TeesqlSealedSource) source = open_manifest (self, self->options->parent, error);
  g_autoptr (TeesqlPgAnswer) copy = NULL;
  g_autoptr (TeesqlPgAnswer) done = NULL;

  if (source == NULL || !teesql_pg_session_send (self->session, "UPLOAD_MANIFEST", error))
    return FALSE;
  copy = teesql_pg_session_next (self->session, STALL_TIMEOUT_MS, PGRES_COPY_IN, error);
  if (copy == NULL || !upload_source (self, source, error))
    return FALSE;
  done = teesql_pg_session_next (self->session, STALL_TIMEOUT_MS, PGRES_COMMAND_OK, error);
  return done != NULL && teesql_pg_session_finish (self->session, error);
}
