#include "proxy/teesql-server-login.h"

#include "base/teesql-domains.h"

#include <string.h>
#include <teesql/teesql-error.h>

/* Backlog of a unix socket: nothing announces room. */
#define RETRY_MS 20
/* A message of a login, and all of them together: ParameterStatus and notices of event triggers. */
#define MAX_MESSAGE ((gsize) 65536)
#define MAX_ANSWER  ((gsize) 262144)
#define READ_SIZE   ((gsize) 16384)

typedef enum
{
  LOGIN_CONNECTING,
  LOGIN_ASKED,    /* startup sent; SASL must be demanded */
  LOGIN_FIRST,    /* client-first sent */
  LOGIN_DERIVING, /* keys for a salt that is new to us */
  LOGIN_FINAL,    /* client-final sent; the server must prove itself */
  LOGIN_PROVED,   /* AuthenticationOk is next */
  LOGIN_IN,       /* up to ReadyForQuery */
  LOGIN_OVER,
} LoginState;

struct _TeesqlServerLogin
{
  gatomicrefcount refs;
  LoginState state;
  TeesqlWorker *worker;
  TeesqlAuth *auth;
  TeesqlBackend *backend;
  TeesqlCancelTable *cancels;
  TeesqlKeyPool *pool;
  GPtrArray *startup;
  TeesqlServerLoginFunc func;
  gpointer user_data;
  TeesqlStream *stream;
  TeesqlTimer retry;
  TeesqlScramClient *scram;
  GByteArray *in;
  GByteArray *answer;
  guint32 cancel_pid;
};

typedef struct
{
  TeesqlServerLogin *login;
  TeesqlSecret *keys;
  GError *error;
  char *role;
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint iterations;
} DeriveJob;

static void
login_unref (TeesqlServerLogin *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  teesql_auth_unref (self->auth);
  teesql_backend_unref (self->backend);
  g_ptr_array_unref (self->startup);
  g_clear_pointer (&self->scram, teesql_scram_client_free);
  g_byte_array_unref (self->in);
  g_byte_array_unref (self->answer);
  g_free (self);
}

static void
login_close (TeesqlServerLogin *self)
{
  self->state = LOGIN_OVER;
  teesql_worker_stop_timer (self->worker, &self->retry);
  g_clear_pointer (&self->stream, teesql_stream_free);
  if (self->cancel_pid != 0)
    teesql_cancel_table_remove (self->cancels, self->cancel_pid);
  self->cancel_pid = 0;
}

static const char *
login_get_role_name (const TeesqlServerLogin *self)
{
  return teesql_auth_get_role (self->auth)->name;
}

/* @answer holds what the client is told by now; the operator reads @error. */
static void
login_fail_with_answer (TeesqlServerLogin *self, const GError *error)
{
  TeesqlServerLoginResult result = { .answer = self->answer, .error = error };

  login_close (self);
  self->func (&result, self->user_data);
  login_unref (self);
}

static void
login_fail (TeesqlServerLogin *self, GError *take_error)
{
  g_autoptr (GError) error = take_error;

  g_prefix_error (&error, "PostgreSQL at %s: ", teesql_backend_describe (self->backend));
  g_byte_array_set_size (self->answer, 0);
  teesql_message_error (self->answer, "FATAL", "57P03", "the database cannot be reached", NULL, NULL);
  login_fail_with_answer (self, error);
}

static void
login_fail_protocol (TeesqlServerLogin *self, const char *reason, const char *message)
{
  login_fail (self, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s", message));
}

static void
login_send (TeesqlServerLogin *self, GByteArray *message)
{
  teesql_stream_write (self->stream, message->data, message->len);
}

static void
login_send_startup (TeesqlServerLogin *self)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();

  teesql_message_startup (message, (const char *const *) self->startup->pdata);
  self->state = LOGIN_ASKED;
  login_send (self, message);
}

