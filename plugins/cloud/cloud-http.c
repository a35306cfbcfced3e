#include "cloud-http.h"

#include "base/teesql-locked-memory.h"
#include "cloud-deadline.h"
#include "cloud-error.h"
#include "cloud-stream.h"

#define ROOM_FIRST      ((gsize) 8192)
#define EXPECT_FROM     ((gsize) 1 << 20)
#define IDLE_TIMEOUT_S  15 /* stores close after about 20; a request on a connection that is closing fails */
#define CONNECTIONS_MAX 256

typedef struct
{
  CloudDeadline *deadline;
  CloudAnswer *answer;
  SoupMessage *message;
  GInputStream *input;
  char *what;
  char *endpoint_option;
  gboolean stream;
  gboolean secret;
  gsize max;
  guint8 *room;
  gsize room_size;
  gsize used;
  gboolean reading;
  gboolean old_tls;
} Call;

static void
drop_room (Call *self)
{
  if (self->secret)
    teesql_locked_free (self->room, self->room_size);
  else
    g_free (self->room);
  self->room = NULL;
}

static void
call_free (gpointer data)
{
  Call *self = data;

  g_signal_handlers_disconnect_by_data (self->message, self);
  g_clear_object (&self->message);
  cloud_deadline_free (self->deadline);
  g_clear_pointer (&self->answer, cloud_answer_free);
  g_clear_object (&self->input);
  drop_room (self);
  g_free (self->what);
  g_free (self->endpoint_option);
  g_free (self);
}

void
cloud_answer_free (CloudAnswer *self)
{
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_object (&self->stream);
  g_clear_object (&self->message);
  g_clear_object (&self->drop);
  g_free (self);
}

const char *
cloud_answer_get_header (const CloudAnswer *self, const char *name)
{
  return soup_message_headers_get_one (soup_message_get_response_headers (self->message), name);
}

SoupSession *
cloud_session_new (GTlsDatabase *ca, guint max_connections)
{
  SoupSession *session = soup_session_new_with_options ("user-agent", "teesql", "max-conns", CONNECTIONS_MAX, "max-conns-per-host",
                                                        max_connections, "proxy-resolver", NULL, "idle-timeout", IDLE_TIMEOUT_S, NULL);

  if (ca != NULL)
    soup_session_set_tls_database (session, ca);
  /* a bound on received bytes is one only where nothing unpacks them */
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  soup_session_remove_feature_by_type (session, SOUP_TYPE_AUTH_MANAGER);
  return session;
}

static gboolean
is_plain (const Call *self)
{
  return g_strcmp0 (g_uri_get_scheme (soup_message_get_uri (self->message)), "http") == 0;
}

static void
return_failure (GTask *task, const GError *cause)
{
  Call *self = g_task_get_task_data (task);
  GError *error = cloud_deadline_judge (self->deadline, self->what);

  if (self->old_tls)
    {
      g_clear_error (&error);
      error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "store-tls", 0,
                                "%s: the server speaks no TLS that is younger than 1.1", self->what);
    }
  if (error == NULL)
    error = cloud_error_from_transport (cause, self->what, self->endpoint_option, !self->reading && is_plain (self));
  g_task_return_error (task, error);
}

static void
return_answer (GTask *task)
{
  Call *self = g_task_get_task_data (task);

  g_task_return_pointer (task, g_steal_pointer (&self->answer), (GDestroyNotify) cloud_answer_free);
}

typedef struct
{
  guint8 *data;
  gsize size;
} Locked;

static void
locked_free (gpointer data)
{
  Locked *self = data;

  teesql_locked_free (self->data, self->size);
  g_free (self);
}

static GBytes *
take_body (Call *self)
{
  guint8 *data = g_steal_pointer (&self->room);

  if (!self->secret)
    return g_bytes_new_take (g_realloc (data, MAX (self->used, 1)), self->used);
  Locked *locked = g_new0 (Locked, 1);
  *locked = (Locked){ data, self->room_size };
  return g_bytes_new_with_free_func (data, self->used, locked_free, locked);
}

/* One byte more than may come, so that too much is seen. Locked memory does not grow: the whole of it at once. */
static gboolean
ensure_room (Call *self, GError **error)
{
  gsize wanted = self->secret ? self->max + 1 : MIN (MAX (self->room_size * 2, ROOM_FIRST), self->max + 1);

  if (self->room != NULL && self->used < self->room_size)
    return TRUE;
  if (self->secret)
    self->room = teesql_locked_alloc (wanted, error);
  else
    self->room = g_realloc (self->room, wanted);
  self->room_size = self->room != NULL ? wanted : 0;
  return self->room != NULL;
}

/* libsoup lets a body end early where the server says `Connection: close`. */
static gboolean
is_short (const Call *self)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (self->message);

  return soup_message_get_method (self->message) != SOUP_METHOD_HEAD && self->answer->status != SOUP_STATUS_NO_CONTENT &&
         self->answer->status != SOUP_STATUS_NOT_MODIFIED && soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH &&
         (guint64) soup_message_headers_get_content_length (headers) != self->used;
}

