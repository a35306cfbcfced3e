#include "storage/teesql-storage-host-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "plugin/teesql-plugin-module.h"
#include "storage/teesql-storage-confine.h"
#include <string.h>
#include <unistd.h>

#define LEAVE_MS        800 /* for calls to clean up after themselves; the daemon waits a second */
#define LOG_LINES_MAX   50  /* a second; the daemon takes no more than some hundred */
#define EXIT_FAILURE_ID 1

/* The one host of this process, for the log: GLib's writer has no owner. Lines of other threads go through its loop. */
static TeesqlStorageHost *current;

typedef struct
{
  guint level;
  char *text;
} Line;

static void
line_free (gpointer data)
{
  Line *self = data;

  g_free (self->text);
  g_free (self);
}

static gboolean
may_log (void)
{
  static gint64 since;
  static guint n;
  gint64 now = g_get_monotonic_time ();

  if (now - since > G_USEC_PER_SEC)
    {
      since = now;
      n = 0;
    }
  return ++n <= LOG_LINES_MAX;
}

static gboolean
send_line_cb (gpointer user_data)
{
  const Line *line = user_data;
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_LOG, .number = line->level, .message = line->text };

  if (current != NULL && current->channel != NULL && may_log ())
    teesql_storage_channel_send (current->channel, &message);
  return G_SOURCE_REMOVE;
}

static void
send_line (guint level, const char *text)
{
  Line *line = NULL;

  if (current->channel == NULL)
    return; /* the main context does not exist yet, or nobody listens any more */
  line = g_new0 (Line, 1);
  line->level = level;
  line->text = g_strdup (text);
  g_main_context_invoke_full (NULL, G_PRIORITY_DEFAULT, send_line_cb, line, line_free);
}

static GLogWriterOutput
write_record (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  guint wanted = GPOINTER_TO_UINT (user_data);
  guint level = TEESQL_LOG_DEBUG;

  if ((flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0)
    level = TEESQL_LOG_WARNING;
  else if ((flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO)) != 0)
    level = TEESQL_LOG_INFO;
  for (gsize i = 0; i < n_fields && level <= wanted; i++)
    {
      if (strcmp (fields[i].key, "MESSAGE") == 0 && fields[i].length < 0)
        send_line (level, fields[i].value);
    }
  return G_LOG_WRITER_HANDLED;
}

/* ---- the end ---- */

static void
leave (TeesqlStorageHost *self, int status)
{
  self->status = status;
  if (self->loop != NULL)
    g_main_loop_quit (self->loop);
}

static gboolean
leave_cb (gpointer user_data)
{
  leave (user_data, 0);
  return G_SOURCE_REMOVE;
}

static void
refuse (TeesqlStorageHost *self, const GError *error)
{
  TeesqlStorageMessage message = { 0 };

  teesql_storage_message_set_error (&message, error);
  if (self->channel != NULL)
    teesql_storage_channel_send (self->channel, &message);
  leave (self, EXIT_FAILURE_ID);
}

/* The daemon has gone: what runs is cancelled and may clean up. */
static void
closed_cb (const GError *error, gpointer user_data)
{
  TeesqlStorageHost *self = user_data;

  g_clear_pointer (&self->channel, teesql_storage_channel_free);
  self->leaving = TRUE;
  teesql_storage_host_cancel_all (self);
  if (g_hash_table_size (self->calls) == 0)
    leave (self, error != NULL ? EXIT_FAILURE_ID : 0);
  else
    g_timeout_add (LEAVE_MS, leave_cb, self);
}

/* ---- messages ---- */

static gboolean
message_cb (const TeesqlStorageMessage *message, gpointer user_data, GError **error)
{
  TeesqlStorageHost *self = user_data;
  TeesqlStorageMessage answer = { .type = TEESQL_STORAGE_PONG, .size = message->size };

  if (message->type == TEESQL_STORAGE_PING)
    {
      teesql_storage_channel_send (self->channel, &answer);
      return TRUE;
    }
  if (message->type == TEESQL_STORAGE_HELLO || self->storage == NULL)
    return teesql_fail (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "storage-message", "a message of type %u is not for now",
                        message->type);
  return teesql_storage_host_handle (self, message, error);
}

/* ---- the beginning ---- */

typedef struct
{
  TeesqlStorageHost *host;
  GObject *object;
  char *version;
  guint degradation;
} Start;

