#include "simulator/teesql-sim-control.h"
#include "simulator/teesql-sim-http.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>
#include <unistd.h>

#define MAX_LINE 65536

struct _TeesqlSimControl
{
  GSocketService *service;
  TeesqlSimState *state;
  char *path;
};

/* --- one line */

/* members with `-` for `_`, as in the configuration */
static JsonObject *
normalize (JsonObject *object, GError **error)
{
  static const char *const known[] = { "quote_version", "tcb_status", "misbehave", "recovery", NULL };
  g_autoptr (JsonObject) out = json_object_new ();
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *l = members; l != NULL; l = l->next)
    {
      g_autofree char *name = g_strdelimit (g_strdup (l->data), "-", '_');

      if (!g_strv_contains (known, name))
        {
          g_propagate_error (error,
                             teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-control", 0,
                                               "`%s` cannot be changed\nhint: quote_version, tcb_status, misbehave, recovery", name));
          return NULL;
        }
      json_object_set_member (out, name, json_object_dup_member (object, l->data));
    }
  return g_steal_pointer (&out);
}

static gboolean
apply_misbehave (TeesqlSimState *next, JsonObject *changes, GError **error)
{
  g_auto (GStrv) list = NULL;
  g_autofree char *joined = NULL;
  g_auto (GStrv) words = NULL;

  if (!json_object_has_member (changes, "misbehave"))
    return TRUE;
  if (!teesql_sim_json_get_strings (changes, "misbehave", &list, error))
    return FALSE;
  joined = g_strjoinv (";", list);
  words = joined[0] != '\0' ? g_strsplit (joined, ";", -1) : g_new0 (char *, 1);
  return teesql_sim_state_set_misbehave (next, (const char *const *) words, error);
}

static gboolean
apply_recovery (TeesqlSimState *next, const char *text, GError **error)
{
  TeesqlSimRecovery recovery;

  if (text[0] == '\0')
    return TRUE;
  if (!teesql_sim_recovery_parse (text, &recovery, error))
    return FALSE;
  if (recovery < next->recovery)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-recovery", 0,
                                                  "recovery: %s was published and cannot be taken back",
                                                  teesql_sim_recovery_to_string (next->recovery)));
      return FALSE;
    }
  next->recovery = recovery;
  return TRUE;
}

static gboolean
apply (TeesqlSimState *state, JsonObject *changes, gint64 now_unix, GError **error)
{
  TeesqlSimState next = *state;
  const char *quote_version;
  const char *tcb_status;
  const char *recovery;

  if (!teesql_sim_json_get_string (changes, "quote_version", &quote_version, error) ||
      !teesql_sim_json_get_string (changes, "tcb_status", &tcb_status, error) ||
      !teesql_sim_json_get_string (changes, "recovery", &recovery, error) ||
      (quote_version[0] != '\0' && !teesql_sim_quote_version_parse (quote_version, &next.quote_version, error)) ||
      (tcb_status[0] != '\0' && !teesql_sim_tcb_status_parse (tcb_status, &next.tcb_status, error)) ||
      !apply_misbehave (&next, changes, error) || !apply_recovery (&next, recovery, error) || !teesql_sim_state_check (&next, error))
    return FALSE;
  if (next.recovery != state->recovery || next.faults != state->faults || next.tcb_status != state->tcb_status)
    {
      next.generation++; /* collateral is issued anew */
      next.changed_unix = now_unix;
    }
  *state = next;
  return TRUE;
}

static void
add_state (JsonBuilder *builder, const TeesqlSimState *state)
{
  g_auto (GStrv) words = teesql_sim_state_get_misbehave (state);

  teesql_sim_json_add_string (builder, "quote_version", teesql_sim_quote_version_to_string (state->quote_version));
  teesql_sim_json_add_string (builder, "tcb_status", teesql_sim_tcb_status_to_string (state->tcb_status));
  json_builder_set_member_name (builder, "misbehave");
  json_builder_begin_array (builder);
  for (guint i = 0; words[i] != NULL; i++)
    json_builder_add_string_value (builder, words[i]);
  json_builder_end_array (builder);
  teesql_sim_json_add_string (builder, "recovery", teesql_sim_recovery_to_string (state->recovery));
  teesql_sim_json_add_int (builder, "agent_calls", (gint64) state->agent_calls);
  teesql_sim_json_add_int (builder, "pccs_calls", (gint64) state->pccs_calls);
}

