#include "http/teesql-http-server.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "http/teesql-http-connection.h"
#include "http/teesql-http-resources.h"
#include "http/teesql-http-response.h"
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_CONNECTIONS 64
#define DEFAULT_TIMEOUT_MS  10000
#define ADDRESS_SHARE       4   /* one address may hold a quarter of the connections */
#define ADDRESS_MIN         4   /* and this many where that is less */
#define ACCEPT_PAUSE_MS     250 /* without descriptors (SR-11) */
#define ACCEPTS_PER_TURN    16  /* then the others have a turn */
#define BACKLOG             128

typedef struct
{
  TeesqlHttpHandler handler;
  gpointer user_data;
} Resource;

typedef struct
{
  TeesqlHttpServer *server; /* borrowed */
  GSocket *socket;
  GSource *source; /* accepts, or waits until it may again */
} Listener;

struct _TeesqlHttpServer
{
  GObject parent_instance;
  TeesqlStatus *status;
  GHashTable *resources; /* path -> Resource */
  GPtrArray *listeners;
  GQueue connections; /* in order of arrival */
  guint max_connections;
  guint timeout_ms;
};

G_DEFINE_FINAL_TYPE (TeesqlHttpServer, teesql_http_server, G_TYPE_OBJECT)

static void accept_again (Listener *listener);

static void
listener_free (gpointer data)
{
  Listener *self = data;

  if (self->source != NULL)
    {
      g_source_destroy (self->source);
      g_source_unref (self->source);
    }
  g_socket_close (self->socket, NULL);
  g_object_unref (self->socket);
  g_free (self);
}

static void
connection_closed (TeesqlHttpConnection *connection, gpointer user_data)
{
  TeesqlHttpServer *self = user_data;

  g_queue_remove (&self->connections, connection);
  teesql_http_connection_free (connection);
}

static void
handle_request (TeesqlHttpRequest *request, gpointer user_data)
{
  TeesqlHttpServer *self = user_data;
  Resource *resource = g_hash_table_lookup (self->resources, teesql_http_request_get_path (request));

  if (resource != NULL)
    resource->handler (request, resource->user_data);
  else
    teesql_http_request_respond_error (request, 404, "not-found", "there is nothing here", 0);
}

static guint
count_from (TeesqlHttpServer *self, const char *peer)
{
  guint n = 0;

  for (GList *l = self->connections.head; l != NULL; l = l->next)
    n += strcmp (teesql_http_connection_get_peer (l->data), peer) == 0;
  return n;
}

/* The longest waiting connection on which nothing has been asked; half a head is no question, or who sends one byte keeps a place. */
static gboolean
drop_idle (TeesqlHttpServer *self)
{
  for (GList *l = self->connections.head; l != NULL; l = l->next)
    {
      if (!teesql_http_connection_is_idle (l->data))
        continue;
      connection_closed (l->data, self);
      return TRUE;
    }
  return FALSE;
}

/* One try: who does not take it at once does without. */
static void
turn_away (GSocket *socket)
{
  g_autofree char *body = teesql_http_response_error_body ("too-many-connections", "try again in a moment");
  g_autoptr (GBytes) answer = teesql_http_response_format (503, "application/json", body, 1, FALSE, FALSE);
  gsize size = 0;
  const char *data = g_bytes_get_data (answer, &size);

  g_socket_set_blocking (socket, FALSE);
  (void) g_socket_send (socket, data, size, NULL, NULL);
  g_socket_close (socket, NULL);
}

static void
take_connection (TeesqlHttpServer *self, GSocket *socket)
{
  const TeesqlHttpConnectionEvents events = { handle_request, connection_closed, self };
  TeesqlHttpConnection *connection = NULL;

  if (self->connections.length >= self->max_connections && !drop_idle (self))
    {
      turn_away (socket);
      return;
    }
  connection = teesql_http_connection_new (socket, self->timeout_ms, &events);
  if (count_from (self, teesql_http_connection_get_peer (connection)) >= MAX (ADDRESS_MIN, self->max_connections / ADDRESS_SHARE))
    {
      turn_away (socket);
      teesql_http_connection_free (connection);
      return;
    }
  g_queue_push_tail (&self->connections, connection);
}

static gboolean
resume_cb (gpointer user_data)
{
  accept_again (user_data);
  return G_SOURCE_REMOVE;
}

