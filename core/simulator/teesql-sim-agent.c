#include "simulator/teesql-sim-agent.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

typedef struct
{
  TeesqlSimGuest *guest;
  TeesqlSimState *state;
} Agent;

/* `?json`, without a value, is lost in a decoded form */
static gboolean
query_says_json (SoupServerMessage *message)
{
  static const char *const flags[] = { "json", "json=true", "json=1", NULL };
  const char *query = g_uri_get_query (soup_server_message_get_uri (message));
  g_auto (GStrv) parts = g_strsplit (query != NULL ? query : "", "&", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    if (g_strv_contains (flags, parts[i]))
      return TRUE;
  return FALSE;
}

/* JSON is asked for by content type or by query; GET always means JSON (guest agent 2) */
static gboolean
wants_json (SoupServerMessage *message)
{
  const char *type = soup_message_headers_get_content_type (soup_server_message_get_request_headers (message), NULL);

  if (query_says_json (message))
    return TRUE;
  return type != NULL && (g_ascii_strcasecmp (type, "application/json") == 0 || g_str_has_suffix (type, "+json"));
}

static JsonObject *
object_from_query (GHashTable *query)
{
  JsonObject *object = json_object_new ();
  GHashTableIter iter;
  gpointer name;
  gpointer value;

  if (query == NULL)
    return object;
  g_hash_table_iter_init (&iter, query);
  while (g_hash_table_iter_next (&iter, &name, &value))
    json_object_set_string_member (object, name, value);
  return object;
}

static JsonObject *
read_request (SoupServerMessage *message, GHashTable *query, GError **error)
{
  g_autoptr (GBytes) body = NULL;
  gsize size = 0;
  const char *text;

  if (soup_server_message_get_method (message) == SOUP_METHOD_GET)
    return object_from_query (query);
  if (!wants_json (message))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_UNSUPPORTED, "simulator-protobuf", 0,
                                                  "the simulator speaks JSON only: send Content-Type: application/json"));
      return NULL;
    }
  body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  text = g_bytes_get_data (body, &size);
  return teesql_sim_json_parse_object (text, size, error);
}

/* clients show one line: the hint is for operators */
static void
reply_failure (SoupServerMessage *message, const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 2);

  teesql_sim_http_reply_error (message, 400, lines[0]);
}

static void
serve (const Agent *agent, SoupServerMessage *message, const char *path, GHashTable *query)
{
  TeesqlSimMethod method = teesql_sim_agent_find_method (path[0] == '/' ? path + 1 : path);
  g_autoptr (JsonObject) request = NULL;
  g_autoptr (GError) error = NULL;
  char *answer;

  if (method == NULL)
    {
      teesql_sim_http_reply_error (message, 400, "NotFound");
      return;
    }
  request = read_request (message, query, &error);
  answer = request != NULL ? method (agent->guest, request, &error) : NULL;
  if (answer == NULL)
    reply_failure (message, error);
  else
    teesql_sim_http_reply_json (message, 200, answer);
}

static void
request_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  Agent *agent = user_data;
  const char *method = soup_server_message_get_method (message);

  agent->state->agent_calls++;
  if (teesql_sim_http_misbehave (message, &agent->state->agent))
    return;
  if (method != SOUP_METHOD_GET && method != SOUP_METHOD_POST)
    teesql_sim_http_reply_error (message, 404, "NotFound");
  else
    serve (agent, message, path, query);
  teesql_sim_http_delay (message, &agent->state->agent);
}

void
teesql_sim_agent_attach (SoupServer *server, TeesqlSimGuest *guest, TeesqlSimState *state)
{
  Agent *agent = g_new0 (Agent, 1);

  agent->guest = guest;
  agent->state = state;
  soup_server_add_handler (server, NULL, request_cb, agent, g_free);
}
