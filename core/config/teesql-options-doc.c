/* Build-time program: prints a page with the option table in place of @DAEMON@, @CLIENT@ and @SIMULATOR@, so that no manual page can
 * tell another default than the program has. Usage: teesql-options-doc TEMPLATE */
#include "config/teesql-config-table.h"
#include "teesql-build.h"

#include <stdio.h>

static const char *
instance_name (const char *template, TeesqlConfigKind kind)
{
  if (g_str_equal (template, "policy:"))
    return kind == TEESQL_CONFIG_CLIENT ? "server" : "clients";
  return g_str_has_suffix (template, ":") ? "NAME" : "";
}

static void
print_option (const TeesqlOption *option)
{
  g_autofree char *form = teesql_option_dup_form (option);

  if ((option->flags & TEESQL_OPTION_SETTING) != 0)
    {
      printf ("**%s**: %s; *%s*\n\n", option->key, form, (option->flags & TEESQL_OPTION_RESTART) != 0 ? "restart" : "live");
      return;
    }
  printf ("**%s** =", option->key);
  if (option->fallback != NULL)
    printf (" (%s)", option->fallback);
  if ((option->flags & TEESQL_OPTION_REQUIRED) != 0)
    printf (" (required)");
  printf ("\n:   %s *Form:* %s. *%s*\n\n", option->doc, form, (option->flags & TEESQL_OPTION_RESTART) != 0 ? "restart" : "live");
}

static void
print_kind (TeesqlConfigKind kind)
{
  guint n_groups = 0;
  guint n_options = 0;
  const TeesqlOptionGroup *groups = teesql_option_groups (&n_groups);
  const TeesqlOption *options = teesql_option_table (&n_options);

  for (guint i = 0; i < n_groups; i++)
    if ((groups[i].kinds & (1u << kind)) != 0)
      {
        printf ("## [%s%s]\n\n%s\n\n", groups[i].name, instance_name (groups[i].name, kind), groups[i].doc);
        for (guint j = 0; j < n_options; j++)
          if ((options[j].kinds & (1u << kind)) != 0 && g_str_equal (options[j].group, groups[i].name))
            print_option (&options[j]);
      }
}

static void
print_line (const char *line)
{
  g_autoptr (GString) text = g_string_new (line);

  g_string_replace (text, "@SYSCONFDIR@", TEESQL_SYSCONFDIR, 0);
  printf ("%s\n", text->str);
}

int
main (int argc, char **argv)
{
  g_autofree char *template = NULL;
  g_auto (GStrv) lines = NULL;

  if (argc != 2 || !g_file_get_contents (argv[1], &template, NULL, NULL))
    return 2;
  lines = g_strsplit (g_strchomp (template), "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_equal (lines[i], "@DAEMON@"))
      print_kind (TEESQL_CONFIG_DAEMON);
    else if (g_str_equal (lines[i], "@CLIENT@"))
      print_kind (TEESQL_CONFIG_CLIENT);
    else if (g_str_equal (lines[i], "@SIMULATOR@"))
      print_kind (TEESQL_CONFIG_SIMULATOR);
    else
      print_line (lines[i]);
  return 0;
}
