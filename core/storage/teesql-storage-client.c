#include "storage/teesql-storage-client-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "plugin/teesql-plugin-file.h"
#include "storage/teesql-storage-hello.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_MS      60000 /* the plugin's own initialisation may ask somebody */
#define TICK_MS       500   /* also how soon a cancelled start is noticed */
#define PING_EVERY_US (10 * G_USEC_PER_SEC)
#define HUNG_US       (30 * G_USEC_PER_SEC)
#define LAST_WAIT_MS  1000
#define LOG_LINES_MAX 200 /* a second; more is an attack on the log */
#define SIDECAR_MAX   ((gsize) 65536)

G_DEFINE_FINAL_TYPE_WITH_CODE (TeesqlStorageClient, teesql_storage_client, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, teesql_storage_client_iface_init))

enum
{
  SIGNAL_BROKEN,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static const char *const degradations[] = { NULL, "storage-unconfined-paths", "storage-unconfined-ports" };

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GSource *
add_timeout (TeesqlStorageClient *self, guint ms, int priority, GSourceFunc func)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_priority (source, priority);
  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, self->context);
  return source;
}

/* ---- the end ---- */

static gboolean
tell_cb (gpointer user_data)
{
  TeesqlStorageClient *self = user_data;

  g_signal_emit (self, signals[SIGNAL_BROKEN], 0, self->broken);
  return G_SOURCE_REMOVE;
}

/* Behind the answers, which may be waiting in this context themselves. */
static void
tell_owner (TeesqlStorageClient *self)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT_IDLE);
  g_source_set_callback (source, tell_cb, g_object_ref (self), g_object_unref);
  g_source_attach (source, self->context);
  g_source_unref (source);
}

static void
fail_call (TeesqlStorageCall *call, const GError *why)
{
  TeesqlStorageClientStream *stream = g_steal_pointer (&call->stream);

  teesql_storage_call_end (call);
  teesql_storage_call_answer (call, NULL, NULL, g_error_copy (why));
  teesql_storage_call_settle (call);
  if (stream != NULL)
    teesql_storage_client_stream_end (stream, g_error_copy (why));
}

static void
fail_calls (TeesqlStorageClient *self, const GError *why)
{
  GHashTableIter iter;
  gpointer call = NULL;

  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, NULL, &call))
    {
      fail_call (call, why);
      g_hash_table_iter_init (&iter, self->calls);
    }
}

/* The host is of no use any more, for whatever reason: once, for all. */
static void
break_down (TeesqlStorageClient *self, GError *why)
{
  g_autoptr (TeesqlStorageClient) held = g_object_ref (self);
  g_autoptr (GTask) starting = g_steal_pointer (&self->starting);

  if (self->broken != NULL)
    {
      g_error_free (why);
      return;
    }
  self->broken = why;
  drop_source (&self->tick);
  drop_source (&self->serving);
  drop_source (&self->last_wait);
  if (self->lender != NULL)
    teesql_storage_lender_unwatch (self->lender);
  g_clear_pointer (&self->channel, teesql_storage_channel_free);
  if (self->child != NULL)
    teesql_storage_child_kill (self->child);
  g_clear_pointer (&self->child, teesql_storage_child_release);
  fail_calls (self, why);
  if (starting != NULL)
    {
      g_task_return_error (starting, g_error_copy (why));
      return;
    }
  teesql_log_warning ("storage", "[storage:%s] %s", self->instance, why->message);
  tell_owner (self);
}

static GError *
make_reason (const TeesqlStorageClient *self, const char *reason, const char *text)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, reason, 0, "the storage host of [storage:%s] %s", self->instance,
                           text);
}

static void
die (TeesqlStorageClient *self)
{
  g_autofree char *text = g_strdup_printf ("ended: %s", self->exit_status != NULL ? self->exit_status : "it closed its socket");

  break_down (self, make_reason (self, "storage-host-died", text));
}

static gboolean
last_wait_cb (gpointer user_data)
{
  die (user_data);
  return G_SOURCE_REMOVE;
}

/* Its last messages, which may say why, are read before its end counts; and the socket closes before it is known how it ended. Whichever
 * comes first waits for the other, but not for long. */
