#include "base/teesql-domains.h"
#include "seal/teesql-seal.h"

#define FULL ((guint64) (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE))

guint64
teesql_seal_sealed_size (gsize header, guint64 plain)
{
  guint64 segments = plain == 0 ? 1 : (plain - 1) / TEESQL_SEAL_SEGMENT_SIZE + 1;

  return header + plain + segments * TEESQL_SEAL_TAG_SIZE;
}

gboolean
teesql_seal_plain_size (gsize header, guint64 sealed, guint64 *out_plain, GError **error)
{
  guint64 body = sealed >= header ? sealed - header : 0;
  guint64 segments = body / FULL;
  guint64 rest = body % FULL;
  gboolean whole = rest == 0 && segments > 0;
  gboolean fits = whole || rest > TEESQL_SEAL_TAG_SIZE || (rest == TEESQL_SEAL_TAG_SIZE && segments == 0);
  guint64 plain = segments * TEESQL_SEAL_SEGMENT_SIZE + (rest > TEESQL_SEAL_TAG_SIZE ? rest - TEESQL_SEAL_TAG_SIZE : 0);

  if (!fits || plain > TEESQL_SEAL_PLAIN_MAX)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "seal-size",
                        "sealed object: no object has %" G_GUINT64_FORMAT " bytes behind a header of %" G_GSIZE_FORMAT, body, header);
  *out_plain = plain;
  return TRUE;
}
