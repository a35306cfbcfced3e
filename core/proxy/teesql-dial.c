#include "proxy/teesql-dial.h"
#include "base/teesql-domains.h"
#include <arpa/inet.h>
#include <gnutls/x509.h>

typedef enum
{
  DIAL_RESOLVING,
  DIAL_CONNECTING,
  DIAL_HANDSHAKE,
  DIAL_JUDGING,
  DIAL_DONE,
} DialState;

static const char *const state_names[] = {
  [DIAL_RESOLVING] = "resolving the name",
  [DIAL_CONNECTING] = "connecting",
  [DIAL_HANDSHAKE] = "TLS handshake",
  [DIAL_JUDGING] = "verification",
  [DIAL_DONE] = "done",
};

struct _TeesqlDial
{
  gatomicrefcount ref_count; /* the owner's, and one for each call in flight */
  DialState state;
  TeesqlWorker *worker;
  TeesqlAttestService *attest;
  TeesqlTlsCredentials *credentials;
  char *host;
  guint16 port;
  char *server_name;
  gboolean name_is_required;
  char *log_connection;
  char *log_peer;
  guint timeout_ms;
  TeesqlTimer timer;
  GCancellable *cancellable;
  GList *addresses; /* GInetAddress, the next one to try first */
  TeesqlStream *stream;
  TeesqlVerdict *verdict;
  GBytes *leaf;
  char *tls;
  GError *last_error; /* of the address before */
  TeesqlDialFunc func;
  gpointer user_data;
};

static void dial_try_next (TeesqlDial *self);

static TeesqlDial *
dial_ref (TeesqlDial *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
dial_unref (TeesqlDial *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_object (&self->attest);
  g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_clear_pointer (&self->leaf, g_bytes_unref);
  g_clear_error (&self->last_error);
  g_list_free_full (self->addresses, g_object_unref);
  g_free (self->host);
  g_free (self->server_name);
  g_free (self->log_connection);
  g_free (self->log_peer);
  g_free (self->tls);
  g_free (self);
}

/* No callback of ours does anything from here on. */
static void
dial_stop (TeesqlDial *self)
{
  self->state = DIAL_DONE;
  teesql_worker_stop_timer (self->worker, &self->timer);
  g_cancellable_cancel (self->cancellable);
  g_clear_pointer (&self->stream, teesql_stream_free);
}

static void
dial_finish (TeesqlDial *self, TeesqlStream *stream, const GError *error)
{
  TeesqlDialResult result = { .stream = stream, .leaf = self->leaf, .verdict = self->verdict, .tls = self->tls, .error = error };

  dial_stop (self);
  self->func (&result, self->user_data);
  dial_unref (self);
}

static void G_GNUC_PRINTF (4, 5) dial_fail (TeesqlDial *self, TeesqlError code, const char *reason, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  error = teesql_error_new (TEESQL_PROTOCOL_ERROR, code, reason, 0, "%s:%u: %s", self->host, self->port, text);
  dial_finish (self, NULL, error);
}

static void
dial_timed_out (gpointer user_data)
{
  TeesqlDial *self = user_data;

  dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "connect-timeout", "%s took longer than %u ms", state_names[self->state], self->timeout_ms);
}

/* --- judgement */

static void
dial_accept (TeesqlDial *self)
{
  TeesqlStream *stream = g_steal_pointer (&self->stream);

  teesql_stream_set_func (stream, NULL, NULL);
  dial_finish (self, stream, NULL);
}

static void
dial_take_verdict (TeesqlDial *self, TeesqlVerdict *verdict)
{
  g_autoptr (GError) error = NULL;

  self->verdict = teesql_verdict_ref (verdict);
  if (teesql_verdict_is_accepted (verdict))
    {
      dial_accept (self);
      return;
    }
  error = teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, teesql_verdict_get_reason (verdict), 0,
                            "server attestation refused: %s", teesql_verdict_get_message (verdict));
  dial_finish (self, NULL, error);
}

static void
judged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlDial *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlVerdict) verdict = teesql_attest_service_judge_finish (TEESQL_ATTEST_SERVICE (source), result, &error);

  if (self->state == DIAL_JUDGING)
    {
      if (verdict != NULL)
        dial_take_verdict (self, verdict);
      else
        dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "verification", "%s", error->message);
    }
  dial_unref (self);
}

