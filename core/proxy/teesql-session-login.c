/* From the startup packet to the relay, and cancel requests. */
#include "proxy/teesql-session-private.h"
#include "proxy/teesql-startup-options.h"

#include <string.h>
#include <teesql/teesql-error.h>

static void
session_send (TeesqlSession *self, GByteArray *message)
{
  teesql_stream_write (self->client, message->data, message->len);
}

/* SR-24: one answer for whatever was wrong, after one delay. */
static void
session_begin_failure (TeesqlSession *self, const GError *error)
{
  g_autofree char *text = g_strdup_printf ("password authentication failed for user \"%s\"", self->user);

  teesql_session_count (self, TEESQL_COUNTER_AUTHENTICATION_FAILED);
  if (teesql_proxy_home_may_log (self->home))
    teesql_session_log (self, TEESQL_LOG_WARNING, "authentication_failed: role %s: %s", self->user, error->message);
  g_clear_pointer (&self->last_words, g_byte_array_unref);
  self->last_words = g_byte_array_new ();
  teesql_message_error (self->last_words, "FATAL", "28P01", text, NULL, NULL);
  teesql_session_set_state (self, TEESQL_SESSION_FAILING, MAX (self->settings->failure_delay_ms, 1));
}

void
teesql_session_finish_failure (TeesqlSession *self)
{
  session_send (self, self->last_words);
  teesql_session_say_goodbye (self, "authentication_failed");
}

static void
session_negotiate (TeesqlSession *self, const TeesqlStartup *startup, GByteArray *out)
{
  g_autoptr (GPtrArray) unknown = g_ptr_array_new ();

  if (startup->protocol_minor == 0 && startup->n_unknown_options == 0)
    return;
  for (guint i = 0; i < startup->n_parameters; i++)
    {
      if (g_str_has_prefix (startup->parameters[i].name, "_pq_."))
        g_ptr_array_add (unknown, (gpointer) startup->parameters[i].name);
    }
  g_ptr_array_add (unknown, NULL);
  teesql_message_negotiate_version (out, 0, (const char *const *) unknown->pdata);
}

static void
session_begin_authentication (TeesqlSession *self, const TeesqlStartup *startup)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  TeesqlAuthOptions options = {
    .verdict = self->verdict,
    .settings = self->settings,
    .decoys = self->home->shared->roles_key,
    .user = startup->user,
    .end_point = teesql_tls_credentials_get_end_point (self->credentials),
  };

  self->startup = teesql_startup_options_pick (startup, &error);
  if (self->startup == NULL)
    {
      teesql_session_log (self, TEESQL_LOG_INFO, "%s", error->message);
      teesql_session_fail (self, "42501", error->message, NULL, "startup option");
      return;
    }
  self->user = g_strdup (startup->user);
  self->database = g_strdup (startup->database);
  self->replication = startup->replication;
  self->auth = teesql_auth_new (&options, &error);
  if (self->auth == NULL)
    {
      session_begin_failure (self, error);
      return;
    }
  session_negotiate (self, startup, out);
  teesql_auth_begin (self->auth, out);
  teesql_session_wipe_input (self);
  teesql_session_set_state (self, TEESQL_SESSION_AUTHENTICATING, self->settings->auth_timeout_ms);
  session_send (self, out);
}

void
teesql_session_take_startup (TeesqlSession *self)
{
  g_autoptr (GError) error = NULL;
  TeesqlStartup startup;

  if (!teesql_session_read_input (self))
    return;
  if (!teesql_startup_parse (self->input, self->input_size, &startup, &error))
    {
      teesql_session_log (self, TEESQL_LOG_INFO, "%s", error->message);
      teesql_session_fail (self, "08P01", error->message, NULL, "malformed startup");
      return;
    }
  switch (startup.kind)
    {
    case TEESQL_STARTUP_NEED_MORE:
      (void) teesql_session_refuse_pipelined (self, TEESQL_SESSION_INPUT);
      return;
    case TEESQL_STARTUP_MESSAGE:
      if (!teesql_session_refuse_pipelined (self, startup.size))
        session_begin_authentication (self, &startup);
      return;
    case TEESQL_STARTUP_CANCEL_REQUEST:
      teesql_session_begin_cancel (self, &startup);
      return;
    case TEESQL_STARTUP_SSL_REQUEST:
    case TEESQL_STARTUP_GSSENC_REQUEST:
    case TEESQL_STARTUP_TLS:
      teesql_session_fail (self, "08P01", "the connection is encrypted already", NULL, "encryption request inside TLS");
      return;
    }
}

static void session_begin_relay (TeesqlSession *self);

