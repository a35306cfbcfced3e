#include "dcap-lru.h"

#define KEY_SIZE 32

typedef struct
{
  GList link; /* data points at the entry */
  gpointer value;
  guint8 key[KEY_SIZE];
} Entry;

struct _DcapLru
{
  GHashTable *entries; /* key within the entry -> entry */
  GQueue order;        /* newest first */
  guint max;
  GDestroyNotify free_value;
};

static guint
key_hash (gconstpointer key)
{
  /* a digest is its own hash */
  const guint8 *bytes = key;
  return (guint) bytes[0] | (guint) bytes[1] << 8 | (guint) bytes[2] << 16 | (guint) bytes[3] << 24;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, KEY_SIZE) == 0;
}

DcapLru *
dcap_lru_new (guint max, GDestroyNotify free_value)
{
  DcapLru *self = g_new0 (DcapLru, 1);

  self->entries = g_hash_table_new (key_hash, key_equal);
  g_queue_init (&self->order);
  self->max = max;
  self->free_value = free_value;
  return self;
}

static void
drop (DcapLru *self, Entry *entry)
{
  g_hash_table_remove (self->entries, entry->key);
  g_queue_unlink (&self->order, &entry->link);
  self->free_value (entry->value);
  g_free (entry);
}

void
dcap_lru_free (DcapLru *self)
{
  while (self->order.head != NULL)
    drop (self, self->order.head->data);
  g_hash_table_unref (self->entries);
  g_free (self);
}

gpointer
dcap_lru_get (DcapLru *self, const guint8 digest[32])
{
  Entry *entry = g_hash_table_lookup (self->entries, digest);

  if (entry == NULL)
    return NULL;
  g_queue_unlink (&self->order, &entry->link);
  g_queue_push_head_link (&self->order, &entry->link);
  return entry->value;
}

void
dcap_lru_put (DcapLru *self, const guint8 digest[32], gpointer value)
{
  Entry *entry = g_hash_table_lookup (self->entries, digest);

  if (entry != NULL)
    drop (self, entry);
  while (g_hash_table_size (self->entries) >= self->max)
    drop (self, self->order.tail->data);
  entry = g_new0 (Entry, 1);
  for (guint i = 0; i < KEY_SIZE; i++)
    entry->key[i] = digest[i];
  entry->value = value;
  entry->link.data = entry;
  g_hash_table_insert (self->entries, entry->key, entry);
  g_queue_push_head_link (&self->order, &entry->link);
}
