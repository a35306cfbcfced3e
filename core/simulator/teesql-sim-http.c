#include "simulator/teesql-sim-http.h"
#include "base/teesql-locked-memory.h"
#include "simulator/teesql-sim-json.h"
#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH_LENGTH 107
#define GARBAGE_SIZE    333

typedef struct
{
  char *text;
  gsize size;
} WipedText;

static void
free_wiped (gpointer data)
{
  WipedText *self = data;

  teesql_wipe (self->text, self->size);
  g_free (self->text);
  g_free (self);
}

void
teesql_sim_http_reply (SoupServerMessage *message, guint status, const char *content_type, GBytes *body)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  soup_server_message_set_status (message, status, NULL);
  soup_message_headers_replace (headers, "Content-Type", content_type);
  /* the SDK for JavaScript closes its half and waits for ours, which libsoup keeps open for a next request */
  soup_message_headers_replace (headers, "Connection", "close");
  if (g_bytes_get_size (body) > 0)
    soup_message_body_append_bytes (soup_server_message_get_response_body (message), body);
}

void
teesql_sim_http_reply_json (SoupServerMessage *message, guint status, char *json)
{
  WipedText *wiped = g_new0 (WipedText, 1);
  g_autoptr (GBytes) body = NULL;

  wiped->text = json;
  wiped->size = strlen (json);
  body = g_bytes_new_with_free_func (wiped->text, wiped->size, free_wiped, wiped);
  teesql_sim_http_reply (message, status, "application/json", body);
}

void
teesql_sim_http_reply_error (SoupServerMessage *message, guint status, const char *text)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  teesql_sim_json_add_string (builder, "error", text);
  json_builder_end_object (builder);
  teesql_sim_http_reply_json (message, status, teesql_sim_json_end (builder, TRUE));
}

/* the connection's own way to say that nothing more is coming */
static void
drop_connection (SoupServerMessage *message)
{
  g_autoptr (GIOStream) stream = soup_server_message_steal_connection (message);

  if (stream != NULL)
    g_io_stream_close (stream, NULL, NULL);
}

#define LOAD_KEY "teesql-sim-load"

/* what one server has under way; @waits: (element-type Wait): answers held back, which end with the server */
typedef struct
{
  guint n_requests;
  GPtrArray *waits;
} Load;

/* an answer that is held back, until its time, or until the client gives up: libsoup reads nothing meanwhile and would not notice */
typedef struct
{
  SoupServerMessage *message;
  Load *load;
  GSource *timer; /* (nullable) */
  GSource *socket;
} Wait;

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
wait_end (Wait *self)
{
  g_ptr_array_remove_fast (self->load->waits, self);
  clear_source (&self->timer);
  clear_source (&self->socket);
  g_object_unref (self->message);
  g_free (self);
}

static gboolean
time_over_cb (gpointer user_data)
{
  Wait *self = user_data;

  soup_server_message_unpause (self->message);
  wait_end (self);
  return G_SOURCE_REMOVE;
}

static gboolean
client_stirs_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Wait *self = user_data;
  char byte;
  gssize n = recv (g_socket_get_fd (socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    {
      clear_source (&self->socket); /* its next request: it stays */
      return G_SOURCE_REMOVE;
    }
  drop_connection (self->message);
  wait_end (self);
  return G_SOURCE_REMOVE;
}

/* @delay_ms: 0 for ever */
static void
hold_back (SoupServerMessage *message, guint delay_ms)
{
  Wait *self = g_new0 (Wait, 1);

  self->message = g_object_ref (message);
  self->load = g_object_get_data (G_OBJECT (message), LOAD_KEY);
  g_ptr_array_add (self->load->waits, self);
  soup_server_message_pause (message);
  if (delay_ms > 0)
    {
      self->timer = g_timeout_source_new (delay_ms);
      g_source_set_callback (self->timer, time_over_cb, self, NULL);
      g_source_attach (self->timer, g_main_context_get_thread_default ());
    }
  self->socket = g_socket_create_source (soup_server_message_get_socket (message), G_IO_IN | G_IO_HUP | G_IO_ERR, NULL);
  g_source_set_callback (self->socket, G_SOURCE_FUNC (client_stirs_cb), self, NULL);
  g_source_attach (self->socket, g_main_context_get_thread_default ());
}

gboolean
teesql_sim_http_misbehave (SoupServerMessage *message, const TeesqlSimTransportFaults *faults)
{
  if ((faults->flags & TEESQL_SIM_TRANSPORT_CLOSE) != 0)
    {
      drop_connection (message);
      return TRUE;
    }
  if ((faults->flags & TEESQL_SIM_TRANSPORT_HANG) != 0)
    {
      hold_back (message, 0);
      return TRUE;
    }
  if ((faults->flags & TEESQL_SIM_TRANSPORT_GARBAGE) != 0)
    {
      guint8 noise[GARBAGE_SIZE];
      g_autoptr (GBytes) body = NULL;

      if (gnutls_rnd (GNUTLS_RND_NONCE, noise, sizeof noise) != 0)
        return FALSE;
      body = g_bytes_new (noise, sizeof noise);
      teesql_sim_http_reply (message, 200, "application/json", body);
      return TRUE;
    }
  return FALSE;
}

void
teesql_sim_http_delay (SoupServerMessage *message, const TeesqlSimTransportFaults *faults)
{
  if (faults->slow_ms > 0)
    hold_back (message, faults->slow_ms);
}

static void
count_body_cb (SoupServerMessage *message, GBytes *chunk, gpointer user_data)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);

  if ((gsize) body->length > TEESQL_SIM_MAX_BODY)
    drop_connection (message);
}

