#include "config/teesql-config.h"

#include <string.h>

#define BASE "[teesql]\ncluster = orders\n"

static TeesqlConfig *
load (const char *text)
{
  g_autoptr (GError) error = NULL;
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  return config;
}

static TeesqlConfig *
merge (const char *running_text, const char *next_text, const char *expected_pending)
{
  g_autoptr (TeesqlConfig) running = load (running_text);
  g_autoptr (TeesqlConfig) next = load (next_text);
  g_auto (GStrv) pending = NULL;
  g_autofree char *joined = NULL;
  TeesqlConfig *merged = teesql_config_merge_reload (running, next, &pending);

  joined = g_strjoinv (",", pending);
  g_assert_cmpstr (joined, ==, expected_pending);
  return merged;
}

static void
test_live (void)
{
  g_autoptr (TeesqlConfig) merged =
      merge (BASE, BASE "log-level = debug\n[proxy]\nmax-sessions = 7\n[policy:clients]\nallowed-mrtd = any\n", "");

  g_assert_cmpint (teesql_config_get_integer (merged, "proxy", "max-sessions"), ==, 7);
  g_assert_cmpstr (teesql_config_get_string (merged, "teesql", "log-level"), ==, "debug");
  g_assert_true (teesql_config_is_any (merged, "policy:clients", "allowed-mrtd"));
}

static void
test_restart (void)
{
  g_autoptr (TeesqlConfig) merged =
      merge (BASE "[proxy]\nlisten = 127.0.0.1:1\n", BASE "node = x\n[proxy]\nworkers = 2\nmax-sessions = 7\n",
             "[teesql] node,[proxy] listen,[proxy] workers");

  g_assert_cmpstr (teesql_config_get_list (merged, "proxy", "listen")[0], ==, "127.0.0.1:1");
  g_assert_true (teesql_config_is_auto (merged, "proxy", "workers"));
  g_assert_false (teesql_config_is_set (merged, "proxy", "workers"));
  g_assert_cmpint (teesql_config_get_integer (merged, "proxy", "max-sessions"), ==, 7);
}

static void
test_group_removed (void)
{
  g_autoptr (TeesqlConfig) merged = merge (BASE "[http]\nlisten = 127.0.0.1:1\nmax-connections = 9\n", BASE, "[http] listen");

  g_assert_cmpstr (teesql_config_get_list (merged, "http", "listen")[0], ==, "127.0.0.1:1");
  g_assert_cmpint (teesql_config_get_integer (merged, "http", "max-connections"), ==, 64);
}

static void
test_plugins (void)
{
  g_autoptr (TeesqlConfig) merged =
      merge (BASE "[verifier:dcap]\na = 1\nb = 2\n", BASE "[verifier:dcap]\na = 1\nb = 3\nc = 4\n[kms:dstack]\nplugin = dstack\n",
             "[verifier:dcap] b,[verifier:dcap] c");

  g_assert_cmpstr (teesql_config_get_raw (merged, "verifier:dcap", "b"), ==, "2");
  g_assert_null (teesql_config_get_raw (merged, "verifier:dcap", "c"));
}

static void
test_same_meaning (void)
{
  g_autoptr (TeesqlConfig) merged = merge (BASE "[proxy]\nlisten = 0.0.0.0:5433\n", BASE, "");

  g_assert_true (teesql_config_is_set (merged, "proxy", "listen"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/reload/takes-live-keys", test_live);
  g_test_add_func ("/config/reload/keeps-restart-keys-and-names-them", test_restart);
  g_test_add_func ("/config/reload/keeps-restart-keys-of-a-removed-group", test_group_removed);
  g_test_add_func ("/config/reload/keeps-plugin-objects", test_plugins);
  g_test_add_func ("/config/reload/says-nothing-when-the-meaning-is-the-same", test_same_meaning);
  return g_test_run ();
}
