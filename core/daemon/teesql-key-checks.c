#include "daemon/teesql-key-checks.h"

#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "keys/teesql-keys.h"

#include <string.h>
#include <teesql/teesql-error.h>

#define MAX_FILE ((gsize) 65536)

/* Lines `PATH HEX`; %NULL when any of them is something else. */
static GHashTable *
parse (const char *text, gsize size)
{
  g_autoptr (GHashTable) checks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_auto (GStrv) lines = NULL;

  if (size > MAX_FILE || !g_utf8_validate_len (text, size, NULL)) /* that refuses NUL too */
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", 3);
      guint8 check[TEESQL_KEYS_CHECK_SIZE];

      if (g_strv_length (words) != 2 || !teesql_hex_decode_into (words[1], -1, check, sizeof check, NULL))
        return NULL;
      g_hash_table_insert (checks, g_strdup (words[0]), g_strdup (words[1]));
    }
  return g_steal_pointer (&checks);
}

static GHashTable *
read_checks (const char *file)
{
  g_autofree char *text = NULL;
  gsize size = 0;
  GHashTable *checks = NULL;

  if (!g_file_get_contents (file, &text, &size, NULL))
    return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  checks = parse (text, size);
  if (checks != NULL)
    return checks;
  teesql_log_warning ("kms", "%s: damaged, written anew", file);
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

static void
write_checks (const char *file, GHashTable *checks)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer path = NULL;
  gpointer check = NULL;

  g_hash_table_iter_init (&iter, checks);
  while (g_hash_table_iter_next (&iter, &path, &check))
    g_string_append_printf (text, "%s %s\n", (char *) path, (char *) check);
  if (!g_file_set_contents_full (file, text->str, (gssize) text->len, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &error))
    teesql_log_warning ("kms", "the check values of keys cannot be kept: %s", error->message);
}

gboolean
teesql_key_checks_compare (const char *state_directory, const char *path, TeesqlSecret *key, GError **error)
{
  g_autofree char *file = g_build_filename (state_directory, "key-checks", NULL);
  g_autoptr (GHashTable) checks = read_checks (file);
  const char *before = g_hash_table_lookup (checks, path);
  guint8 check[TEESQL_KEYS_CHECK_SIZE];
  g_autofree char *hex = NULL;

  teesql_keys_check_value (key, check);
  hex = teesql_hex_encode (check, sizeof check);
  if (g_strcmp0 (before, hex) == 0)
    return TRUE;
  if (before != NULL)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_KMS_ERROR, TEESQL_ERROR_INTEGRITY, "kms-key-changed", 0,
                                                  "%s: the KMS answers another key (check value %s) than at an earlier start (%s)\n"
                                                  "hint: this is another app or another KMS; if that is meant, remove %s",
                                                  path, hex, before, file));
      return FALSE;
    }
  g_hash_table_insert (checks, g_strdup (path), g_strdup (hex));
  write_checks (file, checks);
  return TRUE;
}
