#pragma once
#include "pgwire/teesql-pgwire-startup.h"
#include "proxy/teesql-auth.h"
#include "proxy/teesql-farewell.h"
#include "proxy/teesql-relay.h"
#include "proxy/teesql-server-login.h"
#include "proxy/teesql-session.h"

G_BEGIN_DECLS

/* The table of states is in docs/sessions.md; legal edges in teesql-session.c. */
typedef enum
{
  TEESQL_SESSION_GREETING, /* first bytes, before TLS */
  TEESQL_SESSION_HANDSHAKE,
  TEESQL_SESSION_JUDGING, /* evidence; nothing the client says is read */
  TEESQL_SESSION_REFUSED, /* reads the startup packet, to answer it with the reason */
  TEESQL_SESSION_STARTUP,
  TEESQL_SESSION_AUTHENTICATING,
  TEESQL_SESSION_DERIVING, /* `auth-method = password`: on the pool */
  TEESQL_SESSION_FAILING,  /* a failed login waits for its answer */
  TEESQL_SESSION_WAITING,  /* for a place among max-sessions */
  TEESQL_SESSION_LOGIN,    /* into PostgreSQL */
  TEESQL_SESSION_RELAYING,
  TEESQL_SESSION_ENDING,     /* shut down: PostgreSQL finishes its last message */
  TEESQL_SESSION_CANCELLING, /* passes a cancel request on */
  TEESQL_SESSION_FAREWELL,
  TEESQL_SESSION_CLOSED,
} TeesqlSessionState;

/* One startup packet; whatever else comes before an answer of ours is too much. */
#define TEESQL_SESSION_INPUT (TEESQL_STARTUP_MAX_SIZE + 256)

typedef struct _TeesqlJudgeCall TeesqlJudgeCall;

struct _TeesqlSession
{
  gatomicrefcount refs; /* other threads hold one while they have something posted */
  TeesqlProxyHome *home;
  GList link;
  TeesqlSessionState state;
  char id[24];
  char peer[56];
  gint64 began_us;
  TeesqlProxySettings *settings;
  TeesqlTicket ticket;
  TeesqlTimer timer;
  TeesqlStream *client;
  /* before TLS */
  gboolean seen_gssenc;
  gboolean direct; /* TLS without SSLRequest */
  /* between handshake and relay */
  TeesqlTlsCredentials *credentials;
  TeesqlJudgeCall *judging; /* (nullable) */
  TeesqlVerdict *verdict;   /* (nullable) */
  guint8 *input;            /* TEESQL_SESSION_INPUT bytes, wiped when freed */
  gsize input_size;
  gboolean overflow;
  char *user;
  char *database;
  gboolean replication;
  GPtrArray *startup; /* what PostgreSQL is told */
  TeesqlAuth *auth;
  GByteArray *last_words; /* end of the exchange, or what a failed login hears */
  TeesqlServerLogin *login;
  TeesqlStream *server;
  TeesqlStream *canceller; /* a cancel request on its way */
  guint32 cancel_pid;
  TeesqlRelay relay;
  gboolean relayed; /* relay's counts are worth something */
  guint64 published_in;
  guint64 published_out;
  TeesqlFarewell farewell;
  const char *end_reason; /* static */
};

TeesqlSession *teesql_session_ref (TeesqlSession *self);
void teesql_session_unref (TeesqlSession *self);
void teesql_session_log (TeesqlSession *self, TeesqlLogLevel level, const char *format, ...) G_GNUC_PRINTF (3, 4);
TeesqlLogContext teesql_session_get_log_context (TeesqlSession *self);
/**
 * teesql_session_set_state:
 * @timeout_ms: deadline of the new state; 0: none
 *
 * the only place where a state changes: checks the edge, moves the deadline
 */
void teesql_session_set_state (TeesqlSession *self, TeesqlSessionState state, guint timeout_ms);
void teesql_session_keep_deadline (TeesqlSession *self, TeesqlSessionState state); /* a state that shares its predecessor's */
void teesql_session_event (TeesqlStream *stream, gpointer user_data);
void teesql_session_count (TeesqlSession *self, TeesqlCounter counter);
/**
 * teesql_session_say_goodbye:
 *
 * last words, close_notify, and an end that does not take them back
 */
void teesql_session_say_goodbye (TeesqlSession *self, const char *reason);
void teesql_session_fail (TeesqlSession *self, const char *sqlstate, const char *message, const char *hint, const char *reason);
gboolean teesql_session_read_input (TeesqlSession *self);                       /* %FALSE: the session is over; @overflow may be set */
gboolean teesql_session_refuse_pipelined (TeesqlSession *self, gsize expected); /* bytes behind what may be there: %TRUE, and it is over */
void teesql_session_wipe_input (TeesqlSession *self);
void teesql_session_end_input (TeesqlSession *self); /* no more framing: frees the buffer */

void teesql_session_drop_login (TeesqlSession *self); /* what only the way up to the relay needs: an idle session is small */

/* Handlers of states, by file. */
void teesql_session_greet (TeesqlSession *self);
void teesql_session_shake_hands (TeesqlSession *self);
void teesql_session_judge (TeesqlSession *self);
void teesql_session_forget_judge (TeesqlSession *self);
void teesql_session_refuse (TeesqlSession *self, const char *message);
void teesql_session_answer_refused (TeesqlSession *self);
void teesql_session_take_startup (TeesqlSession *self);
void teesql_session_take_authentication (TeesqlSession *self);
void teesql_session_finish_failure (TeesqlSession *self);
void teesql_session_enter (TeesqlSession *self); /* there is a place */
void teesql_session_begin_cancel (TeesqlSession *self, const TeesqlStartup *startup);
gboolean teesql_session_send_cancel (TeesqlSession *self, const TeesqlCancelTarget *target);

G_END_DECLS
