#pragma once
#include "http/teesql-http-head.h"
#include "http/teesql-http-server.h"

G_BEGIN_DECLS

/* Between connection and request; handlers see teesql-http-server.h only. */

/* @answer: (transfer full): bytes for the wire. Called once at most, and never after teesql_http_request_abandon(). */
typedef void (*TeesqlHttpAnswerFunc) (gpointer connection, GBytes *answer, gboolean keep_alive);

/**
 * teesql_http_request_new:
 * @head: (transfer full): its strings move into the request
 */
TeesqlHttpRequest *teesql_http_request_new (TeesqlHttpHead *head, const char *peer, TeesqlHttpAnswerFunc answer, gpointer connection)
    G_GNUC_WARN_UNUSED_RESULT;
/* the connection is gone, or has answered itself: cancels, and forgets whom to answer */
void teesql_http_request_abandon (TeesqlHttpRequest *self);
gboolean teesql_http_request_is_head_only (const TeesqlHttpRequest *self);

G_END_DECLS
