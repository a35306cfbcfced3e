#include "control/teesql-control-request.h"
#include "control/teesql-control-server.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  char *folder;
  char *path;
  TeesqlStatus *status;
  TeesqlControlServer *server;
} Fixture;

static void
setup (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("teesql-control-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->path = g_build_filename (fixture->folder, TEESQL_CONTROL_SOCKET, NULL);
  fixture->status = teesql_status_new ();
  fixture->server = teesql_control_server_new (fixture->folder, fixture->status, NULL, &error);
  g_assert_no_error (error);
}

static void
teardown (Fixture *fixture, gconstpointer data)
{
  teesql_control_server_stop (fixture->server);
  g_assert_false (g_file_test (fixture->path, G_FILE_TEST_EXISTS));
  g_object_unref (fixture->server);
  g_object_unref (fixture->status);
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->path);
}

typedef struct
{
  GBytes *answer;
  gboolean done;
} Answer;

static void
read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL);
  answer->answer = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (source));
  answer->done = TRUE;
}

/* Everything the server says to @request, until it hangs up. */
static char *
ask (Fixture *fixture, const char *request, gsize size)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &error);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  Answer answer = { 0 };
  char *text = NULL;

  g_assert_no_error (error);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, size, NULL, NULL, &error);
  g_assert_no_error (error);
  g_output_stream_splice_async (memory, g_io_stream_get_input_stream (G_IO_STREAM (connection)), G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, read_cb, &answer);
  while (!answer.done)
    g_main_context_iteration (NULL, TRUE);
  text = g_strndup (g_bytes_get_data (answer.answer, NULL), g_bytes_get_size (answer.answer));
  g_bytes_unref (answer.answer);
  return text;
}

static JsonObject *
member (const char *text, const char *name)
{
  g_autoptr (JsonNode) root = json_from_string (text, NULL);

  g_assert_nonnull (root);
  g_assert_true (json_object_has_member (json_node_get_object (root), name));
  return json_object_ref (json_object_get_object_member (json_node_get_object (root), name));
}

static void
test_status (Fixture *fixture, gconstpointer data)
{
  static const char request[] = "{\"command\":\"status\"}\n";
  g_autofree char *text = NULL;
  g_autoptr (JsonObject) result = NULL;

  teesql_status_set_fact (fixture->status, "cluster", "orders");
  text = ask (fixture, request, strlen (request));
  result = member (text, "result");
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (result, "facts"), "cluster"), ==, "orders");
}

static void
test_no_backups (Fixture *fixture, gconstpointer data)
{
  static const char request[] = "{\"command\":\"backup-list\"}\n";
  g_autofree char *text = ask (fixture, request, strlen (request));
  g_autoptr (JsonObject) error = member (text, "error");

  g_assert_cmpstr (json_object_get_string_member (error, "reason"), ==, "backup-off");
  g_assert_nonnull (strstr (json_object_get_string_member (error, "message"), "hint: "));
}

static void
test_nonsense (Fixture *fixture, gconstpointer data)
{
  static const char request[] = "GET / HTTP/1.1\r\n\r\n";
  g_autofree char *text = ask (fixture, request, strlen (request));
  g_autoptr (JsonObject) error = member (text, "error");

  g_assert_cmpstr (json_object_get_string_member (error, "reason"), ==, "control-request");
}

static void
test_endless_line (Fixture *fixture, gconstpointer data)
{
  g_autofree char *request = g_strnfill (TEESQL_CONTROL_REQUEST_MAX + 1, ' ');
  g_autofree char *text = ask (fixture, request, strlen (request));
  g_autoptr (JsonObject) error = member (text, "error");

  g_assert_cmpstr (json_object_get_string_member (error, "reason"), ==, "control-request");
}

static void
test_mode (Fixture *fixture, gconstpointer data)
{
  struct stat st;

  g_assert_cmpint (stat (fixture->path, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 07777, ==, 0600);
}

static void
test_stale_socket (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TeesqlControlServer) again = NULL;
  g_autoptr (GError) error = NULL;

  again = teesql_control_server_new (fixture->folder, fixture->status, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (again);
}

static gboolean
too_long_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* An answer that no socket buffer holds, for somebody who asks and never reads: others get in again. */
static void
test_reader_that_does_not_read (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (64 * 1024, 'x');
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->path);
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  static const char request[] = "{\"command\":\"status\"}\n";
  gboolean too_long = FALSE;
  guint id = 0;

  for (guint i = 0; i < 32; i++)
    {
      g_autofree char *reason = g_strdup_printf ("filler-%u", i);

      teesql_status_add_notice (fixture->status, reason, "", filler);
    }
  connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &error);
  g_assert_no_error (error);
  g_assert_true (
      g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL, NULL, &error));
  id = g_timeout_add_seconds (30, too_long_cb, &too_long);
  while ((g_socket_condition_check (g_socket_connection_get_socket (connection), G_IO_HUP) & G_IO_HUP) == 0)
    {
      g_main_context_iteration (NULL, TRUE);
      g_assert_false (too_long);
    }
  g_source_remove (id);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/control/server/status is what the daemon knows", Fixture, NULL, setup, test_status, teardown);
  g_test_add ("/control/server/without storages backups are named as off", Fixture, NULL, setup, test_no_backups, teardown);
  g_test_add ("/control/server/nonsense gets a reason", Fixture, NULL, setup, test_nonsense, teardown);
  g_test_add ("/control/server/a line without end gets a reason", Fixture, NULL, setup, test_endless_line, teardown);
  g_test_add ("/control/server/nobody else may open the socket", Fixture, NULL, setup, test_mode, teardown);
  g_test_add ("/control/server/a socket that a dead daemon left is taken over", Fixture, NULL, setup, test_stale_socket, teardown);
  g_test_add ("/control/server/who asks and does not read is let go", Fixture, NULL, setup, test_reader_that_does_not_read, teardown);
  return g_test_run ();
}
