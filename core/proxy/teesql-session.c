#include "proxy/teesql-session-private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <teesql/teesql-error.h>
#include <unistd.h>

/* How long last words may take to arrive. */
#define FAREWELL_MS 2000
/* After the cancel of a shutdown: PostgreSQL ends its message. */
#define ENDING_MS 2000
#define READ_SIZE ((gsize) 16384)

#define EDGE(state) (1u << TEESQL_SESSION_##state)
#define EDGES_ANY   (EDGE (FAREWELL) | EDGE (CLOSED))

static const guint32 legal_next[] = {
  [TEESQL_SESSION_GREETING] = EDGES_ANY | EDGE (HANDSHAKE) | EDGE (CANCELLING),
  [TEESQL_SESSION_HANDSHAKE] = EDGES_ANY | EDGE (JUDGING),
  [TEESQL_SESSION_JUDGING] = EDGES_ANY | EDGE (REFUSED) | EDGE (STARTUP),
  [TEESQL_SESSION_REFUSED] = EDGES_ANY,
  [TEESQL_SESSION_STARTUP] = EDGES_ANY | EDGE (AUTHENTICATING) | EDGE (FAILING) | EDGE (CANCELLING),
  [TEESQL_SESSION_AUTHENTICATING] = EDGES_ANY | EDGE (DERIVING) | EDGE (FAILING) | EDGE (WAITING) | EDGE (LOGIN),
  [TEESQL_SESSION_DERIVING] = EDGES_ANY | EDGE (FAILING) | EDGE (WAITING) | EDGE (LOGIN),
  [TEESQL_SESSION_FAILING] = EDGES_ANY,
  [TEESQL_SESSION_WAITING] = EDGES_ANY | EDGE (LOGIN),
  [TEESQL_SESSION_LOGIN] = EDGES_ANY | EDGE (RELAYING),
  [TEESQL_SESSION_RELAYING] = EDGES_ANY | EDGE (ENDING),
  [TEESQL_SESSION_ENDING] = EDGES_ANY,
  [TEESQL_SESSION_CANCELLING] = EDGES_ANY,
  [TEESQL_SESSION_FAREWELL] = EDGE (CLOSED),
  [TEESQL_SESSION_CLOSED] = 0,
};

static const char *const state_names[] = {
  [TEESQL_SESSION_GREETING] = "greeting",     [TEESQL_SESSION_HANDSHAKE] = "handshake", [TEESQL_SESSION_JUDGING] = "judging",
  [TEESQL_SESSION_REFUSED] = "refused",       [TEESQL_SESSION_STARTUP] = "startup",     [TEESQL_SESSION_AUTHENTICATING] = "authenticating",
  [TEESQL_SESSION_DERIVING] = "deriving",     [TEESQL_SESSION_FAILING] = "failing",     [TEESQL_SESSION_WAITING] = "waiting",
  [TEESQL_SESSION_LOGIN] = "login",           [TEESQL_SESSION_RELAYING] = "relaying",   [TEESQL_SESSION_ENDING] = "ending",
  [TEESQL_SESSION_CANCELLING] = "cancelling", [TEESQL_SESSION_FAREWELL] = "farewell",   [TEESQL_SESSION_CLOSED] = "closed",
};
G_STATIC_ASSERT (G_N_ELEMENTS (legal_next) == G_N_ELEMENTS (state_names));

