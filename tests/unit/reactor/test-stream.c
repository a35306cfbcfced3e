#include "test-peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct
{
  TeesqlMemory memory;
  TeesqlWorker *worker;
  int raw; /* the other end, driven by hand */
  Peer peer;
} Fixture;

static void
fixture_init (Fixture *self)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  self->memory = (TeesqlMemory){ .limit_bytes = 1 << 20 };
  self->worker = peer_worker_new (&self->memory);
  self->raw = pair[1];
  peer_init (&self->peer, self->worker, pair[0]);
}

static void
fixture_clear (Fixture *self)
{
  peer_clear (&self->peer);
  g_assert_cmpuint (teesql_memory_get_used (&self->memory), ==, 0);
  teesql_worker_free (self->worker);
  if (self->raw >= 0)
    close (self->raw);
}

static void
test_idle_is_quiet (void)
{
  Fixture f;

  fixture_init (&f);
  teesql_worker_iterate (f.worker, FALSE);
  g_assert_cmpint (teesql_stream_receive (f.peer.stream, 100, peer_take, &f.peer, NULL), ==, TEESQL_IO_AGAIN);
  g_assert_false (teesql_stream_can_receive (f.peer.stream));
  fixture_clear (&f);
}

static void
test_byte_by_byte (void)
{
  Fixture f;

  fixture_init (&f);
  for (gsize i = 0; i < 1000; i++)
    {
      guint8 byte = peer_byte (i);

      g_assert_cmpint (write (f.raw, &byte, 1), ==, 1);
      while (f.peer.received->len <= i)
        teesql_worker_iterate (f.worker, TRUE);
    }
  peer_assert_received (&f.peer, 1000);
  fixture_clear (&f);
}

static gsize
read_some (int fd, GByteArray *into, gsize max)
{
  guint8 bytes[4096];
  gssize n = recv (fd, bytes, MIN (max, sizeof bytes), MSG_DONTWAIT);

  if (n > 0)
    g_byte_array_append (into, bytes, (guint) n);
  return n > 0 ? (gsize) n : 0;
}

/* The far side reads slowly: what does not fit waits in the queue, and only there. */
static void
test_slow_reader (void)
{
  Fixture f;
  g_autoptr (GByteArray) seen = g_byte_array_new ();
  gsize most = 0;

  fixture_init (&f);
  f.peer.to_send = 3000000;
  f.peer.close_when_sent = TRUE;
  peer_produce (&f.peer);
  while (seen->len < f.peer.to_send)
    {
      most = MAX (most, teesql_memory_get_used (&f.memory));
      read_some (f.raw, seen, 1 + seen->len % 4096);
      teesql_worker_iterate (f.worker, FALSE);
    }
  for (gsize i = 0; i < seen->len; i++)
    g_assert_cmpuint (seen->data[i], ==, peer_byte (i));
  g_assert_cmpuint (most, >, 0);
  g_assert_cmpuint (most, <=, 3 * sizeof (TeesqlBuffer));
  /* FIN behind the last byte, not before it */
  g_assert_true (teesql_stream_is_write_closed (f.peer.stream));
  g_assert_cmpint (recv (f.raw, most > 0 ? &(char){ 0 } : NULL, 1, 0), ==, 0);
  fixture_clear (&f);
}

static void
test_end_after_data (void)
{
  Fixture f;

  fixture_init (&f);
  for (gsize i = 0; i < 100000; i++)
    {
      guint8 byte = peer_byte (i);

      while (write (f.raw, &byte, 1) != 1)
        teesql_worker_iterate (f.worker, FALSE);
    }
  g_assert_cmpint (shutdown (f.raw, SHUT_WR), ==, 0);
  while (!f.peer.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&f.peer, 100000);
  g_assert_cmpint (teesql_stream_receive (f.peer.stream, 100, peer_take, &f.peer, NULL), ==, TEESQL_IO_EOF);
  /* half closed: the other direction still works */
  teesql_stream_write (f.peer.stream, "still", 5);
  g_assert_cmpint (recv (f.raw, (char[8]){ 0 }, 8, 0), ==, 5);
  fixture_clear (&f);
}

