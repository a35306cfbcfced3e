#include "config/teesql-config-table.h"
#include "config/teesql-config-value.h"

#include <string.h>

static void
test_defaults_have_the_form (void)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if (options[i].fallback != NULL)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (TeesqlConfigValue) value = teesql_config_value_new (&options[i], options[i].fallback, &error);

        g_assert_no_error (error);
        g_assert_nonnull (value);
      }
}

static void
test_rows_are_whole (void)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *form = teesql_option_dup_form (&options[i]);

      g_test_message ("[%s] %s: %s", options[i].group, options[i].key, form);
      g_assert_cmpstr (form, !=, "");
      g_assert_true (g_str_has_suffix (options[i].doc, "."));
      g_assert_cmpint (options[i].min, <=, options[i].max);
      g_assert_false ((options[i].flags & TEESQL_OPTION_REQUIRED) != 0 && options[i].fallback != NULL);
      /* getters give milliseconds as guint */
      if (options[i].type == TEESQL_OPTION_DURATION)
        g_assert_cmpint (options[i].max, <=, G_MAXUINT);
      if (options[i].type == TEESQL_OPTION_WORD)
        g_assert_nonnull (options[i].words);
      for (guint j = i + 1; j < n; j++)
        g_assert_false (g_str_equal (options[i].group, options[j].group) && g_str_equal (options[i].key, options[j].key));
    }
}

static void
test_pins_are_never_references (void)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if (g_str_equal (options[i].group, "policy:"))
      g_assert_cmpuint (options[i].flags & TEESQL_OPTION_INDIRECT, ==, 0);
}

/* Everything of a policy decides who is trusted. */
static void
test_digest_covers_policies (void)
{
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if (g_str_equal (options[i].group, "policy:"))
      g_assert_cmpuint (options[i].flags & TEESQL_OPTION_DIGEST, !=, 0);
}

static char *
read_sample (const char *name)
{
  g_autofree char *path = g_build_filename (g_getenv ("TEESQL_TEST_SOURCE"), "data", name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* The value of @key in a sample, whether it is commented out or not; %NULL when it stands nowhere. */
static char *
find_in_sample (const char *sample, const TeesqlOption *option)
{
  g_auto (GStrv) lines = g_strsplit (sample, "\n", -1);
  g_autofree char *prefix = g_strconcat (option->key, " = ", NULL);
  gboolean in_group = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *line = lines[i][0] == '#' ? lines[i] + 1 : lines[i];

      if (line[0] == '[')
        {
          g_autofree char *group = g_strndup (line + 1, strcspn (line + 1, "]"));
          in_group = teesql_option_group_matches (option->group, group);
        }
      else if (in_group && g_str_has_prefix (line, prefix))
        return g_strdup (line + strlen (prefix));
    }
  return NULL;
}

static void
check_sample (TeesqlConfigKind kind, const char *name)
{
  g_autofree char *sample = read_sample (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (kind, name, sample, strlen (sample), &error);
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  for (guint i = 0; i < n; i++)
    if ((options[i].kinds & (1u << kind)) != 0 && !g_str_equal (options[i].key, "plugin") &&
        (options[i].flags & TEESQL_OPTION_SETTING) == 0) /* the manual page lists them */
      {
        g_autofree char *value = find_in_sample (sample, &options[i]);

        if (value == NULL)
          g_error ("%s does not show [%s] %s", name, options[i].group, options[i].key);
      }
}

static void
test_samples (void)
{
  check_sample (TEESQL_CONFIG_DAEMON, "teesqld.conf");
  check_sample (TEESQL_CONFIG_CLIENT, "teesql.conf");
}

/* A line that is commented out shows the default: a reader may rely on it. */
static void
check_sample_defaults (TeesqlConfigKind kind, const char *name)
{
  g_autofree char *sample = read_sample (name);
  guint n = 0;
  const TeesqlOption *options = teesql_option_table (&n);

  for (guint i = 0; i < n; i++)
    if ((options[i].kinds & (1u << kind)) != 0 && options[i].fallback != NULL)
      {
        g_autofree char *commented = g_strdup_printf ("\n#%s = ", options[i].key);
        g_autofree char *value = find_in_sample (sample, &options[i]);

        if (strstr (sample, commented) != NULL)
          g_assert_cmpstr (value, ==, options[i].fallback);
      }
}

static void
test_sample_defaults (void)
{
  check_sample_defaults (TEESQL_CONFIG_DAEMON, "teesqld.conf");
  check_sample_defaults (TEESQL_CONFIG_CLIENT, "teesql.conf");
}

static void
test_nearest (void)
{
  static const char *const pairs[][2] = {
    { "max-sesions", "max-sessions" }, { "lisetn", "listen" }, { "worker", "workers" }, { "tls-min", NULL }, { "q", NULL }
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autofree char *nearest = teesql_option_dup_nearest (TEESQL_CONFIG_DAEMON, "proxy", pairs[i][0]);
      g_assert_cmpstr (nearest, ==, pairs[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/table/defaults-have-the-form-of-their-option", test_defaults_have_the_form);
  g_test_add_func ("/config/table/rows-are-whole", test_rows_are_whole);
  g_test_add_func ("/config/table/pins-are-never-references", test_pins_are_never_references);
  g_test_add_func ("/config/table/digest-covers-policies", test_digest_covers_policies);
  g_test_add_func ("/config/table/samples-load-and-show-every-option", test_samples);
  g_test_add_func ("/config/table/samples-show-the-defaults", test_sample_defaults);
  g_test_add_func ("/config/table/nearest-name-is-near", test_nearest);
  return g_test_run ();
}
