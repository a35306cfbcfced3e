#include "backup/teesql-clean-up.h"

#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define MAX_OBJECTS ((guint64) 50000000)
#define STATE_MAX   ((gsize) 1024 * 1024)
#define SEEN_MAX    15000u /* broken backups that are remembered: lines of at most 64 bytes, so less than STATE_MAX */
#define ID_TEXT     ((gsize) TEESQL_SEAL_BACKUP_ID_SIZE * 2)

static TeesqlStore *
store_of (TeesqlCatalog *catalog)
{
  return teesql_repository_get_store (teesql_catalog_get_repository (catalog));
}

static const guint8 *
cluster_of (TeesqlCatalog *catalog)
{
  return teesql_repository_get_cluster_id (teesql_catalog_get_repository (catalog));
}

static gboolean
remove_object (TeesqlCatalog *catalog, const char *name, guint *removed, GCancellable *cancellable, GError **error)
{
  if (!teesql_store_remove (store_of (catalog), name, cancellable, error))
    return FALSE;
  (*removed)++;
  return TRUE;
}

/* A listing, of which only those names are held that are to go, and of these no more than a clean-up removes. */
typedef struct
{
  TeesqlCatalog *catalog;
  const TeesqlCatalogRecord *record;
  char *prefix;
  GPtrArray *names;
  /* WAL */
  char *whole; /* the last whole segment that was named */
  guint64 floor;
  /* what broken backups left */
  struct _Seen *seen;
} Listing;

static void
listing_clear (Listing *self)
{
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_free (self->prefix);
  g_free (self->whole);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Listing, listing_clear)

static gboolean
list_below (Listing *self, const char *folder, TeesqlStoreListFunc func, GCancellable *cancellable, GError **error)
{
  g_autofree char *cluster = teesql_layout_cluster (cluster_of (self->catalog));

  self->prefix = g_strconcat (cluster, teesql_catalog_get_lineage (self->catalog)->text, "/", folder, "/", NULL);
  self->names = g_ptr_array_new_with_free_func (g_free);
  return teesql_store_list (store_of (self->catalog), self->prefix, MAX_OBJECTS, func, self, cancellable, error);
}

/* %FALSE: enough for this time */
static gboolean
take_name (Listing *self, const char *name)
{
  g_ptr_array_add (self->names, g_strdup (name));
  return self->names->len < TEESQL_CLEAN_UP_MAX;
}

/* backups */

