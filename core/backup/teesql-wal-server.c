#include "backup/teesql-wal-source.h"

#include "backup/teesql-wal-request.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define THREADS           4
#define CONNECTIONS_MAX   16u
#define REQUEST_TIMEOUT_S 5
#define ANSWER_TIMEOUT_S  60 /* for a whole segment to a reader beside us */
#define BACKLOG           8

struct _TeesqlWalServer
{
  TeesqlWalSource *source; /* borrowed */
  char *path;
  uid_t uid;
  int fd;
  dev_t device; /* of the socket's file, so that only our own is removed */
  ino_t inode;
  GThread *thread;
  GThreadPool *pool;
  GCancellable *closing;
  GMutex mutex;
  GError *failure;
};

/* ---- one question ---- */

static gint64
after_s (gint64 seconds)
{
  return g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
}

static gboolean
peer_may_ask (TeesqlWalServer *self, int fd)
{
  struct ucred peer = { 0 };
  socklen_t size = sizeof peer;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == self->uid || peer.uid == geteuid ());
}

/* Nothing is wrong with the WAL; it could not be asked for now. */
static gboolean
is_passing (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
         g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE) ||
         g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED);
}

static void
note_failure (TeesqlWalServer *self, const char *file, const GError *error)
{
  teesql_log_error ("restore", "%s: %s", file, error->message);
  g_mutex_lock (&self->mutex);
  if (self->failure == NULL)
    {
      self->failure = g_error_copy (error);
      g_prefix_error (&self->failure, "%s: ", file);
    }
  g_mutex_unlock (&self->mutex);
}

static TeesqlWalAnswerKind
judge (TeesqlWalServer *self, const char *file, const GError *error)
{
  if (g_error_matches (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND) &&
      g_str_equal (teesql_error_get_reason (error), "wal-not-archived"))
    return TEESQL_WAL_ANSWER_NONE;
  if (is_passing (error))
    return TEESQL_WAL_ANSWER_AGAIN;
  note_failure (self, file, error);
  return TEESQL_WAL_ANSWER_FATAL;
}

static gboolean
answer (TeesqlWalServer *self, int fd, TeesqlWalAnswerKind kind, GBytes *bytes, const char *text, GError **error)
{
  gsize size = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  g_autofree char *line = teesql_wal_answer_format (kind, size, text);
  gint64 deadline_us = after_s (ANSWER_TIMEOUT_S);

  return teesql_wal_socket_write (fd, (const guint8 *) line, strlen (line), deadline_us, self->closing, error) &&
         (size == 0 || teesql_wal_socket_write (fd, data, size, deadline_us, self->closing, error));
}

static gboolean
serve (TeesqlWalServer *self, int fd, GError **error)
{
  guint8 line[TEESQL_WAL_REQUEST_MAX];
  gsize size = 0;
  g_autofree char *file = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (!teesql_wal_socket_read_line (fd, line, sizeof line, &size, after_s (REQUEST_TIMEOUT_S), self->closing, error) ||
      !teesql_wal_request_parse (line, size, &file, error))
    return FALSE;
  bytes = teesql_wal_source_fetch (self->source, file, self->closing, &local_error);
  if (bytes != NULL)
    return answer (self, fd, TEESQL_WAL_ANSWER_OK, bytes, NULL, error);
  return answer (self, fd, judge (self, file, local_error), NULL, local_error->message, error);
}

static void
serve_cb (gpointer data, gpointer user_data)
{
  TeesqlWalServer *self = user_data;
  int fd = GPOINTER_TO_INT (data) - 1;
  g_autoptr (GError) error = NULL;

  if (!peer_may_ask (self, fd))
    teesql_log_warning ("restore", "somebody who is not PostgreSQL's user asked for WAL");
  else if (!serve (self, fd, &error))
    teesql_log_debug ("restore", "a question for WAL was not answered: %s", error->message);
  close (fd);
}

