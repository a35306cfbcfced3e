#include "postgres/teesql-pg-start.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include <string.h>

#define SQLSTATE_SIZE    5
#define NO_PASSWORD_FILE "/nonexistent"
#define MAX_OPTIONS      24

typedef struct
{
  const char *names[MAX_OPTIONS + 1];
  const char *values[MAX_OPTIONS + 1];
  guint n;
} StartOptions;

static void
options_add (StartOptions *self, const char *name, const char *value)
{
  g_return_if_fail (self->n < MAX_OPTIONS);

  self->names[self->n] = name;
  self->values[self->n++] = value;
}

static void
options_add_common (StartOptions *self, const char *host, const char *port)
{
  options_add (self, "host", host);
  if (!g_path_is_absolute (host))
    options_add (self, "hostaddr", host); /* no resolver */
  options_add (self, "port", port);
  options_add (self, "passfile", NO_PASSWORD_FILE);
  options_add (self, "sslmode", "disable");
  options_add (self, "gssencmode", "disable");
  options_add (self, "client_encoding", "UTF8");
  options_add (self, "target_session_attrs", "any");
  options_add (self, "tcp_user_timeout", "30000");
}

/* libpq wants a C string: it stands in locked memory for as long as the call takes. */
static PGconn *
start_with_secret (StartOptions *options, TeesqlSecret *password, GError **error)
{
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (password, &size);
  guint8 *text = teesql_locked_alloc (size + 1, error);
  PGconn *conn = NULL;

  if (text == NULL)
    return NULL;
  for (gsize i = 0; i < size; i++)
    text[i] = bytes[i];
  options_add (options, "password", (const char *) text);
  /* whoever stands there while PostgreSQL is down could ask for the password itself; libpq 15 has no way to refuse that */
  if (PQlibVersion () >= 160000)
    options_add (options, "require_auth", "scram-sha-256,none");
  conn = PQconnectStartParams (options->names, options->values, 0);
  teesql_locked_free (text, size + 1);
  return conn;
}

/* Most of libpq's variables are overruled by parameters; some (PGHOSTADDR, PGSERVICE) cannot be, since empty means unset there.
 * Programs build their environment at start (SR-14), so one that is here now was put there by a mistake in ours. */
static const char *
find_libpq_variable (void)
{
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    if (g_str_has_prefix (names[i], "PG") && !g_str_equal (names[i], "PGDATA"))
      return g_intern_string (names[i]);
  return NULL;
}

PGconn *
teesql_pg_start (const char *host, guint port, const char *const *names, const char *const *values, TeesqlSecret *password, GError **error)
{
  g_autofree char *port_text = g_strdup_printf ("%u", port);
  const char *variable = find_libpq_variable ();
  g_autoptr (GError) local_error = NULL;
  StartOptions options = { .n = 0 };
  PGconn *conn = NULL;

  if (variable != NULL)
    {
      teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_CONFIG, "postgres-environment",
                   "the variable %s would steer libpq\nhint: unset it", variable);
      return NULL;
    }
  options_add_common (&options, host, port_text);
  for (guint i = 0; names[i] != NULL; i++)
    options_add (&options, names[i], values[i]);
  conn = password != NULL ? start_with_secret (&options, password, &local_error) : PQconnectStartParams (options.names, options.values, 0);
  if (conn == NULL && local_error == NULL)
    teesql_fail (&local_error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "postgres-memory", "libpq has no memory");
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return conn;
}

/* As in `FATAL:  28P01: password …` */
char *
teesql_pg_find_sqlstate (const char *message, const char **out_text)
{
  for (const char *at = strstr (message, ":  "); at != NULL; at = strstr (at + 1, ":  "))
    {
      const char *code = at + 3;
      gsize n = strspn (code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

      if (n == SQLSTATE_SIZE && g_str_has_prefix (code + n, ": "))
        {
          *out_text = code + n + 2;
          return g_strndup (code, n);
        }
    }
  *out_text = message;
  return NULL;
}
