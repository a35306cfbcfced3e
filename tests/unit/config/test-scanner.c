#include "config/teesql-config-scanner.h"

#include <string.h>

static GPtrArray *
scan (const char *text, gssize size, char **out_report)
{
  g_autoptr (TeesqlConfigFindings) findings = teesql_config_findings_new ();
  GPtrArray *entries = teesql_config_scan ("x.conf", 0, (const guint8 *) text, size < 0 ? strlen (text) : (gsize) size, findings);

  *out_report = teesql_config_findings_dup_report (findings);
  return entries;
}

static void
assert_refused (const char *text, const char *report)
{
  g_autofree char *found = NULL;
  g_autoptr (GPtrArray) entries = scan (text, -1, &found);

  g_assert_cmpstr (found, ==, report);
}

static void
assert_value (const char *text, guint index, const char *group, const char *key, const char *value, guint line)
{
  g_autofree char *report = NULL;
  g_autoptr (GPtrArray) entries = scan (text, -1, &report);
  const TeesqlConfigEntry *entry = NULL;

  g_assert_cmpstr (report, ==, "");
  g_assert_cmpuint (entries->len, >, index);
  entry = entries->pdata[index];
  g_assert_cmpstr (entry->group, ==, group);
  g_assert_cmpstr (entry->key, ==, key);
  g_assert_cmpstr (entry->text, ==, value);
  g_assert_cmpuint (entry->line, ==, line);
}

static void
test_reads (void)
{
  assert_value ("# a comment\n\n[proxy]\nworkers=4", 1, "proxy", "workers", "4", 4);
  assert_value ("[proxy]\r\n  workers  =  4  \r\n", 1, "proxy", "workers", "4", 2);
  assert_value ("[role:a_b]\nx = a # not a comment\n", 1, "role:a_b", "x", "a # not a comment", 2);
  assert_value ("[a]\nx = \\sb\\\\c\\t\n", 1, "a", "x", " b\\c\t", 2);
  assert_value ("[a]\nx = \n", 1, "a", "x", "", 2);
  assert_value ("[a]\nx = b=c\n", 1, "a", "x", "b=c", 2);
}

static void
test_refuses (void)
{
  assert_refused ("x = 1\n", "x.conf:1: x: stands before the first [group]");
  assert_refused ("[a]\nx = 1\nx = 2\n", "x.conf:3: [a] x: stands here a second time, first in line 2");
  assert_refused ("[a]\n[b]\n[a]\ny = 1\n", "x.conf:3: [a]: stands here a second time, first in line 1");
  assert_refused ("[a]\nx[de] = 1\n",
                  "x.conf:2: [a] x[de]: not a key\nhint: keys are lower case letters, digits and hyphens; there are no translated keys");
  assert_refused ("[a]\nbare\n", "x.conf:2: neither a comment, a [group] nor key = value");
  assert_refused ("[a\nx = 1\n", "x.conf:1: a group needs its closing bracket, and nothing behind it");
  assert_refused ("[a] # b\nx = 1\n", "x.conf:1: a group needs its closing bracket, and nothing behind it");
  assert_refused ("[A]\n", "x.conf:1: [A]: not a group name\nhint: groups are [name] or [kind:name], in lower case");
  assert_refused ("[a]\nx = \\q\n", "x.conf:2: [a] x: unknown escape after a backslash\nhint: write a backslash as \\\\");
  assert_refused ("[a]\nx = b\\\n", "x.conf:2: [a] x: unknown escape after a backslash\nhint: write a backslash as \\\\");
  assert_refused ("[a]\nx = \xff\n", "x.conf:2: control characters, or text that is not UTF-8");
  assert_refused ("[a]\nx = \x1b[31m\n", "x.conf:2: control characters, or text that is not UTF-8");
  assert_refused ("\xef\xbb\xbf[a]\n", "x.conf:1: neither a comment, a [group] nor key = value");
}

static void
test_nul (void)
{
  g_autofree char *report = NULL;
  g_autoptr (GPtrArray) entries = scan ("[a]\nx = 1\0 2\n", 13, &report);

  g_assert_cmpstr (report, ==, "x.conf:2: control characters, or text that is not UTF-8");
}

static void
test_all_findings (void)
{
  assert_refused ("x = 1\n[a]\ny\n[b]\nz\n", "x.conf:1: x: stands before the first [group]\n"
                                             "x.conf:3: neither a comment, a [group] nor key = value\n"
                                             "x.conf:5: neither a comment, a [group] nor key = value");
}

static void
test_bounds (void)
{
  g_autoptr (GString) lines = g_string_new ("[a]\n");
  g_autofree char *report = NULL;
  g_autofree char *huge = g_malloc0 (TEESQL_CONFIG_MAX_FILE + 1);
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) none = NULL;

  for (guint i = 0; i < 3 * TEESQL_CONFIG_MAX_FINDINGS; i++)
    g_string_append (lines, "wrong\n");
  entries = scan (lines->str, -1, &report);
  g_assert_true (g_str_has_suffix (report, "\nand 200 more"));
  g_clear_pointer (&report, g_free);
  none = scan (huge, TEESQL_CONFIG_MAX_FILE + 1, &report);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpstr (report, ==, "x.conf: larger than 1048576 bytes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/scanner/reads-groups-keys-and-lines", test_reads);
  g_test_add_func ("/config/scanner/refuses-what-is-ambiguous", test_refuses);
  g_test_add_func ("/config/scanner/refuses-nul-bytes", test_nul);
  g_test_add_func ("/config/scanner/reports-every-wrong-line", test_all_findings);
  g_test_add_func ("/config/scanner/is-bounded", test_bounds);
  return g_test_run ();
}
