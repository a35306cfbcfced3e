#include "proxy/teesql-forwarder-private.h"
#include "base/teesql-domains.h"
#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME      ".s.PGSQL.5432" /* libpq looks for exactly this */
#define LISTEN_BACKLOG   128
#define ACCEPTS_PER_TURN 16
/* out of descriptors: how long until accepting is tried again */
#define PAUSE_MS 100

typedef struct
{
  TeesqlForwarder *forwarder;
  TeesqlWorker *worker;
  TeesqlWatch watch; /* of the listening socket, which all shards share */
  TeesqlTimer pause;
  GQueue sessions;
} Shard;

struct _TeesqlForwarder
{
  GObject parent_instance;
  TeesqlForwarderShared shared;
  Shard *shards;
  guint n_shards;
  int listen_fd;
  char *socket_path; /* (nullable) */
  char *host;
  guint16 port;
};

G_DEFINE_FINAL_TYPE (TeesqlForwarder, teesql_forwarder, G_TYPE_OBJECT)

/* --- shared */

TeesqlTlsCredentials *
teesql_forwarder_shared_ref_credentials (TeesqlForwarderShared *self, GError **error)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (self->attest);
  g_autoptr (TeesqlTlsCredentials) fresh = NULL;
  TeesqlTlsCredentials *credentials = NULL;

  if (identity == NULL)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "no-identity", 0,
                                                  "there is no valid attested identity of our own"));
      return NULL;
    }
  g_mutex_lock (&self->lock);
  if (self->identity == identity)
    credentials = teesql_tls_credentials_ref (self->credentials);
  g_mutex_unlock (&self->lock);
  if (credentials != NULL)
    return credentials;

  fresh = teesql_tls_credentials_new (identity, error);
  if (fresh == NULL)
    return NULL;
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->identity, teesql_tls_identity_unref);
  g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
  self->identity = g_steal_pointer (&identity);
  self->credentials = teesql_tls_credentials_ref (fresh);
  g_mutex_unlock (&self->lock);
  return g_steal_pointer (&fresh);
}

TeesqlSecret *
teesql_forwarder_shared_ref_keys (TeesqlForwarderShared *self, const guint8 *salt, gsize salt_size, guint iterations)
{
  g_autoptr (GBytes) wanted = g_bytes_new (salt, salt_size);
  TeesqlSecret *keys = NULL;

  g_mutex_lock (&self->lock);
  if (self->keys != NULL && self->keys_iterations == iterations && g_bytes_equal (self->keys_salt, wanted))
    keys = teesql_secret_ref (self->keys);
  g_mutex_unlock (&self->lock);
  return keys;
}

void
teesql_forwarder_shared_set_keys (TeesqlForwarderShared *self, const guint8 *salt, gsize salt_size, guint iterations, TeesqlSecret *keys)
{
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->keys_salt, g_bytes_unref);
  g_clear_pointer (&self->keys, teesql_secret_unref);
  self->keys_salt = g_bytes_new (salt, salt_size);
  self->keys_iterations = iterations;
  self->keys = teesql_secret_ref (keys);
  g_mutex_unlock (&self->lock);
}

/* --- accepting */

static gboolean
peer_is_ours (int fd)
{
  struct ucred peer = { 0 };
  socklen_t size = sizeof peer;
  struct sockaddr_storage address;
  socklen_t address_size = sizeof address;

  if (getsockname (fd, (struct sockaddr *) &address, &address_size) < 0)
    return FALSE;
  if (address.ss_family != AF_UNIX)
    return TRUE;
  /* the socket's mode says so already; a mode can be changed by mistake */
  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid () || peer.uid == 0);
}

static void
shard_resume (gpointer user_data)
{
  Shard *shard = user_data;
  g_autoptr (GError) error = NULL;

  if (!teesql_worker_watch (shard->worker, &shard->watch, shard->forwarder->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, &error))
    {
      teesql_log_warning ("connect", "cannot accept again yet: %s", error->message);
      teesql_worker_start_timer (shard->worker, &shard->pause, PAUSE_MS);
    }
}

