#include "postgres/teesql-postgres-facts.h"
#include "postgres/teesql-postgres-plan.h"
#include "base/teesql-domains.h"

static void
assert_listens_beyond (GError *error)
{
  g_assert_error (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "postgres-listens-beyond-loopback");
  g_assert_nonnull (strstr (error->message, "\nhint: "));
}

static void
test_version (void)
{
  static const char *const others[] = { "150020", "160000", "180001", "169999", "", "x", "-170000", "17" };
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_postgres_check_version ("170011", "17.11", NULL));
  g_assert_true (teesql_postgres_check_version ("170000", "17.0", NULL));
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_clear_error (&error);
      g_assert_false (teesql_postgres_check_version (others[i], "15.20", &error));
      g_assert_error (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNSUPPORTED);
      g_assert_cmpstr (error->message, ==, "PostgreSQL 15.20 is not supported, expected 17");
    }
}

static void
test_addresses (void)
{
  static const struct
  {
    const char *setting;
    gboolean taken;
    gboolean named;
  } cases[] = {
    { "", TRUE, FALSE },
    { "127.0.0.1", TRUE, FALSE },
    { "127.8.9.10, ::1", TRUE, FALSE },
    { "localhost", TRUE, TRUE },
    { " \"localhost\" , 127.0.0.1 ", TRUE, TRUE },
    { "db.example.org", TRUE, TRUE }, /* the sockets decide */
    { "*", FALSE, FALSE },
    { "\"*\"", FALSE, FALSE },
    { "0.0.0.0", FALSE, FALSE },
    { "::", FALSE, FALSE },
    { "10.0.0.1", FALSE, FALSE },
    { "localhost,192.168.1.1", FALSE, FALSE },
    { "::ffff:127.0.0.1", FALSE, FALSE },
    { "fe80::1", FALSE, FALSE },
    { "128.0.0.1", FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean named = FALSE;
      gboolean taken = teesql_postgres_check_addresses (cases[i].setting, &named, &error);

      g_test_message ("%s", cases[i].setting);
      g_assert_cmpint (taken, ==, cases[i].taken);
      if (taken)
        g_assert_cmpint (named, ==, cases[i].named);
      else
        assert_listens_beyond (error);
    }
}

#define ROW(address, state, uid)                                                                                                           \
  "   0: " address ":1538 00000000:0000 " state " 00000000:00000000 00:00000000 00000000   " uid "        0 75772 1 0 100 0 0 10 0"

static void
test_sockets (void)
{
  static const struct
  {
    const char *rows;
    gboolean taken;
  } cases[] = {
    { "", TRUE },
    { ROW ("0100007F", "0A", "101"), TRUE },
    { ROW ("0200007F", "0A", "101") "\n" ROW ("00000000000000000000000001000000", "0A", "101"), TRUE },
    { ROW ("0000000000000000FFFF00000100007F", "0A", "101"), TRUE },
    { ROW ("00000000", "0A", "101"), FALSE },
    { ROW ("0100007F", "0A", "101") "\n" ROW ("0100000A", "0A", "101"), FALSE },
    { ROW ("00000000000000000000000000000000", "0A", "101"), FALSE },
    { ROW ("0000000000000000FFFF00000100000A", "0A", "101"), FALSE },
    { ROW ("B80D01200000000000000000000001000", "0A", "101"), FALSE }, /* no address: not believed */
    { ROW ("0100007", "0A", "101"), FALSE },
    { ROW ("00000000", "01", "101"), TRUE },  /* a connection */
    { ROW ("00000000", "0A", "1000"), TRUE }, /* somebody else's */
    { "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", cases[i].rows);
      g_assert_cmpint (teesql_postgres_check_sockets (cases[i].rows, 5432, 101, TRUE, &error), ==, cases[i].taken);
      if (!cases[i].taken)
        assert_listens_beyond (error);
      g_assert_true (teesql_postgres_check_sockets (cases[i].rows, 5433, 101, TRUE, NULL)); /* another server's port */
    }
}

static void
test_unreadable_sockets (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_postgres_check_sockets (NULL, 5432, 0, FALSE, NULL)); /* literal addresses spoke for themselves */
  g_assert_false (teesql_postgres_check_sockets (NULL, 5432, 0, TRUE, &error));
  assert_listens_beyond (error);
}

static void
test_array (void)
{
  static const char *const items[] = { "plain", "a \"b\" \\ c", NULL, "", "NULL", "x,{y}" };
  g_autofree char *text = teesql_pg_array (items, G_N_ELEMENTS (items));
  g_autofree char *empty = teesql_pg_array (NULL, 0);

  g_assert_cmpstr (text, ==, "{\"plain\",\"a \\\"b\\\" \\\\ c\",NULL,\"\",\"NULL\",\"x,{y}\"}");
  g_assert_cmpstr (empty, ==, "{}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/facts/takes-version-17-only", test_version);
  g_test_add_func ("/postgres/facts/refuses-addresses-beyond-loopback", test_addresses);
  g_test_add_func ("/postgres/facts/refuses-sockets-beyond-loopback", test_sockets);
  g_test_add_func ("/postgres/facts/a-name-needs-readable-sockets", test_unreadable_sockets);
  g_test_add_func ("/postgres/facts/quotes-array-elements", test_array);
  return g_test_run ();
}
