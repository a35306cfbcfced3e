#include "http/teesql-http-resources.h"

/* Is the start over? Also when it ended badly: then `/health` says so, and waiting longer would not help. */
void
teesql_http_startup_handle (TeesqlHttpRequest *request, gpointer status)
{
  g_autofree char *body = teesql_http_health_body (status);

  teesql_http_request_respond (request, teesql_status_has_started (status) ? 200 : 503, "application/json", body, 0);
}
