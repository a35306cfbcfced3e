#pragma once
#include "http/teesql-http-server.h"

G_BEGIN_DECLS

/* The resources that the server has by itself, one file each. @user_data is the TeesqlStatus, of `/` the server. */
void teesql_http_health_handle (TeesqlHttpRequest *request, gpointer status);
void teesql_http_ready_handle (TeesqlHttpRequest *request, gpointer status);
void teesql_http_startup_handle (TeesqlHttpRequest *request, gpointer status);
void teesql_http_index_handle (TeesqlHttpRequest *request, gpointer server);

/* (transfer full): the body that the three health resources share (schemas/health.json) */
char *teesql_http_health_body (TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer container): paths of all resources, sorted */
GPtrArray *teesql_http_server_list_paths (TeesqlHttpServer *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