static void
check_headers_cb (SoupServerMessage *message, gpointer user_data)
{
  const Load *load = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  gboolean too_large = soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH &&
                       (gsize) soup_message_headers_get_content_length (headers) > TEESQL_SIM_MAX_BODY;

  if (!too_large && load->n_requests <= TEESQL_SIM_MAX_REQUESTS)
    return;
  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  if (too_large)
    teesql_sim_http_reply_error (message, 400, "payload too large");
  else
    teesql_sim_http_reply_error (message, 503, "too many requests at a time");
}

static void
load_clear (gpointer data)
{
  Load *load = data;

  g_ptr_array_unref (load->waits);
}

static void
load_unref (Load *load)
{
  g_rc_box_release_full (load, load_clear);
}

/* the server is going, and the connections with it */
static void
load_close (gpointer data)
{
  Load *load = data;

  while (load->waits->len > 0)
    wait_end (g_ptr_array_index (load->waits, load->waits->len - 1));
  load_unref (load);
}

/* libsoup names no end for a stolen connection, so the message's own counts */
static void
message_gone_cb (gpointer data, GObject *message)
{
  Load *load = data;

  load->n_requests--;
  load_unref (load);
}

static void
request_started_cb (SoupServer *server, SoupServerMessage *message, gpointer user_data)
{
  Load *load = user_data;

  load->n_requests++;
  g_object_set_data (G_OBJECT (message), LOAD_KEY, load);
  g_object_weak_ref (G_OBJECT (message), message_gone_cb, g_rc_box_acquire (load));
  g_signal_connect (message, "got-headers", G_CALLBACK (check_headers_cb), load);
  g_signal_connect (message, "got-chunk", G_CALLBACK (count_body_cb), NULL);
}

SoupServer *
teesql_sim_http_new (void)
{
  SoupServer *server = soup_server_new ("server-header", "teesql-simulator", NULL);
  Load *load = g_rc_box_new0 (Load);

  load->waits = g_ptr_array_new ();
  g_object_set_data_full (G_OBJECT (server), LOAD_KEY, load, load_close);
  g_signal_connect (server, "request-started", G_CALLBACK (request_started_cb), load);
  return server;
}

static gboolean
fail_listen (GError **error, const char *address, const char *what)
{
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-listen", 0, "%s: %s", address, what));
  return FALSE;
}

/* a socket that nobody listens on any more is in the way; anything else is left alone */
static gboolean
remove_stale (const char *path, GError **error)
{
  g_autoptr (GSocketClient) client = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketConnection) connection = NULL;
  struct stat status;

  if (lstat (path, &status) != 0)
    return TRUE;
  if (!S_ISSOCK (status.st_mode))
    return fail_listen (error, path, "it exists and is no socket");
  client = g_socket_client_new ();
  address = g_unix_socket_address_new (path);
  connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  if (connection != NULL)
    return fail_listen (error, path, "another process listens there");
  if (unlink (path) != 0 && errno != ENOENT)
    return fail_listen (error, path, g_strerror (errno));
  return TRUE;
}

GSocket *
teesql_sim_unix_socket_new (const char *path, GError **error)
{
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  mode_t mask;
  gboolean bound;

  if (strlen (path) > MAX_PATH_LENGTH || path[0] != '/')
    {
      fail_listen (error, path, "a socket needs an absolute path of at most 107 bytes");
      return NULL;
    }
  if (!remove_stale (path, error))
    return NULL;
  socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
  if (socket == NULL)
    return NULL;
  address = g_unix_socket_address_new (path);
  mask = umask (0177); /* whoever reaches an agent has every key */
  bound = g_socket_bind (socket, address, FALSE, error);
  umask (mask);
  if (!bound || !g_socket_listen (socket, error))
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  return g_steal_pointer (&socket);
}

gboolean
teesql_sim_http_listen_unix (SoupServer *server, const char *path, GError **error)
{
  g_autoptr (GSocket) socket = teesql_sim_unix_socket_new (path, error);

  return socket != NULL && soup_server_listen_socket (server, socket, 0, error);
}

char *
teesql_sim_http_listen_tcp (SoupServer *server, const char *address, gboolean loopback_only, GError **error)
{
  g_autoptr (GSocketConnectable) parsed = g_network_address_parse (address, 0, error);
  g_autoptr (GInetAddress) inet = NULL;
  g_autoptr (GSocketAddress) socket_address = NULL;
  GSList *uris;
  g_autofree char *uri = NULL;
  gsize length;

  if (parsed == NULL)
    return NULL;
  inet = g_inet_address_new_from_string (g_network_address_get_hostname (G_NETWORK_ADDRESS (parsed)));
  if (inet == NULL || (loopback_only && !g_inet_address_get_is_loopback (inet)))
    {
      fail_listen (error, address, inet == NULL ? "expected ADDR:PORT" : "an agent hands out keys: only a loopback address is taken");
      return NULL;
    }
  socket_address = g_inet_socket_address_new (inet, g_network_address_get_port (G_NETWORK_ADDRESS (parsed)));
  if (!soup_server_listen (server, socket_address, 0, error))
    {
      g_prefix_error (error, "%s: ", address);
      return NULL;
    }
  uris = soup_server_get_uris (server);
  uri = uris != NULL ? g_uri_to_string (uris->data) : g_strdup ("");
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  length = strlen (uri);
  return g_strndup (uri, length > 0 && uri[length - 1] == '/' ? length - 1 : length);
}
