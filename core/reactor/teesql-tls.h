#pragma once
#include "reactor/teesql-tls-credentials.h"
#include "reactor/teesql-worker.h"

G_BEGIN_DECLS

/* A certificate with evidence is 8 KiB and may be 48; the largest handshake message anybody may send us. */
#define TEESQL_TLS_MAX_HANDSHAKE ((gsize) 49152)
#define TEESQL_TLS_MAX_RECORD    ((gsize) 16384)

typedef enum
{
  TEESQL_TLS_SERVER,
  TEESQL_TLS_CLIENT
} TeesqlTlsRole;

/**
 * TeesqlTlsOptions:
 * @credentials: (nullable): %NULL only for a client that shows no certificate
 * @allow_tls12: TLS 1.2 with ECDHE, AEAD and extended master secret too
 * @server_name: (nullable): SNI that a client sends
 *
 * Both roles speak ALPN `postgresql`: a client offers it, a server takes it or none and refuses another.
 */
typedef struct
{
  TeesqlTlsRole role;
  TeesqlTlsCredentials *credentials;
  gboolean allow_tls12;
  const char *server_name;
} TeesqlTlsOptions;

/**
 * TeesqlTls:
 *
 * GnuTLS over memory, the half of a stream that knows no socket. Input is lent to it and read completely; output goes to the worker's
 * gather space, and from there to @out when that is full.
 */
typedef struct _TeesqlTls TeesqlTls;

TeesqlTls *teesql_tls_new (const TeesqlTlsOptions *options, TeesqlWorker *worker, TeesqlBufferQueue *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_tls_free (TeesqlTls *self);
void teesql_tls_lend (TeesqlTls *self, const guint8 *data, gsize size);
gsize teesql_tls_get_lent (const TeesqlTls *self, const guint8 **out_data); /* what has not been read yet */
void teesql_tls_end_input (TeesqlTls *self);
/* These return GnuTLS codes; GNUTLS_E_AGAIN means that the input lent was not enough. */
int teesql_tls_handshake (TeesqlTls *self);
gssize teesql_tls_receive (TeesqlTls *self, gnutls_packet_t *out_packet);
gboolean teesql_tls_send (TeesqlTls *self, const guint8 *data, gsize size);
void teesql_tls_send_alert (TeesqlTls *self, int code);
void teesql_tls_close (TeesqlTls *self); /* close_notify */
gboolean teesql_tls_has_pending (TeesqlTls *self);
GError *teesql_tls_error_new (TeesqlTls *self, int code) G_GNUC_WARN_UNUSED_RESULT;

gboolean teesql_tls_is_acceptable (TeesqlTls *self, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* after the handshake */
GBytes *teesql_tls_dup_peer_leaf (TeesqlTls *self) G_GNUC_WARN_UNUSED_RESULT;                  /* (nullable) */
char *teesql_tls_describe (TeesqlTls *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlTls, teesql_tls_free)
G_END_DECLS
