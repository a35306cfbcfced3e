#include "http/teesql-http-server.h"
#include "http/teesql-http-connection.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

/* Real sockets on loopback; server and client share this thread's main context, so the client side never blocks. */

#define TIMEOUT_MS 300
#define LARGE      (32 << 20) /* more than the kernel will hold for two sockets */

typedef struct
{
  TeesqlStatus *status;
  TeesqlHttpServer *server;
  TeesqlHttpRequest *kept; /* by the handler of /later */
  guint n_later;
} Fixture;

static void
later_handle (TeesqlHttpRequest *request, gpointer user_data)
{
  Fixture *self = user_data;

  self->n_later++;
  g_clear_pointer (&self->kept, teesql_http_request_unref);
  self->kept = teesql_http_request_ref (request);
}

static void
never_handle (TeesqlHttpRequest *request, gpointer user_data)
{
}

static void
large_handle (TeesqlHttpRequest *request, gpointer user_data)
{
  g_autofree char *body = g_strnfill (LARGE, 'x');

  teesql_http_request_respond (request, 200, "text/plain", body, 0);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->status = teesql_status_new ();
  self->server = teesql_http_server_new (self->status);
  teesql_http_server_set_limits (self->server, 64, TIMEOUT_MS);
  teesql_http_server_add_resource (self->server, "/later", later_handle, self);
  teesql_http_server_add_resource (self->server, "/never", never_handle, NULL);
  teesql_http_server_add_resource (self->server, "/large", large_handle, NULL);
  g_assert_true (teesql_http_server_listen (self->server, "127.0.0.1:0", &error));
  g_assert_cmpuint (teesql_http_server_get_port (self->server), >, 0);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_clear_pointer (&self->kept, teesql_http_request_unref);
  g_object_unref (self->server);
  g_object_unref (self->status);
}

static GSocket *
dial (Fixture *self)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", teesql_http_server_get_port (self->server));
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);

  g_assert_nonnull (socket);
  g_assert_true (g_socket_connect (socket, address, NULL, NULL)); /* the backlog answers, whether or not we accept */
  g_socket_set_blocking (socket, FALSE);
  return socket;
}

static void
say (GSocket *socket, const char *text)
{
  g_assert_cmpint (g_socket_send (socket, text, strlen (text), NULL, NULL), ==, (gssize) strlen (text));
}

/* One read if there is something; FALSE at the end of the connection. */
static gboolean
listen_once (GSocket *socket, GString *heard)
{
  char buffer[65536];
  g_autoptr (GError) error = NULL;
  gssize n = g_socket_receive (socket, buffer, sizeof buffer, NULL, &error);

  if (n > 0)
    g_string_append_len (heard, buffer, n);
  return n > 0 || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static gboolean
tick_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Until @enough is heard (NULL: until the server closes). The test runner's timeout is the deadline. */
static char *
hear (GSocket *socket, const char *enough)
{
  g_autoptr (GString) heard = g_string_new (NULL);
  guint tick = g_timeout_add (5, tick_cb, NULL); /* our reads are not in the loop: it must turn now and then */

  while (listen_once (socket, heard) && (enough == NULL || strstr (heard->str, enough) == NULL))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  return g_strndup (heard->str, heard->len);
}

static char *
ask (Fixture *self, const char *text)
{
  g_autoptr (GSocket) socket = dial (self);

  say (socket, text);
  return hear (socket, NULL);
}

static char *
get (Fixture *self, const char *path)
{
  g_autofree char *text = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);

  return ask (self, text);
}

static void
assert_begins (const char *answer, const char *prefix)
{
  if (!g_str_has_prefix (answer, prefix))
    g_error ("expected %s, heard %.200s", prefix, answer);
}

static JsonObject *
parse_body (const char *answer, JsonParser *parser)
{
  const char *body = strstr (answer, "\r\n\r\n");

  g_assert_nonnull (body);
  g_assert_true (json_parser_load_from_data (parser, body + 4, -1, NULL));
  return json_node_get_object (json_parser_get_root (parser));
}

static void
assert_health (Fixture *self, const char *path, const char *line, const char *word)
{
  g_autofree char *answer = get (self, path);
  g_autoptr (JsonParser) parser = json_parser_new ();

  assert_begins (answer, line);
  g_assert_cmpstr (json_object_get_string_member (parse_body (answer, parser), "status"), ==, word);
}

