#include "sim-test.h"
#include "base/teesql-hex.h"
#include "simulator/teesql-sim-json.h"
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_SECONDS 20

TeesqlSecret *
sim_seed_new (guint8 filler)
{
  guint8 bytes[32];
  g_autoptr (GError) error = NULL;
  TeesqlSecret *seed;

  memset (bytes, filler, sizeof bytes);
  seed = teesql_secret_new (bytes, sizeof bytes, &error);
  g_assert_no_error (error);
  return seed;
}

static char *
write_app (const char *directory, const SimWorldOptions *options)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (directory, "app.json", NULL);

  json_builder_begin_object (builder);
  teesql_sim_json_add_string (builder, "name", "orders");
  teesql_sim_json_add_string (builder, "image", options->image != NULL ? options->image : "teesql-guest");
  teesql_sim_json_add_string (builder, "compose", options->compose != NULL ? options->compose : "services:\n  teesqld: {}\n");
  json_builder_end_object (builder);
  text = teesql_sim_json_end (builder, FALSE);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  return path;
}

SimWorld *
sim_world_new (const SimWorldOptions *options)
{
  SimWorld *self = g_new0 (SimWorld, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) seed = sim_seed_new (options->seed != 0 ? options->seed : 0x2a);
  g_auto (GStrv) words = options->misbehave != NULL ? g_strsplit (options->misbehave, ";", -1) : NULL;
  g_autofree char *app = NULL;
  TeesqlSimulatorSettings settings = { 0 };

  self->directory = g_dir_make_tmp ("sim-XXXXXX", &error);
  g_assert_no_error (error);
  self->socket = g_build_filename (self->directory, "agent.sock", NULL);
  self->control = g_build_filename (self->directory, "control.sock", NULL);
  app = write_app (self->directory, options);
  settings.platform_seed = seed;
  settings.machine = options->machine != NULL ? options->machine : "server";
  settings.app = app;
  settings.listen = self->socket;
  settings.http_listen = "127.0.0.1:0";
  settings.pccs_listen = "127.0.0.1:0";
  settings.control_socket = self->control;
  settings.quote_version = options->quote_version != NULL ? options->quote_version : "4";
  settings.tcb_status = options->tcb_status != NULL ? options->tcb_status : "UpToDate";
  settings.misbehave = (const char *const *) words;
  self->simulator = teesql_simulator_new (&settings, &error);
  g_assert_no_error (error);
  if (options->start)
    {
      gboolean started = teesql_simulator_start (self->simulator, &error);

      g_assert_no_error (error);
      g_assert_true (started);
    }
  return self;
}

void
sim_world_free (SimWorld *self)
{
  g_autofree char *app = g_build_filename (self->directory, "app.json", NULL);

  g_clear_pointer (&self->simulator, teesql_simulator_free);
  g_unlink (app);
  g_assert_cmpint (g_rmdir (self->directory), ==, 0); /* the simulator removed its sockets */
  g_free (self->directory);
  g_free (self->socket);
  g_free (self->control);
  g_free (self);
}

const TeesqlSimGuest *
sim_world_guest (const SimWorld *self)
{
  return teesql_simulator_get_guest (self->simulator);
}

/* --- a client that shows what came over the wire; the simulator runs on this thread's loop, so it works in another */

typedef struct
{
  const char *address;
  GByteArray *request;
  GByteArray *response;
  gboolean done;
} Exchange;

static GSocketConnectable *
connectable_for (const char *address)
{
  g_autoptr (GError) error = NULL;
  GSocketConnectable *connectable;

  if (address[0] == '/')
    return G_SOCKET_CONNECTABLE (g_unix_socket_address_new (address));
  connectable = g_network_address_parse (address + strlen ("http://"), 0, &error);
  g_assert_no_error (error);
  return connectable;
}

