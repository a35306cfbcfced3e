/* From the first byte to the verdict. */
#include "base/teesql-cursor.h"
#include "pgwire/teesql-pgwire-startup.h"
#include "proxy/teesql-session-private.h"

#include <errno.h>
#include <teesql/teesql-error.h>

#define HEAD_SIZE     ((gsize) 8)
#define TLS_HANDSHAKE 0x16      /* RFC 8446, 5.1: content type of a ClientHello */
#define CANCEL_CODE   80877102u /* src/include/libpq/pqcomm.h */
/* A cancel request: length, code, process id and a key of up to 256 bytes. */
#define MAX_PLAIN ((gsize) 12 + TEESQL_CANCEL_MAX_KEY_SIZE)
/* Between two questions of a running session to a service that has its hands full. */
#define BUSY_MS 50

static void
greeting_drop (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
}

/* Takes @size bytes that were peeked at, and looks whether more came with them: whoever talks on before our answer wants plain bytes
 * to be taken for the beginning of what is encrypted. */
static gboolean
greeting_consume_last (TeesqlSession *self, gsize size)
{
  guint8 more;

  (void) teesql_stream_receive (self->client, size, greeting_drop, NULL, NULL);
  if (teesql_stream_peek (self->client, &more, sizeof more) <= 0)
    return TRUE;
  if (teesql_proxy_home_may_log (self->home))
    teesql_session_log (self, TEESQL_LOG_WARNING, "bytes behind an encryption request");
  teesql_session_close (self, "bytes behind an encryption request");
  return FALSE;
}

static void
greeting_start_tls (TeesqlSession *self)
{
  g_autoptr (GError) error = NULL;
  TeesqlTlsOptions options = { .role = TEESQL_TLS_SERVER, .allow_tls12 = self->settings->allow_tls12 };

  self->credentials = teesql_proxy_home_ref_credentials (self->home);
  options.credentials = self->credentials;
  if (options.credentials == NULL)
    {
      if (teesql_proxy_home_may_log (self->home))
        teesql_session_log (self, TEESQL_LOG_WARNING, "no valid identity of our own: no handshake can be made");
      teesql_session_close (self, "no identity");
      return;
    }
  if (!teesql_stream_start_tls (self->client, &options, &error))
    {
      teesql_session_log (self, TEESQL_LOG_ERROR, "%s", error->message);
      teesql_session_close (self, "tls-setup");
      return;
    }
  teesql_session_keep_deadline (self, TEESQL_SESSION_HANDSHAKE);
  teesql_session_shake_hands (self);
}

static void
greeting_take_plain_cancel (TeesqlSession *self)
{
  guint8 data[MAX_PLAIN];
  TeesqlStartup startup;
  gssize n = teesql_stream_peek (self->client, data, sizeof data);

  if (n <= 0 || !teesql_startup_parse (data, (gsize) n, &startup, NULL))
    teesql_session_say_goodbye (self, "malformed cancel request");
  else if (startup.kind == TEESQL_STARTUP_CANCEL_REQUEST)
    teesql_session_begin_cancel (self, &startup);
}

/* By the code behind the length; of a plain startup packet nothing more is read. */
static void
greeting_take_head (TeesqlSession *self, const guint8 *head)
{
  g_autoptr (GError) error = NULL;
  TeesqlStartup startup;

  if (!teesql_startup_parse (head, HEAD_SIZE, &startup, &error))
    startup.kind = TEESQL_STARTUP_MESSAGE; /* another version, or too long */
  switch (startup.kind)
    {
    case TEESQL_STARTUP_SSL_REQUEST:
      if (!greeting_consume_last (self, HEAD_SIZE))
        return;
      teesql_stream_write (self->client, "S", 1);
      greeting_start_tls (self);
      return;
    case TEESQL_STARTUP_GSSENC_REQUEST:
      if (!greeting_consume_last (self, HEAD_SIZE))
        return;
      if (self->seen_gssenc)
        {
          teesql_session_close (self, "GSSENCRequest twice");
          return;
        }
      self->seen_gssenc = TRUE;
      teesql_stream_write (self->client, "N", 1);
      return;
    case TEESQL_STARTUP_NEED_MORE:
    case TEESQL_STARTUP_CANCEL_REQUEST:
    case TEESQL_STARTUP_MESSAGE:
    case TEESQL_STARTUP_TLS:
      break;
    }
  teesql_session_fail (self, "28000", "this server takes attested TLS connections only",
                       "Use sslmode=require or stronger with an attested client certificate, or connect through `teesql connect`.",
                       "plain startup");
}

