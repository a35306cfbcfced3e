#include "postgres/teesql-disk-watch.h"
#include "base/teesql-log.h"

#include <sys/statvfs.h>

#define LOW_BYTES  ((guint64) 1 << 30)
#define LOW_TENTHS 1

static gboolean
look (const char *path, struct statvfs *out)
{
  g_autofree char *parent = g_path_get_dirname (path);

  /* the folder itself may be closed to us, but asking needs no more than a way to it */
  return statvfs (path, out) == 0 || statvfs (parent, out) == 0;
}

guint64
teesql_disk_watch_free_bytes (const char *path)
{
  struct statvfs at;

  return look (path, &at) ? (guint64) at.f_bavail * at.f_frsize : G_MAXUINT64;
}

gboolean
teesql_disk_watch_look (TeesqlStatus *status, const char *path, gboolean was_low)
{
  struct statvfs at;
  guint64 room = 0;
  g_autofree char *size = NULL;
  g_autofree char *text = NULL;

  if (!look (path, &at))
    return was_low;
  room = (guint64) at.f_bavail * at.f_frsize;
  teesql_status_remove_notice (status, "disk-low", "");
  if (room >= LOW_BYTES || (guint64) at.f_bavail * 10 >= (guint64) at.f_blocks * LOW_TENTHS)
    return FALSE;
  size = g_format_size_full (room, G_FORMAT_SIZE_IEC_UNITS);
  text =
      g_strdup_printf ("%s are left on the volume of %s; PostgreSQL ends when nothing is\nhint: make room, or a larger volume", size, path);
  teesql_status_add_notice (status, "disk-low", "", text);
  if (!was_low)
    teesql_log_warning ("postgres", "disk-low: %s", text);
  return TRUE;
}