static void
wait_for_other (TeesqlStorageClient *self, gboolean other_is_there)
{
  if (other_is_there)
    die (self);
  else if (self->last_wait == NULL)
    self->last_wait = add_timeout (self, LAST_WAIT_MS, G_PRIORITY_DEFAULT, last_wait_cb);
}

static void
exited_cb (const char *status, gpointer user_data)
{
  TeesqlStorageClient *self = user_data;

  self->exit_status = g_strdup (status);
  wait_for_other (self, self->closed);
}

static void
closed_cb (const GError *error, gpointer user_data)
{
  TeesqlStorageClient *self = user_data;
  g_autofree char *text = error != NULL ? g_strdup_printf ("broke the protocol: %s", error->message) : NULL;

  if (text != NULL)
    {
      break_down (self, make_reason (self, "storage-host-broken", text));
      return;
    }
  self->closed = TRUE;
  teesql_storage_child_kill (self->child);
  wait_for_other (self, self->exit_status != NULL);
}

/* ---- is it alive ---- */

static gboolean
find_stuck (gpointer key, gpointer value, gpointer user_data)
{
  const TeesqlStorageCall *call = value;
  const gint64 *now = user_data;

  return call->cancelled_at != 0 && *now - call->cancelled_at > HUNG_US;
}

static void
ping (TeesqlStorageClient *self, gint64 now)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_PING, .size = ++self->ping };

  self->ping_sent = self->last_ping = now;
  teesql_storage_channel_send (self->channel, &message);
}