static void
set_source (Listener *self, GSource *source, GSourceFunc func)
{
  if (self->source != NULL)
    {
      g_source_destroy (self->source);
      g_source_unref (self->source);
    }
  self->source = source;
  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
}

/* Whatever it was (no descriptors, no memory), it is no reason to end: idle clients make room, and we look again soon. */
static void
pause_accepting (Listener *self, const GError *error)
{
  teesql_log_warning ("http", "cannot accept: %s; again in %d ms", error->message, ACCEPT_PAUSE_MS);
  drop_idle (self->server);
  set_source (self, g_timeout_source_new (ACCEPT_PAUSE_MS), resume_cb);
}

static gboolean
accept_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Listener *self = user_data;

  for (guint i = 0; i < ACCEPTS_PER_TURN; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GSocket) accepted = g_socket_accept (socket, NULL, &error);

      if (accepted != NULL)
        take_connection (self->server, accepted);
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break;
      else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED)) /* it left while it was waiting */
        {
          pause_accepting (self, error);
          break;
        }
    }
  return G_SOURCE_CONTINUE; /* a replaced source is destroyed already */
}

static void
accept_again (Listener *self)
{
  set_source (self, g_socket_create_source (self->socket, G_IO_IN, NULL), G_SOURCE_FUNC (accept_cb));
}

static void
add_listener (TeesqlHttpServer *self, GSocket *socket)
{
  Listener *listener = g_new0 (Listener, 1);

  listener->server = self;
  listener->socket = g_object_ref (socket);
  g_socket_set_blocking (socket, FALSE);
  g_ptr_array_add (self->listeners, listener);
  accept_again (listener);
}

static void
teesql_http_server_dispose (GObject *object)
{
  TeesqlHttpServer *self = TEESQL_HTTP_SERVER (object);

  teesql_http_server_stop (self);
  g_clear_object (&self->status);
  G_OBJECT_CLASS (teesql_http_server_parent_class)->dispose (object);
}

static void
teesql_http_server_finalize (GObject *object)
{
  TeesqlHttpServer *self = TEESQL_HTTP_SERVER (object);

  g_hash_table_unref (self->resources);
  g_ptr_array_unref (self->listeners);
  G_OBJECT_CLASS (teesql_http_server_parent_class)->finalize (object);
}

static void
teesql_http_server_class_init (TeesqlHttpServerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_http_server_dispose;
  G_OBJECT_CLASS (klass)->finalize = teesql_http_server_finalize;
}

static void
teesql_http_server_init (TeesqlHttpServer *self)
{
  self->resources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->listeners = g_ptr_array_new_with_free_func (listener_free);
  g_queue_init (&self->connections);
  self->max_connections = DEFAULT_CONNECTIONS;
  self->timeout_ms = DEFAULT_TIMEOUT_MS;
}

TeesqlHttpServer *
teesql_http_server_new (TeesqlStatus *status)
{
  TeesqlHttpServer *self = NULL;

  g_return_val_if_fail (TEESQL_IS_STATUS (status), NULL);

  self = g_object_new (TEESQL_TYPE_HTTP_SERVER, NULL);
  self->status = g_object_ref (status);
  teesql_http_server_add_resource (self, "/", teesql_http_index_handle, self);
  teesql_http_server_add_resource (self, "/health", teesql_http_health_handle, status);
  teesql_http_server_add_resource (self, "/health/ready", teesql_http_ready_handle, status);
  teesql_http_server_add_resource (self, "/health/startup", teesql_http_startup_handle, status);
  return self;
}

