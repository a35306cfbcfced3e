#include "fake-server.h"

#include "keys/teesql-keys.h"
#include "pgwire/teesql-pgwire-message.h"
#include "pgwire/teesql-pgwire-startup.h"
#include "pgwire/teesql-scram.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS 4096
#define PID    4242u

static const guint8 salt[16] = "salt of the test";
static const guint8 cancel_key[4] = { 0xde, 0xad, 0xbe, 0xef };

typedef struct
{
  FakeServer *server;
  int fd;
  GByteArray *in;
  guint cancels_before;
} Backend;

static gboolean
backend_fill (Backend *self)
{
  guint8 bytes[8192];
  gssize n = read (self->fd, bytes, sizeof bytes);

  if (n <= 0)
    return FALSE;
  g_byte_array_append (self->in, bytes, (guint) n);
  return TRUE;
}

static gboolean
backend_send (Backend *self, GByteArray *message)
{
  gsize sent = 0;

  while (sent < message->len)
    {
      gssize n = send (self->fd, message->data + sent, message->len - sent, MSG_NOSIGNAL);

      if (n <= 0)
        return FALSE;
      sent += (gsize) n;
    }
  g_byte_array_set_size (message, 0);
  return TRUE;
}

/* The next message; its body is NUL-terminated for the tests' convenience. */
static char *
backend_read (Backend *self, char *out_type, gsize *out_size)
{
  TeesqlMessage message;
  gboolean complete = FALSE;

  while (teesql_message_frame (self->in->data, self->in->len, 1 << 20, &message, &complete, NULL) && !complete)
    {
      if (!backend_fill (self))
        return NULL;
    }
  if (!complete)
    return NULL;
  *out_type = message.type;
  *out_size = teesql_cursor_remaining (&message.body);
  {
    char *body = g_strndup ((const char *) teesql_cursor_peek (&message.body), *out_size);
    char *copy = g_malloc0 (*out_size + 1);

    memcpy (copy, teesql_cursor_peek (&message.body), *out_size);
    g_free (body);
    g_byte_array_remove_range (self->in, 0, (guint) message.size);
    return copy;
  }
}

static void
backend_error (Backend *self, const char *sqlstate, const char *text)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  teesql_message_error (out, "FATAL", sqlstate, text, NULL, NULL);
  backend_send (self, out);
}

static void
make_verifier (FakeServer *server, const char *role, TeesqlScramVerifier *out)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) password =
      teesql_keys_role_password (server->roles_key, server->wrong_password ? "somebody-else" : role, &error);
  g_autoptr (TeesqlSecret) keys = teesql_scram_keys_new (password, salt, sizeof salt, ROUNDS, &error);

  g_assert_no_error (error);
  teesql_scram_keys_to_verifier (keys, salt, sizeof salt, ROUNDS, out);
}

static gboolean
backend_authenticate (Backend *self, const char *role)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree char *nonce = teesql_scram_nonce ();
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES];
  gboolean real[TEESQL_SCRAM_CANDIDATES] = { TRUE };
  TeesqlScramServerOptions options = {
    .salt = salt, .salt_size = sizeof salt, .iterations = ROUNDS, .candidates = candidates, .real = real, .server_nonce = nonce
  };
  g_autoptr (TeesqlScramServer) scram = NULL;
  g_autofree char *body = NULL;
  g_autofree char *answer = NULL;
  char type;
  gsize size;
  guint candidate;

  for (guint i = 0; i < TEESQL_SCRAM_CANDIDATES; i++)
    make_verifier (self->server, role, &candidates[i]);
  scram = teesql_scram_server_new (&options);
  teesql_message_authentication_sasl (out, FALSE);
  backend_send (self, out);
  body = backend_read (self, &type, &size);
  if (body == NULL || size < 18)
    return FALSE;
  answer = teesql_scram_server_first (scram, "SCRAM-SHA-256", body + 18, size - 18, NULL); /* behind the mechanism and the length */
  g_assert_nonnull (answer);
  teesql_message_authentication_sasl_continue (out, answer, strlen (answer));
  backend_send (self, out);
  g_free (body);
  body = backend_read (self, &type, &size);
  if (body == NULL)
    return FALSE;
  g_free (answer);
  answer = teesql_scram_server_final (scram, body, size, &candidate, NULL);
  if (answer == NULL)
    {
      backend_error (self, "28P01", "password authentication failed: internal detail");
      return FALSE;
    }
  teesql_message_authentication_sasl_final (out, answer, strlen (answer));
  return backend_send (self, out);
}

static void
add_message (GByteArray *out, char type, const void *body, gsize size)
{
  guint32 length = GUINT32_TO_BE ((guint32) size + 4);

  g_byte_array_append (out, (guint8 *) &type, 1);
  g_byte_array_append (out, (guint8 *) &length, 4);
  g_byte_array_append (out, body, (guint) size);
}

static void
backend_welcome (Backend *self)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  teesql_message_authentication_ok (out);
  add_message (out, 'S', "server_version\00017.0", 20);
  teesql_message_backend_key (out, PID, cancel_key, sizeof cancel_key);
  add_message (out, 'Z', "I", 1);
  backend_send (self, out);
}

static gboolean
backend_sleep (Backend *self, GByteArray *out)
{
  g_mutex_lock (&self->server->mutex);
  while (self->server->n_cancels == self->cancels_before && !self->server->closing)
    g_cond_wait (&self->server->cond, &self->server->mutex);
  self->cancels_before = self->server->n_cancels;
  g_mutex_unlock (&self->server->mutex);
  teesql_message_error (out, "ERROR", "57014", "canceling statement due to user request", NULL, NULL);
  return TRUE;
}

