#pragma once
#include "dstack-buffer.h"

typedef enum
{
  DSTACK_HTTP_STATUS_LINE,
  DSTACK_HTTP_HEADER,
  DSTACK_HTTP_BODY,
  DSTACK_HTTP_CHUNK_SIZE,
  DSTACK_HTTP_CHUNK_DATA,
  DSTACK_HTTP_CHUNK_END,
  DSTACK_HTTP_LAST_END,
  DSTACK_HTTP_DONE,
} DstackHttpState;

/**
 * DstackHttpParser:
 *
 * one HTTP/1.1 answer, fed in pieces of any size. It takes what the agent's server sends and little else: a Content-Length or
 * chunks (not both, not neither), no trailers, no content coding, no interim answers, CRLF.
 * Bounds: 2 KiB a line, 8 KiB of head, the limit of @body. Plain struct; @body is borrowed.
 */
typedef struct
{
  DstackHttpState state;
  DstackBuffer *body;
  guint status;
  gboolean has_length;
  gboolean chunked;
  guint64 remaining; /* of the body or chunk */
  gsize head_size;
  guint line_size;
  char line[2048];
} DstackHttpParser;

void dstack_http_parser_init (DstackHttpParser *self, DstackBuffer *body);
/* Errors: #TEESQL_PARSE_ERROR, reasons `agent-http` and `agent-answer-size` */
gboolean dstack_http_parser_feed (DstackHttpParser *self, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dstack_http_parser_is_done (const DstackHttpParser *self);
