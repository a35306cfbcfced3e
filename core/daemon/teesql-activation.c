#include "daemon/teesql-activation.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3 /* the protocol's */
#define MAX_FDS  64

static guint
count_fds (void)
{
  const char *pid = g_getenv ("LISTEN_PID");
  const char *fds = g_getenv ("LISTEN_FDS");
  guint64 meant = 0;
  guint64 n = 0;

  if (pid == NULL || fds == NULL || !g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT32, &meant, NULL) || meant != (guint64) getpid ())
    return 0;
  return g_ascii_string_to_unsigned (fds, 10, 1, MAX_FDS, &n, NULL) ? (guint) n : 0;
}

static gboolean
is_listening (int fd)
{
  int listening = 0;
  socklen_t size = sizeof listening;

  return getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

static gboolean
is_meant (const char *given, const char *name)
{
  if (g_strcmp0 (given, "http") == 0)
    return g_str_equal (name, "http");
  return g_str_equal (name, "proxy");
}

int *
teesql_activation_take (const char *name, guint *out_n)
{
  static gboolean taken[MAX_FDS];
  int *sockets = g_new0 (int, MAX_FDS);
  guint n_sockets = 0;
  guint n = count_fds ();
  g_auto (GStrv) names = g_strsplit (g_getenv ("LISTEN_FDNAMES") != NULL ? g_getenv ("LISTEN_FDNAMES") : "", ":", MAX_FDS + 1);
  guint n_names = g_strv_length (names);

  for (guint i = 0; i < n; i++)
    {
      int fd = FIRST_FD + (int) i;

      if (taken[i] || !is_meant (i < n_names ? names[i] : NULL, name) || !is_listening (fd) || fcntl (fd, F_SETFD, FD_CLOEXEC) != 0)
        continue;
      taken[i] = TRUE;
      sockets[n_sockets++] = fd;
    }
  *out_n = n_sockets;
  return sockets;
}
