#include "base/teesql-hex.h"
#include "config/teesql-config.h"

#include <string.h>

#define BASE "[teesql]\ncluster = orders\n"

static char *
digest_with (const char *text, const TeesqlConfigFact *facts, guint n_facts)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "x.conf", text, strlen (text), &error);
  guint8 out[48];

  g_assert_no_error (error);
  teesql_config_digest (config, facts, n_facts, out);
  return teesql_hex_encode (out, sizeof out);
}

static void
assert_same (const char *a, const char *b)
{
  g_autofree char *x = digest_with (a, NULL, 0);
  g_autofree char *y = digest_with (b, NULL, 0);

  g_assert_cmpstr (x, ==, y);
}

static void
assert_differ (const char *a, const char *b)
{
  g_autofree char *x = digest_with (a, NULL, 0);
  g_autofree char *y = digest_with (b, NULL, 0);

  g_assert_cmpstr (x, !=, y);
}

static void
test_spelling (void)
{
  assert_same (BASE, BASE "# comment\n[proxy]\ntls-min-version = 1.3\n");
  assert_same (BASE "[policy:clients]\nverdict-ttl = 60min\n", BASE "[policy:clients]\nverdict-ttl = 1h\n");
  assert_same (BASE "[policy:clients]\nallowed-fmspc = AABBCCDDEEFF;001122334455\n",
               BASE "[policy:clients]\nallowed-fmspc = 001122334455;aabbccddeeff;001122334455;\n");
  assert_same (BASE "[proxy]\nmax-sessions = 5\n", BASE "node = other\n[proxy]\nmax-sessions = 6\n");
  assert_same (BASE "[attester:dstack]\n", BASE);
}

static void
test_meaning (void)
{
  assert_differ (BASE "[policy:clients]\nallowed-fmspc = 001122334455\n", BASE "[policy:clients]\nallowed-fmspc = aabbccddeeff\n");
  assert_differ (BASE, BASE "[policy:clients]\nallowed-mrtd = any\n");
  assert_differ (BASE "[policy:clients]\nallowed-mrtd =\n", BASE "[policy:clients]\nallowed-mrtd = any\n");
  assert_differ (BASE, BASE "[verifier:dcap]\ntrusted-root = /root.pem\n");
  assert_differ (BASE, "[teesql]\ncluster = other\n");
  assert_differ (BASE, BASE "[postgresql]\nhost = 127.0.0.1\n");
  /* the same letters on other sides of a boundary */
  assert_differ (BASE "[verifier:dcap]\na = bc\n", BASE "[verifier:dcap]\nab = c\n");
}

static void
test_facts (void)
{
  const TeesqlConfigFact one[] = { { "plugin:dcap", "aa" }, { "cluster-id", "bb" } };
  const TeesqlConfigFact two[] = { { "cluster-id", "bb" }, { "plugin:dcap", "aa" } };
  const TeesqlConfigFact three[] = { { "cluster-id", "bb" }, { "plugin:dcap", "ab" } };
  const TeesqlConfigFact four[] = { { "cluster-id", "bbp" }, { "lugin:dcap", "aa" } };
  g_autofree char *a = digest_with (BASE, one, 2);
  g_autofree char *b = digest_with (BASE, two, 2);
  g_autofree char *c = digest_with (BASE, three, 2);
  g_autofree char *d = digest_with (BASE, four, 2);

  g_assert_cmpstr (a, ==, b);
  g_assert_cmpstr (a, !=, c);
  g_assert_cmpstr (a, !=, d);
}

/* Computed from the document alone by a program of another language (the recipe stands there): a change of the canonical form, or of a
 * default that the digest covers, breaks every pin out there and needs a new domain label. */
static void
test_known_answer (void)
{
  static const char text[] = "[simulator]\nmachine = a\n";
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_SIMULATOR, "x.conf", text, strlen (text), NULL);
  const TeesqlConfigFact facts[] = { { "cluster-id", "00" } };
  guint8 out[48];
  g_autofree char *hex = NULL;

  teesql_config_digest (config, facts, 1, out);
  hex = teesql_hex_encode (out, sizeof out);
  g_assert_cmpstr (hex, ==, "d753bdf676dec8589d1923640fc6b6e9686e44b12d1660917a7210ff53716bd1b79570e66165d021342295b09e569ca2");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/digest/spelling-does-not-matter", test_spelling);
  g_test_add_func ("/config/digest/meaning-does", test_meaning);
  g_test_add_func ("/config/digest/covers-facts-in-any-order", test_facts);
  g_test_add_func ("/config/digest/form-is-fixed", test_known_answer);
  return g_test_run ();
}
