#include "http/teesql-http-resources.h"

/* Send it traffic? Works, perhaps not perfectly, and every part has been heard of. */
void
teesql_http_ready_handle (TeesqlHttpRequest *request, gpointer status)
{
  TeesqlHealth health = teesql_status_get_health (status, NULL);
  gboolean ready = teesql_status_has_started (status) && (health == TEESQL_HEALTH_OK || health == TEESQL_HEALTH_DEGRADED);
  g_autofree char *body = teesql_http_health_body (status);

  teesql_http_request_respond (request, ready ? 200 : 503, "application/json", body, 0);
}
