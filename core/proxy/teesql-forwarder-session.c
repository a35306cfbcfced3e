#include "proxy/teesql-forwarder-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "pgwire/teesql-pgwire-message.h"
#include "pgwire/teesql-pgwire-startup.h"
#include "pgwire/teesql-scram.h"
#include "proxy/teesql-dial.h"
#include "proxy/teesql-farewell.h"
#include "proxy/teesql-forwarder-login.h"
#include "proxy/teesql-relay.h"
#include <errno.h>
#include <unistd.h>

#define STARTUP_TIMEOUT_MS  10000
#define FAREWELL_TIMEOUT_MS 2000
#define SESSION_MEMORY      ((gsize) 262144)
/* authentication messages, an error with all its fields included */
#define MAX_MESSAGE ((gsize) 16384)

typedef enum
{
  SESSION_STARTUP,        /* plain packets of the application */
  SESSION_DIALING,        /* towards teesqld, for a session */
  SESSION_CANCEL,         /* towards teesqld, to hand over a cancel request */
  SESSION_AUTHENTICATION, /* between application and server; we look at what the server says */
  SESSION_LOGIN,          /* ours */
  SESSION_RELAY,
  SESSION_ENDING, /* last words */
  SESSION_ENDED,
} SessionState;

#define EDGE(state) (1u << (state))

static const guint legal_next[] = {
  [SESSION_STARTUP] = EDGE (SESSION_DIALING) | EDGE (SESSION_CANCEL) | EDGE (SESSION_ENDING) | EDGE (SESSION_ENDED),
  [SESSION_DIALING] = EDGE (SESSION_AUTHENTICATION) | EDGE (SESSION_LOGIN) | EDGE (SESSION_ENDING) | EDGE (SESSION_ENDED),
  [SESSION_CANCEL] = EDGE (SESSION_ENDED),
  [SESSION_AUTHENTICATION] = EDGE (SESSION_RELAY) | EDGE (SESSION_ENDING) | EDGE (SESSION_ENDED),
  [SESSION_LOGIN] = EDGE (SESSION_RELAY) | EDGE (SESSION_ENDING) | EDGE (SESSION_ENDED),
  [SESSION_RELAY] = EDGE (SESSION_ENDING) | EDGE (SESSION_ENDED),
  [SESSION_ENDING] = EDGE (SESSION_ENDED),
  [SESSION_ENDED] = 0,
};

static const char *const state_names[] = {
  [SESSION_STARTUP] = "startup", [SESSION_DIALING] = "dialing", [SESSION_CANCEL] = "cancel", [SESSION_AUTHENTICATION] = "authentication",
  [SESSION_LOGIN] = "login",     [SESSION_RELAY] = "relay",     [SESSION_ENDING] = "ending", [SESSION_ENDED] = "ended",
};

struct _TeesqlForwarderSession
{
  SessionState state;
  TeesqlForwarderShared *shared;
  TeesqlWorker *worker;
  GQueue *sessions;
  GList link; /* in @sessions */
  char *id;
  TeesqlTimer timer;
  TeesqlStream *client;
  TeesqlStream *server;
  GByteArray *from_client; /* not handed on yet */
  GByteArray *from_server;
  GByteArray *request; /* the startup or cancel packet for the server */
  TeesqlDial *dial;
  TeesqlForwarderLogin *login; /* (nullable) */
  TeesqlRelay relay;
  gboolean relaying;
  TeesqlFarewell farewell;
  gboolean saying_farewell;
};

static void session_client_event (TeesqlStream *stream, gpointer user_data);
static void session_server_event (TeesqlStream *stream, gpointer user_data);

static void G_GNUC_PRINTF (3, 4) session_log (TeesqlForwarderSession *self, TeesqlLogLevel level, const char *format, ...)
{
  TeesqlLogContext context = { .connection = self->id, .peer = self->shared->host, .phase = state_names[self->state] };
  g_autofree char *text = NULL;
  va_list args;

  if (!teesql_log_is_enabled (level))
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  teesql_log (level, &context, "connect", "%s", text);
}

static void
session_set_state (TeesqlForwarderSession *self, SessionState next)
{
  g_return_if_fail ((legal_next[self->state] & EDGE (next)) != 0);

  session_log (self, TEESQL_LOG_DEBUG, "%s", state_names[next]);
  self->state = next;
}

/* A cleartext password may have passed through here (`auth-method = password`). */
static void
wipe_and_free (GByteArray *bytes)
{
  teesql_wipe (bytes->data, bytes->len);
  g_byte_array_unref (bytes);
}