static gboolean
is_cancel (const guint8 *head)
{
  TeesqlCursor cursor;
  guint32 length;
  guint32 code;

  teesql_cursor_init (&cursor, "request", head, HEAD_SIZE);
  return teesql_cursor_u32_be (&cursor, "length", &length, NULL) && teesql_cursor_u32_be (&cursor, "code", &code, NULL) &&
         code == CANCEL_CODE;
}

void
teesql_session_greet (TeesqlSession *self)
{
  guint8 head[HEAD_SIZE];
  gssize n = teesql_stream_peek (self->client, head, sizeof head);

  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return;
  if (n <= 0)
    teesql_session_close (self, "client closed before its first byte");
  else if (head[0] == TLS_HANDSHAKE)
    {
      self->direct = TRUE;
      greeting_start_tls (self);
    }
  else if (head[0] != 0)
    teesql_session_close (self, "not PostgreSQL's protocol"); /* every packet begins with a length below 64 KiB */
  else if ((gsize) n < HEAD_SIZE)
    return;
  else if (!is_cancel (head))
    greeting_take_head (self, head);
  else if (self->settings->allow_plaintext_cancel)
    greeting_take_plain_cancel (self);
  else
    {
      teesql_session_count (self, TEESQL_COUNTER_CANCEL_REQUESTS);
      teesql_session_say_goodbye (self, "cancel request in plaintext");
    }
}

void
teesql_session_shake_hands (TeesqlSession *self)
{
  g_autoptr (GError) error = NULL;

  switch (teesql_stream_handshake (self->client, &error))
    {
    case TEESQL_IO_AGAIN:
      return;
    case TEESQL_IO_DONE:
      teesql_admission_set_shaken (self->home->shared->admission, &self->ticket);
      if (teesql_log_is_enabled (TEESQL_LOG_DEBUG))
        {
          g_autofree char *tls = teesql_stream_describe_tls (self->client);

          teesql_session_log (self, TEESQL_LOG_DEBUG, "TLS %s%s", tls, self->direct ? ", direct" : "");
        }
      teesql_session_judge (self);
      return;
    case TEESQL_IO_EOF:
    case TEESQL_IO_FAILED:
      break;
    }
  teesql_session_count (self, TEESQL_COUNTER_HANDSHAKE_FAILED);
  if (teesql_proxy_home_may_log (self->home))
    teesql_session_log (self, TEESQL_LOG_WARNING, "TLS handshake failed: %s", error != NULL ? error->message : "connection closed");
  teesql_session_say_goodbye (self, "handshake"); /* so that the alert arrives */
}

/* A judgement under way: asked for and answered on the main context, where the service lives. Whoever ends first is not missed: the session
 * (on its worker) or the home with its worker (on the main context, which stops it). */
struct _TeesqlJudgeCall
{
  TeesqlAttestService *attest;
  TeesqlProxyHome *home;  /* (nullable) main context */
  TeesqlSession *session; /* (nullable) worker */
  GCancellable *cancellable;
  GBytes *leaf;           /* (nullable) */
  TeesqlVerdict *verdict; /* (nullable) */
  char *id;
  char *peer;
  guint generation;
  gboolean again;
};

static void
call_free (TeesqlJudgeCall *self)
{
  g_object_unref (self->attest);
  g_object_unref (self->cancellable);
  g_clear_pointer (&self->leaf, g_bytes_unref);
  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_free (self->id);
  g_free (self->peer);
  g_free (self);
}

void
teesql_session_abandon_call (gpointer data)
{
  TeesqlJudgeCall *self = data;

  self->home = NULL;
  g_cancellable_cancel (self->cancellable);
}

