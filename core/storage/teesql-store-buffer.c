#include "storage/teesql-store-buffer.h"

struct _TeesqlStorePool
{
  gatomicrefcount refs;
  GMutex lock;
  gsize buffer_size;
  guint keep;
  GPtrArray *idle; /* memory of buffer_size bytes each */
};

TeesqlStorePool *
teesql_store_pool_new (gsize buffer_size, guint keep)
{
  TeesqlStorePool *self = g_new0 (TeesqlStorePool, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->buffer_size = buffer_size;
  self->keep = keep;
  self->idle = g_ptr_array_new_with_free_func (g_free);
  return self;
}

TeesqlStorePool *
teesql_store_pool_ref (TeesqlStorePool *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_store_pool_unref (TeesqlStorePool *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_ptr_array_unref (self->idle);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static TeesqlStoreBuffer *
buffer_new (TeesqlStorePool *pool)
{
  TeesqlStoreBuffer *buffer = g_new0 (TeesqlStoreBuffer, 1);

  g_atomic_ref_count_init (&buffer->refs);
  buffer->capacity = pool->buffer_size;
  buffer->pool = teesql_store_pool_ref (pool);
  return buffer;
}

TeesqlStoreBuffer *
teesql_store_pool_take_shared (TeesqlStorePool *self, TeesqlStorageLender *lender)
{
  guint8 *run = lender != NULL && self->buffer_size <= TEESQL_STORAGE_RUN_SIZE ? teesql_storage_lender_take (lender) : NULL;
  TeesqlStoreBuffer *buffer = NULL;

  if (run == NULL)
    return teesql_store_pool_take (self);
  buffer = buffer_new (self);
  buffer->data = run;
  buffer->lender = teesql_storage_lender_ref (lender);
  return buffer;
}

TeesqlStoreBuffer *
teesql_store_pool_wrap (TeesqlStorePool *self, TeesqlStorageLease *lease)
{
  TeesqlStoreBuffer *buffer = buffer_new (self);

  buffer->lease = lease;
  buffer->data = lease->data;
  buffer->filled = lease->size;
  return buffer;
}

TeesqlStoreBuffer *
teesql_store_pool_take (TeesqlStorePool *self)
{
  TeesqlStoreBuffer *buffer = buffer_new (self);

  g_mutex_lock (&self->lock);
  if (self->idle->len > 0)
    buffer->data = g_ptr_array_steal_index_fast (self->idle, self->idle->len - 1);
  g_mutex_unlock (&self->lock);
  if (buffer->data == NULL)
    buffer->data = g_malloc (self->buffer_size);
  return buffer;
}

TeesqlStoreBuffer *
teesql_store_buffer_ref (TeesqlStoreBuffer *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static void
keep_idle (TeesqlStorePool *pool, guint8 *memory)
{
  gboolean kept = FALSE;

  g_mutex_lock (&pool->lock);
  kept = pool->idle->len < pool->keep;
  if (kept)
    g_ptr_array_add (pool->idle, memory);
  g_mutex_unlock (&pool->lock);
  if (!kept)
    g_free (memory);
}

void
teesql_store_buffer_unref (TeesqlStoreBuffer *self)
{
  TeesqlStorePool *pool = self->pool;

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->lease != NULL)
    teesql_storage_lease_free (self->lease);
  else if (self->lender != NULL)
    {
      teesql_storage_lender_give (self->lender, g_steal_pointer (&self->data));
      teesql_storage_lender_unref (self->lender);
    }
  else
    keep_idle (pool, self->data);
  g_free (self);
  teesql_store_pool_unref (pool);
}

GBytes *
teesql_store_buffer_as_bytes (TeesqlStoreBuffer *self)
{
  return g_bytes_new_with_free_func (self->data, self->filled, (GDestroyNotify) teesql_store_buffer_unref, teesql_store_buffer_ref (self));
}
