#include "test-store.h"

#include <string.h>

#define DEADLINE_MS 10000

static void
request_free (gpointer data)
{
  TestRequest *self = data;

  g_free (self->line);
  g_free (self->head);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self);
}

char *
test_request_header (const TestRequest *request, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (request->head, "\r\n", -1);
  g_autofree char *prefix = g_strconcat (name, ":", NULL);

  for (guint i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    if (g_ascii_strncasecmp (lines[i], prefix, strlen (prefix)) == 0)
      return g_strdup (g_strstrip (lines[i] + strlen (prefix)));
  return NULL;
}

char *
test_answer (guint status, const char *headers, const char *body)
{
  return g_strdup_printf ("HTTP/1.1 %u X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen (body), body);
}

static char *
read_head (GDataInputStream *in)
{
  g_autoptr (GString) head = g_string_new (NULL);

  while (!g_str_has_suffix (head->str, "\r\n\r\n"))
    {
      g_autofree char *line = g_data_input_stream_read_line (in, NULL, NULL, NULL);

      if (line == NULL)
        return NULL;
      g_string_append_printf (head, "%s\r\n", line);
      if (line[0] == '\0' && head->len == 2)
        g_string_truncate (head, 0);
    }
  return g_string_free (g_steal_pointer (&head), FALSE);
}

static gboolean
say (GIOStream *connection, const char *text)
{
  return g_output_stream_write_all (g_io_stream_get_output_stream (connection), text, strlen (text), NULL, NULL, NULL);
}

static gboolean
read_body (TestRequest *request, GIOStream *connection, GDataInputStream *in, const char *refuse)
{
  g_autofree char *length = test_request_header (request, "Content-Length");
  g_autofree char *expect = test_request_header (request, "Expect");
  gsize size = length != NULL ? (gsize) g_ascii_strtoull (length, NULL, 10) : 0;
  g_autofree char *data = NULL;

  if (expect != NULL)
    {
      if (!say (connection, refuse != NULL ? refuse : "HTTP/1.1 100 Continue\r\n\r\n") || refuse != NULL)
        return FALSE;
    }
  data = g_malloc (size + 1);
  if (!g_input_stream_read_all (G_INPUT_STREAM (in), data, size, &size, NULL, NULL))
    return FALSE;
  request->body = g_bytes_new_take (g_steal_pointer (&data), size);
  return TRUE;
}

static char *
ask_script (TestStore *self, TestRequest *request)
{
  char *answer = NULL;

  g_mutex_lock (&self->mutex);
  g_ptr_array_add (self->requests, request);
  answer = self->answer (request, self->requests->len - 1, self->user_data);
  while (g_strcmp0 (answer, TEST_HANG) == 0 && !self->ending)
    g_cond_wait (&self->cond, &self->mutex);
  g_mutex_unlock (&self->mutex);
  return answer;
}

static gboolean
serve_one (TestStore *self, GIOStream *connection, GDataInputStream *in)
{
  g_autofree char *head = read_head (in);
  g_autofree char *answer = NULL;
  TestRequest *request = NULL;

  if (head == NULL)
    return FALSE;
  request = g_new0 (TestRequest, 1);
  request->line = g_strndup (head, strcspn (head, "\r"));
  request->head = g_steal_pointer (&head);
  if (!read_body (request, connection, in, self->refuse))
    {
      request_free (request);
      return FALSE;
    }
  answer = ask_script (self, request);
  return answer != NULL && say (connection, answer) && strstr (answer, "Connection: close") == NULL;
}

static gboolean
run_cb (GThreadedSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  TestStore *self = user_data;
  g_autoptr (GDataInputStream) in = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));

  g_data_input_stream_set_newline_type (in, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  g_mutex_lock (&self->mutex);
  self->n_connections++;
  self->n_live++;
  g_mutex_unlock (&self->mutex);
  while (serve_one (self, G_IO_STREAM (connection), in))
    ;
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  g_mutex_lock (&self->mutex);
  self->n_live--;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  return TRUE;
}

TestStore *
test_store_new (TestAnswerFunc answer, gpointer user_data)
{
  TestStore *self = g_new0 (TestStore, 1);
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) bound = NULL;

  self->answer = answer;
  self->user_data = user_data;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  self->requests = g_ptr_array_new_with_free_func (request_free);
  self->service = g_threaded_socket_service_new (64);
  g_assert_true (g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                                NULL, &bound, NULL));
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  self->url = g_strdup_printf ("http://127.0.0.1:%u", self->port);
  g_signal_connect (self->service, "run", G_CALLBACK (run_cb), self);
  return self;
}

static gboolean
turn (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
is_quiet (gpointer data)
{
  TestStore *self = data;
  gboolean quiet = FALSE;

  g_mutex_lock (&self->mutex);
  quiet = self->n_live == 0;
  g_mutex_unlock (&self->mutex);
  return quiet;
}

/* To be called when the clients are gone: a connection's thread ends with its client, which may need the main loop for that. */
void
test_store_free (TestStore *self)
{
  guint id = g_timeout_add (5, turn, NULL);

  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_mutex_lock (&self->mutex);
  self->ending = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  test_until (is_quiet, self);
  g_source_remove (id);
  g_object_unref (self->service);
  g_ptr_array_unref (self->requests);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self->url);
  g_free (self);
}

guint
test_store_count (TestStore *self)
{
  guint count = 0;

  g_mutex_lock (&self->mutex);
  count = self->requests->len;
  g_mutex_unlock (&self->mutex);
  return count;
}

const TestRequest *
test_store_request (TestStore *self, guint number)
{
  const TestRequest *request = NULL;

  g_mutex_lock (&self->mutex);
  g_assert_cmpuint (number, <, self->requests->len);
  request = self->requests->pdata[number];
  g_mutex_unlock (&self->mutex);
  return request;
}

static gboolean
is_set (gpointer data)
{
  return *(gpointer *) data != NULL;
}

static gboolean
too_late (gpointer user_data)
{
  g_error ("waited 10 s in vain");
  return G_SOURCE_REMOVE;
}

void
test_until (gboolean (*condition) (gpointer data), gpointer data)
{
  guint id = g_timeout_add (DEADLINE_MS, too_late, NULL);

  while (!condition (data))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);
}

GAsyncResult *
test_wait (GAsyncResult **place)
{
  test_until (is_set, place);
  return *place;
}

void
test_keep (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}