static void
session_logged_in (TeesqlServerLoginResult *result, gpointer user_data)
{
  TeesqlSession *self = user_data;

  self->login = NULL;
  if (result->stream == NULL)
    {
      teesql_session_log (self, TEESQL_LOG_WARNING, "role %s, database %s: %s", self->user, self->database, result->error->message);
      session_send (self, result->answer);
      teesql_session_say_goodbye (self, "backend login");
      return;
    }
  self->server = g_steal_pointer (&result->stream);
  self->cancel_pid = result->cancel_pid;
  g_byte_array_append (self->last_words, result->answer->data, result->answer->len);
  session_begin_relay (self);
}

void
teesql_session_enter (TeesqlSession *self)
{
  g_autoptr (TeesqlBackend) backend = teesql_proxy_shared_ref_backend (self->home->shared);
  TeesqlServerLoginOptions options = {
    .worker = self->home->worker,
    .auth = self->auth,
    .backend = backend,
    .cancels = self->home->shared->cancels,
    .pool = self->home->shared->pool,
    .startup = self->startup,
  };

  if (backend == NULL)
    {
      teesql_session_fail (self, "57P03", "the database is not ready yet", NULL, "backend not ready");
      return;
    }
  teesql_session_set_state (self, TEESQL_SESSION_LOGIN, self->settings->backend_timeout_ms);
  self->login = teesql_server_login_start (&options, session_logged_in, self);
  if (self->login == NULL)
    teesql_session_close (self, "not authenticated");
}

/* @out: end of the exchange; goes out together with what PostgreSQL says */
static void
session_authenticated (TeesqlSession *self, GByteArray *out)
{
  const TeesqlProxyRole *role = teesql_auth_get_role (self->auth);

  if (role == NULL)
    {
      teesql_session_close (self, "not authenticated");
      return;
    }
  self->last_words = g_byte_array_ref (out);
  teesql_session_end_input (self);
  if (self->replication && role->privileges != TEESQL_PRIVILEGES_REPLICATION)
    {
      g_autofree char *text = g_strdup_printf ("role \"%s\" may not replicate", role->name);

      teesql_session_fail (self, "42501", text, NULL, "replication");
      return;
    }
  if (g_atomic_int_get (&self->home->shared->draining))
    teesql_session_fail (self, "57P01", "terminating connection: the server is shutting down", NULL, "draining");
  else if (teesql_admission_admit (self->home->shared->admission, &self->ticket, role->name, role->max_sessions))
    teesql_session_enter (self);
  else
    teesql_session_set_state (self, TEESQL_SESSION_WAITING, self->settings->backend_timeout_ms);
}

static void session_take_step (TeesqlSession *self, TeesqlAuthStep step, GByteArray *out, const GError *error);

typedef struct
{
  TeesqlSession *session;
  TeesqlAuth *auth;
} DeriveJob;

static void
session_derive (gpointer data)
{
  DeriveJob *job = data;

  teesql_auth_derive (job->auth);
}

static void
session_derived (gpointer data)
{
  DeriveJob *job = data;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  TeesqlAuthStep step = teesql_auth_conclude (job->auth, &error);

  if (job->session->state == TEESQL_SESSION_DERIVING)
    session_take_step (job->session, step, out, error);
  teesql_auth_unref (job->auth);
  teesql_session_unref (job->session);
  g_free (job);
}

static void
session_begin_derive (TeesqlSession *self)
{
  DeriveJob *job = g_new (DeriveJob, 1);

  *job = (DeriveJob){ .session = teesql_session_ref (self), .auth = teesql_auth_ref (self->auth) };
  teesql_session_keep_deadline (self, TEESQL_SESSION_DERIVING);
  teesql_key_pool_run (self->home->shared->pool, self->home->worker, session_derive, session_derived, job);
}

static void
session_take_step (TeesqlSession *self, TeesqlAuthStep step, GByteArray *out, const GError *error)
{
  switch (step)
    {
    case TEESQL_AUTH_MORE:
      session_send (self, out);
      break;
    case TEESQL_AUTH_DERIVE:
      session_begin_derive (self);
      break;
    case TEESQL_AUTH_SUCCEEDED:
      session_authenticated (self, out);
      break;
    case TEESQL_AUTH_FAILED:
      session_begin_failure (self, error);
      break;
    }
}

void
teesql_session_take_authentication (TeesqlSession *self)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  TeesqlMessage message;
  TeesqlAuthStep step;
  gboolean complete = FALSE;

  if (!teesql_session_read_input (self))
    return;
  if (!teesql_message_frame (self->input, self->input_size, TEESQL_AUTH_MAX_MESSAGE, &message, &complete, &error))
    {
      teesql_session_fail (self, "08P01", error->message, NULL, "malformed message");
      return;
    }
  if (!complete)
    {
      (void) teesql_session_refuse_pipelined (self, TEESQL_SESSION_INPUT);
      return;
    }
  if (message.type != 'p')
    {
      teesql_session_fail (self, "08P01", "expected an answer to the authentication request", NULL, "unexpected message");
      return;
    }
  if (teesql_session_refuse_pipelined (self, message.size))
    return;
  step = teesql_auth_take (self->auth, &message, out, &error);
  teesql_session_wipe_input (self);
  session_take_step (self, step, out, error);
}