static void
health_follows_the_status (Fixture *self, gconstpointer data)
{
  assert_health (self, "/health", "HTTP/1.1 503 ", "starting");
  assert_health (self, "/health/startup", "HTTP/1.1 503 ", "starting");
  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_OK, NULL, NULL);
  assert_health (self, "/health", "HTTP/1.1 200 OK\r\n", "ok");
  assert_health (self, "/health/ready", "HTTP/1.1 200 OK\r\n", "ok");
  assert_health (self, "/health/startup", "HTTP/1.1 200 OK\r\n", "ok");
  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_DEGRADED, "slow", "m");
  assert_health (self, "/health", "HTTP/1.1 200 OK\r\n", "degraded");
  assert_health (self, "/health/ready", "HTTP/1.1 200 OK\r\n", "degraded");
  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_FAILED, "gone", "secret host name");
  assert_health (self, "/health", "HTTP/1.1 503 ", "failed");
  assert_health (self, "/health/ready", "HTTP/1.1 503 ", "failed");
  assert_health (self, "/health/startup", "HTTP/1.1 200 OK\r\n", "failed");
}

static void
health_names_reason_and_taints_and_no_more (Fixture *self, gconstpointer data)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *answer = NULL;
  JsonObject *body = NULL;

  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_DEGRADED, "slow", "secret host name");
  teesql_status_add_taint (self->status, "simulator at \"x\"");
  answer = get (self, "/health");
  body = parse_body (answer, parser);
  g_assert_cmpint (json_object_get_int_member (body, "schema"), ==, 1);
  g_assert_cmpstr (json_object_get_string_member (body, "reason"), ==, "slow");
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (body, "taints"), 0), ==, "simulator at \"x\"");
  g_assert_null (strstr (answer, "secret host name"));
  g_assert_nonnull (strstr (answer, "\r\nCache-Control: no-store\r\n"));
  g_assert_nonnull (strstr (answer, "\r\nConnection: close\r\n"));
}

static void
the_index_lists_everything (Fixture *self, gconstpointer data)
{
  g_autofree char *answer = get (self, "/");

  g_assert_true (g_str_has_suffix (answer, "\r\n\r\n/\n/health\n/health/ready\n/health/startup\n/large\n/later\n/never\n"));
}