/* At a low priority: an answer that waits in the socket while our own loop stood still is read first. */
static gboolean
tick_cb (gpointer user_data)
{
  TeesqlStorageClient *self = user_data;
  gint64 now = g_get_monotonic_time ();

  if (self->starting != NULL)
    {
      if (g_cancellable_is_cancelled (g_task_get_cancellable (self->starting)))
        break_down (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
      else if (now - self->last_ping > START_MS * (gint64) 1000)
        break_down (self, make_reason (self, "storage-host-hung", "was not ready in time"));
    }
  else if (self->ping_sent != 0 && now - self->ping_sent > HUNG_US)
    break_down (self, make_reason (self, "storage-host-hung", "has not answered for 30 seconds"));
  else if (g_hash_table_find (self->calls, find_stuck, &now) != NULL)
    break_down (self, make_reason (self, "storage-host-hung", "goes on with a call that was cancelled 30 seconds ago"));
  else if (self->ping_sent == 0 && self->channel != NULL && now - self->last_ping > PING_EVERY_US)
    ping (self, now);
  return G_SOURCE_CONTINUE;
}

/* ---- messages ---- */

static gboolean
handle_log (TeesqlStorageClient *self, const TeesqlStorageMessage *message, GError **error)
{
  g_autofree char *line = teesql_storage_dup_printable (message->message, TEESQL_STORAGE_MESSAGE_MAX, FALSE);
  gint64 now = g_get_monotonic_time ();
  TeesqlLogLevel level = (TeesqlLogLevel) CLAMP (message->number, TEESQL_LOG_WARNING, TEESQL_LOG_DEBUG);

  if (now - self->logged_since > G_USEC_PER_SEC)
    {
      self->logged_since = now;
      self->n_logged = 0;
    }
  if (++self->n_logged > LOG_LINES_MAX)
    return teesql_storage_call_violation (error, "more than %d lines of log in a second", LOG_LINES_MAX);
  teesql_log (level, NULL, "storage-host", "[storage:%s] %s", self->instance, line);
  return TRUE;
}

static gboolean
handle_pong (TeesqlStorageClient *self, const TeesqlStorageMessage *message, GError **error)
{
  if (self->ping_sent == 0 || message->size != self->ping)
    return teesql_storage_call_violation (error, "an answer to a ping that was not sent");
  self->ping_sent = 0;
  return TRUE;
}

static gboolean
handle_ready (TeesqlStorageClient *self, const TeesqlStorageMessage *message, GError **error)
{
  if (message->text == NULL || message->number >= G_N_ELEMENTS (degradations))
    return teesql_storage_call_violation (error, "a greeting without a version, or with a confinement that there is not");
  self->features = message->flags & (TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL);
  self->version = g_strdup (message->text);
  self->degradation = degradations[message->number];
  self->last_ping = g_get_monotonic_time ();
  teesql_log_info ("storage", "[storage:%s] %s %s runs in process %d%s%s, SHA-384 %s", self->instance, self->module, self->version,
                   (int) teesql_storage_child_get_pid (self->child), self->degradation != NULL ? ", " : "",
                   self->degradation != NULL ? self->degradation : "", self->digest);
  return TRUE;
}

/* The host knows keys; which line of which file they stand in is known here: `[storage:NAME] KEY: …` gets that in front. */
static GError *
place_findings (const TeesqlStorageClient *self, GError *error)
{
  g_autofree char *group = g_strconcat ("storage:", self->instance, NULL);
  g_autofree const char **keys = teesql_config_has_group (self->config, group) ? teesql_config_list_keys (self->config, group) : NULL;
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", -1);

  for (gsize i = 0; lines[i] != NULL; i++)
    for (gsize j = 0; keys != NULL && keys[j] != NULL; j++)
      {
        g_autofree char *beginning = g_strdup_printf ("[%s] %s: ", group, keys[j]);
        g_autofree char *place = NULL;
        char *line = lines[i];

        if (!g_str_has_prefix (line, beginning))
          continue;
        place = teesql_config_describe (self->config, group, keys[j]);
        lines[i] = g_strconcat (place, ": ", line + strlen (beginning), NULL);
        g_free (line);
        break;
      }
  g_free (error->message);
  error->message = g_strjoinv ("\n", lines);
  return error;
}

static gboolean
handle_while_starting (TeesqlStorageClient *self, const TeesqlStorageMessage *message, GError **error)
{
  g_autoptr (GTask) starting = NULL;

  if (message->call != 0 || (message->type != TEESQL_STORAGE_READY && message->type != TEESQL_STORAGE_FAILED))
    return teesql_storage_call_violation (error, "a message of type %u before it was ready", message->type);
  if (message->type == TEESQL_STORAGE_FAILED)
    {
      break_down (self, place_findings (self, teesql_storage_message_dup_error (message)));
      return TRUE;
    }
  if (!handle_ready (self, message, error))
    return FALSE;
  starting = g_steal_pointer (&self->starting);
  g_task_return_pointer (starting, g_object_ref (self), g_object_unref);
  return TRUE;
}

static gboolean
message_cb (const TeesqlStorageMessage *message, gpointer user_data, GError **error)
{
  TeesqlStorageClient *self = user_data;
  g_autoptr (TeesqlStorageClient) held = g_object_ref (self);
  TeesqlStorageCall *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (message->call));
  gboolean good = FALSE;

  if (message->type == TEESQL_STORAGE_LOG)
    return handle_log (self, message, error);
  if (self->starting != NULL)
    return handle_while_starting (self, message, error);
  if (message->type == TEESQL_STORAGE_PONG)
    return handle_pong (self, message, error);
  if (call == NULL)
    return teesql_storage_call_violation (error, "a message of type %u about call %u, which there is not", message->type, message->call);
  good = teesql_storage_call_handle (call, message, error);
  if (good)
    teesql_storage_client_serve (self);
  return good;
}

/* ---- the beginning ---- */

/* Reading, hashing and following references takes longer than a loop may stand: all of it happens on a thread. */
typedef struct
{
  TeesqlConfig *config;
  char *instance;
  char *module;
  TeesqlPluginImage image;
  TeesqlStorageHello *hello;
  TeesqlStorageArena arena;
} Preparation;

static void
preparation_free (gpointer data)
{
  Preparation *self = data;

  teesql_config_unref (self->config);
  g_free (self->instance);
  g_free (self->module);
  teesql_plugin_image_clear (&self->image);
  g_clear_pointer (&self->hello, teesql_storage_hello_free);
  teesql_storage_arena_clear (&self->arena);
  g_free (self);
}

static char *
find_sidecar (const char *module_path, const char *module)
{
  g_autofree char *folder = g_path_get_dirname (module_path);
  g_autofree char *file = g_strconcat (module, ".plugin", NULL);
  g_autofree char *path = g_build_filename (folder, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) ? g_steal_pointer (&path) : NULL;
}

