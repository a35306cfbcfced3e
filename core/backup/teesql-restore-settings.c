#include "backup/teesql-restore-settings.h"

#include <string.h>

#define TEXT_MAX ((gsize) 4 * 1024 * 1024)

/* @neutral: what takes the place of a value in postgresql.conf, which stays as it is */
static const struct
{
  const char *name;
  const char *neutral;
} unwanted[] = {
  { "archive_cleanup_command", "''" },
  { "archive_command", "''" },
  { "archive_library", "''" },
  { "archive_mode", "off" },
  { "config_file", NULL },
  { "data_directory", NULL },
  { "external_pid_file", "''" },
  { "listen_addresses", "'localhost'" },
  { "primary_conninfo", "''" },
  { "primary_slot_name", "''" },
  { "promote_trigger_file", NULL },
  { "recovery_end_command", "''" },
  { "recovery_target", "''" },
  { "recovery_target_action", "'promote'" },
  { "recovery_target_inclusive", "on" },
  { "recovery_target_lsn", "''" },
  { "recovery_target_name", "''" },
  { "recovery_target_time", "''" },
  { "recovery_target_timeline", "'latest'" },
  { "recovery_target_xid", "''" },
  { "restore_command", "''" },
  { "synchronous_standby_names", "''" },
};

/* ---- one line ---- */

/* `name = value # comment`, `name value`. Returns: (nullable): the name in lower case; *out_value points behind it */
static char *
dup_name (const char *line, const char **out_value)
{
  gsize n = 0;

  while (*line == ' ' || *line == '\t')
    line++;
  while (g_ascii_isalnum (line[n]) || line[n] == '_' || line[n] == '.')
    n++;
  if (n == 0)
    return NULL;
  *out_value = line + n;
  while (**out_value == ' ' || **out_value == '\t' || **out_value == '=')
    (*out_value)++;
  return g_ascii_strdown (line, (gssize) n);
}

static int
find_unwanted (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++)
    if (strcmp (unwanted[i].name, name) == 0)
      return (int) i;
  return -1;
}

/* Values that keep it on this machine; anything not understood is not one of them. */
static gboolean
is_local (const char *value)
{
  static const char *const local[] = { "''", "'localhost'", "localhost", "'127.0.0.1'", "'::1'" };
  gsize n = strcspn (value, " \t\r#");

  for (guint i = 0; i < G_N_ELEMENTS (local); i++)
    if (strlen (local[i]) == n && strncmp (local[i], value, n) == 0)
      return TRUE;
  return FALSE;
}

static int
judge_line (const char *line)
{
  const char *value = NULL;
  g_autofree char *name = dup_name (line, &value);
  int found = name != NULL ? find_unwanted (name) : -1;

  return found >= 0 && strcmp (name, "listen_addresses") == 0 && is_local (value) ? -1 : found;
}

static gboolean
is_include (const char *line)
{
  const char *value = NULL;
  g_autofree char *name = dup_name (line, &value);

  return name != NULL && g_str_has_prefix (name, "include");
}

/* ---- texts ---- */

static void
note_removed (GPtrArray *removed, const char *name, const char *file)
{
  g_autofree char *text = g_strdup_printf ("%s (%s)", name, file);

  if (!g_ptr_array_find_with_equal_func (removed, text, g_str_equal, NULL))
    g_ptr_array_add (removed, g_steal_pointer (&text));
}

static void
keep_lines (const char *text, GString *out, GPtrArray *removed)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      int found = judge_line (lines[i]);

      if (found >= 0)
        note_removed (removed, unwanted[found].name, TEESQL_RESTORE_AUTO_CONF);
      else if (lines[i + 1] != NULL || lines[i][0] != '\0')
        g_string_append_printf (out, "%s\n", lines[i]);
    }
}

/* Where other files are included nobody knows what they say, so everything is put right. */
static void
neutralize (const char *base_text, GString *out, GPtrArray *removed)
{
  g_auto (GStrv) lines = g_strsplit (base_text, "\n", -1);
  gboolean wanted[G_N_ELEMENTS (unwanted)] = { FALSE };
  gboolean includes = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      int found = judge_line (lines[i]);

      includes = includes || is_include (lines[i]);
      if (found >= 0)
        wanted[found] = TRUE;
      if (found >= 0 && unwanted[found].neutral != NULL)
        note_removed (removed, unwanted[found].name, "postgresql.conf");
    }
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++)
    if ((wanted[i] || includes) && unwanted[i].neutral != NULL)
      g_string_append_printf (out, "%s = %s\n", unwanted[i].name, unwanted[i].neutral);
}

