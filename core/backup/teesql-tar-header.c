/* POSIX.1-1988 ustar, as src/port/tar.c of PostgreSQL writes it: names without prefix, a slash behind folders and links, sizes beyond
 * 8 GiB in base-256. */
#include "backup/teesql-tar-header.h"

#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

#include <string.h>

#define CHECKSUM_OFFSET 148
#define CHECKSUM_SIZE   8
#define NAME_SIZE       100
#define PREFIX_SIZE     155
#define SIZE_SIZE       12
#define PART_MAX        ((gsize) 255) /* NAME_MAX */
#define OID_DIGITS_MAX  10
#define DEPTH_MAX       48u /* PostgreSQL has six; whoever clears away after us goes no deeper than 64 */

#define malformed(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, reason, __VA_ARGS__)

static gboolean
part_is_safe (const char *part, gsize size)
{
  return size > 0 && size <= PART_MAX && !(size == 1 && part[0] == '.') && !(size == 2 && part[0] == '.' && part[1] == '.');
}

gboolean
teesql_tar_name_is_safe (const char *name)
{
  const char *part = name;
  guint depth = 0;

  for (const char *at = name;; at++)
    {
      if (*at == '/' || *at == '\0')
        {
          if (!part_is_safe (part, (gsize) (at - part)) || ++depth > DEPTH_MAX)
            return FALSE;
          part = at + 1;
        }
      else if ((guchar) *at < 0x20 || *at == 0x7f)
        return FALSE;
      if (*at == '\0')
        return (gsize) (at - name) <= TEESQL_TAR_NAME_MAX;
    }
}

/* ---- fields ---- */

/* Octal digits, then NUL or blanks up to the end of the field. */
static gboolean
parse_octal (const guint8 *field, gsize size, guint64 *out)
{
  guint64 value = 0;
  gsize i = 0;

  for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
    {
      if (value >> 61 != 0)
        return FALSE;
      value = value << 3 | (guint64) (field[i] - '0');
    }
  if (i == 0)
    return FALSE;
  for (; i < size; i++)
    if (field[i] != '\0' && field[i] != ' ')
      return FALSE;
  *out = value;
  return TRUE;
}

static gboolean
parse_base256 (const guint8 *field, gsize size, guint64 *out)
{
  guint64 value = 0;

  if (field[0] != 0x80) /* a negative number, or one of over 88 bits */
    return FALSE;
  for (gsize i = 1; i < size; i++)
    {
      if (value >> 56 != 0)
        return FALSE;
      value = value << 8 | field[i];
    }
  *out = value;
  return TRUE;
}

static gboolean
parse_number (const guint8 *field, gsize size, guint64 *out)
{
  return (field[0] & 0x80) != 0 ? parse_base256 (field, size, out) : parse_octal (field, size, out);
}

/* Bytes up to a NUL, and NULs up to the end of the field: what stands behind the first would be read by others. */
static gboolean
parse_text (const guint8 *field, gsize size, char *out, gsize *out_size)
{
  gsize n = 0;

  for (; n < size && field[n] != '\0'; n++)
    out[n] = (char) field[n];
  out[n] = '\0';
  for (gsize i = n; i < size; i++)
    if (field[i] != '\0')
      return FALSE;
  *out_size = n;
  return TRUE;
}

static gboolean
checksum_is_right (const guint8 block[512], guint64 stored)
{
  guint64 sum = (guint64) CHECKSUM_SIZE * ' ';

  for (gsize i = 0; i < TEESQL_TAR_BLOCK; i++)
    if (i < CHECKSUM_OFFSET || i >= CHECKSUM_OFFSET + CHECKSUM_SIZE)
      sum += block[i];
  return sum == stored;
}

/* ---- meaning ---- */

static gboolean
take_name (TeesqlTarHeader *out, const guint8 *name, const guint8 *prefix, guint64 number, GError **error)
{
  char parts[2][PREFIX_SIZE + 1];
  gsize sizes[2] = { 0, 0 };
  const char *start = NULL;
  gsize used = 0;

  if (!parse_text (name, NAME_SIZE, parts[0], &sizes[0]) || !parse_text (prefix, PREFIX_SIZE, parts[1], &sizes[1]))
    return malformed (error, "tar-name", "entry %" G_GUINT64_FORMAT " of the archive: bytes behind the end of its name", number);
  if (sizes[0] + sizes[1] + 1 > TEESQL_TAR_NAME_MAX)
    return malformed (error, "tar-name", "entry %" G_GUINT64_FORMAT " of the archive: the name is too long", number);
  used = sizes[1] > 0 ? g_strlcpy (out->name, parts[1], sizeof out->name) : 0;
  if (used > 0)
    out->name[used++] = '/';
  /* PostgreSQL names the two folders of an empty pg_wal so, and nothing else */
  start = g_str_has_prefix (parts[0], "./pg_wal/") && used == 0 ? parts[0] + strlen ("./") : parts[0];
  used += g_strlcpy (out->name + used, start, sizeof out->name - used);
  if (used > 1 && out->kind != TEESQL_TAR_FILE && out->name[used - 1] == '/')
    out->name[used - 1] = '\0';
  return TRUE;
}

