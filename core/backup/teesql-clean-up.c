#include "backup/teesql-clean-up.h"

#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define MAX_OBJECTS ((guint64) 50000000)
#define STATE_MAX   ((gsize) 1024 * 1024)
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

static gboolean
name_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  g_ptr_array_add (user_data, g_strdup (teesql_object_info_get_name (info)));
  return TRUE;
}

static GPtrArray *
list_below (TeesqlCatalog *catalog, const char *folder, char **out_prefix, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *cluster = teesql_layout_cluster (cluster_of (catalog));
  g_autofree char *prefix = g_strconcat (cluster, teesql_catalog_get_lineage (catalog)->text, "/", folder, "/", NULL);

  if (!teesql_store_list (store_of (catalog), prefix, MAX_OBJECTS, name_cb, names, cancellable, error))
    return NULL;
  if (out_prefix != NULL)
    *out_prefix = g_steal_pointer (&prefix);
  return g_steal_pointer (&names);
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

static gboolean
is_whole_there (const GHashTable *names, TeesqlCatalog *catalog, const TeesqlCatalogRecord *record, const TeesqlWalObject *part)
{
  guint64 start = part->start_lsn - part->start_lsn % record->segment_size;
  const TeesqlWalObject whole = { .timeline = part->timeline, .start_lsn = start, .end_lsn = start + record->segment_size };
  g_autofree char *name = teesql_wal_object_dup_name (teesql_catalog_get_repository (catalog), teesql_catalog_get_lineage (catalog), &whole,
                                                      record->segment_size);
  guint64 reach = 0;

  return g_hash_table_contains ((GHashTable *) names, name) &&
         teesql_catalog_record_covers (record, part->timeline, whole.start_lsn, &reach) && reach >= whole.end_lsn;
}

static GHashTable *
make_set (GPtrArray *names)
{
  GHashTable *set = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < names->len; i++)
    g_hash_table_add (set, g_ptr_array_index (names, i));
  return set;
}

gboolean
teesql_clean_up_wal (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
  g_autoptr (GPtrArray) names = list_below (catalog, "wal", NULL, cancellable, error);
  g_autoptr (GHashTable) set = names != NULL ? make_set (names) : NULL;
  guint64 floor = find_floor (record);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      TeesqlWalObject object;

      if (!teesql_wal_object_parse (teesql_catalog_get_repository (catalog), teesql_catalog_get_lineage (catalog), name,
                                    record->segment_size, &object))
        continue;
      if ((object.end_lsn <= floor || (object.partial && is_whole_there (set, catalog, record, &object))) &&
          !remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return names != NULL;
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

typedef struct
{
  GHashTable *before; /* seen by earlier clean-ups */
  GHashTable *now;
  gint64 now_unix;
} Seen;

/* A clock that was set forward does not count: what is seen for the first time always stays. */
static gboolean
is_old (Seen *seen, const char *id)
{
  const gint64 *since = g_hash_table_lookup (seen->before, id);

  if (since != NULL && seen->now_unix - *since >= TEESQL_LEFT_OVER_AGE_S)
    return TRUE;
  g_hash_table_replace (seen->now, g_strdup (id), g_memdup2 (since != NULL ? since : &seen->now_unix, sizeof *since));
  return FALSE;
}

gboolean
teesql_clean_up_left_overs (TeesqlCatalog *catalog, gint64 now_unix, guint *removed, GCancellable *cancellable, GError **error)
{
  g_autofree char *prefix = NULL;
  /* the listing first: what is added to the catalog after it was not a left-over */
  g_autoptr (GPtrArray) names = list_below (catalog, "base", &prefix, cancellable, error);
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (catalog);
  g_autofree char *path = dup_state_path (catalog);
  g_autoptr (GHashTable) before = load_seen (path);
  g_autoptr (GHashTable) now = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Seen seen = { before, now, now_unix };

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *id = dup_stray_id (catalog, record, name, prefix);

      if (id != NULL && is_old (&seen, id) && !remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return names != NULL && save_seen (path, now, error);
}

/* records */

gboolean
teesql_clean_up_records (TeesqlCatalog *catalog, guint *removed, GCancellable *cancellable, GError **error)
{
  TeesqlHead head;
  TeesqlChainListing listing = { 0 };
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (catalog);

  teesql_catalog_get_head (catalog, &head);
  if (!teesql_catalog_list (teesql_catalog_get_repository (catalog), lineage, &listing, cancellable, error))
    return FALSE;
  if (listing.first == 0 || head.sequence <= TEESQL_CHAIN_KEPT)
    return TRUE;
  for (guint64 sequence = listing.first; sequence <= head.sequence - TEESQL_CHAIN_KEPT; sequence++)
    {
      g_autofree char *name = teesql_layout_catalog (cluster_of (catalog), lineage, sequence);

      if (!remove_object (catalog, name, removed, cancellable, error))
        return FALSE;
    }
  return TRUE;
}