static TeesqlStorageSandbox *
read_sandbox (const Preparation *self, const char *module_path, GError **error)
{
  g_autofree char *path = find_sidecar (module_path, self->module);
  g_autofree char *group = g_strconcat ("storage:", self->instance, NULL);
  g_autofree char *text = path != NULL ? teesql_plugin_file_read_once (path, SIDECAR_MAX, NULL, error) : NULL;

  if (path != NULL && text == NULL)
    return NULL;
  return teesql_storage_sandbox_read (text, path, self->config, group, error);
}

static const char *
module_of (const TeesqlConfig *config, const char *instance)
{
  g_autofree char *group = g_strconcat ("storage:", instance, NULL);
  const char *module = teesql_config_has_group (config, group) ? teesql_config_get_raw (config, group, "plugin") : NULL;

  return module != NULL ? module : instance;
}

gboolean
teesql_storage_client_measure (const TeesqlConfig *config, const char *instance, char **out_module, char **out_sandbox, GError **error)
{
  const char *module = module_of (config, instance);
  g_autofree char *path = teesql_plugin_file_find (teesql_config_get_list (config, "teesql", "plugin-path"), module, error);
  g_autofree char *sidecar = path != NULL ? find_sidecar (path, module) : NULL;
  g_autofree char *sandbox = NULL;
  g_auto (TeesqlPluginImage) image = { .fd = -1 };

  if (path == NULL || !teesql_plugin_file_measure_once (path, module, &image, error))
    return FALSE;
  if (sidecar != NULL)
    {
      g_autofree char *text = teesql_plugin_file_read_once (sidecar, SIDECAR_MAX, &sandbox, error);

      if (text == NULL)
        return FALSE;
    }
  *out_module = g_steal_pointer (&image.digest);
  image.digest = NULL;
  *out_sandbox = g_steal_pointer (&sandbox);
  return TRUE;
}

static gboolean
prepare (Preparation *self, GError **error)
{
  g_autofree char *path = teesql_plugin_file_find (teesql_config_get_list (self->config, "teesql", "plugin-path"), self->module, error);
  TeesqlStorageSandbox *sandbox = NULL;

  if (path == NULL || !teesql_plugin_file_measure_once (path, self->module, &self->image, error))
    return FALSE;
  sandbox = read_sandbox (self, path, error);
  if (sandbox == NULL)
    return FALSE;
  self->hello = teesql_storage_hello_new (self->config, self->instance, self->module, self->image.digest, sandbox, error);
  return self->hello != NULL && teesql_storage_arena_make (&self->arena, error);
}