static void
start_free (Start *self)
{
  g_clear_object (&self->object);
  g_free (self->version);
  g_free (self);
}

static void
become_ready (Start *start)
{
  TeesqlStorageHost *self = start->host;
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_READY, .number = start->degradation };

  self->storage = TEESQL_STORAGE (g_steal_pointer (&start->object));
  message.flags = teesql_storage_get_features (self->storage);
  message.text = start->version;
  if (self->channel != NULL)
    teesql_storage_channel_send (self->channel, &message);
  start_free (start);
}

static void
initialised_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Start *start = user_data;
  GError *error = NULL;

  if (g_async_initable_init_finish (G_ASYNC_INITABLE (source), result, &error))
    {
      become_ready (start);
      return;
    }
  if (error == NULL)
    error = teesql_error_new (TEESQL_PLUGIN_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "it failed without saying why");
  refuse (start->host, error);
  g_error_free (error);
  start_free (start);
}

static GObject *
construct (const TeesqlStorageHello *hello, const TeesqlPluginModule *module, GError **error)
{
  GType type = teesql_plugin_module_get_type (module, "storage", error);
  g_autofree char *group = g_strconcat ("storage:", hello->instance, NULL);
  g_autofree TeesqlPluginSetting *settings = NULL;
  g_autoptr (TeesqlPluginOptions) options = NULL;
  guint n = 0;

  if (type == G_TYPE_INVALID)
    return NULL;
  settings = teesql_storage_hello_dup_settings (hello, &n);
  options = teesql_plugin_options_parse (group, settings, n, type, error);
  return options != NULL ? teesql_plugin_options_construct (options, type) : NULL;
}

static gboolean
begin (TeesqlStorageHost *self, const TeesqlStorageHello *hello, TeesqlPluginImage *image, guint degradation, GError **error)
{
  const TeesqlPluginModule *module = teesql_plugin_module_open (hello->module, image, error);
  GObject *object = module != NULL ? construct (hello, module, error) : NULL;
  Start *start = NULL;

  if (object == NULL)
    return FALSE;
  start = g_new0 (Start, 1);
  start->host = self;
  start->object = object;
  start->version = g_strdup (module->version);
  start->degradation = degradation;
  if (G_IS_ASYNC_INITABLE (object))
    g_async_initable_init_async (G_ASYNC_INITABLE (object), G_PRIORITY_DEFAULT, NULL, initialised_cb, start);
  else
    become_ready (start);
  return TRUE;
}

/* Everything up to the module's first instruction, in the order that matters: what it must not reach is gone before it is mapped. */
static gboolean
set_up (TeesqlStorageHost *self, int socket, GError **error)
{
  g_autoptr (TeesqlStorageHello) hello = NULL;
  g_auto (TeesqlPluginImage) image = { .fd = -1 };
  int fds[2] = { -1, -1 };
  guint degradation = 0;

  hello = teesql_storage_hello_receive (socket, fds, error);
  if (hello == NULL)
    return FALSE;
  if (!teesql_storage_arena_adopt (&self->arena, fds[1], error) ||
      !teesql_plugin_file_adopt (fds[0], hello->module, hello->digest, &image, error))
    return FALSE;
  g_log_set_writer_func (write_record, GUINT_TO_POINTER ((guint) hello->log_level), NULL);
  if (!teesql_storage_confine (hello->sandbox, socket, image.fd, self->arena.fd, &degradation, error))
    return FALSE;
  self->loop = g_main_loop_new (NULL, FALSE); /* its descriptor would not have survived */
  self->channel = teesql_storage_channel_new (socket, FALSE, message_cb, closed_cb, self);
  return begin (self, hello, &image, degradation, error);
}

int
teesql_storage_host_run (int socket)
{
  g_autoptr (GError) error = NULL;
  TeesqlStorageHost self = { 0 };

  self.calls = g_hash_table_new (NULL, NULL);
  current = &self;
  if (!set_up (&self, socket, &error))
    {
      if (self.channel == NULL)
        self.channel = teesql_storage_channel_new (socket, FALSE, message_cb, closed_cb, &self);
      refuse (&self, error);
    }
  else if (self.status == 0)
    g_main_loop_run (self.loop);
  g_clear_pointer (&self.channel, teesql_storage_channel_free);
  /* no destructor of the plugin runs: it has nothing to tidy up that a killed host would not leave behind too */
  _exit (self.status);
}
