#include "http/teesql-http-resources.h"
#include <json-glib/json-glib.h>

static const char *
health_word (TeesqlHealth health)
{
  switch (health)
    {
    case TEESQL_HEALTH_STARTING:
      return "starting";
    case TEESQL_HEALTH_OK:
      return "ok";
    case TEESQL_HEALTH_DEGRADED:
      return "degraded";
    case TEESQL_HEALTH_FAILED:
      return "failed";
    }
  return "failed";
}

static void
add_taints (JsonBuilder *builder, TeesqlStatus *status)
{
  g_auto (GStrv) taints = teesql_status_dup_taints (status);

  json_builder_set_member_name (builder, "taints");
  json_builder_begin_array (builder);
  for (gsize i = 0; taints != NULL && taints[i] != NULL; i++)
    json_builder_add_string_value (builder, taints[i]);
  json_builder_end_array (builder);
}

/* Reasons and taints only: messages name hosts and paths, and whoever reaches this port may read it. */
char *
teesql_http_health_body (TeesqlStatus *status)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *reason = NULL;
  TeesqlHealth health = teesql_status_get_health (status, &reason);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, 1);
  json_builder_set_member_name (builder, "status");
  json_builder_add_string_value (builder, health_word (health));
  json_builder_set_member_name (builder, "reason");
  if (reason != NULL)
    json_builder_add_string_value (builder, reason);
  else
    json_builder_add_null_value (builder);
  json_builder_set_member_name (builder, "started");
  json_builder_add_boolean_value (builder, teesql_status_has_started (status));
  add_taints (builder, status);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

void
teesql_http_health_handle (TeesqlHttpRequest *request, gpointer status)
{
  TeesqlHealth health = teesql_status_get_health (status, NULL);
  g_autofree char *body = teesql_http_health_body (status);

  teesql_http_request_respond (request, health == TEESQL_HEALTH_OK || health == TEESQL_HEALTH_DEGRADED ? 200 : 503, "application/json",
                               body, 0);
}
