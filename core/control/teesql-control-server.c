#include "control/teesql-control-server.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "control/teesql-control-request.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CALLS   16
#define REQUEST_S   10
#define PROGRESS_MS 200
#define ANSWER_S    10 /* to take an answer: whoever is away longer must not keep others out */

struct _TeesqlControlServer
{
  GObject parent_instance;
  char *path;
  GSocketService *service;
  TeesqlStatus *status;
  TeesqlBackupService *backups;
  GPtrArray *calls; /* Call */
};

G_DEFINE_FINAL_TYPE (TeesqlControlServer, teesql_control_server, G_TYPE_OBJECT)

/* One connection: reads a line, does it, answers, ends. Whatever still runs holds a reference. */
typedef struct
{
  gatomicrefcount refs;
  TeesqlControlServer *server; /* NULL once the server has let it go */
  GSocketConnection *connection;
  GCancellable *cancellable;
  GByteArray *line;
  guint8 chunk[1024];
  TeesqlControlRequest *request;
  GString *out;
  GBytes *writing; /* what is on its way; `out` may grow meanwhile, and move */
  gboolean ended;  /* nothing follows what is in `out` */
  guint timer_id;
} Call;

static void call_write (Call *call);
static void call_read (Call *call);

static Call *
call_ref (Call *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static void
call_unref (Call *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_object_unref (self->connection);
  g_object_unref (self->cancellable);
  g_byte_array_unref (self->line);
  g_string_free (self->out, TRUE);
  g_clear_pointer (&self->writing, g_bytes_unref);
  g_clear_pointer (&self->request, teesql_control_request_free);
  g_free (self);
}

/* The server forgets it; callbacks that still come find the cancellable cancelled. */
static void
call_end (Call *self)
{
  TeesqlControlServer *server = g_steal_pointer (&self->server);

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  if (server != NULL)
    g_ptr_array_remove_fast (server->calls, self);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  gboolean written = g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);

  g_clear_pointer (&call->writing, g_bytes_unref);
  if (written)
    call_write (call);
  else
    call_end (call);
  call_unref (call);
}

static void
call_write (Call *self)
{
  if (self->writing != NULL || self->server == NULL)
    return;
  if (self->out->len == 0)
    {
      if (self->ended)
        call_end (self);
      return;
    }
  self->writing = g_string_free_to_bytes (self->out);
  self->out = g_string_new (NULL);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (self->connection)), g_bytes_get_data (self->writing, NULL),
                                   g_bytes_get_size (self->writing), G_PRIORITY_DEFAULT, self->cancellable, written_cb, call_ref (self));
}

static gboolean
too_late_cb (gpointer data)
{
  Call *call = data;

  call->timer_id = 0;
  call_end (call);
  return G_SOURCE_REMOVE;
}

static void
answer_raw (Call *call, const char *member, const char *json)
{
  if (call->server == NULL)
    return;
  g_clear_handle_id (&call->timer_id, g_source_remove);
  call->timer_id = g_timeout_add_seconds (ANSWER_S, too_late_cb, call);
  g_string_append_printf (call->out, "{\"%s\":%s}\n", member, json);
  call->ended = TRUE;
  call_write (call);
}

static void
answer_error (Call *call, const GError *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "reason");
  json_builder_add_string_value (builder, teesql_error_get_reason (error));
  json_builder_set_member_name (builder, "message");
  json_builder_add_string_value (builder, error->message);
  json_builder_set_member_name (builder, "code");
  json_builder_add_int_value (builder, g_str_equal (teesql_error_get_reason (error), "unspecified") ? TEESQL_ERROR_FAILED : error->code);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  answer_raw (call, "error", text);
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = teesql_backup_service_do_finish (TEESQL_BACKUP_SERVICE (source), result, &error);

  if (text != NULL)
    answer_raw (call, "result", text);
  else
    answer_error (call, error);
  call_unref (call);
}

static gboolean
progress_cb (gpointer data)
{
  Call *call = data;
  g_autofree char *phase = NULL;
  guint64 done = 0;
  guint64 total = 0;

  /* a reader that does not read gets no more than what is on its way */
  if (call->writing != NULL || call->server->backups == NULL ||
      !teesql_backup_service_get_progress (call->server->backups, call->request->storage, &done, &total, &phase))
    return G_SOURCE_CONTINUE;
  g_string_append_printf (call->out, "{\"progress\":{\"phase\":\"%s\",\"done\":%" G_GUINT64_FORMAT ",\"total\":%" G_GUINT64_FORMAT "}}\n",
                          phase, done, total);
  call_write (call);
  return G_SOURCE_CONTINUE;
}