static void
session_free (TeesqlForwarderSession *self)
{
  g_queue_unlink (self->sessions, &self->link);
  g_atomic_int_add (&self->shared->n_sessions, -1);
  g_clear_pointer (&self->from_client, wipe_and_free);
  g_clear_pointer (&self->from_server, wipe_and_free);
  g_clear_pointer (&self->request, wipe_and_free);
  g_free (self->id);
  g_free (self);
}

void
teesql_forwarder_session_end (TeesqlForwarderSession *self)
{
  session_set_state (self, SESSION_ENDED);
  teesql_worker_stop_timer (self->worker, &self->timer);
  g_clear_pointer (&self->dial, teesql_dial_cancel);
  g_clear_pointer (&self->login, teesql_forwarder_login_free);
  if (self->relaying)
    teesql_relay_clear (&self->relay);
  if (self->saying_farewell)
    teesql_farewell_clear (&self->farewell);
  g_clear_pointer (&self->client, teesql_stream_free);
  g_clear_pointer (&self->server, teesql_stream_free);
  session_free (self);
}

static void
session_farewell_done (TeesqlFarewell *farewell, gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;

  self->saying_farewell = FALSE;
  teesql_forwarder_session_end (self);
}

/* What is queued for the application still reaches it. */
static void
session_say_farewell (TeesqlForwarderSession *self)
{
  session_set_state (self, SESSION_ENDING);
  teesql_worker_stop_timer (self->worker, &self->timer);
  g_clear_pointer (&self->login, teesql_forwarder_login_free);
  if (self->relaying)
    teesql_relay_clear (&self->relay);
  self->relaying = FALSE;
  g_clear_pointer (&self->server, teesql_stream_free);
  self->saying_farewell = TRUE;
  teesql_farewell_init (&self->farewell, g_steal_pointer (&self->client), FAREWELL_TIMEOUT_MS, session_farewell_done, self);
}

static void
session_refuse (TeesqlForwarderSession *self, const char *sqlstate, const char *text)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_auto (GStrv) lines = g_strsplit (text, "\nhint: ", 2);

  session_log (self, TEESQL_LOG_WARNING, "%s", text);
  teesql_message_error (message, "FATAL", sqlstate, lines[0], NULL, lines[1]);
  teesql_stream_write (self->client, message->data, message->len);
  session_say_farewell (self);
}

static void
session_timed_out (gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;

  if (self->state == SESSION_STARTUP || self->state == SESSION_CANCEL)
    teesql_forwarder_session_end (self); /* whoever never spoke, or only wanted to cancel, is told nothing */
  else
    session_refuse (self, "08001", "the server did not answer in time");
}

/* --- relay */

static void
session_relay_done (TeesqlRelay *relay, TeesqlRelayEnd end, const GError *error, gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;

  session_log (self, TEESQL_LOG_INFO, "ended, %" G_GUINT64_FORMAT " bytes in, %" G_GUINT64_FORMAT " out%s%s", relay->bytes_in,
               relay->bytes_out, error != NULL ? ": " : "", error != NULL ? error->message : "");
  self->relaying = FALSE;
  if (end == TEESQL_RELAY_CLIENT_CUT)
    teesql_forwarder_session_end (self);
  else
    session_say_farewell (self);
}

static void
flush_bytes (GByteArray *bytes, TeesqlStream *to)
{
  if (bytes->len == 0)
    return;
  teesql_stream_write (to, bytes->data, bytes->len);
  teesql_wipe (bytes->data, bytes->len);
  g_byte_array_set_size (bytes, 0);
}

static void
session_start_relay (TeesqlForwarderSession *self)
{
  session_set_state (self, SESSION_RELAY);
  teesql_worker_stop_timer (self->worker, &self->timer);
  g_clear_pointer (&self->login, teesql_forwarder_login_free);
  teesql_stream_set_sensitive (self->client, FALSE);
  teesql_stream_set_sensitive (self->server, FALSE);
  flush_bytes (self->from_server, self->client);
  flush_bytes (self->from_client, self->server);
  g_clear_pointer (&self->from_server, wipe_and_free);
  g_clear_pointer (&self->from_client, wipe_and_free);
  self->relaying = TRUE;
  teesql_relay_init (&self->relay, self->client, self->server, SESSION_MEMORY, session_relay_done, self);
}

/* --- authentication: what the server says until it has accepted or refused */