char *
teesql_sim_control_execute (TeesqlSimState *state, const char *line, gsize size, gint64 now_unix)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) request = teesql_sim_json_parse_object (line, size, &error);
  g_autoptr (JsonObject) changes = request != NULL ? normalize (request, &error) : NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  gboolean ok = changes != NULL && apply (state, changes, now_unix, &error);

  json_builder_begin_object (builder);
  teesql_sim_json_add_int (builder, "schema", 1);
  teesql_sim_json_add_boolean (builder, "ok", ok);
  if (!ok)
    teesql_sim_json_add_string (builder, "message", error->message);
  add_state (builder, state);
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

/* --- connections */

typedef struct
{
  GSocketConnection *connection;
  TeesqlSimState *state;
  GString *pending;
  char *answer;
  char chunk[4096];
} Session;

static void read_more (Session *session);

static void
session_free (Session *session)
{
  g_object_unref (session->connection);
  g_string_free (session->pending, TRUE);
  g_free (session->answer);
  g_free (session);
}

static void answer_next (Session *session);

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL))
    {
      session_free (session);
      return;
    }
  answer_next (session);
}

/* answers the first whole line that has come, or waits for one */
static void
answer_next (Session *session)
{
  char *end = strchr (session->pending->str, '\n');
  g_autofree char *answer = NULL;
  gsize length;

  if (end == NULL)
    {
      read_more (session);
      return;
    }
  length = (gsize) (end - session->pending->str);
  answer = teesql_sim_control_execute (session->state, session->pending->str, length, g_get_real_time () / G_USEC_PER_SEC);
  g_string_erase (session->pending, 0, (gssize) length + 1);
  g_free (session->answer);
  session->answer = g_strconcat (answer, "\n", NULL);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (session->connection)), session->answer,
                                   strlen (session->answer), G_PRIORITY_DEFAULT, NULL, written_cb, session);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (n <= 0 || session->pending->len + (gsize) n > MAX_LINE || memchr (session->chunk, '\0', (gsize) n) != NULL)
    {
      session_free (session);
      return;
    }
  g_string_append_len (session->pending, session->chunk, n);
  answer_next (session);
}

static void
read_more (Session *session)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (session->connection)), session->chunk, sizeof session->chunk,
                             G_PRIORITY_DEFAULT, NULL, read_cb, session);
}

static gboolean
incoming_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  TeesqlSimControl *self = user_data;
  Session *session = g_new0 (Session, 1);

  session->connection = g_object_ref (connection);
  session->state = self->state;
  session->pending = g_string_new (NULL);
  read_more (session);
  return TRUE;
}

TeesqlSimControl *
teesql_sim_control_new (const char *path, TeesqlSimState *state, GError **error)
{
  g_autoptr (TeesqlSimControl) self = g_new0 (TeesqlSimControl, 1);
  g_autoptr (GSocket) socket = teesql_sim_unix_socket_new (path, error);

  if (socket == NULL)
    return NULL;
  self->path = g_strdup (path);
  self->state = state;
  self->service = g_socket_service_new ();
  if (!g_socket_listener_add_socket (G_SOCKET_LISTENER (self->service), socket, NULL, error))
    return NULL;
  g_signal_connect (self->service, "incoming", G_CALLBACK (incoming_cb), self);
  g_socket_service_start (self->service);
  return g_steal_pointer (&self);
}

void
teesql_sim_control_free (TeesqlSimControl *self)
{
  if (self == NULL)
    return;
  if (self->service != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->service, self);
      g_socket_service_stop (self->service);
      g_socket_listener_close (G_SOCKET_LISTENER (self->service));
      unlink (self->path);
    }
  g_clear_object (&self->service);
  g_free (self->path);
  g_free (self);
}