static gpointer
exchange_thread (gpointer data)
{
  Exchange *exchange = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnectable) connectable = connectable_for (exchange->address);
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  guint8 chunk[8192];
  gssize n;

  g_socket_client_set_timeout (client, DEADLINE_SECONDS);
  connection = g_socket_client_connect (client, connectable, NULL, &error);
  g_assert_no_error (error);
  /* a server that refuses a body may close before it is all sent */
  (void) g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), exchange->request->data,
                                    exchange->request->len, NULL, NULL, NULL);
  while ((n = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), chunk, sizeof chunk, NULL, NULL)) > 0)
    g_byte_array_append (exchange->response, chunk, (guint) n);
  g_atomic_int_set (&exchange->done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

static SimAnswer *
parse_answer (const GByteArray *response)
{
  SimAnswer *answer = g_new0 (SimAnswer, 1);
  g_autofree char *text = g_strndup (response->len > 0 ? (const char *) response->data : "", response->len);
  char *end = strstr (text, "\r\n\r\n");

  if (end == NULL || !g_str_has_prefix (text, "HTTP/1.1 "))
    return answer;
  answer->status = (guint) g_ascii_strtoull (text + strlen ("HTTP/1.1 "), NULL, 10);
  g_autofree char *head = g_strndup (text, (gsize) (end - text));
  answer->headers = g_ascii_strdown (head, -1);
  answer->size = response->len - (gsize) (end + 4 - text);
  answer->body = g_malloc0 (answer->size + 1);
  memcpy (answer->body, response->data + (end + 4 - text), answer->size);
  return answer;
}

SimAnswer *
sim_request (const char *address, const char *head, const char *body, gsize body_size)
{
  Exchange exchange = { address, g_byte_array_new (), g_byte_array_new (), FALSE };
  g_autofree char *length = g_strdup_printf ("\r\nHost: dstack\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n", body_size);
  GThread *thread;
  SimAnswer *answer;

  g_byte_array_append (exchange.request, (const guint8 *) head, (guint) strlen (head));
  g_byte_array_append (exchange.request, (const guint8 *) length, (guint) strlen (length));
  if (body_size > 0)
    g_byte_array_append (exchange.request, (const guint8 *) body, (guint) body_size);
  thread = g_thread_new ("client", exchange_thread, &exchange);
  while (!g_atomic_int_get (&exchange.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  answer = parse_answer (exchange.response);
  g_byte_array_unref (exchange.request);
  g_byte_array_unref (exchange.response);
  return answer;
}

SimAnswer *
sim_get (const char *address, const char *target)
{
  g_autofree char *head = g_strdup_printf ("GET %s HTTP/1.1", target);

  return sim_request (address, head, NULL, 0);
}

SimAnswer *
sim_post (const char *address, const char *target, const char *json)
{
  g_autofree char *head = g_strdup_printf ("POST %s HTTP/1.1\r\nContent-Type: application/json", target);

  return sim_request (address, head, json, strlen (json));
}

void
sim_answer_free (SimAnswer *self)
{
  g_free (self->body);
  g_free (self->headers);
  g_free (self);
}

JsonObject *
sim_answer_object (const SimAnswer *self)
{
  g_autoptr (GError) error = NULL;
  JsonObject *object;

  g_assert_cmpuint (self->status, ==, 200);
  object = teesql_sim_json_parse_object (self->body, self->size, &error);
  g_assert_no_error (error);
  return object;
}

const char *
sim_json_string (JsonObject *object, const char *name)
{
  g_assert_true (json_object_has_member (object, name));
  return json_object_get_string_member (object, name);
}

GBytes *
sim_json_bytes (JsonObject *object, const char *name)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = teesql_hex_decode (sim_json_string (object, name), -1, &error);

  g_assert_no_error (error);
  return bytes;
}

void
sim_assert_bytes (GBytes *bytes, const guint8 *expected, gsize expected_size)
{
  g_assert_nonnull (bytes);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes), expected, (int) expected_size);
}
