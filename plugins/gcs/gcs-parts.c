/* Names and tags of parts. */
#include "gcs-parts.h"

#include "base/teesql-domains.h"

#include <string.h>

#define ID_SIZE 32

void
gcs_part_free (GcsPart *self)
{
  g_free (self->full_name);
  g_free (self->generation);
  g_free (self);
}

char *
gcs_upload_id_new (void)
{
  g_autofree char *uuid = g_uuid_string_random ();
  g_auto (GStrv) pieces = g_strsplit (uuid, "-", -1);

  return g_strjoinv ("", pieces);
}

gboolean
gcs_upload_id_is_valid (const char *upload_id)
{
  return strlen (upload_id) == ID_SIZE && strspn (upload_id, "0123456789abcdef") == ID_SIZE;
}

char *
gcs_part_full_name (const GcsStorage *self, const char *upload_id, guint number)
{
  return g_strdup_printf ("%s" GCS_PARTS "%s/%05u", self->prefix, upload_id, number);
}

char *
gcs_part_to_tag (const GcsObject *object)
{
  return g_strdup_printf ("%s:%" G_GUINT64_FORMAT ":%08x", object->generation, object->size, object->crc32c);
}

GcsPart *
gcs_part_from_tag (const GcsStorage *self, const char *upload_id, guint number, const char *tag, GError **error)
{
  g_auto (GStrv) fields = g_strsplit (tag, ":", 4);
  GcsPart *part = g_new0 (GcsPart, 1);
  guint64 crc32c = 0;

  if (g_strv_length (fields) == 3 && strspn (fields[0], "0123456789") == strlen (fields[0]) &&
      g_ascii_string_to_unsigned (fields[1], 10, 0, G_MAXINT64, &part->size, NULL) &&
      g_ascii_string_to_unsigned (fields[2], 16, 0, G_MAXUINT32, &crc32c, NULL))
    {
      part->crc32c = (guint32) crc32c;
      part->generation = g_strdup (fields[0]);
      part->full_name = gcs_part_full_name (self, upload_id, number);
      return part;
    }
  gcs_part_free (part);
  teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "upload-tag", "the tag of part %u is none of ours", number);
  return NULL;
}