TeesqlSession *
teesql_session_ref (TeesqlSession *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_session_unref (TeesqlSession *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_warn_if_fail (self->state == TEESQL_SESSION_CLOSED);
  g_clear_pointer (&self->settings, teesql_proxy_settings_unref);
  g_free (self);
}

TeesqlLogContext
teesql_session_get_log_context (TeesqlSession *self)
{
  return (TeesqlLogContext){ .connection = self->id, .peer = self->peer, .phase = state_names[self->state] };
}

void
teesql_session_log (TeesqlSession *self, TeesqlLogLevel level, const char *format, ...)
{
  TeesqlLogContext context = teesql_session_get_log_context (self);
  g_autofree char *text = NULL;
  va_list args;

  if (!teesql_log_is_enabled (level))
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  teesql_log (level, &context, "proxy", "%s", text);
}

void
teesql_session_count (TeesqlSession *self, TeesqlCounter counter)
{
  teesql_status_count (self->home->shared->status, counter, 1);
}

void
teesql_session_keep_deadline (TeesqlSession *self, TeesqlSessionState state)
{
  if ((legal_next[self->state] & 1u << state) == 0)
    {
      g_critical ("session %s: %s does not lead to %s", self->id, state_names[self->state], state_names[state]);
      return;
    }
  self->state = state;
  if (teesql_log_is_enabled (TEESQL_LOG_DEBUG))
    teesql_session_log (self, TEESQL_LOG_DEBUG, "state");
}

void
teesql_session_set_state (TeesqlSession *self, TeesqlSessionState state, guint timeout_ms)
{
  teesql_session_keep_deadline (self, state);
  if (timeout_ms > 0)
    teesql_worker_start_timer (self->home->worker, &self->timer, timeout_ms);
  else
    teesql_worker_stop_timer (self->home->worker, &self->timer);
}

void
teesql_session_publish (TeesqlSession *self)
{
  TeesqlStatus *status = self->home->shared->status;

  if (!self->relayed)
    return;
  teesql_status_count (status, TEESQL_COUNTER_BYTES_IN, self->relay.bytes_in - self->published_in);
  teesql_status_count (status, TEESQL_COUNTER_BYTES_OUT, self->relay.bytes_out - self->published_out);
  self->published_in = self->relay.bytes_in;
  self->published_out = self->relay.bytes_out;
}

/* The audit record: one line a session that was let in. */
static void
session_audit (TeesqlSession *self)
{
  if (!self->relayed)
    return;
  teesql_session_log (self, TEESQL_LOG_INFO,
                      "session ended: role=%s database=%s level=certificate platform=%s in=%" G_GUINT64_FORMAT " out=%" G_GUINT64_FORMAT
                      " seconds=%.3f reason=%s",
                      self->user, self->database,
                      teesql_verdict_get_platform (self->verdict) != NULL ? teesql_verdict_get_platform (self->verdict) : "-",
                      self->relay.bytes_in, self->relay.bytes_out, (double) (g_get_monotonic_time () - self->began_us) / G_USEC_PER_SEC,
                      self->end_reason != NULL ? self->end_reason : "-");
}

void
teesql_session_end_input (TeesqlSession *self)
{
  if (self->input == NULL)
    return;
  explicit_bzero (self->input, TEESQL_SESSION_INPUT);
  g_clear_pointer (&self->input, g_free);
  self->input_size = 0;
}

void
teesql_session_wipe_input (TeesqlSession *self)
{
  explicit_bzero (self->input, self->input_size);
  self->input_size = 0;
}

static void
session_drop_server (TeesqlSession *self)
{
  teesql_relay_clear (&self->relay);
  g_clear_pointer (&self->login, teesql_server_login_cancel);
  g_clear_pointer (&self->server, teesql_stream_free);
  g_clear_pointer (&self->canceller, teesql_stream_free);
  if (self->cancel_pid != 0)
    teesql_cancel_table_remove (self->home->shared->cancels, self->cancel_pid);
  self->cancel_pid = 0;
}

/* What only the way up to the relay needs: an idle session is small. */
void
teesql_session_drop_login (TeesqlSession *self)
{
  teesql_session_forget_judge (self);
  teesql_session_end_input (self);
  g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
  g_clear_pointer (&self->startup, g_ptr_array_unref);
  g_clear_pointer (&self->auth, teesql_auth_unref);
  g_clear_pointer (&self->last_words, g_byte_array_unref);
}

void
teesql_session_close (TeesqlSession *self, const char *reason)
{
  TeesqlProxyShared *shared = self->home->shared;

  if (self->state == TEESQL_SESSION_CLOSED)
    return;
  if (self->end_reason == NULL)
    self->end_reason = reason;
  teesql_session_publish (self);
  if (self->state != TEESQL_SESSION_FAREWELL)
    session_audit (self);
  teesql_session_set_state (self, TEESQL_SESSION_CLOSED, 0);
  session_drop_server (self);
  teesql_session_drop_login (self);
  teesql_farewell_clear (&self->farewell);
  g_clear_pointer (&self->client, teesql_stream_free);
  teesql_admission_leave (shared->admission, &self->ticket);
  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_clear_pointer (&self->user, g_free);
  g_clear_pointer (&self->database, g_free);
  g_queue_unlink (&self->home->sessions, &self->link);
  if (g_atomic_int_dec_and_test (&shared->n_sessions) && g_atomic_int_get (&shared->draining))
    shared->emptied (shared->user_data);
  teesql_session_unref (self);
}

static void
session_farewell_done (TeesqlFarewell *farewell, gpointer user_data)
{
  teesql_session_close (user_data, "ended");
}

void
teesql_session_say_goodbye (TeesqlSession *self, const char *reason)
{
  if (self->end_reason == NULL)
    self->end_reason = reason;
  session_audit (self);
  teesql_session_set_state (self, TEESQL_SESSION_FAREWELL, 0);
  session_drop_server (self);
  teesql_session_drop_login (self);
  teesql_admission_set_parting (self->home->shared->admission, &self->ticket);
  teesql_farewell_init (&self->farewell, g_steal_pointer (&self->client), FAREWELL_MS, session_farewell_done, self);
}

void
teesql_session_fail (TeesqlSession *self, const char *sqlstate, const char *message, const char *hint, const char *reason)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  teesql_message_error (out, "FATAL", sqlstate, message, NULL, hint);
  teesql_stream_write (self->client, out->data, out->len);
  teesql_session_say_goodbye (self, reason);
}