char *
teesql_restore_settings_edit (const char *text, const char *base_text, GPtrArray *removed)
{
  GString *out = g_string_new (NULL);

  if (text != NULL)
    keep_lines (text, out, removed);
  g_string_append (out, "# teesql restore: what would reach, overwrite or wait for something of the old cluster\n");
  if (base_text != NULL)
    neutralize (base_text, out, removed);
  return g_string_free (out, FALSE);
}

char *
teesql_restore_settings_edit_base (const char *base_text, GPtrArray *removed)
{
  g_auto (GStrv) lines = g_strsplit (base_text, "\n", -1);
  GString *out = g_string_new (NULL);
  gboolean edited = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *value = NULL;
      g_autofree char *name = dup_name (lines[i], &value);
      gboolean place = name != NULL && strcmp (name, "data_directory") == 0;

      edited = edited || place;
      g_string_append_printf (out, "%s%s%s", place ? "# teesql restore: " : "", lines[i], lines[i + 1] != NULL ? "\n" : "");
    }
  if (edited)
    note_removed (removed, "data_directory", "postgresql.conf");
  return g_string_free (out, !edited);
}

char *
teesql_restore_settings_end_recovery (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *out = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *value = NULL;
      g_autofree char *name = dup_name (lines[i], &value);
      gboolean recovery = name != NULL && (strcmp (name, "restore_command") == 0 || g_str_has_prefix (name, "recovery_target"));

      if (!recovery && (lines[i + 1] != NULL || lines[i][0] != '\0'))
        g_string_append_printf (out, "%s\n", lines[i]);
    }
  return g_string_free (out, FALSE);
}

static void
add_setting (GString *out, const char *name, const char *value)
{
  g_auto (GStrv) parts = g_strsplit (value, "'", -1);
  g_autofree char *quoted = g_strjoinv ("''", parts);
  g_auto (GStrv) slashes = g_strsplit (quoted, "\\", -1);
  g_autofree char *escaped = g_strjoinv ("\\\\", slashes);

  g_string_append_printf (out, "%s = '%s'\n", name, escaped);
}

char *
teesql_restore_settings_recovery (const TeesqlRestoreRecovery *recovery)
{
  static const char *const names[] = { NULL, "recovery_target_time", "recovery_target_lsn", "recovery_target_name", "recovery_target" };
  GString *out = g_string_new ("# teesql restore: recovery\n");
  const char *value = recovery->target == TEESQL_RESTORE_IMMEDIATE ? "immediate" : recovery->target_text;

  if (recovery->has_inside)
    g_string_append (out, "allow_in_place_tablespaces = on\n"); /* stays: standbys of this cluster need it too */
  if (recovery->fetch_command != NULL)
    add_setting (out, "restore_command", recovery->fetch_command);
  g_string_append_printf (out, "recovery_target_timeline = '%u'\n", recovery->timeline);
  if (names[recovery->target] != NULL)
    {
      add_setting (out, names[recovery->target], value);
      g_string_append_printf (out, "recovery_target_inclusive = %s\n", recovery->target_inclusive ? "on" : "off");
      g_string_append (out, "recovery_target_action = 'promote'\n");
    }
  return g_string_free (out, FALSE);
}

/* ---- files ---- */

static gboolean
read_text (TeesqlRestoreTree *tree, const char *name, char **out, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (tree, name, TEXT_MAX, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  *out = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
  return TRUE;
}

gboolean
teesql_restore_settings_write (TeesqlRestoreTree *tree, const TeesqlRestoreRecovery *recovery, GPtrArray *removed, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *base_text = NULL;
  g_autofree char *edited = NULL;
  g_autofree char *added = NULL;
  g_autofree char *whole = NULL;
  g_autofree char *base_edited = NULL;

  if (!read_text (tree, TEESQL_RESTORE_AUTO_CONF, &text, error) || !read_text (tree, "postgresql.conf", &base_text, error))
    return FALSE;
  edited = teesql_restore_settings_edit (text, base_text, removed);
  added = teesql_restore_settings_recovery (recovery);
  whole = g_strconcat (edited, added, NULL);
  base_edited = base_text != NULL ? teesql_restore_settings_edit_base (base_text, removed) : NULL;
  if (base_edited != NULL && !teesql_restore_tree_replace_file (tree, "postgresql.conf", base_edited, strlen (base_edited), error))
    return FALSE;
  return teesql_restore_tree_replace_file (tree, TEESQL_RESTORE_AUTO_CONF, whole, strlen (whole), error) &&
         teesql_restore_tree_remove_file (tree, "standby.signal", error) &&
         teesql_restore_tree_remove_file (tree, "recovery.signal", error) &&
         teesql_restore_tree_write_file (tree, "recovery.signal", "", 0, error);
}
