#include "cli/teesql-cli-daemon.h"

#include "base/teesql-domains.h"
#include "config/teesql-config.h"
#include "control/teesql-control-server.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 30

static gint64 progress_since_us;
static char *progress_phase;
static gboolean progress_drawn;

/* `base  [#########-------]  42 %  1.3 GiB of 3.1 GiB  118 MiB/s` */
void
teesql_cli_draw_progress (const char *phase, guint64 done, guint64 total)
{
  gint64 now = g_get_monotonic_time ();
  char bar[BAR_WIDTH + 1];
  g_autofree char *have = g_format_size_full (done, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *want = g_format_size_full (total, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *rate = NULL;
  guint filled = total > 0 ? (guint) (MIN (done, total) * BAR_WIDTH / total) : 0;

  if (!isatty (STDERR_FILENO))
    return;
  if (g_strcmp0 (progress_phase, phase) != 0)
    {
      g_free (progress_phase);
      progress_phase = g_strdup (phase);
      progress_since_us = now;
    }
  memset (bar, '-', BAR_WIDTH);
  memset (bar, '#', filled);
  bar[BAR_WIDTH] = '\0';
  rate = g_format_size_full (done * G_USEC_PER_SEC / (guint64) MAX (now - progress_since_us, G_USEC_PER_SEC / 4), G_FORMAT_SIZE_IEC_UNITS);
  if (total > 0)
    g_printerr ("\r\033[K%-10s [%s] %3u %%  %s of %s  %s/s", phase, bar, (guint) (MIN (done, total) * 100 / total), have, want, rate);
  else if (done > 0)
    g_printerr ("\r\033[K%-10s %s  %s/s", phase, have, rate);
  else
    g_printerr ("\r\033[K%s …", phase);
  progress_drawn = TRUE;
}

void
teesql_cli_end_progress (void)
{
  if (progress_drawn)
    g_printerr ("\r\033[K");
  progress_drawn = FALSE;
}

static GError *
describe_away (GError *problem, const char *path)
{
  gboolean permission = g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  GError *error = NULL;

  if (permission)
    error = teesql_error_new (TEESQL_BACKUP_ERROR, TEESQL_ERROR_PERMISSION, "daemon-permission", 0,
                              "%s: %s\nhint: ask as root or as the daemon's user", path, problem->message);
  else
    error = teesql_error_new (TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "daemon-away", 0,
                              "no teesqld answers at %s: %s\nhint: --config names the file of the daemon that is meant", path,
                              problem->message);
  g_error_free (problem);
  return error;
}

static GSocketConnection *
dial (const TeesqlCliGlobals *globals, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, globals->config_path, error);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autofree char *path = NULL;
  GError *problem = NULL;
  GSocketConnection *connection = NULL;

  if (config == NULL)
    return NULL;
  path = g_build_filename (teesql_config_get_string (config, "teesql", "runtime-directory"), TEESQL_CONTROL_SOCKET, NULL);
  address = g_unix_socket_address_new (path);
  connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &problem);
  if (connection == NULL)
    g_propagate_error (error, describe_away (problem, path));
  return connection;
}

static char *
print_request (JsonBuilder *request)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (request);
  root = json_builder_get_root (request);
  text = json_to_string (root, FALSE);
  return g_strconcat (text, "\n", NULL);
}

static GError *
read_error (JsonObject *error)
{
  const char *reason = json_object_get_string_member_with_default (error, "reason", "unspecified");
  gint64 code = json_object_get_int_member_with_default (error, "code", TEESQL_ERROR_FAILED);

  return teesql_error_new (TEESQL_BACKUP_ERROR, (TeesqlError) CLAMP (code, TEESQL_ERROR_FAILED, TEESQL_ERROR_INTEGRITY), reason, 0, "%s",
                           json_object_get_string_member_with_default (error, "message", reason));
}

static void
show_progress (JsonObject *progress)
{
  teesql_cli_draw_progress (json_object_get_string_member_with_default (progress, "phase", ""),
                            (guint64) json_object_get_int_member_with_default (progress, "done", 0),
                            (guint64) json_object_get_int_member_with_default (progress, "total", 0));
}

/* One line of the daemon. TRUE when it was the last. */
static gboolean
take_line (const char *line, gboolean show, JsonObject **out_result, GError **error)
{
  g_autoptr (JsonNode) root = json_from_string (line, NULL);
  JsonObject *object = root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;

  if (object != NULL && json_object_has_member (object, "progress"))
    {
      if (show)
        show_progress (json_object_get_object_member (object, "progress"));
      return FALSE;
    }
  teesql_cli_end_progress ();
  if (object != NULL && json_object_has_member (object, "result"))
    *out_result = json_object_ref (json_object_get_object_member (object, "result"));
  else if (object != NULL && json_object_has_member (object, "error"))
    g_propagate_error (error, read_error (json_object_get_object_member (object, "error")));
  else
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "daemon-answer",
                 "the daemon answers with something else than expected");
  return TRUE;
}

static JsonObject *
converse (GSocketConnection *connection, const char *request, gboolean show, GError **error)
{
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
  JsonObject *result = NULL;

  if (!g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL, NULL, error))
    return NULL;
  for (;;)
    {
      g_autofree char *line = g_data_input_stream_read_line_utf8 (lines, NULL, NULL, error);

      if (line == NULL)
        {
          teesql_cli_end_progress ();
          if (error != NULL && *error == NULL)
            teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "daemon-away", "the daemon ended before it answered");
          return NULL;
        }
      if (take_line (line, show, &result, error))
        return result;
    }
}

JsonObject *
teesql_cli_ask_daemon (const TeesqlCliGlobals *globals, JsonBuilder *request, GError **error)
{
  g_autoptr (GSocketConnection) connection = dial (globals, error);
  g_autofree char *text = print_request (request);

  return connection != NULL ? converse (connection, text, !globals->quiet && !globals->json, error) : NULL;
}
