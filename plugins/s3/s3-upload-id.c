#include "s3-upload-id.h"

#include <string.h>

#define MARK_SIZE ((gsize) 17)
#define ID_MAX    ((gsize) 2048) /* what core takes */

char *
s3_upload_id_new_mark (gboolean conditional)
{
  return g_strdup_printf ("%c%08x%08x", conditional ? 'c' : 'n', g_random_int (), g_random_int ());
}

char *
s3_upload_id_new (const char *store_id, const char *mark)
{
  return g_strdup_printf ("%s:%s", mark, store_id);
}

gboolean
s3_upload_id_is_ours (const char *id)
{
  if (strlen (id) <= MARK_SIZE + 1 || strlen (id) > ID_MAX || strchr ("cn", id[0]) == NULL || id[MARK_SIZE] != ':')
    return FALSE;
  for (gsize i = 1; i < MARK_SIZE; i++)
    if (!g_ascii_isxdigit (id[i]))
      return FALSE;
  return TRUE;
}

const char *
s3_upload_id_get_store_id (const char *id)
{
  return id + MARK_SIZE + 1;
}

char *
s3_upload_id_dup_mark (const char *id)
{
  return g_strndup (id, MARK_SIZE);
}

gboolean
s3_upload_id_is_conditional (const char *id)
{
  return id[0] == 'c';
}
