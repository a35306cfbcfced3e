#include "postgres/teesql-managed-memory.h"
#include "base/teesql-log.h"

#include <string.h>

#define FILE_NAME "postgresql-identity"
#define PREFIX    "system-identifier "

char *
teesql_managed_memory_dup_path (const char *state_directory)
{
  return g_build_filename (state_directory, FILE_NAME, NULL);
}

guint64
teesql_managed_memory_load (const char *state_directory)
{
  g_autofree char *path = teesql_managed_memory_dup_path (state_directory);
  g_autofree char *text = NULL;
  guint64 identifier = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  g_strchomp (text);
  if (g_str_has_prefix (text, PREFIX) && g_ascii_string_to_unsigned (text + strlen (PREFIX), 10, 1, G_MAXUINT64, &identifier, NULL))
    return identifier;
  teesql_log_warning ("postgres", "%s is damaged and will be written anew", path);
  return 0;
}

gboolean
teesql_managed_memory_save (const char *state_directory, guint64 system_identifier, GError **error)
{
  g_autofree char *path = teesql_managed_memory_dup_path (state_directory);
  g_autofree char *text = g_strdup_printf (PREFIX "%" G_GUINT64_FORMAT "\n", system_identifier);

  return g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}
