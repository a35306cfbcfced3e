#include "backup/teesql-catalog.h"

#include "backup/teesql-catalog-json.h"
#include "backup/teesql-catalog-private.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define MAX_ABANDONED 64u

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, reason, __VA_ARGS__)

G_DEFINE_FINAL_TYPE (TeesqlCatalog, teesql_catalog, G_TYPE_OBJECT)

static void
teesql_catalog_finalize (GObject *object)
{
  TeesqlCatalog *self = TEESQL_CATALOG (object);

  g_clear_object (&self->repository);
  g_clear_pointer (&self->head_key, teesql_secret_unref);
  g_clear_pointer (&self->record, teesql_catalog_record_free);
  g_clear_error (&self->stopped);
  g_array_unref (self->abandoned);
  g_free (self->head_path);
  g_free (self->cluster);
  g_free (self->node);
  g_mutex_clear (&self->committing);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->facts_lock);
  G_OBJECT_CLASS (teesql_catalog_parent_class)->finalize (object);
}

static void
teesql_catalog_class_init (TeesqlCatalogClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_catalog_finalize;
}

static void
teesql_catalog_init (TeesqlCatalog *self)
{
  g_mutex_init (&self->committing);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->facts_lock);
  self->abandoned = g_array_new (FALSE, FALSE, TEESQL_SHA256_SIZE);
}

TeesqlCatalog *
teesql_catalog_make (const TeesqlCatalogOptions *options)
{
  TeesqlCatalog *self = g_object_new (TEESQL_TYPE_CATALOG, NULL);
  TeesqlStore *store = teesql_repository_get_store (options->repository);

  self->repository = g_object_ref (options->repository);
  self->head_path = g_strdup (options->head_path);
  self->head_key = options->head_key != NULL ? teesql_secret_ref (options->head_key) : NULL;
  self->cluster = g_strdup (options->cluster != NULL ? options->cluster : "");
  self->node = g_strdup (options->node != NULL ? options->node : "");
  self->system_identifier = options->system_identifier;
  self->segment_size = options->segment_size;
  self->conditional = (teesql_store_get_features (store) & TEESQL_STORAGE_FEATURE_IF_ABSENT) != 0;
  return self;
}

gint64
teesql_catalog_now (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

/* the head */

static gboolean
store_head (TeesqlCatalog *self, const TeesqlHead *head, GError **error)
{
  if (!teesql_head_store (self->head_path, self->head_key, head, error))
    return FALSE;
  self->head = *head;
  return TRUE;
}

static guint32
newest_epoch (const TeesqlCatalogRecord *record, guint8 out_check[8])
{
  const TeesqlEpochEntry *newest = &g_array_index (record->epochs, TeesqlEpochEntry, record->epochs->len - 1);

  memcpy (out_check, newest->check_value, sizeof newest->check_value);
  return newest->epoch;
}

gboolean
teesql_catalog_advance (TeesqlCatalog *self, guint64 sequence, const guint8 digest[32], GError **error)
{
  TeesqlHead head = self->head;

  head.sequence = sequence;
  memcpy (head.digest, digest, sizeof head.digest);
  head.pending = FALSE;
  memset (head.pending_digest, 0, sizeof head.pending_digest);
  return store_head (self, &head, error);
}

/* storing */

static GBytes *
seal_record (TeesqlCatalog *self, const TeesqlCatalogRecord *record, const char *name, guint8 out_digest[32], GError **error)
{
  const TeesqlSealContext context = { .simulated = teesql_repository_is_simulated (self->repository), .name = name };
  g_autoptr (GBytes) json = teesql_catalog_record_to_json (record);
  GBytes *sealed = NULL;

  if (g_bytes_get_size (json) > TEESQL_CATALOG_RECORD_MAX)
    {
      refuse (error, "catalog-too-large",
              "the catalog would have %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT
              "\nhint: keep fewer backups: [backup] retain-full",
              g_bytes_get_size (json), TEESQL_CATALOG_RECORD_MAX);
      return NULL;
    }
  sealed = teesql_seal_bytes (&context, teesql_repository_get_keys (self->repository), teesql_repository_get_epoch (self->repository), json,
                              error);
  if (sealed != NULL)
    teesql_digest_bytes (TEESQL_DIGEST_SHA256, out_digest, g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed));
  return sealed;
}

