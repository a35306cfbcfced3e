#include "backup/teesql-catalog-private.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <string.h>

#define TITLE    "teesql-accept-1"
#define MAX_SIZE ((gsize) 256)

char *
teesql_catalog_dup_accept_path (const char *head_path)
{
  g_autofree char *folder = g_path_get_dirname (head_path);

  return g_build_filename (folder, "accept", NULL);
}

gboolean
teesql_catalog_mark_restored (const char *head_path, const TeesqlLineage *parent, guint64 sequence, const guint8 digest[32], GError **error)
{
  g_autofree char *path = teesql_catalog_dup_accept_path (head_path);
  g_autofree char *hex = parent != NULL ? teesql_hex_encode (digest, TEESQL_SHA256_SIZE) : NULL;
  g_autofree char *text = parent != NULL ? g_strdup_printf (TITLE "\n%s %" G_GUINT64_FORMAT " %s\n", parent->text, sequence, hex)
                                         : g_strdup (TITLE "\nnothing\n");

  return teesql_state_file_replace (path, text, strlen (text), error);
}

static gboolean
parse_parent (const char *line, TeesqlAcceptMark *out)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 4);

  if (g_str_equal (line, "nothing"))
    return TRUE;
  out->has_parent = TRUE;
  return g_strv_length (words) == 3 && teesql_lineage_parse (words[0], -1, &out->lineage, NULL) &&
         g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXINT64, &out->sequence, NULL) &&
         teesql_hex_decode_into (words[2], -1, out->digest, sizeof out->digest, NULL);
}

gboolean
teesql_accept_mark_load (const char *head_path, TeesqlAcceptMark *out, GError **error)
{
  g_autofree char *path = teesql_catalog_dup_accept_path (head_path);
  g_autoptr (GBytes) content = teesql_state_file_load (path, MAX_SIZE, error);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  TeesqlAcceptMark mark = { 0 };

  if (content == NULL)
    return FALSE;
  text = g_strndup (g_bytes_get_size (content) > 0 ? g_bytes_get_data (content, NULL) : "", g_bytes_get_size (content));
  lines = g_strsplit (text, "\n", 4);
  if (g_strv_length (lines) != 3 || !g_str_equal (lines[0], TITLE) || !parse_parent (lines[1], &mark) || lines[2][0] != '\0')
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "accept-form",
                        "%s: no mark of `teesql backup accept`\nhint: remove it and give the command again", path);
  *out = mark;
  return TRUE;
}