static gboolean
remove_archive (TeesqlCatalog *catalog, const TeesqlBackup *backup, const TeesqlArchive *archive, guint *removed, GCancellable *cancellable,
                GError **error)
{
  for (guint i = 0; i < archive->pieces->len; i++)
    {
      g_autofree char *name =
          teesql_layout_piece (cluster_of (catalog), teesql_catalog_get_lineage (catalog), backup->id, archive->name, i);

      if (!remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
teesql_clean_up_backups (TeesqlCatalog *catalog, GPtrArray *backups, guint *removed, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);

  for (guint i = 0; i < backups->len; i++)
    {
      const TeesqlBackup *backup = g_ptr_array_index (backups, i);

      if (teesql_catalog_record_find (record, backup->id) != NULL)
        continue;
      for (guint j = 0; j < backup->archives->len; j++)
        if (!remove_archive (catalog, backup, g_ptr_array_index (backup->archives, j), removed, cancellable, error))
          return FALSE;
    }
  return TRUE;
}

/* WAL */

/* The lowest LSN that any timeline of the record holds or that a backup starts at; what ends before it is out of everybody's reach. */
static guint64
find_floor (const TeesqlCatalogRecord *record)
{
  guint64 floor = G_MAXUINT64;

  if (record->backups->len == 0)
    return 0; /* a first backup may be running */
  for (guint i = 0; i < record->wal->len; i++)
    floor = MIN (floor, g_array_index (record->wal, TeesqlWalRange, i).start_lsn);
  for (guint i = 0; i < record->backups->len; i++)
    floor = MIN (floor, ((const TeesqlBackup *) g_ptr_array_index (record->backups, i))->start_lsn);
  return floor == G_MAXUINT64 ? 0 : floor;
}

/* Names come in order, and `SEGMENT` stands right before its parts `SEGMENT.FROM-TO`. */
static gboolean
is_whole_there (const Listing *self, const char *name, const TeesqlWalObject *part)
{
  guint64 start = part->start_lsn - part->start_lsn % self->record->segment_size;
  guint64 reach = 0;

  return self->whole != NULL && g_str_has_prefix (name, self->whole) && name[strlen (self->whole)] == '.' &&
         teesql_catalog_record_covers (self->record, part->timeline, start, &reach) && reach >= start + self->record->segment_size;
}

static gboolean
wal_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Listing *self = user_data;
  const char *name = teesql_object_info_get_name (info);
  TeesqlWalObject object;

  if (!teesql_wal_object_parse (teesql_catalog_get_repository (self->catalog), teesql_catalog_get_lineage (self->catalog), name,
                                self->record->segment_size, &object))
    return TRUE;
  if (!object.partial)
    {
      g_free (self->whole);
      self->whole = g_strdup (name);
    }
  if (object.end_lsn <= self->floor || (object.partial && is_whole_there (self, name, &object)))
    return take_name (self, name);
  return TRUE;
}

gboolean
teesql_clean_up_wal (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
  g_auto (Listing) listing = { .catalog = catalog, .record = record, .floor = find_floor (record) };

  if (!list_below (&listing, "wal", wal_cb, cancellable, error))
    return FALSE;
  for (guint i = 0; i < listing.names->len; i++)
    if (!remove_object (catalog, g_ptr_array_index (listing.names, i), removed, cancellable, error))
      return FALSE;
  return TRUE;
}

/* what broken backups left */

static char *
dup_state_path (TeesqlCatalog *catalog)
{
  g_autofree char *folder = g_path_get_dirname (teesql_catalog_get_head_path (catalog));

  return g_build_filename (folder, "left-overs", NULL);
}

/* Lines `ID UNIX`. What is damaged is begun anew: that only makes things stay longer. */
static GHashTable *
load_seen (const char *path)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GBytes) content = teesql_state_file_load (path, STATE_MAX, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (content == NULL || g_bytes_get_size (content) == 0)
    return g_steal_pointer (&seen);
  text = g_strndup (g_bytes_get_data (content, NULL), g_bytes_get_size (content));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", 3);
      gint64 since = 0;

      if (g_strv_length (words) == 2 && g_ascii_string_to_signed (words[1], 10, 0, G_MAXINT64, &since, NULL))
        g_hash_table_replace (seen, g_strdup (words[0]), g_memdup2 (&since, sizeof since));
    }
  return g_steal_pointer (&seen);
}

static gboolean
save_seen (const char *path, GHashTable *seen, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GHashTableIter iter;
  gpointer id = NULL;
  gpointer since = NULL;

  if (g_hash_table_size (seen) == 0)
    return teesql_state_file_remove (path, error);
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &id, &since))
    g_string_append_printf (text, "%s %" G_GINT64_FORMAT "\n", (char *) id, *(gint64 *) since);
  return teesql_state_file_replace (path, text->str, text->len, error);
}

/* `…/base/ID/…`: of a backup that no record names */
static char *
dup_stray_id (TeesqlCatalog *catalog, const TeesqlCatalogRecord *record, const char *name, const char *prefix)
{
  const char *text = name + strlen (prefix);
  guint8 id[TEESQL_SEAL_BACKUP_ID_SIZE];

  if (strlen (text) <= ID_TEXT || text[ID_TEXT] != '/' || !teesql_hex_decode_into (text, (gssize) ID_TEXT, id, sizeof id, NULL) ||
      teesql_catalog_record_find (record, id) != NULL || teesql_catalog_is_running (catalog, id))
    return NULL;
  return g_strndup (text, ID_TEXT);
}