void
teesql_session_forget_judge (TeesqlSession *self)
{
  if (self->judging == NULL)
    return;
  self->judging->session = NULL;
  g_cancellable_cancel (self->judging->cancellable);
  self->judging = NULL;
}

static void
session_take_verdict (TeesqlSession *self, TeesqlVerdict *verdict, guint generation)
{
  if (!teesql_verdict_is_accepted (verdict))
    {
      teesql_session_count (self, TEESQL_COUNTER_ATTESTATION_REFUSED);
      if (teesql_proxy_home_may_log (self->home))
        teesql_session_log (self, TEESQL_LOG_WARNING, "attestation refused: %s (%s)", teesql_verdict_get_message (verdict),
                            teesql_verdict_get_reason (verdict));
      teesql_session_refuse (self, teesql_verdict_get_message (verdict));
      return;
    }
  /* The policy changed while this verdict was made. */
  if (generation != (guint) g_atomic_int_get (&self->home->shared->judge_generation))
    {
      teesql_session_judge (self);
      return;
    }
  self->verdict = teesql_verdict_ref (verdict);
  teesql_session_set_state (self, TEESQL_SESSION_STARTUP, self->settings->startup_timeout_ms);
  teesql_session_take_startup (self);
}

/* SR-4: of a session that was let in. What PostgreSQL says may be cut anywhere, so there is no place for words of ours. */
static void
session_take_verdict_again (TeesqlSession *self, TeesqlVerdict *verdict)
{
  if (teesql_verdict_is_accepted (verdict))
    {
      g_clear_pointer (&self->verdict, teesql_verdict_unref);
      self->verdict = teesql_verdict_ref (verdict);
      if (self->state == TEESQL_SESSION_RELAYING)
        teesql_worker_stop_timer (self->home->worker, &self->timer);
      return;
    }
  teesql_session_count (self, TEESQL_COUNTER_ATTESTATION_REFUSED);
  teesql_session_log (self, TEESQL_LOG_WARNING, "attestation refused when judged again: %s (%s)", teesql_verdict_get_message (verdict),
                      teesql_verdict_get_reason (verdict));
  teesql_session_close (self, "judged-again");
}

static void
session_take_call (gpointer data)
{
  TeesqlJudgeCall *call = data;
  TeesqlSession *self = call->session;

  g_hash_table_remove (call->home->calls, call);
  if (self != NULL)
    {
      self->judging = NULL;
      if (call->verdict == NULL)
        teesql_session_close (self, "judge-cancelled");
      else if (call->again)
        session_take_verdict_again (self, call->verdict);
      else
        session_take_verdict (self, call->verdict, call->generation);
    }
  call_free (call);
}

static gboolean call_begin (gpointer user_data);

/* `busy` says nothing about the peer. A stranger may come again; a session that was let in asks again until its deadline, or else a
 * reload would cut all sessions but the first few. */
static gboolean
call_is_to_wait (const TeesqlJudgeCall *self)
{
  return self->again && self->verdict != NULL && !teesql_verdict_is_accepted (self->verdict) &&
         g_str_equal (teesql_verdict_get_reason (self->verdict), "busy");
}

static void
call_begin_later (TeesqlJudgeCall *self)
{
  g_autoptr (GSource) source = g_timeout_source_new (BUSY_MS);
  g_autoptr (GSource) cancelled = g_cancellable_source_new (self->cancellable);

  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_source_set_static_name (source, "teesql-judge-later");
  g_source_set_callback (source, call_begin, self, NULL);
  g_source_set_dummy_callback (cancelled);
  g_source_add_child_source (source, cancelled); /* whoever cancels does not wait for the time */
  g_source_attach (source, g_main_context_get_thread_default ());
}

static void
call_judged (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlJudgeCall *call = user_data;

  call->verdict = teesql_attest_service_judge_finish (call->attest, result, NULL);
  if (call->home == NULL)
    call_free (call);
  else if (call_is_to_wait (call))
    call_begin_later (call);
  else
    teesql_worker_post (call->home->worker, session_take_call, call);
}

