/* Agents and services that do not answer properly. */
#include "sim-test.h"
#include "simulator/teesql-sim-http.h"
#include <gio/gunixsocketaddress.h>
#include <string.h>

static void
test_garbage (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "garbage", .start = TRUE });
  g_autoptr (SimAnswer) answer = sim_post (world->socket, "/Version", "{}");
  g_autoptr (SimAnswer) pccs = sim_get (teesql_simulator_get_pccs (world->simulator), "/tdx/certification/v4/qe/identity");

  g_assert_cmpuint (answer->status, ==, 200);
  g_assert_null (strstr (answer->body, "version"));
  g_assert_nonnull (strstr (pccs->body, "enclaveIdentity")); /* the words are about the agent */
}

static void
test_close (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "close;pccs-garbage", .start = TRUE });
  g_autoptr (SimAnswer) answer = sim_post (world->socket, "/Version", "{}");
  g_autoptr (SimAnswer) pccs = sim_get (teesql_simulator_get_pccs (world->simulator), "/tdx/certification/v4/qe/identity");

  g_assert_cmpuint (answer->status, ==, 0);
  g_assert_cmpuint (pccs->status, ==, 200);
  g_assert_null (strstr (pccs->body, "enclaveIdentity"));
}

static void
test_slow (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "slow=150ms", .start = TRUE });
  gint64 start = g_get_monotonic_time ();
  g_autoptr (SimAnswer) answer = sim_post (world->socket, "/Version", "{}");

  g_assert_cmpuint (answer->status, ==, 200);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 150000);
}

/* --- a client that gives up */

static GSocketConnection *
ask (SimWorld *world)
{
  guint64 before = teesql_simulator_get_state (world->simulator)->agent_calls;
  static const char request[] = "GET /Version HTTP/1.1\r\nHost: dstack\r\n\r\n";
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (world->socket);
  GSocketConnection *connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);

  g_assert_nonnull (connection);
  g_assert_true (
      g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL, NULL, NULL));
  while (teesql_simulator_get_state (world->simulator)->agent_calls == before)
    g_main_context_iteration (NULL, TRUE);
  return connection;
}

static void
test_hang (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "hang", .start = TRUE });
  g_autoptr (GSocketConnection) connection = ask (world);
  g_autoptr (GError) error = NULL;
  char byte;

  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_socket_set_blocking (g_socket_connection_get_socket (connection), FALSE);
  g_assert_cmpint (g_socket_receive (g_socket_connection_get_socket (connection), &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static void
test_too_many (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "hang", .start = TRUE });
  g_autoptr (GPtrArray) waiting = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (SimAnswer) refused = NULL;

  for (guint i = 0; i < TEESQL_SIM_MAX_REQUESTS; i++)
    g_ptr_array_add (waiting, ask (world));
  refused = sim_post (world->socket, "/Version", "{}");
  g_assert_cmpuint (refused->status, ==, 503);
  g_ptr_array_set_size (waiting, 0);
  for (gboolean served = FALSE; !served;)
    {
      g_auto (GStrv) none = g_new0 (char *, 1);
      g_autoptr (SimAnswer) answer = NULL;

      g_assert_true (teesql_sim_state_set_misbehave (teesql_simulator_get_state (world->simulator), (const char *const *) none, NULL));
      answer = sim_post (world->socket, "/Version", "{}"); /* as soon as the server has noticed that they left */
      served = answer->status == 200;
    }
}

/* the delayed answer has nobody to go to, and nothing is left over */
static void
test_impatient_client (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "slow=60s", .start = TRUE });
  g_autoptr (GSocketConnection) connection = ask (world);
  g_autoptr (SimAnswer) after = NULL;
  g_auto (GStrv) none = g_new0 (char *, 1);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_io_stream_close (G_IO_STREAM (connection), NULL, NULL));
  g_assert_true (teesql_sim_state_set_misbehave (teesql_simulator_get_state (world->simulator), (const char *const *) none, &error));
  after = sim_post (world->socket, "/Version", "{}");
  g_assert_cmpuint (after->status, ==, 200);
}

static void
test_words_come_back (void)
{
  static const char *const words[] = { "wrong-binding", "revoked-pck", "hang", "slow=1500ms", "pccs-close", NULL };
  TeesqlSimState state = { 0 };
  g_auto (GStrv) shown = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_sim_state_set_misbehave (&state, words, &error));
  shown = teesql_sim_state_get_misbehave (&state);
  g_assert_true (g_strv_equal ((const char *const *) shown, words));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/faults/garbage-is-no-json", test_garbage);
  g_test_add_func ("/simulator/faults/close-ends-without-an-answer", test_close);
  g_test_add_func ("/simulator/faults/slow-answers-late", test_slow);
  g_test_add_func ("/simulator/faults/hang-sends-nothing", test_hang);
  g_test_add_func ("/simulator/faults/a-client-that-gives-up-leaves-nothing", test_impatient_client);
  g_test_add_func ("/simulator/faults/too-many-at-a-time-are-told-so", test_too_many);
  g_test_add_func ("/simulator/faults/words-come-back-as-they-went-in", test_words_come_back);
  return g_test_run ();
}
