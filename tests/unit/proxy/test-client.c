#include "test-client.h"

#include "pgwire/teesql-pgwire-message.h"
#include "pgwire/teesql-scram.h"
#include "reactor/teesql-tls-credentials.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <teesql/teesql-error.h>
#include <unistd.h>

#define WAIT_S 20

TestClient *
test_client_new (guint16 port)
{
  TestClient *self = g_new0 (TestClient, 1);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct timeval deadline = { .tv_sec = WAIT_S };
  int one = 1;

  self->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  self->in = g_byte_array_new ();
  g_assert_cmpint (connect (self->fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (setsockopt (self->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline), ==, 0);
  g_assert_cmpint (setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), ==, 0);
  return self;
}

void
test_client_free (TestClient *self)
{
  if (self->tls != NULL)
    gnutls_deinit (self->tls);
  if (self->credentials != NULL)
    gnutls_certificate_free_credentials (self->credentials);
  if (self->fd >= 0)
    close (self->fd);
  g_byte_array_unref (self->in);
  g_free (self);
}

void
test_client_send (TestClient *self, const void *data, gsize size)
{
  const guint8 *next = data;

  while (size > 0)
    {
      gssize n = self->tls != NULL ? gnutls_record_send (self->tls, next, size) : send (self->fd, next, size, MSG_NOSIGNAL);

      g_assert_cmpint (n, >, 0);
      next += n;
      size -= (gsize) n;
    }
}

gsize
test_client_receive (TestClient *self, void *out, gsize size)
{
  gssize n;

  if (self->tls == NULL)
    {
      n = recv (self->fd, out, size, 0);
      g_assert_true (n >= 0 || errno == ECONNRESET);
      return (gsize) MAX (n, 0);
    }
  do
    n = gnutls_record_recv (self->tls, out, size);
  while (n == GNUTLS_E_INTERRUPTED);
  g_assert_cmpint (n, !=, GNUTLS_E_AGAIN); /* the deadline */
  return (gsize) MAX (n, 0);
}

void
test_client_assert_ended (TestClient *self)
{
  char byte;

  g_assert_cmpuint (self->in->len, ==, 0);
  g_assert_cmpuint (test_client_receive (self, &byte, 1), ==, 0);
}

void
test_client_close_write (TestClient *self)
{
  g_assert_cmpint (gnutls_bye (self->tls, GNUTLS_SHUT_WR), ==, 0);
  g_assert_cmpint (shutdown (self->fd, SHUT_WR), ==, 0);
}

char
test_client_request_tls (TestClient *self)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  char answer = 0;

  teesql_message_ssl_request (message);
  test_client_send (self, message->data, message->len);
  return test_client_receive (self, &answer, 1) == 1 ? answer : 0;
}

static gnutls_datum_t
datum (const guint8 *data, gsize size)
{
  return (gnutls_datum_t){ (guint8 *) data, (guint) size };
}

gboolean
test_client_start_tls (TestClient *self, TeesqlTlsIdentity *identity, const char *alpn)
{
  gnutls_session_t tls;
  int code;

  g_assert_cmpint (gnutls_certificate_allocate_credentials (&self->credentials), ==, 0);
  if (identity != NULL)
    {
      guint n;
      gsize leaf_size;
      gsize key_size;
      const guint8 *leaf = g_bytes_get_data (teesql_tls_identity_get_chain (identity, &n)[0], &leaf_size);
      const guint8 *key = teesql_secret_peek (teesql_tls_identity_get_key (identity), &key_size);
      gnutls_datum_t leaf_datum = datum (leaf, leaf_size);
      gnutls_datum_t key_datum = datum (key, key_size);

      g_assert_cmpint (gnutls_certificate_set_x509_key_mem (self->credentials, &leaf_datum, &key_datum, GNUTLS_X509_FMT_DER), ==, 0);
    }
  g_assert_cmpint (gnutls_init (&tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), ==, 0);
  g_assert_cmpint (gnutls_set_default_priority (tls), ==, 0);
  g_assert_cmpint (gnutls_credentials_set (tls, GNUTLS_CRD_CERTIFICATE, self->credentials), ==, 0);
  if (alpn != NULL)
    {
      gnutls_datum_t protocol = datum ((const guint8 *) alpn, strlen (alpn));

      g_assert_cmpint (gnutls_alpn_set_protocols (tls, &protocol, 1, 0), ==, 0);
    }
  gnutls_transport_set_int (tls, self->fd);
  do
    code = gnutls_handshake (tls);
  while (code < 0 && !gnutls_error_is_fatal (code));
  self->tls = tls;
  return code == 0;
}

void
test_client_send_startup (TestClient *self, const char *const *pairs)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();

  teesql_message_startup (message, pairs);
  test_client_send (self, message->data, message->len);
}

void
test_client_send_message (TestClient *self, char type, const void *body, gsize size)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  guint32 length = GUINT32_TO_BE ((guint32) size + 4);

  g_byte_array_append (message, (guint8 *) &type, 1);
  g_byte_array_append (message, (guint8 *) &length, 4);
  g_byte_array_append (message, body, (guint) size);
  test_client_send (self, message->data, message->len);
}

TestMessage
test_client_read (TestClient *self)
{
  TeesqlMessage message;
  gboolean complete = FALSE;
  g_autoptr (GError) error = NULL;
  TestMessage result = { 0 };

  while (teesql_message_frame (self->in->data, self->in->len, 1 << 24, &message, &complete, &error) && !complete)
    {
      guint8 bytes[16384];
      gsize n = test_client_receive (self, bytes, sizeof bytes);

      if (n == 0)
        return result;
      g_byte_array_append (self->in, bytes, (guint) n);
    }
  g_assert_no_error (error);
  result.type = message.type;
  result.size = teesql_cursor_remaining (&message.body);
  result.body = g_malloc0 (result.size + 1);
  if (result.size > 0)
    memcpy (result.body, teesql_cursor_peek (&message.body), result.size);
  g_byte_array_remove_range (self->in, 0, (guint) message.size);
  return result;
}

