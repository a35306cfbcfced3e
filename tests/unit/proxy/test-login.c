/* What stands between the verdict and PostgreSQL, without a socket. */
#include "proxy/teesql-cancel-table.h"
#include "proxy/teesql-startup-options.h"

#include <string.h>
#include <teesql/teesql-error.h>

static void
test_cancel_keys (void)
{
  g_autoptr (TeesqlCancelTable) table = teesql_cancel_table_new ();
  TeesqlCancelTarget target = { .pid = 77, .key = { 1, 2, 3, 4 }, .key_size = 4 };
  TeesqlCancelTarget found = { 0 };
  guint32 pid;
  guint32 other;
  guint8 key[TEESQL_CANCEL_KEY_SIZE];
  guint8 other_key[TEESQL_CANCEL_KEY_SIZE];

  teesql_cancel_table_add (table, &target, &pid, key);
  teesql_cancel_table_add (table, &target, &other, other_key);
  g_assert_cmpuint (pid, !=, other);
  g_assert_true (teesql_cancel_table_lookup (table, pid, key, sizeof key, &found));
  g_assert_cmpuint (found.pid, ==, 77);
  g_assert_cmpuint (found.key_size, ==, 4);
  g_assert_false (teesql_cancel_table_lookup (table, pid, other_key, sizeof other_key, &found));
  g_assert_false (teesql_cancel_table_lookup (table, pid, key, 3, &found));
  g_assert_false (teesql_cancel_table_lookup (table, 77, target.key, 4, &found)); /* PostgreSQL's own pair means nothing here */
  teesql_cancel_table_remove (table, pid);
  g_assert_false (teesql_cancel_table_lookup (table, pid, key, sizeof key, &found));
  g_assert_true (teesql_cancel_table_lookup (table, other, other_key, sizeof other_key, &found));
}

static char *
pick (const char *name, const char *value, GError **error)
{
  TeesqlStartup startup = { .kind = TEESQL_STARTUP_MESSAGE, .user = "u", .database = "d", .n_parameters = 1 };
  g_autoptr (GPtrArray) pairs = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  startup.parameters[0] = (TeesqlStartupParameter){ name, value };
  pairs = teesql_startup_options_pick (&startup, error);
  if (pairs == NULL)
    return NULL;
  for (guint i = 4; pairs->pdata[i] != NULL; i += 2)
    g_string_append_printf (text, "%s=%s;", (char *) pairs->pdata[i], (char *) pairs->pdata[i + 1]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_options_taken (void)
{
  static const char *const good[][3] = {
    { "application_name", "x", "application_name=x;" },
    { "DateStyle", "ISO", "DateStyle=ISO;" },
    { "replication", "database", "replication=database;" },
    { "options", "", "" },
    { "options", "-c statement_timeout=5", "statement_timeout=5;" },
    { "options", "-cstatement_timeout=5  --lock-timeout=7", "statement_timeout=5;lock_timeout=7;" },
    { "options", "-c search_path=a\\ b\\\\", "search_path=a b\\;" },
    { "_pq_.x", "y", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = pick (good[i][0], good[i][1], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (text, ==, good[i][2]);
    }
}

static void
test_options_refused (void)
{
  static const char *const bad[][2] = {
    { "role", "postgres" },
    { "ROLE", "postgres" },
    { "session_authorization", "postgres" },
    { "local_preload_libraries", "x" },
    { "options", "-c role=postgres" },
    { "options", "--session-authorization=postgres" },
    { "options", "-c statement_timeout=1 -c session_replication_role=replica" },
    { "options", "-c" },
    { "options", "-d 5" },
    { "options", "statement_timeout=5" },
    { "options", "-c\\ role=postgres" },
    { "options", "--" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = pick (bad[i][0], bad[i][1], &error);

      g_assert_null (text);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "startup-option");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/login/cancel-keys-are-ours-and-exact", test_cancel_keys);
  g_test_add_func ("/proxy/login/allowed-startup-options-pass", test_options_taken);
  g_test_add_func ("/proxy/login/other-startup-options-are-refused", test_options_refused);
  return g_test_run ();
}