/* Without conditional puts somebody else can slip in between. The next open finds that, by the digest in the head. */
static gboolean
put_where_free (TeesqlStore *store, const char *name, GBytes *sealed, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) absent = NULL;
  g_autoptr (TeesqlObjectInfo) there = teesql_store_stat (store, name, cancellable, &absent);

  if (there != NULL)
    return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "object-exists", "%s: there already", name);
  if (!g_error_matches (absent, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&absent));
      return FALSE;
    }
  return teesql_store_put (store, name, sealed, TEESQL_STORAGE_PUT_NONE, cancellable, error);
}

static gboolean
put_sealed (TeesqlCatalog *self, const char *name, GBytes *sealed, GCancellable *cancellable, GError **error)
{
  TeesqlStore *store = teesql_repository_get_store (self->repository);

  if (self->conditional)
    return teesql_store_put (store, name, sealed, TEESQL_STORAGE_PUT_IF_ABSENT, cancellable, error);
  return put_where_free (store, name, sealed, cancellable, error);
}

static gboolean
announce (TeesqlCatalog *self, const guint8 digest[32], GError **error)
{
  TeesqlHead head;
  gboolean stored = FALSE;

  g_mutex_lock (&self->lock);
  head = self->head;
  head.pending = TRUE;
  memcpy (head.pending_digest, digest, sizeof head.pending_digest);
  stored = store_head (self, &head, error);
  g_mutex_unlock (&self->lock);
  return stored;
}

/* What was noted while the record was under way is not in it. */
static void
keep_unrecorded (TeesqlHead *head, const TeesqlHead *recorded)
{
  TeesqlHead rest = *head;

  rest.n_noted = 0;
  memset (rest.noted, 0, sizeof rest.noted);
  for (guint i = 0; i < head->n_noted; i++)
    {
      TeesqlWalRange range = head->noted[i];

      if (i < recorded->n_noted)
        range.start_lsn = recorded->noted[i].end_lsn;
      if (range.start_lsn < range.end_lsn)
        rest.noted[rest.n_noted++] = range;
    }
  *head = rest;
}

static void
settle (TeesqlCatalog *self, TeesqlCatalogRecord *next, const TeesqlHead *recorded, const guint8 digest[32])
{
  g_autoptr (GError) problem = NULL;
  TeesqlHead head;

  g_mutex_lock (&self->lock);
  keep_unrecorded (&self->head, recorded);
  self->head.epoch = newest_epoch (next, self->head.check_value);
  if (!teesql_catalog_advance (self, next->sequence, digest, &problem))
    {
      /* it is stored, and the head on disk announces it: nothing is lost that the next start could not find */
      teesql_log_warning ("backup", "%s: %s", self->head_path, problem->message);
      head = self->head;
      head.sequence = next->sequence;
      memcpy (head.digest, digest, sizeof head.digest);
      head.pending = FALSE;
      self->head = head;
    }
  for (guint i = 0; i < self->head.n_noted; i++)
    {
      const TeesqlWalRange *range = &self->head.noted[i];

      teesql_catalog_record_add_wal (next, range->timeline, range->start_lsn, range->end_lsn, range->end_unix);
    }
  g_clear_pointer (&self->record, teesql_catalog_record_free);
  self->record = next;
  teesql_catalog_renew_facts (self);
  g_mutex_unlock (&self->lock);
}

static void
number (TeesqlCatalog *self, TeesqlCatalogRecord *next, const TeesqlHead *head)
{
  g_free (next->cluster);
  next->cluster = g_strdup (self->cluster);
  g_free (next->node);
  next->node = g_strdup (self->node);
  next->sequence = head->sequence + 1;
  memcpy (next->previous, head->digest, sizeof next->previous);
  next->written_unix = teesql_catalog_now ();
}

static void
abandon (TeesqlCatalog *self, const guint8 digest[32])
{
  if (self->abandoned->len == MAX_ABANDONED)
    g_array_remove_index (self->abandoned, 0);
  g_array_append_vals (self->abandoned, digest, 1);
}