static gpointer
accept_run (gpointer data)
{
  TeesqlWalServer *self = data;
  struct pollfd fds[2] = { { self->fd, POLLIN, 0 }, { g_cancellable_get_fd (self->closing), POLLIN, 0 } };

  while (!g_cancellable_is_cancelled (self->closing))
    {
      int fd = -1;

      if (poll (fds, fds[1].fd >= 0 ? 2 : 1, fds[1].fd >= 0 ? -1 : 200) < 0 || g_cancellable_is_cancelled (self->closing))
        continue;
      fd = accept4 (self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0 && g_thread_pool_unprocessed (self->pool) >= CONNECTIONS_MAX)
        close (fd);
      else if (fd >= 0)
        g_thread_pool_push (self->pool, GINT_TO_POINTER (fd + 1), NULL);
    }
  if (fds[1].fd >= 0)
    g_cancellable_release_fd (self->closing);
  return NULL;
}

/* ---- the socket ---- */

static gboolean
fail_socket (TeesqlWalServer *self, const char *what, GError **error)
{
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "wal-socket", "%s: %s: %s", self->path, what, g_strerror (errno));
}

/* A socket that nobody listens on any more was left by a crash. */
static gboolean
remove_stale (const struct sockaddr_un *address)
{
  struct stat st;
  int fd = -1;
  gboolean stale = FALSE;

  if (lstat (address->sun_path, &st) != 0)
    return errno == ENOENT;
  if (!S_ISSOCK (st.st_mode))
    return FALSE;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  stale = fd >= 0 && connect (fd, (const struct sockaddr *) address, sizeof *address) != 0 && errno == ECONNREFUSED;
  if (fd >= 0)
    close (fd);
  return stale && unlink (address->sun_path) == 0;
}

/* Where we cannot give it to the one user who asks, everybody may open it, and who is somebody else is refused (peer_may_ask()). */
static gboolean
give_socket (TeesqlWalServer *self)
{
  if (self->uid == geteuid ())
    return chmod (self->path, 0600) == 0;
  if (geteuid () == 0)
    return chown (self->path, self->uid, (gid_t) -1) == 0 && chmod (self->path, 0600) == 0;
  return chmod (self->path, 0666) == 0;
}

static gboolean
listen_on (TeesqlWalServer *self, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat st;

  if (strlen (self->path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return fail_socket (self, "a socket's path", error);
    }
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  if (!remove_stale (&address))
    {
      errno = EADDRINUSE;
      return fail_socket (self, "is there already", error);
    }
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd < 0 || bind (self->fd, (const struct sockaddr *) &address, sizeof address) != 0 || lstat (self->path, &st) != 0)
    return fail_socket (self, "cannot be made", error);
  self->device = st.st_dev;
  self->inode = st.st_ino;
  if (!give_socket (self) || listen (self->fd, BACKLOG) != 0)
    return fail_socket (self, "cannot be listened on", error);
  return TRUE;
}

TeesqlWalServer *
teesql_wal_server_new (TeesqlWalSource *source, const char *socket_path, guint uid, GError **error)
{
  g_autoptr (TeesqlWalServer) self = g_new0 (TeesqlWalServer, 1);

  self->source = source;
  self->path = g_strdup (socket_path);
  self->uid = uid == G_MAXUINT ? geteuid () : (uid_t) uid;
  self->fd = -1;
  self->closing = g_cancellable_new ();
  g_mutex_init (&self->mutex);
  self->pool = g_thread_pool_new (serve_cb, self, THREADS, FALSE, NULL);
  if (!listen_on (self, error))
    return NULL;
  self->thread = g_thread_new ("wal-server", accept_run, self);
  return g_steal_pointer (&self);
}

GError *
teesql_wal_server_get_failure (TeesqlWalServer *self)
{
  GError *failure = NULL;

  g_mutex_lock (&self->mutex);
  failure = self->failure != NULL ? g_error_copy (self->failure) : NULL;
  g_mutex_unlock (&self->mutex);
  return failure;
}

void
teesql_wal_server_free (TeesqlWalServer *self)
{
  struct stat st;

  g_cancellable_cancel (self->closing);
  if (self->thread != NULL)
    g_thread_join (self->thread);
  g_thread_pool_free (self->pool, FALSE, TRUE); /* those that wait are answered with the end of the connection */
  if (self->inode != 0 && lstat (self->path, &st) == 0 && st.st_dev == self->device && st.st_ino == self->inode)
    unlink (self->path);
  if (self->fd >= 0)
    close (self->fd);
  g_clear_error (&self->failure);
  g_mutex_clear (&self->mutex);
  g_object_unref (self->closing);
  g_free (self->path);
  g_free (self);
}
