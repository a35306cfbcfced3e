/* postgres-driver CONFIG PASSWORD-FILE ROLES-KEY-HEX COMMAND…: what teesqld does with PostgreSQL, alone. Prints a JSON object a line.
 *
 * provision            checks and provisions, then the status as the faces would show it
 * login ROLE DATABASE  provisions, then logs in over the wire with cached keys, as the proxy does
 * state                reads the state at once and again for each line of standard input */
#include "base/teesql-domains.h"
#include "pgwire/teesql-pgwire-message.h"
#include "pgwire/teesql-scram.h"
#include "postgres/teesql-postgres.h"
#include <gio/gunixinputstream.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE 30000

typedef struct
{
  GMainLoop *loop;
  TeesqlStatus *status;
  TeesqlPostgres *postgres;
  TeesqlBackend *backend;
  char **changes;
  GDataInputStream *input;
  char **command;
  gboolean failed;
} Driver;

static void
print_json (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);

  puts (text);
  fflush (stdout);
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
print_error (Driver *self, const GError *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  add_string (builder, "reason", error->domain == G_IO_ERROR ? "io" : teesql_error_get_reason (error));
  add_string (builder, "message", error->message);
  json_builder_set_member_name (builder, "code");
  json_builder_add_int_value (builder, error->code);
  json_builder_end_object (builder);
  print_json (builder);
  self->failed = TRUE;
}

/* -- login ------------------------------------------------------------------------------------------------------ */

typedef struct
{
  int fd;
  GByteArray *in;
  gsize used; /* of the message handed out last */
} Wire;

static gboolean
wire_send (Wire *wire, GByteArray *out, GError **error)
{
  if (send (wire->fd, out->data, out->len, MSG_NOSIGNAL) == (gssize) out->len)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "send: %s", g_strerror (errno));
  return FALSE;
}

static gboolean
wire_next (Wire *wire, TeesqlMessage *out, GError **error)
{
  gboolean complete = FALSE;

  g_byte_array_remove_range (wire->in, 0, (guint) wire->used);
  wire->used = 0;
  while (teesql_message_frame (wire->in->data, wire->in->len, MAX_MESSAGE, out, &complete, error))
    {
      guint8 buffer[4096];
      gssize n = 0;

      if (complete)
        {
          wire->used = out->size;
          return TRUE;
        }
      n = recv (wire->fd, buffer, sizeof buffer, 0);
      if (n <= 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the server closed the connection");
          return FALSE;
        }
      g_byte_array_append (wire->in, buffer, (guint) n);
    }
  return FALSE;
}

/* the next `R` of @kind; an ErrorResponse becomes an error */
static gboolean
wire_expect (Wire *wire, guint32 kind, TeesqlCursor *out_data, GError **error)
{
  TeesqlMessage message;
  TeesqlErrorFields fields;
  guint32 found = 0;

  if (!wire_next (wire, &message, error))
    return FALSE;
  if (message.type == 'E' && teesql_message_parse_error (&message.body, &fields, error))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_REFUSED, "login", 0, "%s %s", fields.sqlstate,
                                                  fields.message));
      return FALSE;
    }
  if (message.type != 'R' || !teesql_message_parse_authentication (&message.body, &found, out_data, error) || found != kind)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "message %c %u, expected R %u", message.type, found, kind);
      return FALSE;
    }
  return TRUE;
}

