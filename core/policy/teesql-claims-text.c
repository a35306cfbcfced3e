#include "policy/teesql-claims-text.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"

char *
teesql_bytes_to_text (GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

  return bytes != NULL ? teesql_hex_encode (data, size) : NULL;
}

char *
teesql_claims_field_to_text (const TeesqlClaims *claims, TeesqlField field)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, field, &size);

  return data != NULL ? teesql_hex_encode (data, size) : NULL;
}

char *
teesql_claims_platform_to_text (const TeesqlClaims *claims)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  gsize size = 0;
  const guint8 *ppid = teesql_claims_get_field (claims, TEESQL_FIELD_PPID, &size);

  if (ppid == NULL)
    return NULL;
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, ppid, size);
  return teesql_hex_encode (digest, sizeof digest);
}
