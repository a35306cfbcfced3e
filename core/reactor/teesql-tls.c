#include "reactor/teesql-tls.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <string.h>

/* Explicit, so that no system file has a say. AES-128 first: its SHA-256 transcript makes a login 8 % cheaper and nothing dearer.
 * RSA signatures are there for the sake of a better answer than an alert: whoever shows a plain RSA certificate is told `no-evidence`. */
#define PRIORITY_COMMON                                                                                                                    \
  "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+GROUP-SECP256R1:"                                                     \
  "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:"                                       \
  "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:"                       \
  "+CTYPE-X509:+COMP-NULL:%SERVER_PRECEDENCE"
#define PRIORITY_TLS13 "NONE:+VERS-TLS1.3:" PRIORITY_COMMON
#define PRIORITY_TLS12 "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:" PRIORITY_COMMON ":%SAFE_RENEGOTIATION"

#define ALPN "postgresql"

struct _TeesqlTls
{
  gnutls_session_t session;
  TeesqlTlsCredentials *credentials;     /* (nullable) */
  gnutls_certificate_credentials_t bare; /* in their place */
  TeesqlWorker *worker;
  TeesqlBufferQueue *out;
  const guint8 *in;
  gsize in_size;
  gboolean in_ended;
};

static gnutls_priority_t
tls_get_priority (gboolean allow_tls12)
{
  static gsize made;
  static gnutls_priority_t priorities[2];

  if (g_once_init_enter (&made))
    {
      const char *where = NULL;

      if (gnutls_priority_init (&priorities[0], PRIORITY_TLS13, &where) < 0 ||
          gnutls_priority_init (&priorities[1], PRIORITY_TLS12, &where) < 0)
        g_critical ("TLS priorities are wrong at: %s", where);
      g_once_init_leave (&made, 1);
    }
  return priorities[allow_tls12 ? 1 : 0];
}

static ssize_t
tls_pull (gnutls_transport_ptr_t transport, void *out, size_t size)
{
  TeesqlTls *self = transport;
  gsize part = MIN (size, self->in_size);

  if (part == 0)
    {
      if (self->in_ended)
        return 0;
      gnutls_transport_set_errno (self->session, EAGAIN);
      return -1;
    }
  memcpy (out, self->in, part); /* part is bounded by both sides */
  self->in += part;
  self->in_size -= part;
  return (ssize_t) part;
}

/* Never blocks: what the gather space cannot take moves on to the queue of the stream. */
static ssize_t
tls_push (gnutls_transport_ptr_t transport, const giovec_t *iov, int n_iov)
{
  TeesqlTls *self = transport;
  TeesqlGather *gather = teesql_worker_get_gather (self->worker);
  TeesqlBufferPool *pool = teesql_worker_get_pool (self->worker);
  gsize total = 0;

  for (int i = 0; i < n_iov; i++)
    {
      total += iov[i].iov_len;
      if (iov[i].iov_len > sizeof gather->data - gather->size)
        {
          teesql_buffer_queue_append (self->out, pool, gather->data, gather->size);
          gather->size = 0;
        }
      if (iov[i].iov_len > sizeof gather->data)
        {
          teesql_buffer_queue_append (self->out, pool, iov[i].iov_base, iov[i].iov_len);
          continue;
        }
      memcpy (gather->data + gather->size, iov[i].iov_base, iov[i].iov_len);
      gather->size += iov[i].iov_len;
    }
  return (ssize_t) total;
}

static int
tls_set_credentials (TeesqlTls *self)
{
  int code;

  if (self->credentials != NULL)
    return gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, teesql_tls_credentials_get_handle (self->credentials));
  code = gnutls_certificate_allocate_credentials (&self->bare);
  return code < 0 ? code : gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, self->bare);
}

static int
tls_setup (TeesqlTls *self, const TeesqlTlsOptions *options)
{
  static const gnutls_datum_t alpn = { .data = (guint8 *) ALPN, .size = sizeof ALPN - 1 };
  /* SR-4: no tickets, no early data. The certificate is ours to choose, whatever issuers the server names. */
  guint flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                (options->role == TEESQL_TLS_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT);
  int code = gnutls_init (&self->session, flags);

  if (code < 0)
    return code;
  gnutls_transport_set_ptr (self->session, self);
  gnutls_transport_set_pull_function (self->session, tls_pull);
  gnutls_transport_set_vec_push_function (self->session, tls_push);
  gnutls_handshake_set_max_packet_length (self->session, TEESQL_TLS_MAX_HANDSHAKE);
  code = gnutls_priority_set (self->session, tls_get_priority (options->allow_tls12));
  if (code >= 0)
    code = gnutls_alpn_set_protocols (self->session, &alpn, 1, options->role == TEESQL_TLS_SERVER ? GNUTLS_ALPN_MANDATORY : 0);
  if (code >= 0 && options->role == TEESQL_TLS_CLIENT && options->server_name != NULL)
    code = gnutls_server_name_set (self->session, GNUTLS_NAME_DNS, options->server_name, strlen (options->server_name));
  /* Requested, not required: who has none is told so in words, after the handshake. */
  if (code >= 0 && options->role == TEESQL_TLS_SERVER)
    gnutls_certificate_server_set_request (self->session, GNUTLS_CERT_REQUEST);
  if (code >= 0)
    code = tls_set_credentials (self);
  return code;
}