static void
shard_accept (TeesqlWatch *watch, guint32 events)
{
  Shard *shard = watch->user_data;

  for (guint i = 0; i < ACCEPTS_PER_TURN; i++)
    {
      int fd = accept4 (shard->forwarder->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd >= 0 && peer_is_ours (fd))
        teesql_forwarder_session_start (&shard->forwarder->shared, shard->worker, fd, &shard->sessions);
      else if (fd >= 0)
        close (fd);
      else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        {
          teesql_log_warning ("connect", "cannot accept for %d ms: %s", PAUSE_MS, g_strerror (errno));
          teesql_worker_unwatch (shard->worker, &shard->watch);
          teesql_worker_start_timer (shard->worker, &shard->pause, PAUSE_MS);
          return;
        }
      else if (errno != EINTR && errno != ECONNABORTED)
        return;
    }
}

static void
shard_open (gpointer user_data)
{
  shard_resume (user_data);
}

static void
shard_close (gpointer user_data)
{
  Shard *shard = user_data;

  teesql_worker_stop_timer (shard->worker, &shard->pause);
  teesql_worker_unwatch (shard->worker, &shard->watch);
  while (shard->sessions.length > 0)
    teesql_forwarder_session_end (g_queue_peek_head (&shard->sessions));
}

static void
forwarder_start_accepting (TeesqlForwarder *self)
{
  for (guint i = 0; i < self->n_shards; i++)
    teesql_worker_post (self->shards[i].worker, shard_open, &self->shards[i]);
}

static gboolean
forwarder_listen (TeesqlForwarder *self, const struct sockaddr *address, socklen_t size, const char *name, GError **error)
{
  int one = 1;
  int fd = socket (address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  mode_t before = umask (0177);
  gboolean bound;

  if (address->sa_family != AF_UNIX && fd >= 0)
    (void) setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bound = fd >= 0 && bind (fd, address, size) == 0 && listen (fd, LISTEN_BACKLOG) == 0;
  umask (before);
  if (!bound)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "listen", 0, "cannot listen on %s: %s",
                                                  name, g_strerror (errno)));
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  self->listen_fd = fd;
  return TRUE;
}

/* --- the unix socket */

static gboolean
check_directory (const char *directory, GError **error)
{
  struct stat found;

  if (g_mkdir_with_parents (directory, 0700) < 0 || lstat (directory, &found) < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", 0, "%s: %s", directory,
                                                  g_strerror (errno)));
      return FALSE;
    }
  if (S_ISDIR (found.st_mode) && found.st_uid == geteuid () && (found.st_mode & 022) == 0)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", 0,
                                              "%s is not a folder of ours that nobody else may write (owner %u, mode %04o)\n"
                                              "hint: choose another with --socket-directory, or chmod 0700 it",
                                              directory, (unsigned int) found.st_uid, (unsigned int) (found.st_mode & 07777)));
  return FALSE;
}

/* Only what nobody answers on may be replaced: a forwarder that runs keeps its socket. */
static gboolean
check_stale (const struct sockaddr_un *address, GError **error)
{
  struct stat found;
  gboolean answers;
  int fd;

  if (lstat (address->sun_path, &found) < 0)
    return TRUE;
  if (!S_ISSOCK (found.st_mode))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", 0, "%s is no socket",
                                                  address->sun_path));
      return FALSE;
    }
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  answers = fd >= 0 && (connect (fd, (const struct sockaddr *) address, sizeof *address) == 0 || errno == EAGAIN);
  if (fd >= 0)
    close (fd);
  if (answers)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "address-in-use", 0,
                                                  "%s is in use by another process\n"
                                                  "hint: one forwarder serves many applications; another needs its own --socket-directory",
                                                  address->sun_path));
      return FALSE;
    }
  teesql_log_info ("connect", "%s was left behind by an earlier run and is replaced", address->sun_path);
  return TRUE;
}

