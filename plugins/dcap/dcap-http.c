#include "dcap-http.h"

#include <teesql/teesql-error.h>

#include "dcap-error.h"

#define HEADER_MAX          ((gsize) 16384)
#define CHUNK_SIZE          ((gsize) 65536)
#define RETRY_AFTER_DEFAULT 1000
#define RETRY_AFTER_MAX     (60 * 60 * 1000)

typedef struct
{
  char *what;
  const char *const *chain_headers;
  gsize max_size;
  SoupMessage *message;
  GInputStream *stream;
  GByteArray *body;
  GBytes *chain;
  GCancellable *inner; /* cancelled by the caller's, and by the deadline */
  GCancellable *outer;
  gulong outer_id;
  GSource *deadline;
  gboolean timed_out;
} Get;

static void
get_free (gpointer data)
{
  Get *self = data;

  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_clear_object (&self->outer);
  g_source_destroy (self->deadline);
  g_source_unref (self->deadline);
  g_clear_object (&self->inner);
  g_clear_object (&self->stream);
  g_clear_object (&self->message);
  g_clear_pointer (&self->body, g_byte_array_unref);
  g_clear_pointer (&self->chain, g_bytes_unref);
  g_free (self->what);
  g_free (self);
}

SoupSession *
dcap_http_session_new (GTlsDatabase *ca)
{
  SoupSession *session = soup_session_new_with_options ("user-agent", "teesql", "max-conns-per-host", 4, "proxy-resolver", NULL, NULL);

  if (ca != NULL)
    soup_session_set_tls_database (session, ca);
  /* a bound on received bytes is one only where nothing unpacks them */
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  soup_session_remove_feature_by_type (session, SOUP_TYPE_AUTH_MANAGER);
  return session;
}

GBytes *
dcap_http_percent_decode (const char *text)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  for (const char *c = text; *c != '\0'; c++)
    {
      guint8 byte = (guint8) *c;
      if (*c == '%')
        {
          if (!g_ascii_isxdigit (c[1]) || !g_ascii_isxdigit (c[2]))
            return NULL;
          byte = (guint8) (g_ascii_xdigit_value (c[1]) << 4 | g_ascii_xdigit_value (c[2]));
          c += 2;
        }
      g_byte_array_append (out, &byte, 1);
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

static void
return_failure (GTask *task, TeesqlError code, const char *reason, const char *text)
{
  const Get *self = g_task_get_task_data (task);
  g_task_return_error (task, teesql_error_new (TEESQL_VERIFIER_ERROR, code, reason, 0, "fetching %s: %s", self->what, text));
}

/* Whatever the transport says, the caller wants to know one of three things: his own cancellation, time, or no answer. */
static void
return_transport_error (GTask *task, const GError *error)
{
  const Get *self = g_task_get_task_data (task);

  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->timed_out)
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-timeout", "no complete answer in time");
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT))
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-truncated", "the answer ended early");
  else
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-unreachable", error->message);
}

static guint
retry_after_ms (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After");
  guint64 seconds = 0;

  /* a date would need a clock; then the default has to do */
  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, RETRY_AFTER_MAX / 1000, &seconds, NULL))
    return RETRY_AFTER_DEFAULT;
  return (guint) seconds * 1000;
}

static void
return_status (GTask *task)
{
  const Get *self = g_task_get_task_data (task);
  guint status = soup_message_get_status (self->message);
  g_autofree char *text = g_strdup_printf ("status %u", status);

  if (status == 400)
    return_failure (task, TEESQL_ERROR_CONFIG, "collateral-bad-request", text);
  else if (status == 401 || status == 403)
    return_failure (task, TEESQL_ERROR_PERMISSION, "collateral-permission", text);
  else if (status == 404)
    return_failure (task, TEESQL_ERROR_NOT_FOUND, "collateral-unknown-platform",
                    "status 404, the platform is not supported by Intel's collateral");
  else if (status >= 300 && status < 400)
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-redirect", "the server sends us elsewhere, which is not followed");
  else if (status == 429 || status == 503)
    g_task_return_error (task, teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED, "collateral-throttled",
                                                 retry_after_ms (self->message), "fetching %s: status %u", self->what, status));
  else
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-status", text);
}

