#include "dstack-http.h"
#include "dstack-http-parser.h"
#include "dstack-json.h"
#include "base/teesql-locked-memory.h"

#define READ_SIZE ((gsize) 16384)

typedef struct
{
  DstackEndpoint *endpoint;
  GQuark domain;
  GSocketConnection *connection;
  char *request;
  guint8 *piece; /* what was read last; locked for secret answers, like the body */
  gboolean secret;
  DstackHttpParser parser;
  DstackAnswer *answer;
  GCancellable *inner; /* cancelled by the caller's or by the deadline */
  GCancellable *outer;
  gulong outer_id;
  GSource *deadline;
} Exchange;

void
dstack_answer_free (DstackAnswer *self)
{
  dstack_buffer_clear (&self->body);
  g_free (self);
}

static void
exchange_free (gpointer data)
{
  Exchange *self = data;

  /* before anything is freed: afterwards the handler neither runs nor will run */
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_clear_object (&self->outer);
  if (self->deadline != NULL)
    g_source_destroy (self->deadline);
  g_clear_pointer (&self->deadline, g_source_unref);
  g_clear_object (&self->inner);
  g_clear_object (&self->connection);
  g_clear_pointer (&self->answer, dstack_answer_free);
  if (self->secret)
    teesql_locked_free (self->piece, READ_SIZE);
  else
    g_free (self->piece);
  g_free (self->request);
  g_free (self);
}

/* Takes the reference of the call chain. The connection is closed here and not when the task is finalised, which the caller's
 * reference may delay. */
static void
finish (GTask *task, GError *error)
{
  Exchange *self = g_task_get_task_data (task);

  g_clear_object (&self->connection);
  if (error == NULL)
    g_task_return_pointer (task, g_steal_pointer (&self->answer), (GDestroyNotify) dstack_answer_free);
  else if (g_cancellable_is_cancelled (self->outer) || !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_task_return_error (task, error);
  else
    {
      g_error_free (error);
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "guest agent at %s: no complete answer in time",
                               self->endpoint->name);
    }
  g_object_unref (task);
}

/* Faults of the transport are the agent's absence, whatever GIO calls them. */
static void
finish_transport (GTask *task, GError *error)
{
  Exchange *self = g_task_get_task_data (task);
  GError *translated = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      finish (task, error);
      return;
    }
  translated = teesql_error_new (self->domain, TEESQL_ERROR_UNAVAILABLE, "agent-unavailable", 0, "guest agent at %s: %s",
                                 self->endpoint->name, error->message);
  g_error_free (error);
  finish (task, translated);
}

static void read_more (GTask *task);

static void
read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Exchange *self = g_task_get_task_data (task);
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n < 0)
    finish_transport (task, error);
  else if (n == 0)
    finish (task, teesql_error_new (self->domain, TEESQL_ERROR_UNAVAILABLE, "agent-closed", 0,
                                    "guest agent at %s: closed the connection before its answer was complete", self->endpoint->name));
  else if (!dstack_http_parser_feed (&self->parser, self->piece, (gsize) n, &error))
    finish (task, error);
  else if (dstack_http_parser_is_done (&self->parser))
    {
      self->answer->status = self->parser.status;
      finish (task, NULL);
    }
  else
    read_more (task);
}

static void
read_more (GTask *task)
{
  Exchange *self = g_task_get_task_data (task);

  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (self->connection)), self->piece, READ_SIZE, G_PRIORITY_DEFAULT,
                             self->inner, read_cb, task);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    finish_transport (task, error);
  else
    read_more (task);
}

static void
connected_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Exchange *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);
  if (self->connection == NULL)
    {
      finish_transport (task, error);
      return;
    }
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (self->connection)), self->request, strlen (self->request),
                                   G_PRIORITY_DEFAULT, self->inner, written_cb, task);
}

static gboolean
deadline_cb (gpointer data)
{
  Exchange *self = data;

  g_cancellable_cancel (self->inner);
  return G_SOURCE_REMOVE;
}

