#include "proxy/teesql-farewell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void
farewell_done (TeesqlFarewell *farewell, gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* Returns: how much was written until the socket was full */
static gsize
fill (int fd)
{
  static const guint8 block[4096];
  gsize total = 0;
  ssize_t n;

  while ((n = write (fd, block, sizeof block)) > 0)
    total += (gsize) n;
  g_assert_cmpint (errno, ==, EAGAIN);
  return total;
}

static int
count_unread (int fd)
{
  int n = 0;

  g_assert_cmpint (ioctl (fd, FIONREAD, &n), ==, 0);
  return n;
}

/* Whoever was refused and goes on sending must not hold up the sessions of the worker. */
static void
test_turns (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlWorker) worker = teesql_worker_new (0, NULL, &error);
  TeesqlFarewell farewell;
  gboolean done = FALSE;
  TeesqlStream *stream;
  int pair[2];
  int unread;

  g_assert_no_error (error);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
  stream = teesql_stream_new (worker, pair[0], NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fill (pair[1]), >, 160000);
  unread = count_unread (pair[0]);
  teesql_farewell_init (&farewell, stream, 60000, farewell_done, &done);
  teesql_worker_iterate (worker, FALSE);
  g_assert_cmpint (count_unread (pair[0]), >, 0);
  g_assert_cmpint (count_unread (pair[0]), <, unread);
  close (pair[1]);
  while (!done)
    teesql_worker_iterate (worker, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/farewell/drops-in-turns", test_turns);
  return g_test_run ();
}
