#include "dstack-buffer.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"

#define FIRST_CAPACITY ((gsize) 4096)

void
dstack_buffer_init (DstackBuffer *self, gsize limit, gboolean locked)
{
  *self = (DstackBuffer){ .limit = limit, .locked = locked };
}

static void
release (guint8 *data, gsize capacity, gboolean locked)
{
  if (locked)
    teesql_locked_free (data, capacity);
  else
    g_free (data);
}

void
dstack_buffer_clear (DstackBuffer *self)
{
  release (self->data, self->capacity, self->locked);
  dstack_buffer_init (self, self->limit, self->locked);
}

/* A fresh allocation and a copy, never realloc (), which would leave key bytes behind in the heap. */
static gboolean
reserve (DstackBuffer *self, gsize n, GError **error)
{
  gsize capacity = MAX (self->capacity, FIRST_CAPACITY);
  guint8 *data = NULL;

  if (n > self->limit - self->size)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "agent-answer-size", 0,
                                                  "answer of the agent: longer than %" G_GSIZE_FORMAT " bytes", self->limit));
      return FALSE;
    }
  if (self->data != NULL && n <= self->capacity - self->size)
    return TRUE;
  while (capacity < self->size + n)
    capacity *= 2;
  data = self->locked ? teesql_locked_alloc (capacity, error) : g_malloc (capacity);
  if (data == NULL)
    return FALSE;
  for (gsize i = 0; i < self->size; i++)
    data[i] = self->data[i];
  release (self->data, self->capacity, self->locked);
  self->data = data;
  self->capacity = capacity;
  return TRUE;
}

gboolean
dstack_buffer_take (DstackBuffer *self, TeesqlCursor *input, gsize n, GError **error)
{
  if (!reserve (self, n, error) || !teesql_cursor_copy (input, "body", self->data + self->size, n, error))
    return FALSE;
  self->size += n;
  return TRUE;
}

gboolean
dstack_buffer_append_byte (DstackBuffer *self, guint8 byte, GError **error)
{
  if (!reserve (self, 1, error))
    return FALSE;
  self->data[self->size++] = byte;
  return TRUE;
}
