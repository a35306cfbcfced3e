#include "proxy/teesql-farewell.h"
#include "proxy/teesql-relay.h"
#include "unit/reactor/test-peer.h"

#include <unistd.h>

/* application (TLS client) == front | relay | back -- server (plain) */
typedef struct
{
  Peer application;
  Peer server;
  TeesqlStream *front;
  TeesqlStream *back;
  TeesqlRelay relay;
  TeesqlFarewell farewell;
  gboolean over;
  gboolean gone;
  TeesqlRelayEnd end;
} Line;

typedef struct
{
  TeesqlMemory memory;
  TeesqlWorker *worker;
  TeesqlTlsIdentity *identity;
  TeesqlTlsCredentials *credentials;
} Fixture;

static void
fixture_init (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  self->memory = (TeesqlMemory){ .limit_bytes = 64 << 20 };
  self->worker = peer_worker_new (&self->memory);
  self->identity = peer_identity_new (0);
  self->credentials = teesql_tls_credentials_new (self->identity, &error);
  g_assert_no_error (error);
}

static void
fixture_clear (Fixture *self)
{
  g_assert_cmpuint (teesql_memory_get_used (&self->memory), ==, 0);
  teesql_worker_free (self->worker);
  teesql_tls_credentials_unref (self->credentials);
  teesql_tls_identity_unref (self->identity);
}

static void
line_said_goodbye (TeesqlFarewell *farewell, gpointer user_data)
{
  ((Line *) user_data)->gone = TRUE;
}

static void
line_done (TeesqlRelay *relay, TeesqlRelayEnd end, const GError *error, gpointer user_data)
{
  Line *self = user_data;

  g_assert_false (self->over);
  self->over = TRUE;
  self->end = end;
  g_clear_pointer (&self->back, teesql_stream_free);
  if (end == TEESQL_RELAY_CLIENT_CUT)
    g_clear_pointer (&self->front, teesql_stream_free);
  else
    teesql_farewell_init (&self->farewell, g_steal_pointer (&self->front), 10000, line_said_goodbye, self);
}

static void
line_front_event (TeesqlStream *stream, gpointer user_data)
{
  Line *self = user_data;
  g_autoptr (GError) error = NULL;
  TeesqlIo io = teesql_stream_handshake (stream, &error);

  g_assert_no_error (error);
  if (io == TEESQL_IO_DONE)
    teesql_relay_init (&self->relay, self->front, self->back, 262144, line_done, self);
}

static void
line_start (Line *self, Fixture *f)
{
  int outer[2];
  int inner[2];
  g_autoptr (GError) error = NULL;
  gboolean started;

  *self = (Line){ .end = 0 };
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, outer), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, inner), ==, 0);
  peer_init (&self->application, f->worker, outer[0]);
  peer_init (&self->server, f->worker, inner[0]);
  self->front = teesql_stream_new (f->worker, outer[1], line_front_event, self, &error);
  g_assert_no_error (error);
  self->back = teesql_stream_new (f->worker, inner[1], NULL, NULL, &error);
  g_assert_no_error (error);
  started = teesql_stream_start_tls (self->front, &(TeesqlTlsOptions){ .role = TEESQL_TLS_SERVER, .credentials = f->credentials }, &error);
  g_assert_no_error (error);
  g_assert_true (started);
  started = teesql_stream_start_tls (self->application.stream,
                                     &(TeesqlTlsOptions){ .role = TEESQL_TLS_CLIENT, .credentials = f->credentials }, &error);
  g_assert_no_error (error);
  g_assert_true (started);
  self->application.handshaking = TRUE;
  teesql_stream_come_back (self->application.stream);
}

static void
line_clear (Line *self)
{
  teesql_relay_clear (&self->relay);
  teesql_farewell_clear (&self->farewell);
  g_clear_pointer (&self->front, teesql_stream_free);
  g_clear_pointer (&self->back, teesql_stream_free);
  peer_clear (&self->application);
  peer_clear (&self->server);
}

static void
line_shake_hands (Line *self, Fixture *f)
{
  while (!self->application.shaken || self->relay.client == NULL)
    teesql_worker_iterate (f->worker, TRUE);
}

/* 64 sessions, chunks of random sizes, both directions at once, every byte compared. */
static void
test_soak (void)
{
  Fixture f;
  g_autofree Line *lines = g_new0 (Line, 64);
  g_autoptr (GRand) random = g_rand_new_with_seed (17);
  guint open = 64;

  fixture_init (&f);
  for (guint i = 0; i < 64; i++)
    {
      line_start (&lines[i], &f);
      lines[i].application.chunk = (guint) g_rand_int_range (random, 100, 40000);
      lines[i].server.chunk = (guint) g_rand_int_range (random, 100, 40000);
      lines[i].application.to_send = (gsize) g_rand_int_range (random, 0, 700000);
      lines[i].server.to_send = (gsize) g_rand_int_range (random, 0, 700000);
      lines[i].application.close_when_sent = TRUE;
      lines[i].server.close_when_sent = TRUE;
      teesql_stream_come_back (lines[i].server.stream);
    }
  while (open > 0)
    {
      open = 0;
      teesql_worker_iterate (f.worker, TRUE);
      for (guint i = 0; i < 64; i++)
        open += !lines[i].application.ended || !lines[i].over;
    }
  for (guint i = 0; i < 64; i++)
    {
      g_assert_no_error (lines[i].application.error);
      peer_assert_received (&lines[i].application, lines[i].server.to_send);
      g_assert_false (teesql_stream_was_cut (lines[i].application.stream));
      g_assert_cmpuint (lines[i].relay.bytes_out, ==, lines[i].server.to_send);
      /* the server closed first where it had less to say; what the client said later had nobody to go to */
      g_assert_cmpuint (lines[i].server.received->len, <=, lines[i].application.to_send);
      g_assert_cmpint (lines[i].end, ==, TEESQL_RELAY_SERVER_ENDED);
      for (gsize n = 0; n < lines[i].server.received->len; n++)
        g_assert_cmpuint (lines[i].server.received->data[n], ==, peer_byte (n));
      line_clear (&lines[i]);
    }
  fixture_clear (&f);
}