/* What PostgreSQL says of a login is the client's business, but for one thing: our own password is not. */
static void
login_relay_error (TeesqlServerLogin *self, TeesqlMessage *message)
{
  g_autoptr (GError) error = NULL;
  TeesqlErrorFields fields;

  if (!teesql_message_parse_error (&message->body, &fields, &error))
    {
      login_fail (self, g_steal_pointer (&error));
      return;
    }
  error = teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_REFUSED, "postgres-login", 0, "PostgreSQL refused the login: %s (%s)",
                            fields.message, fields.sqlstate);
  g_byte_array_set_size (self->answer, 0);
  if (g_str_has_prefix (fields.sqlstate, "28"))
    {
      g_autofree char *text = g_strdup_printf ("PostgreSQL does not accept role \"%s\"", login_get_role_name (self));

      teesql_message_error (self->answer, "FATAL", "28000", text, "The role is not provisioned, or with another password.", NULL);
    }
  else
    teesql_message_error (self->answer, "FATAL", fields.sqlstate, fields.message, fields.detail, fields.hint);
  login_fail_with_answer (self, error);
}

static void
login_begin_scram (TeesqlServerLogin *self, TeesqlCursor *data)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_autofree char *nonce = NULL;
  g_autofree char *first = NULL;
  gboolean scram = FALSE;
  gboolean plus;

  if (!teesql_message_parse_mechanisms (data, &scram, &plus, NULL) || !scram)
    {
      login_fail_protocol (self, "postgres-authentication", "it does not offer SCRAM-SHA-256");
      return;
    }
  nonce = teesql_scram_nonce ();
  self->scram = teesql_scram_client_new (nonce, NULL, 0);
  first = teesql_scram_client_first (self->scram);
  teesql_message_sasl_initial (message, "SCRAM-SHA-256", first, strlen (first));
  self->state = LOGIN_FIRST;
  login_send (self, message);
}

static void
login_send_final (TeesqlServerLogin *self, TeesqlSecret *keys)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *final = teesql_scram_client_final (self->scram, keys, &error);

  if (final == NULL)
    {
      login_fail (self, g_steal_pointer (&error));
      return;
    }
  teesql_message_sasl_response (message, final, strlen (final));
  self->state = LOGIN_FINAL;
  login_send (self, message);
}

static void
login_derive (gpointer data)
{
  DeriveJob *job = data;

  job->keys = teesql_role_keys_get (teesql_backend_get_role_keys (job->login->backend), job->role, job->salt, job->salt_size,
                                    job->iterations, &job->error);
}

static void
login_derived (gpointer data)
{
  DeriveJob *job = data;
  TeesqlServerLogin *self = job->login;

  if (self->state == LOGIN_DERIVING)
    {
      if (job->keys != NULL)
        login_send_final (self, job->keys);
      else
        login_fail (self, g_steal_pointer (&job->error));
    }
  g_clear_pointer (&job->keys, teesql_secret_unref);
  g_clear_error (&job->error);
  g_free (job->role);
  g_free (job);
  login_unref (self);
}

static void
login_take_server_first (TeesqlServerLogin *self, TeesqlCursor *data)
{
  g_autoptr (TeesqlSecret) keys = NULL;
  g_autoptr (GError) error = NULL;
  DeriveJob *job;
  const guint8 *salt;
  gsize salt_size;
  guint iterations;

  if (!teesql_scram_client_take_first (self->scram, (const char *) teesql_cursor_peek (data), teesql_cursor_remaining (data), &error))
    {
      login_fail (self, g_steal_pointer (&error));
      return;
    }
  salt = teesql_scram_client_get_salt (self->scram, &salt_size, &iterations);
  keys = teesql_role_keys_lookup (teesql_backend_get_role_keys (self->backend), login_get_role_name (self), salt, salt_size, iterations);
  if (keys != NULL)
    {
      login_send_final (self, keys);
      return;
    }
  job = g_new0 (DeriveJob, 1);
  job->login = self;
  job->role = g_strdup (login_get_role_name (self));
  job->salt_size = MIN (salt_size, sizeof job->salt);
  memcpy (job->salt, salt, job->salt_size);
  job->iterations = iterations;
  g_atomic_ref_count_inc (&self->refs);
  self->state = LOGIN_DERIVING;
  teesql_key_pool_run (self->pool, self->worker, login_derive, login_derived, job);
}

