#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "proxy/teesql-proxy-private.h"
#include "proxy/teesql-session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <teesql/teesql-error.h>
#include <unistd.h>

#define BACKLOG 1024
/* Accepted in one turn; then the sessions have theirs. */
#define TURN_ACCEPTS 64
/* Without descriptors or memory: the backlog waits, and the oldest stranger makes room. */
#define PAUSE_MS 100

struct _TeesqlProxyListener
{
  TeesqlProxyHome *home;
  TeesqlWatch watch;
  TeesqlTimer pause;
  int fd;
  gboolean exclusive;
  gboolean short_of; /* said already */
};

static void
listener_watch (TeesqlProxyListener *self)
{
  g_autoptr (GError) error = NULL;
  guint32 events = EPOLLIN | (self->exclusive ? EPOLLEXCLUSIVE : 0);

  if (teesql_worker_watch (self->home->worker, &self->watch, self->fd, events, &error))
    return;
  teesql_log_error ("proxy", "listener: %s", error->message);
  teesql_worker_start_timer (self->home->worker, &self->pause, PAUSE_MS);
}

static void
listener_resume (gpointer user_data)
{
  listener_watch (user_data);
}

/* SR-11: pauses, and never ends. The watch is level-triggered, so what waits in the backlog is seen afterwards. */
static void
listener_pause (TeesqlProxyListener *self, int code)
{
  if (!self->short_of)
    teesql_log_warning ("proxy", "cannot accept connections: %s\nhint: raise the limit of open files, or lower [proxy] max-pending",
                        g_strerror (code));
  self->short_of = TRUE;
  teesql_worker_unwatch (self->home->worker, &self->watch);
  teesql_worker_start_timer (self->home->worker, &self->pause, PAUSE_MS);
  teesql_admission_shed_oldest (self->home->shared->admission);
}

static gboolean
is_shortage (int code)
{
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

/* Returns: whether there may be another one. */
static gboolean
listener_accept (TeesqlProxyListener *self)
{
  struct sockaddr_storage peer = { 0 };
  socklen_t size = sizeof peer;
  int fd = accept4 (self->fd, (struct sockaddr *) &peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd >= 0)
    {
      self->short_of = FALSE;
      teesql_session_start (self->home, fd, (struct sockaddr *) &peer, size);
      return TRUE;
    }
  if (is_shortage (errno))
    {
      listener_pause (self, errno);
      return FALSE;
    }
  /* The rest are faults of the one connection (accept(2): treat them like EAGAIN by retrying), or there is none. */
  return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF && errno != EINVAL && errno != ENOTSOCK;
}

static void
listener_event (TeesqlWatch *watch, guint32 events)
{
  TeesqlProxyListener *self = watch->user_data;

  for (guint i = 0; i < TURN_ACCEPTS && listener_accept (self); i++)
    ;
}

TeesqlProxyListener *
teesql_proxy_listener_new (TeesqlProxyHome *home, int fd, gboolean exclusive)
{
  TeesqlProxyListener *self = g_new0 (TeesqlProxyListener, 1);

  teesql_stream_tune (fd);
  self->home = home;
  self->fd = fd;
  self->exclusive = exclusive;
  self->watch = (TeesqlWatch){ .func = listener_event, .user_data = self, .fd = -1 };
  self->pause = (TeesqlTimer){ .func = listener_resume, .user_data = self };
  return self;
}

void
teesql_proxy_listener_start (TeesqlProxyListener *self)
{
  listener_watch (self);
}

void
teesql_proxy_listener_free (TeesqlProxyListener *self)
{
  teesql_worker_stop_timer (self->home->worker, &self->pause);
  teesql_worker_unwatch (self->home->worker, &self->watch);
  close (self->fd);
  g_free (self);
}

static GSocketAddress *
parse_address (const char *text, guint16 port)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *host = NULL;
  guint64 number;

  if (colon == NULL || !g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &number, NULL))
    return NULL;
  host = text[0] == '[' && colon > text + 1 && colon[-1] == ']' ? g_strndup (text + 1, (gsize) (colon - text - 2))
                                                                : g_strndup (text, (gsize) (colon - text));
  return g_inet_socket_address_new_from_string (host, port != 0 ? port : (guint) number);
}

static int
bind_address (GSocketAddress *address)
{
  struct sockaddr_storage native;
  gssize size = g_socket_address_get_native_size (address);
  int one = 1;
  int fd;
  int saved;

  if (!g_socket_address_to_native (address, &native, sizeof native, NULL))
    {
      errno = EAFNOSUPPORT;
      return -1;
    }
  fd = socket (native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  /* One listener a worker: the kernel spreads connections, and no worker wakes for another's. */
  if (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
      setsockopt (fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
      (native.ss_family != AF_INET6 || setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0) &&
      bind (fd, (struct sockaddr *) &native, (socklen_t) size) == 0 && listen (fd, BACKLOG) == 0)
    return fd;
  saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

int
teesql_proxy_bind (const char *text, guint16 port, GError **error)
{
  g_autoptr (GSocketAddress) address = parse_address (text, port);
  int fd;

  if (address == NULL)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_CONFIG, "proxy-listen", 0,
                                                  "[proxy] listen: %s: expected ADDRESS:PORT", text));
      return -1;
    }
  fd = bind_address (address);
  if (fd < 0)
    g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "proxy-listen", 0,
                                                "[proxy] listen: %s: %s", text, g_strerror (errno)));
  return fd;
}

guint16
teesql_proxy_get_bound_port (int fd)
{
  struct sockaddr_storage native;
  socklen_t size = sizeof native;
  g_autoptr (GSocketAddress) address = NULL;

  if (getsockname (fd, (struct sockaddr *) &native, &size) < 0)
    return 0;
  address = g_socket_address_new_from_native (&native, size);
  return G_IS_INET_SOCKET_ADDRESS (address) ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)) : 0;
}