/* Under a name that nobody knows until it listens: whoever sees the socket can connect, and one left behind is replaced at once. */
static gboolean
forwarder_listen_at (TeesqlForwarder *self, const struct sockaddr_un *address, const char *directory, GError **error)
{
  struct sockaddr_un hidden = { .sun_family = AF_UNIX };

  g_snprintf (hidden.sun_path, sizeof hidden.sun_path, "%s/.%d", directory, (int) getpid ());
  (void) unlink (hidden.sun_path);
  if (!forwarder_listen (self, (const struct sockaddr *) &hidden, sizeof hidden, address->sun_path, error))
    return FALSE;
  if (rename (hidden.sun_path, address->sun_path) == 0)
    return TRUE;
  teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", "%s: %s", address->sun_path, g_strerror (errno));
  (void) unlink (hidden.sun_path);
  close (self->listen_fd);
  self->listen_fd = -1;
  return FALSE;
}

gboolean
teesql_forwarder_listen_unix (TeesqlForwarder *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, SOCKET_NAME, NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_return_val_if_fail (self->listen_fd < 0, FALSE);

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "socket-directory", 0,
                                                  "%s is longer than the %" G_GSIZE_FORMAT " bytes a socket's name may have\n"
                                                  "hint: choose a shorter --socket-directory",
                                                  path, sizeof address.sun_path - 1));
      return FALSE;
    }
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (!check_directory (directory, error) || !check_stale (&address, error) || !forwarder_listen_at (self, &address, directory, error))
    return FALSE;
  self->socket_path = g_steal_pointer (&path);
  self->host = g_strdup (directory);
  self->port = 5432;
  forwarder_start_accepting (self);
  return TRUE;
}

/* --- loopback */

static gboolean
forwarder_note_port (TeesqlForwarder *self, GError **error)
{
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  g_autoptr (GSocketAddress) bound = NULL;

  if (getsockname (self->listen_fd, (struct sockaddr *) &address, &size) < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "getsockname: %s", g_strerror (errno));
      return FALSE;
    }
  bound = g_socket_address_new_from_native (&address, size);
  self->host = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (bound)));
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  return TRUE;
}

static GSocketAddress *
parse_loopback (const char *address_port, GError **error)
{
  g_autoptr (GSocketConnectable) named = g_network_address_parse (address_port, 0, NULL);
  g_autoptr (GInetAddress) address = NULL;

  if (named != NULL)
    address = g_inet_address_new_from_string (g_network_address_get_hostname (G_NETWORK_ADDRESS (named)));
  if (address != NULL && g_inet_address_get_is_loopback (address))
    return g_inet_socket_address_new (address, g_network_address_get_port (G_NETWORK_ADDRESS (named)));
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "listen", 0,
                                              "'%s' is no loopback address with a port, such as 127.0.0.1:5432\n"
                                              "hint: what arrives here is not encrypted, so it may come from this machine only",
                                              address_port));
  return NULL;
}

gboolean
teesql_forwarder_listen_tcp (TeesqlForwarder *self, const char *address_port, GError **error)
{
  g_autoptr (GSocketAddress) address = NULL;
  struct sockaddr_storage native;

  g_return_val_if_fail (self->listen_fd < 0, FALSE);

  if (self->shared.secret != NULL)
    {
      g_propagate_error (
          error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "listen", 0,
                                   "[connect] secret and a TCP port do not go together: every user of this machine would be logged in\n"
                                   "hint: use the unix socket, or leave the secret to the application"));
      return FALSE;
    }
  address = parse_loopback (address_port, error);
  if (address == NULL || !g_socket_address_to_native (address, &native, sizeof native, error) ||
      !forwarder_listen (self, (const struct sockaddr *) &native, (socklen_t) g_socket_address_get_native_size (address), address_port,
                         error) ||
      !forwarder_note_port (self, error))
    return FALSE;
  forwarder_start_accepting (self);
  return TRUE;
}

/* --- object */