static gboolean
call_begin (gpointer user_data)
{
  TeesqlJudgeCall *call = user_data;
  TeesqlLogContext context = { .connection = call->id, .peer = call->peer, .phase = "judging" };

  teesql_attest_service_judge_async (call->attest, call->leaf, &context, call->cancellable, call_judged, call);
  return G_SOURCE_REMOVE;
}

static void
session_call_judge (TeesqlSession *self, GBytes *leaf, guint generation, gboolean again)
{
  TeesqlProxyShared *shared = self->home->shared;
  TeesqlJudgeCall *call = g_new0 (TeesqlJudgeCall, 1);

  call->attest = g_object_ref (shared->attest);
  call->home = self->home;
  call->session = self;
  call->cancellable = g_cancellable_new ();
  call->leaf = leaf != NULL ? g_bytes_ref (leaf) : NULL;
  call->id = g_strdup (self->id);
  call->peer = g_strdup (self->peer);
  call->generation = generation;
  call->again = again;
  g_hash_table_add (self->home->calls, call);
  self->judging = call;
  g_main_context_invoke (shared->context, call_begin, call);
}

void
teesql_session_judge (TeesqlSession *self)
{
  guint generation = (guint) g_atomic_int_get (&self->home->shared->judge_generation);
  g_autoptr (GBytes) leaf = teesql_stream_dup_peer_leaf (self->client);
  g_autoptr (TeesqlVerdict) verdict = leaf != NULL ? teesql_attest_service_lookup (self->home->shared->attest, leaf) : NULL;

  if (self->state != TEESQL_SESSION_JUDGING)
    teesql_session_set_state (self, TEESQL_SESSION_JUDGING, self->settings->verify_timeout_ms);
  if (verdict != NULL)
    session_take_verdict (self, verdict, generation);
  else
    session_call_judge (self, leaf, generation, FALSE);
}

void
teesql_session_judge_again (TeesqlSession *self)
{
  g_autoptr (GBytes) leaf = NULL;
  g_autoptr (TeesqlVerdict) verdict = NULL;

  /* Without a verdict it is being judged, and asks again by itself; in its farewell nothing passes any more. */
  if (self->verdict == NULL || self->state == TEESQL_SESSION_FAREWELL || self->state == TEESQL_SESSION_CLOSED)
    return;
  teesql_session_forget_judge (self);
  leaf = teesql_stream_dup_peer_leaf (self->client);
  verdict = teesql_attest_service_lookup (self->home->shared->attest, leaf);
  if (verdict != NULL)
    {
      session_take_verdict_again (self, verdict);
      return;
    }
  /* Silence does not extend the stay. */
  if (self->state == TEESQL_SESSION_RELAYING)
    teesql_worker_start_timer (self->home->worker, &self->timer, self->settings->verify_timeout_ms);
  session_call_judge (self, leaf, 0, TRUE);
}

void
teesql_session_refuse (TeesqlSession *self, const char *message)
{
  g_autofree char *text = g_strdup_printf ("client attestation refused: %s", message);

  teesql_session_forget_judge (self);
  self->last_words = g_byte_array_new ();
  teesql_message_error (self->last_words, "FATAL", "28000", text, NULL, NULL);
  teesql_session_set_state (self, TEESQL_SESSION_REFUSED, self->settings->startup_timeout_ms);
  teesql_admission_set_parting (self->home->shared->admission, &self->ticket);
  teesql_session_answer_refused (self);
}

/* Clients read an ErrorResponse only once they have said who they are. Nothing they say is acted upon. */
void
teesql_session_answer_refused (TeesqlSession *self)
{
  TeesqlStartup startup = { .kind = TEESQL_STARTUP_MESSAGE };

  if (!teesql_session_read_input (self))
    return;
  if (!self->overflow && teesql_startup_parse (self->input, self->input_size, &startup, NULL) && startup.kind == TEESQL_STARTUP_NEED_MORE)
    return;
  if (startup.kind != TEESQL_STARTUP_CANCEL_REQUEST)
    teesql_stream_write (self->client, self->last_words->data, self->last_words->len);
  teesql_session_say_goodbye (self, "not attested");
}
