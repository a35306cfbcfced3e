/* Where the agent is looked for, and when that is refused. */
#include "dstack/dstack-endpoint.h"
#include <gio/gunixsocketaddress.h>
#include <string.h>

static const char *variable;
static const char *present;

static const char *
get_environment (const char *name)
{
  g_assert_cmpstr (name, ==, "DSTACK_SIMULATOR_ENDPOINT");
  return variable;
}

static gboolean
exists (const char *path)
{
  return g_strcmp0 (path, present) == 0;
}

static DstackEndpoint *
find (const char *configured, const char *the_variable, const char *the_present, GError **error)
{
  const DstackSurroundings surroundings = { get_environment, exists };

  variable = the_variable;
  present = the_present;
  return dstack_endpoint_new (configured, &surroundings, TEESQL_KMS_ERROR, error);
}

static void
assert_found (const char *configured, const char *the_variable, const char *the_present, const char *name, const char *taint)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DstackEndpoint) endpoint = find (configured, the_variable, the_present, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (endpoint->name, ==, name);
  g_assert_cmpstr (endpoint->taint, ==, taint);
}

static void
assert_refused (const char *configured, const char *the_variable, const char *the_present, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_test_message ("%s", configured);
  g_assert_null (find (configured, the_variable, the_present, &error));
  g_assert_error (error, TEESQL_KMS_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_search (void)
{
  assert_found ("auto", NULL, "/var/run/dstack.sock", "/var/run/dstack.sock", NULL);
  assert_found ("auto", "", "/run/dstack/dstack.sock", "/run/dstack/dstack.sock", NULL);
  assert_refused ("auto", NULL, NULL, TEESQL_ERROR_UNAVAILABLE, "agent-absent");
}

static void
test_simulator (void)
{
  assert_found ("auto", "/tmp/sim.sock", "/run/dstack.sock", "/tmp/sim.sock", "simulator at /tmp/sim.sock (DSTACK_SIMULATOR_ENDPOINT)");
  assert_found ("auto", "http://127.0.0.1:8090", NULL, "http://127.0.0.1:8090",
                "simulator at http://127.0.0.1:8090 (DSTACK_SIMULATOR_ENDPOINT)");
  assert_refused ("auto", "/tmp/sim.sock", "/dev/tdx_guest", TEESQL_ERROR_CONFIG, "simulator-beside-tdx");
  assert_refused ("auto", "/tmp/sim.sock", "/sys/kernel/config/tsm/report", TEESQL_ERROR_CONFIG, "simulator-beside-tdx");
  /* a configured endpoint never looks at the variable */
  assert_found ("/run/mine.sock", "/tmp/sim.sock", "/dev/tdx_guest", "/run/mine.sock", NULL);
}

static void
test_paths (void)
{
  g_autofree char *longest = g_strnfill (107, 'x');
  g_autofree char *too_long = g_strnfill (108, 'x');

  longest[0] = too_long[0] = '/';
  assert_found (longest, NULL, NULL, longest, NULL);
  assert_refused (too_long, NULL, NULL, TEESQL_ERROR_CONFIG, "agent-endpoint");
  assert_refused ("relative.sock", NULL, NULL, TEESQL_ERROR_CONFIG, "agent-endpoint");
  assert_refused ("", NULL, NULL, TEESQL_ERROR_CONFIG, "agent-endpoint");
}

static void
test_urls (void)
{
  static const char *const bad[] = { "https://host",   "http://",           "http://user@host", "http://host/?q",
                                     "http://host/#f", "http://host:99999", "ftp://host",       "http://ho st" };
  g_autoptr (DstackEndpoint) endpoint = find ("http://[::1]:8090/base/", NULL, NULL, NULL);

  g_assert_nonnull (endpoint);
  g_assert_cmpstr (endpoint->host, ==, "[::1]:8090");
  g_assert_cmpstr (endpoint->path, ==, "/base");
  g_assert_cmpstr (endpoint->taint, ==, "agent over http://[::1]:8090/base/");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_refused (bad[i], NULL, NULL, TEESQL_ERROR_CONFIG, "agent-endpoint");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dstack/endpoint/is-searched-like-the-sdks-do", test_search);
  g_test_add_func ("/dstack/endpoint/simulator-is-refused-beside-a-tdx-device", test_simulator);
  g_test_add_func ("/dstack/endpoint/paths-must-fit-a-socket", test_paths);
  g_test_add_func ("/dstack/endpoint/urls-are-plain-http", test_urls);
  return g_test_run ();
}
