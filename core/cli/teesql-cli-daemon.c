#include "cli/teesql-cli-daemon.h"

#include "base/teesql-domains.h"
#include "config/teesql-config.h"
#include "control/teesql-control-server.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define STEADY_US (2 * G_USEC_PER_SEC) /* a rate of less says nothing about the rest */
#define MIN_US    (G_USEC_PER_SEC / 4)
#define REDRAW_US (G_USEC_PER_SEC / 10)

/* a restore tells from several threads */
static GMutex progress_lock;
static gint64 progress_since_us;
static gint64 progress_drawn_us;
static char *progress_phase;
static gboolean progress_drawn;

/* With a plain blank: g_format_size() has one that does not break, of two bytes, which spoils columns. */
char *
teesql_cli_dup_size (guint64 bytes)
{
  g_autofree char *text = g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_auto (GStrv) parts = g_strsplit (text, "\302\240", 2);

  return g_strjoinv (" ", parts);
}

char *
teesql_cli_dup_time (gint64 at_unix)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (at_unix);

  return date != NULL ? g_date_time_format (date, "%Y-%m-%d %H:%M:%SZ") : g_strdup ("-");
}

static char *
dup_left (guint64 done, guint64 total, gint64 elapsed_us)
{
  guint64 left_s = 0;

  if (elapsed_us < STEADY_US || done == 0)
    return g_strdup ("");
  left_s = (guint64) ((double) (total - MIN (done, total)) / (double) done * (double) elapsed_us / G_USEC_PER_SEC);
  return g_strdup_printf ("  %u:%02u left", (guint) (left_s / 60), (guint) (left_s % 60));
}

/* `copy       [#########-------]  42 %  1.3 GiB of 3.1 GiB  118.0 MiB/s  0:15 left` */
static void
draw (const char *phase, guint64 done, guint64 total, gint64 elapsed_us)
{
  char bar[BAR_WIDTH + 1];
  guint filled = total > 0 ? (guint) (MIN (done, total) * BAR_WIDTH / total) : 0;
  g_autofree char *have = teesql_cli_dup_size (done);
  g_autofree char *want = teesql_cli_dup_size (total);
  g_autofree char *rate = teesql_cli_dup_size ((guint64) ((double) done * G_USEC_PER_SEC / (double) MAX (elapsed_us, MIN_US)));
  g_autofree char *left = dup_left (done, total, elapsed_us);

  memset (bar, '-', BAR_WIDTH);
  memset (bar, '#', filled);
  bar[BAR_WIDTH] = '\0';
  if (total > 0)
    g_printerr ("\r\033[K%-10s [%s] %3u %%  %s of %s  %s/s%s", phase, bar, (guint) (MIN (done, total) * 100 / total), have, want, rate,
                left);
  else if (done > 0)
    g_printerr ("\r\033[K%-10s %s  %s/s", phase, have, rate);
  else
    g_printerr ("\r\033[K%s …", phase);
}

static void
take_progress (const char *phase, guint64 done, guint64 total)
{
  gint64 now = g_get_monotonic_time ();
  gboolean changed = g_strcmp0 (progress_phase, phase) != 0;

  if (!changed && progress_drawn && now - progress_drawn_us < REDRAW_US)
    return;
  if (changed)
    {
      g_free (progress_phase);
      progress_phase = g_strdup (phase);
      progress_since_us = now;
    }
  draw (phase, done, total, now - progress_since_us);
  progress_drawn_us = now;
  progress_drawn = TRUE;
}

void
teesql_cli_draw_progress (const char *phase, guint64 done, guint64 total)
{
  if (!isatty (STDERR_FILENO))
    return;
  g_mutex_lock (&progress_lock);
  take_progress (phase, done, total);
  g_mutex_unlock (&progress_lock);
}

void
teesql_cli_end_progress (void)
{
  g_mutex_lock (&progress_lock);
  if (progress_drawn)
    g_printerr ("\r\033[K");
  progress_drawn = FALSE;
  g_mutex_unlock (&progress_lock);
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

/* The forwarder's file is the one that is mostly at hand. */
static GError *
describe_unread (const TeesqlCliGlobals *globals, GError *problem)
{
  g_autoptr (TeesqlConfig) client =
      globals->config_path != NULL ? teesql_config_load (TEESQL_CONFIG_CLIENT, globals->config_path, NULL) : NULL;
  GError *error = NULL;

  if (client == NULL)
    return problem;
  error = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "config-kind", 0,
                            "%s is the forwarder's configuration, and this asks the daemon\nhint: --config with teesqld.conf",
                            globals->config_path);
  g_error_free (problem);
  return error;
}

static GSocketConnection *
dial (const TeesqlCliGlobals *globals, GError **error)
{
  g_autoptr (GError) unread = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, globals->config_path, &unread);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autofree char *path = NULL;
  GError *problem = NULL;
  GSocketConnection *connection = NULL;

  if (config == NULL)
    {
      g_propagate_error (error, describe_unread (globals, g_steal_pointer (&unread)));
      return NULL;
    }
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
