#pragma once
#include <glib.h>

G_BEGIN_DECLS

#define TEESQL_HTTP_HEAD_MAX   ((gsize) 8192)
#define TEESQL_HTTP_TARGET_MAX ((gsize) 2048)
#define TEESQL_HTTP_FIELDS_MAX 64

typedef enum
{
  TEESQL_HTTP_HEAD_INCOMPLETE, /* more bytes are needed, and there is room for them */
  TEESQL_HTTP_HEAD_COMPLETE,
  TEESQL_HTTP_HEAD_REFUSED, /* @status and @reason say why; what follows on the connection means nothing */
} TeesqlHttpHeadResult;

/**
 * TeesqlHttpHead:
 * @path: what stands before the `?`, as sent
 * @query: (nullable): what stands behind it
 * @status: of the refusal: 400, 405, 414, 431
 *
 * the head of one request (RFC 9112), as far as a server without bodies needs it
 */
typedef struct
{
  char *path;
  char *query;
  gboolean head_only;
  gboolean keep_alive;
  guint status;
  const char *reason;
} TeesqlHttpHead;

/**
 * teesql_http_head_parse:
 * @out_head: filled in unless incomplete; clear it
 * @out_consumed: bytes of the head, when complete
 *
 * pure: looks at bytes and at nothing else. Stricter than the RFC allows where leniency has cost others: lines end in CRLF, nothing is
 * folded, nothing is decoded, a body or what could announce one is refused.
 */
TeesqlHttpHeadResult teesql_http_head_parse (const guint8 *data, gsize size, TeesqlHttpHead *out_head, gsize *out_consumed)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_http_head_clear (TeesqlHttpHead *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlHttpHead, teesql_http_head_clear)

G_END_DECLS
