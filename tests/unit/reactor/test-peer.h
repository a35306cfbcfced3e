#pragma once
#include "reactor/teesql-stream.h"

#include <gio/gio.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>
#include <teesql/teesql-error.h>
#include <teesql/teesql-tls-identity.h>

/* One end of a connection under test: collects what comes, and sends a long text as fast as it is taken. */
typedef struct
{
  TeesqlStream *stream;
  GByteArray *received;
  guint chunk;
  gsize to_send;
  gsize sent;
  gboolean close_when_sent;
  gboolean shaken;
  gboolean handshaking;
  gboolean ended;
  gboolean reading;
  guint calls;
  GError *error;
} Peer;

static inline guint8
peer_byte (gsize position)
{
  return (guint8) ((position * 2654435761u) >> 13);
}

static inline void
peer_take (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  Peer *self = user_data;
  gsize total = 0;

  for (guint i = 0; i < n_pieces; i++)
    {
      g_byte_array_append (self->received, pieces[i].iov_base, (guint) pieces[i].iov_len);
      total += pieces[i].iov_len;
    }
  g_assert_cmpuint (total, ==, size);
}

static inline void
peer_produce (Peer *self)
{
  while (self->sent < self->to_send && teesql_stream_get_queued (self->stream) == 0 && !teesql_stream_is_broken (self->stream))
    {
      guint8 bytes[40000];
      gsize size = MIN (MIN (self->chunk, sizeof bytes), self->to_send - self->sent);

      for (gsize i = 0; i < size; i++)
        bytes[i] = peer_byte (self->sent + i);
      teesql_stream_write (self->stream, bytes, size);
      self->sent += size;
    }
  if (self->close_when_sent && self->sent == self->to_send)
    teesql_stream_close_write (self->stream);
}

static inline void
peer_event (TeesqlStream *stream, gpointer user_data)
{
  Peer *self = user_data;
  TeesqlIo io = TEESQL_IO_DONE;

  self->calls++;
  if (self->handshaking)
    {
      io = teesql_stream_handshake (stream, self->error == NULL ? &self->error : NULL);
      self->shaken = io == TEESQL_IO_DONE;
      self->handshaking = io == TEESQL_IO_AGAIN;
    }
  if (io != TEESQL_IO_DONE || self->handshaking)
    return;
  while (self->reading && io == TEESQL_IO_DONE && teesql_stream_can_receive (stream))
    io = teesql_stream_receive (stream, self->chunk, peer_take, self, NULL);
  if (io == TEESQL_IO_FAILED && self->error == NULL)
    self->error = teesql_stream_dup_error (stream);
  self->ended |= io == TEESQL_IO_EOF;
  peer_produce (self);
}

static inline void
peer_init (Peer *self, TeesqlWorker *worker, int fd)
{
  g_autoptr (GError) error = NULL;

  *self = (Peer){ .received = g_byte_array_new (), .chunk = 65536, .reading = TRUE };
  self->stream = teesql_stream_new (worker, fd, peer_event, self, &error);
  g_assert_no_error (error);
}

static inline void
peer_clear (Peer *self)
{
  g_clear_pointer (&self->stream, teesql_stream_free);
  g_byte_array_unref (self->received);
  g_clear_error (&self->error);
}

static inline void
peer_assert_received (Peer *self, gsize size)
{
  g_assert_cmpuint (self->received->len, ==, size);
  for (gsize i = 0; i < size; i++)
    {
      if (self->received->data[i] != peer_byte (i))
        g_error ("byte %" G_GSIZE_FORMAT " differs", i);
    }
}

static inline TeesqlWorker *
peer_worker_new (TeesqlMemory *memory)
{
  g_autoptr (GError) error = NULL;
  TeesqlWorker *worker = teesql_worker_new (0, memory, &error);

  g_assert_no_error (error);
  return worker;
}

/* A self-signed P-256 certificate; @padding: bytes in an extension, where evidence would be. */
static inline TeesqlTlsIdentity *
peer_identity_new (gsize padding)
{
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;
  gnutls_datum_t der = { NULL, 0 };
  gnutls_datum_t pkcs8 = { NULL, 0 };
  g_autofree guint8 *noise = g_malloc0 (padding + 1);
  g_autoptr (GBytes) leaf = NULL;
  g_autoptr (TeesqlSecret) secret = NULL;
  g_autoptr (GError) error = NULL;
  TeesqlTlsIdentity *identity;
  time_t now = (time_t) (g_get_real_time () / G_USEC_PER_SEC);

  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_init (&crt), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_version (crt, 3), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_serial (crt, "\1", 1), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_key (crt, key), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_dn (crt, "CN=test", NULL), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_activation_time (crt, now - 60), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_expiration_time (crt, now + 3600), ==, 0);
  if (padding > 0)
    g_assert_cmpint (gnutls_x509_crt_set_extension_by_oid (crt, "1.3.6.1.4.1.62397.1.99", noise, padding, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA256, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, &pkcs8), ==, 0);
  secret = teesql_secret_new (pkcs8.data, pkcs8.size, &error);
  g_assert_no_error (error);
  leaf = g_bytes_new (der.data, der.size);
  identity = teesql_tls_identity_new (secret, &leaf, 1, &error);
  g_assert_no_error (error);
  gnutls_free (der.data);
  gnutls_memset (pkcs8.data, 0, pkcs8.size);
  gnutls_free (pkcs8.data);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
  return identity;
}
