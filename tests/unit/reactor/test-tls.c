#include "test-peer.h"

#include <gnutls/crypto.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct
{
  TeesqlMemory memory;
  TeesqlWorker *worker;
  Peer server;
  Peer client;
  TeesqlTlsIdentity *identity;
  TeesqlTlsCredentials *credentials;
  gboolean allow_tls12;
  int raw; /* of a session that shake_raw () handed out */
} Fixture;

static TeesqlTlsCredentials *
credentials_new (TeesqlTlsIdentity *identity)
{
  g_autoptr (GError) error = NULL;
  TeesqlTlsCredentials *credentials = teesql_tls_credentials_new (identity, &error);

  g_assert_no_error (error);
  return credentials;
}

static void
fixture_init (Fixture *self, gsize padding)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  self->allow_tls12 = FALSE;
  self->raw = -1;
  self->memory = (TeesqlMemory){ .limit_bytes = 1 << 20 };
  self->worker = peer_worker_new (&self->memory);
  self->identity = peer_identity_new (padding);
  self->credentials = credentials_new (self->identity);
  peer_init (&self->server, self->worker, pair[0]);
  peer_init (&self->client, self->worker, pair[1]);
}

static void
fixture_clear (Fixture *self)
{
  peer_clear (&self->server);
  peer_clear (&self->client);
  g_assert_cmpuint (teesql_memory_get_used (&self->memory), ==, 0);
  teesql_worker_free (self->worker);
  teesql_tls_credentials_unref (self->credentials);
  teesql_tls_identity_unref (self->identity);
  if (self->raw >= 0)
    close (self->raw);
}

static void
peer_start_tls (Peer *peer, const TeesqlTlsOptions *options)
{
  g_autoptr (GError) error = NULL;
  gboolean started = teesql_stream_start_tls (peer->stream, options, &error);

  g_assert_no_error (error);
  g_assert_true (started);
  peer->handshaking = TRUE;
  teesql_stream_come_back (peer->stream);
}

static void
fixture_start_tls (Fixture *self, gboolean client_certificate)
{
  peer_start_tls (&self->server, &(TeesqlTlsOptions){ .role = TEESQL_TLS_SERVER, .credentials = self->credentials });
  peer_start_tls (&self->client,
                  &(TeesqlTlsOptions){ .role = TEESQL_TLS_CLIENT, .credentials = client_certificate ? self->credentials : NULL });
}

static void
fixture_shake_hands (Fixture *self)
{
  while (self->server.handshaking || self->client.handshaking)
    teesql_worker_iterate (self->worker, TRUE);
}

static void
test_mutual (void)
{
  Fixture f;
  g_autoptr (GBytes) seen_by_server = NULL;
  g_autoptr (GBytes) seen_by_client = NULL;
  g_autofree char *description = NULL;
  guint n;

  fixture_init (&f, 8192);
  fixture_start_tls (&f, TRUE);
  fixture_shake_hands (&f);
  g_assert_no_error (f.server.error);
  g_assert_no_error (f.client.error);
  seen_by_server = teesql_stream_dup_peer_leaf (f.server.stream);
  seen_by_client = teesql_stream_dup_peer_leaf (f.client.stream);
  g_assert_true (g_bytes_equal (seen_by_server, teesql_tls_identity_get_chain (f.identity, &n)[0]));
  g_assert_true (g_bytes_equal (seen_by_client, seen_by_server));
  description = teesql_stream_describe_tls (f.server.stream);
  g_assert_nonnull (strstr (description, "TLS1.3"));
  g_assert_nonnull (strstr (description, "X25519"));
  g_assert_nonnull (strstr (description, "AES-128-GCM"));
  fixture_clear (&f);
}

static void
test_no_certificate (void)
{
  Fixture f;

  fixture_init (&f, 0);
  fixture_start_tls (&f, FALSE);
  fixture_shake_hands (&f);
  g_assert_no_error (f.server.error);
  g_assert_true (f.server.shaken);
  g_assert_null (teesql_stream_dup_peer_leaf (f.server.stream));
  fixture_clear (&f);
}

static void
run_transfer (guint client_chunk, guint server_chunk, gsize size)
{
  Fixture f;

  fixture_init (&f, 0);
  f.client.chunk = client_chunk;
  f.server.chunk = server_chunk;
  f.client.to_send = size;
  f.server.to_send = size / 2;
  f.client.close_when_sent = TRUE;
  f.server.close_when_sent = TRUE;
  fixture_start_tls (&f, TRUE);
  while (!f.server.ended || !f.client.ended)
    {
      teesql_worker_iterate (f.worker, TRUE);
      g_assert_no_error (f.server.error);
      g_assert_no_error (f.client.error);
    }
  peer_assert_received (&f.server, size);
  peer_assert_received (&f.client, size / 2);
  fixture_clear (&f);
}