static void
collect (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  GByteArray *bytes = user_data;

  for (guint i = 0; i < n_pieces; i++)
    g_byte_array_append (bytes, pieces[i].iov_base, (guint) pieces[i].iov_len);
}

/* The application's socket is plain, and libpq takes PLUS on a plain socket for an attack. So it is taken out of the offer; between us
 * and the server the evidence has bound the key already. */
static gboolean
session_pass_message (TeesqlForwarderSession *self, const TeesqlMessage *message, gboolean *out_settled, GError **error)
{
  TeesqlCursor body = message->body;
  guint32 code = 0;

  *out_settled = message->type == 'E';
  if (message->type != 'R')
    {
      teesql_stream_write (self->client, self->from_server->data, message->size);
      return TRUE;
    }
  if (!teesql_cursor_u32_be (&body, "authentication code", &code, error))
    return FALSE;
  *out_settled = code == 0;
  if (code == 10)
    {
      g_autoptr (GByteArray) offer = g_byte_array_new ();

      teesql_message_authentication_sasl (offer, FALSE);
      teesql_stream_write (self->client, offer->data, offer->len);
      return TRUE;
    }
  teesql_stream_write (self->client, self->from_server->data, message->size);
  return TRUE;
}

/* One message of the server. Returns: FALSE when there is none yet, or the session went on to another state. */
static gboolean
session_step (TeesqlForwarderSession *self)
{
  g_autoptr (GError) error = NULL;
  TeesqlMessage message;
  gboolean complete = FALSE;
  gboolean settled = FALSE;
  gboolean good;

  if (!teesql_message_frame (self->from_server->data, self->from_server->len, MAX_MESSAGE, &message, &complete, &error))
    {
      session_refuse (self, "08P01", error->message);
      return FALSE;
    }
  if (!complete)
    return FALSE;
  if (self->state == SESSION_LOGIN)
    good = teesql_forwarder_login_take (self->login, &message, self->from_server->data, self->client, self->server, &settled, &error);
  else
    good = session_pass_message (self, &message, &settled, &error);
  if (!good)
    {
      session_refuse (self, "08P01", error->message);
      return FALSE;
    }
  g_byte_array_remove_range (self->from_server, 0, (guint) message.size);
  if (settled)
    session_start_relay (self);
  return !settled;
}

static void
discard (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
}

/* The server answers a cancel request by closing, whatever it did about it. Only then may the application's socket close: libpq
 * takes that for the sign that the request was handled. */
static void
session_await_cancel (TeesqlForwarderSession *self)
{
  TeesqlIo io;

  do
    io = teesql_stream_receive (self->server, MAX_MESSAGE, discard, NULL, NULL);
  while (io == TEESQL_IO_DONE);
  if (io != TEESQL_IO_AGAIN)
    teesql_forwarder_session_end (self);
}

static void
session_server_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;
  TeesqlIo io;

  if (self->state == SESSION_CANCEL)
    {
      session_await_cancel (self);
      return;
    }
  do
    {
      /* our own login computes keys on a thread now: its next message waits */
      if (self->login != NULL && teesql_forwarder_login_is_busy (self->login))
        return;
      io = teesql_stream_receive (stream, MAX_MESSAGE, collect, self->from_server, NULL);
      while (session_step (self))
        if (self->login != NULL && teesql_forwarder_login_is_busy (self->login))
          return;
      if (self->state != SESSION_AUTHENTICATION && self->state != SESSION_LOGIN)
        return;
    }
  while (io == TEESQL_IO_DONE);
  if (io != TEESQL_IO_AGAIN)
    session_refuse (self, "08006", "the server closed the connection during authentication");
}

static void
session_keys_ready (gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;

  teesql_stream_come_back (self->server);
}

/* --- dialing */

static void
session_begin (TeesqlForwarderSession *self, GBytes *leaf)
{
  g_autoptr (GError) error = NULL;

  if (self->shared->secret != NULL)
    {
      self->login = teesql_forwarder_login_new (self->shared, leaf, session_keys_ready, self, &error);
      if (self->login == NULL)
        {
          session_refuse (self, "08001", error->message);
          return;
        }
    }
  session_set_state (self, self->login != NULL ? SESSION_LOGIN : SESSION_AUTHENTICATION);
  teesql_worker_start_timer (self->worker, &self->timer, self->shared->connect_timeout_ms);
  self->from_server = g_byte_array_new ();
  teesql_stream_set_sensitive (self->server, TRUE);
  flush_bytes (self->request, self->server);
  if (self->login == NULL)
    flush_bytes (self->from_client, self->server);
  teesql_stream_come_back (self->server);
  teesql_stream_come_back (self->client);
}