void
test_message_clear (TestMessage *self)
{
  g_clear_pointer (&self->body, g_free);
}

char *
test_message_get_field (const TestMessage *self, char field)
{
  gsize pos = 0;

  while (pos < self->size && self->body[pos] != 0)
    {
      const char *text = (const char *) self->body + pos + 1;

      if (self->body[pos] == (guint8) field)
        return g_strdup (text);
      pos += strlen (text) + 2;
    }
  return NULL;
}

void
test_message_assert_error (TestMessage *self, const char *sqlstate, const char *text)
{
  g_autofree char *seen_state = NULL;
  g_autofree char *seen_text = NULL;

  g_assert_cmpint (self->type, ==, 'E');
  seen_state = test_message_get_field (self, 'C');
  seen_text = test_message_get_field (self, 'M');
  g_assert_cmpstr (seen_state, ==, sqlstate);
  if (strstr (seen_text, text) == NULL)
    g_assert_cmpstr (seen_text, ==, text);
}

void
test_client_assert_error (TestClient *self, const char *sqlstate, const char *text)
{
  g_auto (TestMessage) message = test_client_read (self);

  test_message_assert_error (&message, sqlstate, text);
}

static GBytes *
client_get_end_point (TestClient *self)
{
  guint n;
  const gnutls_datum_t *chain = gnutls_certificate_get_peers (self->tls, &n);
  g_autoptr (GBytes) leaf = g_bytes_new (chain[0].data, chain[0].size);
  g_autoptr (GError) error = NULL;
  GBytes *end_point = teesql_tls_end_point (leaf, &error);

  g_assert_no_error (error);
  return end_point;
}

static TestMessage
client_read_to_request (TestClient *self)
{
  while (TRUE)
    {
      TestMessage message = test_client_read (self);

      if (message.type != 'v')
        return message;
      self->saw_negotiate = TRUE;
      test_message_clear (&message);
    }
}

static TestMessage
client_read_to_ready (TestClient *self)
{
  while (TRUE)
    {
      TestMessage message = test_client_read (self);

      if (message.type == 'K')
        {
          g_assert_cmpuint (message.size, ==, 8);
          memcpy (&self->cancel_pid, message.body, 4);
          self->cancel_pid = GUINT32_FROM_BE (self->cancel_pid);
          memcpy (self->cancel_key, message.body + 4, 4);
        }
      if (message.type == 'Z' || message.type == 'E' || message.type == 0)
        return message;
      test_message_clear (&message);
    }
}

TestMessage
test_client_log_in (TestClient *self, const TestLogin *login)
{
  g_autofree char *nonce = teesql_scram_nonce ();
  g_autoptr (GBytes) end_point = login->plus ? client_get_end_point (self) : NULL;
  gsize end_point_size = 0;
  const guint8 *end_point_data = end_point != NULL ? g_bytes_get_data (end_point, &end_point_size) : NULL;
  g_autoptr (TeesqlScramClient) scram = teesql_scram_client_new (nonce, end_point_data, end_point_size);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *first = teesql_scram_client_first (scram);
  g_autofree char *final = NULL;
  g_autoptr (TeesqlSecret) password = teesql_secret_new ((const guint8 *) login->secret, strlen (login->secret), &error);
  g_autoptr (TeesqlSecret) keys = NULL;
  TestMessage message = client_read_to_request (self);
  gsize salt_size;
  guint iterations;
  const guint8 *salt;

  if (message.type != 'R')
    return message;
  self->saw_plus = memmem (message.body, message.size, "SCRAM-SHA-256-PLUS", 18) != NULL;
  if (message.body[3] == 3)
    {
      teesql_message_password (out, (const guint8 *) login->secret, strlen (login->secret));
      test_client_send (self, out->data, out->len);
      test_message_clear (&message);
      return client_read_to_ready (self);
    }
  if (login->gs2 != NULL)
    {
      char *lie = g_strconcat (login->gs2, strstr (first, "n="), NULL);

      g_free (first);
      first = lie;
    }
  teesql_message_sasl_initial (out, login->plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", first, strlen (first));
  test_client_send (self, out->data, out->len);
  test_message_clear (&message);
  message = test_client_read (self);
  if (message.type != 'R')
    return message;
  g_assert_true (teesql_scram_client_take_first (scram, (const char *) message.body + 4, message.size - 4, &error));
  salt = teesql_scram_client_get_salt (scram, &salt_size, &iterations);
  keys = teesql_scram_keys_new (password, salt, salt_size, iterations, &error);
  g_assert_no_error (error);
  final = teesql_scram_client_final (scram, keys, &error);
  g_assert_no_error (error);
  g_byte_array_set_size (out, 0);
  teesql_message_sasl_response (out, final, strlen (final));
  test_client_send (self, out->data, out->len);
  test_message_clear (&message);
  return client_read_to_ready (self);
}

void
test_client_query (TestClient *self, const char *statement)
{
  test_client_send_message (self, 'Q', statement, strlen (statement) + 1);
}

guint
test_client_count_rows (TestClient *self, GString *last)
{
  guint rows = 0;

  while (TRUE)
    {
      g_auto (TestMessage) message = test_client_read (self);

      if (message.type == 'Z')
        return rows;
      g_assert_cmpint (message.type, ==, 'D');
      rows++;
      if (last != NULL)
        g_string_append_len (g_string_truncate (last, 0), (const char *) message.body, (gssize) message.size);
    }
}