static void
test_half_close (void)
{
  Fixture f;
  Line line;

  fixture_init (&f);
  line_start (&line, &f);
  line.application.to_send = 100000;
  line.application.close_when_sent = TRUE;
  line_shake_hands (&line, &f);
  while (!line.server.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.server, 100000);
  g_assert_false (line.over);
  line.server.to_send = 500000;
  line.server.close_when_sent = TRUE;
  teesql_stream_come_back (line.server.stream);
  while (!line.gone)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.application, 500000);
  line_clear (&line);
  fixture_clear (&f);
}

/* The server says something and dies: the client gets it, and an orderly end. */
static void
test_server_dies (void)
{
  Fixture f;
  Line line;

  fixture_init (&f);
  line_start (&line, &f);
  line_shake_hands (&line, &f);
  teesql_stream_write (line.server.stream, (guint8[]){ peer_byte (0), peer_byte (1) }, 2);
  teesql_stream_free (g_steal_pointer (&line.server.stream));
  while (!line.application.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.application, 2);
  g_assert_true (line.over);
  line_clear (&line);
  fixture_clear (&f);
}

static void
test_client_dies (void)
{
  Fixture f;
  Line line;

  fixture_init (&f);
  line_start (&line, &f);
  line_shake_hands (&line, &f);
  teesql_stream_free (g_steal_pointer (&line.application.stream));
  while (!line.server.ended)
    teesql_worker_iterate (f.worker, TRUE);
  g_assert_true (line.over);
  g_assert_cmpint (line.end, ==, TEESQL_RELAY_CLIENT_CUT);
  line_clear (&line);
  fixture_clear (&f);
}

/* A client that does not read holds what the session may hold, and the rest stays with the server. */
static void
test_slow_client (void)
{
  Fixture f;
  Line line;
  gsize most = 0;
  guint idle = 0;

  fixture_init (&f);
  line_start (&line, &f);
  line_shake_hands (&line, &f);
  line.application.reading = FALSE;
  line.server.to_send = 20000000;
  line.server.close_when_sent = TRUE;
  teesql_stream_come_back (line.server.stream);
  while (idle < 100)
    {
      gsize before = line.server.sent;

      teesql_worker_iterate (f.worker, FALSE);
      most = MAX (most, teesql_stream_get_queued (line.front));
      idle = line.server.sent == before ? idle + 1 : 0;
    }
  g_assert_cmpuint (line.server.sent, <, line.server.to_send);
  g_assert_cmpuint (most, >, 0);
  g_assert_cmpuint (most, <=, 131072 + 2048); /* half of the session's, and the records' own bytes */
  line.application.reading = TRUE;
  teesql_stream_come_back (line.application.stream);
  while (!line.application.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.application, 20000000);
  line_clear (&line);
  fixture_clear (&f);
}

static void
test_tight_memory (void)
{
  Fixture f;
  Line line;

  fixture_init (&f);
  teesql_memory_set_limit (&f.memory, 0);
  line_start (&line, &f);
  line.server.to_send = 300000;
  line.server.close_when_sent = TRUE;
  teesql_stream_come_back (line.server.stream);
  while (!line.application.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.application, 300000);
  line_clear (&line);
  fixture_clear (&f);
}

static void
test_end_client (void)
{
  Fixture f;
  Line line;

  fixture_init (&f);
  line_start (&line, &f);
  line_shake_hands (&line, &f);
  teesql_relay_end_client (&line.relay);
  while (!line.server.ended)
    teesql_worker_iterate (f.worker, TRUE);
  line.server.to_send = 10;
  line.server.close_when_sent = TRUE;
  teesql_stream_come_back (line.server.stream);
  while (!line.application.ended)
    teesql_worker_iterate (f.worker, TRUE);
  peer_assert_received (&line.application, 10);
  line_clear (&line);
  fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/relay/64-sessions-with-random-chunks-arrive-whole", test_soak);
  g_test_add_func ("/proxy/relay/half-close-still-delivers-the-answer", test_half_close);
  g_test_add_func ("/proxy/relay/last-words-of-a-server-arrive", test_server_dies);
  g_test_add_func ("/proxy/relay/a-client-that-vanished-ends-it-at-once", test_client_dies);
  g_test_add_func ("/proxy/relay/a-slow-client-holds-no-more-than-its-share", test_slow_client);
  g_test_add_func ("/proxy/relay/goes-on-in-small-steps-when-memory-is-tight", test_tight_memory);
  g_test_add_func ("/proxy/relay/ends-the-client-half-on-request", test_end_client);
  return g_test_run ();
}