static gboolean
has_alt_names (gnutls_x509_crt_t certificate)
{
  char name[256];
  gsize size = sizeof name;

  return gnutls_x509_crt_get_subject_alt_name (certificate, 0, name, &size, NULL) != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

static gboolean
dial_name_matches (TeesqlDial *self)
{
  gnutls_x509_crt_t certificate = NULL;
  gsize size = 0;
  gconstpointer data = g_bytes_get_data (self->leaf, &size);
  gnutls_datum_t der = { .data = (guint8 *) data, .size = (unsigned int) size };
  gboolean matches = FALSE;

  if (gnutls_x509_crt_init (&certificate) < 0)
    return FALSE;
  if (gnutls_x509_crt_import (certificate, &der, GNUTLS_X509_FMT_DER) >= 0)
    matches = (!self->name_is_required && !has_alt_names (certificate)) ||
              gnutls_x509_crt_check_hostname2 (certificate, self->server_name, GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS) != 0;
  gnutls_x509_crt_deinit (certificate);
  return matches;
}

static void
dial_judge (TeesqlDial *self)
{
  g_autoptr (TeesqlVerdict) known = NULL;
  TeesqlLogContext log = { .connection = self->log_connection, .peer = self->log_peer, .phase = "verification" };

  self->state = DIAL_JUDGING;
  self->leaf = teesql_stream_dup_peer_leaf (self->stream);
  self->tls = teesql_stream_describe_tls (self->stream);
  if (self->leaf != NULL && !dial_name_matches (self))
    {
      dial_fail (self, TEESQL_ERROR_REFUSED, "server-name", "the certificate is not for %s", self->server_name);
      return;
    }
  known = self->leaf != NULL ? teesql_attest_service_lookup (self->attest, self->leaf) : NULL;
  if (known != NULL)
    dial_take_verdict (self, known);
  else
    teesql_attest_service_judge_async (self->attest, self->leaf, self->log_connection != NULL ? &log : NULL, self->cancellable, judged_cb,
                                       dial_ref (self));
}

/* --- connection */

static void
dial_go_on (TeesqlStream *stream, gpointer user_data)
{
  TeesqlDial *self = user_data;
  g_autoptr (GError) error = NULL;
  TeesqlIo io = TEESQL_IO_AGAIN;

  if (self->state == DIAL_CONNECTING)
    {
      io = teesql_stream_finish_connect (stream, &error);
      if (io == TEESQL_IO_FAILED)
        {
          g_clear_error (&self->last_error);
          self->last_error = g_steal_pointer (&error);
          g_clear_pointer (&self->stream, teesql_stream_free);
          dial_try_next (self);
        }
      if (io != TEESQL_IO_DONE)
        return;
      self->state = DIAL_HANDSHAKE;
    }
  if (self->state != DIAL_HANDSHAKE)
    return;
  io = teesql_stream_handshake (stream, &error);
  if (io == TEESQL_IO_DONE)
    dial_judge (self);
  else if (io != TEESQL_IO_AGAIN)
    dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "handshake", "%s", error != NULL ? error->message : "closed during the TLS handshake");
}

static gboolean
dial_start_tls (TeesqlDial *self, GError **error)
{
  TeesqlTlsOptions options = { .role = TEESQL_TLS_CLIENT, .credentials = self->credentials };
  struct in6_addr address;

  /* RFC 6066: an address is no server name */
  if (inet_pton (AF_INET, self->server_name, &address) != 1 && inet_pton (AF_INET6, self->server_name, &address) != 1)
    options.server_name = self->server_name;
  return teesql_stream_start_tls (self->stream, &options, error);
}

static void
dial_connect (TeesqlDial *self, GInetAddress *address)
{
  g_autoptr (GSocketAddress) socket_address = g_inet_socket_address_new (address, self->port);
  g_autoptr (GError) error = NULL;
  struct sockaddr_storage native;

  if (!g_socket_address_to_native (socket_address, &native, sizeof native, &error))
    {
      dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "unreachable", "%s", error->message);
      return;
    }
  self->stream = teesql_stream_new_connect (self->worker, (const struct sockaddr *) &native,
                                            (socklen_t) g_socket_address_get_native_size (socket_address), dial_go_on, self, &error);
  if (self->stream == NULL)
    {
      g_clear_error (&self->last_error);
      self->last_error = g_steal_pointer (&error);
      dial_try_next (self);
      return;
    }
  self->state = DIAL_CONNECTING;
  if (!dial_start_tls (self, &error))
    dial_fail (self, TEESQL_ERROR_FAILED, "tls-setup", "%s", error->message);
}

static void
dial_try_next (TeesqlDial *self)
{
  g_autoptr (GInetAddress) address = NULL;

  if (self->addresses == NULL)
    {
      dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "unreachable", "%s",
                 self->last_error != NULL ? self->last_error->message : "the name has no address");
      return;
    }
  address = self->addresses->data;
  self->addresses = g_list_delete_link (self->addresses, self->addresses);
  dial_connect (self, address);
}

static void
resolved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlDial *self = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);

  if (self->state != DIAL_RESOLVING)
    g_list_free_full (addresses, g_object_unref);
  else if (error != NULL)
    dial_fail (self, TEESQL_ERROR_UNAVAILABLE, "unreachable", "%s", error->message);
  else
    {
      self->addresses = addresses;
      dial_try_next (self);
    }
  dial_unref (self);
}

/* --- public */

TeesqlDial *
teesql_dial_start (TeesqlWorker *worker, const TeesqlDialOptions *options, TeesqlDialFunc func, gpointer user_data)
{
  TeesqlDial *self = g_new0 (TeesqlDial, 1);
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  g_atomic_ref_count_init (&self->ref_count);
  self->worker = worker;
  self->attest = g_object_ref (options->attest);
  self->credentials = teesql_tls_credentials_ref (options->credentials);
  self->host = g_strdup (options->host);
  self->port = options->port;
  self->name_is_required = options->server_name != NULL;
  self->server_name = g_strdup (options->server_name != NULL ? options->server_name : options->host);
  if (options->log != NULL)
    {
      self->log_connection = g_strdup (options->log->connection);
      self->log_peer = g_strdup (options->log->peer);
    }
  self->cancellable = g_cancellable_new ();
  self->func = func;
  self->user_data = user_data;
  self->timeout_ms = options->timeout_ms;
  self->timer = (TeesqlTimer){ .func = dial_timed_out, .user_data = self };
  teesql_worker_start_timer (worker, &self->timer, options->timeout_ms);
  g_resolver_lookup_by_name_async (resolver, self->host, self->cancellable, resolved_cb, dial_ref (self));
  return self;
}

void
teesql_dial_cancel (TeesqlDial *self)
{
  if (self->state == DIAL_DONE)
    return;
  dial_stop (self);
  dial_unref (self);
}
