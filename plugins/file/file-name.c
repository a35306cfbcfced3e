#include "file-name.h"

#include <string.h>
#include <teesql/teesql-storage.h>

static gboolean
needs_mark (const char *rest, gsize length)
{
  return length == 0 || (length == 1 && rest[0] == '.') || (length == 2 && rest[0] == '.' && rest[1] == '.');
}

static void
append_segment (GString *path, const char *segment, gsize length, gboolean last)
{
  for (; length >= FILE_NAME_CHUNK; segment += FILE_NAME_CHUNK, length -= FILE_NAME_CHUNK)
    {
      g_string_append_len (path, segment, (gssize) FILE_NAME_CHUNK);
      g_string_append (path, "+/");
    }
  g_string_append_len (path, segment, (gssize) length);
  if (last)
    g_string_append_c (path, '@');
  else
    g_string_append (path, needs_mark (segment, length) ? "+/" : "/");
}

char *
file_name_to_path (const char *name)
{
  GString *path = g_string_new (NULL);
  const char *segment = name;

  while (TRUE)
    {
      gsize length = strcspn (segment, "/");

      append_segment (path, segment, length, segment[length] == '\0');
      if (segment[length] == '\0')
        return g_string_free (path, FALSE);
      segment += length + 1;
    }
}

/* Bytes that @entry adds to the name; %FALSE: it is not ours. */
static gboolean
decode_folder (const char *entry, gboolean within_segment, gsize *out_length, gboolean *out_ends)
{
  gsize length = strlen (entry);
  gboolean marked = length > 0 && entry[length - 1] == '+';

  *out_length = marked ? length - 1 : length;
  *out_ends = *out_length < FILE_NAME_CHUNK;
  if (marked && *out_length == FILE_NAME_CHUNK)
    return TRUE;
  return *out_ends && marked == needs_mark (entry, *out_length) && (within_segment || !marked);
}

static gboolean
decode_file (const char *entry, gboolean within_segment, gsize *out_length)
{
  gsize length = strlen (entry);

  if (length == 0 || entry[length - 1] != '@')
    return FALSE;
  *out_length = length - 1;
  return *out_length < FILE_NAME_CHUNK && (within_segment || !needs_mark (entry, *out_length));
}

static gboolean
is_possible (const char *name, gboolean ends)
{
  g_autofree char *object = g_strconcat (name, ends ? "x" : "", NULL);

  return teesql_storage_name_is_valid (object);
}

gboolean
file_name_decode (const char *base, const char *entry, gboolean is_folder, char **out_name)
{
  gsize base_length = strlen (base);
  gboolean within_segment = base_length > 0 && base[base_length - 1] != '/';
  gboolean ends = FALSE;
  gsize length = 0;
  g_autofree char *name = NULL;

  if (is_folder ? !decode_folder (entry, within_segment, &length, &ends) : !decode_file (entry, within_segment, &length))
    return FALSE;
  name = g_strdup_printf ("%s%.*s%s", base, (int) length, entry, ends ? "/" : "");
  if (!is_possible (name, ends))
    return FALSE;
  *out_name = g_steal_pointer (&name);
  return TRUE;
}