static void
perform (Call *call)
{
  g_autoptr (GError) off = NULL;

  g_clear_handle_id (&call->timer_id, g_source_remove);
  if (call->request->is_status)
    {
      g_autofree char *text = teesql_status_render_json (call->server->status);
      answer_raw (call, "result", text);
      return;
    }
  if (call->server->backups == NULL)
    {
      teesql_fail (&off, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "backup-off",
                   "there are no backups yet\nhint: [backup] storages names where they go; without it this daemon makes none");
      answer_error (call, off);
      return;
    }
  call->timer_id = g_timeout_add (PROGRESS_MS, progress_cb, call);
  call_read (call); /* nothing may come any more but the end */
  teesql_backup_service_do_async (call->server->backups, call->request->storage, &call->request->task, call->cancellable, done_cb,
                                  call_ref (call));
}

static void
take_bytes (Call *call, gsize n)
{
  g_autoptr (GError) error = NULL;
  const guint8 *end = NULL;

  g_byte_array_append (call->line, call->chunk, (guint) n);
  end = memchr (call->line->data, '\n', call->line->len);
  if (end == NULL && call->line->len <= TEESQL_CONTROL_REQUEST_MAX)
    {
      call_read (call);
      return;
    }
  call->request = teesql_control_request_parse ((const char *) call->line->data,
                                                end != NULL ? (gsize) (end - call->line->data) : call->line->len, &error);
  if (call->request != NULL)
    perform (call);
  else
    answer_error (call, error);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (call->server == NULL || call->ended)
    ;
  else if (n <= 0 || call->request != NULL)
    call_end (call); /* it hung up, or says more than it should */
  else
    take_bytes (call, (gsize) n);
  call_unref (call);
}

static void
call_read (Call *self)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (self->connection)), self->chunk, sizeof self->chunk,
                             G_PRIORITY_DEFAULT, self->cancellable, read_cb, call_ref (self));
}

static gboolean
may_ask (GSocketConnection *connection)
{
  g_autoptr (GCredentials) credentials = g_socket_get_credentials (g_socket_connection_get_socket (connection), NULL);
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t) -1;

  return uid == 0 || uid == geteuid ();
}

static gboolean
incoming_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  TeesqlControlServer *self = data;
  Call *call = NULL;

  if (!may_ask (connection) || self->calls->len >= MAX_CALLS)
    {
      teesql_log_warning ("control", "a request was not let in");
      return TRUE;
    }
  call = g_new0 (Call, 1);
  g_atomic_ref_count_init (&call->refs);
  call->server = self;
  call->connection = g_object_ref (connection);
  call->cancellable = g_cancellable_new ();
  call->line = g_byte_array_new ();
  call->out = g_string_new (NULL);
  call->timer_id = g_timeout_add_seconds (REQUEST_S, too_late_cb, call);
  g_ptr_array_add (self->calls, call);
  call_read (call);
  return TRUE;
}

static gboolean
open_socket (TeesqlControlServer *self, GError **error)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (self->path);
  mode_t mask = 0;
  gboolean opened = FALSE;

  g_unlink (self->path); /* the folder is locked by us, so nobody listens there any more */
  mask = umask (0177);
  opened = g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL,
                                          NULL, error);
  umask (mask);
  return opened;
}

TeesqlControlServer *
teesql_control_server_new (const char *runtime_directory, TeesqlStatus *status, TeesqlBackupService *backups, GError **error)
{
  g_autoptr (TeesqlControlServer) self = g_object_new (TEESQL_TYPE_CONTROL_SERVER, NULL);

  self->path = g_build_filename (runtime_directory, TEESQL_CONTROL_SOCKET, NULL);
  self->status = g_object_ref (status);
  teesql_control_server_set_backups (self, backups);
  if (!open_socket (self, error))
    {
      g_prefix_error (error, "%s: ", self->path);
      return NULL;
    }
  g_signal_connect (self->service, "incoming", G_CALLBACK (incoming_cb), self);
  g_socket_service_start (self->service);
  return g_steal_pointer (&self);
}

void
teesql_control_server_set_backups (TeesqlControlServer *self, TeesqlBackupService *backups)
{
  g_set_object (&self->backups, backups);
}

void
teesql_control_server_stop (TeesqlControlServer *self)
{
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  if (self->path != NULL)
    g_unlink (self->path);
  while (self->calls->len > 0)
    call_end (self->calls->pdata[0]);
}

static void
teesql_control_server_finalize (GObject *object)
{
  TeesqlControlServer *self = TEESQL_CONTROL_SERVER (object);

  teesql_control_server_stop (self);
  g_clear_object (&self->service);
  g_clear_object (&self->status);
  g_clear_object (&self->backups);
  g_ptr_array_unref (self->calls);
  g_free (self->path);
  G_OBJECT_CLASS (teesql_control_server_parent_class)->finalize (object);
}

static void
teesql_control_server_class_init (TeesqlControlServerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_control_server_finalize;
}

static void
teesql_control_server_init (TeesqlControlServer *self)
{
  self->service = g_socket_service_new ();
  self->calls = g_ptr_array_new_with_free_func ((GDestroyNotify) call_unref);
}
