#include "backup/teesql-catalog-wal.h"

#include "base/teesql-domains.h"

#include <string.h>

#define SEGMENT_NAME ((gsize) 24)
#define PARTIAL_NAME (SEGMENT_NAME + 1 + 8 + 1 + 8)
#define MAX_HELD     1000000u /* 15 TiB of segments of 16 MiB at a time */
#define MAX_OBJECTS  ((guint64) 50000000)

char *
teesql_wal_object_dup_name (TeesqlRepository *repository, const TeesqlLineage *lineage, const TeesqlWalObject *object, guint32 segment_size)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (repository);
  g_autofree char *segment = teesql_wal_segment_name (object->timeline, object->start_lsn, segment_size);
  guint64 segment_start = object->start_lsn - object->start_lsn % segment_size;

  if (!object->partial)
    return teesql_layout_segment (cluster_id, lineage, object->timeline, segment);
  return teesql_layout_partial (cluster_id, lineage, object->timeline, segment, (guint32) (object->start_lsn - segment_start),
                                (guint32) (object->end_lsn - segment_start));
}

/* `.FROM-TO`, eight digits each; strict, since the name is made again and compared */
static gboolean
parse_offsets (const char *text, guint32 segment_size, guint64 *out_from, guint64 *out_to)
{
  char *end = NULL;

  if (text[0] != '.' || text[9] != '-')
    return FALSE;
  *out_from = g_ascii_strtoull (text + 1, &end, 16);
  if (end != text + 9)
    return FALSE;
  *out_to = g_ascii_strtoull (text + 10, &end, 16);
  return end == text + 18 && *out_from < *out_to && *out_to <= segment_size;
}

gboolean
teesql_wal_object_parse (TeesqlRepository *repository, const TeesqlLineage *lineage, const char *name, guint32 segment_size,
                         TeesqlWalObject *out)
{
  const char *file = strrchr (name, '/');
  g_autofree char *segment = NULL;
  g_autofree char *again = NULL;
  TeesqlWalObject object = { 0 };
  guint64 from = 0;
  guint64 to = segment_size;

  if (file == NULL)
    return FALSE;
  file++;
  object.partial = strlen (file) == PARTIAL_NAME;
  if (!object.partial && strlen (file) != SEGMENT_NAME)
    return FALSE;
  segment = g_strndup (file, SEGMENT_NAME);
  if (!teesql_wal_segment_parse (segment, segment_size, &object.timeline, &object.start_lsn) ||
      (object.partial && !parse_offsets (file + SEGMENT_NAME, segment_size, &from, &to)))
    return FALSE;
  object.end_lsn = object.start_lsn + to;
  object.start_lsn += from;
  again = teesql_wal_object_dup_name (repository, lineage, &object, segment_size);
  if (strcmp (again, name) != 0)
    return FALSE;
  *out = object;
  return TRUE;
}

typedef struct
{
  TeesqlRepository *repository;
  const TeesqlLineage *lineage;
  guint32 timeline;
  guint32 segment_size;
  guint64 reach;
  guint64 to;
  TeesqlWalObjectFunc func;
  gpointer user_data;
} Listing;

/* Names come in order, a whole segment before its parts and these by their beginning: nothing has to be kept to see the first hole. */
static gboolean
object_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Listing *self = user_data;
  TeesqlWalObject object;

  if (!teesql_wal_object_parse (self->repository, self->lineage, teesql_object_info_get_name (info), self->segment_size, &object) ||
      object.timeline != self->timeline || object.end_lsn <= self->reach)
    return TRUE;
  if (object.start_lsn > self->reach)
    return FALSE;
  object.stored_size = teesql_object_info_get_size (info);
  self->reach = object.end_lsn;
  return (self->func == NULL || self->func (&object, self->user_data, error)) && self->reach < self->to;
}

/* What the names of the first and the last segment have in common, so that a look at the newest WAL does not list all of it. */
static char *
make_prefix (const Listing *self)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (self->repository);
  g_autofree char *first = teesql_wal_segment_name (self->timeline, self->reach, self->segment_size);
  g_autofree char *last = teesql_wal_segment_name (self->timeline, self->to - 1, self->segment_size);
  g_autofree char *name = teesql_layout_segment (cluster_id, self->lineage, self->timeline, first);
  gsize common = 0;

  while (common < SEGMENT_NAME && first[common] == last[common])
    common++;
  return g_strndup (name, strlen (name) - SEGMENT_NAME + common);
}

gboolean
teesql_wal_find_reach (TeesqlRepository *repository, const TeesqlLineage *lineage, guint32 segment_size, const TeesqlWalRange *range,
                       TeesqlWalObjectFunc func, gpointer user_data, guint64 *out_reach, GCancellable *cancellable, GError **error)
{
  Listing listing = { repository, lineage, range->timeline, segment_size, range->start_lsn, range->end_lsn, func, user_data };
  g_autofree char *prefix = NULL;

  g_return_val_if_fail (range->start_lsn < range->end_lsn, FALSE);

  prefix = make_prefix (&listing);
  if (!teesql_store_list (teesql_repository_get_store (repository), prefix, MAX_OBJECTS, object_cb, &listing, cancellable, error))
    return FALSE;
  *out_reach = listing.reach;
  return TRUE;
}

typedef struct
{
  const Listing *listing;
  guint64 from;
  GArray *objects;
} Held;

static gboolean
held_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Held *self = user_data;
  const Listing *listing = self->listing;
  TeesqlWalObject object;

  if (!teesql_wal_object_parse (listing->repository, listing->lineage, teesql_object_info_get_name (info), listing->segment_size,
                                &object) ||
      object.timeline != listing->timeline || object.end_lsn <= self->from || object.start_lsn >= listing->to)
    return TRUE;
  object.stored_size = teesql_object_info_get_size (info);
  g_array_append_val (self->objects, object);
  return self->objects->len <= MAX_HELD || teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, "list-too-long",
                                                        "the store names more WAL than there can be in such a range");
}

GArray *
teesql_wal_list (TeesqlRepository *repository, const TeesqlLineage *lineage, guint32 timeline, guint32 segment_size, guint64 from,
                 guint64 to, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (TeesqlWalObject));
  const Listing listing = { repository, lineage, timeline, segment_size, from, to, NULL, NULL };
  Held held = { &listing, from, objects };
  g_autofree char *prefix = NULL;

  g_return_val_if_fail (from < to, NULL);

  prefix = make_prefix (&listing);
  if (!teesql_store_list (teesql_repository_get_store (repository), prefix, MAX_OBJECTS, held_cb, &held, cancellable, error))
    return NULL;
  return g_steal_pointer (&objects);
}

guint64
teesql_wal_reach (const GArray *objects, guint64 from)
{
  for (guint i = 0; i < objects->len; i++)
    {
      const TeesqlWalObject *object = &g_array_index (objects, TeesqlWalObject, i);

      if (object->start_lsn > from)
        break;
      from = MAX (from, object->end_lsn);
    }
  return from;
}
