#include "postgres/teesql-backend.h"
#include "base/teesql-domains.h"
#include <netinet/in.h>
#include <sys/un.h>

/* Either the configuration or the backend says no: which of them first does not matter here. */
static TeesqlBackend *
backend_for (const char *host, GError **error)
{
  g_autofree char *text =
      g_strdup_printf ("[teesql]\ncluster = c\n[auth]\nscram-salt = AAAAAAAAAAAAAAAAAAAAAA==\n[postgresql]\nhost = %s\nport = 5999\n",
                       host);
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "test.conf", text, strlen (text), error);
  g_autoptr (TeesqlRoleKeys) keys = teesql_role_keys_new ();

  return config != NULL ? teesql_backend_new (config, keys, error) : NULL;
}

static void
test_socket (void)
{
  g_autoptr (TeesqlBackend) backend = backend_for ("/run/postgresql", NULL);
  socklen_t size = 0;
  const struct sockaddr *address = teesql_backend_get_sockaddr (backend, &size);

  g_assert_cmpint (address->sa_family, ==, AF_UNIX);
  g_assert_cmpuint (size, ==, sizeof (struct sockaddr_un));
  g_assert_true (teesql_backend_is_local (backend));
  g_assert_cmpstr (teesql_backend_describe (backend), ==, "/run/postgresql/.s.PGSQL.5999");
  g_assert_nonnull (teesql_backend_get_role_keys (backend));
}

static void
test_loopback (void)
{
  g_autoptr (TeesqlBackend) v4 = backend_for ("127.0.0.1", NULL);
  g_autoptr (TeesqlBackend) v6 = backend_for ("::1", NULL);
  socklen_t size = 0;

  g_assert_cmpint (teesql_backend_get_sockaddr (v4, &size)->sa_family, ==, AF_INET);
  g_assert_cmpuint (size, ==, sizeof (struct sockaddr_in));
  g_assert_cmpstr (teesql_backend_describe (v4), ==, "127.0.0.1:5999");
  g_assert_false (teesql_backend_is_local (v4));
  g_assert_cmpint (teesql_backend_get_sockaddr (v6, &size)->sa_family, ==, AF_INET6);
  g_assert_cmpuint (size, ==, sizeof (struct sockaddr_in6));
  g_assert_cmpstr (teesql_backend_describe (v6), ==, "[::1]:5999");
}

static void
test_refuses_others (void)
{
  static const char *const hosts[] = {
    "10.0.0.1",
    "0.0.0.0",
    "::",
    "localhost",
    "db.example.org",
    "run/postgresql",
    "/a/folder/whose/name/is/so/long/that/no/socket/in/it/could/ever/be/bound/because/the/kernel/takes/107/bytes",
  };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", hosts[i]);
      g_assert_null (backend_for (hosts[i], &error));
      g_assert_nonnull (error);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/backend/reaches-a-socket", test_socket);
  g_test_add_func ("/postgres/backend/reaches-loopback", test_loopback);
  g_test_add_func ("/postgres/backend/refuses-what-is-not-on-this-machine", test_refuses_others);
  return g_test_run ();
}
