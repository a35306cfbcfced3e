#include "proxy/teesql-forwarder-login.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "pgwire/teesql-scram.h"

#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define MAX_MECHANISMS 8

typedef enum
{
  LOGIN_EXPECTS_OFFER,
  LOGIN_EXPECTS_FIRST,
  LOGIN_EXPECTS_FINAL,
  LOGIN_EXPECTS_OK,
} LoginState;

struct _TeesqlForwarderLogin
{
  LoginState state;
  TeesqlForwarderShared *shared;
  TeesqlScramClient *scram;
  TeesqlStream *server; /* while keys are computed */
  GCancellable *computing;
  TeesqlForwarderLoginFunc ready;
  gpointer user_data;
};

/* what a thread needs to make keys; nothing of it is the login's */
typedef struct
{
  TeesqlForwarderShared *shared;
  TeesqlSecret *secret;
  GBytes *salt;
  guint iterations;
} KeyJob;

static void
key_job_free (gpointer data)
{
  KeyJob *job = data;

  teesql_secret_unref (job->secret);
  g_bytes_unref (job->salt);
  g_free (job);
}

TeesqlForwarderLogin *
teesql_forwarder_login_new (TeesqlForwarderShared *shared, GBytes *leaf, TeesqlForwarderLoginFunc ready, gpointer user_data, GError **error)
{
  g_autoptr (GBytes) end_point = teesql_tls_end_point (leaf, error);
  g_autofree char *nonce = NULL;
  TeesqlForwarderLogin *self = NULL;
  gsize size = 0;
  const guint8 *binding = NULL;

  if (end_point == NULL)
    return NULL;
  binding = g_bytes_get_data (end_point, &size);
  nonce = teesql_scram_nonce ();
  self = g_new0 (TeesqlForwarderLogin, 1);
  self->shared = shared;
  self->scram = teesql_scram_client_new (nonce, binding, size);
  self->ready = ready;
  self->user_data = user_data;
  return self;
}

void
teesql_forwarder_login_free (TeesqlForwarderLogin *self)
{
  g_cancellable_cancel (self->computing);
  g_clear_object (&self->computing);
  g_clear_pointer (&self->scram, teesql_scram_client_free);
  g_free (self);
}

gboolean
teesql_forwarder_login_is_busy (const TeesqlForwarderLogin *self)
{
  return self->computing != NULL;
}

#define login_fail(error, reason, ...)                                                                                                     \
  teesql_fail (error, TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, (reason), "login with [connect] secret: " __VA_ARGS__)

/* --- SASL, step by step */

static gboolean
login_send_initial (TeesqlForwarderLogin *self, TeesqlCursor *body, TeesqlStream *server, GError **error)
{
  g_autofree char *first = NULL;
  g_autoptr (GByteArray) message = g_byte_array_new ();
  gboolean plus = FALSE;

  for (guint i = 0; i < MAX_MECHANISMS && teesql_cursor_remaining (body) > 1; i++)
    {
      const char *name = NULL;

      if (!teesql_cursor_c_string (body, "mechanism", 64, &name, error))
        return FALSE;
      plus = plus || g_str_equal (name, MECHANISM_PLUS);
    }
  if (!plus)
    return login_fail (error, "scram-plus-missing",
                       "the server offers no %s, so the channel cannot be bound\n"
                       "hint: it may run with [auth] auth-method = password, which the application has to answer itself",
                       MECHANISM_PLUS);
  first = teesql_scram_client_first (self->scram);
  teesql_message_sasl_initial (message, MECHANISM_PLUS, first, strlen (first));
  teesql_stream_write (server, message->data, message->len);
  self->state = LOGIN_EXPECTS_FIRST;
  return TRUE;
}

static gboolean
login_send_final (TeesqlForwarderLogin *self, TeesqlSecret *keys, TeesqlStream *server, GError **error)
{
  g_autofree char *final = teesql_scram_client_final (self->scram, keys, error);
  g_autoptr (GByteArray) message = g_byte_array_new ();

  if (final == NULL)
    return FALSE;
  teesql_message_sasl_response (message, final, strlen (final));
  teesql_stream_write (server, message->data, message->len);
  self->state = LOGIN_EXPECTS_FINAL;
  return TRUE;
}

