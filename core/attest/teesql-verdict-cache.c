#include "attest/teesql-verdict-cache.h"
#include <string.h>

G_STATIC_ASSERT (sizeof (TeesqlVerdictKey) == 32 + 32 + 48 + 8 + 8);

typedef struct
{
  TeesqlVerdictKey key;
  TeesqlVerdict *verdict;
  gint64 ends_unix;
  GList link; /* in `used`, most recent first */
} Entry;

struct _TeesqlVerdictCache
{
  GMutex mutex;
  GHashTable *entries; /* &Entry.key -> Entry */
  GQueue used;
  guint capacity;
};

/* The leaf's digest is uniform already; whoever can choose its first bytes can choose no more than their own slots. */
static guint
hash_key (gconstpointer data)
{
  const TeesqlVerdictKey *key = data;

  return (guint) key->leaf[0] | (guint) key->leaf[1] << 8 | (guint) key->leaf[2] << 16 | (guint) key->leaf[3] << 24;
}

static gboolean
equal_key (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (TeesqlVerdictKey)) == 0;
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  teesql_verdict_unref (entry->verdict);
  g_free (entry);
}

TeesqlVerdictCache *
teesql_verdict_cache_new (guint capacity)
{
  TeesqlVerdictCache *self = g_new0 (TeesqlVerdictCache, 1);

  g_mutex_init (&self->mutex);
  g_queue_init (&self->used);
  self->entries = g_hash_table_new_full (hash_key, equal_key, NULL, entry_free);
  self->capacity = capacity;
  return self;
}

static void
remove_entry (TeesqlVerdictCache *self, Entry *entry)
{
  g_queue_unlink (&self->used, &entry->link);
  g_hash_table_remove (self->entries, &entry->key);
}

void
teesql_verdict_cache_clear (TeesqlVerdictCache *self)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  /* links live inside the entries: forget them before they go */
  g_queue_init (&self->used);
  g_hash_table_remove_all (self->entries);
}

void
teesql_verdict_cache_free (TeesqlVerdictCache *self)
{
  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

TeesqlVerdict *
teesql_verdict_cache_lookup (TeesqlVerdictCache *self, const TeesqlVerdictKey *key, gint64 now_unix)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  Entry *entry = g_hash_table_lookup (self->entries, key);

  if (entry == NULL)
    return NULL;
  if (now_unix >= entry->ends_unix)
    {
      remove_entry (self, entry);
      return NULL;
    }
  g_queue_unlink (&self->used, &entry->link);
  g_queue_push_head_link (&self->used, &entry->link);
  return teesql_verdict_ref (entry->verdict);
}

void
teesql_verdict_cache_insert (TeesqlVerdictCache *self, const TeesqlVerdictKey *key, TeesqlVerdict *verdict, gint64 ends_unix)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;
  Entry *old = NULL;
  Entry *entry = NULL;

  g_return_if_fail (teesql_verdict_is_accepted (verdict));
  entry = g_new0 (Entry, 1);
  entry->key = *key;
  entry->verdict = teesql_verdict_ref (verdict);
  entry->ends_unix = ends_unix;
  entry->link.data = entry;
  locker = g_mutex_locker_new (&self->mutex);
  old = g_hash_table_lookup (self->entries, key);
  if (old != NULL)
    remove_entry (self, old);
  else if (self->used.length >= self->capacity)
    remove_entry (self, self->used.tail->data);
  g_hash_table_insert (self->entries, &entry->key, entry);
  g_queue_push_head_link (&self->used, &entry->link);
}

guint
teesql_verdict_cache_get_size (TeesqlVerdictCache *self)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return g_hash_table_size (self->entries);
}