static gboolean
wire_scram (Wire *wire, TeesqlRoleKeys *role_keys, const char *role, gboolean *out_cached, GError **error)
{
  g_autofree char *nonce = teesql_scram_nonce ();
  g_autoptr (TeesqlScramClient) client = teesql_scram_client_new (nonce, NULL, 0);
  g_autofree char *first = teesql_scram_client_first (client);
  g_autofree char *final = NULL;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (TeesqlSecret) keys = NULL;
  TeesqlCursor data;
  const guint8 *salt = NULL;
  gsize salt_size = 0;
  guint rounds = 0;

  teesql_message_sasl_initial (out, "SCRAM-SHA-256", first, strlen (first));
  if (!wire_send (wire, out, error) || !wire_expect (wire, TEESQL_AUTHENTICATION_SASL_CONTINUE, &data, error) ||
      !teesql_scram_client_take_first (client, (const char *) teesql_cursor_peek (&data), teesql_cursor_remaining (&data), error))
    return FALSE;
  salt = teesql_scram_client_get_salt (client, &salt_size, &rounds);
  keys = teesql_role_keys_lookup (role_keys, role, salt, salt_size, rounds);
  *out_cached = keys != NULL;
  if (keys == NULL)
    keys = teesql_role_keys_get (role_keys, role, salt, salt_size, rounds, error);
  final = keys != NULL ? teesql_scram_client_final (client, keys, error) : NULL;
  if (final == NULL)
    return FALSE;
  g_byte_array_set_size (out, 0);
  teesql_message_sasl_response (out, final, strlen (final));
  return wire_send (wire, out, error) && wire_expect (wire, TEESQL_AUTHENTICATION_SASL_FINAL, &data, error) &&
         teesql_scram_client_check_final (client, (const char *) teesql_cursor_peek (&data), teesql_cursor_remaining (&data), error) &&
         wire_expect (wire, TEESQL_AUTHENTICATION_OK, &data, error);
}

/* to ReadyForQuery. Returns: whether a cancel key came on the way */
static gboolean
wire_wait_ready (Wire *wire, gboolean *out_key, GError **error)
{
  TeesqlMessage message;

  while (wire_next (wire, &message, error))
    {
      guint32 pid = 0;
      const guint8 *key = NULL;
      gsize key_size = 0;

      if (message.type == 'K')
        *out_key = teesql_message_parse_backend_key (&message.body, &pid, &key, &key_size, NULL) && pid > 0;
      if (message.type == 'Z')
        return TRUE;
    }
  return FALSE;
}

static gboolean
driver_login (Driver *self, Wire *wire, gboolean *out_cached, gboolean *out_key, GError **error)
{
  const char *role = self->command[1];
  gboolean replicates = g_str_equal (self->command[2], "replication");
  const char *const pairs[] = { "user", role, replicates ? "replication" : "database", replicates ? "true" : self->command[2], NULL };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  socklen_t size = 0;
  const struct sockaddr *address = teesql_backend_get_sockaddr (self->backend, &size);
  gboolean scram = FALSE;
  gboolean plus = FALSE;
  TeesqlCursor data;

  wire->fd = socket (address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (wire->fd < 0 || connect (wire->fd, address, size) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "connect: %s", g_strerror (errno));
      return FALSE;
    }
  teesql_message_startup (out, pairs);
  return wire_send (wire, out, error) && wire_expect (wire, TEESQL_AUTHENTICATION_SASL, &data, error) &&
         teesql_message_parse_mechanisms (&data, &scram, &plus, error) && scram && !plus &&
         wire_scram (wire, teesql_backend_get_role_keys (self->backend), role, out_cached, error) && wire_wait_ready (wire, out_key, error);
}

static void
run_login (Driver *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  Wire wire = { .fd = -1, .in = g_byte_array_new () };
  gboolean cached = FALSE;
  gboolean key = FALSE;

  if (driver_login (self, &wire, &cached, &key, &error))
    {
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "cached");
      json_builder_add_boolean_value (builder, cached);
      json_builder_set_member_name (builder, "cancel_key");
      json_builder_add_boolean_value (builder, key);
      json_builder_end_object (builder);
      print_json (builder);
    }
  else
    print_error (self, error);
  if (wire.fd >= 0)
    close (wire.fd);
  g_byte_array_unref (wire.in);
  g_main_loop_quit (self->loop);
}

/* -- provision and state ---------------------------------------------------------------------------------------- */

static void
print_provisioned (Driver *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *status = teesql_status_render_json (self->status);

  json_builder_begin_object (builder);
  add_string (builder, "address", teesql_backend_describe (self->backend));
  json_builder_set_member_name (builder, "changes");
  json_builder_begin_array (builder);
  for (guint i = 0; self->changes[i] != NULL; i++)
    json_builder_add_string_value (builder, self->changes[i]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "status");
  json_builder_add_value (builder, json_from_string (status, NULL));
  json_builder_end_object (builder);
  print_json (builder);
}

