/* What becomes of stored objects: a sample is read back, or all of them are removed. */
#include "backup/teesql-base-backup-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include <gnutls/crypto.h>
#include <string.h>

#define CLEAN_TIMEOUT_US (15 * G_USEC_PER_SEC)
#define MAX_OBJECTS      1000000
#define MAX_REMOVED      10000u /* a backup's pieces are some dozens; what a store invents beside them is none of our business */

/* -- Sample ----------------------------------------------------------------------------------------------------- */

/* A store that could foresee the choice could keep just that. */
static gboolean
draw_below (guint64 n, guint64 *out, GError **error)
{
  guint64 drawn = 0;

  if (gnutls_rnd (GNUTLS_RND_NONCE, &drawn, sizeof drawn) < 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "random", "no random numbers");
  *out = drawn % n;
  return TRUE;
}

static gboolean
sample_fail (GError **error, const char *name, const char *what)
{
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "sample-differs",
                      "'%s' was read back and is not what was stored: %s", name, what);
}

static gboolean
read_range (TeesqlBaseBackupRun *self, const char *name, guint64 offset, gsize size, guint8 *out, GError **error)
{
  TeesqlStore *store = teesql_repository_get_store (self->repository);
  g_autoptr (TeesqlStoreReader) reader = teesql_store_reader_new (store, name, offset, size, size, self->cancellable, error);
  gsize found = 0;

  if (reader == NULL || !teesql_store_reader_read (reader, out, size, &found, error))
    return FALSE;
  return found == size || sample_fail (error, name, "it is shorter");
}

static gboolean
open_segment (TeesqlBaseBackupRun *self, TeesqlSealReader *reader, const char *name, gsize header, guint64 stored_size, GError **error)
{
  guint64 plain = 0;
  guint64 last = 0;
  guint64 index = 0;
  gsize size = 0;
  g_autofree guint8 *sealed = NULL;
  g_autofree guint8 *opened = NULL;

  if (!teesql_seal_plain_size (header, stored_size, &plain, error))
    return FALSE;
  last = plain == 0 ? 0 : (plain - 1) / TEESQL_SEAL_SEGMENT_SIZE;
  if (!draw_below (last + 1, &index, error))
    return FALSE;
  size = index < last ? TEESQL_SEAL_SEGMENT_SIZE : (gsize) (plain - last * TEESQL_SEAL_SEGMENT_SIZE);
  sealed = g_malloc (size + TEESQL_SEAL_TAG_SIZE);
  opened = g_malloc (size + 1);
  return read_range (self, name, header + index * (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE), size + TEESQL_SEAL_TAG_SIZE, sealed,
                     error) &&
         teesql_seal_reader_open (reader, (guint32) index, index == last, sealed, size + TEESQL_SEAL_TAG_SIZE, opened, error);
}

static gboolean
sample_piece (TeesqlBaseBackupRun *self, const char *name, const TeesqlPiece *piece, GError **error)
{
  gsize size = (gsize) MIN (piece->stored_size, TEESQL_SEAL_HEADER_MAX);
  guint8 head[TEESQL_SEAL_HEADER_MAX];
  gsize header = 0;
  TeesqlObjectId id = teesql_base_backup_object_id (self->backup, name);
  TeesqlSealContext context = { .system_identifier = id.system_identifier,
                                .timeline = id.timeline,
                                .simulated = teesql_repository_is_simulated (self->repository),
                                .name = name };
  g_autoptr (TeesqlSealReader) reader = NULL;

  memcpy (context.backup_id, id.backup_id, sizeof context.backup_id);
  if (!read_range (self, name, 0, size, head, error))
    return FALSE;
  reader = teesql_seal_reader_new (&context, teesql_repository_get_keys (self->repository), head, size, &header, error);
  if (reader == NULL)
    return FALSE;
  if (memcmp (teesql_seal_reader_get_commitment (reader), piece->commitment, sizeof piece->commitment) != 0)
    return sample_fail (error, name, "it is another object");
  return open_segment (self, reader, name, header, piece->stored_size, error);
}

static gboolean
sample_archive (TeesqlBaseBackupRun *self, const TeesqlArchive *archive, GError **error)
{
  g_autofree char *base_name = teesql_base_backup_dup_base_name (self->options->catalog, self->backup, archive->name);
  g_autofree char *name = NULL;
  guint64 chosen = 0;

  if (!draw_below (MAX (archive->pieces->len, 1), &chosen, error))
    return FALSE;
  if (archive->pieces->len == 0)
    return sample_fail (error, base_name, "no piece was stored");
  name = g_strdup_printf ("%s.%05u", base_name, (guint) chosen);
  return sample_piece (self, name, &g_array_index (archive->pieces, TeesqlPiece, chosen), error);
}

gboolean
teesql_base_backup_sample (TeesqlBaseBackupRun *self, GError **error)
{
  for (guint i = 0; i < self->backup->archives->len; i++)
    if (!sample_archive (self, g_ptr_array_index (self->backup->archives, i), error))
      return FALSE;
  return TRUE;
}

/* -- Clean ------------------------------------------------------------------------------------------------------ */

typedef struct
{
  GMutex mutex;
  GCond cond;
  gboolean done;
  GCancellable *cancellable;
} CleanLimit;

/* The caller's cancellable may be the very reason why we clean: the limit is one of our own. */
static gpointer
limit_run (gpointer user_data)
{
  CleanLimit *self = user_data;
  gint64 end = g_get_monotonic_time () + CLEAN_TIMEOUT_US;

  g_mutex_lock (&self->mutex);
  while (!self->done && g_cond_wait_until (&self->cond, &self->mutex, end))
    ;
  if (!self->done)
    g_cancellable_cancel (self->cancellable);
  g_mutex_unlock (&self->mutex);
  return NULL;
}

static gboolean
collect_name (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  GPtrArray *names = user_data;

  g_ptr_array_add (names, g_strdup (teesql_object_info_get_name (info)));
  return names->len < MAX_REMOVED;
}

static gboolean
remove_objects (TeesqlBaseBackupRun *self, GCancellable *cancellable, GError **error)
{
  TeesqlStore *store = teesql_repository_get_store (self->repository);
  g_autofree char *prefix = teesql_base_backup_dup_base_name (self->options->catalog, self->backup, "");
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (!teesql_store_list (store, prefix, MAX_OBJECTS, collect_name, names, cancellable, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!teesql_store_remove (store, g_ptr_array_index (names, i), cancellable, error))
      return FALSE;
  return TRUE;
}

void
teesql_base_backup_clean (TeesqlBaseBackupRun *self)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  CleanLimit limit = { .cancellable = cancellable };
  GThread *thread = NULL;

  g_mutex_init (&limit.mutex);
  g_cond_init (&limit.cond);
  thread = g_thread_new ("backup-clean", limit_run, &limit);
  if (!remove_objects (self, cancellable, &error))
    teesql_log_warning ("backup", "objects of the backup that failed are left for retention to remove: %s", error->message);
  g_mutex_lock (&limit.mutex);
  limit.done = TRUE;
  g_cond_signal (&limit.cond);
  g_mutex_unlock (&limit.mutex);
  g_thread_join (thread);
  g_mutex_clear (&limit.mutex);
  g_cond_clear (&limit.cond);
}
