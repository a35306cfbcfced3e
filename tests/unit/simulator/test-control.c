/* What the control socket changes, and what it refuses. */
#include "sim-test.h"
#include "simulator/teesql-sim-control.h"
#include "simulator/teesql-sim-json.h"
#include <gio/gunixsocketaddress.h>
#include <string.h>

#define NOW ((gint64) 1795000000)

static JsonObject *
execute (TeesqlSimState *state, const char *line)
{
  g_autofree char *answer = teesql_sim_control_execute (state, line, strlen (line), NOW);
  g_autoptr (GError) error = NULL;
  JsonObject *object = teesql_sim_json_parse_object (answer, strlen (answer), &error);

  g_assert_no_error (error);
  return object;
}

static void
assert_ok (TeesqlSimState *state, const char *line)
{
  g_autoptr (JsonObject) object = execute (state, line);

  g_assert_true (json_object_get_boolean_member (object, "ok"));
}

static void
assert_refused (TeesqlSimState *state, const char *line)
{
  const TeesqlSimState before = *state;
  g_autoptr (JsonObject) object = execute (state, line);

  g_assert_false (json_object_get_boolean_member (object, "ok"));
  g_assert_true (json_object_has_member (object, "message"));
  g_assert_cmpmem (&before, sizeof before, state, sizeof *state); /* all or nothing */
}

static void
test_changes (void)
{
  TeesqlSimState state = { 0 };
  g_autoptr (JsonObject) shown = NULL;

  assert_ok (&state, "{\"quote_version\":\"5.1\",\"tcb_status\":\"TDRelaunchAdvised\",\"misbehave\":[\"debug-td\",\"pccs-slow=2s\"]}");
  g_assert_cmpint (state.quote_version, ==, TEESQL_SIM_QUOTE_5_1);
  g_assert_cmpint (state.tcb_status, ==, TEESQL_SIM_TCB_RELAUNCH);
  g_assert_cmpuint (state.faults, ==, TEESQL_SIM_FAULT_DEBUG_TD);
  g_assert_cmpuint (state.pccs.slow_ms, ==, 2000);
  assert_ok (&state, "{\"tcb-status\":\"OutOfDate\",\"misbehave\":\"hang;slow=10ms\"}");
  g_assert_cmpuint (state.faults, ==, 0);
  g_assert_cmpuint (state.agent.flags, ==, TEESQL_SIM_TRANSPORT_HANG);
  shown = execute (&state, "{}");
  g_assert_cmpstr (sim_json_string (shown, "tcb_status"), ==, "OutOfDate");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (shown, "misbehave")), ==, 2);
  assert_ok (&state, "{\"misbehave\":\"none\"}");
  g_assert_cmpuint (state.agent.flags, ==, 0);
}

static void
test_refusals (void)
{
  TeesqlSimState state = { 0 };

  assert_refused (&state, "");
  assert_refused (&state, "[]");
  assert_refused (&state, "{\"quote_version\":\"3\"}");
  assert_refused (&state, "{\"quote_version\":4}");
  assert_refused (&state, "{\"tcb_status\":\"Fine\"}");
  assert_refused (&state, "{\"tcb_status\":\"TDRelaunchAdvised\"}"); /* a version 4 quote cannot show it */
  assert_refused (&state, "{\"misbehave\":\"none;hang\"}");
  assert_refused (&state, "{\"misbehave\":\"slow=10\"}");
  assert_refused (&state, "{\"misbehave\":\"slow=9999h\"}");
  assert_refused (&state, "{\"misbehave\":\"pccs-debug-td\"}");
  assert_refused (&state, "{\"machine\":\"other\"}");
  assert_refused (&state, "{\"tcb_status\":\"OutOfDate\",\"misbehave\":\"whatever\"}");
}

static void
test_recovery_is_final (void)
{
  TeesqlSimState state = { 0 };

  assert_ok (&state, "{\"recovery\":\"early\"}");
  g_assert_cmpuint (state.generation, ==, 1);
  g_assert_cmpint (state.changed_unix, ==, NOW);
  assert_ok (&state, "{\"recovery\":\"all\"}");
  assert_refused (&state, "{\"recovery\":\"none\"}");
  assert_ok (&state, "{\"quote_version\":\"5\"}");
  g_assert_cmpuint (state.generation, ==, 2); /* the collateral is what it was */
  assert_ok (&state, "{\"tcb_status\":\"OutOfDate\"}");
  g_assert_cmpuint (state.generation, ==, 3);
}

/* --- over the socket */

typedef struct
{
  const char *path;
  const char *send;
  GString *received;
  gboolean done;
} Talk;

static gpointer
talk_thread (gpointer data)
{
  Talk *talk = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (talk->path);
  g_autoptr (GSocketConnection) connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  char chunk[512];
  gssize n;

  g_assert_nonnull (connection);
  (void) g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), talk->send, strlen (talk->send), NULL, NULL,
                                    NULL);
  g_socket_shutdown (g_socket_connection_get_socket (connection), FALSE, TRUE, NULL);
  while ((n = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), chunk, sizeof chunk, NULL, NULL)) > 0)
    g_string_append_len (talk->received, chunk, n);
  g_atomic_int_set (&talk->done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

static char *
talk (const char *path, const char *send)
{
  Talk exchange = { path, send, g_string_new (NULL), FALSE };
  GThread *thread = g_thread_new ("talk", talk_thread, &exchange);

  while (!g_atomic_int_get (&exchange.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  return g_string_free (exchange.received, FALSE);
}

static void
test_socket (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autofree char *answers = talk (world->control, "{\"tcb_status\":\"Revoked\"}\nnonsense\n{}\n");
  g_auto (GStrv) lines = g_strsplit (answers, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, 4); /* three answers and the end */
  g_assert_nonnull (strstr (lines[0], "\"ok\":true"));
  g_assert_nonnull (strstr (lines[1], "\"ok\":false"));
  g_assert_nonnull (strstr (lines[2], "\"tcb_status\":\"Revoked\""));
}

static void
test_endless_line (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autofree char *endless = g_strnfill (200000, ' ');
  g_autofree char *nothing = talk (world->control, endless);
  g_autofree char *after = talk (world->control, "{}\n");

  g_assert_cmpstr (nothing, ==, "");
  g_assert_nonnull (strstr (after, "\"ok\":true"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/control/changes-status-version-and-faults", test_changes);
  g_test_add_func ("/simulator/control/applies-all-or-nothing", test_refusals);
  g_test_add_func ("/simulator/control/a-recovery-is-not-taken-back", test_recovery_is_final);
  g_test_add_func ("/simulator/control/answers-line-by-line", test_socket);
  g_test_add_func ("/simulator/control/an-endless-line-ends-the-connection", test_endless_line);
  return g_test_run ();
}
