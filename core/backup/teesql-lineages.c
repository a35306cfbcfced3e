#include "backup/teesql-lineages.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define ROOT         "v1/"
#define MARKS        ROOT "lineages/"
#define CLUSTER_TEXT ((gsize) TEESQL_CLUSTER_ID_SIZE * 2)
#define MAX_MARKS    ((guint64) 100000)
#define MAX_OBJECTS  ((guint64) 50000000)

typedef gboolean (*NameFunc) (const char *name, TeesqlLineageEntry *out);

typedef struct
{
  GArray *entries;
  NameFunc parse;
  const guint8 *cluster_id;
} Collection;

char *
teesql_lineages_dup_name (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], const TeesqlLineage *lineage)
{
  g_autofree char *hex = teesql_hex_encode (cluster_id, TEESQL_CLUSTER_ID_SIZE);

  return g_strconcat (MARKS, hex, "/", lineage->text, NULL);
}

static gboolean
parse_cluster (const char *text, guint8 out[TEESQL_CLUSTER_ID_SIZE])
{
  for (gsize i = 0; i < CLUSTER_TEXT; i++)
    if (!g_ascii_isdigit (text[i]) && (text[i] < 'a' || text[i] > 'f')) /* the end of the text is neither */
      return FALSE;
  return teesql_hex_decode_into (text, (gssize) CLUSTER_TEXT, out, TEESQL_CLUSTER_ID_SIZE, NULL);
}

gboolean
teesql_lineages_parse_name (const char *name, TeesqlLineageEntry *out)
{
  TeesqlLineageEntry entry;
  guint32 generation = 0;

  if (!g_str_has_prefix (name, MARKS))
    return FALSE;
  name += strlen (MARKS);
  if (!parse_cluster (name, entry.cluster_id) || name[CLUSTER_TEXT] != '/' ||
      !teesql_lineage_parse (name + CLUSTER_TEXT + 1, -1, &entry.lineage, &generation))
    return FALSE;
  *out = entry;
  return TRUE;
}

/* `v1/CLUSTER/LINEAGE/catalog/…` */
static gboolean
parse_record_name (const char *name, TeesqlLineageEntry *out)
{
  TeesqlLineageEntry entry;
  const gsize lineage_size = TEESQL_LINEAGE_SIZE - 1;
  guint32 generation = 0;

  if (!g_str_has_prefix (name, ROOT))
    return FALSE;
  name += strlen (ROOT);
  if (!parse_cluster (name, entry.cluster_id) || name[CLUSTER_TEXT] != '/')
    return FALSE;
  name += CLUSTER_TEXT + 1;
  if (strlen (name) <= lineage_size || !g_str_has_prefix (name + lineage_size, "/catalog/") ||
      !teesql_lineage_parse (name, (gssize) lineage_size, &entry.lineage, &generation))
    return FALSE;
  *out = entry;
  return TRUE;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const TeesqlLineageEntry *left = a;
  const TeesqlLineageEntry *right = b;
  int order = memcmp (left->cluster_id, right->cluster_id, sizeof left->cluster_id);

  return order != 0 ? order : strcmp (left->lineage.text, right->lineage.text);
}

static gboolean
collect_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Collection *self = user_data;
  TeesqlLineageEntry entry;
  guint n = self->entries->len;

  if (!self->parse (teesql_object_info_get_name (info), &entry) ||
      (self->cluster_id != NULL && memcmp (self->cluster_id, entry.cluster_id, sizeof entry.cluster_id) != 0))
    return TRUE;
  if (n == 0 || compare_entries (&g_array_index (self->entries, TeesqlLineageEntry, n - 1), &entry) != 0)
    g_array_append_val (self->entries, entry);
  /* each was begun by a first start, a restore or an operator's decision: this many there never are */
  return self->entries->len <= MAX_MARKS || teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, "list-too-long",
                                                         "the store names more lineages than there can be");
}

static gboolean
collect (TeesqlStore *store, const char *prefix, guint64 max, Collection *self, GCancellable *cancellable, GError **error)
{
  return teesql_store_list (store, prefix, max, collect_cb, self, cancellable, error);
}

GArray *
teesql_repository_discover (TeesqlStore *store, const guint8 *cluster_id, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (TeesqlLineageEntry));
  Collection collection = { entries, teesql_lineages_parse_name, cluster_id };
  g_autofree char *hex = cluster_id != NULL ? teesql_hex_encode (cluster_id, TEESQL_CLUSTER_ID_SIZE) : g_strdup ("");
  g_autofree char *marks = g_strconcat (MARKS, hex, NULL);
  g_autofree char *all = g_strconcat (ROOT, hex, NULL);

  if (!collect (store, marks, MAX_MARKS, &collection, cancellable, error))
    return NULL;
  if (entries->len == 0)
    {
      collection.parse = parse_record_name;
      if (!collect (store, all, MAX_OBJECTS, &collection, cancellable, error))
        return NULL;
    }
  g_array_sort (entries, compare_entries);
  return g_steal_pointer (&entries);
}

gboolean
teesql_lineages_note (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = teesql_lineages_dup_name (teesql_repository_get_cluster_id (repository), lineage);
  const TeesqlObjectId id = { .name = name };
  g_autoptr (GBytes) nothing = g_bytes_new_static (NULL, 0);

  return teesql_repository_put (repository, &id, nothing, TEESQL_REPOSITORY_PLAIN, 0, NULL, NULL, cancellable, error);
}

gboolean
teesql_lineages_check (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = teesql_lineages_dup_name (teesql_repository_get_cluster_id (repository), lineage);
  const TeesqlObjectId id = { .name = name };
  g_autoptr (GBytes) nothing = teesql_repository_get (repository, &id, TEESQL_REPOSITORY_PLAIN, 0, NULL, NULL, cancellable, error);

  return nothing != NULL;
}
