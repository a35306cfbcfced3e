#include "backup/teesql-wal-source-object.h"

#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-timeline-history.h"
#include "base/teesql-domains.h"

#include <string.h>

#define PARTIALS_MAX 65536u

/* %NULL without an error when the object is not there */
static GBytes *
read_object (TeesqlRepository *repository, const TeesqlRestoreView *view, const char *name, guint32 timeline, gsize max,
             GCancellable *cancellable, GError **error)
{
  TeesqlObjectId id = { .name = name, .system_identifier = view->record->system_identifier, .timeline = timeline };
  g_autoptr (GError) local_error = NULL;
  GBytes *bytes = teesql_repository_get (repository, &id, TEESQL_REPOSITORY_COMPRESS, max, NULL, NULL, cancellable, &local_error);

  if (bytes == NULL && !g_error_matches (local_error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&local_error));
  return bytes;
}

static gboolean
check_size (GBytes *bytes, gsize size, const char *name, GError **error)
{
  return g_bytes_get_size (bytes) == size ||
         teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "wal-size",
                      "%s has %" G_GSIZE_FORMAT " bytes of WAL, expected %" G_GSIZE_FORMAT, name, g_bytes_get_size (bytes), size);
}

/* ---- a segment in parts ---- */

typedef struct
{
  TeesqlRepository *repository;
  const TeesqlRestoreView *view;
  GArray *parts; /* TeesqlWalObject */
} Listing;

static gboolean
listed_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Listing *listing = user_data;
  TeesqlWalObject object;

  if (teesql_wal_object_parse (listing->repository, &listing->view->lineage, teesql_object_info_get_name (info),
                               listing->view->record->segment_size, &object) &&
      object.partial)
    g_array_append_val (listing->parts, object);
  return TRUE;
}

static GArray *
list_parts (TeesqlRepository *repository, const TeesqlRestoreView *view, const char *whole_name, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) parts = g_array_new (FALSE, FALSE, sizeof (TeesqlWalObject));
  g_autofree char *prefix = g_strconcat (whole_name, ".", NULL);
  Listing listing = { repository, view, parts };

  if (!teesql_store_list (teesql_repository_get_store (repository), prefix, PARTIALS_MAX, listed_cb, &listing, cancellable, error))
    return NULL;
  return g_steal_pointer (&parts);
}

/* The part that leads furthest from @at; NULL when none does. */
static const TeesqlWalObject *
find_part (const GArray *parts, guint64 at)
{
  const TeesqlWalObject *best = NULL;

  for (guint i = 0; i < parts->len; i++)
    {
      const TeesqlWalObject *part = &g_array_index (parts, TeesqlWalObject, i);

      if (part->start_lsn <= at && part->end_lsn > at && (best == NULL || part->end_lsn > best->end_lsn))
        best = part;
    }
  return best;
}

static gboolean
place_part (TeesqlRepository *repository, const TeesqlRestoreView *view, const TeesqlWalObject *part, guint8 *segment,
            guint64 segment_start, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = teesql_wal_object_dup_name (repository, &view->lineage, part, view->record->segment_size);
  gsize size = (gsize) (part->end_lsn - part->start_lsn);
  g_autoptr (GBytes) bytes = read_object (repository, view, name, part->timeline, size, cancellable, error);

  if (bytes == NULL && error != NULL && *error == NULL)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "wal-missing", "%s is listed and is not there", name);
  if (bytes == NULL || !check_size (bytes, size, name, error))
    return FALSE;
  memcpy (segment + (part->start_lsn - segment_start), g_bytes_get_data (bytes, NULL), size); /* within a segment: the name was parsed */
  return TRUE;
}

static GBytes *
assemble (TeesqlRepository *repository, const TeesqlRestoreView *view, const GArray *parts, guint64 segment_start, guint32 from,
          guint32 *out_end, GCancellable *cancellable, GError **error)
{
  g_autofree guint8 *segment = g_malloc0 (view->record->segment_size);
  guint64 at = segment_start + from;
  const TeesqlWalObject *part = NULL;

  while ((part = find_part (parts, at)) != NULL)
    {
      if (!place_part (repository, view, part, segment, segment_start, cancellable, error))
        return NULL;
      at = part->end_lsn;
    }
  if (at == segment_start + from)
    return NULL;
  *out_end = (guint32) (at - segment_start);
  return g_bytes_new_take (g_steal_pointer (&segment), view->record->segment_size);
}

static GBytes *
read_whole (TeesqlRepository *repository, const TeesqlRestoreView *view, const char *name, guint32 timeline, GCancellable *cancellable,
            GError **error)
{
  gsize size = view->record->segment_size;
  g_autoptr (GBytes) whole = read_object (repository, view, name, timeline, size, cancellable, error);

  return whole != NULL && check_size (whole, size, name, error) ? g_steal_pointer (&whole) : NULL;
}

GBytes *
teesql_wal_source_read_segment (TeesqlRepository *repository, const TeesqlRestoreView *view, const char *segment, guint32 from,
                                guint32 *out_end, GCancellable *cancellable, GError **error)
{
  guint32 size = view->record->segment_size;
  g_autofree char *name = NULL;
  g_autoptr (GBytes) whole = NULL;
  g_autoptr (GArray) parts = NULL;
  g_autoptr (GError) local_error = NULL;
  guint32 timeline = 0;
  guint64 start = 0;

  if (!teesql_wal_segment_parse (segment, size, &timeline, &start))
    return NULL; /* of another segment size: nobody has it */
  name = teesql_layout_segment (teesql_repository_get_cluster_id (repository), &view->lineage, timeline, segment);
  whole = read_whole (repository, view, name, timeline, cancellable, &local_error);
  if (whole == NULL && local_error == NULL)
    parts = list_parts (repository, view, name, cancellable, &local_error);
  if (parts != NULL && parts->len == 0) /* it may have become whole in between */
    whole = read_whole (repository, view, name, timeline, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (whole == NULL)
    return assemble (repository, view, parts, start, from, out_end, cancellable, error);
  *out_end = size;
  return g_steal_pointer (&whole);
}

GBytes *
teesql_wal_source_read_history (TeesqlRepository *repository, const TeesqlRestoreView *view, guint32 timeline, GCancellable *cancellable,
                                GError **error)
{
  g_autofree char *name = teesql_layout_history (teesql_repository_get_cluster_id (repository), &view->lineage, timeline);

  return read_object (repository, view, name, timeline, TEESQL_TIMELINE_HISTORY_MAX, cancellable, error);
}