static void
head_has_the_length_and_not_the_body (Fixture *self, gconstpointer data)
{
  g_autofree char *with = get (self, "/");
  g_autofree char *without = ask (self, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const char *length = strstr (with, "\r\nContent-Length: ");
  g_autofree char *line = g_strndup (length, (gsize) (strstr (length + 2, "\r\n") - length));

  assert_begins (without, "HTTP/1.1 200 OK\r\n");
  g_assert_nonnull (strstr (without, line));
  g_assert_true (g_str_has_suffix (without, "\r\n\r\n"));
}

static void
what_cannot_be_answered_is_refused_with_a_reason (Fixture *self, gconstpointer data)
{
  g_autofree char *field = g_strnfill (9000, 'f');
  g_autofree char *huge = g_strdup_printf ("GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", field);
  g_autofree char *target = g_strdup_printf ("GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", field);
  const struct
  {
    const char *question;
    const char *line;
    const char *reason;
  } cases[] = {
    { "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "not-found" },
    { "GET /health/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "not-found" },
    { "GET /%68ealth HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "not-found" },
    { "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 Method Not Allowed\r\n", "method-not-allowed" },
    { "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "bad-host" },
    { "\x16\x03\x01\x02\x0a\x01", "HTTP/1.1 400 Bad Request\r\n", "bad-line-end" },
    { "garbage\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "bad-request-line" },
    { huge, "HTTP/1.1 431 Request Header Fields Too Large\r\n", "head-too-large" },
    { target, "HTTP/1.1 414 URI Too Long\r\n", "target-too-long" },
    { "GET /never HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 500 Internal Server Error\r\n", "no-answer" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *answer = ask (self, cases[i].question);
      g_autoptr (JsonParser) parser = json_parser_new ();

      assert_begins (answer, cases[i].line);
      g_assert_cmpstr (json_object_get_string_member (parse_body (answer, parser), "reason"), ==, cases[i].reason);
      g_assert_nonnull (strstr (answer, "\r\nConnection: close\r\n"));
      g_assert_true ((strstr (answer, "\r\nAllow: GET, HEAD\r\n") != NULL) == (strstr (cases[i].line, "405") != NULL));
    }
}

static guint
count (const char *text, const char *needle)
{
  guint n = 0;

  for (const char *p = strstr (text, needle); p != NULL; p = strstr (p + 1, needle))
    n++;
  return n;
}

static void
a_pipeline_is_answered_in_order (Fixture *self, gconstpointer data)
{
  g_autofree char *answer = ask (self, "GET /nothing?1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  g_autoptr (GString) pipeline = g_string_new (NULL);
  g_autofree char *answers = NULL;

  assert_begins (answer, "HTTP/1.1 404");
  for (guint i = 0; i < 20; i++)
    g_string_append (pipeline, i % 2 == 0 ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n" : "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
  teesql_status_set_component (self->status, TEESQL_COMPONENT_KMS, TEESQL_HEALTH_OK, NULL, NULL);
  g_string_append (pipeline, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  answers = ask (self, pipeline->str);
  g_assert_cmpuint (count (answers, "HTTP/1.1 200 OK\r\n"), ==, 20);
  g_assert_cmpuint (count (answers, "/health/startup\n"), ==, 10);
  g_assert_cmpuint (count (answers, "HTTP/1.1 404"), ==, 1);
  g_assert_cmpuint (count (answers, "Connection: keep-alive\r\n"), ==, 20);
}

static void
a_connection_ends_after_many_requests (Fixture *self, gconstpointer data)
{
  g_autoptr (GString) pipeline = g_string_new (NULL);
  g_autofree char *answers = NULL;

  for (guint i = 0; i < 120; i++)
    g_string_append (pipeline, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  answers = ask (self, pipeline->str);
  g_assert_cmpuint (count (answers, "HTTP/1.1 200 OK\r\n"), ==, 100);
}

typedef struct
{
  GSocket *socket;
  gsize sent;
} SlowSender;

static gboolean
send_byte_cb (gpointer user_data)
{
  static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  SlowSender *self = user_data;
  char byte = self->sent < sizeof text - 1 ? text[self->sent] : 'x';

  (void) g_socket_send (self->socket, &byte, 1, NULL, NULL); /* refused once the server has closed */
  self->sent++;
  return G_SOURCE_CONTINUE;
}

/* One byte every 10 ms for ever: each byte is prompt, the head is not. */
static void
a_slow_sender_is_cut_off (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self);
  SlowSender sender = { socket, 0 };
  gint64 begun = g_get_monotonic_time ();
  guint source = g_timeout_add (10, send_byte_cb, &sender);
  g_autofree char *heard = hear (socket, NULL);

  g_source_remove (source);
  assert_begins (heard, "HTTP/1.1 408 Request Timeout\r\n");
  g_assert_cmpint (g_get_monotonic_time () - begun, >=, TIMEOUT_MS * 1000 - 1000);
  g_assert_cmpuint (sender.sent, >, 10);
}

static void
a_silent_connection_is_closed_without_a_word (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self);
  g_autofree char *heard = hear (socket, NULL);

  g_assert_cmpstr (heard, ==, "");
}

static void
a_slow_reader_is_cut_off (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self);
  g_autofree char *heard = NULL;
  g_autofree char *other = NULL;
  gint64 begun = g_get_monotonic_time ();
  guint tick = g_timeout_add (5, tick_cb, NULL);

  say (socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  while (g_get_monotonic_time () - begun < (TIMEOUT_MS + 200) * 1000) /* the condition is time itself: nothing is read until then */
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  heard = hear (socket, NULL);
  g_assert_cmpuint (strlen (heard), <, LARGE);
  other = get (self, "/");
  assert_begins (other, "HTTP/1.1 200 OK\r\n");
}

static void
a_large_answer_arrives_whole (Fixture *self, gconstpointer data)
{
  g_autofree char *answer = NULL;

  teesql_http_server_set_limits (self->server, 64, 60000);
  answer = get (self, "/large");
  g_assert_cmpuint (strlen (strstr (answer, "\r\n\r\n") + 4), ==, LARGE);
}

static void
an_answer_may_come_later (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self);
  g_autofree char *answer = NULL;

  say (socket, "GET /later?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  while (self->kept == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (teesql_http_request_get_query (self->kept), ==, "x=1");
  g_assert_cmpstr (teesql_http_request_get_peer (self->kept), ==, "127.0.0.1");
  teesql_http_request_respond (self->kept, 200, "text/plain", "at last", 0);
  teesql_http_request_respond (self->kept, 200, "text/plain", "twice", 0); /* has no effect */
  answer = hear (socket, NULL);
  g_assert_true (g_str_has_suffix (answer, "\r\n\r\nat last"));
}

static void
an_answer_that_comes_too_late_is_503 (Fixture *self, gconstpointer data)
{
  g_autofree char *answer = get (self, "/later");

  assert_begins (answer, "HTTP/1.1 503 Service Unavailable\r\n");
  g_assert_nonnull (strstr (answer, "\r\nRetry-After: 1\r\n"));
  g_assert_true (g_cancellable_is_cancelled (teesql_http_request_get_cancellable (self->kept)));
  teesql_http_request_respond (self->kept, 200, "text/plain", "too late", 0);
}

static void
one_address_cannot_have_everything (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *answer = NULL;

  for (guint i = 0; i < 16; i++) /* a quarter of 64 */
    g_ptr_array_add (sockets, dial (self));
  answer = get (self, "/");
  assert_begins (answer, "HTTP/1.1 503 Service Unavailable\r\n");
  g_ptr_array_set_size (sockets, 0);
  g_clear_pointer (&answer, g_free);
  do
    {
      g_free (answer);
      answer = get (self, "/");
    }
  while (!g_str_has_prefix (answer, "HTTP/1.1 200"));
}

/* The oldest idle connection makes room for one that asks. */
static void
idle_connections_make_room (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *answer = NULL;
  g_autofree char *heard = NULL;

  teesql_http_server_set_limits (self->server, 3, 60000);
  for (guint i = 0; i < 3; i++)
    {
      g_ptr_array_add (sockets, dial (self));
      say (sockets->pdata[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      g_free (hear (sockets->pdata[i], "/never\n"));
    }
  answer = get (self, "/");
  assert_begins (answer, "HTTP/1.1 200 OK\r\n");
  heard = hear (sockets->pdata[0], NULL); /* the oldest is gone */
  g_assert_cmpstr (heard, ==, "");
}

/* Slow senders with a few addresses must not keep the health check out. */
static void
half_a_request_makes_room (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *answer = NULL;
  g_autofree char *heard = NULL;

  teesql_http_server_set_limits (self->server, 3, 60000);
  for (guint i = 0; i < 3; i++)
    {
      g_ptr_array_add (sockets, dial (self));
      say (sockets->pdata[i], "GET / HTT");
    }
  answer = get (self, "/");
  assert_begins (answer, "HTTP/1.1 200 OK\r\n");
  heard = hear (sockets->pdata[0], NULL); /* the oldest is gone */
  g_assert_cmpstr (heard, ==, "");
}

static void
assert_peer (const char *address, const char *expected)
{
  g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);
  g_autofree char *peer = teesql_http_connection_format_peer (parsed);

  g_assert_cmpstr (peer, ==, expected);
}

static void
an_ipv6_subscriber_is_one_address (Fixture *self, gconstpointer data)
{
  assert_peer ("192.0.2.7", "192.0.2.7");
  assert_peer ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
  assert_peer ("2001:db8:1:2:ffff::1", "2001:db8:1:2::");
  assert_peer ("2001:db8:1:3::1", "2001:db8:1:3::");
}

static void
running_out_of_descriptors_is_survived (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self); /* has its descriptor; the server's end has not */
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (int));
  struct rlimit before = { 0 };
  struct rlimit low = { 0 };
  g_autofree char *answer = NULL;
  gint64 begun = g_get_monotonic_time ();
  guint tick = g_timeout_add (5, tick_cb, NULL);
  int fd = -1;

  say (socket, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  low = (struct rlimit){ 64, before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &low), ==, 0);
  while ((fd = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
    g_array_append_val (taken, fd);
  while (g_get_monotonic_time () - begun < 100000) /* time for the server to meet EMFILE, which it does in its first turn */
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  for (guint i = 0; i < taken->len; i++)
    close (g_array_index (taken, int, i));
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  answer = hear (socket, NULL);
  assert_begins (answer, "HTTP/1.1 200 OK\r\n");
}

static void
stopping_ends_listeners_and_requests (Fixture *self, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (self);
  g_autofree char *heard = NULL;

  say (socket, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  while (self->kept == NULL)
    g_main_context_iteration (NULL, TRUE);
  teesql_http_server_stop (self->server);
  g_assert_true (g_cancellable_is_cancelled (teesql_http_request_get_cancellable (self->kept)));
  heard = hear (socket, NULL);
  g_assert_cmpstr (heard, ==, "");
  g_assert_cmpuint (teesql_http_server_get_port (self->server), ==, 0);
}

static void
addresses_are_checked (Fixture *self, gconstpointer data)
{
  const char *const bad[] = { "", "127.0.0.1", "localhost:80", "127.0.0.1:65536", "127.0.0.1:x", ":80", "[::1:80" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (teesql_http_server_listen (self->server, bad[i], &error));
      g_assert_nonnull (error);
    }
}

static void
a_given_socket_is_adopted (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlHttpServer) server = teesql_http_server_new (self->status);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GError) error = NULL;
  TeesqlHttpServer *first = self->server;
  g_autofree char *answer = NULL;

  g_assert_true (g_socket_bind (socket, address, FALSE, NULL));
  g_assert_false (teesql_http_server_adopt (server, g_socket_get_fd (socket), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_true (g_socket_listen (socket, NULL));
  g_assert_true (teesql_http_server_adopt (server, dup (g_socket_get_fd (socket)), NULL));
  self->server = server;
  answer = get (self, "/");
  self->server = first;
  assert_begins (answer, "HTTP/1.1 200 OK\r\n");
}

static void
the_configuration_sets_addresses_and_limits (Fixture *self, gconstpointer data)
{
  const char *text = "[teesql]\ncluster = orders\n[http]\nlisten = 127.0.0.1:0;[::1]:0\nrequest-timeout = 200ms\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);
  g_autoptr (TeesqlHttpServer) server = NULL;

  g_assert_no_error (error);
  server = teesql_http_server_new_from_config (config, self->status, &error);
  if (server == NULL && strstr (error->message, "[::1]") != NULL)
    {
      g_test_skip ("SKIP http-server: no IPv6 here");
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_http_server_get_port (server), >, 0);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/server/health follows the status", health_follows_the_status);
  ADD ("/server/health names reason and taints and no more", health_names_reason_and_taints_and_no_more);
  ADD ("/server/the index lists everything", the_index_lists_everything);
  ADD ("/server/HEAD has the length and not the body", head_has_the_length_and_not_the_body);
  ADD ("/server/what cannot be answered is refused with a reason", what_cannot_be_answered_is_refused_with_a_reason);
  ADD ("/server/a pipeline is answered in order", a_pipeline_is_answered_in_order);
  ADD ("/server/a connection ends after many requests", a_connection_ends_after_many_requests);
  ADD ("/server/a slow sender is cut off", a_slow_sender_is_cut_off);
  ADD ("/server/a silent connection is closed without a word", a_silent_connection_is_closed_without_a_word);
  ADD ("/server/a slow reader is cut off", a_slow_reader_is_cut_off);
  ADD ("/server/a large answer arrives whole", a_large_answer_arrives_whole);
  ADD ("/server/an answer may come later", an_answer_may_come_later);
  ADD ("/server/an answer that comes too late is 503", an_answer_that_comes_too_late_is_503);
  ADD ("/server/one address cannot have everything", one_address_cannot_have_everything);
  ADD ("/server/idle connections make room", idle_connections_make_room);
  ADD ("/server/half a request makes room", half_a_request_makes_room);
  ADD ("/server/an IPv6 subscriber is one address", an_ipv6_subscriber_is_one_address);
  ADD ("/server/running out of descriptors is survived", running_out_of_descriptors_is_survived);
  ADD ("/server/stopping ends listeners and requests", stopping_ends_listeners_and_requests);
  ADD ("/server/addresses are checked", addresses_are_checked);
  ADD ("/server/a given socket is adopted", a_given_socket_is_adopted);
  ADD ("/server/the configuration sets addresses and limits", the_configuration_sets_addresses_and_limits);
  return g_test_run ();
}
