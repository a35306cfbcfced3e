/* A program that begins as all of ours do, and then does what hostile variables wait for: a TLS session and a look for GIO
 * modules. It prints what it has become. `--raw` leaves the first statement out: that the traps work must be shown, too. */
#include "base/teesql-environment.h"
#include <gnutls/gnutls.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
add_strv (JsonBuilder *builder, const char *name, const char *const *texts)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (gsize i = 0; texts[i] != NULL; i++)
    json_builder_add_string_value (builder, texts[i]);
  json_builder_end_array (builder);
}

static void
add_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

/* As the kernel shows it to others: the memory that was the environment at the last exec. */
static void
add_shown (JsonBuilder *builder)
{
  g_autofree char *data = NULL;
  gsize size = 0;

  json_builder_set_member_name (builder, "shown");
  json_builder_begin_array (builder);
  if (g_file_get_contents ("/proc/self/environ", &data, &size, NULL))
    {
      for (gsize i = 0; i < size; i += strlen (data + i) + 1)
        {
          if (data[i] != '\0')
            json_builder_add_string_value (builder, data + i);
        }
    }
  json_builder_end_array (builder);
}

static gnutls_session_t
make_session (guint flags, int fd, gnutls_credentials_type_t type, gpointer credentials)
{
  gnutls_session_t session = NULL;

  g_assert (gnutls_init (&session, flags | GNUTLS_NONBLOCK) == 0);
  g_assert (gnutls_priority_set_direct (session, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH", NULL) == 0);
  g_assert (gnutls_credentials_set (session, type, credentials) == 0);
  gnutls_transport_set_int (session, fd);
  return session;
}

/* A handshake with itself: enough for GnuTLS to write its secrets down, were it told to. */
static void
speak_tls (void)
{
  gnutls_anon_server_credentials_t server_credentials = NULL;
  gnutls_anon_client_credentials_t client_credentials = NULL;
  gnutls_session_t server = NULL;
  gnutls_session_t client = NULL;
  int ends[2];
  int a = GNUTLS_E_AGAIN;
  int b = GNUTLS_E_AGAIN;

  g_assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  g_assert (gnutls_anon_allocate_server_credentials (&server_credentials) == 0);
  g_assert (gnutls_anon_allocate_client_credentials (&client_credentials) == 0);
  server = make_session (GNUTLS_SERVER, ends[0], GNUTLS_CRD_ANON, server_credentials);
  client = make_session (GNUTLS_CLIENT, ends[1], GNUTLS_CRD_ANON, client_credentials);
  while (a == GNUTLS_E_AGAIN || b == GNUTLS_E_AGAIN)
    {
      a = a == 0 ? 0 : gnutls_handshake (client);
      b = b == 0 ? 0 : gnutls_handshake (server);
    }
  g_assert (a == 0 && b == 0);
  gnutls_deinit (client);
  gnutls_deinit (server);
  gnutls_anon_free_client_credentials (client_credentials);
  gnutls_anon_free_server_credentials (server_credentials);
  close (ends[0]);
  close (ends[1]);
}

static const char *
find_argument (char **argv, const char *option)
{
  for (gsize i = 1; argv[i] != NULL; i++)
    {
      if (g_str_equal (argv[i], option))
        return argv[i + 1] != NULL ? argv[i + 1] : "";
    }
  return NULL;
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *comm = NULL;
  g_autofree char *taken = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) environ_now = NULL;
  g_auto (GStrv) caller = NULL;

  if (argc < 2 || strcmp (argv[1], "--raw") != 0)
    teesql_environment_rebuild (argc, argv);
  builder = json_builder_new ();
  g_type_ensure (G_TYPE_OBJECT);
  (void) g_tls_backend_get_default (); /* has GIO look for modules */
  speak_tls ();
  if (find_argument (argv, "--take") != NULL)
    taken = teesql_environment_take (find_argument (argv, "--take"));
  environ_now = g_get_environ ();
  caller = teesql_environment_get_caller ();
  g_file_get_contents ("/proc/self/comm", &comm, NULL, NULL);
  json_builder_begin_object (builder);
  add_strv (builder, "environment", (const char *const *) environ_now);
  add_shown (builder);
  add_strv (builder, "dropped", teesql_environment_get_dropped ());
  add_strv (builder, "caller", (const char *const *) caller);
  add_strv (builder, "argv", (const char *const *) argv);
  add_text (builder, "comm", comm);
  add_text (builder, "taken", taken);
  json_builder_set_member_name (builder, "pid");
  json_builder_add_int_value (builder, getpid ());
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  printf ("%s\n", text);
  return 0;
}