static void
session_dialed (TeesqlDialResult *result, gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;

  self->dial = NULL;
  self->server = result->stream;
  if (self->server == NULL && self->state == SESSION_CANCEL)
    {
      session_log (self, TEESQL_LOG_WARNING, "a cancel request could not be handed over: %s", result->error->message);
      teesql_forwarder_session_end (self);
    }
  else if (self->server == NULL)
    {
      g_autofree char *text = g_strdup_printf ("cannot reach the server: %s", result->error->message);
      gboolean refused = g_error_matches (result->error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED);

      session_refuse (self, refused ? "28000" : "08001", refused ? result->error->message : text);
    }
  else
    {
      teesql_stream_set_func (self->server, session_server_event, self);
      session_log (self, TEESQL_LOG_INFO, "server attested: MRTD %.16s…, TCB %s, over %s", teesql_verdict_get_mrtd (result->verdict),
                   teesql_verdict_get_tcb_status (result->verdict), result->tls);
      if (self->state == SESSION_CANCEL)
        {
          flush_bytes (self->request, self->server);
          teesql_worker_start_timer (self->worker, &self->timer, self->shared->connect_timeout_ms);
          teesql_stream_come_back (self->server);
        }
      else
        session_begin (self, result->leaf);
    }
}

static void
session_dial (TeesqlForwarderSession *self, SessionState next)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlTlsCredentials) credentials = teesql_forwarder_shared_ref_credentials (self->shared, &error);
  TeesqlLogContext log = { .connection = self->id, .peer = self->shared->host, .phase = "dialing" };
  TeesqlDialOptions options = {
    .attest = self->shared->attest,
    .credentials = credentials,
    .host = self->shared->host,
    .port = self->shared->port,
    .server_name = self->shared->server_name,
    .timeout_ms = self->shared->connect_timeout_ms,
    .log = &log,
  };

  if (credentials == NULL)
    {
      session_refuse (self, "08001", error->message);
      return;
    }
  teesql_worker_stop_timer (self->worker, &self->timer);
  session_set_state (self, next);
  self->dial = teesql_dial_start (self->worker, &options, session_dialed, self);
}

/* --- the application's first packets */

/* Before our own login the packet is made anew: another user, and the plain 3.0 that our own messages speak. */
static void
session_rewrite_startup (TeesqlForwarderSession *self, const TeesqlStartup *startup)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new ();

  for (guint i = 0; i < startup->n_parameters; i++)
    {
      const TeesqlStartupParameter *parameter = &startup->parameters[i];
      gboolean is_user = g_str_equal (parameter->name, "user");

      if (g_str_has_prefix (parameter->name, "_pq_."))
        continue;
      g_ptr_array_add (pairs, (gpointer) parameter->name);
      g_ptr_array_add (pairs, (gpointer) (is_user && self->shared->role != NULL ? self->shared->role : parameter->value));
    }
  if (teesql_startup_get_parameter (startup, "database") == NULL)
    {
      g_ptr_array_add (pairs, (gpointer) "database");
      g_ptr_array_add (pairs, (gpointer) startup->database);
    }
  g_ptr_array_add (pairs, NULL);
  teesql_message_startup (self->request, (const char *const *) pairs->pdata);
}

/* The packet goes to the server as it came; what stands behind it waits. */
static void
session_take_request (TeesqlForwarderSession *self, const TeesqlStartup *startup)
{
  g_byte_array_append (self->request, self->from_client->data, (guint) startup->size);
  g_byte_array_remove_range (self->from_client, 0, (guint) startup->size);
}

static void
session_take_startup (TeesqlForwarderSession *self, const TeesqlStartup *startup)
{
  if ((guint) g_atomic_int_get (&self->shared->n_sessions) > self->shared->max_sessions)
    {
      session_refuse (self, "53300", "too many connections through this forwarder\nhint: raise [connect] max-sessions");
      return;
    }
  if (self->shared->secret == NULL)
    session_take_request (self, startup);
  else
    {
      session_rewrite_startup (self, startup);
      if (startup->protocol_minor > 0 || startup->n_unknown_options > 0)
        {
          static const char *const none[] = { NULL };
          g_autoptr (GByteArray) answer = g_byte_array_new ();

          teesql_message_negotiate_version (answer, 0, none);
          teesql_stream_write (self->client, answer->data, answer->len);
        }
      g_byte_array_remove_range (self->from_client, 0, (guint) startup->size);
    }
  session_dial (self, SESSION_DIALING);
}