static void
compute_keys (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  KeyJob *job = data;
  GError *error = NULL;
  gsize size = 0;
  const guint8 *salt = g_bytes_get_data (job->salt, &size);
  TeesqlSecret *keys = teesql_scram_keys_new (job->secret, salt, size, job->iterations, &error);

  if (keys != NULL)
    g_task_return_pointer (task, keys, (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, error);
}

/* A login that was freed has cancelled the task: then nothing of it is touched. */
static void
keys_computed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) keys = g_task_propagate_pointer (G_TASK (result), &error);
  KeyJob *job = g_task_get_task_data (G_TASK (result));
  TeesqlForwarderLogin *self = user_data;
  gsize size = 0;
  const guint8 *salt = g_bytes_get_data (job->salt, &size);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->computing);
  if (keys != NULL)
    {
      teesql_forwarder_shared_set_keys (job->shared, salt, size, job->iterations, keys);
      if (!login_send_final (self, keys, self->server, &error))
        teesql_log_warning ("connect", "%s", error->message);
    }
  else
    teesql_log_warning ("connect", "%s", error->message);
  self->ready (self->user_data); /* where it failed, the deadline of the phase ends the session */
}

static void
login_compute_keys (TeesqlForwarderLogin *self, const guint8 *salt, gsize salt_size, guint iterations, TeesqlStream *server)
{
  g_autoptr (GTask) task = NULL;
  KeyJob *job = g_new0 (KeyJob, 1);

  self->computing = g_cancellable_new ();
  self->server = server;
  job->shared = self->shared;
  job->secret = teesql_secret_ref (self->shared->secret);
  job->salt = g_bytes_new (salt, salt_size);
  job->iterations = iterations;
  task = g_task_new (NULL, self->computing, keys_computed_cb, self);
  g_task_set_source_tag (task, login_compute_keys);
  g_task_set_task_data (task, job, key_job_free);
  g_task_run_in_thread (task, compute_keys);
}

static gboolean
login_take_first (TeesqlForwarderLogin *self, TeesqlCursor *body, TeesqlStream *server, GError **error)
{
  g_autoptr (TeesqlSecret) keys = NULL;
  const guint8 *salt = NULL;
  gsize salt_size = 0;
  guint iterations = 0;

  if (!teesql_scram_client_take_first (self->scram, (const char *) teesql_cursor_peek (body), teesql_cursor_remaining (body), error))
    return FALSE;
  salt = teesql_scram_client_get_salt (self->scram, &salt_size, &iterations);
  keys = teesql_forwarder_shared_ref_keys (self->shared, salt, salt_size, iterations);
  if (keys != NULL)
    return login_send_final (self, keys, server, error);
  login_compute_keys (self, salt, salt_size, iterations, server);
  return TRUE;
}

static gboolean
login_take_authentication (TeesqlForwarderLogin *self, guint32 code, TeesqlCursor *body, TeesqlStream *server, gboolean *out_settled,
                           GError **error)
{
  if (code == 10 && self->state == LOGIN_EXPECTS_OFFER)
    return login_send_initial (self, body, server, error);
  if (code == 11 && self->state == LOGIN_EXPECTS_FIRST)
    return login_take_first (self, body, server, error);
  if (code == 12 && self->state == LOGIN_EXPECTS_FINAL)
    {
      self->state = LOGIN_EXPECTS_OK;
      return teesql_scram_client_check_final (self->scram, (const char *) teesql_cursor_peek (body), teesql_cursor_remaining (body), error);
    }
  *out_settled = code == 0 && self->state == LOGIN_EXPECTS_OK;
  if (*out_settled)
    return TRUE;
  return login_fail (error, "authentication-order", "authentication request %u came out of turn", code);
}

gboolean
teesql_forwarder_login_take (TeesqlForwarderLogin *self, const TeesqlMessage *message, const guint8 *data, TeesqlStream *client,
                             TeesqlStream *server, gboolean *out_settled, GError **error)
{
  TeesqlCursor body = message->body;
  guint32 code = 0;

  *out_settled = FALSE;
  if (message->type == 'R')
    {
      if (!teesql_cursor_u32_be (&body, "authentication code", &code, error) ||
          !login_take_authentication (self, code, &body, server, out_settled, error))
        return FALSE;
      if (*out_settled)
        teesql_stream_write (client, data, message->size);
      return TRUE;
    }
  /* the application asked for 3.0 through us and gets no second opinion */
  if (message->type == 'v')
    return TRUE;
  if (message->type != 'E' && message->type != 'N')
    return login_fail (error, "authentication-order", "message '%c' came before authentication",
                       g_ascii_isprint (message->type) ? message->type : '?');
  *out_settled = message->type == 'E';
  teesql_stream_write (client, data, message->size);
  return TRUE;
}