static void
login_take_server_final (TeesqlServerLogin *self, TeesqlCursor *data)
{
  g_autoptr (GError) error = NULL;

  if (!teesql_scram_client_check_final (self->scram, (const char *) teesql_cursor_peek (data), teesql_cursor_remaining (data), &error))
    login_fail (self, g_steal_pointer (&error));
  else
    self->state = LOGIN_PROVED;
}

/* In this order and no other: a server that lets us in without proving that it knows the password is not the one we provisioned. */
static void
login_take_authentication (TeesqlServerLogin *self, TeesqlMessage *message)
{
  g_autoptr (GError) error = NULL;
  guint32 kind;
  TeesqlCursor data;

  if (!teesql_message_parse_authentication (&message->body, &kind, &data, &error))
    login_fail (self, g_steal_pointer (&error));
  else if (self->state == LOGIN_ASKED && kind == TEESQL_AUTHENTICATION_SASL)
    login_begin_scram (self, &data);
  else if (self->state == LOGIN_FIRST && kind == TEESQL_AUTHENTICATION_SASL_CONTINUE)
    login_take_server_first (self, &data);
  else if (self->state == LOGIN_FINAL && kind == TEESQL_AUTHENTICATION_SASL_FINAL)
    login_take_server_final (self, &data);
  else if (self->state == LOGIN_PROVED && kind == TEESQL_AUTHENTICATION_OK)
    {
      self->state = LOGIN_IN;
      teesql_message_authentication_ok (self->answer);
    }
  else
    login_fail_protocol (self, "postgres-authentication", "it asks for another authentication than scram-sha-256\nhint: see pg_hba.conf");
}

static void
login_take_backend_key (TeesqlServerLogin *self, TeesqlMessage *message)
{
  TeesqlCancelTarget target = { .key_size = 0 };
  guint8 ours[TEESQL_CANCEL_KEY_SIZE];
  const guint8 *key;

  if (self->cancel_pid != 0 || !teesql_message_parse_backend_key (&message->body, &target.pid, &key, &target.key_size, NULL) ||
      target.key_size > sizeof target.key)
    {
      login_fail_protocol (self, "postgres-protocol", "its cancel key makes no sense");
      return;
    }
  memcpy (target.key, key, target.key_size); /* size was just checked */
  teesql_cancel_table_add (self->cancels, &target, &self->cancel_pid, ours);
  teesql_message_backend_key (self->answer, self->cancel_pid, ours, sizeof ours);
}

static void
login_succeed (TeesqlServerLogin *self, const guint8 *rest, gsize rest_size)
{
  TeesqlServerLoginResult result = { .stream = g_steal_pointer (&self->stream), .cancel_pid = self->cancel_pid, .answer = self->answer };

  g_byte_array_append (self->answer, rest, (guint) rest_size);
  self->cancel_pid = 0;
  teesql_stream_set_func (result.stream, NULL, NULL);
  login_close (self);
  self->func (&result, self->user_data);
  login_unref (self);
}

/* @raw: the message with type and length, for what is passed on as it is */
static void
login_take_message (TeesqlServerLogin *self, TeesqlMessage *message, const guint8 *raw, gsize behind)
{
  switch (message->type)
    {
    case 'R':
      login_take_authentication (self, message);
      return;
    case 'E':
      login_relay_error (self, message);
      return;
    case 'N':
      g_byte_array_append (self->answer, raw, (guint) message->size);
      return;
    case 'S':
    case 'K':
    case 'Z':
      if (self->state != LOGIN_IN)
        break;
      if (message->type == 'K')
        login_take_backend_key (self, message);
      else
        g_byte_array_append (self->answer, raw, (guint) message->size);
      if (message->type == 'Z')
        login_succeed (self, raw + message->size, behind);
      return;
    default:
      break;
    }
  login_fail_protocol (self, "postgres-protocol", "a message that does not belong to a login");
}

