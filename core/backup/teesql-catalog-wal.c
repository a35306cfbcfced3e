#include "backup/teesql-catalog-wal.h"

#include <string.h>

#define SEGMENT_NAME ((gsize) 24)
#define PARTIAL_NAME (SEGMENT_NAME + 1 + 8 + 1 + 8)
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
  guint64 from;
  guint64 to;
  GArray *objects;
} Listing;

static gboolean
object_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Listing *self = user_data;
  TeesqlWalObject object;

  if (teesql_wal_object_parse (self->repository, self->lineage, teesql_object_info_get_name (info), self->segment_size, &object) &&
      object.timeline == self->timeline && object.end_lsn > self->from && object.start_lsn < self->to)
    {
      object.stored_size = teesql_object_info_get_size (info);
      g_array_append_val (self->objects, object);
    }
  return TRUE;
}

/* What the names of the first and the last segment have in common, so that a look at the newest WAL does not list all of it. */
static char *
make_prefix (const Listing *self)
{
  const guint8 *cluster_id = teesql_repository_get_cluster_id (self->repository);
  g_autofree char *first = teesql_wal_segment_name (self->timeline, self->from, self->segment_size);
  g_autofree char *last = teesql_wal_segment_name (self->timeline, self->to - 1, self->segment_size);
  g_autofree char *name = teesql_layout_segment (cluster_id, self->lineage, self->timeline, first);
  gsize common = 0;

  while (common < SEGMENT_NAME && first[common] == last[common])
    common++;
  return g_strndup (name, strlen (name) - SEGMENT_NAME + common);
}

static int
compare_objects (gconstpointer a, gconstpointer b)
{
  const TeesqlWalObject *left = a;
  const TeesqlWalObject *right = b;

  if (left->start_lsn != right->start_lsn)
    return left->start_lsn < right->start_lsn ? -1 : 1;
  return left->end_lsn < right->end_lsn ? -1 : left->end_lsn > right->end_lsn;
}

GArray *
teesql_wal_list (TeesqlRepository *repository, const TeesqlLineage *lineage, guint32 timeline, guint32 segment_size, guint64 from,
                 guint64 to, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (TeesqlWalObject));
  Listing listing = { repository, lineage, timeline, segment_size, from, to, objects };
  g_autofree char *prefix = NULL;

  g_return_val_if_fail (from < to, NULL);
  prefix = make_prefix (&listing);
  if (!teesql_store_list (teesql_repository_get_store (repository), prefix, MAX_OBJECTS, object_cb, &listing, cancellable, error))
    return NULL;
  g_array_sort (objects, compare_objects);
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