static void
test_transfer (void)
{
  static const guint chunks[] = { 65536, 40000, 16384, 8192, 1000, 37 };

  for (guint i = 0; i < G_N_ELEMENTS (chunks); i++)
    run_transfer (chunks[i], chunks[G_N_ELEMENTS (chunks) - 1 - i], 600000);
}

static void
test_tiny_records (void)
{
  run_transfer (1, 1, 4000);
}

/* The client's Finished and its first words in one segment. */
static void
test_data_behind_finished (void)
{
  Fixture f;
  int inner[2];
  gsize total = 0;
  guint8 bytes[65536];

  fixture_init (&f, 0);
  /* between the two, a wire that we hold: the client speaks to inner[1] */
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, inner), ==, 0);
  peer_clear (&f.client);
  peer_clear (&f.server);
  {
    int outer[2];

    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, outer), ==, 0);
    peer_init (&f.server, f.worker, outer[0]);
    peer_init (&f.client, f.worker, inner[0]);
    f.client.to_send = 2500;
    f.client.chunk = 1000;
    fixture_start_tls (&f, TRUE);
    while (f.client.handshaking || f.client.sent < f.client.to_send)
      {
        gssize n;

        teesql_worker_iterate (f.worker, FALSE);
        n = recv (outer[1], bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
          g_assert_cmpint (send (inner[1], bytes, (gsize) n, 0), ==, n);
        /* only the ClientHello goes on at once */
        n = total == 0 ? recv (inner[1], bytes, sizeof bytes, MSG_DONTWAIT) : 0;
        if (n > 0)
          {
            total += (gsize) n;
            g_assert_cmpint (send (outer[1], bytes, (gsize) n, 0), ==, n);
          }
      }
    g_assert_true (f.server.handshaking);
    {
      gssize n = recv (inner[1], bytes, sizeof bytes, MSG_DONTWAIT);

      g_assert_cmpint (n, >, 2500);
      g_assert_cmpint (send (outer[1], bytes, (gsize) n, 0), ==, n);
    }
    while (f.server.received->len < 2500)
      teesql_worker_iterate (f.worker, TRUE);
    peer_assert_received (&f.server, 2500);
    close (outer[1]);
    close (inner[1]);
  }
  fixture_clear (&f);
}

static void
test_end_without_notify (void)
{
  Fixture f;

  fixture_init (&f, 0);
  fixture_start_tls (&f, TRUE);
  fixture_shake_hands (&f);
  g_assert_cmpint (shutdown (teesql_stream_get_fd (f.client.stream), SHUT_WR), ==, 0);
  while (!f.server.ended)
    teesql_worker_iterate (f.worker, TRUE);
  g_assert_true (teesql_stream_was_cut (f.server.stream));
  fixture_clear (&f);
}

static void
test_end_with_notify (void)
{
  Fixture f;

  fixture_init (&f, 0);
  fixture_start_tls (&f, TRUE);
  fixture_shake_hands (&f);
  teesql_stream_close_write (f.client.stream);
  while (!f.server.ended)
    teesql_worker_iterate (f.worker, TRUE);
  g_assert_false (teesql_stream_was_cut (f.server.stream));
  /* the other direction is open still */
  teesql_stream_write (f.server.stream, "bye", 3);
  while (f.client.received->len < 3)
    teesql_worker_iterate (f.worker, TRUE);
  fixture_clear (&f);
}

static void
test_garbage (void)
{
  Fixture f;
  guint8 noise[4096];

  fixture_init (&f, 0);
  fixture_start_tls (&f, TRUE);
  fixture_shake_hands (&f);
  gnutls_rnd (GNUTLS_RND_NONCE, noise, sizeof noise);
  noise[0] = 0x17;
  noise[1] = 3;
  noise[2] = 3;
  noise[3] = 0;
  noise[4] = 200;
  g_assert_cmpint (send (teesql_stream_get_fd (f.client.stream), noise, sizeof noise, 0), ==, sizeof noise);
  while (f.server.error == NULL)
    teesql_worker_iterate (f.worker, TRUE);
  g_assert_cmpuint (f.server.received->len, ==, 0);
  g_assert_cmpint (teesql_stream_receive (f.server.stream, 100, peer_take, &f.server, NULL), ==, TEESQL_IO_FAILED);
  fixture_clear (&f);
}

