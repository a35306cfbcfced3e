#include "tar-fixture.h"

#include <string.h>

void
tar_fixture_seal (guint8 *header)
{
  guint sum = 0;

  memset (header + 148, ' ', 8);
  for (guint i = 0; i < 512; i++)
    sum += header[i];
  g_snprintf ((char *) header + 148, 8, "%06o", sum);
}

guint8 *
tar_fixture_header (GByteArray *tar, char flag, const char *name, const char *link, guint64 size)
{
  guint8 *header = NULL;

  g_byte_array_set_size (tar, tar->len + 512);
  header = tar->data + tar->len - 512;
  memset (header, 0, 512);
  g_strlcpy ((char *) header, name, 100);
  g_snprintf ((char *) header + 100, 8, "%07o", 0600u);
  g_snprintf ((char *) header + 108, 8, "%07o", 0u);
  g_snprintf ((char *) header + 116, 8, "%07o", 0u);
  g_snprintf ((char *) header + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
  g_snprintf ((char *) header + 136, 12, "%011o", 0u);
  header[156] = (guint8) flag;
  if (link != NULL)
    g_strlcpy ((char *) header + 157, link, 100);
  memcpy (header + 257, "ustar\00000", 8);
  g_strlcpy ((char *) header + 265, "postgres", 32);
  g_strlcpy ((char *) header + 297, "postgres", 32);
  tar_fixture_seal (header);
  return header;
}

void
tar_fixture_pad (GByteArray *tar)
{
  guint before = tar->len;

  g_byte_array_set_size (tar, (before + 511) & ~511u);
  if (tar->len > before)
    memset (tar->data + before, 0, tar->len - before);
}

void
tar_fixture_add (GByteArray *tar, char flag, const char *name, const char *link, const char *content)
{
  gsize size = content != NULL ? strlen (content) : 0;

  tar_fixture_header (tar, flag, name, link, size);
  if (size > 0)
    g_byte_array_append (tar, (const guint8 *) content, (guint) size);
  tar_fixture_pad (tar);
}

void
tar_fixture_end (GByteArray *tar)
{
  static const guint8 zeros[1024] = { 0 };

  g_byte_array_append (tar, zeros, sizeof zeros);
}
