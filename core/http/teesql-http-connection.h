#pragma once
#include "http/teesql-http-request.h"

G_BEGIN_DECLS

/**
 * TeesqlHttpConnection:
 *
 * one accepted socket: reads a head, has it handled, writes the answer, and again, each within its deadline. Belongs to the server
 * that made it and tells it when it has closed itself.
 */
typedef struct _TeesqlHttpConnection TeesqlHttpConnection;

typedef struct
{
  void (*handle) (TeesqlHttpRequest *request, gpointer user_data);
  void (*closed) (TeesqlHttpConnection *connection, gpointer user_data); /* the server frees it */
  gpointer user_data;
} TeesqlHttpConnectionEvents;

TeesqlHttpConnection *teesql_http_connection_new (GSocket *socket, guint timeout_ms, const TeesqlHttpConnectionEvents *events)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_http_connection_free (TeesqlHttpConnection *self);
const char *teesql_http_connection_get_peer (const TeesqlHttpConnection *self);
char *teesql_http_connection_format_peer (GInetAddress *address) G_GNUC_WARN_UNUSED_RESULT;
/* no whole request has arrived, or the last was answered: may be closed to make room */
gboolean teesql_http_connection_is_idle (const TeesqlHttpConnection *self);

G_END_DECLS