TeesqlTls *
teesql_tls_new (const TeesqlTlsOptions *options, TeesqlWorker *worker, TeesqlBufferQueue *out, GError **error)
{
  g_autoptr (TeesqlTls) self = g_new0 (TeesqlTls, 1);
  int code;

  self->worker = worker;
  self->out = out;
  if (options->credentials != NULL)
    self->credentials = teesql_tls_credentials_ref (options->credentials);
  code = tls_setup (self, options);
  if (code < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_FAILED, "tls-setup", 0, "TLS session: %s",
                                                  gnutls_strerror (code)));
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
teesql_tls_free (TeesqlTls *self)
{
  if (self->session != NULL)
    gnutls_deinit (self->session);
  if (self->bare != NULL)
    gnutls_certificate_free_credentials (self->bare);
  g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
  g_free (self);
}

void
teesql_tls_lend (TeesqlTls *self, const guint8 *data, gsize size)
{
  self->in = data;
  self->in_size = size;
}

gsize
teesql_tls_get_lent (const TeesqlTls *self, const guint8 **out_data)
{
  *out_data = self->in;
  return self->in_size;
}

void
teesql_tls_end_input (TeesqlTls *self)
{
  self->in_ended = TRUE;
}

/* GnuTLS may say AGAIN after it has taken a message without handing anything out, with more input at hand. */
static gboolean
tls_should_repeat (TeesqlTls *self, int code, gsize before)
{
  return (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) && self->in_size > 0 && self->in_size < before;
}

int
teesql_tls_handshake (TeesqlTls *self)
{
  gsize before;
  int code;

  do
    {
      before = self->in_size;
      code = gnutls_handshake (self->session);
    }
  while (tls_should_repeat (self, code, before) || code == GNUTLS_E_WARNING_ALERT_RECEIVED);
  return code;
}

gssize
teesql_tls_receive (TeesqlTls *self, gnutls_packet_t *out_packet)
{
  gsize before;
  gssize size;

  do
    {
      before = self->in_size;
      size = gnutls_record_recv_packet (self->session, out_packet);
    }
  while (size < 0 && tls_should_repeat (self, (int) size, before));
  return size;
}

gboolean
teesql_tls_send (TeesqlTls *self, const guint8 *data, gsize size)
{
  while (size > 0)
    {
      gssize sent = gnutls_record_send (self->session, data, MIN (size, TEESQL_TLS_MAX_RECORD));

      if (sent <= 0)
        return FALSE;
      data += sent;
      size -= (gsize) sent;
    }
  return TRUE;
}

void
teesql_tls_send_alert (TeesqlTls *self, int code)
{
  (void) gnutls_alert_send_appropriate (self->session, code);
}

void
teesql_tls_close (TeesqlTls *self)
{
  (void) gnutls_bye (self->session, GNUTLS_SHUT_WR);
}

gboolean
teesql_tls_has_pending (TeesqlTls *self)
{
  return gnutls_record_check_pending (self->session) > 0;
}

GError *
teesql_tls_error_new (TeesqlTls *self, int code)
{
  const char *reason = "tls-failed";
  const char *alert = NULL;

  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED || code == GNUTLS_E_WARNING_ALERT_RECEIVED)
    {
      reason = "tls-alert";
      alert = gnutls_alert_get_name (gnutls_alert_get (self->session));
    }
  else if (code == GNUTLS_E_PREMATURE_TERMINATION)
    reason = "tls-ended";
  else if (code == GNUTLS_E_HANDSHAKE_TOO_LARGE)
    reason = "tls-too-large";
  return teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "TLS: %s%s%s", gnutls_strerror (code),
                           alert != NULL ? ": " : "", alert != NULL ? alert : "");
}

gboolean
teesql_tls_is_acceptable (TeesqlTls *self, GError **error)
{
  /* Without it a TLS 1.2 session can be spliced to another one (triple handshake); our priority cannot demand it. */
  if (gnutls_protocol_get_version (self->session) == GNUTLS_TLS1_3 || gnutls_session_ext_master_secret_status (self->session) != 0)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "tls-extended-master-secret", 0,
                                              "TLS 1.2 without extended master secret"));
  return FALSE;
}

GBytes *
teesql_tls_dup_peer_leaf (TeesqlTls *self)
{
  guint n = 0;
  const gnutls_datum_t *chain;

  if (gnutls_certificate_type_get2 (self->session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
    return NULL;
  chain = gnutls_certificate_get_peers (self->session, &n);
  return chain != NULL && n > 0 ? g_bytes_new (chain[0].data, chain[0].size) : NULL;
}

char *
teesql_tls_describe (TeesqlTls *self)
{
  char *description = gnutls_session_get_desc (self->session);
  char *copy = g_strdup (description != NULL ? description : "(TLS)");

  gnutls_free (description);
  return copy;
}