typedef struct _Seen
{
  GHashTable *before; /* seen by earlier clean-ups */
  GHashTable *now;
  gint64 now_unix;
} Seen;

/* A clock that was set forward does not count: what is seen for the first time always stays. What there is no room to remember is seen for
 * the first time again and again, until others are gone: a store that invents such names only gets to keep them. */
static gboolean
is_old (Seen *seen, const char *id)
{
  const gint64 *since = g_hash_table_lookup (seen->before, id);

  if (since != NULL && seen->now_unix - *since >= TEESQL_LEFT_OVER_AGE_S)
    return TRUE;
  if (g_hash_table_size (seen->now) < SEEN_MAX)
    g_hash_table_replace (seen->now, g_strdup (id), g_memdup2 (since != NULL ? since : &seen->now_unix, sizeof *since));
  return FALSE;
}

static gboolean
stray_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Listing *self = user_data;
  const char *name = teesql_object_info_get_name (info);
  g_autofree char *id = dup_stray_id (self->catalog, self->record, name, self->prefix);

  return id == NULL || !is_old (self->seen, id) || take_name (self, name);
}

/* The listing was left before its end: what stands behind is as old as it was. */
static void
keep_rest (Seen *seen)
{
  GHashTableIter iter;
  gpointer id = NULL;
  gpointer since = NULL;

  g_hash_table_iter_init (&iter, seen->before);
  while (g_hash_table_iter_next (&iter, &id, &since) && g_hash_table_size (seen->now) < SEEN_MAX)
    if (!g_hash_table_contains (seen->now, id))
      g_hash_table_insert (seen->now, g_strdup (id), g_memdup2 (since, sizeof (gint64)));
}

gboolean
teesql_clean_up_left_overs (TeesqlCatalog *catalog, gint64 now_unix, guint *removed, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) known = teesql_catalog_dup_record (catalog);
  g_autoptr (TeesqlCatalogRecord) record = NULL;
  g_autofree char *path = dup_state_path (catalog);
  g_autoptr (GHashTable) before = load_seen (path);
  g_autoptr (GHashTable) now = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Seen seen = { before, now, now_unix };
  g_auto (Listing) listing = { .catalog = catalog, .record = known, .seen = &seen };

  if (!list_below (&listing, "base", stray_cb, cancellable, error))
    return FALSE;
  if (listing.names->len == TEESQL_CLEAN_UP_MAX)
    keep_rest (&seen);
  /* looked up again, behind the listing: what was added to the catalog meanwhile is no left-over */
  record = teesql_catalog_dup_record (catalog);
  for (guint i = 0; i < listing.names->len; i++)
    {
      const char *name = g_ptr_array_index (listing.names, i);
      g_autofree char *id = dup_stray_id (catalog, record, name, listing.prefix);

      if (id != NULL && !remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return save_seen (path, now, error);
}

/* records */

gboolean
teesql_clean_up_records (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error)
{
  TeesqlHead head;
  TeesqlChainListing listing = { 0 };
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (catalog);
  guint64 last = 0;

  teesql_catalog_get_head (catalog, &head);
  if (!teesql_catalog_list (teesql_catalog_get_repository (catalog), lineage, &listing, cancellable, error))
    return FALSE;
  if (listing.first == 0 || head.sequence <= TEESQL_CHAIN_KEPT)
    return TRUE;
  /* where they begin is the store's word */
  last = MIN (head.sequence - TEESQL_CHAIN_KEPT, listing.first + TEESQL_CLEAN_UP_MAX - 1);
  for (guint64 sequence = listing.first; sequence <= last; sequence++)
    {
      g_autofree char *name = teesql_layout_catalog (cluster_of (catalog), lineage, sequence);

      if (!remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return TRUE;
}
