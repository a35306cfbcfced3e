#include "status/teesql-status.h"
#include <json-glib/json-glib.h>

static void
test_worst (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autofree char *reason = NULL;

  g_assert_cmpint (teesql_status_get_health (status, NULL), ==, TEESQL_HEALTH_STARTING);
  g_assert_false (teesql_status_has_started (status));
  teesql_status_set_component (status, TEESQL_COMPONENT_CLOCK, TEESQL_HEALTH_OK, NULL, NULL);
  g_assert_cmpint (teesql_status_get_health (status, NULL), ==, TEESQL_HEALTH_OK);
  teesql_status_set_component (status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_STARTING, "waiting", "m");
  g_assert_cmpint (teesql_status_get_health (status, NULL), ==, TEESQL_HEALTH_STARTING);
  g_assert_false (teesql_status_has_started (status));
  teesql_status_set_component (status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_DEGRADED, "slow", "m");
  g_assert_true (teesql_status_has_started (status));
  teesql_status_set_component (status, TEESQL_COMPONENT_POSTGRES, TEESQL_HEALTH_FAILED, "postgres-unreachable", "m");
  g_assert_cmpint (teesql_status_get_health (status, &reason), ==, TEESQL_HEALTH_FAILED);
  g_assert_cmpstr (reason, ==, "postgres-unreachable");
}

static void
test_json (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = NULL;
  JsonObject *root;
  JsonObject *notice;

  teesql_status_set_component (status, TEESQL_COMPONENT_PROXY, TEESQL_HEALTH_DEGRADED, "why", "line\nhint: \"quoted\"");
  teesql_status_add_notice (status, "any", "allowed-mrtd", "first");
  teesql_status_add_notice (status, "any", "allowed-mrtd", "second");
  teesql_status_add_notice (status, "any", "allowed-rtmr1", "third");
  teesql_status_remove_notice (status, "any", "allowed-rtmr1");
  teesql_status_add_taint (status, "trusted-root /x");
  teesql_status_add_taint (status, "trusted-root /x");
  teesql_status_set_fact (status, "node", "a");
  teesql_status_count (status, TEESQL_COUNTER_SESSIONS, 3);
  teesql_status_gauge_add (status, TEESQL_GAUGE_PENDING, -2);
  text = teesql_status_render_json (status);
  g_assert_true (json_parser_load_from_data (parser, text, -1, NULL));
  root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (root, "status"), ==, "degraded");
  g_assert_cmpint (json_array_get_length (json_object_get_array_member (root, "taints")), ==, 1);
  g_assert_cmpint (json_array_get_length (json_object_get_array_member (root, "notices")), ==, 1);
  notice = json_array_get_object_element (json_object_get_array_member (root, "notices"), 0);
  g_assert_cmpstr (json_object_get_string_member (notice, "message"), ==, "second");
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (root, "counters"), "sessions"), ==, 3);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (root, "gauges"), "pending"), ==, -2);
}

static gpointer
hammer (gpointer data)
{
  TeesqlStatus *status = data;

  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *text = i % 100 == 0 ? teesql_status_render_json (status) : NULL;

      teesql_status_count (status, TEESQL_COUNTER_CONNECTIONS, 1);
      teesql_status_set_component (status, TEESQL_COMPONENT_CLOCK, TEESQL_HEALTH_OK, "r", "m");
      teesql_status_set_fact (status, "node", "b");
    }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("hammer", hammer, status);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (teesql_status_get_counter (status, TEESQL_COUNTER_CONNECTIONS), ==, 8000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/status/the-worst-component-decides", test_worst);
  g_test_add_func ("/status/renders-what-was-published", test_json);
  g_test_add_func ("/status/threads-may-publish-at-once", test_threads);
  return g_test_run ();
}