TeesqlHttpServer *
teesql_http_server_new_from_config (const TeesqlConfig *config, TeesqlStatus *status, GError **error)
{
  g_autoptr (TeesqlHttpServer) self = teesql_http_server_new (status);
  const char *const *addresses = NULL;

  g_return_val_if_fail (config != NULL, NULL);

  teesql_http_server_set_config (self, config);
  addresses = teesql_config_get_list (config, "http", "listen");
  for (gsize i = 0; addresses[i] != NULL; i++)
    {
      if (!teesql_http_server_listen (self, addresses[i], error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
teesql_http_server_set_config (TeesqlHttpServer *self, const TeesqlConfig *config)
{
  g_return_if_fail (config != NULL);

  teesql_http_server_set_limits (self, (guint) teesql_config_get_integer (config, "http", "max-connections"),
                                 teesql_config_get_duration_ms (config, "http", "request-timeout"));
}

void
teesql_http_server_set_limits (TeesqlHttpServer *self, guint max_connections, guint request_timeout_ms)
{
  g_return_if_fail (TEESQL_IS_HTTP_SERVER (self));
  g_return_if_fail (max_connections > 0 && request_timeout_ms > 0);

  self->max_connections = max_connections;
  self->timeout_ms = request_timeout_ms;
}

static GSocketAddress *
parse_address (const char *text, GError **error)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *host = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : NULL;
  GSocketAddress *address = NULL;
  guint64 port = 0;
  gsize n = host != NULL ? strlen (host) : 0;

  if (n > 2 && host[0] == '[' && host[n - 1] == ']')
    {
      host[n - 1] = '\0';
      memmove (host, host + 1, n - 1);
    }
  if (host != NULL && g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &port, NULL))
    address = g_inet_socket_address_new_from_string (host, (guint) port);
  if (address == NULL)
    g_propagate_error (error,
                       teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "http-address", 0, "\"%s\" is no ADDRESS:PORT", text));
  return address;
}

/* IPv6 listeners take IPv6 only: with `[::]:8080` beside `0.0.0.0:8080` the second bind would otherwise fail. */
static GSocket *
make_socket (GSocketAddress *address, GError **error)
{
  GSocketFamily family = g_socket_address_get_family (address);
  g_autoptr (GSocket) socket = g_socket_new (family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);

  if (socket == NULL)
    return NULL;
  if (family == G_SOCKET_FAMILY_IPV6 && !g_socket_set_option (socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, error))
    return NULL;
  g_socket_set_listen_backlog (socket, BACKLOG);
  if (!g_socket_bind (socket, address, TRUE, error) || !g_socket_listen (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

gboolean
teesql_http_server_listen (TeesqlHttpServer *self, const char *address_port, GError **error)
{
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocket) socket = NULL;

  g_return_val_if_fail (TEESQL_IS_HTTP_SERVER (self), FALSE);
  g_return_val_if_fail (address_port != NULL, FALSE);

  address = parse_address (address_port, error);
  if (address == NULL)
    return FALSE;
  socket = make_socket (address, error);
  if (socket == NULL)
    {
      g_prefix_error (error, "listening on %s: ", address_port);
      return FALSE;
    }
  add_listener (self, socket);
  return TRUE;
}

gboolean
teesql_http_server_adopt (TeesqlHttpServer *self, int fd, GError **error)
{
  g_autoptr (GSocket) socket = NULL;
  int listening = 0;
  socklen_t size = sizeof listening;

  g_return_val_if_fail (TEESQL_IS_HTTP_SERVER (self), FALSE);

  if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || listening == 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "descriptor %d is no listening socket", fd);
      return FALSE;
    }
  socket = g_socket_new_from_fd (fd, error);
  if (socket == NULL)
    return FALSE;
  add_listener (self, socket);
  return TRUE;
}

guint16
teesql_http_server_get_port (TeesqlHttpServer *self)
{
  g_autoptr (GSocketAddress) address = NULL;

  g_return_val_if_fail (TEESQL_IS_HTTP_SERVER (self), 0);

  if (self->listeners->len > 0)
    address = g_socket_get_local_address (((Listener *) self->listeners->pdata[0])->socket, NULL);
  return G_IS_INET_SOCKET_ADDRESS (address) ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)) : 0;
}

void
teesql_http_server_add_resource (TeesqlHttpServer *self, const char *path, TeesqlHttpHandler handler, gpointer user_data)
{
  Resource *resource = NULL;

  g_return_if_fail (TEESQL_IS_HTTP_SERVER (self));
  g_return_if_fail (path != NULL && path[0] == '/' && handler != NULL);

  resource = g_new0 (Resource, 1);
  resource->handler = handler;
  resource->user_data = user_data;
  g_hash_table_insert (self->resources, g_strdup (path), resource);
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
teesql_http_server_list_paths (TeesqlHttpServer *self)
{
  GPtrArray *paths = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer path = NULL;

  g_hash_table_iter_init (&iter, self->resources);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_ptr_array_add (paths, path);
  g_ptr_array_sort (paths, compare_paths);
  return paths;
}

void
teesql_http_server_stop (TeesqlHttpServer *self)
{
  TeesqlHttpConnection *connection = NULL;

  g_return_if_fail (TEESQL_IS_HTTP_SERVER (self));

  g_ptr_array_set_size (self->listeners, 0);
  while ((connection = g_queue_pop_head (&self->connections)) != NULL)
    teesql_http_connection_free (connection);
}