static void read_more (GTask *task);

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Call *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n < 0)
    {
      return_failure (task, error);
      return;
    }
  self->used += (gsize) n;
  if (self->used > self->max)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "store-oversize", 0,
                                                 "%s: status %u with a body of more than %" G_GSIZE_FORMAT " bytes", self->what,
                                                 self->answer->status, self->max));
  else if (n > 0)
    read_more (g_steal_pointer (&task));
  else if (is_short (self))
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "store-truncated", 0,
                                                 "%s: the answer's body ended early", self->what));
  else
    {
      self->answer->body = take_body (self);
      return_answer (task);
    }
}

/* @task: (transfer full) */
static void
read_more (GTask *task)
{
  Call *self = g_task_get_task_data (task);
  GError *error = NULL;

  if (!ensure_room (self, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_input_stream_read_async (self->input, self->room + self->used, self->room_size - self->used, G_PRIORITY_DEFAULT,
                             cloud_deadline_get_cancellable (self->deadline), read_cb, task);
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Call *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) input = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  if (input == NULL)
    {
      return_failure (task, error);
      return;
    }
  self->answer->status = soup_message_get_status (self->answer->message);
  self->reading = TRUE;
  if (self->stream && (self->answer->status == SOUP_STATUS_OK || self->answer->status == SOUP_STATUS_PARTIAL_CONTENT))
    {
      self->answer->stream = g_steal_pointer (&input);
      return_answer (task);
    }
  else
    {
      self->input = g_steal_pointer (&input);
      read_more (g_steal_pointer (&task));
    }
}

/* Only what we send counts as movement: an answer that drips would else hold the call for ever. */
static void
wrote_cb (SoupMessage *message, guint size, gpointer user_data)
{
  Call *self = user_data;

  if (!self->reading)
    cloud_deadline_extend (self->deadline);
}

/* The library's default on Debian 12 still speaks TLS 1.0. Nothing has been sent yet. */
static void
network_event_cb (SoupMessage *message, GSocketClientEvent event, GIOStream *connection, gpointer user_data)
{
  Call *self = user_data;

  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKED || !G_IS_TLS_CONNECTION (connection) ||
      g_tls_connection_get_protocol_version (G_TLS_CONNECTION (connection)) >= G_TLS_PROTOCOL_VERSION_TLS_1_2)
    return;
  self->old_tls = TRUE;
  g_cancellable_cancel (cloud_deadline_get_cancellable (self->deadline));
}

static Call *
call_new (const CloudRequest *request, SoupMessage *message, GCancellable *cancellable)
{
  Call *self = g_new0 (Call, 1);

  self->deadline = cloud_deadline_new (request->timeout_ms, cancellable);
  self->what = g_strdup (request->what);
  self->endpoint_option = g_strdup (request->endpoint_option);
  self->stream = request->stream;
  self->secret = request->secret;
  self->max = request->max_answer > 0 ? request->max_answer : CLOUD_ANSWER_MAX;
  self->message = g_object_ref (message);
  self->answer = g_new0 (CloudAnswer, 1);
  self->answer->message = g_object_ref (message);
  self->answer->drop = g_object_ref (cloud_deadline_get_cancellable (self->deadline));
  return self;
}

void
cloud_http_send_async (SoupSession *session, const CloudRequest *request, SoupMessage *message, GBytes *body, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (session, cancellable, callback, user_data);
  Call *self = call_new (request, message, cancellable);

  g_task_set_source_tag (task, cloud_http_send_async);
  g_task_set_check_cancellable (task, FALSE); /* an answer that came counts */
  g_task_set_task_data (task, self, call_free);
  if (body != NULL)
    soup_message_set_request_body_from_bytes (message, NULL, body);
  if (body != NULL && g_bytes_get_size (body) >= EXPECT_FROM)
    soup_message_headers_set_expectations (soup_message_get_request_headers (message), SOUP_EXPECTATION_CONTINUE);
  /* libsoup reuses connections for GET only, unless told that it may */
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_IDEMPOTENT);
  g_signal_connect_data (message, "network-event", G_CALLBACK (network_event_cb), self, NULL, 0);
  g_signal_connect_data (message, "wrote-body-data", G_CALLBACK (wrote_cb), self, NULL, 0);
  soup_session_send_async (session, message, G_PRIORITY_DEFAULT, cloud_deadline_get_cancellable (self->deadline), sent_cb, task);
}

CloudAnswer *
cloud_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, session), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

GInputStream *
cloud_answer_take_stream (CloudAnswer *self, const CloudRequest *request, guint64 expected, GObject *owner)
{
  g_autoptr (GInputStream) inner = g_steal_pointer (&self->stream);

  return cloud_stream_new (inner, self->drop, expected, request->timeout_ms, request->what, request->endpoint_option, owner);
}