static gboolean
forwarder_start_workers (TeesqlForwarder *self, guint n, GError **error)
{
  self->shards = g_new0 (Shard, n);
  for (guint i = 0; i < n; i++)
    {
      Shard *shard = &self->shards[i];

      shard->worker = teesql_worker_new (i, &self->shared.memory, error);
      if (shard->worker == NULL)
        return FALSE;
      if (!teesql_worker_start (shard->worker, error))
        {
          g_clear_pointer (&shard->worker, teesql_worker_free);
          return FALSE;
        }
      self->n_shards++;
      shard->forwarder = self;
      shard->watch = (TeesqlWatch){ .func = shard_accept, .user_data = shard, .fd = -1 };
      shard->pause = (TeesqlTimer){ .func = shard_resume, .user_data = shard };
      g_queue_init (&shard->sessions);
    }
  return TRUE;
}

TeesqlForwarder *
teesql_forwarder_new (const TeesqlForwarderOptions *options, GError **error)
{
  g_autoptr (TeesqlForwarder) self = g_object_new (TEESQL_TYPE_FORWARDER, NULL);

  self->shared.attest = g_object_ref (options->attest);
  self->shared.host = g_strdup (options->host);
  self->shared.port = options->port;
  self->shared.server_name = g_strdup (options->server_name);
  self->shared.connect_timeout_ms = options->connect_timeout_ms;
  self->shared.max_sessions = options->max_sessions;
  self->shared.secret = options->secret != NULL ? teesql_secret_ref (options->secret) : NULL;
  self->shared.role = g_strdup (options->role);
  if (!forwarder_start_workers (self, MAX (options->workers, 1), error))
    return NULL;
  return g_steal_pointer (&self);
}

const char *
teesql_forwarder_get_host (TeesqlForwarder *self)
{
  g_return_val_if_fail (TEESQL_IS_FORWARDER (self), NULL);

  return self->host;
}

guint16
teesql_forwarder_get_port (TeesqlForwarder *self)
{
  g_return_val_if_fail (TEESQL_IS_FORWARDER (self), 0);

  return self->port;
}

void
teesql_forwarder_stop (TeesqlForwarder *self)
{
  g_return_if_fail (TEESQL_IS_FORWARDER (self));

  for (guint i = 0; i < self->n_shards; i++)
    teesql_worker_post (self->shards[i].worker, shard_close, &self->shards[i]);
  for (guint i = 0; i < self->n_shards; i++)
    {
      teesql_worker_stop (self->shards[i].worker);
      teesql_worker_free (self->shards[i].worker);
    }
  self->n_shards = 0;
  g_clear_pointer (&self->shards, g_free);
  if (self->listen_fd >= 0)
    close (self->listen_fd);
  self->listen_fd = -1;
  if (self->socket_path != NULL)
    (void) g_unlink (self->socket_path);
  g_clear_pointer (&self->socket_path, g_free);
}

static void
teesql_forwarder_finalize (GObject *object)
{
  TeesqlForwarder *self = TEESQL_FORWARDER (object);

  teesql_forwarder_stop (self);
  g_clear_object (&self->shared.attest);
  g_clear_pointer (&self->shared.secret, teesql_secret_unref);
  g_clear_pointer (&self->shared.identity, teesql_tls_identity_unref);
  g_clear_pointer (&self->shared.credentials, teesql_tls_credentials_unref);
  g_clear_pointer (&self->shared.keys_salt, g_bytes_unref);
  g_clear_pointer (&self->shared.keys, teesql_secret_unref);
  g_mutex_clear (&self->shared.lock);
  g_free (self->shared.host);
  g_free (self->shared.server_name);
  g_free (self->shared.role);
  g_free (self->host);
  G_OBJECT_CLASS (teesql_forwarder_parent_class)->finalize (object);
}

static void
teesql_forwarder_class_init (TeesqlForwarderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_forwarder_finalize;
}

static void
teesql_forwarder_init (TeesqlForwarder *self)
{
  self->listen_fd = -1;
  self->shared.memory.limit_bytes = G_MAXSIZE;
  g_mutex_init (&self->shared.lock);
}