static void
on_provisioned (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Driver *self = user_data;
  g_autoptr (GError) error = NULL;

  self->backend = teesql_postgres_provision_finish (self->postgres, result, &self->changes, &error);
  if (self->backend == NULL)
    {
      print_error (self, error);
      g_main_loop_quit (self->loop);
    }
  else if (g_str_equal (self->command[0], "login"))
    run_login (self);
  else
    {
      print_provisioned (self);
      g_main_loop_quit (self->loop);
    }
}

static void on_state (GObject *source, GAsyncResult *result, gpointer user_data);

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Driver *self = user_data;
  g_autofree char *line = g_data_input_stream_read_line_finish (self->input, result, NULL, NULL);

  if (line == NULL)
    g_main_loop_quit (self->loop);
  else
    teesql_postgres_read_state_async (self->postgres, NULL, on_state, self);
}

static void
on_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Driver *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlPostgresState) state = teesql_postgres_read_state_finish (self->postgres, result, &error);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *identifier = NULL;

  if (state == NULL)
    print_error (self, error);
  else
    {
      identifier = g_strdup_printf ("%" G_GUINT64_FORMAT, state->system_identifier);
      json_builder_begin_object (builder);
      add_string (builder, "wal_lsn", state->wal_lsn);
      add_string (builder, "version", state->version);
      add_string (builder, "system_identifier", identifier);
      json_builder_set_member_name (builder, "in_recovery");
      json_builder_add_boolean_value (builder, state->in_recovery);
      json_builder_end_object (builder);
      print_json (builder);
    }
  g_data_input_stream_read_line_async (self->input, G_PRIORITY_DEFAULT, NULL, on_line, self);
}

static void
on_provisioned_for_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Driver *self = user_data;
  g_autoptr (GError) error = NULL;

  self->backend = teesql_postgres_provision_finish (self->postgres, result, NULL, &error);
  if (self->backend != NULL)
    {
      teesql_postgres_read_state_async (self->postgres, NULL, on_state, self);
      return;
    }
  print_error (self, error);
  g_main_loop_quit (self->loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = argc > 4 ? teesql_config_load (TEESQL_CONFIG_DAEMON, argv[1], &error) : NULL;
  g_autofree char *text = NULL;
  g_autoptr (TeesqlSecret) password = NULL;
  g_autoptr (TeesqlSecret) roles_key = argc > 4 ? teesql_secret_new_from_hex (argv[3], -1, &error) : NULL;
  g_autoptr (GInputStream) standard_input = g_unix_input_stream_new (0, FALSE);
  Driver self = { .command = argv + 4, .input = g_data_input_stream_new (standard_input) };

  if (config == NULL || roles_key == NULL || !g_file_get_contents (argv[2], &text, NULL, &error))
    {
      fprintf (stderr, "postgres-driver: %s\n", error != NULL ? error->message : "CONFIG PASSWORD-FILE ROLES-KEY-HEX COMMAND…");
      return 2;
    }
  g_strchomp (text);
  password = *text != '\0' ? teesql_secret_new ((const guint8 *) text, strlen (text), NULL) : NULL;
  self.loop = g_main_loop_new (NULL, FALSE);
  self.status = teesql_status_new ();
  self.postgres = teesql_postgres_new (config, self.status);
  teesql_postgres_provision_async (self.postgres, password, roles_key, NULL,
                                   g_str_equal (argv[4], "state") ? on_provisioned_for_state : on_provisioned, &self);
  g_main_loop_run (self.loop);
  if (self.failed && self.backend == NULL)
    {
      g_autofree char *status = teesql_status_render_json (self.status);

      puts (status);
    }
  g_strfreev (self.changes);
  g_clear_pointer (&self.backend, teesql_backend_unref);
  g_clear_object (&self.postgres);
  g_clear_object (&self.status);
  g_clear_object (&self.input);
  g_main_loop_unref (self.loop);
  return self.failed ? 1 : 0;
}