static void
session_relay_done (TeesqlRelay *relay, TeesqlRelayEnd end, const GError *error, gpointer user_data)
{
  TeesqlSession *self = user_data;

  if (error != NULL)
    teesql_session_log (self, TEESQL_LOG_DEBUG, "%s", error->message);
  switch (end)
    {
    case TEESQL_RELAY_SERVER_ENDED:
      if (self->state == TEESQL_SESSION_ENDING)
        teesql_session_fail (self, "57P01", "terminating connection due to administrator command", NULL, "draining");
      else
        teesql_session_say_goodbye (self, "closed");
      break;
    case TEESQL_RELAY_SERVER_FAILED:
      teesql_session_say_goodbye (self, "backend failed");
      break;
    case TEESQL_RELAY_CLIENT_CUT:
      teesql_session_close (self, "client vanished");
      break;
    }
}

static void
session_begin_relay (TeesqlSession *self)
{
  const char *platform = teesql_verdict_get_platform (self->verdict);
  const char *app_id = teesql_verdict_get_app_id (self->verdict);
  const char *taint = teesql_verdict_get_taint (self->verdict);
  TeesqlJudgeCall *judging = g_steal_pointer (&self->judging); /* begun meanwhile: goes on */

  session_send (self, self->last_words);
  teesql_session_log (self, TEESQL_LOG_INFO, "session begins: role=%s database=%s method=%s platform=%s app-id=%s tcb=%s%s%s", self->user,
                      self->database, teesql_auth_describe_method (self->auth), platform != NULL ? platform : "-",
                      app_id != NULL ? app_id : "-", teesql_verdict_get_tcb_status (self->verdict), taint != NULL ? " external-trust=" : "",
                      taint != NULL ? taint : "");
  teesql_session_count (self, TEESQL_COUNTER_SESSIONS);
  teesql_session_drop_login (self);
  self->judging = judging;
  teesql_session_set_state (self, TEESQL_SESSION_RELAYING, judging != NULL ? self->settings->verify_timeout_ms : 0);
  teesql_stream_set_sensitive (self->client, FALSE);
  self->relayed = TRUE;
  teesql_relay_init (&self->relay, self->client, self->server, self->settings->session_memory, session_relay_done, self);
  teesql_proxy_home_publish_soon (self->home);
}

static void
canceller_drop (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
}

/* PostgreSQL answers a cancel request by closing, whether or not it knew the key. */
static void
canceller_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlSession *self = user_data;
  TeesqlIo io = teesql_stream_finish_connect (stream, NULL);

  while (io == TEESQL_IO_DONE && teesql_stream_can_receive (stream))
    io = teesql_stream_receive (stream, 64, canceller_drop, NULL, NULL);
  if (io != TEESQL_IO_EOF && io != TEESQL_IO_FAILED)
    return;
  g_clear_pointer (&self->canceller, teesql_stream_free);
  if (self->state == TEESQL_SESSION_CANCELLING)
    teesql_session_say_goodbye (self, "cancel request");
}

gboolean
teesql_session_send_cancel (TeesqlSession *self, const TeesqlCancelTarget *target)
{
  g_autoptr (TeesqlBackend) backend = teesql_proxy_shared_ref_backend (self->home->shared);
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  socklen_t size;
  const struct sockaddr *address;

  g_return_val_if_fail (self->canceller == NULL, FALSE);
  if (backend == NULL)
    return FALSE;
  address = teesql_backend_get_sockaddr (backend, &size);
  self->canceller = teesql_stream_new_connect (self->home->worker, address, size, canceller_event, self, &error);
  if (self->canceller == NULL)
    {
      teesql_session_log (self, TEESQL_LOG_WARNING, "cancel request: %s", error->message);
      return FALSE;
    }
  teesql_message_cancel (message, target->pid, target->key, target->key_size);
  teesql_stream_write (self->canceller, message->data, message->len);
  teesql_stream_come_back (self->canceller);
  return TRUE;
}

void
teesql_session_begin_cancel (TeesqlSession *self, const TeesqlStartup *startup)
{
  TeesqlCancelTarget target;
  gboolean known =
      teesql_cancel_table_lookup (self->home->shared->cancels, startup->cancel_pid, startup->cancel_key, startup->cancel_key_size, &target);

  teesql_session_count (self, TEESQL_COUNTER_CANCEL_REQUESTS);
  if (known || teesql_proxy_home_may_log (self->home))
    teesql_session_log (self, TEESQL_LOG_INFO, "cancel request for %s session", known ? "a" : "no");
  if (known && teesql_session_send_cancel (self, &target))
    teesql_session_set_state (self, TEESQL_SESSION_CANCELLING, self->settings->backend_timeout_ms);
  else
    teesql_session_say_goodbye (self, "cancel request");
}