/* Returns: whether to look for another packet. */
static gboolean
session_take_packet (TeesqlForwarderSession *self, const TeesqlStartup *startup)
{
  switch (startup->kind)
    {
    case TEESQL_STARTUP_SSL_REQUEST:
    case TEESQL_STARTUP_GSSENC_REQUEST:
      teesql_stream_write (self->client, "N", 1);
      return TRUE;
    case TEESQL_STARTUP_CANCEL_REQUEST:
      session_take_request (self, startup);
      session_dial (self, SESSION_CANCEL);
      return FALSE;
    case TEESQL_STARTUP_MESSAGE:
      session_take_startup (self, startup);
      return FALSE;
    case TEESQL_STARTUP_TLS:
      session_refuse (self, "08P01", "this socket is plain, only the way to the server is encrypted\nhint: use sslmode=disable here");
      return FALSE;
    case TEESQL_STARTUP_NEED_MORE:
      return FALSE;
    }
  g_return_val_if_reached (FALSE);
}

static void
session_parse_startup (TeesqlForwarderSession *self)
{
  gboolean more = TRUE;

  while (more && self->state == SESSION_STARTUP)
    {
      g_autoptr (GError) error = NULL;
      TeesqlStartup startup;

      if (!teesql_startup_parse (self->from_client->data, self->from_client->len, &startup, &error))
        {
          session_refuse (self, "08P01", error->message);
          return;
        }
      if (startup.kind == TEESQL_STARTUP_NEED_MORE)
        return;
      more = session_take_packet (self, &startup);
      if (more)
        g_byte_array_remove_range (self->from_client, 0, (guint) startup.size);
    }
}

static void
session_read_startup (TeesqlForwarderSession *self)
{
  TeesqlIo io = TEESQL_IO_DONE;

  while (io == TEESQL_IO_DONE && self->from_client->len <= TEESQL_STARTUP_MAX_SIZE)
    io = teesql_stream_receive (self->client, TEESQL_STARTUP_MAX_SIZE, collect, self->from_client, NULL);
  session_parse_startup (self);
  /* a probe that only looks whether somebody listens, or half a packet */
  if (self->state == SESSION_STARTUP && (io == TEESQL_IO_EOF || io == TEESQL_IO_FAILED))
    teesql_forwarder_session_end (self);
}

static void
session_client_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlForwarderSession *self = user_data;
  TeesqlIo io = TEESQL_IO_DONE;
  guint8 byte;

  if (self->state == SESSION_STARTUP)
    session_read_startup (self);
  else if (self->state == SESSION_AUTHENTICATION)
    {
      while (io == TEESQL_IO_DONE && teesql_stream_get_queued (self->server) < SESSION_MEMORY)
        {
          io = teesql_stream_receive (stream, MAX_MESSAGE, collect, self->from_client, NULL);
          flush_bytes (self->from_client, self->server);
        }
      if (io == TEESQL_IO_EOF || io == TEESQL_IO_FAILED)
        teesql_forwarder_session_end (self);
    }
  else if (self->state != SESSION_CANCEL && teesql_stream_peek (stream, &byte, 1) == 0)
    teesql_forwarder_session_end (self); /* it went away while we dialed or logged in */
}

void
teesql_forwarder_session_start (TeesqlForwarderShared *shared, TeesqlWorker *worker, int fd, GQueue *sessions)
{
  TeesqlForwarderSession *self = g_new0 (TeesqlForwarderSession, 1);
  g_autoptr (GError) error = NULL;

  self->shared = shared;
  self->worker = worker;
  self->sessions = sessions;
  self->link.data = self;
  self->id = g_strdup_printf ("c%d", g_atomic_int_add (&shared->next_id, 1) + 1);
  self->from_client = g_byte_array_new ();
  self->request = g_byte_array_new ();
  self->timer = (TeesqlTimer){ .func = session_timed_out, .user_data = self };
  g_atomic_int_inc (&shared->n_sessions);
  g_queue_push_tail_link (sessions, &self->link);
  self->client = teesql_stream_new (worker, fd, session_client_event, self, &error);
  if (self->client == NULL)
    {
      session_log (self, TEESQL_LOG_WARNING, "%s", error->message);
      teesql_forwarder_session_end (self);
      return;
    }
  teesql_stream_set_sensitive (self->client, TRUE);
  teesql_worker_start_timer (worker, &self->timer, STARTUP_TIMEOUT_MS);
  teesql_stream_come_back (self->client);
}