gboolean
teesql_catalog_put_record (TeesqlCatalog *self, TeesqlCatalogRecord *next, const TeesqlHead *recorded, GCancellable *cancellable,
                           GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GBytes) sealed = NULL;
  guint8 digest[TEESQL_SHA256_SIZE];

  number (self, next, recorded);
  if (!teesql_catalog_record_check (next, error))
    return FALSE;
  name = teesql_layout_catalog (teesql_repository_get_cluster_id (self->repository), &next->lineage, next->sequence);
  sealed = seal_record (self, next, name, digest, error);
  if (sealed == NULL || !announce (self, digest, error))
    return FALSE;
  if (!put_sealed (self, name, sealed, cancellable, error))
    {
      abandon (self, digest);
      return FALSE;
    }
  settle (self, teesql_catalog_record_copy (next), recorded, digest);
  return TRUE;
}

/* committing */

/* Somebody's record stands under our next number. If it is one of ours that was given up and arrived after all, it is the head now. */
static gboolean
is_abandoned (TeesqlCatalog *self, const TeesqlLoadedRecord *found)
{
  for (guint i = 0; i < self->abandoned->len; i++)
    if (memcmp (self->abandoned->data + i * TEESQL_SHA256_SIZE, found->digest, TEESQL_SHA256_SIZE) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
stop (TeesqlCatalog *self, GError **error)
{
  if (error != NULL)
    *error = g_error_copy (self->stopped);
  return FALSE;
}

static gboolean
adopt (TeesqlCatalog *self, const TeesqlLoadedRecord *found, GError **error)
{
  gboolean adopted = FALSE;

  g_mutex_lock (&self->lock);
  adopted = teesql_catalog_advance (self, found->record->sequence, found->digest, error);
  teesql_catalog_renew_facts (self);
  g_mutex_unlock (&self->lock);
  return adopted;
}

static gboolean
resolve_taken (TeesqlCatalog *self, guint64 sequence, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) found = { 0 };
  GError *cause = NULL;

  if (!teesql_catalog_load (self->repository, &self->lineage, sequence, &found, cancellable, &cause))
    return teesql_catalog_broken (error, cause, &self->lineage, sequence);
  if (is_abandoned (self, &found))
    return adopt (self, &found, error);
  g_mutex_lock (&self->lock);
  refuse (&self->stopped, "repository-taken",
          "record %" G_GUINT64_FORMAT " of lineage %s was written by node “%s”: two nodes hold this cluster's keys and head\n"
          "hint: stop one of them; this one writes no backups any more until it is started again and `teesql backup accept` was given",
          sequence, self->lineage.text, found.record->node);
  g_mutex_unlock (&self->lock);
  return stop (self, error);
}

/* Both of the same moment: what is noted in the head is in the record. */
static TeesqlCatalogRecord *
snapshot (TeesqlCatalog *self, TeesqlHead *out_head)
{
  TeesqlCatalogRecord *copy = NULL;

  g_mutex_lock (&self->lock);
  copy = teesql_catalog_record_copy (self->record);
  *out_head = self->head;
  g_mutex_unlock (&self->lock);
  return copy;
}

typedef gboolean (*ChangeFunc) (TeesqlCatalogRecord *record, gconstpointer data, GError **error);

static gboolean
commit_locked (TeesqlCatalog *self, ChangeFunc change, gconstpointer data, GCancellable *cancellable, GError **error)
{
  if (self->stopped != NULL)
    return stop (self, error);
  for (;;)
    {
      TeesqlHead head;
      g_autoptr (TeesqlCatalogRecord) next = snapshot (self, &head);
      g_autoptr (GError) problem = NULL;

      if (change != NULL && !change (next, data, error))
        return FALSE;
      if (teesql_catalog_put_record (self, next, &head, cancellable, &problem))
        return TRUE;
      if (!g_error_matches (problem, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      if (!resolve_taken (self, head.sequence + 1, cancellable, error))
        return FALSE;
    }
}

static gboolean
commit (TeesqlCatalog *self, ChangeFunc change, gconstpointer data, GCancellable *cancellable, GError **error)
{
  gboolean done = FALSE;

  if (self->head_path == NULL)
    return refuse (error, "catalog-read-only", "this catalog was opened for reading");
  g_mutex_lock (&self->committing);
  done = commit_locked (self, change, data, cancellable, error);
  g_mutex_unlock (&self->committing);
  return done;
}

static gboolean
insert_backup (TeesqlCatalogRecord *record, gconstpointer data, GError **error)
{
  TeesqlBackup *backup = (TeesqlBackup *) data;
  guint at = record->backups->len;

  while (at > 0 && teesql_backup_compare (g_ptr_array_index (record->backups, at - 1), backup) > 0)
    at--;
  g_ptr_array_insert (record->backups, (int) at, teesql_backup_ref (backup));
  return TRUE;
}

gboolean
teesql_catalog_add_backup (TeesqlCatalog *self, TeesqlBackup *backup, GCancellable *cancellable, GError **error)
{
  return commit (self, insert_backup, backup, cancellable, error);
}

gboolean
teesql_catalog_flush (TeesqlCatalog *self, GCancellable *cancellable, GError **error)
{
  gboolean noted = FALSE;

  g_mutex_lock (&self->lock);
  noted = self->head.n_noted > 0;
  g_mutex_unlock (&self->lock);
  return !noted || commit (self, NULL, NULL, cancellable, error);
}

static gboolean
insert_epoch (TeesqlCatalogRecord *record, gconstpointer data, GError **error)
{
  const TeesqlEpochEntry *entry = data;
  guint at = 0;

  while (at < record->epochs->len && g_array_index (record->epochs, TeesqlEpochEntry, at).epoch < entry->epoch)
    at++;
  if (at < record->epochs->len && g_array_index (record->epochs, TeesqlEpochEntry, at).epoch == entry->epoch)
    return refuse (error, "key-epoch-exists", "key epoch %u is in the catalog already", entry->epoch);
  g_array_insert_vals (record->epochs, at, entry, 1);
  return TRUE;
}

gboolean
teesql_catalog_add_epoch (TeesqlCatalog *self, guint32 epoch, GCancellable *cancellable, GError **error)
{
  TeesqlEpochEntry entry = { .epoch = epoch, .since_unix = teesql_catalog_now () };

  if (!teesql_epoch_keys_check_value (teesql_repository_get_keys (self->repository), epoch, entry.check_value, error) ||
      !commit (self, insert_epoch, &entry, cancellable, error))
    return FALSE;
  teesql_repository_set_epoch (self->repository, epoch);
  return TRUE;
}

typedef struct
{
  GPtrArray *backups;
  const GArray *wal_before;
} Removal;

static void
cut_wal (TeesqlCatalogRecord *record, const TeesqlWalRange *cut)
{
  for (guint i = record->wal->len; i > 0; i--)
    {
      TeesqlWalRange *range = &g_array_index (record->wal, TeesqlWalRange, i - 1);

      if (range->timeline != cut->timeline || range->start_lsn >= cut->end_lsn)
        continue;
      if (range->end_lsn <= cut->end_lsn)
        g_array_remove_index (record->wal, i - 1);
      else
        range->start_lsn = cut->end_lsn;
    }
}

static gboolean
take_out (TeesqlCatalogRecord *record, gconstpointer data, GError **error)
{
  const Removal *removal = data;

  for (guint i = 0; i < removal->backups->len; i++)
    {
      const TeesqlBackup *gone = g_ptr_array_index (removal->backups, i);

      g_ptr_array_remove (record->backups, teesql_catalog_record_find (record, gone->id));
    }
  for (guint i = 0; removal->wal_before != NULL && i < removal->wal_before->len; i++)
    cut_wal (record, &g_array_index (removal->wal_before, TeesqlWalRange, i));
  return TRUE;
}

gboolean
teesql_catalog_remove (TeesqlCatalog *self, GPtrArray *backups, const GArray *wal_before, GCancellable *cancellable, GError **error)
{
  const Removal removal = { backups, wal_before };

  return commit (self, take_out, &removal, cancellable, error);
}

/* noting WAL */

static gboolean
is_recorded (const TeesqlCatalogRecord *record, guint32 timeline, guint64 start_lsn, guint64 end_lsn)
{
  guint64 reach = 0;

  return teesql_catalog_record_covers (record, timeline, start_lsn, &reach) && reach >= end_lsn;
}

/* %FALSE: there is no room, a record has to be stored first */
static gboolean
note_in_head (TeesqlHead *head, guint32 timeline, guint64 start_lsn, guint64 end_lsn, gint64 now_unix)
{
  TeesqlWalRange *last = head->n_noted > 0 ? &head->noted[head->n_noted - 1] : NULL;

  if (last != NULL && last->timeline == timeline && start_lsn >= last->start_lsn && start_lsn <= last->end_lsn)
    {
      last->end_lsn = MAX (last->end_lsn, end_lsn);
      last->end_unix = now_unix;
    }
  else if (head->n_noted < TEESQL_HEAD_NOTED_MAX)
    head->noted[head->n_noted++] = (TeesqlWalRange){ timeline, start_lsn, end_lsn, now_unix };
  else
    return FALSE;
  if (timeline > head->timeline || (timeline == head->timeline && end_lsn > head->lsn))
    {
      head->timeline = timeline;
      head->lsn = end_lsn;
    }
  return TRUE;
}

static gboolean
note_locked (TeesqlCatalog *self, guint32 timeline, guint64 start_lsn, guint64 end_lsn, gboolean *out_full, GError **error)
{
  TeesqlHead head = self->head;
  gint64 now_unix = teesql_catalog_now ();

  if (self->stopped != NULL)
    return stop (self, error);
  if (is_recorded (self->record, timeline, start_lsn, end_lsn))
    return TRUE;
  *out_full = !note_in_head (&head, timeline, start_lsn, end_lsn, now_unix);
  if (*out_full)
    return TRUE;
  if (!store_head (self, &head, error))
    return FALSE;
  teesql_catalog_record_add_wal (self->record, timeline, start_lsn, end_lsn, now_unix);
  teesql_catalog_renew_facts (self);
  return TRUE;
}

gboolean
teesql_catalog_note_wal (TeesqlCatalog *self, guint32 timeline, guint64 start_lsn, guint64 end_lsn, GCancellable *cancellable,
                         GError **error)
{
  gboolean noted = FALSE;
  gboolean full = TRUE;

  if (self->head_path == NULL)
    return refuse (error, "catalog-read-only", "this catalog was opened for reading");
  if (timeline == 0 || start_lsn >= end_lsn)
    return refuse (error, "wal-range", "timeline %u from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " is no WAL", timeline, start_lsn,
                   end_lsn);
  while (full)
    {
      full = FALSE;
      g_mutex_lock (&self->lock);
      noted = note_locked (self, timeline, start_lsn, end_lsn, &full, error);
      g_mutex_unlock (&self->lock);
      if (full && !teesql_catalog_flush (self, cancellable, error))
        return FALSE;
    }
  return noted;
}

/* what is known */

TeesqlCatalogRecord *
teesql_catalog_dup_record (TeesqlCatalog *self)
{
  TeesqlCatalogRecord *copy = NULL;

  g_mutex_lock (&self->lock);
  copy = teesql_catalog_record_copy (self->record);
  g_mutex_unlock (&self->lock);
  return copy;
}

const TeesqlLineage *
teesql_catalog_get_lineage (TeesqlCatalog *self)
{
  return &self->lineage; /* never changes in the life of the object */
}

TeesqlRepository *
teesql_catalog_get_repository (TeesqlCatalog *self)
{
  return self->repository;
}

const char *
teesql_catalog_get_head_path (TeesqlCatalog *self)
{
  return self->head_path;
}

void
teesql_catalog_get_head (TeesqlCatalog *self, TeesqlHead *out)
{
  g_mutex_lock (&self->lock);
  *out = self->head;
  g_mutex_unlock (&self->lock);
}

void
teesql_catalog_set_running (TeesqlCatalog *self, const guint8 *backup_id)
{
  g_mutex_lock (&self->lock);
  self->running = backup_id != NULL;
  if (backup_id != NULL)
    memcpy (self->running_id, backup_id, sizeof self->running_id);
  g_mutex_unlock (&self->lock);
}

gboolean
teesql_catalog_is_running (TeesqlCatalog *self, const guint8 backup_id[TEESQL_SEAL_BACKUP_ID_SIZE])
{
  gboolean running = FALSE;

  g_mutex_lock (&self->lock);
  running = self->running && memcmp (self->running_id, backup_id, sizeof self->running_id) == 0;
  g_mutex_unlock (&self->lock);
  return running;
}