static void
test_broken_can_be_read (void)
{
  Fixture f;

  fixture_init (&f);
  f.peer.reading = FALSE;
  g_assert_cmpint (write (f.raw, "last words", 10), ==, 10);
  close (f.raw);
  f.raw = -1;
  teesql_stream_write (f.peer.stream, "x", 1);
  g_assert_true (teesql_stream_is_broken (f.peer.stream));
  g_assert_cmpint (teesql_stream_receive (f.peer.stream, 100, peer_take, &f.peer, NULL), ==, TEESQL_IO_DONE);
  g_assert_cmpuint (f.peer.received->len, ==, 10);
  g_assert_cmpint (teesql_stream_receive (f.peer.stream, 100, peer_take, &f.peer, NULL), ==, TEESQL_IO_EOF);
  fixture_clear (&f);
}

static void
test_connect (void)
{
  TeesqlWorker *worker = peer_worker_new (NULL);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_autoptr (GError) error = NULL;
  Peer peer = { .received = g_byte_array_new (), .reading = TRUE, .chunk = 100 };
  TeesqlIo io;

  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (listener, (struct sockaddr *) &address, &size), ==, 0);
  g_assert_cmpint (listen (listener, 1), ==, 0);
  peer.stream = teesql_stream_new_connect (worker, (struct sockaddr *) &address, size, peer_event, &peer, &error);
  g_assert_no_error (error);
  while ((io = teesql_stream_finish_connect (peer.stream, &error)) == TEESQL_IO_AGAIN)
    teesql_worker_iterate (worker, TRUE);
  g_assert_no_error (error);
  g_assert_cmpint (io, ==, TEESQL_IO_DONE);
  teesql_stream_free (g_steal_pointer (&peer.stream));

  close (listener);
  peer.stream = teesql_stream_new_connect (worker, (struct sockaddr *) &address, size, peer_event, &peer, &error);
  if (peer.stream != NULL)
    {
      while ((io = teesql_stream_finish_connect (peer.stream, &error)) == TEESQL_IO_AGAIN)
        teesql_worker_iterate (worker, TRUE);
      g_assert_cmpint (io, ==, TEESQL_IO_FAILED);
    }
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  peer_clear (&peer);
  teesql_worker_free (worker);
}

/* A full backlog of a unix socket is EAGAIN, which no edge ever ends. */
static void
test_connect_full_backlog (void)
{
  TeesqlWorker *worker = peer_worker_new (NULL);
  g_autofree char *folder = g_dir_make_tmp ("teesql-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "s", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TeesqlStream *streams[8] = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 1), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (streams) && error == NULL; i++)
    streams[i] = teesql_stream_new_connect (worker, (struct sockaddr *) &address, sizeof address, peer_event, NULL, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    g_clear_pointer (&streams[i], teesql_stream_free);
  close (listener);
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (rmdir (folder), ==, 0);
  teesql_worker_free (worker);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/stream/idle-stream-says-again", test_idle_is_quiet);
  g_test_add_func ("/reactor/stream/bytes-may-come-one-at-a-time", test_byte_by_byte);
  g_test_add_func ("/reactor/stream/slow-reader-gets-all-within-bounds", test_slow_reader);
  g_test_add_func ("/reactor/stream/reads-everything-before-the-end", test_end_after_data);
  g_test_add_func ("/reactor/stream/can-be-read-when-writing-failed", test_broken_can_be_read);
  g_test_add_func ("/reactor/stream/connects-or-says-why-not", test_connect);
  g_test_add_func ("/reactor/stream/full-backlog-is-would-block", test_connect_full_backlog);
  return g_test_run ();
}
