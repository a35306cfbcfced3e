/* The keyfile syntax, read strictly and with line numbers. GKeyFile forgets where a value stood, keeps the last of two equal
 * keys and takes `key[de]` for a translation: each would let a file mean something else than its reader thinks. */
#include "config/teesql-config-scanner.h"

#include "base/teesql-cursor.h"
#include "config/teesql-config-table.h"

#include <string.h>

#define MAX_LINE ((gsize) 65536)

typedef struct
{
  const char *file;
  guint rank;
  guint line;
  TeesqlConfigFindings *findings;
  GPtrArray *entries;
  GHashTable *seen; /* "group" and "group\nkey" -> line */
  char *group;      /* of the lines that follow; NULL before the first and after a bad header */
  gboolean in_bad_group;
} Scan;

static void
entry_free (TeesqlConfigEntry *entry)
{
  g_free (entry->group);
  g_free (entry->key);
  g_free (entry->text);
  g_free (entry);
}

static void G_GNUC_PRINTF (2, 3) complain (Scan *scan, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  teesql_config_findings_add (scan->findings, scan->file, scan->rank, scan->line, g_strdup_vprintf (format, args));
  va_end (args);
}

/* Within one file a group or key may stand once (reference, conventions). */
static gboolean
first_time (Scan *scan, const char *key)
{
  char *name = key != NULL ? g_strdup_printf ("%s\n%s", scan->group, key) : g_strdup (scan->group);
  gpointer before = NULL;

  if (g_hash_table_lookup_extended (scan->seen, name, NULL, &before))
    {
      complain (scan, "[%s]%s%s: stands here a second time, first in line %u", scan->group, key != NULL ? " " : "", key != NULL ? key : "",
                GPOINTER_TO_UINT (before));
      g_free (name);
      return FALSE;
    }
  g_hash_table_insert (scan->seen, name, GUINT_TO_POINTER (scan->line));
  return TRUE;
}

static void
add_entry (Scan *scan, const char *key, char *text)
{
  TeesqlConfigEntry *entry = g_new0 (TeesqlConfigEntry, 1);

  entry->group = g_strdup (scan->group);
  entry->key = g_strdup (key);
  entry->text = text;
  entry->line = scan->line;
  g_ptr_array_add (scan->entries, entry);
}

static gboolean
is_word (const char *text, const char *more)
{
  if (!g_ascii_islower (*text))
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_islower (*p) && !g_ascii_isdigit (*p) && strchr (more, *p) == NULL)
      return FALSE;
  return TRUE;
}

/* `proxy` or `role:teesql_read`; which names a kind allows is checked with the table. */
static gboolean
is_group_name (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 2);

  if (parts[0] == NULL || !is_word (parts[0], "-"))
    return FALSE;
  return parts[1] == NULL || (is_word (parts[1], "-_") && strlen (parts[1]) <= 63);
}

static void
scan_group (Scan *scan, const char *line, gsize length)
{
  g_autofree char *name = NULL;

  g_clear_pointer (&scan->group, g_free);
  scan->in_bad_group = TRUE;
  if (length < 2 || line[length - 1] != ']')
    {
      complain (scan, "a group needs its closing bracket, and nothing behind it");
      return;
    }
  name = g_strndup (line + 1, length - 2);
  if (!is_group_name (name))
    {
      complain (scan, "[%s]: not a group name\nhint: groups are [name] or [kind:name], in lower case", name);
      return;
    }
  scan->group = g_steal_pointer (&name);
  if (first_time (scan, NULL))
    {
      scan->in_bad_group = FALSE;
      add_entry (scan, NULL, NULL);
    }
}

static int
unescaped (char c)
{
  switch (c)
    {
    case 's':
      return ' ';
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case '\\':
      return '\\';
    default:
      return -1;
    }
}

