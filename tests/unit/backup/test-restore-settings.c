#include "backup/teesql-restore-plan.h"
#include "backup/teesql-restore-settings.h"

#include <string.h>

static void
expect_edit (const char *text, const char *base, const char *expected, const char *removed)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *edited = teesql_restore_settings_edit (text, base, list);
  const char *comment_end = NULL;
  g_autofree char *joined = NULL;
  g_autoptr (GString) found = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    g_string_append_printf (found, "%s%s", i > 0 ? ", " : "", (const char *) list->pdata[i]);
  g_assert_cmpstr (found->str, ==, removed);
  comment_end = strstr (edited, "# teesql restore");
  g_assert_nonnull (comment_end);
  joined = g_strdup_printf ("%.*s%s", (int) (comment_end - edited), edited, strchr (comment_end, '\n') + 1);
  g_assert_cmpstr (joined, ==, expected);
}

static void
test_auto (void)
{
  expect_edit ("work_mem = '4MB'\nprimary_conninfo = 'host=old'\n", NULL, "work_mem = '4MB'\n", "primary_conninfo (postgresql.auto.conf)");
  expect_edit ("  Archive_Command 'x'\nRECOVERY_TARGET_TIME='now'", NULL, "",
               "archive_command (postgresql.auto.conf), recovery_target_time (postgresql.auto.conf)");
  expect_edit ("# primary_conninfo = 'x'\nprimary_conninfo_x = 1\n", NULL, "# primary_conninfo = 'x'\nprimary_conninfo_x = 1\n", "");
  expect_edit (NULL, NULL, "", "");
}

static void
test_listen (void)
{
  expect_edit ("listen_addresses = '*'\n", NULL, "", "listen_addresses (postgresql.auto.conf)");
  expect_edit ("listen_addresses = 'localhost, 10.0.0.1'\n", NULL, "", "listen_addresses (postgresql.auto.conf)");
  expect_edit ("listen_addresses = 'localhost'\n", NULL, "listen_addresses = 'localhost'\n", "");
  expect_edit ("listen_addresses = '' # none\n", NULL, "listen_addresses = '' # none\n", "");
}

static void
test_base (void)
{
  expect_edit ("", "synchronous_standby_names = 'a'\nport = 5433\n", "synchronous_standby_names = ''\n",
               "synchronous_standby_names (postgresql.conf)");
  expect_edit ("", "listen_addresses = '0.0.0.0'\n", "listen_addresses = 'localhost'\n", "listen_addresses (postgresql.conf)");
}

/* It is read before postgresql.auto.conf, and so only there it can be taken out. */
static void
test_data_directory (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *edited =
      teesql_restore_settings_edit_base ("port = 1\n  Data_Directory='/old' # x\ndata_directory_mode = 0700\nport = 2", list);
  g_autofree char *nothing = teesql_restore_settings_edit_base ("#data_directory = 'ConfigDir'\n\nport = 1\n", list);

  g_assert_cmpstr (edited, ==, "port = 1\n# teesql restore:   Data_Directory='/old' # x\ndata_directory_mode = 0700\nport = 2");
  g_assert_null (nothing);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpstr (list->pdata[0], ==, "data_directory (postgresql.conf)");
}

static void
test_include (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *edited = teesql_restore_settings_edit ("", "include_if_exists 'conf.d/x.conf'\n", list);

  g_assert_nonnull (strstr (edited, "archive_command = ''\n"));
  g_assert_nonnull (strstr (edited, "primary_conninfo = ''\n"));
  g_assert_nonnull (strstr (edited, "listen_addresses = 'localhost'\n"));
}

static void
test_recovery (void)
{
  TeesqlRestoreRecovery recovery = {
    .fetch_command = "'/opt/it''s'\\x --socket \"%f\"", .target = TEESQL_RESTORE_NAME, .target_text = "o'clock", .timeline = 3
  };
  g_autofree char *text = teesql_restore_settings_recovery (&recovery);
  g_autofree char *ended = NULL;

  g_assert_cmpstr (text, ==,
                   "# teesql restore: recovery\nrestore_command = '''/opt/it''''s''\\\\x --socket \"%f\"'\nrecovery_target_timeline = '3'\n"
                   "recovery_target_name = 'o''clock'\nrecovery_target_inclusive = off\nrecovery_target_action = 'promote'\n");
  ended = teesql_restore_settings_end_recovery (text);
  g_assert_cmpstr (ended, ==, "# teesql restore: recovery\n");
}

static void
test_times (void)
{
  static const struct
  {
    const char *text;
    const char *expected;
  } good[] = { { "2026-03-01 12:00:00+00", "2026-03-01 12:00:00.000000+00" },
               { "2026-03-01T13:00:00.5+01:00", "2026-03-01 12:00:00.500000+00" },
               { " 2026-03-01 12:00:00Z ", "2026-03-01 12:00:00.000000+00" } };
  static const char *const bad[] = { "2026-03-01 12:00:00", "yesterday", "", "2026-13-01 12:00:00Z", "2026-03-01" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *text = NULL;
      gint64 seconds = 0;

      g_assert_true (teesql_restore_parse_time (good[i].text, &seconds, &text, NULL));
      g_assert_cmpstr (text, ==, good[i].expected);
      g_assert_cmpint (seconds, ==, 1772366400);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = NULL;
      gint64 seconds = 0;

      g_assert_false (teesql_restore_parse_time (bad[i], &seconds, &text, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/restore-settings/what reaches the old cluster is taken out", test_auto);
  g_test_add_func ("/restore-settings/only local addresses stay", test_listen);
  g_test_add_func ("/restore-settings/postgresql.conf is overruled", test_base);
  g_test_add_func ("/restore-settings/the old data directory is no longer named", test_data_directory);
  g_test_add_func ("/restore-settings/where files are included everything is overruled", test_include);
  g_test_add_func ("/restore-settings/values are quoted, and leave with the recovery", test_recovery);
  g_test_add_func ("/restore-settings/a time has its zone", test_times);
  return g_test_run ();
}