static void
session_take_bytes (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  TeesqlSession *self = user_data;

  for (guint i = 0; i < n_pieces; i++)
    {
      gsize part = MIN (pieces[i].iov_len, TEESQL_SESSION_INPUT - self->input_size);

      memcpy (self->input + self->input_size, pieces[i].iov_base, part); /* part is at most the room left */
      self->input_size += part;
      self->overflow |= part < pieces[i].iov_len;
    }
}

gboolean
teesql_session_read_input (TeesqlSession *self)
{
  g_autoptr (GError) error = NULL;

  if (self->input == NULL)
    self->input = g_malloc0 (TEESQL_SESSION_INPUT);
  while (!self->overflow && teesql_stream_can_receive (self->client))
    {
      switch (teesql_stream_receive (self->client, READ_SIZE, session_take_bytes, self, NULL))
        {
        case TEESQL_IO_DONE:
          break;
        case TEESQL_IO_AGAIN:
          return TRUE;
        case TEESQL_IO_EOF:
          if (self->input_size > 0 && self->state == TEESQL_SESSION_REFUSED)
            return TRUE;
          teesql_session_close (self, "client closed before its login");
          return FALSE;
        case TEESQL_IO_FAILED:
          error = teesql_stream_dup_error (self->client);
          if (teesql_proxy_home_may_log (self->home))
            teesql_session_log (self, TEESQL_LOG_INFO, "%s", error != NULL ? error->message : "connection failed");
          teesql_session_say_goodbye (self, "client failed before its login");
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
teesql_session_refuse_pipelined (TeesqlSession *self, gsize expected)
{
  if (!self->overflow && self->input_size <= expected)
    return FALSE;
  teesql_session_log (self, TEESQL_LOG_WARNING, "bytes before the end of authentication");
  teesql_session_fail (self, "08P01", "bytes came before the end of authentication", NULL, "pipelined");
  return TRUE;
}

void
teesql_session_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlSession *self = teesql_session_ref (user_data);

  switch (self->state)
    {
    case TEESQL_SESSION_GREETING:
      teesql_session_greet (self);
      break;
    case TEESQL_SESSION_HANDSHAKE:
      teesql_session_shake_hands (self);
      break;
    case TEESQL_SESSION_REFUSED:
      teesql_session_answer_refused (self);
      break;
    case TEESQL_SESSION_STARTUP:
      teesql_session_take_startup (self);
      break;
    case TEESQL_SESSION_AUTHENTICATING:
      teesql_session_take_authentication (self);
      break;
    case TEESQL_SESSION_JUDGING:
    case TEESQL_SESSION_DERIVING:
    case TEESQL_SESSION_FAILING:
    case TEESQL_SESSION_WAITING:
    case TEESQL_SESSION_LOGIN:
    case TEESQL_SESSION_CANCELLING:
      /* Not our turn to listen. What comes stays where it is, and a client that went is noticed when it is answered. */
      break;
    case TEESQL_SESSION_RELAYING:
    case TEESQL_SESSION_ENDING:
    case TEESQL_SESSION_FAREWELL:
    case TEESQL_SESSION_CLOSED:
      break;
    }
  teesql_session_unref (self);
}

static void
session_timed_out (gpointer user_data)
{
  TeesqlSession *self = teesql_session_ref (user_data);

  if (self->state != TEESQL_SESSION_FAILING)
    {
      teesql_session_count (self, TEESQL_COUNTER_TIMEOUT);
      if (teesql_proxy_home_may_log (self->home))
        teesql_session_log (self, TEESQL_LOG_WARNING, "timed out");
    }
  switch (self->state)
    {
    case TEESQL_SESSION_FAILING:
      teesql_session_finish_failure (self);
      break;
    case TEESQL_SESSION_JUDGING:
      teesql_session_refuse (self, "verification did not end in time");
      break;
    case TEESQL_SESSION_WAITING:
      teesql_session_fail (self, "53300", "too many sessions, and none ended in time", NULL, "no-room");
      break;
    case TEESQL_SESSION_LOGIN:
      teesql_session_fail (self, "57P03", "the database did not answer in time", NULL, "backend-timeout");
      break;
    case TEESQL_SESSION_STARTUP:
    case TEESQL_SESSION_AUTHENTICATING:
    case TEESQL_SESSION_DERIVING:
      teesql_session_fail (self, "57014", "login did not end in time", NULL, "timeout");
      break;
    case TEESQL_SESSION_GREETING:
    case TEESQL_SESSION_HANDSHAKE:
    case TEESQL_SESSION_REFUSED:
    case TEESQL_SESSION_RELAYING:
    case TEESQL_SESSION_ENDING:
    case TEESQL_SESSION_CANCELLING:
    case TEESQL_SESSION_FAREWELL:
    case TEESQL_SESSION_CLOSED:
      teesql_session_close (self, "timeout");
      break;
    }
  teesql_session_unref (self);
}

static void
session_shed (gpointer user_data)
{
  TeesqlSession *self = user_data;

  teesql_session_close (self, "shed");
  teesql_session_unref (self);
}

static void
session_granted (gpointer user_data)
{
  TeesqlSession *self = user_data;

  if (self->state == TEESQL_SESSION_WAITING)
    teesql_session_enter (self);
  teesql_session_unref (self);
}

/* By any thread, under the lock of the admission. */
static void
ticket_shed (TeesqlTicket *ticket, gpointer user_data)
{
  TeesqlSession *self = user_data;

  teesql_worker_post (self->home->worker, session_shed, teesql_session_ref (self));
}

static void
ticket_granted (TeesqlTicket *ticket, gpointer user_data)
{
  TeesqlSession *self = user_data;

  teesql_worker_post (self->home->worker, session_granted, teesql_session_ref (self));
}

static void
format_peer (const struct sockaddr *address, socklen_t size, char *out, gsize out_size)
{
  char host[INET6_ADDRSTRLEN] = "";
  struct sockaddr_in in;
  struct sockaddr_in6 in6;

  if (address->sa_family == AF_INET && size >= sizeof in)
    {
      memcpy (&in, address, sizeof in);
      inet_ntop (AF_INET, &in.sin_addr, host, sizeof host);
      g_snprintf (out, out_size, "%s:%u", host, ntohs (in.sin_port));
    }
  else if (address->sa_family == AF_INET6 && size >= sizeof in6)
    {
      memcpy (&in6, address, sizeof in6);
      inet_ntop (AF_INET6, &in6.sin6_addr, host, sizeof host);
      g_snprintf (out, out_size, "[%s]:%u", host, ntohs (in6.sin6_port));
    }
  else
    g_strlcpy (out, "local", out_size);
}

static TeesqlSession *
session_new (TeesqlProxyHome *home, const struct sockaddr *peer, socklen_t peer_size)
{
  TeesqlSession *self = g_new0 (TeesqlSession, 1);

  g_atomic_ref_count_init (&self->refs);
  self->home = home;
  self->link.data = self;
  self->state = TEESQL_SESSION_GREETING;
  self->began_us = g_get_monotonic_time ();
  self->settings = teesql_proxy_shared_ref_settings (home->shared);
  self->timer = (TeesqlTimer){ .func = session_timed_out, .user_data = self };
  self->ticket = (TeesqlTicket){ .shed = ticket_shed, .granted = ticket_granted, .user_data = self };
  g_snprintf (self->id, sizeof self->id, "c%" G_GUINT64_FORMAT, teesql_proxy_shared_next_id (home->shared));
  format_peer (peer, peer_size, self->peer, sizeof self->peer);
  return self;
}

void
teesql_session_start (TeesqlProxyHome *home, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
  TeesqlSession *self = session_new (home, peer, peer_size);
  g_autoptr (GError) error = NULL;

  g_queue_push_tail_link (&home->sessions, &self->link);
  g_atomic_int_inc (&home->shared->n_sessions);
  teesql_session_count (self, TEESQL_COUNTER_CONNECTIONS);
  self->client = teesql_stream_new (home->worker, fd, teesql_session_event, self, &error);
  if (self->client == NULL || !teesql_admission_enter (home->shared->admission, &self->ticket, peer))
    {
      teesql_session_close (self, "no room");
      return;
    }
  teesql_stream_set_sensitive (self->client, TRUE);
  teesql_worker_start_timer (home->worker, &self->timer, self->settings->handshake_timeout_ms);
  teesql_stream_come_back (self->client); /* often the first bytes are there already */
}

void
teesql_session_drain (TeesqlSession *self)
{
  switch (self->state)
    {
    case TEESQL_SESSION_STARTUP:
    case TEESQL_SESSION_AUTHENTICATING:
    case TEESQL_SESSION_DERIVING:
    case TEESQL_SESSION_WAITING:
    case TEESQL_SESSION_LOGIN:
      teesql_session_fail (self, "57P01", "terminating connection: the server is shutting down", NULL, "draining");
      break;
    case TEESQL_SESSION_GREETING:
    case TEESQL_SESSION_HANDSHAKE:
    case TEESQL_SESSION_JUDGING:
      teesql_session_close (self, "draining");
      break;
    case TEESQL_SESSION_REFUSED:
    case TEESQL_SESSION_FAILING:
    case TEESQL_SESSION_RELAYING:
    case TEESQL_SESSION_ENDING:
    case TEESQL_SESSION_CANCELLING:
    case TEESQL_SESSION_FAREWELL:
    case TEESQL_SESSION_CLOSED:
      break;
    }
}

/* PostgreSQL's own words end on the border of a message only when it comes to its end by itself: it is told that its client has
 * nothing more to say, and a query that runs is cancelled. Then there is room for ours. */
void
teesql_session_shut_down (TeesqlSession *self)
{
  TeesqlCancelTarget target;

  if (self->state != TEESQL_SESSION_RELAYING)
    {
      if (self->state != TEESQL_SESSION_FAREWELL && self->state != TEESQL_SESSION_ENDING)
        teesql_session_close (self, "draining");
      return;
    }
  self->end_reason = "draining";
  teesql_session_set_state (self, TEESQL_SESSION_ENDING, ENDING_MS);
  if (self->cancel_pid != 0 && teesql_cancel_table_get (self->home->shared->cancels, self->cancel_pid, &target))
    (void) teesql_session_send_cancel (self, &target);
  teesql_relay_end_client (&self->relay);
}
