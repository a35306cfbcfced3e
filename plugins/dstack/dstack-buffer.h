#pragma once
#include "base/teesql-cursor.h"

/**
 * DstackBuffer:
 *
 * bytes of an answer as they arrive, never more than @limit. With @locked they stand in locked memory from the first byte on,
 * since the answer carries a key, and are wiped. Plain struct.
 */
typedef struct
{
  guint8 *data;
  gsize size;
  gsize capacity;
  gsize limit;
  gboolean locked;
} DstackBuffer;

void dstack_buffer_init (DstackBuffer *self, gsize limit, gboolean locked);
void dstack_buffer_clear (DstackBuffer *self);
/* takes @n bytes from @input. Reason `agent-answer-size` when the limit is met, G_IO_ERROR_NO_SPACE when no memory can be locked */
gboolean dstack_buffer_take (DstackBuffer *self, TeesqlCursor *input, gsize n, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dstack_buffer_append_byte (DstackBuffer *self, guint8 byte, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DstackBuffer, dstack_buffer_clear)