static void read_more (GTask *task);

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Get *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) chunk = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
  gsize size = 0;

  if (chunk == NULL)
    {
      return_transport_error (task, error);
      return;
    }
  const guint8 *data = g_bytes_get_data (chunk, &size);
  if (size == 0)
    {
      g_task_return_pointer (task, g_byte_array_free_to_bytes (g_steal_pointer (&self->body)), (GDestroyNotify) g_bytes_unref);
      return;
    }
  if (size > self->max_size - self->body->len)
    {
      return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-oversize", "the answer is larger than any such item");
      return;
    }
  g_byte_array_append (self->body, data, (guint) size);
  read_more (g_steal_pointer (&task));
}

/* @task: (transfer full) */
static void
read_more (GTask *task)
{
  const Get *self = g_task_get_task_data (task);
  g_input_stream_read_bytes_async (self->stream, CHUNK_SIZE, G_PRIORITY_DEFAULT, self->inner, read_cb, task);
}

/* Returns: FALSE when the header is there and wrong, or not there and needed */
static gboolean
take_chain (Get *self)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (self->message);
  const char *text = NULL;

  if (self->chain_headers == NULL)
    return TRUE;
  for (guint i = 0; self->chain_headers[i] != NULL && text == NULL; i++)
    text = soup_message_headers_get_one (headers, self->chain_headers[i]);
  if (text == NULL || strlen (text) > HEADER_MAX)
    return FALSE;
  self->chain = dcap_http_percent_decode (text);
  return self->chain != NULL;
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Get *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  self->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (self->stream == NULL)
    return_transport_error (task, error);
  else if (soup_message_get_status (self->message) != SOUP_STATUS_OK)
    return_status (task);
  else if (!take_chain (self))
    return_failure (task, TEESQL_ERROR_UNAVAILABLE, "collateral-issuer-chain", "the answer lacks a readable issuer chain header");
  else
    read_more (g_steal_pointer (&task));
}

static gboolean
deadline_cb (gpointer data)
{
  Get *self = data;
  self->timed_out = TRUE;
  g_cancellable_cancel (self->inner);
  return G_SOURCE_REMOVE;
}

static void
outer_cancelled_cb (GCancellable *outer, gpointer data)
{
  g_cancellable_cancel (data);
}

static Get *
get_new (const DcapHttpRequest *request, GCancellable *cancellable)
{
  Get *self = g_new0 (Get, 1);

  self->what = g_strdup (request->what);
  self->chain_headers = request->chain_headers;
  self->max_size = request->max_size;
  self->body = g_byte_array_new ();
  self->inner = g_cancellable_new ();
  self->deadline = g_timeout_source_new (request->timeout_ms);
  g_source_set_callback (self->deadline, deadline_cb, self, NULL);
  g_source_set_static_name (self->deadline, "dcap fetch deadline");
  g_source_attach (self->deadline, g_main_context_get_thread_default ());
  if (cancellable != NULL)
    {
      self->outer = g_object_ref (cancellable);
      self->outer_id = g_cancellable_connect (cancellable, G_CALLBACK (outer_cancelled_cb), g_object_ref (self->inner), g_object_unref);
    }
  return self;
}

void
dcap_http_get_async (SoupSession *session, const DcapHttpRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  Get *self = get_new (request, cancellable);

  g_task_set_source_tag (task, dcap_http_get_async);
  g_task_set_task_data (task, self, get_free);
  self->message = soup_message_new (SOUP_METHOD_GET, request->uri);
  if (self->message == NULL)
    {
      return_failure (task, TEESQL_ERROR_CONFIG, "collateral-url", "not an http or https address");
      return;
    }
  soup_message_add_flags (self->message, SOUP_MESSAGE_NO_REDIRECT);
  soup_session_send_async (session, self->message, G_PRIORITY_DEFAULT, self->inner, sent_cb, g_steal_pointer (&task));
}

GBytes *
dcap_http_get_finish (GAsyncResult *result, GBytes **out_chain, GError **error)
{
  Get *self = g_task_get_task_data (G_TASK (result));
  GBytes *body = g_task_propagate_pointer (G_TASK (result), error);

  if (body != NULL)
    *out_chain = g_steal_pointer (&self->chain);
  return body;
}
