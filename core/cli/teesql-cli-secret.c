#include "cli/teesql-cli.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "config/teesql-config.h"
#include "keys/teesql-keys.h"
#include "pgwire/teesql-scram.h"
#include "teesql-build.h"

#include <gnutls/crypto.h>
#include <unistd.h>

#define SECRET_SIZE 32
#define DAEMON_FILE TEESQL_SYSCONFDIR "/teesql/teesqld.conf"
#define SALT_OPTION "new"

/* What every verifier of a cluster shares: the server shows salt and rounds before it knows which secret comes. */
typedef struct
{
  guint8 salt[TEESQL_SCRAM_SALT_SIZE];
  guint iterations;
  gboolean drawn;
} Cluster;

typedef struct
{
  char *role;
  char *salt;
  int iterations;
  char *out;
} Options;

static gboolean
fill_random (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  int result = gnutls_rnd (GNUTLS_RND_KEY, out, size);

  if (result >= 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no random bytes: %s", gnutls_strerror (result));
  return FALSE;
}

static gboolean
take_salt (const char *text, Cluster *cluster, GError **error)
{
  g_autoptr (GError) inner = NULL;
  g_autoptr (GBytes) salt = teesql_base64_decode (text, -1, &inner);
  gsize size = 0;
  const guint8 *data = salt != NULL ? g_bytes_get_data (salt, &size) : NULL;

  if (size != sizeof cluster->salt)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "the salt is not base64 of %d bytes", TEESQL_SCRAM_SALT_SIZE);
      return FALSE;
    }
  for (gsize i = 0; i < size; i++)
    cluster->salt[i] = data[i];
  return TRUE;
}

static gboolean
draw_salt (Cluster *cluster, GError **error)
{
  cluster->drawn = TRUE;
  return fill_random (cluster->salt, sizeof cluster->salt, NULL, error);
}

static gboolean
read_daemon_file (const char *path, Cluster *cluster, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, path, error);

  if (config == NULL)
    {
      g_prefix_error (error, "%s gives no salt: ", path);
      return FALSE;
    }
  cluster->iterations = (guint) teesql_config_get_integer (config, "auth", "scram-iterations");
  return take_salt (teesql_config_get_string (config, "auth", "scram-salt"), cluster, error);
}

static gboolean
find_cluster (const TeesqlCliGlobals *globals, const Options *options, Cluster *out, GError **error)
{
  const char *file = globals->config_path;
  gboolean found = FALSE;

  if (file == NULL && g_file_test (DAEMON_FILE, G_FILE_TEST_EXISTS))
    file = DAEMON_FILE;
  if (options->salt != NULL)
    found = strcmp (options->salt, SALT_OPTION) == 0 ? draw_salt (out, error) : take_salt (options->salt, out, error);
  else if (file != NULL)
    found = read_daemon_file (file, out, error);
  else
    found = draw_salt (out, error);
  if (!found)
    return FALSE;
  if (options->iterations != 0)
    out->iterations = (guint) options->iterations;
  if (out->iterations >= TEESQL_SCRAM_MIN_ITERATIONS && out->iterations <= TEESQL_SCRAM_MAX_ITERATIONS)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "rounds are %d to %d", TEESQL_SCRAM_MIN_ITERATIONS,
               TEESQL_SCRAM_MAX_ITERATIONS);
  return FALSE;
}

static char *
make_verifier (TeesqlSecret *secret, const Cluster *cluster, GError **error)
{
  TeesqlScramVerifier verifier = { 0 };
  g_autoptr (TeesqlSecret) keys = teesql_scram_keys_new (secret, cluster->salt, sizeof cluster->salt, cluster->iterations, error);

  if (keys == NULL)
    return NULL;
  teesql_scram_keys_to_verifier (keys, cluster->salt, sizeof cluster->salt, cluster->iterations, &verifier);
  return teesql_scram_verifier_format (&verifier);
}

/* Straight from locked memory: stdio would keep a copy. */
static gboolean
print_secret (TeesqlSecret *secret, GError **error)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (secret, &size);

  if (write (STDOUT_FILENO, "secret = ", 9) == 9 && write (STDOUT_FILENO, data, size) == (gssize) size &&
      write (STDOUT_FILENO, "\n", 1) == 1)
    return TRUE;
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_IO, "cannot write to standard output");
  return FALSE;
}

