#include "proxy/teesql-cancel-table.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

struct _TeesqlCancelTable
{
  GMutex mutex;
  GHashTable *entries; /* pid -> Entry */
};

typedef struct
{
  guint8 key[TEESQL_CANCEL_KEY_SIZE];
  TeesqlCancelTarget target;
} Entry;

static void
entry_free (gpointer data)
{
  explicit_bzero (data, sizeof (Entry));
  g_free (data);
}

TeesqlCancelTable *
teesql_cancel_table_new (void)
{
  TeesqlCancelTable *self = g_new0 (TeesqlCancelTable, 1);

  g_mutex_init (&self->mutex);
  self->entries = g_hash_table_new_full (NULL, NULL, NULL, entry_free);
  return self;
}

void
teesql_cancel_table_free (TeesqlCancelTable *self)
{
  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

void
teesql_cancel_table_add (TeesqlCancelTable *self, const TeesqlCancelTarget *target, guint32 *out_pid,
                         guint8 out_key[TEESQL_CANCEL_KEY_SIZE])
{
  Entry *entry = g_new (Entry, 1);
  guint32 pid;

  entry->target = *target;
  if (gnutls_rnd (GNUTLS_RND_NONCE, entry->key, sizeof entry->key) < 0)
    g_abort (); /* without randomness the key would be a guess */
  g_mutex_lock (&self->mutex);
  do
    {
      if (gnutls_rnd (GNUTLS_RND_NONCE, &pid, sizeof pid) < 0)
        g_abort ();
      pid &= 0x7fffffff; /* clients print it as a signed number */
    }
  while (pid == 0 || g_hash_table_contains (self->entries, GUINT_TO_POINTER (pid)));
  *out_pid = pid;
  memcpy (out_key, entry->key, sizeof entry->key);
  g_hash_table_insert (self->entries, GUINT_TO_POINTER (pid), entry);
  g_mutex_unlock (&self->mutex);
}

void
teesql_cancel_table_remove (TeesqlCancelTable *self, guint32 pid)
{
  g_mutex_lock (&self->mutex);
  g_hash_table_remove (self->entries, GUINT_TO_POINTER (pid));
  g_mutex_unlock (&self->mutex);
}

gboolean
teesql_cancel_table_lookup (TeesqlCancelTable *self, guint32 pid, const guint8 *key, gsize key_size, TeesqlCancelTarget *out_target)
{
  const Entry *entry;
  gboolean found;

  g_mutex_lock (&self->mutex);
  entry = g_hash_table_lookup (self->entries, GUINT_TO_POINTER (pid));
  found = entry != NULL && key_size == sizeof entry->key && gnutls_memcmp (entry->key, key, key_size) == 0;
  if (found)
    *out_target = entry->target;
  g_mutex_unlock (&self->mutex);
  return found;
}

gboolean
teesql_cancel_table_get (TeesqlCancelTable *self, guint32 pid, TeesqlCancelTarget *out_target)
{
  const Entry *entry;

  g_mutex_lock (&self->mutex);
  entry = g_hash_table_lookup (self->entries, GUINT_TO_POINTER (pid));
  if (entry != NULL)
    *out_target = entry->target;
  g_mutex_unlock (&self->mutex);
  return entry != NULL;
}
