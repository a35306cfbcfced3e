#include "ita-http.h"

#include "../cloud/cloud-error.h"
#include "../cloud/cloud-http.h"
#include "ita-json.h"
#include <string.h>

#define MAX_CONNECTIONS  8
#define RETRY_DEFAULT_MS 1000u
#define HINT             "\nhint: see base-url, jwks-url, proxy and ca-file of this verifier"

typedef struct
{
  char *what;
  const char *oversize;
  gboolean attest;
} Call;

static void
call_free (gpointer data)
{
  Call *self = data;

  g_free (self->what);
  g_free (self);
}

SoupSession *
ita_http_session_new (GTlsDatabase *ca, const char *proxy)
{
  SoupSession *session = cloud_session_new (ca, MAX_CONNECTIONS);

  if (proxy != NULL)
    {
      g_autoptr (GProxyResolver) resolver = g_simple_proxy_resolver_new (proxy, NULL);

      soup_session_set_proxy_resolver (session, resolver);
    }
  return session;
}

/* The transport is that of the object stores; its errors become a verifier's. */
static GError *
translate (const Call *self, const GError *error)
{
  const char *reason = teesql_error_get_reason (error);
  const char *end = strchr (error->message, '\n');
  g_autofree char *line = end != NULL ? g_strndup (error->message, (gsize) (end - error->message)) : g_strdup (error->message);
  g_autofree char *own = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_error_copy (error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-timeout", 0, "%s: no complete answer in time",
                             self->what);
  if (g_str_equal (reason, "store-oversize"))
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, self->oversize, 0, "%s", line);
  own = g_strconcat ("ita-", g_str_has_prefix (reason, "store-") ? reason + strlen ("store-") : "connection", NULL);
  return teesql_error_new (TEESQL_VERIFIER_ERROR, error->code == TEESQL_ERROR_CONFIG ? TEESQL_ERROR_CONFIG : TEESQL_ERROR_UNAVAILABLE, own,
                           0, "%s%s", line, HINT);
}

/* What both sides call this request, for whoever asks Intel about it. */
static char *
name_request (const CloudAnswer *answer)
{
  const char *trace = cloud_answer_get_header (answer, "trace-id");
  const char *request = soup_message_headers_get_one (soup_message_get_request_headers (answer->message), "request-id");
  g_autofree char *shown = trace != NULL ? cloud_quote (trace, (gssize) MIN (strlen (trace), 64)) : NULL;

  return g_strdup_printf (" (request-id %s%s%s)", request, shown != NULL ? ", trace-id " : "", shown != NULL ? shown : "");
}

/* (nullable): `{"error":"…"}` is usual, and HTML of a front end is not worth printing */
static char *
error_text (GBytes *body)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (body, &size);
  g_autoptr (DcapJson) json = size > 0 ? dcap_json_parse ("answer", data, size, NULL) : NULL;
  g_autofree char *text = json != NULL ? dcap_json_get_text (dcap_json_root (json), "error", 1024, NULL) : NULL;

  return text != NULL ? cloud_quote (text, -1) : NULL;
}

/* A proxy that opens no way to the authority answers in its place, and its word is about nothing but itself. */
static gboolean
is_proxys (const CloudAnswer *answer)
{
  return g_str_equal (g_uri_get_scheme (soup_message_get_uri (answer->message)), "https") &&
         soup_message_get_tls_peer_certificate (answer->message) == NULL;
}

static GError *
status_error (const Call *self, const CloudAnswer *answer)
{
  const guint status = answer->status;
  g_autofree char *request = name_request (answer);
  g_autofree char *text = error_text (answer->body);
  const char *shown = text != NULL ? text : "without a reason";
  guint wait_ms = cloud_retry_after_ms (soup_message_get_response_headers (answer->message), 0);

  if (is_proxys (answer))
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-proxy-status", 0,
                             "%s: the proxy answers with status %u\nhint: see proxy of this verifier", self->what, status);
  if (status == 429)
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED, "ita-throttled", MAX (wait_ms, RETRY_DEFAULT_MS),
                             "%s: the authority's rate limit is reached%s", self->what, request);
  if (self->attest && (status == 401 || status == 403))
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_PERMISSION, "ita-permission", 0,
                             "%s: the API key is refused%s%s\nhint: api-key must be an attestation key of a running subscription",
                             self->what, status == 403 ? ", it is not entitled" : "", request);
  if (self->attest && (status == 400 || status == 413 || status == 422))
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_REFUSED, "ita-evidence-refused", 0,
                             "the authority refused the evidence: %s%s", shown, request);
  if (status >= 300 && status < 400)
    return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-redirect", 0,
                             "%s: the server sends us elsewhere, which is not followed%s", self->what, request);
  return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-status", wait_ms, "%s: status %u, %s%s", self->what,
                           status, shown, request);
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Call *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (CloudAnswer) answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);

  if (answer == NULL)
    g_task_return_error (task, translate (self, error));
  else if (answer->status != SOUP_STATUS_OK)
    g_task_return_error (task, status_error (self, answer));
  else
    g_task_return_pointer (task, g_steal_pointer (&answer->body), (GDestroyNotify) g_bytes_unref);
}

static void
add_headers (SoupMessage *message, const TeesqlSecret *api_key)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autofree char *id = g_uuid_string_random ();
  gsize size = 0;

  soup_message_headers_replace (headers, "Accept", "application/json");
  soup_message_headers_replace (headers, "request-id", id);
  if (api_key == NULL)
    return;
  g_autofree char *text = g_strndup ((const char *) teesql_secret_peek (api_key, NULL), teesql_secret_get_size (api_key));
  size = strlen (text);
  soup_message_headers_replace (headers, "x-api-key", text);
  explicit_bzero (text, size);
}

void
ita_http_send_async (SoupSession *session, const ItaRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  GTask *task = g_task_new (session, cancellable, callback, user_data);
  g_autoptr (SoupMessage) message = soup_message_new (request->body != NULL ? SOUP_METHOD_POST : SOUP_METHOD_GET, request->url);
  const CloudRequest cloud = {
    .what = request->what,
    .endpoint_option = "base-url",
    .timeout_ms = request->timeout_ms,
    .max_answer = request->max_answer,
  };
  Call *self = g_new0 (Call, 1);

  self->what = g_strdup (request->what);
  self->oversize = request->oversize;
  self->attest = request->body != NULL;
  g_task_set_source_tag (task, ita_http_send_async);
  g_task_set_task_data (task, self, call_free);
  add_headers (message, request->api_key);
  if (request->body != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Content-Type", "application/json");
  cloud_http_send_async (session, &cloud, message, request->body, cancellable, sent_cb, task);
}

GBytes *
ita_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, session), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