static void
print_json (const Options *options, const Cluster *cluster, const char *verifier)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();
  g_autofree char *salt = teesql_base64_encode (cluster->salt, sizeof cluster->salt);

  teesql_cli_json_text (builder, "role", options->role);
  teesql_cli_json_text (builder, "secret_file", options->out);
  teesql_cli_json_text (builder, "secret_verifier", verifier);
  teesql_cli_json_text (builder, "scram_salt", salt);
  json_builder_set_member_name (builder, "scram_iterations");
  json_builder_add_int_value (builder, cluster->iterations);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static void
print_keyfile (const Options *options, const Cluster *cluster, const char *verifier)
{
  g_autofree char *salt = teesql_base64_encode (cluster->salt, sizeof cluster->salt);

  if (cluster->drawn)
    g_print ("# a new salt: the same [auth] belongs to every role of the cluster (--scram-salt %s)\n[auth]\nscram-salt = "
             "%s\nscram-iterations = %u\n\n",
             salt, salt, cluster->iterations);
  g_print ("[role:%s]\nsecret-verifier = %s\n", options->role, verifier);
}

static int
make_secret (const TeesqlCliGlobals *globals, const Options *options)
{
  GError *error = NULL;
  Cluster cluster = { .iterations = TEESQL_SCRAM_MIN_ITERATIONS };
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlSecret) secret = NULL;
  g_autofree char *verifier = NULL;
  gsize size = 0;

  if (!find_cluster (globals, options, &cluster, &error))
    return teesql_cli_fail (error);
  key = teesql_secret_new_fill (SECRET_SIZE, fill_random, NULL, &error);
  secret = key != NULL ? teesql_keys_password_form (key, &error) : NULL;
  verifier = secret != NULL ? make_verifier (secret, &cluster, &error) : NULL;
  if (verifier == NULL)
    return teesql_cli_fail (error);
  if (options->out != NULL
          ? !teesql_cli_write_private (options->out, teesql_secret_peek (secret, &size), teesql_secret_get_size (secret), &error)
          : !print_secret (secret, &error))
    return teesql_cli_fail (error);
  if (globals->json)
    print_json (options, &cluster, verifier);
  else
    print_keyfile (options, &cluster, verifier);
  return TEESQL_EXIT_OK;
}

static gboolean
role_is_name (const char *role)
{
  gsize size = strspn (role, "abcdefghijklmnopqrstuvwxyz0123456789_");

  return size > 0 && size <= 63 && role[size] == '\0' && (g_ascii_islower (role[0]) || role[0] == '_');
}

static int
run_new (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_autofree char *role = NULL;
  g_autofree char *salt = NULL;
  g_autofree char *out = NULL;
  Options options = { 0 };
  GError *error = NULL;
  const GOptionEntry entries[] = {
    { "role", 0, 0, G_OPTION_ARG_STRING, &role, "Database role that the secret opens", "ROLE" },
    { "scram-salt", 0, 0, G_OPTION_ARG_STRING, &salt, "Salt of the cluster, instead of that in teesqld.conf; `new` draws one", "BASE64" },
    { "iterations", 0, 0, G_OPTION_ARG_INT, &options.iterations, "Rounds of the cluster", "N" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out, "Write the secret to this new file (0600) instead of standard output", "FILE" },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse ("secret new --role ROLE",
                         "Draws a secret of 256 bits and prints the verifier line for [role:ROLE] of teesqld.conf.\n"
                         "Salt and rounds come from --config teesqld.conf, or from " DAEMON_FILE " where it exists.",
                         entries, &argc, &argv, &error))
    return teesql_cli_fail (error);
  options.role = role;
  options.salt = salt;
  options.out = out;
  if (argc > 1)
    return teesql_cli_usage_error ("secret new: %s is not expected", argv[1]);
  if (role == NULL || !role_is_name (role))
    return teesql_cli_usage_error ("secret new: --role names a database role in lower case letters, digits and underscores");
  if (globals->json && out == NULL)
    return teesql_cli_usage_error ("secret new: --json needs --out, since no secret is written into JSON");
  return make_secret (globals, &options);
}

int
teesql_cli_run_secret (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  static const TeesqlCliCommand verbs[] = { { "new", "draw a secret and print its verifier", run_new } };

  return teesql_cli_dispatch (verbs, G_N_ELEMENTS (verbs), "secret ", globals, argc, argv);
}
