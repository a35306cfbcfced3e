#include "postgres/teesql-server-settings.h"

#define GROUP "postgresql-settings"

/* Where PostgreSQL's own default is not what a guest wants. */
static const TeesqlServerSetting defaults[] = {
  /* what a client sends and stores stays out of the log, which leaves the guest */
  { (char *) "log_min_error_statement", (char *) "panic" },
  { (char *) "log_error_verbosity", (char *) "terse" },
  { (char *) "log_parameter_max_length", (char *) "0" },
  { (char *) "log_parameter_max_length_on_error", (char *) "0" },
  /* a slot that nobody reads fills the disk */
  { (char *) "max_slot_wal_keep_size", (char *) "8GB" },
  { (char *) "timezone", (char *) "UTC" },
  { (char *) "log_timezone", (char *) "UTC" },
  { (char *) "default_text_search_config", (char *) "pg_catalog.english" },
};

void
teesql_server_setting_free (TeesqlServerSetting *self)
{
  g_free (self->name);
  g_free (self->value);
  g_free (self);
}

/* guc-file.l: within quotes a quote is doubled, and a backslash escapes */
static void
append (GString *text, const char *name, const char *value)
{
  g_string_append_printf (text, "%s = '", name);
  for (const char *p = value; *p != '\0'; p++)
    {
      if (*p == '\'' || *p == '\\')
        g_string_append_c (text, *p);
      g_string_append_c (text, *p);
    }
  g_string_append (text, "'\n");
}

char *
teesql_server_settings_write (const TeesqlConfig *config, GPtrArray *core)
{
  GString *text =
      g_string_new ("# written by teesqld at every start and reload; what is changed here is lost.\n"
                    "# [" GROUP "] of teesqld.conf is the place; what decides who reaches the server is on the command line.\n");
  g_autofree const char **keys = teesql_config_has_group (config, GROUP) ? teesql_config_list_keys (config, GROUP) : NULL;

  for (guint i = 0; i < G_N_ELEMENTS (defaults); i++)
    append (text, defaults[i].name, defaults[i].value);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    append (text, keys[i], teesql_config_get_string (config, GROUP, keys[i]));
  for (guint i = 0; i < core->len; i++)
    {
      const TeesqlServerSetting *setting = g_ptr_array_index (core, i);
      append (text, setting->name, setting->value);
    }
  return g_string_free (text, FALSE);
}