/* A raw GnuTLS client with settings of its own, against our server. */
static int
shake_raw (Fixture *f, const char *priority, const char *alpn, TeesqlTlsIdentity *identity, gnutls_session_t *out_session)
{
  gnutls_session_t session;
  gnutls_certificate_credentials_t bare;
  gnutls_datum_t protocol = { (guint8 *) alpn, alpn != NULL ? (guint) strlen (alpn) : 0 };
  int fd = dup (teesql_stream_get_fd (f->client.stream));
  int code;

  peer_start_tls (&f->server,
                  &(TeesqlTlsOptions){ .role = TEESQL_TLS_SERVER, .credentials = f->credentials, .allow_tls12 = f->allow_tls12 });
  teesql_stream_free (g_steal_pointer (&f->client.stream));
  g_assert_cmpint (gnutls_certificate_allocate_credentials (&bare), ==, 0);
  if (identity != NULL)
    {
      guint n;
      gsize key_size;
      gsize leaf_size;
      const guint8 *key = teesql_secret_peek (teesql_tls_identity_get_key (identity), &key_size);
      const guint8 *leaf = g_bytes_get_data (teesql_tls_identity_get_chain (identity, &n)[0], &leaf_size);

      g_assert_cmpint (gnutls_certificate_set_x509_key_mem (bare, &(gnutls_datum_t){ (guint8 *) leaf, (guint) leaf_size },
                                                            &(gnutls_datum_t){ (guint8 *) key, (guint) key_size }, GNUTLS_X509_FMT_DER),
                       ==, 0);
    }
  g_assert_cmpint (gnutls_init (&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), ==, 0);
  g_assert_cmpint (gnutls_priority_set_direct (session, priority, NULL), ==, 0);
  g_assert_cmpint (gnutls_credentials_set (session, GNUTLS_CRD_CERTIFICATE, bare), ==, 0);
  if (alpn != NULL)
    g_assert_cmpint (gnutls_alpn_set_protocols (session, &protocol, 1, 0), ==, 0);
  gnutls_transport_set_int (session, fd);
  do
    {
      code = gnutls_handshake (session);
      teesql_worker_iterate (f->worker, FALSE);
    }
  while ((code < 0 && !gnutls_error_is_fatal (code)) || (code == 0 && f->server.handshaking));
  if (out_session != NULL)
    *out_session = session;
  else
    gnutls_deinit (session);
  gnutls_certificate_free_credentials (bare);
  f->raw = fd;
  return code;
}

static void
check_raw (gboolean allow_tls12, const char *priority, const char *alpn, gboolean welcome)
{
  Fixture f;
  int code;

  fixture_init (&f, 0);
  f.allow_tls12 = allow_tls12;
  code = shake_raw (&f, priority, alpn, NULL, NULL);
  g_assert_cmpint (code == 0 && f.server.shaken, ==, welcome);
  fixture_clear (&f);
}

static void
test_certificate_size (void)
{
  g_autoptr (TeesqlTlsIdentity) large = peer_identity_new (47000);
  g_autoptr (TeesqlTlsIdentity) huge = peer_identity_new (52000);
  Fixture f;

  fixture_init (&f, 0);
  shake_raw (&f, "NORMAL", NULL, large, NULL);
  g_assert_no_error (f.server.error);
  g_assert_true (f.server.shaken);
  fixture_clear (&f);
  fixture_init (&f, 0);
  shake_raw (&f, "NORMAL", NULL, huge, NULL);
  g_assert_false (f.server.shaken);
  g_assert_cmpstr (teesql_error_get_reason (f.server.error), ==, "tls-too-large");
  fixture_clear (&f);
}

