#include "backup/teesql-wal-source-private.h"

#define MEMORY_MAX  ((gsize) 64 * 1024 * 1024)
#define DEPTH_MAX   4u
#define THREADS     2
#define WAIT_STEP   (100 * G_TIME_SPAN_MILLISECOND)
#define ENTRIES_MAX (2 * DEPTH_MAX)

typedef struct
{
  char *file;
  GBytes *bytes;
  gboolean done;
} Entry;

struct _TeesqlWalAhead
{
  TeesqlWalSource *source; /* borrowed: it owns us */
  GMutex mutex;
  GCond cond;
  GQueue entries; /* Entry, oldest first */
  GThreadPool *pool;
  GCancellable *closing;
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_clear_pointer (&entry->bytes, g_bytes_unref);
  g_free (entry->file);
  g_free (entry);
}

static Entry *
find_entry (TeesqlWalAhead *self, const char *file)
{
  for (GList *link = self->entries.head; link != NULL; link = link->next)
    if (g_str_equal (((Entry *) link->data)->file, file))
      return link->data;
  return NULL;
}

static void
fetch_cb (gpointer data, gpointer user_data)
{
  TeesqlWalAhead *self = user_data;
  Entry *entry = data; /* stays: it is removed only when it is done */
  GBytes *bytes = teesql_wal_source_fetch_now (self->source, entry->file, self->closing, NULL);

  g_mutex_lock (&self->mutex);
  entry->bytes = bytes;
  entry->done = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

TeesqlWalAhead *
teesql_wal_ahead_new (TeesqlWalSource *source)
{
  TeesqlWalAhead *self = g_new0 (TeesqlWalAhead, 1);

  self->source = source;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  g_queue_init (&self->entries);
  self->closing = g_cancellable_new ();
  self->pool = g_thread_pool_new (fetch_cb, self, THREADS, FALSE, NULL);
  return self;
}

void
teesql_wal_ahead_free (TeesqlWalAhead *self)
{
  g_cancellable_cancel (self->closing);
  g_thread_pool_free (self->pool, FALSE, TRUE);
  g_queue_clear_full (&self->entries, entry_free);
  g_object_unref (self->closing);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

guint
teesql_wal_ahead_depth (guint32 segment_size)
{
  return (guint) CLAMP (MEMORY_MAX / 2 / segment_size, 1, DEPTH_MAX);
}

/* Whatever recovery passed by without asking goes first. */
static void
make_room (TeesqlWalAhead *self)
{
  for (GList *link = self->entries.head; link != NULL && self->entries.length >= ENTRIES_MAX;)
    {
      GList *next = link->next;
      Entry *entry = link->data;

      if (entry->done)
        {
          g_queue_delete_link (&self->entries, link);
          entry_free (entry);
        }
      link = next;
    }
}

void
teesql_wal_ahead_ask (TeesqlWalAhead *self, const char *file)
{
  g_mutex_lock (&self->mutex);
  make_room (self);
  if (find_entry (self, file) == NULL && self->entries.length < ENTRIES_MAX)
    {
      Entry *entry = g_new0 (Entry, 1);

      entry->file = g_strdup (file);
      g_queue_push_tail (&self->entries, entry);
      g_thread_pool_push (self->pool, entry, NULL);
    }
  g_mutex_unlock (&self->mutex);
}

GBytes *
teesql_wal_ahead_take (TeesqlWalAhead *self, const char *file, GCancellable *cancellable)
{
  GBytes *bytes = NULL;
  Entry *entry = NULL;

  g_mutex_lock (&self->mutex);
  while ((entry = find_entry (self, file)) != NULL && !entry->done && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait_until (&self->cond, &self->mutex, g_get_monotonic_time () + WAIT_STEP);
  if (entry != NULL && entry->done)
    {
      bytes = g_steal_pointer (&entry->bytes);
      g_queue_remove (&self->entries, entry);
      entry_free (entry);
    }
  g_mutex_unlock (&self->mutex);
  return bytes;
}
