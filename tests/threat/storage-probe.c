/* The daemon's side of a storage host, for test-storage-host.py: `storage-probe CONFIG INSTANCE`, then a line `NAME` on stdin stats that
 * object, and `NAME MS` cancels the stat after so long. One line of JSON for each answer and event. */
#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "storage/teesql-storage-client.h"
#include <gio/gunixinputstream.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static GMainLoop *loop;
static TeesqlStorageClient *client;

static JsonBuilder *
begin (const char *event)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "event");
  json_builder_add_string_value (builder, event);
  return builder;
}

static void
add_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

static void
add_number (JsonBuilder *builder, const char *name, gint64 number)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, number);
}

static void
add_error (JsonBuilder *builder, const GError *error)
{
  add_text (builder, "domain", g_quark_to_string (error->domain));
  add_number (builder, "code", error->code);
  add_text (builder, "reason", teesql_error_get_reason (error));
  add_text (builder, "message", error->message);
}

static void
print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  printf ("%s\n", text);
  fflush (stdout);
  g_object_unref (builder);
}

typedef struct
{
  char *name;
  GCancellable *cancellable;
  gint64 begun;
} Stat;

static void
stat_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Stat *stat = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = teesql_storage_stat_finish (TEESQL_STORAGE (source), result, &error);
  JsonBuilder *builder = begin ("answer");

  add_text (builder, "name", stat->name);
  add_number (builder, "ms", (g_get_monotonic_time () - stat->begun) / 1000);
  if (info != NULL)
    {
      add_number (builder, "got", (gint64) teesql_object_info_get_size (info));
      add_text (builder, "text", teesql_object_info_get_tag (info));
    }
  else
    add_error (builder, error);
  print (builder);
  g_object_unref (stat->cancellable);
  g_free (stat->name);
  g_free (stat);
}

static gboolean
cancel_cb (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_REMOVE;
}

static void
ask (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 2);
  Stat *stat = g_new0 (Stat, 1);

  stat->name = g_strdup (words[0]);
  stat->cancellable = g_cancellable_new ();
  stat->begun = g_get_monotonic_time ();
  if (words[1] != NULL)
    g_timeout_add_full (G_PRIORITY_DEFAULT, (guint) g_ascii_strtoull (words[1], NULL, 10), cancel_cb, g_object_ref (stat->cancellable),
                        g_object_unref);
  teesql_storage_stat_async (TEESQL_STORAGE (client), stat->name, stat->cancellable, stat_cb, stat);
}

static void
line_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, NULL);

  if (line == NULL)
    {
      g_main_loop_quit (loop);
      return;
    }
  ask (line);
  g_data_input_stream_read_line_async (G_DATA_INPUT_STREAM (source), G_PRIORITY_DEFAULT, NULL, line_cb, NULL);
}

static void
broken_cb (TeesqlStorageClient *self, const GError *error, gpointer user_data)
{
  JsonBuilder *builder = begin ("broken");

  add_error (builder, error);
  print (builder);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  JsonBuilder *builder = NULL;

  client = teesql_storage_client_new_finish (result, &error);
  builder = begin (client != NULL ? "ready" : "refused");
  if (client == NULL)
    {
      add_error (builder, error);
      print (builder);
      g_main_loop_quit (loop);
      return;
    }
  add_number (builder, "pid", teesql_storage_client_get_pid (client));
  add_text (builder, "degradation", teesql_storage_client_get_degradation (client));
  add_text (builder, "version", teesql_storage_client_get_module_version (client));
  add_text (builder, "digest", teesql_storage_client_get_module_digest (client));
  print (builder);
  g_signal_connect (client, "broken", G_CALLBACK (broken_cb), NULL);
  g_data_input_stream_read_line_async (user_data, G_PRIORITY_DEFAULT, NULL, line_cb, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  g_autoptr (GInputStream) base = NULL;
  g_autoptr (GDataInputStream) lines = NULL;

  teesql_environment_rebuild (argc, argv);
  teesql_process_harden (NULL);
  if (argc != 3)
    return 2;
  config = teesql_config_load (TEESQL_CONFIG_DAEMON, argv[1], &error);
  if (config == NULL)
    {
      fprintf (stderr, "%s\n", error->message);
      return 2;
    }
  loop = g_main_loop_new (NULL, FALSE);
  base = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  lines = g_data_input_stream_new (base);
  teesql_storage_client_new_async (config, argv[2], NULL, started_cb, lines);
  g_main_loop_run (loop);
  g_clear_object (&client);
  g_main_loop_unref (loop);
  return 0;
}