static char *
unescape (Scan *scan, const char *key, const char *text)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p++)
    {
      int c = *p != '\\' ? *p : unescaped (p[1]);

      if (c == -1)
        {
          complain (scan, "[%s] %s: unknown escape after a backslash\nhint: write a backslash as \\\\", scan->group, key);
          return NULL;
        }
      if (*p == '\\')
        p++;
      g_string_append_c (out, (char) c);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
scan_pair (Scan *scan, const char *line, gsize length)
{
  const char *equals = memchr (line, '=', length);
  g_autofree char *key = NULL;
  g_autofree char *value = NULL;
  char *text = NULL;

  if (equals == NULL)
    {
      complain (scan, "neither a comment, a [group] nor key = value");
      return;
    }
  if (scan->in_bad_group) /* its header has been reported; its keys would only repeat that */
    return;
  key = g_strstrip (g_strndup (line, (gsize) (equals - line)));
  if (scan->group == NULL)
    {
      complain (scan, "%s: stands before the first [group]", key);
      return;
    }
  if (!is_word (key, g_str_equal (scan->group, TEESQL_OPTION_SETTINGS_GROUP) ? "_" : "-"))
    {
      complain (scan, "[%s] %s: not a key\nhint: keys are lower case letters, digits and hyphens; there are no translated keys",
                scan->group, key);
      return;
    }
  if (!first_time (scan, key))
    return;
  value = g_strstrip (g_strndup (equals + 1, length - (gsize) (equals + 1 - line)));
  text = unescape (scan, key, value);
  if (text != NULL)
    add_entry (scan, key, text);
}

static gboolean
is_clean (const char *line, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if ((g_ascii_iscntrl (line[i]) && line[i] != '\t'))
      return FALSE;
  return g_utf8_validate_len (line, length, NULL);
}

static void
scan_line (Scan *scan, const char *line, gsize length)
{
  if (length > 0 && line[length - 1] == '\r') /* files edited elsewhere */
    length--;
  if (!is_clean (line, length))
    {
      complain (scan, "control characters, or text that is not UTF-8");
      return;
    }
  while (length > 0 && g_ascii_isspace (line[length - 1]))
    length--;
  while (length > 0 && g_ascii_isspace (line[0]))
    {
      line++;
      length--;
    }
  if (length == 0 || line[0] == '#')
    return;
  if (line[0] == '[')
    scan_group (scan, line, length);
  else
    scan_pair (scan, line, length);
}

/* Takes the next line and its end from @cursor. */
static gboolean
take_line (TeesqlCursor *cursor, const guint8 **out_line, gsize *out_length)
{
  gsize remaining = teesql_cursor_remaining (cursor);
  const guint8 *start = teesql_cursor_peek (cursor);
  const guint8 *end = remaining > 0 ? memchr (start, '\n', remaining) : NULL;
  gsize length = end != NULL ? (gsize) (end - start) : remaining;

  if (remaining == 0 || !teesql_cursor_take (cursor, "line", length, out_line, NULL))
    return FALSE;
  *out_length = length;
  return end == NULL || teesql_cursor_skip (cursor, "line end", 1, NULL);
}

GPtrArray *
teesql_config_scan (const char *file, guint rank, const guint8 *data, gsize size, TeesqlConfigFindings *findings)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
  Scan scan = { .file = file, .rank = rank, .findings = findings, .entries = entries, .seen = seen };
  TeesqlCursor cursor;
  const guint8 *line = NULL;
  gsize length = 0;

  if (size > TEESQL_CONFIG_MAX_FILE)
    {
      complain (&scan, "larger than %" G_GSIZE_FORMAT " bytes", TEESQL_CONFIG_MAX_FILE);
      return entries;
    }
  teesql_cursor_init (&cursor, "configuration file", data, size);
  while (take_line (&cursor, &line, &length))
    {
      scan.line++;
      if (length > MAX_LINE)
        complain (&scan, "a line of more than %" G_GSIZE_FORMAT " bytes", MAX_LINE);
      else
        scan_line (&scan, (const char *) line, length);
      if (entries->len > TEESQL_CONFIG_MAX_ENTRIES)
        {
          complain (&scan, "more than %d groups and keys", TEESQL_CONFIG_MAX_ENTRIES);
          break;
        }
    }
  g_free (scan.group);
  return entries;
}
