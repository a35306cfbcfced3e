#pragma once
#include <glib.h>

G_BEGIN_DECLS

#define TEESQL_BUFFER_SIZE ((gsize) 32768 - 4 * sizeof (gsize)) /* with its head and malloc's, eight pages */

/**
 * TeesqlMemory:
 *
 * the account that all pools draw on: what buffers of all sessions hold now, and how much they may. Shared by threads.
 */
typedef struct
{
  gsize used_bytes;  /* atomic */
  gsize limit_bytes; /* atomic; a reload changes it */
} TeesqlMemory;

gsize teesql_memory_get_used (TeesqlMemory *self);
void teesql_memory_set_limit (TeesqlMemory *self, gsize limit_bytes);
gboolean teesql_memory_is_tight (TeesqlMemory *self); /* at the limit: readers slow down */

/**
 * TeesqlBuffer:
 *
 * bytes [start, end) of @data wait to be sent.
 */
typedef struct _TeesqlBuffer TeesqlBuffer;
struct _TeesqlBuffer
{
  TeesqlBuffer *next;
  gsize start;
  gsize end;
  guint8 data[TEESQL_BUFFER_SIZE];
};

/**
 * TeesqlBufferPool:
 *
 * buffers of one worker. One is taken when bytes cannot go on at once and given back when they went, so an idle session holds none.
 */
typedef struct
{
  TeesqlMemory *memory; /* (nullable) */
  TeesqlBuffer *spare;
  guint n_spare;
} TeesqlBufferPool;

void teesql_buffer_pool_init (TeesqlBufferPool *self, TeesqlMemory *memory);
void teesql_buffer_pool_clear (TeesqlBufferPool *self);
TeesqlBuffer *teesql_buffer_pool_take (TeesqlBufferPool *self);
void teesql_buffer_pool_give (TeesqlBufferPool *self, TeesqlBuffer *buffer);

/**
 * TeesqlBufferQueue:
 *
 * a chain of buffers. All zero is empty.
 */
typedef struct
{
  TeesqlBuffer *head;
  TeesqlBuffer *tail;
  gsize size;
} TeesqlBufferQueue;

void teesql_buffer_queue_append (TeesqlBufferQueue *self, TeesqlBufferPool *pool, const guint8 *data, gsize size);
void teesql_buffer_queue_drop (TeesqlBufferQueue *self, TeesqlBufferPool *pool, gsize size); /* from the front */
void teesql_buffer_queue_clear (TeesqlBufferQueue *self, TeesqlBufferPool *pool);

G_END_DECLS