static gboolean
backend_run (Backend *self, const char *statement)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree char *row = g_strnfill (1000, 'r');

  if (g_str_has_prefix (statement, "echo "))
    add_message (out, 'D', statement + 5, strlen (statement + 5));
  else if (g_str_has_prefix (statement, "rows "))
    {
      for (guint64 n = g_ascii_strtoull (statement + 5, NULL, 10); n > 0; n--)
        {
          add_message (out, 'D', row, 1000);
          if (out->len > 100000 && !backend_send (self, out))
            return FALSE;
        }
    }
  else if (g_str_equal (statement, "sleep"))
    backend_sleep (self, out);
  else if (g_str_equal (statement, "die"))
    {
      struct linger now = { .l_onoff = 1 };

      g_byte_array_append (out, (const guint8 *) "D\0\0\1\0half", 9);
      backend_send (self, out);
      (void) setsockopt (self->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      return FALSE;
    }
  else
    teesql_message_error (out, "ERROR", "42601", "syntax error", NULL, NULL);
  add_message (out, 'Z', "I", 1);
  return backend_send (self, out);
}

static void
backend_serve (Backend *self)
{
  char type;
  gsize size;

  while (TRUE)
    {
      g_autofree char *body = backend_read (self, &type, &size);

      if (body == NULL || type == 'X' || (type == 'Q' && !backend_run (self, body)))
        return;
    }
}

static void
backend_note_startup (Backend *self, const TeesqlStartup *startup)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < startup->n_parameters; i++)
    g_string_append_printf (text, "%s=%s,", startup->parameters[i].name, startup->parameters[i].value);
  g_mutex_lock (&self->server->mutex);
  g_free (self->server->last_startup);
  self->server->last_startup = g_strdup (text->str);
  self->server->n_logins++;
  self->server->n_open++;
  self->cancels_before = self->server->n_cancels;
  g_mutex_unlock (&self->server->mutex);
}

static void
backend_take_cancel (Backend *self, const TeesqlStartup *startup)
{
  g_mutex_lock (&self->server->mutex);
  if (startup->cancel_pid == PID && startup->cancel_key_size == 4 && memcmp (startup->cancel_key, cancel_key, 4) == 0)
    self->server->n_cancels++;
  else
    self->server->n_wrong_cancels++;
  g_cond_broadcast (&self->server->cond);
  g_mutex_unlock (&self->server->mutex);
}

static void
backend_talk (Backend *self)
{
  TeesqlStartup startup = { .kind = TEESQL_STARTUP_NEED_MORE };
  g_autofree char *role = NULL;

  while (self->in->len == 0 ||
         (teesql_startup_parse (self->in->data, self->in->len, &startup, NULL) && startup.kind == TEESQL_STARTUP_NEED_MORE))
    {
      if (!backend_fill (self))
        return;
    }
  if (startup.kind == TEESQL_STARTUP_CANCEL_REQUEST)
    {
      backend_take_cancel (self, &startup);
      return;
    }
  g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_MESSAGE);
  backend_note_startup (self, &startup);
  role = g_strdup (startup.user);
  g_byte_array_remove_range (self->in, 0, (guint) startup.size);
  if (self->server->trust || backend_authenticate (self, role))
    {
      if (self->server->refuse_sqlstate != NULL)
        backend_error (self, self->server->refuse_sqlstate, "database \"nowhere\" does not exist");
      else
        {
          backend_welcome (self);
          backend_serve (self);
        }
    }
  g_mutex_lock (&self->server->mutex);
  self->server->n_open--;
  g_mutex_unlock (&self->server->mutex);
}

static gpointer
backend_thread (gpointer data)
{
  Backend *self = data;
  FakeServer *server = self->server;

  backend_talk (self);
  close (self->fd);
  g_byte_array_unref (self->in);
  g_free (self);
  g_mutex_lock (&server->mutex);
  server->n_connections--;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->mutex);
  return NULL;
}

static gpointer
accept_thread (gpointer data)
{
  FakeServer *self = data;
  int fd;

  while ((fd = accept4 (self->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    {
      Backend *backend = g_new0 (Backend, 1);

      backend->server = self;
      backend->fd = fd;
      backend->in = g_byte_array_new ();
      g_mutex_lock (&self->mutex);
      self->n_connections++;
      g_mutex_unlock (&self->mutex);
      g_thread_unref (g_thread_new ("backend", backend_thread, backend));
    }
  return NULL;
}

FakeServer *
fake_server_new (TeesqlSecret *roles_key)
{
  FakeServer *self = g_new0 (FakeServer, 1);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  self->roles_key = teesql_secret_ref (roles_key);
  self->folder = g_dir_make_tmp ("teesql-XXXXXX", &error);
  g_assert_no_error (error);
  path = g_build_filename (self->folder, ".s.PGSQL.5432", NULL);
  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  self->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (self->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (self->listener, 64), ==, 0);
  self->thread = g_thread_new ("accept", accept_thread, self);
  return self;
}

void
fake_server_free (FakeServer *self)
{
  g_autofree char *path = g_build_filename (self->folder, ".s.PGSQL.5432", NULL);

  g_mutex_lock (&self->mutex);
  self->closing = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  shutdown (self->listener, SHUT_RDWR);
  g_thread_join (self->thread);
  close (self->listener);
  g_mutex_lock (&self->mutex);
  while (self->n_connections > 0)
    g_cond_wait (&self->cond, &self->mutex);
  g_mutex_unlock (&self->mutex);
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (rmdir (self->folder), ==, 0);
  g_free (self->folder);
  g_free (self->last_startup);
  teesql_secret_unref (self->roles_key);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self);
}

guint
fake_server_get (FakeServer *self, guint *field)
{
  guint value;

  g_mutex_lock (&self->mutex);
  value = *field;
  g_mutex_unlock (&self->mutex);
  return value;
}