static void
test_versions (void)
{
  check_raw (FALSE, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL, TRUE);
  check_raw (FALSE, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL, FALSE);
  check_raw (FALSE, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1", NULL, TRUE);
  check_raw (FALSE, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP521R1", NULL, FALSE);
}

static void
test_tls12 (void)
{
  check_raw (TRUE, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL, TRUE);
  check_raw (TRUE, "NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL, FALSE);
  check_raw (TRUE, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", NULL, FALSE);
  check_raw (TRUE, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA:+DHE-RSA", NULL, FALSE);
  check_raw (TRUE, "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH", NULL, FALSE);
}

static void
test_alpn (void)
{
  check_raw (FALSE, "NORMAL", "postgresql", TRUE);
  check_raw (FALSE, "NORMAL", "h2", FALSE);
  check_raw (FALSE, "NORMAL", "teesql/1", FALSE);
}

static void
test_no_ticket (void)
{
  Fixture f;
  gnutls_session_t session;

  fixture_init (&f, 0);
  g_assert_cmpint (shake_raw (&f, "NORMAL", NULL, NULL, &session), ==, 0);
  teesql_stream_write (f.server.stream, "x", 1); /* tickets would come before it */
  while (gnutls_record_recv (session, (char[2]){ 0 }, 1) != 1)
    teesql_worker_iterate (f.worker, FALSE);
  g_assert_cmpuint (gnutls_session_get_flags (session) & GNUTLS_SFLAGS_SESSION_TICKET, ==, 0);
  gnutls_deinit (session);
  fixture_clear (&f);
}

/* The peer renews its keys and asks for ours: the answer to that is produced by a read. */
static void
test_key_update (void)
{
  Fixture f;
  gnutls_session_t session;
  char byte = 0;

  fixture_init (&f, 0);
  g_assert_cmpint (shake_raw (&f, "NORMAL", NULL, NULL, &session), ==, 0);
  for (gsize i = 0; i < 3; i++)
    {
      g_assert_cmpint (gnutls_session_key_update (session, GNUTLS_KU_PEER), ==, 0);
      g_assert_cmpint (gnutls_record_send (session, &(guint8){ peer_byte (i) }, 1), ==, 1);
      while (f.server.received->len <= i)
        teesql_worker_iterate (f.worker, TRUE);
      teesql_stream_write (f.server.stream, "y", 1);
      while (gnutls_record_recv (session, &byte, 1) != 1)
        teesql_worker_iterate (f.worker, FALSE);
      g_assert_cmpint (byte, ==, 'y');
    }
  peer_assert_received (&f.server, 3);
  gnutls_deinit (session);
  fixture_clear (&f);
}

/* A record without content is no end. */
static void
test_empty_records (void)
{
  Fixture f;
  int waiting = 0;
  gnutls_session_t session;

  fixture_init (&f, 0);
  g_assert_cmpint (shake_raw (&f, "NORMAL", NULL, NULL, &session), ==, 0);
  for (guint i = 0; i < 50; i++)
    g_assert_cmpint (gnutls_record_send2 (session, "", 0, 16, 0), >=, 0);
  g_assert_cmpint (ioctl (teesql_stream_get_fd (f.server.stream), FIONREAD, &waiting), ==, 0);
  g_assert_cmpint (waiting, >=, 50 * (5 + 1 + 16 + 16)); /* head, type, padding, tag */
  g_assert_cmpint (gnutls_record_send (session, &(guint8){ peer_byte (0) }, 1), ==, 1);
  while (f.server.received->len == 0 && !f.server.ended && f.server.error == NULL)
    teesql_worker_iterate (f.worker, TRUE);
  g_assert_no_error (f.server.error);
  peer_assert_received (&f.server, 1);
  g_assert_false (f.server.ended);
  gnutls_deinit (session);
  fixture_clear (&f);
}

static void
test_end_point (void)
{
  g_autoptr (TeesqlTlsIdentity) identity = peer_identity_new (0);
  g_autoptr (TeesqlTlsCredentials) credentials = credentials_new (identity);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  GBytes *end_point = teesql_tls_credentials_get_end_point (credentials);
  guint8 expected[32];
  guint n;
  gsize size;
  const guint8 *leaf = g_bytes_get_data (teesql_tls_identity_get_chain (identity, &n)[0], &size);

  g_assert_cmpint (gnutls_hash_fast (GNUTLS_DIG_SHA256, leaf, size, expected), ==, 0);
  g_assert_cmpmem (g_bytes_get_data (end_point, NULL), (int) g_bytes_get_size (end_point), expected, (int) sizeof expected);
  g_assert_null (teesql_tls_end_point (garbage, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "certificate-malformed");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/tls/both-ends-show-a-certificate", test_mutual);
  g_test_add_func ("/reactor/tls/client-without-certificate-ends-the-handshake", test_no_certificate);
  g_test_add_func ("/reactor/tls/certificate-over-48-kib-is-refused", test_certificate_size);
  g_test_add_func ("/reactor/tls/both-directions-arrive-whole", test_transfer);
  g_test_add_func ("/reactor/tls/records-of-one-byte-arrive-whole", test_tiny_records);
  g_test_add_func ("/reactor/tls/data-behind-finished-is-not-lost", test_data_behind_finished);
  g_test_add_func ("/reactor/tls/end-without-close-notify-is-a-cut", test_end_without_notify);
  g_test_add_func ("/reactor/tls/close-notify-closes-one-direction", test_end_with_notify);
  g_test_add_func ("/reactor/tls/garbage-record-fails-the-stream", test_garbage);
  g_test_add_func ("/reactor/tls/offers-only-1.3-with-two-groups", test_versions);
  g_test_add_func ("/reactor/tls/1.2-needs-ecdhe-aead-and-ems", test_tls12);
  g_test_add_func ("/reactor/tls/only-alpn-postgresql", test_alpn);
  g_test_add_func ("/reactor/tls/sends-no-ticket", test_no_ticket);
  g_test_add_func ("/reactor/tls/answers-a-key-update", test_key_update);
  g_test_add_func ("/reactor/tls/empty-records-are-passed-over", test_empty_records);
  g_test_add_func ("/reactor/tls/end-point-is-the-hash-of-the-leaf", test_end_point);
  return g_test_run ();
}
