#include "postgres/teesql-control-file.h"
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

/* struct ControlFileData of catalog/pg_control.h, PostgreSQL 17, on a 64-bit little-endian machine */
#define CONTROL_VERSION   1700
#define SKIP_TO_TIMELINE  (48 - 20)
#define SKIP_TO_CHECKSUMS (252 - 52)
#define SKIP_TO_CRC       (288 - 256)
#define CRC_COVERS        288
#define CRC32C_POLYNOMIAL 0x82f63b78u /* Castagnoli, reflected */
#define LAST_STATE        6           /* DB_IN_PRODUCTION */

static guint32
crc32c (const guint8 *data, gsize size)
{
  guint32 crc = G_MAXUINT32;

  for (gsize i = 0; i < size; i++)
    {
      crc ^= data[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC32C_POLYNOMIAL : 0);
    }
  return ~crc;
}

#define broken(error, ...)                                                                                                                 \
  teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_INTEGRITY, "control-file", "pg_control is broken: " __VA_ARGS__)

static gboolean
read_fields (TeesqlCursor *cursor, TeesqlControlFile *out, guint32 *out_version, guint32 *out_crc, GError **error)
{
  guint32 catalog = 0;

  return teesql_cursor_u64_le (cursor, "system_identifier", &out->system_identifier, error) &&
         teesql_cursor_u32_le (cursor, "pg_control_version", out_version, error) &&
         teesql_cursor_u32_le (cursor, "catalog_version_no", &catalog, error) &&
         teesql_cursor_u32_le (cursor, "state", &out->state, error) && teesql_cursor_skip (cursor, "times", SKIP_TO_TIMELINE, error) &&
         teesql_cursor_u32_le (cursor, "ThisTimeLineID", &out->timeline, error) &&
         teesql_cursor_skip (cursor, "settings", SKIP_TO_CHECKSUMS, error) &&
         teesql_cursor_u32_le (cursor, "data_checksum_version", &out->checksum_version, error) &&
         teesql_cursor_skip (cursor, "mock_authentication_nonce", SKIP_TO_CRC, error) &&
         teesql_cursor_u32_le (cursor, "crc", out_crc, error);
}

gboolean
teesql_control_file_parse (const guint8 *data, gsize size, TeesqlControlFile *out, GError **error)
{
  TeesqlControlFile read = { 0 };
  TeesqlCursor cursor;
  guint32 version = 0;
  guint32 crc = 0;

  if (size != TEESQL_CONTROL_FILE_SIZE)
    return broken (error, "%" G_GSIZE_FORMAT " bytes, expected %d", size, TEESQL_CONTROL_FILE_SIZE);
  teesql_cursor_init (&cursor, "pg_control", data, size);
  if (!read_fields (&cursor, &read, &version, &crc, error))
    return FALSE;
  if (version != CONTROL_VERSION)
    return broken (error, "layout %u, expected %d", version, CONTROL_VERSION);
  if (crc != crc32c (data, CRC_COVERS))
    return broken (error, "its checksum does not agree");
  if (read.state > LAST_STATE || read.timeline == 0 || read.system_identifier == 0)
    return broken (error, "a field has no possible value");
  *out = read;
  return TRUE;
}