static gboolean
check_name (const TeesqlTarHeader *header, guint64 number, GError **error)
{
  g_autofree char *shown = NULL;

  if (teesql_tar_name_is_safe (header->name))
    return TRUE;
  shown = g_strescape (header->name, NULL);
  return malformed (error, "tar-path", "entry %" G_GUINT64_FORMAT " of the archive: a restore does not write to `%s`", number, shown);
}

static gboolean
take_kind (TeesqlTarHeader *out, guint8 flag, guint64 number, GError **error)
{
  switch (flag)
    {
    case '0':
      out->kind = TEESQL_TAR_FILE;
      return TRUE;
    case '5':
      out->kind = TEESQL_TAR_FOLDER;
      return TRUE;
    case '2':
      out->kind = TEESQL_TAR_LINK;
      return TRUE;
    default:
      return malformed (error, "tar-kind",
                        "entry %" G_GUINT64_FORMAT " of the archive: kind 0x%02x, expected a file, a folder or a tablespace's link", number,
                        flag);
    }
}

/* `pg_tblspc/16384` */
static gboolean
is_tablespace_name (const char *name)
{
  const char *oid = name + strlen ("pg_tblspc/");
  gsize n = 0;

  if (!g_str_has_prefix (name, "pg_tblspc/"))
    return FALSE;
  while (g_ascii_isdigit (oid[n]))
    n++;
  return n > 0 && n <= OID_DIGITS_MAX && oid[n] == '\0' && oid[0] != '0';
}

static gboolean
check_link (const TeesqlTarHeader *header, gsize link_size, guint64 number, GError **error)
{
  if (header->kind != TEESQL_TAR_LINK)
    return link_size == 0 ||
           malformed (error, "tar-link", "entry %" G_GUINT64_FORMAT " of the archive: `%s` is no link and leads somewhere", number,
                      header->name);
  if (is_tablespace_name (header->name) && header->link[0] == '/')
    return TRUE;
  return malformed (error, "tar-link", "entry %" G_GUINT64_FORMAT " of the archive: `%s` is a link, and only a tablespace may be one",
                    number, header->name);
}

static gboolean
check_size (const TeesqlTarHeader *header, guint64 number, GError **error)
{
  if (header->size > (header->kind == TEESQL_TAR_FILE ? TEESQL_TAR_SIZE_MAX : 0))
    return malformed (error, "tar-size", "entry %" G_GUINT64_FORMAT " of the archive: `%s` has %" G_GUINT64_FORMAT " bytes", number,
                      header->name, header->size);
  return TRUE;
}

gboolean
teesql_tar_header_parse (const guint8 block[512], guint64 number, TeesqlTarHeader *out, GError **error)
{
  TeesqlCursor cursor;
  const guint8 *name = NULL, *size = NULL, *checksum = NULL, *flag = NULL, *link = NULL, *magic = NULL, *prefix = NULL;
  guint64 stored = 0;
  gsize link_size = 0;

  teesql_cursor_init (&cursor, "tar header", block, TEESQL_TAR_BLOCK);
  if (!teesql_cursor_take (&cursor, "name", NAME_SIZE, &name, error) || !teesql_cursor_skip (&cursor, "mode, owner", 24, error) ||
      !teesql_cursor_take (&cursor, "size", SIZE_SIZE, &size, error) || !teesql_cursor_skip (&cursor, "mtime", 12, error) ||
      !teesql_cursor_take (&cursor, "checksum", CHECKSUM_SIZE, &checksum, error) ||
      !teesql_cursor_take (&cursor, "kind", 1, &flag, error) || !teesql_cursor_take (&cursor, "link", NAME_SIZE, &link, error) ||
      !teesql_cursor_take (&cursor, "magic", 8, &magic, error) || !teesql_cursor_skip (&cursor, "owner, device", 80, error) ||
      !teesql_cursor_take (&cursor, "prefix", PREFIX_SIZE, &prefix, error))
    return FALSE;
  if (!parse_octal (checksum, CHECKSUM_SIZE, &stored) || !checksum_is_right (block, stored))
    return malformed (error, "tar-checksum", "entry %" G_GUINT64_FORMAT " of the archive: the checksum of its header is wrong", number);
  if (memcmp (magic, "ustar\00000", 8) != 0)
    return malformed (error, "tar-magic", "entry %" G_GUINT64_FORMAT " of the archive: no ustar header", number);
  if (!take_kind (out, flag[0], number, error) || !take_name (out, name, prefix, number, error) || !check_name (out, number, error))
    return FALSE;
  if (!parse_number (size, SIZE_SIZE, &out->size) || !parse_text (link, NAME_SIZE, out->link, &link_size))
    return malformed (error, "tar-field", "entry %" G_GUINT64_FORMAT " of the archive: size or link of `%s` make no sense", number,
                      out->name);
  return check_size (out, number, error) && check_link (out, link_size, number, error);
}
