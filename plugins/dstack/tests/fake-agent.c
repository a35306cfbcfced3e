#include "fake-agent.h"
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  FakeKind kind;
  GBytes *bytes;
} Reply;

struct _FakeAgent
{
  char *folder;
  char *path;
  GSocketService *service;
  GMutex mutex; /* the rest */
  GHashTable *replies;
  GHashTable *requests;
  GHashTable *counts;
  guint n_open;
};

static void
reply_free (gpointer data)
{
  Reply *self = data;

  g_bytes_unref (self->bytes);
  g_free (self);
}

/* Reads head and body. Returns: the method; *out_body is its JSON */
static char *
read_request (GSocketConnection *connection, char **out_body)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  g_autoptr (GString) text = g_string_new (NULL);
  const char *length = NULL;
  char *body = NULL;

  for (;;)
    {
      char piece[4096];
      gssize n = 0;

      body = strstr (text->str, "\r\n\r\n");
      length = strstr (text->str, "Content-Length: ");
      if (body != NULL && strlen (body + 4) >= g_ascii_strtoull (length + 16, NULL, 10))
        break;
      n = g_input_stream_read (input, piece, sizeof piece, NULL, NULL);
      if (n <= 0)
        return NULL;
      g_string_append_len (text, piece, n);
    }
  g_assert_true (g_str_has_prefix (text->str, "POST /"));
  g_assert_nonnull (strstr (text->str, "\r\nContent-Type: application/json\r\n"));
  *out_body = g_strdup (body + 4);
  return g_strndup (text->str + 6, strcspn (text->str + 6, " "));
}

static void
send_reply (GSocketConnection *connection, const Reply *reply)
{
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (reply->bytes, &size);
  const gsize step = reply->kind == FAKE_BYTES ? 1 : size;
  char byte = 0;

  for (gsize i = 0; i < size; i += step)
    if (!g_output_stream_write_all (output, data + i, step, NULL, NULL, NULL))
      return;
  if (reply->kind == FAKE_HANG)
    while (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), &byte, 1, NULL, NULL) > 0)
      ;
}

static Reply *
note (FakeAgent *self, char *method, char *body)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  Reply *scripted = g_hash_table_lookup (self->replies, method);
  Reply *reply = g_new0 (Reply, 1);
  const guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));

  g_hash_table_insert (self->counts, g_strdup (method), GUINT_TO_POINTER (count + 1));
  g_hash_table_insert (self->requests, method, body);
  if (scripted == NULL)
    g_error ("the script has no answer for %s", method);
  reply->kind = scripted->kind;
  reply->bytes = g_bytes_ref (scripted->bytes);
  return reply;
}

static void
count_open (FakeAgent *self, int change)
{
  g_mutex_lock (&self->mutex);
  self->n_open = (guint) ((int) self->n_open + change);
  g_mutex_unlock (&self->mutex);
}

static gboolean
run_cb (GThreadedSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  FakeAgent *self = data;
  char *body = NULL;
  char *method = NULL;

  count_open (self, 1);
  method = read_request (connection, &body);
  if (method != NULL)
    {
      Reply *reply = note (self, method, body);

      send_reply (connection, reply);
      reply_free (reply);
    }
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  count_open (self, -1);
  return TRUE;
}

FakeAgent *
fake_agent_new (void)
{
  FakeAgent *self = g_new0 (FakeAgent, 1);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&self->mutex);
  self->replies = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, reply_free);
  self->requests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->folder = g_dir_make_tmp ("teesql-agent-XXXXXX", &error);
  g_assert_no_error (error);
  self->path = g_build_filename (self->folder, "sock", NULL);
  address = g_unix_socket_address_new (self->path);
  self->service = g_threaded_socket_service_new (8);
  g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL,
                                 &error);
  g_assert_no_error (error);
  g_signal_connect (self->service, "run", G_CALLBACK (run_cb), self);
  g_socket_service_start (self->service);
  fake_agent_script_json (self, "Version", 200, "{\"version\":\"0.6.0\",\"rev\":\"abcdef\"}");
  return self;
}

void
fake_agent_free (FakeAgent *self)
{
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  fake_wait_for (fake_agent_count_open (self) == 0);
  g_clear_object (&self->service);
  g_unlink (self->path);
  g_rmdir (self->folder);
  g_free (self->path);
  g_free (self->folder);
  g_hash_table_unref (self->replies);
  g_hash_table_unref (self->requests);
  g_hash_table_unref (self->counts);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

const char *
fake_agent_get_path (FakeAgent *self)
{
  return self->path;
}

void
fake_agent_script (FakeAgent *self, const char *method, FakeKind kind, const char *bytes, gsize size)
{
  Reply *reply = g_new0 (Reply, 1);

  reply->kind = kind;
  reply->bytes = g_bytes_new (bytes, size);
  g_mutex_lock (&self->mutex);
  g_hash_table_insert (self->replies, g_strdup (method), reply);
  g_mutex_unlock (&self->mutex);
}

void
fake_agent_script_json (FakeAgent *self, const char *method, guint status, const char *body)
{
  g_autofree char *text = g_strdup_printf ("HTTP/1.1 %u Whatever\r\ncontent-type: application/json\r\nserver: Rocket\r\ncontent-length: "
                                           "%" G_GSIZE_FORMAT "\r\n\r\n%s",
                                           status, strlen (body), body);

  fake_agent_script (self, method, FAKE_ANSWER, text, strlen (text));
}

char *
fake_agent_dup_request (FakeAgent *self, const char *method)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return g_strdup (g_hash_table_lookup (self->requests, method));
}

guint
fake_agent_count (FakeAgent *self, const char *method)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));
}

guint
fake_agent_count_open (FakeAgent *self)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->n_open;
}