static void
prepare_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (prepare (data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
returned_cb (gpointer user_data)
{
  teesql_storage_client_collect (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
start (TeesqlStorageClient *self, Preparation *preparation, GError **error)
{
  int ends[2] = { -1, -1 };
  gboolean greeted = FALSE;

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-host-start", "socket: %s", g_strerror (errno));
  self->child = teesql_storage_child_spawn (self->instance, ends[1], exited_cb, self, error);
  close (ends[1]);
  greeted =
      self->child != NULL && teesql_storage_hello_send (preparation->hello, ends[0], preparation->image.fd, preparation->arena.fd, error);
  g_clear_pointer (&preparation->hello, teesql_storage_hello_free);
  if (!greeted)
    {
      close (ends[0]);
      return FALSE;
    }
  self->digest = g_strdup (preparation->image.digest);
  self->arena = preparation->arena;
  preparation->arena = (TeesqlStorageArena){ .fd = -1 };
  self->lender = teesql_storage_lender_new (&self->arena);
  if (self->lender != NULL)
    teesql_storage_lender_watch (self->lender, self->context, returned_cb, self);
  self->channel = teesql_storage_channel_new (ends[0], TRUE, message_cb, closed_cb, self);
  self->last_ping = g_get_monotonic_time ();
  self->tick = add_timeout (self, TICK_MS, G_PRIORITY_LOW, tick_cb);
  return TRUE;
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlStorageClient *self = TEESQL_STORAGE_CLIENT (source);
  GTask *preparing = G_TASK (result);
  GError *error = NULL;

  if (!g_task_propagate_boolean (preparing, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  self->starting = g_steal_pointer (&task);
  if (!start (self, g_task_get_task_data (preparing), &error))
    break_down (self, error);
}

void
teesql_storage_client_new_async (TeesqlConfig *config, const char *instance, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (TeesqlStorageClient) self = NULL;
  g_autoptr (GTask) preparing = NULL;
  Preparation *preparation = NULL;
  GTask *task = NULL;

  g_return_if_fail (config != NULL && instance != NULL);

  self = g_object_new (TEESQL_TYPE_STORAGE_CLIENT, NULL);
  self->config = teesql_config_ref (config);
  self->instance = g_strdup (instance);
  self->module = g_strdup (module_of (config, instance));
  preparation = g_new0 (Preparation, 1);
  preparation->config = teesql_config_ref (config);
  preparation->instance = g_strdup (instance);
  preparation->module = g_strdup (self->module);
  preparation->image.fd = -1;
  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, teesql_storage_client_new_async);
  g_task_set_task_data (task, g_object_ref (self), g_object_unref);
  preparing = g_task_new (self, NULL, prepared_cb, task);
  g_task_set_task_data (preparing, preparation, preparation_free);
  g_task_run_in_thread (preparing, prepare_in_thread);
}

TeesqlStorageClient *
teesql_storage_client_new_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_storage_client_new_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

const char *
teesql_storage_client_get_module (TeesqlStorageClient *self)
{
  return self->module;
}

const char *
teesql_storage_client_get_module_digest (TeesqlStorageClient *self)
{
  return self->digest;
}

const char *
teesql_storage_client_get_module_version (TeesqlStorageClient *self)
{
  return self->version;
}

const char *
teesql_storage_client_get_degradation (TeesqlStorageClient *self)
{
  return self->degradation;
}

pid_t
teesql_storage_client_get_pid (TeesqlStorageClient *self)
{
  return self->child != NULL ? teesql_storage_child_get_pid (self->child) : 0;
}

TeesqlStorageLender *
teesql_storage_client_get_lender (TeesqlStorageClient *self)
{
  return self->lender;
}

/* Whoever waits for an answer holds us, so all that is left are calls whose callers went. */
static void
teesql_storage_client_dispose (GObject *object)
{
  TeesqlStorageClient *self = TEESQL_STORAGE_CLIENT (object);

  drop_source (&self->tick);
  drop_source (&self->serving);
  drop_source (&self->last_wait);
  if (self->lender != NULL)
    teesql_storage_lender_unwatch (self->lender); /* readers may hold it for longer */
  g_clear_pointer (&self->channel, teesql_storage_channel_free);
  g_clear_pointer (&self->child, teesql_storage_child_release);
  if (self->broken == NULL)
    self->broken = make_reason (self, "storage-host-broken", "was let go");
  fail_calls (self, self->broken);
  G_OBJECT_CLASS (teesql_storage_client_parent_class)->dispose (object);
}

static void
teesql_storage_client_finalize (GObject *object)
{
  TeesqlStorageClient *self = TEESQL_STORAGE_CLIENT (object);

  g_hash_table_unref (self->calls);
  g_ptr_array_unref (self->streams);
  g_queue_clear (&self->line);
  g_queue_clear (&self->parts);
  teesql_storage_slots_free (self->slots);
  g_clear_pointer (&self->lender, teesql_storage_lender_unref);
  teesql_storage_arena_clear (&self->arena);
  g_clear_error (&self->broken);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_free (self->instance);
  g_free (self->module);
  g_free (self->digest);
  g_free (self->version);
  g_free (self->exit_status);
  g_main_context_unref (self->context);
  G_OBJECT_CLASS (teesql_storage_client_parent_class)->finalize (object);
}

static void
teesql_storage_client_class_init (TeesqlStorageClientClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = teesql_storage_client_dispose;
  G_OBJECT_CLASS (klass)->finalize = teesql_storage_client_finalize;
  signals[SIGNAL_BROKEN] =
      g_signal_new ("broken", TEESQL_TYPE_STORAGE_CLIENT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
teesql_storage_client_init (TeesqlStorageClient *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->calls = g_hash_table_new (NULL, NULL);
  self->streams = g_ptr_array_new ();
  self->slots = teesql_storage_slots_new ();
  g_queue_init (&self->line);
  g_queue_init (&self->parts);
}