/* Runs in whatever thread cancels. */
static void
outer_cancelled_cb (GCancellable *outer, gpointer inner)
{
  g_cancellable_cancel (inner);
}

static void
set_limits (Exchange *self, guint timeout_ms, GCancellable *cancellable)
{
  self->inner = g_cancellable_new ();
  self->deadline = g_timeout_source_new (timeout_ms);
  g_source_set_callback (self->deadline, deadline_cb, self, NULL);
  g_source_attach (self->deadline, g_main_context_get_thread_default ());
  if (cancellable == NULL)
    return;
  self->outer = g_object_ref (cancellable);
  self->outer_id = g_cancellable_connect (cancellable, G_CALLBACK (outer_cancelled_cb), g_object_ref (self->inner), g_object_unref);
}

static Exchange *
exchange_new (DstackEndpoint *endpoint, gboolean secret, GError **error)
{
  Exchange *self = g_new0 (Exchange, 1);

  self->endpoint = endpoint;
  self->secret = secret;
  self->answer = g_new0 (DstackAnswer, 1);
  dstack_buffer_init (&self->answer->body, DSTACK_ANSWER_MAX, secret);
  dstack_http_parser_init (&self->parser, &self->answer->body);
  self->piece = secret ? teesql_locked_alloc (READ_SIZE, error) : g_malloc (READ_SIZE);
  if (self->piece == NULL)
    g_clear_pointer (&self, exchange_free);
  return self;
}

void
dstack_http_post_async (DstackEndpoint *endpoint, const char *method, const char *json, gboolean secret, guint timeout_ms, GQuark domain,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GSocketClient) client = NULL;
  GError *error = NULL;
  Exchange *self = exchange_new (endpoint, secret, &error);

  g_task_set_source_tag (task, dstack_http_post_async);
  if (self == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  self->domain = domain;
  g_task_set_task_data (task, self, exchange_free);
  self->request = g_strdup_printf ("POST %s/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
                                   "Connection: close\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
                                   endpoint->path, method, endpoint->host, strlen (json), json);
  set_limits (self, timeout_ms, cancellable);
  client = g_socket_client_new ();
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_async (client, endpoint->address, self->inner, connected_cb, task);
}

DstackAnswer *
dstack_http_post_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* proto3: field 1, length-delimited; a varint of one or two bytes is all that a line of text needs */
static gboolean
take_protobuf_text (TeesqlCursor *cursor, TeesqlCursor *out_text)
{
  guint8 tag = 0;
  guint8 low = 0;
  guint8 high = 0;

  if (!teesql_cursor_u8 (cursor, "tag", &tag, NULL) || tag != 0x0a || !teesql_cursor_u8 (cursor, "length", &low, NULL))
    return FALSE;
  if (low >= 0x80 && (!teesql_cursor_u8 (cursor, "length", &high, NULL) || high >= 0x80))
    return FALSE;
  return teesql_cursor_sub (cursor, "text", (gsize) (low & 0x7f) | (gsize) high << 7, out_text, NULL);
}

static char *
one_line (const char *text, gsize size)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) MIN (size, 200));

  for (char *p = valid; *p != '\0'; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      *p = ' ';
  return g_steal_pointer (&valid);
}

char *
dstack_answer_error_text (const guint8 *body, gsize size)
{
  DstackJsonValue object;
  DstackJsonValue text;
  TeesqlCursor cursor;
  TeesqlCursor sub;

  if (dstack_json_parse (body, size, &object, NULL) && dstack_json_member (&object, "error", DSTACK_JSON_STRING, NULL, &text, NULL))
    return one_line ((const char *) text.text, text.size);
  teesql_cursor_init (&cursor, "error of the agent", body, size);
  if (take_protobuf_text (&cursor, &sub))
    return one_line ((const char *) teesql_cursor_peek (&sub), teesql_cursor_remaining (&sub));
  return g_strdup ("no reason given");
}