/* A callback may end the login: the caller holds a reference. */
static void
login_parse (TeesqlServerLogin *self)
{
  gsize pos = 0;

  while (self->state != LOGIN_OVER && self->state != LOGIN_DERIVING)
    {
      g_autoptr (GError) error = NULL;
      TeesqlMessage message;
      gboolean complete;

      if (!teesql_message_frame (self->in->data + pos, self->in->len - pos, MAX_MESSAGE, &message, &complete, &error))
        {
          login_fail (self, g_steal_pointer (&error));
          return;
        }
      if (!complete)
        break;
      login_take_message (self, &message, self->in->data + pos, self->in->len - pos - message.size);
      pos += message.size;
    }
  if (pos > 0)
    g_byte_array_remove_range (self->in, 0, (guint) pos);
}

static void
login_take_bytes (gpointer user_data, const struct iovec *pieces, guint n_pieces, gsize size)
{
  TeesqlServerLogin *self = user_data;

  for (guint i = 0; i < n_pieces; i++)
    g_byte_array_append (self->in, pieces[i].iov_base, (guint) pieces[i].iov_len);
}

static void
login_read (TeesqlServerLogin *self)
{
  while (self->state != LOGIN_OVER && teesql_stream_can_receive (self->stream))
    {
      switch (teesql_stream_receive (self->stream, READ_SIZE, login_take_bytes, self, NULL))
        {
        case TEESQL_IO_DONE:
          login_parse (self);
          if (self->state != LOGIN_OVER && self->in->len + self->answer->len > MAX_ANSWER)
            login_fail_protocol (self, "postgres-protocol", "its login does not end");
          break;
        case TEESQL_IO_AGAIN:
          return;
        case TEESQL_IO_EOF:
        case TEESQL_IO_FAILED:
          login_fail_protocol (self, "postgres-ended", "it closed the connection during the login");
          return;
        }
    }
}

static void
login_event (TeesqlStream *stream, gpointer user_data)
{
  TeesqlServerLogin *self = user_data;
  g_autoptr (GError) error = NULL;

  g_atomic_ref_count_inc (&self->refs);
  if (self->state == LOGIN_CONNECTING)
    {
      switch (teesql_stream_finish_connect (stream, &error))
        {
        case TEESQL_IO_DONE:
          login_send_startup (self);
          break;
        case TEESQL_IO_AGAIN:
        case TEESQL_IO_EOF:
          break;
        case TEESQL_IO_FAILED:
          login_fail (self, g_steal_pointer (&error));
          break;
        }
    }
  if (self->state != LOGIN_CONNECTING && self->state != LOGIN_OVER)
    login_read (self);
  login_unref (self);
}

static void
login_connect (gpointer user_data)
{
  TeesqlServerLogin *self = user_data;
  g_autoptr (GError) error = NULL;
  socklen_t size;
  const struct sockaddr *address = teesql_backend_get_sockaddr (self->backend, &size);

  self->stream = teesql_stream_new_connect (self->worker, address, size, login_event, self, &error);
  if (self->stream != NULL)
    teesql_stream_come_back (self->stream); /* a unix socket is connected already */
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    teesql_worker_start_timer (self->worker, &self->retry, RETRY_MS);
  else
    login_fail (self, g_steal_pointer (&error));
}

TeesqlServerLogin *
teesql_server_login_start (const TeesqlServerLoginOptions *options, TeesqlServerLoginFunc func, gpointer user_data)
{
  TeesqlServerLogin *self;

  g_return_val_if_fail (teesql_auth_get_role (options->auth) != NULL, NULL);
  self = g_new0 (TeesqlServerLogin, 1);
  g_atomic_ref_count_init (&self->refs);
  self->worker = options->worker;
  self->auth = teesql_auth_ref (options->auth);
  self->backend = teesql_backend_ref (options->backend);
  self->cancels = options->cancels;
  self->pool = options->pool;
  self->startup = g_ptr_array_ref (options->startup);
  self->func = func;
  self->user_data = user_data;
  self->in = g_byte_array_new ();
  self->answer = g_byte_array_new ();
  self->retry = (TeesqlTimer){ .func = login_connect, .user_data = self };
  /* Through the timer, so that nothing is called back from here. */
  teesql_worker_start_timer (self->worker, &self->retry, 0);
  return self;
}

void
teesql_server_login_cancel (TeesqlServerLogin *self)
{
  if (self->state == LOGIN_OVER)
    return;
  login_close (self);
  login_unref (self);
}
