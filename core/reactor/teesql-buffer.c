#include "reactor/teesql-buffer.h"

#include <string.h>

/* What a worker keeps after a burst; the rest goes back to malloc. */
#define MAX_SPARE 32

gsize
teesql_memory_get_used (TeesqlMemory *self)
{
  return (gsize) g_atomic_pointer_get (&self->used_bytes);
}

void
teesql_memory_set_limit (TeesqlMemory *self, gsize limit_bytes)
{
  g_atomic_pointer_set (&self->limit_bytes, limit_bytes);
}

gboolean
teesql_memory_is_tight (TeesqlMemory *self)
{
  return teesql_memory_get_used (self) >= (gsize) g_atomic_pointer_get (&self->limit_bytes);
}

void
teesql_buffer_pool_init (TeesqlBufferPool *self, TeesqlMemory *memory)
{
  *self = (TeesqlBufferPool){ .memory = memory };
}

void
teesql_buffer_pool_clear (TeesqlBufferPool *self)
{
  while (self->spare != NULL)
    {
      TeesqlBuffer *buffer = self->spare;

      self->spare = buffer->next;
      g_free (buffer);
    }
  self->n_spare = 0;
}

TeesqlBuffer *
teesql_buffer_pool_take (TeesqlBufferPool *self)
{
  TeesqlBuffer *buffer = self->spare;

  if (buffer != NULL)
    {
      self->spare = buffer->next;
      self->n_spare--;
    }
  else
    buffer = g_new (TeesqlBuffer, 1);
  buffer->next = NULL;
  buffer->start = 0;
  buffer->end = 0;
  if (self->memory != NULL)
    g_atomic_pointer_add (&self->memory->used_bytes, (gssize) sizeof (TeesqlBuffer));
  return buffer;
}

void
teesql_buffer_pool_give (TeesqlBufferPool *self, TeesqlBuffer *buffer)
{
  if (self->memory != NULL)
    g_atomic_pointer_add (&self->memory->used_bytes, -(gssize) sizeof (TeesqlBuffer));
  if (self->n_spare >= MAX_SPARE)
    {
      g_free (buffer);
      return;
    }
  buffer->next = self->spare;
  self->spare = buffer;
  self->n_spare++;
}

static TeesqlBuffer *
queue_tail_with_room (TeesqlBufferQueue *self, TeesqlBufferPool *pool)
{
  TeesqlBuffer *buffer;

  if (self->tail != NULL && self->tail->end < TEESQL_BUFFER_SIZE)
    return self->tail;
  buffer = teesql_buffer_pool_take (pool);
  if (self->tail != NULL)
    self->tail->next = buffer;
  else
    self->head = buffer;
  self->tail = buffer;
  return buffer;
}

void
teesql_buffer_queue_append (TeesqlBufferQueue *self, TeesqlBufferPool *pool, const guint8 *data, gsize size)
{
  while (size > 0)
    {
      TeesqlBuffer *buffer = queue_tail_with_room (self, pool);
      gsize part = MIN (size, TEESQL_BUFFER_SIZE - buffer->end);

      memcpy (buffer->data + buffer->end, data, part); /* part fits: it is at most the room left */
      buffer->end += part;
      self->size += part;
      data += part;
      size -= part;
    }
}

void
teesql_buffer_queue_drop (TeesqlBufferQueue *self, TeesqlBufferPool *pool, gsize size)
{
  g_return_if_fail (size <= self->size);
  while (size > 0)
    {
      TeesqlBuffer *buffer = self->head;
      gsize part = MIN (size, buffer->end - buffer->start);

      buffer->start += part;
      self->size -= part;
      size -= part;
      if (buffer->start < buffer->end)
        continue;
      self->head = buffer->next;
      if (self->head == NULL)
        self->tail = NULL;
      teesql_buffer_pool_give (pool, buffer);
    }
}

void
teesql_buffer_queue_clear (TeesqlBufferQueue *self, TeesqlBufferPool *pool)
{
  teesql_buffer_queue_drop (self, pool, self->size);
}
