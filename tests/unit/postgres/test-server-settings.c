#include "postgres/teesql-server-settings.h"

#include <string.h>

#define BASE "[teesql]\ncluster = a\n[postgresql]\nmode = managed\n"

static char *
write_settings (const char *text, const char *name, const char *value)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", text, strlen (text), &error);
  g_autoptr (GPtrArray) core = g_ptr_array_new ();
  TeesqlServerSetting setting = { (char *) name, (char *) value };

  g_assert_no_error (error);
  if (name != NULL)
    g_ptr_array_add (core, &setting);
  return teesql_server_settings_write (config, core);
}

/* PostgreSQL takes the last line of a name. */
static const char *
last_line (char **lines, const char *name)
{
  g_autofree char *prefix = g_strconcat (name, " = ", NULL);
  const char *found = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], prefix))
      found = lines[i] + strlen (prefix);
  return found;
}

static void
test_order (void)
{
  g_autofree char *plain = write_settings (BASE, NULL, NULL);
  g_autofree char *operator=
      write_settings (BASE "[postgresql-settings]\nmax_slot_wal_keep_size = 1GB\nlog_error_verbosity = default\n", NULL, NULL);
  g_autofree char *core = write_settings (BASE "[postgresql-settings]\nmax_slot_wal_keep_size = 1GB\n", "max_slot_wal_keep_size", "2GB");
  g_auto (GStrv) plain_lines = g_strsplit (plain, "\n", -1);
  g_auto (GStrv) operator_lines = g_strsplit (operator, "\n", -1);
  g_auto (GStrv) core_lines = g_strsplit (core, "\n", -1);

  g_assert_cmpstr (last_line (plain_lines, "max_slot_wal_keep_size"), ==, "'8GB'");
  g_assert_cmpstr (last_line (plain_lines, "log_error_verbosity"), ==, "'terse'");
  g_assert_cmpstr (last_line (operator_lines, "max_slot_wal_keep_size"), ==, "'1GB'");
  g_assert_cmpstr (last_line (operator_lines, "log_error_verbosity"), ==, "'default'");
  g_assert_cmpstr (last_line (core_lines, "max_slot_wal_keep_size"), ==, "'2GB'");
}

static void
test_quoting (void)
{
  g_autofree char *text = write_settings (BASE, "synchronous_standby_names", "1 (\"a'b\\c\")");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_cmpstr (last_line (lines, "synchronous_standby_names"), ==, "'1 (\"a''b\\\\c\")'");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/server-settings/core-wins-over-the-operator-and-he-over-defaults", test_order);
  g_test_add_func ("/postgres/server-settings/no-value-ends-its-line", test_quoting);
  return g_test_run ();
}
